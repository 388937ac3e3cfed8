//! Writes alerts to journald and to syslog, so that `journalctl -u maxconn -p warning` has them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::net::UnixDatagram;
use tokio::time::timeout;

use super::alert::{self, Alert};
use super::outcome::{AlertTrouble, Outcome};
use crate::system;

/// The name that we write by.
const NAME: &str = "maxconn";
/// The facility of services that run in the background.
const DAEMON: u8 = 3;
/// How long a socket may take nothing.
const WRITE_MAX: Duration = Duration::from_secs(10);

/// How an alert is written.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// In journald's own protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
    Journald,
    /// As the C library's `syslog` does.
    Syslog,
}

/// A socket that takes a message at a time.
pub struct Journal {
    path: PathBuf,
    form: Form,
}

impl Journal {
    /// Nothing is opened yet.
    pub fn new(path: PathBuf, form: Form) -> Journal {
        Journal { path, form }
    }

    /// Writes an alert.
    pub async fn send(&self, alert: &Alert) -> Outcome {
        let document = alert.document();
        let message = match self.form {
            Form::Journald => journald(&document),
            Form::Syslog => syslog(&document, system::now_ms()),
        };
        match timeout(WRITE_MAX, self.write(message.as_bytes())).await {
            Ok(Ok(())) => Outcome::Taken,
            Ok(Err(error)) => AlertTrouble::Socket(self.path.clone(), error).into(),
            Err(_) => AlertTrouble::SocketFull(self.path.clone()).into(),
        }
    }

    async fn write(&self, message: &[u8]) -> io::Result<()> {
        // A new one each time: whoever listens may have started anew.
        let socket = UnixDatagram::unbound()?;
        socket.send_to(message, &self.path).await.map(drop)
    }
}

/// A field a line. No value has a newline, for [`alert::fields`] has none.
fn journald(document: &Value) -> String {
    let mut message = format!(
        "MESSAGE={}\nPRIORITY={}\nSYSLOG_FACILITY={DAEMON}\nSYSLOG_IDENTIFIER={NAME}\n",
        alert::field(document, "MESSAGE"),
        alert::priority(document)
    );
    for (name, value) in alert::fields(document).filter(|(_, value)| !value.is_empty()) {
        if name != "MESSAGE" {
            message.push_str(&format!("MAXCONN_{name}={value}\n"));
        }
    }
    message
}

fn syslog(document: &Value, now_ms: i64) -> String {
    let time = Timestamp::from_millisecond(now_ms).unwrap_or_default();
    format!(
        "<{}>{} {NAME}[{}]: {}",
        8 * DAEMON + alert::priority(document),
        time.strftime("%b %e %H:%M:%S"),
        std::process::id(),
        alert::field(document, "MESSAGE")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_name_makes_a_field_or_a_message_of_its_own() {
        let name = "bob\nPRIORITY=0\n\n<0>x";
        let document = json!({
            "message": format!("Flood started: {name}"),
            "user": {"name": name},
            "event": {"severity": 73},
            "maxconn": {"flood": {"state": "start", "count": 30}},
        });
        let message = journald(&document);
        let lines: Vec<&str> = message.lines().collect();
        assert!(message.ends_with('\n') && lines.iter().all(|it| it.contains('=')));
        let of = |name: &str| {
            let found: Vec<&str> = lines
                .iter()
                .filter_map(|it| it.strip_prefix(name)?.strip_prefix('='))
                .collect();
            assert!(found.len() <= 1);
            found.first().map(|it| it.to_string())
        };
        assert_eq!(of("PRIORITY").unwrap(), "3");
        assert_eq!(of("SYSLOG_IDENTIFIER").unwrap(), "maxconn");
        assert_eq!(
            of("MAXCONN_USER").unwrap(),
            "bob\\u{a}PRIORITY=0\\u{a}\\u{a}<0>x"
        );
        assert_eq!(of("MAXCONN_COUNT").unwrap(), "30");
        assert_eq!(of("MAXCONN_HOST"), None);
        let message = syslog(&document, 1_767_571_200_000);
        assert!(
            message.starts_with("<27>Jan  5 00:00:00 maxconn[") && !message.contains('\n'),
            "{message}"
        );
    }
}
