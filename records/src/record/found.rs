//! Chooses the members of a record that matter, and which of several is preferred.

use alloc::string::String;
use core::ops::Range;

use super::{is_our_action, read_stamp};
use crate::enrich::is_our_group;
use crate::json::scan::{Kind, Malformed, Scanner};
use crate::json::string::decode;
use crate::time::TimeZone;

/// An object that can hold something we look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Root,
    Host,
    Log,
    LogFile,
    Event,
}

/// What a key in a place means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// An object to enter.
    Place(Place),
    /// A leaf, or an object to enter: `host` comes as either.
    HostOrPlace,
    Host(HostSource),
    Time(TimeSource),
    Path,
    Offset,
    Cursor,
    Action,
    /// `maxconn`, which counts as ours if it is an object.
    Maxconn,
    /// A dotted `maxconn.…`.
    MaxconnField,
}

/// Where a time is from; the lowest is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeSource {
    AtTimestamp,
    Timestamp,
    Journal,
    Docker,
}

/// Where a host name is from; the lowest is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostSource {
    HostName,
    Host,
    Hostname,
    Journal,
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
    pub time: Option<(TimeSource, &'a [u8])>,
    pub host: Option<(HostSource, &'a [u8])>,
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
    pub message_keys: &'k [String],
    pub found: Found<'a>,
}

impl Reader<'_, '_> {
    /// Reads the members of an object. It calls itself for the few places that it knows only, none of
    /// which is within itself.
    pub fn object(&mut self, place: Place) -> Result<(), Malformed> {
        let mut members = self.scanner.begin_object()?;
        while let Some(key) = self.scanner.next_key(&mut members)? {
            if place == Place::Root {
                let found = &mut self.found;
                found.has_members = true;
                // A dotted `@timestamp.…` would make an object of it; rare enough to be looked at closely.
                found.has_timestamp |= *key == *b"@timestamp";
                found.has_our_group |=
                    is_our_group(first_word(&key)) || key.starts_with(b"@timestamp.");
                if self.message(&key)? {
                    continue;
                }
            }
            match target(place, &key) {
                Some(target) => self.value(target)?,
                None => {
                    self.scanner.skip_value()?;
                }
            }
        }
        Ok(())
    }

    /// Reads a message, if this is the key of one and its value can be one.
    #[inline]
    fn message(&mut self, key: &[u8]) -> Result<bool, Malformed> {
        let Some(index) = self
            .message_keys
            .iter()
            .position(|name| name.as_bytes() == key)
        else {
            return Ok(false);
        };
        let message = match self.scanner.kind()? {
            Kind::String => {
                let (raw, escaped) = self.scanner.string()?;
                Message::String(raw, escaped)
            }
            Kind::Array if key == b"MESSAGE" => Message::Bytes(self.scanner.skip_value()?),
            _ => return Ok(false),
        };
        if self
            .found
            .message
            .as_ref()
            .is_none_or(|(best, _)| index <= *best)
        {
            self.found.message = Some((index, message));
        }
        Ok(true)
    }

    fn value(&mut self, target: Target) -> Result<(), Malformed> {
        let kind = self.scanner.kind()?;
        let found = &mut self.found;
        match (target, kind) {
            (Target::Place(place), Kind::Object) => return self.object(place),
            (Target::HostOrPlace, Kind::Object) => return self.object(Place::Host),
            (Target::HostOrPlace, Kind::String) => {
                let raw = self.scanner.string()?.0;
                found.offer_host(HostSource::Host, raw);
            }
            (Target::Host(source), Kind::String) => {
                let raw = self.scanner.string()?.0;
                found.offer_host(source, raw);
            }
            (Target::Time(source), Kind::String) => {
                let raw = self.scanner.string()?.0;
                found.offer_time(source, raw);
            }
            (Target::Time(source), Kind::Number) => {
                let range = self.scanner.skip_value()?;
                found.offer_time(source, self.scanner.text(range));
            }
            (Target::Path, Kind::String) => found.path = Some(self.scanner.string()?.0),
            (Target::Cursor, Kind::String) => found.cursor = Some(self.scanner.string()?.0),
            (Target::Offset, Kind::Number) => {
                let range = self.scanner.skip_value()?;
                let digits = core::str::from_utf8(self.scanner.text(range)).ok();
                found.offset = digits.and_then(|digits| digits.parse().ok());
            }
            (Target::Action, Kind::String) => {
                found.has_our_action = is_our_action(&decode(self.scanner.string()?.0));
            }
            (target, kind) => {
                found.has_maxconn |= target == Target::MaxconnField
                    || (target == Target::Maxconn && kind == Kind::Object);
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

    fn offer_time(&mut self, source: TimeSource, raw: &'a [u8]) {
        if self.time.is_none_or(|(best, _)| source <= best) {
            self.time = Some((source, raw));
        }
    }
}

/// What `key` means in a place.
#[inline]
fn target(place: Place, key: &[u8]) -> Option<Target> {
    Some(match (place, key) {
        (Place::Root, b"@timestamp") => Target::Time(TimeSource::AtTimestamp),
        (Place::Root, b"timestamp") => Target::Time(TimeSource::Timestamp),
        (Place::Root, b"__REALTIME_TIMESTAMP") => Target::Time(TimeSource::Journal),
        (Place::Root, b"time") => Target::Time(TimeSource::Docker),
        (Place::Root, b"host") => Target::HostOrPlace,
        (Place::Root, b"hostname") => Target::Host(HostSource::Hostname),
        (Place::Root, b"_HOSTNAME") => Target::Host(HostSource::Journal),
        (Place::Root, b"log") => Target::Place(Place::Log),
        (Place::Root, b"event") => Target::Place(Place::Event),
        (Place::Root, b"maxconn") => Target::Maxconn,
        (Place::Root, b"__CURSOR") => Target::Cursor,
        (Place::Host, b"name") => Target::Host(HostSource::HostName),
        (Place::Log, b"file") => Target::Place(Place::LogFile),
        (Place::Log, b"offset") => Target::Offset,
        (Place::LogFile, b"path") => Target::Path,
        (Place::Event, b"action") => Target::Action,
        // A dotted key names the places on its way.
        (Place::Root | Place::Log, _) => {
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

/// Reads a time as its source writes it.
pub fn read_time(source: TimeSource, raw: &[u8], zone: &TimeZone) -> Option<i64> {
    let text = decode(raw);
    match source {
        TimeSource::Journal => text
            .parse::<u64>()
            .ok()
            .map(|time_us| (time_us / 1_000) as i64),
        _ => read_stamp(text.as_bytes(), zone),
    }
}
