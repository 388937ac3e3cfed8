//! Recognises messages by rows of literal words and typed fields: a hundred bytes each in a guest, where a parser takes a thousand.
//!
//! A row is the whole text from where the program's own words begin to the end of the line, each wording a row of its
//! own; what a server puts before all of them is a row, too, its head. Nothing is searched for: a part stands directly
//! behind the one before it. Where a name may hold anything the parts behind it are read from the end of the line, so
//! that the name is the longest there can be and forges nothing. Such a row is tried only where nothing but the server's
//! own head can stand before it: a name at the start of another's line and one at its end could make a whole of it.
//!
//! | field | is |
//! |---|---|
//! | `%n`, `%c` | the limit's value, how much of it is in use: up to 18 digits |
//! | `%N` | how many refusals a summary counts |
//! | `%i`, `%p`, `%e` | the client's address, its port, or both with a `:` between them; a local socket has none |
//! | `%y` | the client's address, or a name of its host that is skipped |
//! | `%a`, `%q`, `%o` | the same of where it came to; of a port alone it is `source.port` that says so |
//! | `%s`, `%u`, `%h`, `%f`, `%b`, `%x`, `%w` | service, user, the client's host, frontend, backend, code, or what is skipped: a name of ASCII letters, digits, `.`, `-`, `_` and `:` |
//! | `%z`, `%v` | zone and virtual host: anything without commas, quotes and slashes |
//! | `%k`, `%j` | status: three digits; state: letters and `-` |
//! | `%0` | what is skipped: digits |
//! | `%d` | what is skipped: a date or a clock, figures with what stands between them |
//! | `%t` | what is skipped: a time of somebody's own format, letters and blanks too |
//! | `%l` | what is skipped: words |
//! | `%g` | what is skipped: anything without blanks |
//! | `%E` | what is skipped: the class of an exception |
//! | `%S`, `%U`, `%D`, `%W` | service, user, database, or what is skipped: anything |
//! | `%*` | anything, up to the end |
//! | `% ` | blanks, and colours among them |
//! | `%[…%]` | what need not be there |

use core::net::{IpAddr, Ipv4Addr};

use super::words::Words;
use super::{Limit, number};
use crate::bytes::{find, find_last};
use crate::event::{Detail, Endpoint, Event, Scope};
use crate::head::gap_len;
use crate::ip::{parse_ip, parse_port};

/// A message: the limit it speaks of, and its text with fields in it.
pub type Message = (&'static Limit, &'static str);

/// The fields that are details.
const DETAILS: [(u8, Detail); 9] = [
    (b'k', Detail::Status),
    (b'h', Detail::Host),
    (b'f', Detail::Frontend),
    (b'b', Detail::Backend),
    (b'x', Detail::Code),
    (b'z', Detail::Zone),
    (b'v', Detail::Vhost),
    (b'j', Detail::State),
    (b'D', Detail::Database),
];

/// Of which end of a text a field is taken.
#[derive(Clone, Copy, PartialEq)]
enum End {
    First,
    Last,
}

/// The event that `text` is by the first row that it fits, all of it behind the same head.
#[inline(never)]
pub fn read<'a>(
    module: &'static str,
    head: &'static str,
    rows: &[Message],
    text: &'a str,
) -> Option<Event<'a>> {
    rows.iter().find_map(|(limit, row)| {
        let mut event = limit.event(module);
        let rest = walk(&mut event, head, text)?;
        let rest = walk(&mut event, row, rest)?;
        rest.is_empty().then_some(event)
    })
}

/// What follows a head.
pub(crate) fn behind<'a>(head: &'static str, text: &'a str) -> Option<&'a str> {
    walk(&mut Event::new("", "", Scope::Global), head, text)
}

/// Takes what the row says from the start of `text`, up to its end or that of what need not be there; returns what is left.
fn walk<'a>(event: &mut Event<'a>, mut row: &'static str, text: &'a str) -> Option<&'a str> {
    let mut rest = text;
    while let Some(at) = find(row.as_bytes(), b'%') {
        rest = rest.after(row.get(..at)?)?;
        let field = *row.as_bytes().get(at + 1)?;
        row = row.get(at + 2..)?;
        match field {
            b'[' => {
                // It is read twice where it is there, so that what is not leaves no trace.
                if let Some(behind) = behind(row, rest) {
                    walk(event, row, rest);
                    rest = behind;
                }
                row = behind_optional(row)?;
            }
            b']' => return Some(rest),
            b' ' => rest = rest.get(gap_len(rest.as_bytes())..)?,
            b'S' | b'U' | b'D' | b'W' => return backwards(event, field, row, rest),
            b'*' => return Some(""),
            _ => rest = take(event, field, rest, End::First)?,
        }
    }
    rest.after(row)
}

/// What follows the end of what need not be there.
fn behind_optional(row: &str) -> Option<&str> {
    let (before, behind) = row.cut("%]")?;
    match before.cut("%[") {
        None => Some(behind),
        // One within another.
        Some((outer, _)) => behind_optional(behind_optional(row.get(outer.len() + 2..)?)?),
    }
}

/// Takes a name that may hold anything, and what the row says behind it from the end of `text`. Of two such names the
/// second is the shorter one.
fn backwards<'a>(
    event: &mut Event<'a>,
    field: u8,
    mut row: &'static str,
    text: &'a str,
) -> Option<&'a str> {
    let mut rest = text;
    while let Some(at) = find_last(row.as_bytes(), b'%') {
        rest = rest.before(row.get(at + 2..)?)?;
        let behind = *row.as_bytes().get(at + 1)?;
        row = row.get(..at)?;
        if behind.is_ascii_uppercase() {
            let name;
            (rest, name) = rest.cut_last(row)?;
            set(event, behind, name);
            row = "";
        } else {
            rest = take(event, behind, rest, End::Last)?;
        }
    }
    set(event, field, rest.before(row)?);
    Some("")
}

/// Takes a field from one end of `text`; returns what is left.
fn take<'a>(event: &mut Event<'a>, field: u8, text: &'a str, end: End) -> Option<&'a str> {
    let (has_letters, marks) = match field {
        b'n' | b'c' | b'N' | b'p' | b'q' | b'k' | b'0' => (false, ""),
        b'd' => (false, "-+/:.@"),
        b't' => (true, "-+/:., "),
        b'l' => (true, " /"),
        // A scope may follow an address, and brackets may be around it.
        b'i' | b'a' => (true, ".:%"),
        b'e' | b'o' => (true, ".:%[]()"),
        b'z' | b'v' => (true, "._:-*~^$\\()+?[]{}| "),
        b'E' => (true, "._\\"),
        b'g' => (true, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
        _ => (true, ".-_:"),
    };
    let is_part = |byte: &u8| match byte {
        b'0'..=b'9' => true,
        b'a'..=b'z' | b'A'..=b'Z' => has_letters,
        _ => marks.as_bytes().contains(byte),
    };
    let bytes = text.as_bytes();
    let (taken, rest) = match end {
        End::First => {
            let len = bytes
                .iter()
                .position(|byte| !is_part(byte))
                .unwrap_or(bytes.len());
            let word = text.get(..len)?;
            // The point and the colon behind a word are none of it.
            let word = match field {
                b'i' | b'a' | b'o' => word.without("."),
                _ => word.without(".:"),
            };
            (word, text.get(word.len()..)?)
        }
        End::Last => {
            let at = bytes
                .iter()
                .rposition(|byte| !is_part(byte))
                .map_or(0, |at| at + 1);
            (text.get(at..)?, text.get(..at)?)
        }
    };
    if taken.is_empty() {
        return None;
    }
    set(event, field, taken)?;
    Some(rest)
}

/// Sets what a field says, if it can be that.
fn set<'a>(event: &mut Event<'a>, field: u8, taken: &'a str) -> Option<()> {
    let name = Some(taken).filter(|name| !name.is_empty());
    let side = match field {
        b'a' | b'q' | b'o' => &mut event.destination,
        _ => &mut event.source,
    };
    match field {
        b'n' | b'c' | b'N' => {
            let (value, more) = number(taken)?;
            more.is_empty().then_some(())?;
            match field {
                b'n' => event.limit_value = Some(value),
                b'c' => event.limit_current = Some(value),
                _ => event.count = value.try_into().ok()?,
            }
        }
        b'y' if parse_ip(taken).is_none() => {}
        b'i' | b'a' | b'y' => client(side).ip = parse_ip(taken)?,
        b'p' | b'q' => client(side).port = Some(parse_port(taken)?),
        b'e' if taken.starts_with("unix") => {}
        b'e' => *side = Some(endpoint(taken)?),
        b'o' => {
            *side = endpoint(taken);
            let port = taken.cut_last(":").map_or(taken, |(_, port)| port);
            parse_port(port)?;
            event.details.add(Detail::Port, port);
        }
        b's' | b'S' => event.service = name,
        b'u' | b'U' => event.user = name,
        b'E' => {
            let mut ends = [".ERROR", "Error", "Exception"].iter();
            ends.any(|end| taken.ends_with(end)).then_some(())?;
        }
        b'k' if taken.len() != 3 => return None,
        _ => {
            let detail = DETAILS.iter().find(|(known, _)| *known == field);
            if let Some((_, detail)) = detail {
                event.details.add(*detail, taken);
            }
        }
    }
    Some(())
}

/// The address and the port that `text` is, with a `:` between them.
pub(super) fn endpoint(text: &str) -> Option<Endpoint> {
    let (ip, port) = text.cut_last(":")?;
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
#[inline(never)]
fn client(end: &mut Option<Endpoint>) -> &mut Endpoint {
    let (ip, port) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None);
    end.get_or_insert(Endpoint { ip, port })
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let event = read("mail", "", &mail, text).expect("fits");
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
        let event = read(
            "pool",
            "",
            &pool,
            "a@192.0.2.1:7 closing@192.0.2.9:70 closing",
        );
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
        let user = |text| read("db", "", &role, text).map(|event| event.user);
        assert_eq!(
            user("too many connections for role \"a\" \"b\""),
            Some(Some("a\" \"b"))
        );
        assert_eq!(user("too many connections for role \"\""), Some(None));
        assert_eq!(user("too many connections for role \""), None);
        assert_eq!(user("too many connections for role \"a\" or so"), None);
        assert_eq!(user("LOG: too many connections for role \"a\""), None);
        let full = row("%n connections from [%i]:%p");
        let fits = |text| read("db", "", &full, text).is_some();
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
            let event = read("mail", "", &refused, text)?;
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
            "",
            &refused,
            "a [192.0.2.1]:7 refused [2001:db8::9]:70 refused",
        );
        let client = event.and_then(|event| event.source).expect("a client");
        assert_eq!(client.ip.to_string(), "2001:db8::9");
        assert_eq!(client.port, Some(70));
    }
}
