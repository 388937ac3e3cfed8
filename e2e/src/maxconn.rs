//! The command under test.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;
use serde_json::Value;

use crate::process::{Running, guarded, run};
use crate::stores::client::Client;

/// Where `make build` puts it: beside this program.
pub fn path() -> PathBuf {
    test_support::command::program()
}

/// Runs it to its end; answers what it wrote.
pub fn output(arguments: &[&str]) -> Result<String, Error> {
    run(Command::new(path()).args(arguments))
}

/// The documents that it writes, one a line.
pub fn documents(arguments: &[&str]) -> Result<Vec<Value>, Error> {
    let lines = output(arguments)?;
    let documents = lines.lines().map(serde_json::from_str);
    Ok(documents.collect::<Result<_, _>>()?)
}

/// How many events the ends among alerts have in all.
pub fn ended(alerts: &str) -> Result<u64, Error> {
    let mut total = 0;
    for line in alerts.lines() {
        let alert: Value = serde_json::from_str(line)?;
        if alert["event"]["action"] == "connection-limit-flood-end" {
            total += alert["maxconn"]["flood"]["count"].as_u64().unwrap_or(0);
        }
    }
    Ok(total)
}

/// A `maxconn run`.
pub struct Run {
    running: Running,
    admin: String,
}

impl Run {
    /// Starts it. What it says goes to `log`; monitoring asks at `admin`.
    pub fn start(
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        admin: u16,
        log: &Path,
    ) -> Result<Run, Error> {
        let admin = format!("127.0.0.1:{admin}");
        let mut command = guarded(path());
        command.args(["run", "--admin", &admin]).args(arguments);
        let running = Running::start("maxconn", command, log)?;
        let mut run = Run { running, admin };
        run.wait()?;
        Ok(run)
    }

    fn wait(&mut self) -> Result<(), Error> {
        let admin = Client::new(format!("http://{}", self.admin), None, None)?;
        self.running.until("it answers", |_| {
            Ok(admin.ask("GET", "/healthz", "").ok().map(drop))
        })
    }

    /// Ends it as a power cut would, and starts it again.
    pub fn crash_and_restart(&mut self) -> Result<(), Error> {
        self.running.crash_and_restart()?;
        self.wait()
    }

    /// Waits until it has said something.
    pub fn said(&mut self, words: &str) -> Result<String, Error> {
        self.running.until(words, |running| {
            let said = running.said();
            Ok(said
                .lines()
                .find(|line| line.contains(words))
                .map(str::to_string))
        })
    }

    /// How often it has said something.
    pub fn times_said(&self, words: &str) -> usize {
        let said = self.running.said();
        said.lines().filter(|line| line.contains(words)).count()
    }

    /// A figure of monitoring.
    pub fn metric(&self, name: &str) -> Result<u64, Error> {
        let mut answer = ureq::get(format!("http://{}/metrics", self.admin)).call()?;
        let text = answer.body_mut().read_to_string()?;
        let mut figures = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let figure = figures.next().ok_or_else(|| format!("no metric {name}"))?;
        Ok(figure.parse()?)
    }

    /// Asks it to stop, and expects it to end well.
    pub fn stop(self) -> Result<(), Error> {
        self.running.end_well()
    }
}
