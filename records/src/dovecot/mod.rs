//! Dovecot's connection-limit messages, of every version from 1.1 on.
//!
//! User names are not escaped in these lines, so nothing is searched for "anywhere": a message counts only
//! if its fixed text stands directly behind the service that says it (`imap-login: `, `master: Warning: `),
//! and a user name ends only where the elements at the *end of the line* begin (see [`elements`]).
//!
//! | [`Event::limit`] | is |
//! |---|---|
//! | `mail_max_userip_connections` | the setting: connections of one user from one address |
//! | `proxy_dest_connection_limit` | the same, said by the server behind a proxy |
//! | `client_limit`, `process_limit` | settings of the service named |
//! | `connection_queue` | a login killed to make room: both limits of its service were reached |
//! | `max_mail_processes` | 1.x: the setting |
//! | `anvil_query_timeout` | connections are not counted, because the service that counts is too slow |

mod elements;
mod ip;
mod login;
mod service;

use crate::event::{Event, Scope};
use elements::Elements;

use crate::head::level_len;
use crate::words::{strip, strip_end};

pub use ip::{parse_ip, parse_port};

/// What every refusal of a user at an address says, in all versions.
pub const REFUSAL: &str = "Maximum number of connections";

/// Every message that [`recognise`] can recognise contains one of these. Only letters, digits and spaces,
/// which no JSON encoder escapes, and none that occurs in the lines of everyday traffic.
pub const NEEDLES: &[&str] = &[
    REFUSAL,
    "client connections are being dropped",
    "Connection queue full",
    "Remote closed connection",
    "proxy dest connection limit reached",
    "Maximum number of mail processes exceeded",
    "Anvil queries timed out after",
    "lower than required under max",
];

/// The longest name of a service, in bytes.
const SERVICE_MAX: usize = 64;

/// The event that `message` is, if it is one. `body` is where the program's own text begins
/// ([`crate::head::Head::body`]).
pub fn recognise(message: &str, body: usize) -> Option<Event<'_>> {
    let text = without_newline(message.get(body..)?);
    let Some((service, rest)) = service_of(text) else {
        return service::mail_processes(text);
    };
    if strip_end(service.as_bytes(), b"-login").is_some() {
        // Not `or_else`, which would copy the event.
        if let event @ Some(_) = login::recognise(service, rest) {
            return event;
        }
        service::of_login(rest)
    } else {
        service::recognise(service, rest)
    }
}

#[inline]
fn without_newline(text: &str) -> &str {
    let mut line = text.as_bytes();
    while let [before @ .., b'\n' | b'\r'] = line {
        line = before;
    }
    text.get(..line.len()).unwrap_or(text)
}

/// The service and what it says: `imap-login: Info: text`, the level being optional.
fn service_of(text: &str) -> Option<(&str, &str)> {
    // Nearly always it is one of these two, for these are where clients come in.
    let login = strip(text, b"imap-login: ").or_else(|| strip(text, b"pop3-login: "));
    let (len, rest) = match login {
        Some(rest) => ("imap-login".len(), rest),
        None => {
            let bytes = text.as_bytes().iter().take(SERVICE_MAX);
            let len = bytes.take_while(|byte| is_service(byte)).count();
            (len, strip(text.get(len..)?, b": ")?)
        }
    };
    (len > 0).then_some((text.get(..len)?, rest.get(level_len(rest)..)?))
}

fn is_service(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

/// The number at the start of `text`, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let (mut number, mut len) = (0, 0);
    for byte in text.bytes().take(18) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number * 10 + u64::from(digit);
        len += 1;
    }
    match len {
        0 => None,
        _ => Some((number, text.get(len..)?)),
    }
}

/// An event of which no more is known than this.
fn event<'a>(
    limit: &'a str,
    scope: Scope,
    limit_value: Option<u64>,
    service: Option<&'a str>,
) -> Event<'a> {
    Elements::default().into_event(limit, scope, limit_value, service)
}
