//! From a record's bytes to an event with its time, host and position.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Format, Source};
use crate::config::{Config, ConfigError};
use crate::dovecot;
use crate::event::{Context, Event};
use crate::hash::Hash;
use crate::head;
use crate::patterns::Patterns;
use crate::record::{Record, read_json};
use crate::search::{Finder, byte_array_forms};

/// Event times are kept within the years 1970 to 9999, which RFC 3339 can write.
const MAX_TIME_MS: i64 = 253_402_300_799_999;
const HASH_EVENT: u8 = 30;

/// One record and what is known of where it comes from.
pub(super) struct Input<'a> {
    pub source: &'a Source,
    pub line: &'a [u8],
    /// The host's own timestamp.
    pub time_ms: Option<i64>,
    /// The position of the line in its source.
    pub offset: Option<u64>,
    /// Another position, unique for the host.
    pub position: Option<&'a [u8]>,
    /// The newest event time so far.
    pub latest_ms: Option<i64>,
}

/// Whether a record has a message that may be an event.
pub(super) enum Found<'a> {
    /// It has none, or is a document of ours.
    Nothing,
    /// It looks like JSON and is not.
    Malformed,
    /// It has one.
    Message(Record<'a>),
}

/// An event and all that is known around it.
pub(super) struct Sight<'a> {
    pub event: Event<'a>,
    pub context: Context<'a>,
    pub is_json: bool,
    /// Whether no time was found, so that it counts at the newest event time.
    pub is_timeless: bool,
    /// Whether its time is more than a makeshift: the first event may have none at all.
    pub has_time: bool,
}

/// Finds and reads events.
pub(super) struct Recogniser {
    finder: Finder,
    patterns: Patterns,
}

impl Recogniser {
    pub fn new(config: &Config) -> Result<Recogniser, ConfigError> {
        let patterns = Patterns::new(&config.patterns)?;
        let needles = dovecot::NEEDLES
            .iter()
            .copied()
            .chain(patterns.needles())
            .map(str::as_bytes);
        // journald writes a message that is not plain text as an array of bytes.
        let needles: Vec<Vec<u8>> = needles
            .flat_map(|needle| core::iter::once(needle.to_vec()).chain(byte_array_forms(needle)))
            .collect();
        Ok(Recogniser {
            finder: Finder::new(needles.iter().map(Vec::as_slice)),
            patterns,
        })
    }

    /// The first place at which an event could be.
    pub fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        self.finder.find(bytes, from)
    }

    /// Finds the message of a record.
    pub fn recognise<'a>(&self, config: &Config, input: &Input<'a>) -> Found<'a> {
        let line = input.line;
        let record = if is_json(input.source.format, line) {
            match read_json(line, &config.message_keys, &config.timezone) {
                Some(record) => record,
                None => return Found::Malformed,
            }
        } else {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            Record {
                message: Some(text(line)),
                ..Record::default()
            }
        };
        if record.is_ours || record.message.is_none() {
            Found::Nothing
        } else {
            Found::Message(record)
        }
    }

    /// Reads the message.
    pub fn read<'a>(
        &'a self,
        config: &Config,
        input: &Input<'a>,
        record: &'a Record<'_>,
    ) -> Option<Sight<'a>> {
        let source = input.source;
        let message = record.message.as_deref()?;
        let reference_ms = source
            .reference_ms
            .or(input.time_ms)
            .or(record.time_ms)
            .or(input.latest_ms);
        let head = head::parse(message, &config.timezone, reference_ms);
        let event =
            dovecot::recognise(message, head.body).or_else(|| self.patterns.recognise(message))?;
        let time_ms = input.time_ms.or(record.time_ms).or(head.time_ms);
        let known_ms = time_ms.or(input.latest_ms).or(source.reference_ms);
        let context = Context {
            time_ms: known_ms.unwrap_or(0).clamp(0, MAX_TIME_MS),
            host: record.host.as_deref().or(head.host),
            message,
            record_bytes: input.line.len() as u64,
        };
        Some(Sight {
            event,
            context,
            is_json: is_json(source.format, input.line),
            is_timeless: time_ms.is_none(),
            has_time: known_ms.is_some(),
        })
    }
}

/// The id of an event whose place is known. Equal lines are common, so a line alone gives none.
pub(super) fn event_id(input: &Input<'_>, record: &Record<'_>, host: Option<&str>) -> Option<u128> {
    let hash = Hash::new(HASH_EVENT);
    if let Some(position) = input.position {
        return Some(hash.part(b"position").part(position).finish());
    }
    if let Some(cursor) = record.cursor.as_deref() {
        return Some(hash.part(b"cursor").part(cursor.as_bytes()).finish());
    }
    let path = record.path.as_deref().or(input.source.path.as_deref())?;
    let offset = record.offset.or(input.offset)?;
    let hash = hash
        .part(b"file")
        .part(host.unwrap_or("").as_bytes())
        .part(path.as_bytes());
    Some(hash.number(offset).part(input.line).finish())
}

/// The time of a line, whether it carries an event or not.
pub(super) fn time(config: &Config, source: &Source, line: &[u8]) -> Option<i64> {
    if is_json(source.format, line) {
        let record = read_json(line, &config.message_keys, &config.timezone)?;
        let in_text = || {
            head::time(
                record.message.as_deref()?,
                &config.timezone,
                source.reference_ms,
            )
        };
        return record.time_ms.or_else(in_text);
    }
    head::time(&text(line), &config.timezone, source.reference_ms)
}

/// A line as text. Nearly every line is UTF-8, and checking that is far quicker than replacing what is not.
fn text(line: &[u8]) -> Cow<'_, str> {
    match core::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(line),
    }
}

/// Whether a line is to be read as a JSON record.
pub(super) fn is_json(format: Format, line: &[u8]) -> bool {
    match format {
        Format::Auto => line.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{'),
        Format::Text => false,
        Format::Json => true,
    }
}
