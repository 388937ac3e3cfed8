//! Reads an event with its time, host and position from a record's bytes.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Format, Source};
use crate::config::{Config, ConfigError};
use crate::event::{Context, Event};
use crate::hash::{Hash, hash128};
use crate::head::{self, Head};
use crate::line_cache::{Like, LineCache};
use crate::patterns;
use crate::recognisers::{self, Entry, READINGS_MAX, SERVERS, Said};
use crate::record::{Record, read_json};
use crate::repeats::{self, Repeats};
use crate::search::{Finder, byte_array_forms};
use crate::time::Reference;
use maxconn_records::bytes::split_at;

/// Event times are kept within the years 1970 to 9999, which RFC 3339 can write.
const MAX_TIME_MS: i64 = 253_402_300_799_999;
/// A time zone that is wrong puts a time at most so far ahead of the clock, in ms.
const CLOCK_AHEAD_MAX_MS: i64 = 86_400_000;
/// What is in the most needles.
const COMMON: &[u8] = b"onnection";
const HALF_A_YEAR_MS: i64 = 182 * 86_400_000;
const HASH_EVENT: u8 = 30;
const HASH_MEMBER: u8 = 31;

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
    /// The time so far.
    pub latest_ms: Option<i64>,
}

impl Input<'_> {
    /// Whether the record is JSON, and no text line.
    pub fn is_json(&self) -> bool {
        is_json(self.source.format, self.line)
    }

    /// An event's time does not say that nothing is later: what is nearest to it is meant.
    fn ahead_ms(&self) -> Option<i64> {
        let latest_ms = self.latest_ms?;
        Some(latest_ms.saturating_add(HALF_A_YEAR_MS))
    }
}

/// What is known around an event. The event itself is not in it: it is some two hundred bytes, which are not
/// to be copied about either.
pub(super) struct Sight<'a> {
    pub context: Context<'a>,
    /// The message's head.
    pub head: Head<'a>,
    /// Whether no time could be read.
    pub is_untimed: bool,
    /// Whether its time says what time it is: it was read, or it is that of its arrival.
    pub is_timed: bool,
    /// Whether it counts in windows. Without a time it does not in a file: when it happened nobody knows.
    pub counts: bool,
    /// Whether it has a time at all: the first event may have none.
    pub has_time: bool,
    /// What it says of messages that repeated, if it says no more.
    pub repeats: Option<Repeats<'a>>,
}

impl Sight<'_> {
    /// To be filled by [`Recogniser::read`].
    pub const NOTHING: Sight<'static> = Sight {
        context: Context {
            time_ms: 0,
            host: None,
            message: &[],
            record_bytes: 0,
        },
        head: Head::NONE,
        is_untimed: true,
        is_timed: false,
        counts: false,
        has_time: false,
        repeats: None,
    };
}

impl<'a> Sight<'a> {
    /// Says when it was: the time that was found, if any, and the same if it can be. `message` and `host` are the record's.
    #[inline(never)]
    pub fn fill(
        &mut self,
        input: &Input<'a>,
        (found_ms, time_ms): (Option<i64>, Option<i64>),
        host: Option<&'a str>,
        message: &'a [u8],
    ) {
        let (source, clock_ms) = (input.source, input.source.clock_ms);
        let counts = time_ms.is_some() || !source.is_file();
        let known_ms = time_ms
            .or(clock_ms)
            .or(input.latest_ms)
            .or(source.reference_ms);
        self.context = Context {
            time_ms: within_years(known_ms.unwrap_or(0)),
            host,
            message,
            record_bytes: input.line.len() as u64,
        };
        self.is_untimed = time_ms.is_none();
        self.is_timed = time_ms.is_some() || (found_ms.is_none() && clock_ms.is_some());
        self.counts = counts;
        self.has_time = counts && known_ms.is_some();
    }
}

/// The nearest time of those that are kept.
fn within_years(time_ms: i64) -> i64 {
    time_ms.clamp(0, MAX_TIME_MS)
}

/// Whether a time is one that the clock can't have seen yet: it was dated by another one that is wrong.
#[inline]
fn is_ahead(config: &Config, source: &Source, time_ms: i64) -> bool {
    let ahead_ms = config.allowed_lateness_ms + CLOCK_AHEAD_MAX_MS;
    let clock_ms = source.clock_ms;
    clock_ms.is_some_and(|clock_ms| time_ms.saturating_sub(clock_ms) > ahead_ms)
}

/// The time of a line that is like a remembered one, if it has one. `None` if it has to be read.
#[inline]
pub(super) fn recall_ms(
    config: &Config,
    cache: &mut LineCache,
    input: &Input<'_>,
    like: Like,
) -> Option<Option<i64>> {
    let (line, zone) = (input.line, &config.timezone);
    // Without a time that the host or the record tells it is that of the text.
    let told_ms = input.time_ms.or(cache.get(like)?.time_ms(line, zone)?);
    let reference = match told_ms {
        Some(_) => Reference::NotNeeded,
        None => Reference::Latest(input.source.reference_ms.or(input.ahead_ms())),
    };
    let found_ms = told_ms.or(cache.head_ms(like, line, zone, reference)?);
    if found_ms.is_some_and(|time_ms| is_ahead(config, input.source, time_ms)) {
        return None;
    }
    Some(found_ms.map(within_years))
}

/// Finds and reads events.
pub(super) struct Recogniser {
    finder: Finder,
    entries: Vec<Box<dyn Entry>>,
}

impl Recogniser {
    pub fn new(config: &Config) -> Result<Recogniser, ConfigError> {
        let mut entries: Vec<Box<dyn Entry>> = Vec::new();
        for server in SERVERS {
            if config.servers.contains(&server.name) {
                entries.push(Box::new(server));
            }
        }
        entries.append(&mut patterns::compile(&config.patterns)?);
        let mut needles = Vec::new();
        for entry in &entries {
            for needle in entry.needles() {
                needles.push(needle.as_bytes().to_vec());
                // journald writes a message that is not plain text as an array of bytes. That is rare, so that what most
                // needles have in common is enough to look for.
                let needle = needle.as_bytes();
                let is_common = needle.windows(COMMON.len()).any(|part| part == COMMON);
                needles.extend(byte_array_forms(if is_common { COMMON } else { needle }));
            }
        }
        for needle in repeats::NEEDLES {
            needles.push(needle.as_bytes().to_vec());
        }
        let mark = entries.iter().find_map(|entry| entry.mark());
        Ok(Recogniser {
            finder: Finder::marked(needles.iter().map(Vec::as_slice), mark),
            entries,
        })
    }

    /// The first place at which an event could be.
    pub fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        self.finder.find(bytes, from)
    }

    /// Reads what is where in a record; `None` if it looks like JSON and is not. It goes out as it was made, for
    /// it is some two hundred bytes, which are not to be copied about.
    #[inline]
    pub fn record<'a>(&self, config: &Config, input: &Input<'a>) -> Option<Record<'a>> {
        let line = input.line;
        if input.is_json() {
            return read_json(line, config.keys(), &config.timezone);
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(Record {
            message: Some(text(line)),
            ..Record::default()
        })
    }

    /// The event that the record's message is, if it has one and is no document of ours; fills `sight` for it.
    pub fn read<'a>(
        &'a self,
        config: &Config,
        input: &Input<'a>,
        record: &'a Record<'_>,
        sight: &mut Sight<'a>,
    ) -> Option<Event<'a>> {
        if record.is_ours {
            return None;
        }
        let source = input.source;
        let message = record.message.as_deref()?;
        let reference_ms = source
            .reference_ms
            .or(input.time_ms)
            .or(record.time_ms)
            .or(input.ahead_ms());
        let known_ms = input.time_ms.or(record.time_ms).or_else(|| {
            let date = record.date.as_deref()?;
            head::time(date, &config.timezone, reference_ms)
        });
        let head = match known_ms {
            Some(_) => head::parse_untimed(message, &config.timezone),
            None => head::parse(message, &config.timezone, reference_ms),
        };
        let clock_ms = source.clock_ms;
        let is_ahead = |time_ms: &i64| is_ahead(config, source, *time_ms);
        let found_ms = known_ms.or(head.time_ms);
        let mut time_ms = found_ms.filter(|time_ms| !is_ahead(time_ms));
        if let (None, None, Some(_), Some(clock_ms)) = (time_ms, known_ms, head.time_ms, clock_ms) {
            // A date without a year that the clock has not seen yet is one of the year before.
            time_ms = head::time(message, &config.timezone, Some(clock_ms))
                .filter(|time_ms| !is_ahead(time_ms));
        }
        let host = record.host.as_deref().or(head.host);
        sight.fill(input, (found_ms, time_ms), host, message.as_bytes());
        sight.head = head;
        let text = message.get(head.body..)?;
        // What quotes a message whole is not to be taken for it.
        let may_quote = matches!(text.as_bytes().first(), Some(b'm' | b'L'));
        let json = input.is_json().then_some(input.line);
        let said = Said::text(message, head.body).within(json, &record.unescaped);
        let own_host = record.host.as_deref();
        let host = &mut sight.context.host;
        if !may_quote && let event @ Some(_) = self.recognise(&said, own_host, host) {
            return event;
        }
        match repeats::read(text) {
            Some(repeats) => self.read_repeated(config, repeats, own_host, sight),
            None if may_quote => self.recognise(&said, own_host, host),
            None => None,
        }
    }

    /// The event that a message is. Of what its head may be, some entries believe less than others: then `host` is the
    /// record's own, or what their part of the head says.
    #[inline(never)]
    fn recognise<'a>(
        &'a self,
        said: &Said<'a>,
        own_host: Option<&'a str>,
        host: &mut Option<&'a str>,
    ) -> Option<Event<'a>> {
        // Not `find_map`, which would copy the event.
        for entry in &self.entries {
            if let event @ Some(_) = entry.recognise(said) {
                if entry.is_strict() {
                    *host = own_host.or_else(|| said.outer().host);
                }
                return event;
            }
        }
        let mut other = said.other();
        for _ in 0..READINGS_MAX {
            let said_else = other?;
            let mut strict = self.entries.iter().filter(|entry| entry.is_strict());
            if let event @ Some(_) = strict.find_map(|entry| entry.recognise(&said_else)) {
                *host = own_host.or_else(|| said.outer().host);
                return event;
            }
            other = said_else.other();
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn read_repeated<'a>(
        &'a self,
        config: &Config,
        repeats: Repeats<'a>,
        own_host: Option<&'a str>,
        sight: &mut Sight<'a>,
    ) -> Option<Event<'a>> {
        sight.repeats = Some(repeats);
        sight.context.host = sight.context.host.or(repeats.host);
        let body = head::parse_untimed(repeats.said, &config.timezone).body;
        let said = Said::text(repeats.said, body);
        let own_host = own_host.or(sight.context.host);
        let mut event = self.recognise(&said, own_host, &mut sight.context.host)?;
        event.count = repeats.count?;
        Some(event)
    }

    /// The event that a record repeats which says no more of it: `input` and `record` are those of the record before, and
    /// `sight` is of the record itself.
    #[cold]
    #[inline(never)]
    pub fn read_again<'a>(
        &'a self,
        config: &Config,
        input: &Input<'a>,
        record: &'a Record<'_>,
        sight: &mut Sight<'a>,
    ) -> Option<Event<'a>> {
        let repeats = sight.repeats?;
        let mut before = Sight::NOTHING;
        let mut event = self.read(config, input, record, &mut before)?;
        let own = sight.context.host;
        let (host, message) = (before.context.host.or(own), before.context.message);
        let is_other = own.is_some_and(|own| Some(own) != host)
            || (!repeats.said.is_empty()
                && split_at(before.context.text(), repeats.said).is_none());
        if is_other {
            return None;
        }
        event.count = repeats.count?;
        (sight.context.host, sight.context.message) = (host, message);
        Some(event)
    }
}

/// Whether a record that is no event says all that a known message says, in whichever member, and whether it may name a user
/// as a refusal does. Its head or the key of its message may be unknown to us, or somebody chose a user name like that:
/// people are told how many there are.
#[inline(never)]
pub(super) fn holds_known(record: &Record<'_>, line: &[u8], is_json: bool) -> (bool, bool) {
    if record.is_ours {
        return (false, false);
    }
    let message = record.message.as_deref().unwrap_or_default();
    // A text line is its message.
    let json = is_json.then(|| text(line));
    let json = json.as_deref();
    (
        recognisers::holds_known(message) || json.is_some_and(recognisers::json_holds_known),
        recognisers::holds_refusal(message) || json.is_some_and(recognisers::json_holds_refusal),
    )
}

/// The id of an event whose place is known. Equal lines are common, so a line alone gives none.
/// `path` is that of the record, and `record` the rest of it where it was read: one that was recalled has no more.
pub(super) fn event_id(
    input: &Input<'_>,
    record: Option<&Record<'_>>,
    path: Option<&str>,
    host: Option<&str>,
) -> Option<u128> {
    let hash = Hash::new(HASH_EVENT);
    if let Some(position) = input.position {
        return Some(hash.part(b"position").part(position).finish());
    }
    if record.is_some_and(|record| record.cursor.is_some()) {
        let members = members(input.line).to_le_bytes();
        return Some(hash.part(b"cursor").part(&members).finish());
    }
    let path = path.or(input.source.path.as_deref())?;
    let offset = record.and_then(|record| record.offset).or(input.offset)?;
    let hash = hash
        .part(b"file")
        .part(host.unwrap_or("").as_bytes())
        .part(path.as_bytes());
    Some(hash.number(offset).part(input.line).finish())
}

/// What a valid JSON record is, whatever the order of its members: journald writes them in another each time. Its cursor
/// is one of them; alone it would do for what journald has written, and anybody can send one. The record was read
/// before, so that a look at its brackets, commas and quotes is enough, and the guests stay small.
fn members(record: &[u8]) -> u128 {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_u32, false, false);
    let ends = |byte: &u8| {
        let was_escaped = core::mem::take(&mut is_escaped);
        match byte {
            b'\\' => is_escaped = !was_escaped,
            b'"' => is_quoted ^= !was_escaped,
            _ if is_quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        // The object's own braces are no part of the first and the last member.
        !is_quoted && (depth == 0 || (depth == 1 && matches!(byte, b',' | b'{')))
    };
    let hashes = record
        .split(ends)
        .map(|member| hash128(HASH_MEMBER, member));
    hashes.fold(0, u128::wrapping_add)
}

/// The time of a line, whether it carries an event or not.
pub(super) fn time(config: &Config, source: &Source, line: &[u8]) -> Option<i64> {
    if is_json(source.format, line) {
        let record = read_json(line, config.keys(), &config.timezone)?;
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
pub(super) fn text(line: &[u8]) -> Cow<'_, str> {
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
