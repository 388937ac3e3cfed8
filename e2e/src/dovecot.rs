//! A real Dovecot in a temporary folder, and clients that bring it to its limit.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;

use crate::process::{PATIENCE, Running, free_ports, guarded, run};

/// How many sessions one user may hold from one address.
const LIMIT: usize = 3;

/// A running server; dropping it stops it.
pub struct Server {
    running: Running,
    port: u16,
    /// Its own log file.
    pub log: PathBuf,
}

impl Server {
    /// Starts one on a free port of loopback, with some more of a configuration.
    pub fn start(folder: &Path, more: &str) -> Result<Server, Error> {
        let [port] = free_ports()?;
        let log = folder.join("dovecot.log");
        let configuration = folder.join("dovecot.conf");
        let at = folder.display();
        fs::write(
            &configuration,
            format!(
                "base_dir = {at}/run\n\
                 state_dir = {at}/run\n\
                 log_path = {}\n\
                 protocols = imap\n\
                 listen = 127.0.0.1\n\
                 ssl = no\n\
                 disable_plaintext_auth = no\n\
                 mail_location = maildir:{at}/mail/%u\n\
                 mail_max_userip_connections = {LIMIT}\n\
                 first_valid_uid = 1\n\
                 auth_failure_delay = 0\n\
                 passdb {{\n  driver = static\n  args = password=secret\n}}\n\
                 userdb {{\n  driver = static\n  args = uid=nobody gid=nogroup home={at}/mail/%u\n}}\n\
                 service imap-login {{\n  service_count = 0\n  inet_listener imap {{\n    port = {port}\n  }}\n  \
                 inet_listener imaps {{\n    port = 0\n  }}\n}}\n\
                 service anvil {{\n  chroot =\n}}\n\
                 {more}",
                log.display()
            ),
        )?;
        fs::create_dir_all(folder.join("run"))?;
        let mail = folder.join("mail");
        fs::create_dir_all(&mail)?;
        // The mail user is another one, and must be able to get there.
        run(Command::new("chmod").arg("777").arg(&mail))?;
        let mut command = guarded("dovecot");
        command.args(["-F", "-c"]).arg(&configuration);
        let mut running = Running::start("dovecot", command, &folder.join("said.log"))?;
        running.until("it answers", |_| Ok(Session::open(port).ok().map(drop)))?;
        Ok(Server { running, port, log })
    }

    /// Holds as many sessions of one user as are allowed, then tries to log in `attempts` times more, while
    /// others log in and out.
    ///
    /// # Errors
    /// An attempt that should be refused is not, or a normal login is.
    pub fn flood(&self, attempts: usize) -> Result<(), Error> {
        let held: Vec<Session> = (0..LIMIT)
            .map(|_| {
                let mut session = Session::open(self.port)?;
                session.login("flooder@example.org", true)?;
                Ok(session)
            })
            .collect::<Result<_, Error>>()?;
        for attempt in 0..attempts {
            Session::open(self.port)?.login("flooder@example.org", false)?;
            if attempt % 50 == 0 {
                let mut normal = Session::open(self.port)?;
                normal.login(&format!("user{}@example.org", attempt / 50), true)?;
                normal.say("z LOGOUT")?;
            }
        }
        drop(held);
        Ok(())
    }

    /// Stops it, and waits until its log is whole.
    pub fn stop(self) -> Result<(), Error> {
        self.running.end_well()
    }
}

/// One connection of a mail client.
struct Session {
    lines: BufReader<TcpStream>,
}

impl Session {
    fn open(port: u16) -> Result<Session, Error> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Session {
            lines: BufReader::new(stream),
        };
        session.expect("* OK")?;
        Ok(session)
    }

    fn say(&mut self, line: &str) -> Result<(), Error> {
        self.lines
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        Ok(())
    }

    fn login(&mut self, user: &str, is_welcome: bool) -> Result<(), Error> {
        self.say(&format!("a LOGIN {user} secret"))?;
        self.expect(if is_welcome {
            "a OK"
        } else {
            "a NO [LIMIT] Maximum number of connections"
        })
    }

    /// Reads up to the answer, which must begin like this.
    fn expect(&mut self, start: &str) -> Result<(), Error> {
        let tag = start.get(..2).unwrap_or_default();
        let mut line = String::new();
        loop {
            line.clear();
            if self.lines.read_line(&mut line)? == 0 {
                return Err(format!("dovecot hung up instead of saying {start}").into());
            }
            if line.starts_with(start) {
                return Ok(());
            }
            if line.starts_with(tag) && !line.starts_with("* ") {
                return Err(format!("dovecot said {line:?} instead of {start}").into());
            }
        }
    }
}
