//! Remembers recent lines and their layout.
//!
//! In a flood one line is the other over again but for its time and its session, fifty times a second. So where
//! everything was in the last few lines is remembered, and a line that differs from one of them in nothing but such
//! places is read by looking there: for half of the work. Whatever else differs, be it a byte, is read as if nothing
//! were remembered; what comes out is the same either way.

mod places;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::bytes::equal;
use crate::event::Event;
use crate::json::write::clean_prefix;
use crate::recognisers::named;
use crate::record::{Plain, Record, read_stamp};
use crate::time::TimeZone;
use places::{Places, Span};

/// How many lines are remembered: floods that go on at once, between whose lines the log changes.
const LINES_MAX: usize = 4;
/// The longest line that is remembered, in bytes.
const LINE_MAX: usize = 2_048;

/// The lines that are remembered.
#[derive(Debug, Default)]
pub struct LineCache {
    lines: Vec<CachedLine>,
    next: usize,
}

/// A line that was read, and where in it everything was.
#[derive(Debug)]
pub struct CachedLine {
    line: Box<[u8]>,
    is_json: bool,
    /// What may differ, in the order of the line; none overlaps another.
    free: [Span; 3],
    /// The record's own time.
    time: Span,
    /// What comes before the program's own words in the message: a time most of all.
    head: Span,
    session: Span,
    message: Span,
    host: Option<Span>,
    path: Option<Span>,
    plain: Option<Plain>,
    places: Places,
}

impl LineCache {
    /// A record that is like one that is remembered, and which.
    #[inline]
    pub fn get<'a>(
        &self,
        line: &'a [u8],
        is_json: bool,
        zone: &TimeZone,
    ) -> Option<(Record<'a>, &CachedLine)> {
        let mut lines = self.lines.iter();
        let cached = lines.find(|cached| cached.is_json == is_json && cached.is_like(line))?;
        Some((cached.record(line, zone)?, cached))
    }

    /// Remembers a record that was read, if records like it can be told by their bytes.
    #[cold]
    pub fn insert(
        &mut self,
        line: &[u8],
        is_json: bool,
        record: &Record<'_>,
        event: &Event<'_>,
        body: usize,
    ) {
        let Some(cached) = CachedLine::new(line, is_json, record, event, body) else {
            return;
        };
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

/// Whether a session is base64, so that nothing in it could end it.
#[inline]
fn is_session(session: &[u8]) -> bool {
    session
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// What replaces a time in JSON is one as well, and no more than that: a number does not begin with 0.
fn is_in_form(line: &[u8], time: Span) -> bool {
    let before = time.start.checked_sub(1).and_then(|at| line.get(at));
    before == Some(&b'"') || line.get(time.start).is_some_and(|first| *first != b'0')
}

impl CachedLine {
    #[cold]
    fn new(
        line: &[u8],
        is_json: bool,
        record: &Record<'_>,
        event: &Event<'_>,
        body: usize,
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
        let text = borrowed(record.message.as_ref()?)?;
        let message = Span::of(line, text)?;
        let said = core::str::from_utf8(text).ok()?;
        let in_line = |text: &Option<Cow<'_, str>>| match text {
            Some(text) => Span::of(line, borrowed(text)?).map(Some),
            None => Some(None),
        };
        let (host, path) = (in_line(&record.host)?, in_line(&record.path)?);
        let nothing = Span {
            start: message.end,
            end: message.end,
        };
        let time = match record.stamp {
            Some(stamp) => Span::of(line, stamp).filter(|time| is_in_form(line, *time))?,
            None if record.time_ms.is_none() => nothing,
            None => return None,
        };
        let head = Span {
            start: message.start,
            end: message.start + body,
        };
        // Where the session ends the message nothing that comes after it can be taken for something else.
        let session = match event.session {
            Some(session) if is_session(session.as_bytes()) => {
                let at = Span::of_text(said, session)?;
                let is_last = said.get(..at.start)?.ends_with(repeating.before_session)
                    && said.get(at.end..) == Some(repeating.after_session);
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
        // The head comes before the session; the time is before, between or behind them.
        let free = if time.start < head.start {
            [time, head, session]
        } else if time.start < session.start {
            [head, time, session]
        } else {
            [head, session, time]
        };
        let fixed = [host, path].into_iter().flatten();
        let overlap = |a: &Span, b: &Span| a.start < b.end && b.start < a.end;
        if free.is_sorted_by(|a, b| a.end <= b.start)
            && !fixed.into_iter().any(|span| overlap(&span, &time))
            && !overlap(&message, &time)
        {
            Some(CachedLine {
                line: line.into(),
                is_json,
                free,
                time,
                head,
                session,
                message,
                host,
                path,
                plain: record.plain,
                places: Places::of(said, event, server.name, repeating.limit).ok()?,
            })
        } else {
            None
        }
    }

    /// Whether a line differs in nothing but what may.
    #[inline]
    fn is_like(&self, line: &[u8]) -> bool {
        if line.len() != self.line.len() {
            return false;
        }
        let mut at = 0;
        for free in self.free {
            let same = Span {
                start: at,
                end: free.start,
            };
            if same
                .bytes(line)
                .zip(same.bytes(&self.line))
                .is_none_or(|(a, b)| !equal(a, b))
            {
                return false;
            }
            at = free.end;
        }
        line.get(at..)
            .zip(self.line.get(at..))
            .is_some_and(|(a, b)| equal(a, b))
    }

    /// A like line's record; `None` if what differs is not of its kind.
    #[inline]
    fn record<'a>(&self, line: &'a [u8], zone: &TimeZone) -> Option<Record<'a>> {
        if !is_session(self.session.bytes(line)?) {
            return None;
        }
        if self.is_json {
            let head = self.head.bytes(line)?;
            if clean_prefix(head) < head.len() {
                return None;
            }
        }
        let stamp = self.time.bytes(line).filter(|stamp| !stamp.is_empty());
        let time_ms = match stamp {
            Some(stamp) if is_in_form(line, self.time) => Some(read_stamp(stamp, zone)?),
            Some(_) => return None,
            None => None,
        };
        let text = |span: Span| Some(Cow::Borrowed(core::str::from_utf8(span.bytes(line)?).ok()?));
        Some(Record {
            message: Some(text(self.message)?),
            time_ms,
            stamp,
            host: match self.host {
                Some(host) => Some(text(host)?),
                None => None,
            },
            path: match self.path {
                Some(path) => Some(text(path)?),
                None => None,
            },
            plain: self.plain,
            ..Record::default()
        })
    }

    /// The event in a like line's message, whose head is `body` bytes long. `None` if the head is longer or shorter
    /// than it was.
    #[inline]
    pub fn event<'a>(&self, message: &'a str, body: usize) -> Option<Event<'a>> {
        if body != self.head.end - self.head.start {
            return None;
        }
        Some(self.places.event(message))
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

    fn body(message: &str) -> usize {
        head::parse_untimed(message, &TimeZone::utc()).body
    }

    /// Reads a line with the memory of another, and checks that it changes nothing. Whether it was used.
    fn check(earlier: &[u8], line: &[u8]) -> bool {
        let is_json = line.starts_with(b"{");
        let mut cache = LineCache::default();
        if let Some(record) = record(earlier, earlier.starts_with(b"{"))
            && let Some(message) = record.message.as_deref()
        {
            let body = body(message);
            if let Some(event) = recognise(message, body) {
                cache.insert(earlier, earlier.starts_with(b"{"), &record, &event, body);
            }
        }
        let Some((recalled, cached)) = cache.get(line, is_json, &TimeZone::utc()) else {
            return false;
        };
        let expected = record(line, is_json).expect("what is recalled can be read");
        assert_eq!(recalled, expected);
        let message = expected.message.as_deref().expect("it has a message");
        let body = body(message);
        let Some(event) = cached.event(message, body) else {
            return false;
        };
        assert_eq!(Some(event), recognise(message, body));
        true
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
        ) {
            let line = LINES[line];
            let other = line
                .replace("2026-01-11T12:00:00.123Z", &stamp)
                .replace("1768132800.5", &number)
                .replace("7UIgRkhH12HLAHFR", &session);
            check(line.as_bytes(), other.as_bytes());
        }
    }
}
