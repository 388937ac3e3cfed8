//! Parses the addresses that people write after `--input` and `--output`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use thiserror::Error;

/// Where records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputAddress {
    /// Standard input.
    Stdin,
    /// Batches that are posted to this address.
    Http(String),
    /// The same by TLS.
    Https(String),
    /// Lines on connections to this address.
    Tcp(String),
    /// Lines on connections to this socket.
    Unix(PathBuf),
    /// Lines of a log, for as long as somebody writes into it.
    File(PathBuf),
}

/// Where records and alerts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputAddress {
    /// Standard output.
    Stdout,
    /// The answers to what was posted.
    Reply,
    /// Nowhere: alerts go elsewhere.
    None,
    /// Posted to this address.
    Http(HttpAddress),
    /// Lines on a connection.
    Lines(LinesAddress),
    /// Into data streams there.
    Elasticsearch(HttpAddress),
}

/// Something that takes lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinesAddress {
    /// `HOST:PORT`.
    Tcp(String),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Something that speaks HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddress {
    uri: Arc<Uri>,
    /// The port.
    pub port: u16,
    /// Its path is a secret, too.
    is_hidden: bool,
}

/// What is wrong with an address. What was written is not repeated: there may be a secret in it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AddressError {
    #[error(
        "this is none of the inputs there are; write stdin, file:/PATH, http(s)://127.0.0.1:PORT, tcp://127.0.0.1:PORT or \
         unix:/PATH"
    )]
    NoInput,
    #[error(
        "this is none of the outputs there are; write stdout, reply, none, http(s)://HOST:PORT/PATH, tcp://HOST:PORT, unix:/PATH, or \
         elasticsearch+http(s)://HOST:9200"
    )]
    NoOutput,
    #[error("HOST:PORT is needed; write it like 127.0.0.1:8080 or [::1]:8080")]
    NoListener,
    #[error("a port is a number up to 65535; write it like 127.0.0.1:8080")]
    ListenerPort,
    #[error("a path is needed; write it like unix:/run/maxconn.sock or file:/var/log/mail.log")]
    NoPath,
    #[error("this is not a URL; write it like http://127.0.0.1:8080/path")]
    NoUrl,
    #[error("a URL with a password in it is shown to everybody by ps; put the secret into a file")]
    Password,
    #[error("a port is a number up to 65535")]
    Port,
}

impl FromStr for InputAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<InputAddress, AddressError> {
        match text.split_once("://") {
            None if matches!(text, "stdin" | "-") => Ok(InputAddress::Stdin),
            Some(("http", address)) => Ok(InputAddress::Http(listen_address(address)?)),
            Some(("https", address)) => Ok(InputAddress::Https(listen_address(address)?)),
            Some(("tcp", address)) => Ok(InputAddress::Tcp(listen_address(address)?)),
            _ if text.starts_with("unix:") => path_behind(text, "unix:").map(InputAddress::Unix),
            _ if text.starts_with("file:") => path_behind(text, "file:").map(InputAddress::File),
            _ => Err(AddressError::NoInput),
        }
    }
}

impl InputAddress {
    /// The system chooses the port: two of these are not the same.
    pub fn is_any_port(&self) -> bool {
        matches!(self, InputAddress::Http(address) | InputAddress::Https(address) | InputAddress::Tcp(address)
                if address.ends_with(":0"))
    }
}

impl fmt::Display for InputAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputAddress::Stdin => out.write_str("stdin"),
            InputAddress::Http(address) => write!(out, "http://{address}"),
            InputAddress::Https(address) => write!(out, "https://{address}"),
            InputAddress::Tcp(address) => write!(out, "tcp://{address}"),
            InputAddress::Unix(path) => write!(out, "unix:{}", path.display()),
            InputAddress::File(path) => write!(out, "file:{}", path.display()),
        }
    }
}

/// `HOST:PORT` to listen at; without a host nobody but this machine can reach it.
pub fn listen_address(text: &str) -> Result<String, AddressError> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::NoListener)?;
    let is_number = !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
    let port: u16 = port.parse().map_err(|_| match is_number {
        true => AddressError::ListenerPort,
        false => AddressError::NoListener,
    })?;
    let bracketed = host.starts_with('[') && host.ends_with(']');
    if host.contains(['/', '@']) || (host.contains(':') && !bracketed) {
        return Err(AddressError::NoListener);
    }
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    Ok(format!("{host}:{port}"))
}

/// The path in `unix:PATH`, `file:PATH`.
fn path_behind(text: &str, scheme: &str) -> Result<PathBuf, AddressError> {
    let path = text.strip_prefix(scheme).unwrap_or(text);
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err(AddressError::NoPath);
    }
    Ok(PathBuf::from(path))
}

impl FromStr for OutputAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<OutputAddress, AddressError> {
        match text.split_once("://") {
            None if matches!(text, "stdout" | "-") => Ok(OutputAddress::Stdout),
            None if text == "reply" => Ok(OutputAddress::Reply),
            None if text == "none" => Ok(OutputAddress::None),
            Some(("http" | "https", _)) => HttpAddress::read(text, None).map(OutputAddress::Http),
            Some(("tcp", address)) => {
                let address = listen_address(address)?;
                Ok(OutputAddress::Lines(LinesAddress::Tcp(address)))
            }
            _ if text.starts_with("unix:") => path_behind(text, "unix:")
                .map(|path| OutputAddress::Lines(LinesAddress::Unix(path))),
            Some(("elasticsearch+http" | "elasticsearch+https", _)) => {
                let url = text.trim_start_matches("elasticsearch+");
                HttpAddress::read(url, Some(9200)).map(OutputAddress::Elasticsearch)
            }
            _ => Err(AddressError::NoOutput),
        }
    }
}

impl fmt::Display for OutputAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutputAddress::Stdout => out.write_str("stdout"),
            OutputAddress::Reply => out.write_str("reply"),
            OutputAddress::None => out.write_str("none"),
            OutputAddress::Lines(address) => write!(out, "{address}"),
            OutputAddress::Http(address) => write!(out, "{address}"),
            OutputAddress::Elasticsearch(address) => write!(out, "elasticsearch+{address}"),
        }
    }
}

/// A wrong address as it may be repeated: without a password or a query, which may hold a secret.
pub fn repeated(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!(
            "{}…{}",
            text.get(..scheme + 3).unwrap_or_default(),
            text.get(at..).unwrap_or_default()
        ),
        (None, Some(at)) => format!("…{}", text.get(at..).unwrap_or_default()),
        _ => text.to_string(),
    }
}

impl fmt::Display for LinesAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinesAddress::Tcp(address) => write!(out, "tcp://{address}"),
            LinesAddress::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl HttpAddress {
    /// Reads a URL; without a port it is `port`, or the usual one.
    pub(crate) fn read(text: &str, port: Option<u16>) -> Result<HttpAddress, AddressError> {
        let uri: Uri = text.parse().map_err(|_| AddressError::NoUrl)?;
        let authority = uri.authority().ok_or(AddressError::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::Password);
        }
        if authority.host().is_empty() {
            return Err(AddressError::NoUrl);
        }
        let usual = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let written = authority.as_str().strip_prefix(authority.host());
        let port = match (uri.port_u16(), written) {
            (Some(port), _) => port,
            (None, Some("" | ":")) => port.unwrap_or(usual),
            (None, _) => return Err(AddressError::Port),
        };
        let uri = Arc::new(uri);
        Ok(HttpAddress {
            uri,
            port,
            is_hidden: false,
        })
    }

    /// The same, of which not even the path is shown.
    pub(crate) fn hidden(self) -> HttpAddress {
        HttpAddress {
            is_hidden: true,
            ..self
        }
    }

    /// It is spoken to by TLS.
    pub fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// The host's name or address, as connecting wants it.
    pub fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or("");
        let inner = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        inner.unwrap_or(host)
    }

    /// Host and port as the header `Host` has them.
    pub fn authority(&self) -> &str {
        self.uri.authority().map_or("", |it| it.as_str())
    }

    /// The path and what follows it.
    pub fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |it| it.as_str())
    }
}

impl fmt::Display for HttpAddress {
    /// Without what follows the path: it may hold a secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.uri.scheme_str().unwrap_or("http");
        let path = if self.is_hidden {
            "/…"
        } else {
            self.uri.path()
        };
        write!(out, "{scheme}://{}{path}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_listen_at_are_of_this_machine_unless_they_say_otherwise() {
        for (text, address) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            (":8080", "127.0.0.1:8080"),
            ("[::1]:0/", "[::1]:0"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("localhost:1", "localhost:1"),
        ] {
            assert_eq!(listen_address(text).unwrap(), address);
        }
        for text in [
            "",
            "127.0.0.1",
            "::1:80",
            "a:99999",
            "a:80/path",
            "u:p@a:80",
            "a:",
        ] {
            assert!(listen_address(text).is_err(), "{text}");
        }
        assert!(listen_address("a:99999") == Err(AddressError::ListenerPort));
    }

    #[test]
    fn urls_are_taken_apart_and_secrets_are_not_shown() {
        let url = HttpAddress::read("http://[::1]:8080/a/b?key=secret", None).unwrap();
        assert_eq!((url.host(), url.port), ("::1", 8080));
        assert_eq!(
            (url.authority(), url.path()),
            ("[::1]:8080", "/a/b?key=secret")
        );
        assert_eq!(url.to_string(), "http://[::1]:8080/a/b");
        assert_eq!(url.hidden().to_string(), "http://[::1]:8080/…");
        let url = HttpAddress::read("http://mail", None).unwrap();
        assert_eq!((url.host(), url.port, url.path()), ("mail", 80, "/"));
        for text in ["http://", "http://u:p@mail/", "http:///x", "http://a b/"] {
            assert!(HttpAddress::read(text, None).is_err(), "{text}");
        }
        let Ok(OutputAddress::Elasticsearch(url)) = "elasticsearch+https://es/x".parse() else {
            panic!("no Elasticsearch");
        };
        assert_eq!((url.port, url.is_tls(), url.path()), (9200, true, "/x"));
        for text in ["unix:/a/b", "unix:///a/b"] {
            assert_eq!(text.parse(), Ok(InputAddress::Unix(PathBuf::from("/a/b"))));
        }
        assert!("unix:".parse::<OutputAddress>().is_err());
        assert!("ftp://mail".parse::<OutputAddress>().is_err());
        assert!("stdout".parse::<InputAddress>().is_err());
    }
}
