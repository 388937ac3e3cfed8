//! Parses what people write after `--alerts`: an output, and for those that speak HTTP settings behind it, all between
//! spaces: `webhook+https://chat.example/hook template=/etc/maxconn/chat.json`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use hyper::Method;
use thiserror::Error;

use crate::address::{AddressError, HttpAddress, LinesAddress, OutputAddress};
use crate::http::secret::OutputKey;

/// Where journald takes messages in its own protocol: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
const JOURNALD: &str = "/run/systemd/journal/socket";
/// Where syslog takes them.
const SYSLOG: &str = "/dev/log";
/// Where an Alertmanager listens.
const ALERTMANAGER_PORT: u16 = 9093;

/// Where alerts go.
#[derive(Clone, Debug)]
pub enum AlertsAddress {
    /// An Alertmanager.
    Alertmanager(HttpAddress),
    /// A command for each alert, with its arguments.
    Exec(String, Vec<String>),
    /// Posted to this address, one by one.
    Webhook(HttpAddress),
    /// The same for an address that is a secret: the file that has it.
    SecretWebhook(PathBuf),
    /// Standard output.
    Stdout,
    /// Lines on a connection.
    Lines(LinesAddress),
    /// Journald's socket.
    Journald(PathBuf),
    /// Syslog's socket.
    Syslog(PathBuf),
}

/// What is set for one output.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What it knows us by.
    pub key: Option<OutputKey>,
    /// The file with the authorities that sign its certificate.
    pub ca: Option<PathBuf>,
    /// The file with more headers.
    pub headers: Option<PathBuf>,
    /// The file that bodies are made by.
    pub template: Option<PathBuf>,
    /// How bodies are sent, if not posted.
    pub method: Option<Method>,
}

/// An output and its settings.
#[derive(Clone, Debug)]
pub struct AlertsOutput {
    /// Where alerts go.
    pub address: AlertsAddress,
    /// How.
    pub settings: Settings,
}

/// What is wrong with it. What was written is not repeated: there may be a secret in it.
#[derive(Debug, Error)]
pub enum AlertsAddressError {
    #[error(
        "this is none of the outputs for alerts; write alertmanager+http(s)://HOST:PORT, webhook+http(s)://HOST/PATH, webhook:FILE, \
         exec:COMMAND, journald, syslog, stdout, tcp://HOST:PORT or unix:/PATH"
    )]
    NoOutput,
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(
        "a command is needed; write it like exec:/usr/local/bin/tell, with its arguments behind it"
    )]
    NoCommand,
    #[error(
        "a file is needed whose first line is the address; write it like webhook:/etc/maxconn/chat.url"
    )]
    NoFile,
    #[error(
        "a setting is written like template=/etc/maxconn/chat.json, and there are {0}; leave {1} out"
    )]
    Setting(&'static str, String),
    #[error("there are {0} for token, basic; give one of them")]
    TwoKeys(usize),
    #[error("method is POST or PUT; write method=PUT")]
    Method,
}

impl FromStr for AlertsOutput {
    type Err = AlertsAddressError;

    fn from_str(text: &str) -> Result<AlertsOutput, AlertsAddressError> {
        if let Some(command) = text.strip_prefix("exec:") {
            let mut words = command.split_whitespace().map(str::to_string);
            let command = words.next().ok_or(AlertsAddressError::NoCommand)?;
            return Ok(AlertsOutput {
                address: AlertsAddress::Exec(command, words.collect()),
                settings: Settings::default(),
            });
        }
        let mut words = text.split_whitespace();
        let address: AlertsAddress = words.next().unwrap_or_default().parse()?;
        let known = match address {
            AlertsAddress::Alertmanager(_) => "token, basic, ca, headers",
            AlertsAddress::Webhook(_) | AlertsAddress::SecretWebhook(_) => {
                "token, basic, ca, headers, template, method"
            }
            _ => "none for this output",
        };
        let (mut settings, mut keys) = (Settings::default(), 0);
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            if value.is_empty() || !known.split(", ").any(|it| it == name) {
                return Err(AlertsAddressError::Setting(known, name.to_string()));
            }
            let file = PathBuf::from(value);
            match name {
                "token" => settings.key = Some(OutputKey::Token(file)),
                "basic" => settings.key = Some(OutputKey::Basic(file)),
                "ca" => settings.ca = Some(file),
                "headers" => settings.headers = Some(file),
                "template" => settings.template = Some(file),
                _ => {
                    settings.method = Some(match value {
                        "POST" => Method::POST,
                        "PUT" => Method::PUT,
                        _ => return Err(AlertsAddressError::Method),
                    });
                }
            }
            keys += usize::from(matches!(name, "token" | "basic"));
        }
        match keys {
            0 | 1 => Ok(AlertsOutput { address, settings }),
            _ => Err(AlertsAddressError::TwoKeys(keys)),
        }
    }
}

impl FromStr for AlertsAddress {
    type Err = AlertsAddressError;

    fn from_str(text: &str) -> Result<AlertsAddress, AlertsAddressError> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let http = |port| {
            let (_, url) = text.split_once('+').unwrap_or_default();
            HttpAddress::read(url, port)
        };
        let socket = |usual| PathBuf::from(if rest.is_empty() { usual } else { rest });
        Ok(match scheme {
            "alertmanager+http" | "alertmanager+https" => {
                AlertsAddress::Alertmanager(http(Some(ALERTMANAGER_PORT))?)
            }
            "webhook+http" | "webhook+https" => AlertsAddress::Webhook(http(None)?),
            "webhook" if rest.is_empty() => return Err(AlertsAddressError::NoFile),
            "webhook" => AlertsAddress::SecretWebhook(PathBuf::from(rest)),
            "journald" => AlertsAddress::Journald(socket(JOURNALD)),
            "syslog" => AlertsAddress::Syslog(socket(SYSLOG)),
            "stdout" | "tcp" | "unix" => match text.parse::<OutputAddress>()? {
                OutputAddress::Lines(address) => AlertsAddress::Lines(address),
                _ => AlertsAddress::Stdout,
            },
            _ => return Err(AlertsAddressError::NoOutput),
        })
    }
}

impl fmt::Display for AlertsAddress {
    /// What the output is called in sentences, figures and the state. No secret is in it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AlertsAddress::Alertmanager(address) => write!(out, "alertmanager+{address}"),
            AlertsAddress::Exec(command, arguments) => {
                write!(out, "exec:{command}")?;
                arguments.iter().try_for_each(|it| write!(out, " {it}"))
            }
            AlertsAddress::Webhook(address) => write!(out, "webhook+{address}"),
            AlertsAddress::SecretWebhook(path) => write!(out, "webhook:{}", path.display()),
            AlertsAddress::Stdout => out.write_str("stdout"),
            AlertsAddress::Lines(address) => write!(out, "{address}"),
            AlertsAddress::Journald(path) if path.as_os_str() == JOURNALD => {
                out.write_str("journald")
            }
            AlertsAddress::Journald(path) => write!(out, "journald:{}", path.display()),
            AlertsAddress::Syslog(path) if path.as_os_str() == SYSLOG => out.write_str("syslog"),
            AlertsAddress::Syslog(path) => write!(out, "syslog:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use test_support::data::rows;

    use super::*;

    #[test]
    fn outputs_are_read_with_their_settings() {
        let table = "
            alertmanager+http://127.0.0.1                               | alertmanager+http://127.0.0.1/
            alertmanager+https://am/prefix/ ca=/a token=/b              | alertmanager+https://am/prefix/
            webhook+https://chat/hook?key=secret template=/t method=PUT | webhook+https://chat/hook
            webhook:/etc/url headers=/h                                 | webhook:/etc/url
            exec:/bin/tell  root --all                                  | exec:/bin/tell root --all
            journald                                                    | journald
            syslog:/tmp/log                                             | syslog:/tmp/log
            stdout                                                      | stdout
            unix:/a                                                     | unix:/a
            tcp://127.0.0.1:1                                           | tcp://127.0.0.1:1";
        for [text, name] in rows(table) {
            let output: AlertsOutput = text.parse().unwrap();
            assert_eq!(output.address.to_string(), name);
        }
        let output: AlertsOutput = "alertmanager+http://am".parse().unwrap();
        assert!(matches!(output.address, AlertsAddress::Alertmanager(it) if it.port == 9093));
    }

    #[test]
    fn what_is_wrong_is_said_and_no_secret_with_it() {
        let table = "
                                                    | none of the outputs
            smtp://mail                             | none of the outputs
            http://127.0.0.1/                       | none of the outputs
            exec:                                   | a command is needed
            webhook:                                | a file is needed
            webhook+https://u:s3cret@chat/          | put the secret into a file
            webhook+https://chat/ s3cret=           | leave s3cret out
            webhook+https://chat/ template=         | leave template out
            alertmanager+http://am template=/t      | token, basic, ca, headers; leave template out
            journald token=/t                       | none for this output
            webhook+https://chat/ token=/a basic=/b | give one of them
            webhook+https://chat/ method=GET        | POST or PUT";
        for [text, words] in rows(table) {
            let sentence = text.parse::<AlertsOutput>().unwrap_err().to_string();
            assert!(sentence.contains(words), "{text}: {sentence}");
        }
    }
}
