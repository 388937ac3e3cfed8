//! OpenSearch 3, from its libraries.

use std::path::Path;

use host_test::Error;

use super::client::Client;
use super::{Kit, files, is_ready};
use crate::process::{Running, free_ports, guarded};

/// An OpenSearch on loopback.
pub struct OpenSearch {
    running: Running,
    /// Where it listens.
    pub port: u16,
    /// Asks it.
    pub client: Client,
}

impl OpenSearch {
    /// Starts one that keeps its data in a folder. Settings are `KEY=VALUE`.
    pub fn start(kit: &Kit, folder: &Path, settings: &[&str]) -> Result<OpenSearch, Error> {
        let [http, transport] = free_ports()?;
        let mut command = guarded(kit.java.program("java"));
        command
            // Faster to start, and small.
            .args(["-Xms512m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(kit.from.join("opensearch-3.8.0.0/*"))
            .arg(files().join("OpenSearch.java"))
            .arg(folder.join("data"))
            .arg(format!("http.port={http}"))
            .arg(format!("transport.port={transport}"))
            .args(settings)
            .current_dir(folder);
        let running = Running::start("OpenSearch", command, &folder.join("log"))?;
        let client = Client::new(format!("http://127.0.0.1:{http}"), None, None)?;
        let mut store = OpenSearch {
            running,
            port: http,
            client,
        };
        store.wait()?;
        Ok(store)
    }

    fn wait(&mut self) -> Result<(), Error> {
        let client = &self.client;
        self.running.until("it answers", |_| Ok(is_ready(client)))
    }

    /// Holds it: its connections stay open, and nothing is answered.
    pub fn freeze(&self) -> Result<(), Error> {
        self.running.signal("STOP")
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<(), Error> {
        self.running.signal("CONT")
    }

    /// Ends it as a power cut would, and starts it again with what it has on the disk.
    pub fn crash_and_restart(&mut self) -> Result<(), Error> {
        self.running.crash_and_restart()?;
        self.wait()
    }
}
