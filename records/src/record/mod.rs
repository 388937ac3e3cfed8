//! Reads a record's message, event time, host and position.
//!
//! A record is read in one pass that enters only the objects that can hold what we look for. Fields
//! may be nested, dotted, or both (`{"log": {"file.path": …}}`). Where a field comes twice, the last one
//! that can be used counts.

mod found;
mod one;

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

use crate::bytes::split_at;
use crate::json::scan::{Malformed, Scanner};
use crate::json::string::{decode, decode_byte_array, decode_plain};
use crate::json::write::{push_escaped, push_string, push_uint};
use crate::recognisers::begins_with_own_service;
use crate::time::{self, TimeZone};
use found::{Found, Message, Place, Reader};
pub use one::is_one;

/// Which members of a record hold what we look for: paths, with dots between the names, the preferred ones first.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'k> {
    /// The message.
    pub message: &'k [String],
    /// The time.
    pub time: &'k [String],
}

impl<'k> Keys<'k> {
    /// Which of `paths` is `path` with `key` behind it.
    #[inline]
    fn position(&self, paths: &[String], path: &str, key: &[u8]) -> Option<usize> {
        let is_it = |known: &String| {
            known.len() == path.len() + key.len()
                && known.as_bytes().ends_with(key)
                && known.starts_with(path)
        };
        paths.iter().position(is_it)
    }

    /// `path` with `key` and a dot behind it, if any path begins like that.
    fn within(&self, path: &str, key: &[u8]) -> Option<&'k str> {
        let mut all = self.message.iter().chain(self.time);
        all.find_map(|known| {
            let (begin, rest) = known.split_at_checked(path.len() + key.len() + 1)?;
            let is_it = begin.starts_with(path)
                && begin.as_bytes().get(path.len()..begin.len() - 1) == Some(key)
                && begin.ends_with('.')
                && !rest.is_empty();
            is_it.then_some(begin)
        })
    }
}

/// What we read from a JSON record; everything else in it is skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// The message: the first of the message keys, in the order of the configuration, that holds a string
    /// (for `MESSAGE` a byte array will do).
    pub message: Option<Cow<'a, str>>,
    /// The record's own time in ms since the Unix epoch: the first of the time keys, in the order of the configuration,
    /// that [`read_stamp`] can read.
    pub time_ms: Option<i64>,
    /// What that time was read from, as it is in the record.
    pub stamp: Option<&'a [u8]>,
    /// Without such a time: what a time key has all the same, most likely a date without a year.
    pub date: Option<Cow<'a, str>>,
    /// The host: `host.name`, `host`, `hostname`, `_HOSTNAME`, `HOST` or `Computer`, in this order.
    pub host: Option<Cow<'a, str>>,
    /// `log.file.path`.
    pub path: Option<Cow<'a, str>>,
    /// `log.offset`.
    pub offset: Option<u64>,
    /// journald's `__CURSOR`.
    pub cursor: Option<Cow<'a, str>>,
    /// Where fields can be added without a look at what is there.
    pub plain: Option<Plain>,
    /// Names that stand escaped in it, once somebody has asked for them.
    pub unescaped: Unescaped,
    /// It is a document of our own, which is not to be counted again: it has `maxconn` fields and an
    /// `event.action` that we write.
    pub is_ours: bool,
}

/// Where texts are kept that stand escaped in a record: an event borrows what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unescaped {
    /// The message of a record that is the message of another.
    pub message: OnceCell<String>,
    /// Two names.
    pub names: OnceCell<[String; 2]>,
}

/// A record that has no member where ours would go, `@timestamp` aside: nearly all are like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// The position of the record's closing brace.
    pub closing: usize,
    /// Whether it has any members.
    pub has_members: bool,
    /// Whether it has an `@timestamp`.
    pub has_timestamp: bool,
}

/// Reads a JSON record. Times that have no zone are in `zone`. `None` if it is not a JSON object.
pub fn read_json<'a>(json: &'a [u8], keys: Keys<'_>, zone: &TimeZone) -> Option<Record<'a>> {
    let mut reader = Reader {
        scanner: Scanner::new(json),
        keys,
        zone,
        found: Found::default(),
    };
    reader.object(Place::Root, Some("")).ok()?;
    let closing = reader.scanner.position().checked_sub(1)?;
    reader.scanner.end().ok()?;
    let found = reader.found;
    let plain = Plain {
        closing,
        has_members: found.has_members,
        has_timestamp: found.has_timestamp,
    };
    let mut record = Record {
        plain: (!found.has_our_group).then_some(plain),
        message: found.message.and_then(|(_, message)| match message {
            Message::String(raw, true) => Some(decode(raw)),
            Message::String(raw, false) => Some(decode_plain(raw)),
            Message::Bytes(range) => decode_byte_array(json.get(range)?).map(Cow::Owned),
        }),
        time_ms: found.time.map(|(.., time_ms)| time_ms),
        stamp: found.time.map(|(_, raw, _)| raw),
        date: match found.time {
            Some(_) => None,
            None => found.date.map(decode),
        },
        host: found.host.map(|(_, raw)| decode(raw)),
        path: found.path.map(decode),
        offset: found.offset,
        cursor: found.cursor.map(decode),
        unescaped: Unescaped::default(),
        is_ours: found.has_maxconn && found.has_our_action,
    };
    if found.program.is_some() || found.host.is_some_and(|(_, raw)| raw.ends_with(b":")) {
        put_back(&mut record, found.program);
    }
    Some(record)
}

/// The text or number that is in a JSON record under a path, with dots between the names, as it stands there: escapes, too. The
/// last one, if there are several.
pub fn member<'a>(json: &'a [u8], path: &str) -> Option<&'a str> {
    let mut found = None;
    // What comes after something malformed is not there.
    let _ = find_member(Scanner::new(json), path.as_bytes(), &mut found);
    core::str::from_utf8(found?).ok()
}

fn find_member<'a>(
    mut scanner: Scanner<'a>,
    path: &[u8],
    found: &mut Option<&'a [u8]>,
) -> Result<(), Malformed> {
    let mut members = scanner.begin_object()?;
    while let Some(key) = scanner.next_key(&mut members)? {
        let start = scanner.clone();
        let range = scanner.skip_value()?;
        match (path.strip_prefix(&*key), scanner.text(range)) {
            (Some([]), [b'"', text @ .., b'"']) => *found = Some(text),
            (Some([]), number @ [b'-' | b'0'..=b'9', ..]) => *found = Some(number),
            (Some([b'.', path @ ..]), [b'{', ..]) => find_member(start, path, found)?,
            _ => {}
        }
    }
    Ok(())
}

/// Puts the service back in front of the message that a parser took for the program, or for a host: `imap-login:` is what
/// Dovecot's own file has where syslog has one. That is no host, and left out. A message that has its service stays.
#[cold]
fn put_back(record: &mut Record<'_>, program: Option<&[u8]>) {
    let mut text = String::new();
    let host = record.host.as_deref().filter(|host| host.ends_with(':'));
    if let Some(host) = host {
        text.push_str(host);
        text.push(' ');
    }
    if let Some(program) = program {
        text.push_str(&decode(program));
        text.push_str(": ");
    }
    if !begins_with_own_service(text.as_bytes()) {
        return;
    }
    if let Some(message) = &mut record.message
        && split_at(message, "-login: ").is_none()
    {
        if host.is_some() {
            record.host = None;
        }
        text.push_str(message.strip_prefix(' ').unwrap_or(message));
        *message = Cow::Owned(text);
    }
}

/// Whether an `event.action` is one that we write.
pub fn is_our_action(action: &str) -> bool {
    action == "connection-limit-exceeded" || action.starts_with("connection-limit-flood-")
}

/// Appends the record that a text line becomes, as Filebeat would write it: the line without a `\r` at its
/// end, where it was as far as that is known, bytes that are not UTF-8 as U+FFFD.
pub fn write_text_record(line: &[u8], path: Option<&str>, offset: Option<u64>, out: &mut Vec<u8>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    out.reserve(line.len() + path.map_or(0, str::len) + 64);
    out.extend_from_slice(b"{\"message\":\"");
    match core::str::from_utf8(line) {
        Ok(line) => push_escaped(out, line.as_bytes()),
        Err(_) => push_escaped(out, String::from_utf8_lossy(line).as_bytes()),
    }
    out.push(b'"');
    if path.is_some() || offset.is_some() {
        out.extend_from_slice(b",\"log\":{");
        if let Some(path) = path {
            out.extend_from_slice(b"\"file\":{\"path\":");
            push_string(out, path.as_bytes());
            out.push(b'}');
        }
        if let Some(offset) = offset {
            if path.is_some() {
                out.push(b',');
            }
            out.extend_from_slice(b"\"offset\":");
            push_uint(out, offset);
        }
        out.push(b'}');
    }
    out.push(b'}');
}

/// Reads a time: RFC 3339, or a number since the epoch.
pub fn read_stamp(text: &[u8], zone: &TimeZone) -> Option<i64> {
    time::parse_rfc3339(text, zone).or_else(|| time::parse_epoch(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use test_support::data::rows;

    fn try_read(json: &str) -> Option<Record<'_>> {
        let keys = |keys: &str| keys.split(' ').map(String::from).collect::<Vec<_>>();
        let keys = Keys {
            message: &keys("message log MESSAGE msg event event.original a.b.c"),
            time: &keys("@timestamp timestamp __REALTIME_TIMESTAMP time a.t"),
        };
        read_json(json.as_bytes(), keys, &TimeZone::utc())
    }

    fn read(json: &str) -> Record<'_> {
        try_read(json).expect("a JSON object")
    }

    /// A path leads through objects, dotted keys or both; what wraps a record is no part of it.
    #[test]
    fn prefers_message_keys_in_their_order() {
        for [json, message] in rows(
            r#"
            {"msg":"4","log":"2","message":"1"}                          | 1
            {"message":{"a":1},"log":"2"}                                | 2
            {"message":null,"msg":"a\u003cb"}                            | a<b
            {"MESSAGE":[77, 97,120],"x":[1]}                             | Max
            {"MESSAGE":["a"]}                                            | -
            {"message":[77]}                                             | -
            {"message":"1","message":"2"}                                | 2
            {"m\u0065ssage":"1"}                                         | 1
            {"log":{"message":"no"}}                                     | -
            {"event":"1"}                                                | 1
            {"event":{"original":"1","x":{"original":"no"}}}             | 1
            {"event.original":"1"}                                       | 1
            {"event":{"original":{"a":1}},"x":"no"}                      | -
            {"a":{"b":{"c":"1","d":2},"c":"no"},"b":{"c":"no"},"c":"no"} | 1
            {"a":{"b.c":"1"}}                                            | 1
            {"a.b":{"c":"1"}}                                            | 1
            {"x":{"message":"no"},"host":{"message":"no"}}               | -
            {"_source":{"message":"1","host":"h"},"_id":"x"}             | 1
            {"result":{"a":{"b":{"c":"1"}}}}                             | 1
            {"_source":{"_source":{"message":"no"}}}                     | -
            {}                                                           | -"#,
        ) {
            let found = read(json).message;
            assert_eq!(found.as_deref().unwrap_or("-"), message, "{json}");
        }
    }

    /// What common parsers make of Dovecot's own lines and of syslog's.
    #[test]
    fn a_service_that_a_parser_took_away_is_put_back() {
        for [json, message, host] in rows(
            r#"
            {"hostname":"imap-login:","message":"Info: x"}              | imap-login: Info: x | -
            {"host":"imap-login:","ident":"Info","message":"x"}         | imap-login: Info: x | -
            {"host":"mail","ident":"pop3-login","message":"Info: x"}    | pop3-login: Info: x | mail
            {"program":"master","message":"Warning: x"}                 | master: Warning: x  | -
            {"host":"mail","ident":"dovecot","message":"imap-login: x"} | imap-login: x       | mail
            {"host":"mail:","ident":"a","message":"x"}                  | x                   | mail:"#,
        ) {
            let record = read(json);
            assert_eq!(record.message.as_deref(), Some(message), "{json}");
            assert_eq!(record.host.as_deref().unwrap_or("-"), host, "{json}");
        }
        assert_eq!(read(r#"{"ident":"imap-login","x":1}"#).message, None);
    }

    #[test]
    fn finds_the_host_wherever_it_is() {
        for [json, host] in rows(
            r#"
            {"_HOSTNAME":"j","hostname":"h","host":"s","host.name":"n"} | n
            {"host":{"os":{"name":"x"},"name":"n"},"hostname":"h"}      | n
            {"_HOSTNAME":"j","hostname":"h","host":"s"}                 | s
            {"_HOSTNAME":"j","host":["s"],"hostname":""}                | j
            {"host":{"name":1}}                                         | -"#,
        ) {
            let found = read(json).host;
            assert_eq!(found.as_deref().unwrap_or("-"), host, "{json}");
        }
    }

    #[test]
    fn finds_the_position() {
        for json in [
            r#"{"log":{"offset":7,"file":{"path":"/a"}}}"#,
            r#"{"log":{"offset":7,"file.path":"/a"}}"#,
            r#"{"log.offset":7,"log.file":{"path":"/a"}}"#,
            r#"{"log.offset":7,"log.file.path":"/a"}"#,
        ] {
            let record = read(json);
            let place = (record.path.as_deref(), record.offset);
            assert_eq!(place, (Some("/a"), Some(7)), "{json}");
        }
        let record = read(r#"{"log":{"offset":-1},"__CURSOR":"s=1"}"#);
        assert_eq!(record.cursor.as_deref(), Some("s=1"));
    }

    #[test]
    fn takes_the_best_time() {
        for [json, time_ms] in rows(
            r#"
            {"time":1,"timestamp":2,"__REALTIME_TIMESTAMP":"3","@timestamp":4} | 4000
            {"timestamp":"1763843054123","time":"5"}                           | 1763843054123
            {"__REALTIME_TIMESTAMP":"1763843054123456"}                        | 1763843054123
            {"__REALTIME_TIMESTAMP":"soon"}                                    | -
            {"@timestamp":null,"timestamp":9}                                  | 9000
            {"@timestamp":"soon","timestamp":9}                                | 9000
            {"timestamp":9,"@timestamp":"soon"}                                | 9000
            {"a":{"t":9}}                                                      | 9000
            {"@timestamp":"2025-11-22T20:24:14.123Z"}                          | 1763843054123
            {"time":"2025-11-22T21:24:14.123456789+01:00"}                     | 1763843054123"#,
        ) {
            assert_eq!(read(json).time_ms, time_ms.parse().ok(), "{json}");
        }
    }

    #[test]
    fn knows_our_own_documents() {
        for [json, ours] in rows(
            r#"
            {"event":{"action":"connection-limit-flood-start"},"maxconn":{}}      | true
            {"event.action":"connection-limit-exceeded","maxconn.limit.name":"x"} | true
            {"event":{"action":"connection-limit-exceeded"}}                      | false
            {"event":{"action":"other"},"maxconn":{}}                             | false
            {"event":{"action":"connection-limit-exceeded"},"maxconn":1}          | false"#,
        ) {
            assert_eq!(read(json).is_ours.to_string(), ours, "{json}");
        }
    }

    #[test]
    fn refuses_what_is_not_an_object() {
        for json in ["", "[]", "text", "{\"a\":}", "{} x", "{\"log\":{\"a\" 1}}"] {
            assert_eq!(try_read(json), None, "{json}");
        }
    }

    #[test]
    fn wraps_lines_as_filebeat_does() {
        let mut out = Vec::new();
        write_text_record(
            b"a \"b\"\xff\r",
            Some("/var/log/mail.log"),
            Some(12),
            &mut out,
        );
        assert_eq!(
            String::from_utf8_lossy(&out),
            "{\"message\":\"a \\\"b\\\"\u{fffd}\",\"log\":{\"file\":{\"path\":\"/var/log/mail.log\"},\"offset\":12}}"
        );
        for (path, offset) in [(None, None), (Some("/a"), None), (None, Some(0))] {
            out.clear();
            write_text_record(b"line", path, offset, &mut out);
            let text = String::from_utf8_lossy(&out).to_string();
            let record = read(&text);
            assert_eq!(record.message.as_deref(), Some("line"));
            assert_eq!((record.path.as_deref(), record.offset), (path, offset));
        }
    }
}
