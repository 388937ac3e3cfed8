//! Remembers recent lines, and what was read from them.
//!
//! In a flood one line is the other over again but for its time and its session, fifty times a second. So the last few
//! lines are remembered, and of a line that differs from one of them in nothing but these two no more than these two is
//! read. Whatever else differs, be it a byte, is read as if nothing were remembered; what comes out is the same either way.

mod remembered;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use crate::bytes::{equal, find};
use crate::event::Event;
use crate::head::{Head, Stamp};
use crate::recognisers::named;
use crate::record::{Plain, Record, read_stamp};
use crate::time::{Reference, TimeZone};
use remembered::{Remembered, Span, own};

/// How many lines are remembered: floods that go on at once, between whose lines the log changes.
const LINES_MAX: usize = 32;
/// The longest line that is remembered, in bytes.
const LINE_MAX: usize = 2_048;

/// The lines that are remembered.
#[derive(Debug, Default)]
pub struct LineCache {
    lines: Vec<CachedLine>,
    /// The last one's number; they follow each other in a circle.
    last: u32,
    /// A bit for each length that one has.
    lengths: u64,
}

/// Which of the remembered lines another one is like.
///
/// It is that one's number: two lines that are like the same one are of one event, but for time and session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Like(NonZeroU32);

impl Like {
    /// Its place among the remembered lines.
    #[inline]
    fn place(self) -> usize {
        (self.0.get() - 1) as usize % LINES_MAX
    }
}

/// A line that was read, and what was in it.
#[derive(Debug)]
pub struct CachedLine {
    like: Like,
    line: Box<[u8]>,
    is_json: bool,
    /// What may not differ, in the order of the line.
    same: Vec<Span>,
    /// The record's own time.
    time: Span,
    /// The first time in the message's head, and what was read from it: with which reference, and which time.
    stamp: Span,
    in_head: Stamp,
    read: Option<(Reference, Option<i64>)>,
    session: Span,
    message: Span,
    host: Option<Box<str>>,
    path: Option<Box<str>>,
    plain: Option<Plain>,
    event: Remembered,
}

impl LineCache {
    /// Whether one is as long as a line, perhaps: hardly any other line need be compared.
    #[inline]
    pub fn may_hold(&self, line: &[u8]) -> bool {
        self.lengths & bit_of(line) != 0
    }

    /// The remembered line that this one is like.
    #[inline(never)]
    pub fn find(&self, line: &[u8], is_json: bool) -> Option<Like> {
        let is_like = |cached: &CachedLine| cached.is_json == is_json && cached.is_like(line);
        Some(self.lines.iter().find(|cached| is_like(cached))?.like)
    }

    /// That line.
    #[inline]
    pub fn get(&self, like: Like) -> Option<&CachedLine> {
        let cached = self.lines.get(like.place())?;
        (cached.like == like).then_some(cached)
    }

    /// The first time in the head of a like line's message, if it has one and that is asked for. `None` if what stands in
    /// its place is none.
    #[inline]
    pub fn head_ms(
        &mut self,
        like: Like,
        line: &[u8],
        zone: &TimeZone,
        reference: Reference,
    ) -> Option<Option<i64>> {
        let cached = self.lines.get_mut(like.place())?;
        let (stamp, known) = (cached.stamp.bytes(line)?, cached.stamp.bytes(&cached.line)?);
        match cached.read {
            _ if stamp.is_empty() => Some(None),
            Some((with, time_ms)) if with == reference && equal(stamp, known) => Some(time_ms),
            _ => cached.read_head(line, zone, reference),
        }
    }

    /// Forgets all lines.
    #[inline(never)]
    pub fn clear(&mut self) {
        self.lines.clear();
        // The next one is the first of them, with a number that none had.
        self.last = self.last.next_multiple_of(LINES_MAX as u32);
        self.lengths = 0;
    }

    /// Remembers a line.
    #[cold]
    pub fn insert(&mut self, cached: Option<CachedLine>) {
        let Some(mut cached) = cached else {
            return;
        };
        self.last = self.last.checked_add(1).unwrap_or(1);
        cached.like = Like(NonZeroU32::new(self.last).unwrap_or(NonZeroU32::MIN));
        match self.lines.get_mut(cached.like.place()) {
            Some(oldest) => *oldest = cached,
            None => self.lines.push(cached),
        }
        let bits = self.lines.iter().map(|cached| bit_of(&cached.line));
        self.lengths = bits.fold(0, |all, bit| all | bit);
    }
}

/// The bit that stands for its length.
#[inline]
fn bit_of(line: &[u8]) -> u64 {
    1 << (line.len() % 64)
}

/// Whether all of it is base64, so that nothing in it could end a session.
#[inline(never)]
fn is_session(session: &[u8]) -> bool {
    let (words, rest) = session.as_chunks();
    let mut end = [b'='; 8];
    if let Some(end) = end.get_mut(..rest.len()) {
        end.copy_from_slice(rest);
    }
    words.iter().chain([&end]).all(are_base64)
}

#[inline(never)]
fn are_base64(word: &[u8; 8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(*word);
    // The high bit of each byte that lies between the two; none is above 127.
    let within = |word: u64, first: u8, last: u8| {
        (word + ONES * u64::from(128 - first)) & !(word + ONES * u64::from(127 - last))
    };
    let ascii = word & (ONES * 127);
    let base64 = within(ascii | (ONES * 0x20), b'a', b'z')
        | within(ascii, b'/', b'9')
        | within(ascii, b'+', b'+')
        | within(ascii, b'=', b'=');
    base64 & !word & (ONES * 128) == ONES * 128
}

/// What replaces a time in JSON is one as well, and no more than that: a number does not begin with 0.
fn is_in_form(line: &[u8], time: Span) -> bool {
    let before = time.start.checked_sub(1).and_then(|at| line.get(at));
    // A date has dashes.
    let is_number = |text: &[u8]| text.first() != Some(&b'0') && find(text, b'-').is_none();
    before == Some(&b'"') || time.bytes(line).is_some_and(is_number)
}

/// Whether a time has digits, letters and marks at the same places as another: then the head around it is read alike.
fn is_alike(stamp: &[u8], known: &[u8]) -> bool {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => b'0',
        b'A'.. => b'A',
        other => other,
    };
    stamp.len() == known.len() && stamp.iter().zip(known).all(|(a, b)| class(*a) == class(*b))
}

impl CachedLine {
    /// A record that was read, if records like it can be told by their bytes.
    #[cold]
    pub fn new(
        line: &[u8],
        is_json: bool,
        record: &Record<'_>,
        event: &Event<'_>,
        head: &Head<'_>,
    ) -> Option<CachedLine> {
        let server = named(event.module)?;
        let repeating = server.repeating?;
        let is_usual = line.len() <= LINE_MAX
            && event.limit == repeating.limit.name
            && record.offset.is_none()
            && record.date.is_none()
            && record.cursor.is_none();
        if !is_usual {
            return None;
        }
        // What was decoded is no piece of the line.
        let said = record.message.as_deref()?.as_bytes();
        let message = Span::of(line, said)?;
        let nothing = Span {
            start: message.end,
            end: message.end,
        };
        let time = match record.stamp {
            Some(stamp) => Span::of(line, stamp).filter(|time| is_in_form(line, *time))?,
            None if record.time_ms.is_none() => nothing,
            None => return None,
        };
        let stamp = Span {
            start: message.start + head.stamp.start,
            end: message.start + head.stamp.start + head.stamp.len,
        };
        // Where the session ends the message nothing that comes after it can be taken for something else.
        let session = match event.session {
            Some(session) if is_session(session) => {
                let at = Span::of(said, session)?;
                let is_last = said
                    .get(..at.start)?
                    .ends_with(repeating.before_session.as_bytes())
                    && said.get(at.end..) == Some(repeating.after_session.as_bytes());
                match is_last {
                    true => Span {
                        start: message.start + at.start,
                        end: message.start + at.end,
                    },
                    false => nothing,
                }
            }
            _ => nothing,
        };
        // The stamp comes before the session; the record's own time is no part of the message.
        if stamp.end > session.start || message.overlaps(time) {
            return None;
        }
        let free = match time.start < message.start {
            true => [time, stamp, session],
            false => [stamp, session, time],
        };
        let is_fixed = |text: &str| {
            Span::of(line, text.as_bytes())
                .is_some_and(|it| !free.iter().any(|span| span.overlaps(it)))
        };
        let (host, path) = (record.host.as_deref().or(head.host), record.path.as_deref());
        if !host.into_iter().chain(path).all(is_fixed) {
            return None;
        }
        let mut same = Vec::with_capacity(free.len() + 1);
        let mut start = 0;
        for span in free.into_iter().filter(|span| span.start < span.end) {
            let end = span.start;
            same.push(Span { start, end });
            start = span.end;
        }
        let end = line.len();
        same.push(Span { start, end });
        Some(CachedLine {
            like: Like(NonZeroU32::MIN),
            line: line.into(),
            is_json,
            same,
            time,
            stamp,
            in_head: head.stamp,
            read: None,
            session,
            message,
            host: own(host),
            path: own(path),
            plain: record.plain,
            event: Remembered::of(
                event,
                server.name,
                repeating.limit,
                session.start == session.end,
            ),
        })
    }

    /// The time of a like line's record, if it has one. `None` if what stands in its place is none.
    #[inline]
    pub fn time_ms(&self, line: &[u8], zone: &TimeZone) -> Option<Option<i64>> {
        let stamp = self.time.bytes(line)?;
        if stamp.is_empty() {
            return Some(None);
        }
        match is_in_form(line, self.time) {
            true => read_stamp(stamp, zone).map(Some),
            false => None,
        }
    }

    /// A like line's event.
    #[inline(never)]
    pub fn event<'a>(&'a self, line: &'a [u8]) -> Option<Event<'a>> {
        Some(self.event.event(self.session.bytes(line)?))
    }

    /// A like line's session, if that may be another.
    #[inline]
    pub fn session<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        let session = self.session.bytes(line)?;
        (!session.is_empty()).then_some(session)
    }

    /// A like line's message: UTF-8.
    #[inline]
    pub fn message<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        self.message.bytes(line).unwrap_or_default()
    }

    /// The host of a like line, from wherever it is known.
    #[inline]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// As [`Record::path`].
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// As [`Record::plain`].
    pub fn plain(&self) -> Option<Plain> {
        self.plain
    }

    /// Whether a line differs in nothing but what may.
    #[inline]
    fn is_like(&self, line: &[u8]) -> bool {
        if line.len() != self.line.len() {
            return false;
        }
        let is_same = |same: &Span| match (same.bytes(line), same.bytes(&self.line)) {
            (Some(bytes), Some(known)) => equal(bytes, known),
            _ => false,
        };
        self.same.iter().all(is_same) && self.session.bytes(line).is_some_and(is_session)
    }

    /// Reads the first time in the message's head, which must be as long as the remembered one, and remembers it instead.
    #[inline(never)]
    fn read_head(
        &mut self,
        line: &[u8],
        zone: &TimeZone,
        reference: Reference,
    ) -> Option<Option<i64>> {
        let (stamp, message) = (self.stamp.bytes(line)?, self.message.bytes(line)?);
        let (time_ms, len) = self.in_head.read(message, zone, reference)?;
        // Without a time here it is one further on that counts.
        let is_known = time_ms.is_some() || reference == Reference::NotNeeded;
        // What JSON would escape is in no time; that is not left to chance.
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let known = self.line.get_mut(self.stamp.start..self.stamp.end)?;
        if len != stamp.len() || !is_known || !stamp.iter().all(is_plain) || !is_alike(stamp, known)
        {
            return None;
        }
        known.copy_from_slice(stamp);
        self.read = Some((reference, time_ms));
        Some(time_ms)
    }
}

#[cfg(test)]
mod tests;
