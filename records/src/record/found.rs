//! Chooses the members of a record that matter, and which of several is preferred.

use core::ops::Range;

use super::{Keys, is_our_action, read_stamp};
use crate::enrich::is_our_group;
use crate::json::scan::{JsonType, Malformed, Scanner};
use crate::json::string::decode;
use crate::time::TimeZone;

/// An object that can hold something we look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Root,
    /// A record inside of what a store wraps it in.
    Wrapped,
    Host,
    Log,
    LogFile,
    Event,
    /// One on the way of a path.
    Other,
}

/// What a key in a place means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An object to enter.
    Place(Place),
    /// A leaf, or an object to enter: `host` comes as either.
    HostOrPlace,
    Host(HostSource),
    Program,
    Path,
    Offset,
    Cursor,
    Action,
    /// `maxconn`, which counts as ours if it is an object.
    Maxconn,
    /// A dotted `maxconn.…`.
    MaxconnField,
}

/// Where a host name is from; the lowest is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostSource {
    HostName,
    Host,
    Hostname,
    Journal,
    Other,
}

/// A message, not yet decoded: most often only one of several is wanted.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Its raw bytes, and whether they hold escapes.
    String(&'a [u8], bool),
    Bytes(Range<usize>),
}

/// The raw values of what was found.
#[derive(Debug, Default)]
pub struct Found<'a> {
    pub message: Option<(usize, Message<'a>)>,
    /// Of the first of the time keys that can be read, its number, the text and what that says.
    pub time: Option<(usize, &'a [u8], i64)>,
    /// A text of a time key that cannot be read by itself.
    pub date: Option<&'a [u8]>,
    pub host: Option<(HostSource, &'a [u8])>,
    /// What a parser took for the program.
    pub program: Option<&'a [u8]>,
    pub path: Option<&'a [u8]>,
    pub offset: Option<u64>,
    pub cursor: Option<&'a [u8]>,
    pub has_maxconn: bool,
    pub has_our_action: bool,
    pub has_members: bool,
    pub has_timestamp: bool,
    pub has_our_group: bool,
}

/// Reads a record in one pass.
pub struct Reader<'a, 'k> {
    pub scanner: Scanner<'a>,
    pub keys: Keys<'k>,
    pub zone: &'k TimeZone,
    pub found: Found<'a>,
}

impl<'k> Reader<'_, 'k> {
    /// Reads the members of an object. `path` is what leads there, as the keys' paths begin, if any does. It calls itself
    /// for the few places that it knows, none of which is within itself, and along paths, which are short.
    pub fn object(&mut self, place: Place, path: Option<&'k str>) -> Result<(), Malformed> {
        let mut members = self.scanner.begin_object()?;
        while let Some(key) = self.scanner.next_key(&mut members)? {
            if place == Place::Root {
                let found = &mut self.found;
                found.has_members = true;
                // A dotted `@timestamp.…` would make an object of it; rare enough to be looked at closely.
                found.has_timestamp |= *key == *b"@timestamp";
                found.has_our_group |=
                    is_our_group(first_word(&key)) || key.starts_with(b"@timestamp.");
            }
            let kind = self.scanner.kind()?;
            if let Some(path) = path {
                let leaf = matches!(kind, JsonType::String | JsonType::Number)
                    || (kind == JsonType::Array && *key == *b"MESSAGE");
                if leaf && self.leaf(path, &key, kind)? {
                    continue;
                }
            }
            let inner = path
                .filter(|_| kind == JsonType::Object)
                .and_then(|path| self.keys.within(path, &key));
            match (target(place, &key), inner) {
                (Some(Target::Place(place)), _) if kind == JsonType::Object => {
                    let inner = if place == Place::Wrapped { path } else { inner };
                    self.object(place, inner)?;
                }
                (Some(Target::HostOrPlace), _) if kind == JsonType::Object => {
                    self.object(Place::Host, inner)?;
                }
                (None, Some(_)) => self.object(Place::Other, inner)?,
                (Some(target), _) => self.value(target, kind)?,
                (None, None) => {
                    self.scanner.skip_value()?;
                }
            }
        }
        Ok(())
    }

    /// Reads a message or a time, if this is the key of one and its value can be one.
    fn leaf(&mut self, path: &str, key: &[u8], kind: JsonType) -> Result<bool, Malformed> {
        let is_text = kind != JsonType::Number;
        if is_text && let Some(index) = self.keys.position(self.keys.message, path, key) {
            let message = if kind == JsonType::String {
                let (raw, escaped) = self.scanner.string()?;
                Message::String(raw, escaped)
            } else {
                Message::Bytes(self.scanner.skip_value()?)
            };
            let best = self.found.message.as_ref();
            if best.is_none_or(|(best, _)| index <= *best) {
                self.found.message = Some((index, message));
            }
            return Ok(true);
        }
        let Some(index) = self.keys.position(self.keys.time, path, key) else {
            return Ok(false);
        };
        let raw = if is_text {
            self.scanner.string()?.0
        } else {
            let range = self.scanner.skip_value()?;
            self.scanner.text(range)
        };
        if self.found.time.is_none_or(|(best, ..)| index <= best) {
            match read_stamp(decode(raw).as_bytes(), self.zone) {
                Some(time_ms) => self.found.time = Some((index, raw, time_ms)),
                // What cannot be read hides no other.
                None => self.found.date = Some(raw),
            }
        }
        Ok(true)
    }

    fn value(&mut self, target: Target, kind: JsonType) -> Result<(), Malformed> {
        let found = &mut self.found;
        match (target, kind) {
            (Target::HostOrPlace, JsonType::String) => {
                let raw = self.scanner.string()?.0;
                found.offer_host(HostSource::Host, raw);
            }
            (Target::Host(source), JsonType::String) => {
                let raw = self.scanner.string()?.0;
                found.offer_host(source, raw);
            }
            (Target::Program, JsonType::String) => found.program = Some(self.scanner.string()?.0),
            (Target::Path, JsonType::String) => found.path = Some(self.scanner.string()?.0),
            (Target::Cursor, JsonType::String) => found.cursor = Some(self.scanner.string()?.0),
            (Target::Offset, JsonType::Number) => {
                let range = self.scanner.skip_value()?;
                let digits = core::str::from_utf8(self.scanner.text(range)).ok();
                found.offset = digits.and_then(|digits| digits.parse().ok());
            }
            (Target::Action, JsonType::String) => {
                found.has_our_action = is_our_action(&decode(self.scanner.string()?.0));
            }
            (target, kind) => {
                found.has_maxconn |= target == Target::MaxconnField
                    || (target == Target::Maxconn && kind == JsonType::Object);
                self.scanner.skip_value()?;
            }
        }
        Ok(())
    }
}

impl<'a> Found<'a> {
    fn offer_host(&mut self, source: HostSource, raw: &'a [u8]) {
        if !raw.is_empty() && self.host.is_none_or(|(best, _)| source <= best) {
            self.host = Some((source, raw));
        }
    }
}

/// What `key` means in a place.
#[inline]
fn target(place: Place, key: &[u8]) -> Option<Target> {
    use Place::{Root, Wrapped};
    Some(match (place, key) {
        (Root | Wrapped, b"host") => Target::HostOrPlace,
        (Root | Wrapped, b"hostname") => Target::Host(HostSource::Hostname),
        (Root | Wrapped, b"_HOSTNAME") => Target::Host(HostSource::Journal),
        (Root | Wrapped, b"HOST" | b"Computer") => Target::Host(HostSource::Other),
        (Root | Wrapped, b"ident" | b"program" | b"programname") => Target::Program,
        (Root, b"_source" | b"result" | b"jsonPayload") => Target::Place(Wrapped),
        (Root, b"log") => Target::Place(Place::Log),
        (Root, b"event") => Target::Place(Place::Event),
        (Root, b"maxconn") => Target::Maxconn,
        (Root, b"__CURSOR") => Target::Cursor,
        (Place::Host, b"name") => Target::Host(HostSource::HostName),
        (Place::Log, b"file") => Target::Place(Place::LogFile),
        (Place::Log, b"offset") => Target::Offset,
        (Place::LogFile, b"path") => Target::Path,
        (Place::Event, b"action") => Target::Action,
        // A dotted key names the places on its way.
        (Root | Place::Log, _) => {
            let (head, tail) = key.split_at_checked(memchr::memchr(b'.', key)?)?;
            let inner = match target(place, head)? {
                Target::Place(inner) => inner,
                Target::HostOrPlace => Place::Host,
                Target::Maxconn => return Some(Target::MaxconnField),
                _ => return None,
            };
            return target(inner, tail.get(1..)?);
        }
        _ => return None,
    })
}

/// A key up to its first dot.
fn first_word(key: &[u8]) -> &[u8] {
    memchr::memchr(b'.', key)
        .and_then(|dot| key.get(..dot))
        .unwrap_or(key)
}
