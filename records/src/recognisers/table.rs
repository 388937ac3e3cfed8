//! Messages as rows of literal parts and typed fields: a hundred bytes each in a guest, where a parser takes a thousand.
//!
//! A row is the whole text from where the program's own words begin to the end of the line, each wording a row of its
//! own. Nothing is searched for: a part stands directly behind the one before it. Where a name may hold anything
//! ([`Part::Any`]) the parts behind it are read from the end of the line, so that the name is the longest there can be
//! and forges nothing.

use core::net::{IpAddr, Ipv4Addr};

use super::{Limit, number};
use crate::bytes::split_at_last;
use crate::event::{Endpoint, Event};
use crate::ip::{parse_ip, parse_port};

/// A message of a limit.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// The limit it speaks of.
    pub limit: &'static Limit,
    /// What it consists of.
    pub parts: &'static [Part],
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// These very words.
    Text(&'static str),
    /// The limit's value: up to 18 digits.
    Value,
    /// The client's address, without brackets.
    Ip,
    /// The client's port.
    Port,
    /// Both, with a `:` between them and no brackets.
    IpPort,
    /// A name of ASCII letters, digits, `.`, `-` and `_`.
    Name(Field),
    /// Whatever is left between the parts before it and those behind it; once in a message at most.
    Any(Field),
}

/// The field of an event that a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// None: it is skipped.
    Nothing,
    /// The service.
    Service,
    /// The user.
    User,
}

/// Of which end of a text a part is taken.
#[derive(Clone, Copy, PartialEq)]
enum End {
    First,
    Last,
}

/// The event that `text` is by the first row that it fits.
#[inline(never)]
pub fn read<'a>(module: &'static str, rows: &[Message], text: &'a str) -> Option<Event<'a>> {
    rows.iter().find_map(|row| {
        let mut event = row.limit.event(module);
        row.fill(&mut event, text).map(|()| event)
    })
}

impl Message {
    fn fill<'a>(&self, event: &mut Event<'a>, text: &'a str) -> Option<()> {
        let mut rest = text;
        let mut parts = self.parts.iter();
        while let Some(part) = parts.next() {
            if let Part::Any(field) = part {
                for part in parts.rev() {
                    rest = part.take(event, rest, End::Last)?;
                }
                field.set(event, rest);
                return Some(());
            }
            rest = part.take(event, rest, End::First)?;
        }
        rest.is_empty().then_some(())
    }
}

impl Part {
    /// Takes the part from one end of `text`; returns what is left.
    fn take<'a>(&self, event: &mut Event<'a>, text: &'a str, end: End) -> Option<&'a str> {
        if let Part::Text(words) = self {
            return match end {
                End::First => text.strip_prefix(words),
                End::Last => text.strip_suffix(words),
            };
        }
        let is_part = |byte: &u8| match self {
            Part::Value | Part::Port => byte.is_ascii_digit(),
            Part::Ip | Part::IpPort => byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'),
            _ => byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'),
        };
        let bytes = text.as_bytes();
        let (taken, rest) = match end {
            End::First => {
                let at = bytes.iter().position(|byte| !is_part(byte));
                text.split_at_checked(at.unwrap_or(bytes.len()))?
            }
            End::Last => {
                let at = bytes.iter().rposition(|byte| !is_part(byte));
                let (rest, taken) = text.split_at_checked(at.map_or(0, |at| at + 1))?;
                (taken, rest)
            }
        };
        match self {
            Part::Value => {
                let (value, more) = number(taken)?;
                event.limit_value = more.is_empty().then_some(value);
                event.limit_value?;
            }
            Part::Ip => client(event).ip = parse_ip(taken)?,
            Part::Port => client(event).port = Some(parse_port(taken)?),
            Part::IpPort => {
                let (ip, port) = split_at_last(taken, ":")?;
                event.source = Some(Endpoint {
                    ip: parse_ip(ip)?,
                    port: Some(parse_port(port)?),
                });
            }
            Part::Name(_) if taken.is_empty() => return None,
            Part::Name(field) => field.set(event, taken),
            Part::Text(_) | Part::Any(_) => return None,
        }
        Some(rest)
    }
}

impl Field {
    fn set<'a>(self, event: &mut Event<'a>, value: &'a str) {
        let value = Some(value).filter(|value| !value.is_empty());
        match self {
            Field::Nothing => {}
            Field::Service => event.service = value,
            Field::User => event.user = value,
        }
    }
}

/// The client, of which the address or the port comes first. A row that has a port has an address, too.
fn client<'e>(event: &'e mut Event<'_>) -> &'e mut Endpoint {
    let (ip, port) = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None);
    event.source.get_or_insert(Endpoint { ip, port })
}

#[cfg(test)]
mod tests {
    use super::Field::{Nothing, Service, User};
    use super::Part::{Any, Ip, IpPort, Name, Port, Text, Value};
    use super::*;
    use crate::event::Scope;
    use alloc::string::ToString;

    const LIMIT: Limit = Limit {
        name: "limit",
        scope: Scope::Ip,
        advice: "",
    };

    fn row(parts: &'static [Part]) -> [Message; 1] {
        let limit = &LIMIT;
        [Message { limit, parts }]
    }

    #[test]
    fn fields_are_read_from_both_ends() {
        let mail = row(&[
            Text("warning: Connection concurrency limit exceeded: "),
            Value,
            Text(" from "),
            Name(Nothing),
            Text("["),
            Ip,
            Text("] for service "),
            Name(Service),
        ]);
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
        let pool = row(&[Any(User), Text("@"), IpPort, Text(" closing")]);
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
        let role = row(&[
            Text("too many connections for role \""),
            Any(User),
            Text("\""),
        ]);
        let user = |text| read("db", &role, text).map(|event| event.user);
        assert_eq!(
            user("too many connections for role \"a\" \"b\""),
            Some(Some("a\" \"b"))
        );
        assert_eq!(user("too many connections for role \"\""), Some(None));
        assert_eq!(user("too many connections for role \""), None);
        assert_eq!(user("too many connections for role \"a\" or so"), None);
        assert_eq!(user("LOG: too many connections for role \"a\""), None);
        let full = row(&[Value, Text(" connections from ["), Ip, Text("]:"), Port]);
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
}
