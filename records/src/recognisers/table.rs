//! Recognises messages by rows of literal words and typed fields: a hundred bytes each in a guest, where a parser takes a thousand.
//!
//! A row is the whole text from where the program's own words begin to the end of the line, each wording a row of its
//! own. Nothing is searched for: a part stands directly behind the one before it. Where a name may hold anything the
//! parts behind it are read from the end of the line, so that the name is the longest there can be and forges nothing.
//!
//! | field | is |
//! |---|---|
//! | `%n` | the limit's value: up to 18 digits |
//! | `%i`, `%p`, `%e` | the client's address, its port, or both with a `:` between them |
//! | `%s`, `%u`, `%w` | service, user, or what is skipped: a name of ASCII letters, digits, `.`, `-` and `_` |
//! | `%U`, `%W` | user, or what is skipped: anything; one of these in a row at most |

use core::net::{IpAddr, Ipv4Addr};

use super::{Limit, number};
use crate::bytes::{find, find_last, split_at_last};
use crate::event::{Endpoint, Event};
use crate::ip::{parse_ip, parse_port};

/// A message: the limit it speaks of, and its text with fields in it.
pub type Message = (&'static Limit, &'static str);

/// Of which end of a text a field is taken.
#[derive(Clone, Copy, PartialEq)]
enum End {
    First,
    Last,
}

/// The event that `text` is by the first row that it fits.
#[inline(never)]
pub fn read<'a>(module: &'static str, rows: &[Message], text: &'a str) -> Option<Event<'a>> {
    rows.iter().find_map(|(limit, row)| {
        let mut event = limit.event(module);
        fill(&mut event, row, text).map(|()| event)
    })
}

fn fill<'a>(event: &mut Event<'a>, mut row: &'static str, text: &'a str) -> Option<()> {
    let mut rest = text;
    while let Some(at) = find(row.as_bytes(), b'%') {
        rest = rest.strip_prefix(row.get(..at)?)?;
        let field = row.as_bytes().get(at + 1)?;
        row = row.get(at + 2..)?;
        if let b'U' | b'W' = field {
            while let Some(at) = find_last(row.as_bytes(), b'%') {
                rest = rest.strip_suffix(row.get(at + 2..)?)?;
                rest = take(event, *row.as_bytes().get(at + 1)?, rest, End::Last)?;
                row = row.get(..at)?;
            }
            let name = rest.strip_suffix(row)?;
            if *field == b'U' && !name.is_empty() {
                event.user = Some(name);
            }
            return Some(());
        }
        rest = take(event, *field, rest, End::First)?;
    }
    (rest == row).then_some(())
}

/// Takes a field from one end of `text`; returns what is left.
fn take<'a>(event: &mut Event<'a>, field: u8, text: &'a str, end: End) -> Option<&'a str> {
    let is_other = |byte: &u8| match field {
        b'n' | b'p' => !byte.is_ascii_digit(),
        b'i' | b'e' => !byte.is_ascii_hexdigit() && !matches!(byte, b'.' | b':'),
        _ => !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'-' | b'_'),
    };
    let bytes = text.as_bytes();
    let (taken, rest) = match end {
        End::First => {
            let at = bytes.iter().position(is_other);
            text.split_at_checked(at.unwrap_or(bytes.len()))?
        }
        End::Last => {
            let at = bytes.iter().rposition(is_other);
            let (rest, taken) = text.split_at_checked(at.map_or(0, |at| at + 1))?;
            (taken, rest)
        }
    };
    if taken.is_empty() {
        return None;
    }
    match field {
        b'n' => {
            let (value, more) = number(taken)?;
            event.limit_value = more.is_empty().then_some(value);
            event.limit_value?;
        }
        b'i' => client(event).ip = parse_ip(taken)?,
        b'p' => client(event).port = Some(parse_port(taken)?),
        b'e' => {
            let (ip, port) = split_at_last(taken, ":")?;
            *client(event) = Endpoint {
                ip: parse_ip(ip)?,
                port: Some(parse_port(port)?),
            };
        }
        b's' => event.service = Some(taken),
        b'u' => event.user = Some(taken),
        b'w' => {}
        _ => return None,
    }
    Some(rest)
}

/// The client, of which the address or the port comes first. A row that has a port has an address, too.
fn client<'e>(event: &'e mut Event<'_>) -> &'e mut Endpoint {
    let (ip, port) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None);
    event.source.get_or_insert(Endpoint { ip, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Scope;
    use alloc::string::ToString;

    const LIMIT: Limit = Limit {
        name: "limit",
        scope: Scope::Ip,
        advice: "",
    };

    fn row(text: &'static str) -> [Message; 1] {
        [(&LIMIT, text)]
    }

    #[test]
    fn fields_are_read_from_both_ends() {
        let mail =
            row("warning: Connection concurrency limit exceeded: %n from %w[%i] for service %s");
        let text = "warning: Connection concurrency limit exceeded: 51 from a.example[2001:db8::7] for service smtp";
        let event = read("mail", &mail, text).expect("fits");
        assert_eq!(
            (event.module, event.limit, event.scope),
            ("mail", "limit", Scope::Ip)
        );
        assert_eq!((event.limit_value, event.service), (Some(51), Some("smtp")));
        let client = event.source.expect("an address");
        assert_eq!(
            (client.ip.to_string(), client.port),
            ("2001:db8::7".to_string(), None)
        );
        let pool = row("%U@%e closing");
        let event = read("pool", &pool, "a@192.0.2.1:7 closing@192.0.2.9:70 closing");
        let event = event.expect("fits");
        assert_eq!(event.user, Some("a@192.0.2.1:7 closing"));
        let client = event.source.expect("an address");
        assert_eq!(
            (client.ip.to_string(), client.port),
            ("192.0.2.9".to_string(), Some(70))
        );
    }

    #[test]
    fn what_does_not_fit_to_the_end_is_no_event() {
        let role = row("too many connections for role \"%U\"");
        let user = |text| read("db", &role, text).map(|event| event.user);
        assert_eq!(
            user("too many connections for role \"a\" \"b\""),
            Some(Some("a\" \"b"))
        );
        assert_eq!(user("too many connections for role \"\""), Some(None));
        assert_eq!(user("too many connections for role \""), None);
        assert_eq!(user("too many connections for role \"a\" or so"), None);
        assert_eq!(user("LOG: too many connections for role \"a\""), None);
        let full = row("%n connections from [%i]:%p");
        let fits = |text| read("db", &full, text).is_some();
        assert!(fits(
            "999999999999999999 connections from [192.0.2.1]:65535"
        ));
        for text in [
            " connections from [192.0.2.1]:1",
            "9999999999999999999 connections from [192.0.2.1]:1",
            "1 connections from [192.0.2.256]:1",
            "1 connections from [192.0.2.1]:65536",
            "1 connections from [192.0.2.1]:1 ",
            "1 connections from [192.0.2.1]:",
        ] {
            assert!(!fits(text), "{text}");
        }
    }

    #[test]
    fn a_port_may_come_first() {
        let refused = row("%W [%i]:%p refused");
        let event = read(
            "mail",
            &refused,
            "a [192.0.2.1]:7 refused [2001:db8::9]:70 refused",
        );
        let client = event.and_then(|event| event.source).expect("a client");
        assert_eq!(client.ip.to_string(), "2001:db8::9");
        assert_eq!(client.port, Some(70));
    }
}
