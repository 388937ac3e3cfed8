//! OpenSearch 3, from its libraries.

use std::path::{Path, PathBuf};

use host_test::Error;

use super::client::Client;
use super::{Kit, START_MAX, files, is_ready};
use crate::process::{Running, free_ports, guarded};

/// An OpenSearch on loopback.
pub struct OpenSearch {
    program: PathBuf,
    libraries: PathBuf,
    folder: PathBuf,
    settings: Vec<String>,
    running: Running,
    /// Where it listens.
    pub port: u16,
    /// Asks it.
    pub client: Client,
}

impl OpenSearch {
    /// Starts one that keeps its data in a folder. Settings are `KEY=VALUE`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(kit: &Kit, folder: &Path, settings: &[&str]) -> Result<OpenSearch, Error> {
        let [http, transport] = free_ports()?;
        let mut all = vec![
            format!("http.port={http}"),
            format!("transport.port={transport}"),
        ];
        all.extend(settings.iter().map(|setting| setting.to_string()));
        let program = kit.java.program("java");
        let libraries = kit.from.join("opensearch-3.8.0.0/*");
        let running = launch(&program, &libraries, folder, &all)?;
        let client = Client::new(format!("http://127.0.0.1:{http}"), None, None)?;
        let mut store = OpenSearch {
            program,
            libraries,
            folder: folder.to_path_buf(),
            settings: all,
            running,
            port: http,
            client,
        };
        store.wait()?;
        Ok(store)
    }

    fn wait(&mut self) -> Result<(), Error> {
        let client = &self.client;
        self.running
            .until("it answers", START_MAX, |_| Ok(is_ready(client)))
    }

    /// Holds it: its connections stay open, and nothing is answered.
    ///
    /// # Errors
    /// It is gone.
    pub fn freeze(&self) -> Result<(), Error> {
        self.running.signal("STOP")
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It is gone.
    pub fn thaw(&self) -> Result<(), Error> {
        self.running.signal("CONT")
    }

    /// Ends it as a power cut would, and starts it again with what it has on the disk.
    ///
    /// # Errors
    /// It does not start again.
    pub fn crash_and_restart(&mut self) -> Result<(), Error> {
        self.running.kill()?;
        self.running = launch(&self.program, &self.libraries, &self.folder, &self.settings)?;
        self.wait()
    }
}

fn launch(
    program: &Path,
    libraries: &Path,
    folder: &Path,
    settings: &[String],
) -> Result<Running, Error> {
    let mut command = guarded(program);
    command
        // Faster to start, and small.
        .args(["-Xms512m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(libraries)
        .arg(files().join("OpenSearch.java"))
        .arg(folder.join("data"))
        .args(settings)
        .current_dir(folder);
    Running::start("OpenSearch", &mut command, &folder.join("log"))
}
