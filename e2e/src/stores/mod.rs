//! Real stores. Maven brings them; each run gives them a folder of its own below `target/e2e`, and they listen
//! at loopback alone.

pub mod client;
mod elasticsearch;
mod java;
mod opensearch;

use std::path::PathBuf;
use std::process::Command;

use host_test::Error;

use self::client::Client;
use self::java::Java;
use crate::process;

pub use self::elasticsearch::Elasticsearch;
pub use self::opensearch::OpenSearch;

/// What all stores are made of.
pub struct Kit {
    java: Java,
    /// Where Maven puts them.
    from: PathBuf,
}

impl Kit {
    /// Has Maven fetch what is not here yet.
    ///
    /// # Errors
    /// There is no fitting Java, no Maven, or it can't fetch.
    pub fn fetch() -> Result<Kit, Error> {
        let java = Java::find()?;
        let from = guest_build::workspace().join("target/e2e/stores");
        process::run(
            Command::new("mvn")
                .args(["--batch-mode", "--quiet", "--file"])
                .arg(files().join("pom.xml"))
                .arg("package")
                .arg(format!("-Dinto={}", from.display())),
        )?;
        Ok(Kit { java, from })
    }
}

/// Our own files for them.
fn files() -> PathBuf {
    guest_build::workspace().join("e2e/stores")
}

/// Whether a store answers and can be written to.
fn is_ready(client: &Client) -> Option<()> {
    let path = "/_cluster/health?wait_for_status=yellow&timeout=1s";
    match client.ask("GET", path, "") {
        Ok((200, health)) if health["timed_out"] == false => Some(()),
        // It begins to listen before it is ready.
        _ => None,
    }
}
