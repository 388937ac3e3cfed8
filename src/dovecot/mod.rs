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
mod login;
mod service;

use crate::event::{Event, Scope, Security};
use crate::head::level_len;

#[cfg(feature = "patterns")]
pub(crate) use elements::parse_ip;

/// Every message that [`recognise`] can recognise contains one of these. Only letters, digits and spaces,
/// which no JSON encoder escapes, and none that occurs in the lines of everyday traffic.
pub const NEEDLES: &[&str] = &[
    "Maximum number of connections",
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
    let text = message.get(body..)?.trim_end_matches(['\n', '\r']);
    let Some((service, rest)) = service_of(text) else {
        return service::mail_processes(text);
    };
    if service.ends_with("-login") {
        login::recognise(service, rest).or_else(|| service::of_login(rest))
    } else {
        service::recognise(service, rest)
    }
}

/// The service and what it says: `imap-login: Info: text`, the level being optional.
fn service_of(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes().iter().take(SERVICE_MAX);
    let len = bytes.take_while(|byte| is_service(byte)).count();
    let (service, rest) = text.split_at_checked(len)?;
    let rest = rest.strip_prefix(": ")?;
    (len > 0).then_some((service, rest.get(level_len(rest)..)?))
}

fn is_service(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

/// The number at the start of `text`, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let len = text.bytes().take(18).take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(len)?;
    let number = digits
        .bytes()
        .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    (len > 0).then_some((number, rest))
}

/// An event of which no more is known than this.
fn event<'a>(
    limit: &'a str,
    scope: Scope,
    limit_value: Option<u64>,
    service: Option<&'a str>,
) -> Event<'a> {
    Event {
        module: "dovecot",
        limit,
        limit_value,
        scope,
        service,
        user: None,
        auth_method: None,
        source: None,
        destination: None,
        security: Security::None,
        session: None,
    }
}
