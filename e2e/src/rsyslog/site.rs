//! A folder, ports and a configuration for a real rsyslogd.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;

use crate::maxconn;
use crate::process::{Running, folder, free_ports, guarded};

/// A file of `pipelines/rsyslog`.
pub fn pipeline(file: &str) -> PathBuf {
    let folder = guest_build::workspace().join("pipelines/rsyslog");
    folder.join(file)
}

/// Everything that rsyslogd is told.
pub struct Site {
    /// Where it keeps what it has.
    pub folder: PathBuf,
    /// Of syslog, of the service's input and of its figures.
    pub ports: [u16; 3],
    /// What is written into maxconn's file of rsyslog.
    pub configuration: String,
    /// More inputs than syslog by TCP.
    pub inputs: String,
    store: u16,
}

impl Site {
    /// With a file of `pipelines/rsyslog`, before a store at a port.
    pub fn new(name: &str, file: &str, store: u16) -> Result<Site, Error> {
        let folder = folder(&format!("rsyslog-{name}"))?;
        fs::create_dir(folder.join("work"))?;
        let mut site = Site {
            folder,
            ports: free_ports()?,
            configuration: String::new(),
            inputs: String::new(),
            store,
        };
        let adapted = site.adapted(&fs::read_to_string(pipeline(file))?);
        // What the files leave to the reader: here the flood shall go nowhere else.
        site.configuration = adapted.replace("# stop\n", "stop\n");
        Ok(site)
    }

    /// With this run's paths and ports.
    pub fn adapted(&self, text: &str) -> String {
        let folder = self.folder.display().to_string();
        let [_, input, admin] = self.ports;
        let program = maxconn::path().display().to_string();
        [
            ("/usr/local/bin/maxconn", &program),
            ("/var/lib/maxconn", &folder),
            ("/var/log", &folder),
            (":9200", &format!(":{}", self.store)),
            (":8601", &format!(":{input}")),
            ("\"8601\"", &format!("\"{input}\"")),
            (":8688", &format!(":{admin}")),
        ]
        .iter()
        .fold(text.to_string(), |text, (from, to)| text.replace(from, to))
    }

    /// Starts rsyslogd.
    ///
    /// # Errors
    /// It finds fault with its configuration, or does not start.
    pub fn start(&self) -> Result<Running, Error> {
        let at = self.folder.display();
        let [port, ..] = self.ports;
        fs::write(self.folder.join("maxconn.conf"), &self.configuration)?;
        let inputs = &self.inputs;
        let main = self.folder.join("rsyslog.conf");
        fs::write(
            &main,
            format!(
                "global(workDirectory=\"{at}/work\")\nmodule(load=\"imtcp\")\n\
                 input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
                 {inputs}\
                 include(file=\"{at}/maxconn.conf\")\n*.* {at}/rest.log\n"
            ),
        )?;
        // Debian has it where not everybody looks for commands.
        let debian = Path::new("/usr/sbin/rsyslogd");
        let elsewhere = Path::new("rsyslogd");
        let program = if debian.exists() { debian } else { elsewhere };
        let mut check = Command::new(program);
        let checked = check.arg("-N1").arg("-f").arg(&main).output();
        let checked = checked
            .map_err(|error| format!("cannot start rsyslogd: {error}; `e2e/run` installs it"))?;
        let said = String::from_utf8_lossy(&checked.stderr);
        if !checked.status.success() || said.contains("error") || said.contains("warning") {
            return Err(format!("rsyslogd -N1 says {said}").into());
        }
        let mut command = guarded(program);
        let pid = self.folder.join("pid");
        command.args(["-n", "-i"]).arg(pid).arg("-f").arg(main);
        let log = self.folder.join("rsyslogd.log");
        let mut daemon = Running::start("rsyslogd", command, &log)?;
        daemon.until("it listens", |_| {
            Ok(TcpStream::connect(("127.0.0.1", port)).ok())
        })?;
        Ok(daemon)
    }
}
