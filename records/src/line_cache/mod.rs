//! Remembers recent lines, and what was read from them.
//!
//! In a flood one line is the other over again but for its time and its session, fifty times a second. So the last few
//! lines are remembered, and of a line that differs from one of them in nothing but these two no more than these two is
//! read. Whatever else differs, be it a byte, is read as if nothing were remembered; what comes out is the same either way.

mod remembered;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::bytes::equal;
use crate::event::Event;
use crate::head::{Head, Stamp};
use crate::recognisers::named;
use crate::record::{Plain, Record, read_stamp};
use crate::time::{Reference, TimeZone};
use remembered::{Remembered, Span, own};

/// How many lines are remembered: floods that go on at once, between whose lines the log changes.
const LINES_MAX: usize = 4;
/// The longest line that is remembered, in bytes.
const LINE_MAX: usize = 2_048;

/// The lines that are remembered.
#[derive(Debug, Default)]
pub struct LineCache {
    lines: Vec<CachedLine>,
    next: usize,
    /// The number of the last one.
    number: u32,
}

/// Which of the remembered lines another one is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Like {
    at: usize,
    /// The remembered line's own number: two lines that are like the same one are of one event, but for time and session.
    pub number: u32,
}

/// A line that was read, and what was in it.
#[derive(Debug)]
pub struct CachedLine {
    number: u32,
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
    /// The remembered line that this one is like.
    #[inline]
    pub fn find(&self, line: &[u8], is_json: bool) -> Option<Like> {
        let is_like = |cached: &CachedLine| cached.is_json == is_json && cached.is_like(line);
        let at = self.lines.iter().position(is_like)?;
        let number = self.lines.get(at)?.number;
        Some(Like { at, number })
    }

    /// That line.
    #[inline]
    pub fn get(&self, like: Like) -> Option<&CachedLine> {
        let cached = self.lines.get(like.at)?;
        (cached.number == like.number).then_some(cached)
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
        let cached = self.lines.get_mut(like.at)?;
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
    }

    /// Remembers a line.
    #[cold]
    pub fn insert(&mut self, cached: Option<CachedLine>) {
        let Some(mut cached) = cached else {
            return;
        };
        self.number = self.number.wrapping_add(1);
        cached.number = self.number;
        if self.lines.len() < LINES_MAX {
            self.lines.push(cached);
        } else if let Some(oldest) = self.lines.get_mut(self.next) {
            *oldest = cached;
            self.next = (self.next + 1) % LINES_MAX;
        }
    }
}

/// The bytes behind a text that was not decoded.
fn borrowed<'a>(text: &Cow<'a, str>) -> Option<&'a [u8]> {
    match text {
        Cow::Borrowed(text) => Some(text.as_bytes()),
        Cow::Owned(_) => None,
    }
}

/// Which bytes are base64, a bit each, so that nothing in such a session could end it.
static BASE64: [u32; 8] = {
    let mut bits = [0; 8];
    let mut byte = 0;
    while byte < 128 {
        let it = byte as u8;
        if it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/' | b'=') {
            bits[byte / 32] |= 1 << (byte % 32);
        }
        byte += 1;
    }
    bits
};

#[inline]
fn is_session(session: &[u8]) -> bool {
    let is_base64 = |byte: &u8| BASE64[usize::from(byte / 32)] >> (byte % 32) & 1 == 1;
    session.iter().all(is_base64)
}

/// What replaces a time in JSON is one as well, and no more than that: a number does not begin with 0.
fn is_in_form(line: &[u8], time: Span) -> bool {
    let before = time.start.checked_sub(1).and_then(|at| line.get(at));
    before == Some(&b'"') || line.get(time.start).is_some_and(|first| *first != b'0')
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
        let said = borrowed(record.message.as_ref()?)?;
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
            Some(session) if is_session(session.as_bytes()) => {
                let at = Span::of(said, session.as_bytes())?;
                let is_last = said.get(..at.start)?.ends_with(repeating.before_session.as_bytes())
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
        // The stamp comes before the session; the record's time is before, between or behind them.
        let free = if time.start < stamp.start {
            [time, stamp, session]
        } else if time.start < session.start {
            [stamp, time, session]
        } else {
            [stamp, session, time]
        };
        let is_fixed = |text: &[u8]| {
            Span::of(line, text).is_some_and(|it| !free.iter().any(|span| span.overlaps(it)))
        };
        let host = match &record.host {
            Some(host) => Some(borrowed(host)?),
            None => head.host.map(str::as_bytes),
        };
        let path = match &record.path {
            Some(path) => Some(borrowed(path)?),
            None => None,
        };
        if !host.into_iter().chain(path).all(is_fixed) {
            return None;
        }
        if !free.is_sorted_by(|a, b| a.end <= b.start) || message.overlaps(time) {
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
            number: 0,
            line: line.into(),
            is_json,
            same,
            time,
            stamp,
            in_head: head.stamp,
            read: None,
            session,
            message,
            host: own(record.host.as_deref().or(head.host)),
            path: own(record.path.as_deref()),
            plain: record.plain,
            event: Remembered::of(event, server.name, repeating.limit, session.start == session.end),
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
    #[inline]
    pub fn event<'a>(&'a self, line: &'a [u8]) -> Option<Event<'a>> {
        let session = core::str::from_utf8(self.session.bytes(line)?).ok()?;
        Some(self.event.event(session))
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

    /// The rest of a like line's record.
    #[inline]
    pub fn record(&self) -> Record<'_> {
        Record {
            path: self.path.as_deref().map(Cow::Borrowed),
            plain: self.plain,
            ..Record::default()
        }
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
        if len != stamp.len() || !is_known || !stamp.iter().all(is_plain) {
            return None;
        }
        let known = self.line.get_mut(self.stamp.start..self.stamp.end)?;
        known.copy_from_slice(stamp);
        self.read = Some((reference, time_ms));
        Some(time_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head;
    use crate::recognisers::recognise;
    use crate::record::{Keys, read_json};
    use alloc::format;
    use alloc::string::String;
    use proptest::prelude::*;

    const LINES: [&str; 7] = [
        r#"{"@timestamp":"2026-01-11T12:00:00.123Z","host":{"name":"mail"},"message":"dovecot: imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<alice@example.org>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2, TLS, session=<7UIgRkhH12HLAHFR>"}"#,
        r#"{"message":"imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<a>, method=PLAIN, rip=2001:db8::7, lip=::1, secured, session=<PLAIN+/=>","timestamp":1768132800.5,"log":{"file":{"path":"/var/log/mail.log"}}}"#,
        r#"{"log":"Jan 11 12:00:00 imap-login: Info: Disconnected: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<a, rip=192.0.2.66>, rip=203.0.113.7, lip=192.0.2.2, session=<7UIgRkhH12HLAHFR>","x":"12"}"#,
        "2026-01-11T12:00:00.123456+01:00 mail dovecot[4711]: imap-login: Login aborted: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10) (too_many): user=<alice>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2, TLS: TLSv1.3 with cipher X (256/256 bits), session=<7UIgRkhH12HLAHFR>",
        "Jan 11 12:00:00 mail dovecot: imap-login: Maximum number of connections from user+IP exceeded: user=<bob>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2",
        "<22>1 2026-01-11T12:00:00Z mail dovecot 12 - - pop3-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<\u{e9}>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2, session=<ab>\r",
        "imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): session=<ab>, user=<bob>, method=PLAIN, rip=203.0.113.7",
    ];

    fn record(line: &[u8], is_json: bool) -> Option<Record<'_>> {
        if is_json {
            let keys = ["message", "log"].map(String::from);
            let keys = Keys {
                message: &keys,
                time: &["@timestamp", "timestamp"].map(String::from),
            };
            return read_json(line, keys, &TimeZone::utc());
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(Record {
            message: Some(String::from_utf8_lossy(line)),
            ..Record::default()
        })
    }

    /// Reads a line with the memory of another, and checks that it changes nothing. Whether it was used.
    fn check(earlier: &[u8], line: &[u8]) -> bool {
        let (is_json, zone) = (line.starts_with(b"{"), TimeZone::utc());
        let mut cache = LineCache::default();
        if let Some(record) = record(earlier, earlier.starts_with(b"{"))
            && let Some(message) = record.message.as_deref()
        {
            let head = head::parse_untimed(message, &zone);
            if let Some(event) = recognise(message, head.body) {
                let is_json = earlier.starts_with(b"{");
                cache.insert(CachedLine::new(earlier, is_json, &record, &event, &head));
            }
        }
        let Some(like) = cache.find(line, is_json) else {
            return false;
        };
        let Some(time_ms) = cache.get(like).and_then(|cached| cached.time_ms(line, &zone)) else {
            return false;
        };
        let expected = record(line, is_json).expect("what is recalled can be read");
        let message = expected.message.as_deref().expect("it has a message");
        let mut is_used = true;
        for reference in [
            Reference::NotNeeded,
            Reference::Latest(Some(1_768_132_800_000)),
            Reference::Latest(None),
        ] {
            let head = match reference {
                Reference::NotNeeded => head::parse_untimed(message, &zone),
                Reference::Latest(reference_ms) => head::parse(message, &zone, reference_ms),
            };
            // The second time from memory.
            for _ in 0..2 {
                let Some(head_ms) = cache.head_ms(like, line, &zone, reference) else {
                    is_used &= reference == Reference::Latest(None);
                    continue;
                };
                let cached = cache.get(like).expect("it was just found");
                if reference != Reference::NotNeeded {
                    assert_eq!(head_ms, head.time_ms);
                }
                assert_eq!(cached.host(), expected.host.as_deref().or(head.host));
                assert_eq!(cached.message(line), message.as_bytes());
                assert_eq!(cached.event(line), recognise(message, head.body));
            }
        }
        let cached = cache.get(like).expect("it was just found");
        let recalled = Record {
            time_ms,
            stamp: expected.stamp,
            message: expected.message.clone(),
            host: expected.host.clone(),
            ..cached.record()
        };
        assert_eq!(recalled, expected);
        is_used
    }

    #[test]
    fn a_line_is_like_itself() {
        for line in LINES {
            assert!(check(line.as_bytes(), line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn times_and_sessions_may_differ_and_nothing_else() {
        let all = LINES.map(|line| {
            line.replace("12:00:00", "13:59:07")
                .replace("1768132800.5", "1768132801.7")
                .replace("7UIgRkhH12HLAHFR", "ZZZZ+/AAhH12HLA=")
        });
        for (line, other) in LINES.into_iter().zip(&all) {
            assert!(check(line.as_bytes(), other.as_bytes()), "{other}");
            for (from, to) in [
                ("user=<a", "user=<b"),
                ("0.113.7", "0.113.8"),
                ("HFR>", "HF,>"),
            ] {
                let other = line.replace(from, to);
                assert!(
                    other == line || !check(line.as_bytes(), other.as_bytes()),
                    "{other}"
                );
            }
        }
    }

    #[test]
    fn a_number_keeps_the_form_of_one() {
        let other = LINES[1].replace("1768132800.5", "0768132800.5");
        assert!(!check(LINES[1].as_bytes(), other.as_bytes()));
    }

    proptest! {
        #[test]
        fn remembering_changes_nothing(
            line in 0..LINES.len(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), r#"[<>", =:\\0-9A-Za-zé\n+/{}-]"#), 1..6),
            is_near_the_end in any::<bool>(),
        ) {
            let line = LINES[line];
            let mut other = line.as_bytes().to_vec();
            for (at, byte) in &changes {
                let len = other.len();
                let at = if is_near_the_end { len - 1 - at.index(30) } else { at.index(len) };
                other[at] = byte.as_bytes()[0];
            }
            check(line.as_bytes(), &other);
            check(&other, line.as_bytes());
            let back = format!("{line}\r");
            check(back.as_bytes(), &other);
        }

        #[test]
        fn what_may_differ_is_only_taken_for_what_it_is(
            line in 0..LINES.len(),
            stamp in r#"[0-9.:TZ"\\-]{24}|20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9]{2}:00:00.123Z"#,
            number in "[0-9.e+-]{12}",
            session in r#"[A-Za-z0-9+/=<>, "\\]{16}"#,
            date in r#"[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8}|(Jan|Feb|Dec) [ 0-3][0-9] [0-2][0-9]:[0-5][0-9]:[0-6][0-9]|[0-9 "\\T:.-]{15}"#,
            iso in r#"20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9]{2}:00:00Z|[0-9TZ:+ -]{20}"#,
        ) {
            let line = LINES[line];
            let other = line
                .replace("2026-01-11T12:00:00.123Z", &stamp)
                .replace("1768132800.5", &number)
                .replace("Jan 11 12:00:00", &date)
                .replace("2026-01-11T12:00:00Z", &iso)
                .replace("7UIgRkhH12HLAHFR", &session);
            check(line.as_bytes(), other.as_bytes());
        }
    }
}
