//! Time, host and program at the head of a text line.
//!
//! A head is a row of parts: times, hosts, tags, priorities, what a container's or a search's output has in front. Parts
//! are skipped, not required, and nest: a container's syslog line in the host's syslog line. What a part may look like
//! is narrow on purpose, because what follows it is believed to be a program's own words: a user name inside a log line
//! must never pass for a host, a tag or a time. So no part holds a parenthesis, an equals sign or a service's name, which
//! stand before every name that Dovecot writes, and which parts may come depends on what came before:
//!
//! | place | parts |
//! |---|---|
//! | anywhere | blanks, colours, times, `<PRI>`, levels, tags with a server's name, `[ID 1 mail.info]` |
//! | before a tag | priorities, names of containers, words before a time, `name[pid]: ` |
//! | at the start | quotes, `grep`'s file and line, a host before a tag with a server's name or a process id |
//! | behind a time | a host before any tag or priority, CRI's stream |
//! | behind a host and a priority | any tag |
//!
//! A bare word before a text is no part of a head: `user NAME` is what other programs say.

mod outer;
mod parts;

use crate::bytes::starts;
use crate::ip::parse_ip;
use crate::recognisers::{begins_with_name, begins_with_service, usual_tag_len};
use crate::time::{Reference, TimeZone, digits_len, is_blank, read_log_time, read_rfc3339};
pub use outer::{Outer, outer};
pub(crate) use parts::gap_len;
use parts::{
    NAME_MAX, brackets_len, cri_len, grep_len, is_host, is_unlike_a_word, is_zone, name_len,
    priority_len, rare_time, stamp_len, structured_data_len, tag, word_len,
};

/// How many parts a head may have: a syslog line in three others. What comes after them is taken for the program's
/// text.
const PARTS_MAX: usize = 32;
/// How many words may stand before a time: a pod, a container, a month.
const WORDS_MAX: usize = 3;

/// What stands before a program's own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The first time found, in ms since the Unix epoch.
    pub time_ms: Option<i64>,
    /// The first host found.
    pub host: Option<&'a str>,
    /// Where the program's own text begins, e.g. at `imap-login: `, in bytes.
    pub body: usize,
    /// Where the first time stands.
    pub stamp: Stamp,
}

impl Head<'_> {
    /// Of a text that begins with the program's own.
    pub const NONE: Head<'static> = Head {
        time_ms: None,
        host: None,
        body: 0,
        stamp: Stamp {
            start: 0,
            len: 0,
            is_rfc5424: false,
        },
    };
}

/// A time in a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Where it begins, in bytes.
    pub start: usize,
    /// Its length in bytes, 0 if there is none.
    pub len: usize,
    /// It is one of RFC 5424's header.
    is_rfc5424: bool,
}

impl Stamp {
    /// The time and the length of one that stands in the same place of another text, before the same.
    pub fn read(
        self,
        text: &[u8],
        zone: &TimeZone,
        reference: Reference,
    ) -> Option<(Option<i64>, usize)> {
        let text = text.get(self.start..)?;
        if self.is_rfc5424 {
            let (time_ms, len) = read_rfc3339(text, zone)?;
            return Some((Some(time_ms), len));
        }
        read_log_time(text, zone, reference)
    }
}

/// Reads the head of `text`. `zone` is for times that name none; times without a year are there only with a
/// reference, in ms since the Unix epoch: they take the latest year that is not later than it and a day.
pub fn parse<'a>(text: &'a str, zone: &TimeZone, reference_ms: Option<i64>) -> Head<'a> {
    parse_for(text, zone, Reference::Latest(reference_ms))
}

/// As [`parse`], where the time is known already: times without a year need not be worked out then.
pub fn parse_untimed<'a>(text: &'a str, zone: &TimeZone) -> Head<'a> {
    parse_for(text, zone, Reference::NotNeeded)
}

#[inline]
fn parse_for<'a>(text: &'a str, zone: &TimeZone, reference: Reference) -> Head<'a> {
    let mut reader = Reader::new(text);
    for _ in 0..PARTS_MAX {
        if reader.part(zone, reference).is_none() {
            break;
        }
    }
    Head {
        body: reader.at,
        ..reader.head
    }
}

/// The time at the head of `text`, and no more than that.
pub fn time(text: &str, zone: &TimeZone, reference_ms: Option<i64>) -> Option<i64> {
    let mut reader = Reader::new(text);
    for _ in 0..PARTS_MAX {
        reader.part(zone, Reference::Latest(reference_ms))?;
        if reader.head.time_ms.is_some() {
            break;
        }
    }
    reader.head.time_ms
}

/// The length of the level that `text` starts with, as some write it before or after the service; 0 if
/// there is none.
#[inline]
pub(crate) fn level_len(text: &str) -> usize {
    fn len<const N: usize>(text: &[u8], level: &[u8; N]) -> usize {
        if starts(text, level) { N } else { 0 }
    }
    let text = text.as_bytes();
    match text.first() {
        Some(b'I') => len(text, b"Info: "),
        Some(b'W') => len(text, b"Warning: "),
        Some(b'E') => len(text, b"Error: "),
        Some(b'D') => len(text, b"Debug: "),
        Some(b'F') => len(text, b"Fatal: "),
        Some(b'P') => len(text, b"Panic: "),
        _ => 0,
    }
}

/// What was read before, which says what may follow.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// No more than quotes and what a container's or a search's output has in front.
    Start,
    /// A time, or a priority in a syslog message.
    Stamped,
    /// A host and a priority behind that: a tag comes next.
    Hosted,
    /// A tag: what follows is a program's.
    Tagged,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    place: Place,
    head: Head<'a>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        Reader {
            text,
            at: 0,
            place: Place::Start,
            head: Head::NONE,
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Skips so many bytes, if there are any.
    fn skip(&mut self, len: usize) -> Option<()> {
        self.at += len;
        (len > 0).then_some(())
    }

    /// Skips one part; `None` if the program's text begins here.
    #[inline]
    fn part(&mut self, zone: &TimeZone, reference: Reference) -> Option<()> {
        // Nearly always a head is a time, a host and the server's tag, and the service follows.
        let rest = self.rest();
        if begins_with_service(rest) {
            return None;
        }
        if self.place == Place::Stamped && self.usual_host_and_tag().is_some() {
            return Some(());
        }
        self.any_part(zone, reference)
    }

    /// A host and the server's usual tag.
    fn usual_host_and_tag(&mut self) -> Option<()> {
        let rest = self.rest();
        let len = name_len(rest);
        let tag = usual_tag_len(rest.get(len + 1..)?);
        let is_host = len > 0 && rest.get(len) == Some(&b' ') && tag > 0;
        if !is_host || priority_len(rest, true) > 0 {
            return None;
        }
        self.found_host(0, len);
        self.place = Place::Tagged;
        self.skip(len + 1 + tag)
    }

    fn any_part(&mut self, zone: &TimeZone, reference: Reference) -> Option<()> {
        let rest = self.rest();
        let first = *rest.first()?;
        if let Some((time_ms, len)) = read_log_time(rest, zone, reference) {
            self.head.time_ms = self.head.time_ms.or(time_ms);
            self.found_stamp(self.at, len, false);
            self.place = Place::Stamped;
            self.at += len;
            self.at += usize::from(self.rest().first().copied().is_some_and(is_blank));
            return Some(());
        }
        match first {
            b' ' | b'\t' | 0x1b => self.skip(gap_len(rest)),
            b'<' => self.priority(zone).or_else(|| self.mark()),
            b'[' | b'(' => self.mark(),
            b'|' if self.place != Place::Tagged => self.skip(1),
            b'>' if self.place == Place::Start => self.skip(1),
            b'&' if self.place == Place::Start => {
                self.skip(if starts(rest, b"&gt;") { 4 } else { 0 })
            }
            _ if rest.starts_with("\u{feff}".as_bytes()) => self.skip(3),
            _ => self.word(zone),
        }
    }

    /// `<PRI>`, and all of an RFC 5424 header if that is what it begins.
    fn priority(&mut self, zone: &TimeZone) -> Option<()> {
        let rest = self.rest();
        let digits = digits_len(rest.get(1..)?);
        if !(1..=3).contains(&digits) || rest.get(1 + digits) != Some(&b'>') {
            return None;
        }
        self.at += digits + 2;
        if self.place == Place::Start {
            self.place = Place::Stamped;
        }
        let version = digits_len(self.rest());
        if (1..=2).contains(&version) && self.rest().get(version) == Some(&b' ') {
            self.rfc5424(version + 1, zone);
        }
        Some(())
    }

    /// `TIME HOST APP PROCID MSGID DATA `, each of which can be `-`. Anything else is left where it is.
    fn rfc5424(&mut self, version: usize, zone: &TimeZone) -> Option<()> {
        let rest = self.rest();
        let (mut at, mut stamp) = (version, 0);
        let time_ms = match read_rfc3339(rest.get(at..)?, zone) {
            Some((time_ms, len)) => {
                stamp = len;
                at += len;
                Some(time_ms)
            }
            None => {
                at += usize::from(rest.get(at) == Some(&b'-'));
                None
            }
        };
        let mut host = (0, 0);
        for field in 0..4 {
            if rest.get(at) != Some(&b' ') {
                return None;
            }
            at += 1;
            let token = rest.get(at..)?;
            let token = token.get(..NAME_MAX + 1).unwrap_or(token);
            let end = token.iter().position(|byte| !byte.is_ascii_graphic());
            let len = end.unwrap_or(token.len());
            if field == 0 {
                host = (at, len);
            }
            at += len;
        }
        at += 1 + structured_data_len(rest.get(at + 1..)?)?;
        self.head.time_ms = self.head.time_ms.or(time_ms);
        self.found_stamp(self.at + version, stamp, true);
        self.found_host(host.0, host.1);
        self.at += at;
        self.place = Place::Tagged;
        Some(())
    }

    /// Notes where the first time stands.
    fn found_stamp(&mut self, start: usize, len: usize, is_rfc5424: bool) {
        if self.head.stamp.len == 0 {
            self.head.stamp = Stamp {
                start,
                len,
                is_rfc5424,
            };
        }
    }

    /// Takes the text of that length, `at` bytes from here, for the host, if it can be one and there is none yet.
    fn found_host(&mut self, at: usize, len: usize) {
        let at = self.at + at;
        let host = self.text.get(at..at + len).filter(|host| is_host(host));
        self.head.host = self.head.host.or(host);
    }

    /// What stands in brackets: `[ID 1 mail.info] `, `<mail.info> `, `[pod/mail-0/dovecot] `, `[12.3 <  0.1 >] `.
    fn mark(&mut self) -> Option<()> {
        let rest = self.rest();
        let is_tagged = self.place == Place::Tagged;
        if !is_tagged || starts(rest, b"[ID ") {
            let len = priority_len(rest, true);
            if len > 0 {
                return self.skip(len);
            }
        }
        let is_start = self.place == Place::Start;
        match rest.first()? {
            _ if is_tagged => None,
            b'(' if starts(rest, b"(standard input):") => self.skip(17),
            b'[' | b'<' => {
                let len = brackets_len(rest);
                let inside = rest.get(1..len.checked_sub(1)?)?;
                // Without a fraction it is a process.
                let is_clock =
                    !inside.iter().any(u8::is_ascii_alphabetic) && inside.contains(&b'.');
                if is_clock && rest.first() == Some(&b'[') {
                    self.place = Place::Stamped;
                    return self.skip(len);
                }
                // Behind a time it is the program's name, or takes the host's place before that.
                let is_ours = match is_start {
                    true => rest.first() == Some(&b'['),
                    false => {
                        begins_with_name(inside)
                            || rest.get(len + 1..).is_some_and(begins_with_name)
                    }
                };
                self.skip(if is_ours { len } else { 0 })
            }
            _ => None,
        }
    }

    /// A level, a tag, or a word and what must come behind it.
    fn word(&mut self, zone: &TimeZone) -> Option<()> {
        let rest = self.rest();
        if self.place == Place::Start
            && rest.first().is_some_and(u8::is_ascii_digit)
            && let Some((time_ms, len)) = rare_time(rest, zone)
        {
            self.head.time_ms = Some(time_ms);
            self.place = Place::Stamped;
            return self.skip(len);
        }
        let level = level_len(self.text.get(self.at..)?);
        if level > 0 {
            return self.skip(level);
        }
        if begins_with_name(rest)
            && let Some(tag) = tag(rest)
        {
            self.place = Place::Tagged;
            return self.skip(tag.len);
        }
        if self.place == Place::Tagged {
            return self.unknown_stamp();
        }
        let is_start = self.place == Place::Start;
        let priority = priority_len(rest, !is_start);
        if priority > 0 {
            return self.skip(priority);
        }
        let len = word_len(rest);
        if is_start {
            if starts(rest, b"MESSAGE=") {
                return self.skip(8);
            }
            if let Some(len) = grep_len(rest, len, zone) {
                return self.skip(len);
            }
        }
        match rest.get(len..)? {
            // `imap-login: ` is the text itself; an address is none.
            [b':', after, ..] if is_blank(*after) => {
                if self.place == Place::Hosted
                    && !begins_with_service(rest)
                    && let Some(tag) = tag(rest)
                {
                    self.place = Place::Tagged;
                    return self.skip(tag.len);
                }
                parse_ip(self.text.get(self.at..self.at + len)?)?;
                self.found_host(0, len);
                self.skip(len + 1)
            }
            [b'[', ..] => {
                let tag = tag(rest)?;
                self.place = Place::Tagged;
                self.skip(tag.len)
            }
            [b'|', ..] if len > 0 => self.skip(len),
            behind if len > 0 && gap_len(behind) > 0 => self
                .name(len)
                .or_else(|| self.words(zone))
                .or_else(|| self.unknown_stamp()),
            _ => self.unknown_stamp(),
        }
    }

    /// A word of that length that is a container's name, CRI's stream, or a host.
    fn name(&mut self, len: usize) -> Option<()> {
        let rest = self.rest();
        let next = len + gap_len(rest.get(len..)?);
        let behind = rest.get(next..)?;
        let is_stamped = self.place == Place::Stamped;
        // A sentence begins with a capital: `User NAME`.
        let is_lower = !rest.get(..len)?.iter().any(u8::is_ascii_uppercase);
        if is_lower && behind.first() == Some(&b'|') {
            return self.skip(next);
        }
        if is_stamped && cri_len(rest) > 0 {
            return self.skip(9);
        }
        if is_stamped && (begins_with_service(behind) || priority_len(behind, true) > 0) {
            self.found_host(0, len);
            self.place = Place::Hosted;
            return self.skip(next);
        }
        if let Some(tag) = tag(behind) {
            // Without a time before them two words are what any program may say.
            let is_ours = (tag.has_pid || begins_with_name(behind)) && is_lower;
            if !is_stamped && !is_ours {
                return None;
            }
            self.found_host(0, len);
            self.place = Place::Tagged;
            return self.skip(next + tag.len);
        }
        // A zone that we do not know, before the host.
        let third = behind.get(word_len(behind) + 1..)?;
        let is_zone = is_stamped && is_zone(rest.get(..len)?) && tag(third).is_some();
        self.skip(if is_zone { next } else { 0 })
    }

    /// Words before a time: pod and container, a stream, a weekday or a month of another language. The first is no word
    /// of a sentence, for `unknown user NAME` is what other programs say.
    fn words(&mut self, zone: &TimeZone) -> Option<()> {
        let rest = self.rest();
        let mut at = 0;
        for words in 1..=WORDS_MAX {
            let len = word_len(rest.get(at..)?);
            let gap = gap_len(rest.get(at + len..)?);
            if len == 0 || gap == 0 {
                return None;
            }
            if words == 1 && !is_unlike_a_word(rest.get(..len)?) {
                return None;
            }
            at += len + gap;
            if read_log_time(rest.get(at..)?, zone, Reference::NotNeeded).is_some() {
                return self.skip(at);
            }
        }
        None
    }

    /// A stamp of a form of somebody's own, or a line's number. Its time is unknown.
    fn unknown_stamp(&mut self) -> Option<()> {
        let len = stamp_len(self.rest());
        if len > 8 && self.place == Place::Start {
            self.place = Place::Stamped;
        }
        self.skip(len)
    }
}

#[cfg(test)]
mod tests;
