//! Recognises messages by rows of literal words and typed fields: a hundred bytes each in a guest, where a parser takes a thousand.
//!
//! A row is the whole text from where the program's own words begin to the end of the line, each wording a row of its
//! own. Nothing is searched for: a part stands directly behind the one before it. Where a name may hold anything the
//! parts behind it are read from the end of the line, so that the name is the longest there can be and forges nothing. Such a
//! row is tried only where nothing but the server's own head can stand before it: a name at the start of another's line and one
//! at its end could make a whole of it.
//!
//! | field | is |
//! |---|---|
//! | `%n`, `%c` | the limit's value, how much of it is in use: up to 18 digits |
//! | `%N` | how many refusals a summary counts |
//! | `%i`, `%p`, `%e` | the client's address, its port, or both with a `:` between them |
//! | `%a`, `%q` | the address and the port that it came to |
//! | `%s`, `%u`, `%h`, `%f`, `%w` | service, user, the client's host, frontend, or what is skipped: a name of ASCII letters, digits, `.`, `-`, `_` and `:` |
//! | `%t` | what is skipped: a time without blanks |
//! | `%l` | what is skipped: letters and blanks |
//! | `%S`, `%U`, `%W` | service, user, or what is skipped: anything; one of these in a row at most |
//! | `%[…%]` | what need not be there |

use core::net::{IpAddr, Ipv4Addr};

use super::words::Words;
use super::{Limit, number};
use crate::bytes::{find, find_last, split_at, split_at_last};
use crate::event::{Detail, Endpoint, Event};
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

fn fill<'a>(event: &mut Event<'a>, row: &'static str, text: &'a str) -> Option<()> {
    walk(event, row, text)?.is_empty().then_some(())
}

/// Takes what the row says from the start of `text`; returns what is left.
fn walk<'a>(event: &mut Event<'a>, mut row: &'static str, text: &'a str) -> Option<&'a str> {
    let mut rest = text;
    while let Some(at) = find(row.as_bytes(), b'%') {
        rest = rest.strip_prefix(row.get(..at)?)?;
        let field = row.as_bytes().get(at + 1)?;
        row = row.get(at + 2..)?;
        if *field == b'[' {
            let (inner, behind) = split_at(row, "%]")?;
            row = behind;
            let mut with = event.clone();
            if let Some(behind) = walk(&mut with, inner, rest) {
                (*event, rest) = (with, behind);
            }
            continue;
        }
        if let b'S' | b'U' | b'W' = field {
            while let Some(at) = find_last(row.as_bytes(), b'%') {
                rest = rest.strip_suffix(row.get(at + 2..)?)?;
                rest = take(event, *row.as_bytes().get(at + 1)?, rest, End::Last)?;
                row = row.get(..at)?;
            }
            let name = Some(rest.strip_suffix(row)?).filter(|name| !name.is_empty());
            match field {
                b'S' => event.service = name,
                b'U' => event.user = name,
                _ => {}
            }
            return Some("");
        }
        rest = take(event, *field, rest, End::First)?;
    }
    rest.strip_prefix(row)
}

/// Takes a field from one end of `text`; returns what is left.
fn take<'a>(event: &mut Event<'a>, field: u8, text: &'a str, end: End) -> Option<&'a str> {
    let is_other = |byte: &u8| match field {
        b'n' | b'c' | b'N' | b'p' | b'q' => !byte.is_ascii_digit(),
        // A scope may follow an address.
        b'i' | b'a' | b'e' => !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b':' | b'%'),
        b't' => !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'-' | b'+' | b':' | b','),
        b'l' => !byte.is_ascii_alphabetic() && *byte != b' ',
        _ => !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'-' | b'_' | b':'),
    };
    let bytes = text.as_bytes();
    let (mut taken, mut rest) = match end {
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
    // The point and the colon behind a word are none of it.
    let word = match field {
        b'i' | b'a' | b'e' => taken.without("."),
        _ => taken.without(".:"),
    };
    if end == End::First && word.len() < taken.len() {
        (taken, rest) = text.split_at_checked(word.len())?;
    }
    if taken.is_empty() {
        return None;
    }
    match field {
        b'n' | b'c' | b'N' => {
            let (value, more) = number(taken)?;
            if !more.is_empty() {
                return None;
            }
            match field {
                b'n' => event.limit_value = Some(value),
                b'c' => event.limit_current = Some(value),
                _ => event.count = value.try_into().ok()?,
            }
        }
        b'i' => client(&mut event.source).ip = parse_ip(taken)?,
        b'p' => client(&mut event.source).port = Some(parse_port(taken)?),
        b'a' => client(&mut event.destination).ip = parse_ip(taken)?,
        b'q' => client(&mut event.destination).port = Some(parse_port(taken)?),
        b'e' => event.source = Some(endpoint(taken)?),
        b's' => event.service = Some(taken),
        b'u' => event.user = Some(taken),
        b'h' => event.details.add(Detail::Host, taken),
        b'f' => event.details.add(Detail::Frontend, taken),
        b'w' | b't' | b'l' => {}
        _ => return None,
    }
    Some(rest)
}

/// The address and the port that `text` is, with a `:` between them.
pub(super) fn endpoint(text: &str) -> Option<Endpoint> {
    let (ip, port) = split_at_last(text, ":")?;
    // Some put brackets around an address that has colons.
    let ip = ip
        .strip_prefix('[')
        .and_then(|ip| ip.strip_suffix(']'))
        .unwrap_or(ip);
    Some(Endpoint {
        ip: parse_ip(ip)?,
        port: Some(parse_port(port)?),
    })
}

/// One end of a connection, of which the address or the port comes first. A row that has a port has an address, too.
fn client(end: &mut Option<Endpoint>) -> &mut Endpoint {
    let (ip, port) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None);
    end.get_or_insert(Endpoint { ip, port })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Scope;
    use alloc::string::ToString;

    const LIMIT: Limit = Limit::new("limit", Scope::Ip);

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
    fn what_need_not_be_there_is_taken_where_it_is() {
        let refused = row("from [%i]%[:%p%]%[ to [%a]%]: full");
        let ends = |text| {
            let event = read("mail", &refused, text)?;
            Some((
                event.source?.port,
                event.destination.map(|end| end.ip.to_string()),
            ))
        };
        let to = || Some("192.0.2.2".to_string());
        assert_eq!(ends("from [192.0.2.1]: full"), Some((None, None)));
        assert_eq!(ends("from [192.0.2.1]:7: full"), Some((Some(7), None)));
        assert_eq!(
            ends("from [192.0.2.1]:7 to [192.0.2.2]: full"),
            Some((Some(7), to()))
        );
        assert_eq!(ends("from [192.0.2.1] to 192.0.2.2: full"), None);
        assert_eq!(ends("from [192.0.2.1]:x: full"), None);
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
