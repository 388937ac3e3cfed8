//! Time, host and program at the head of a text line.
//!
//! Prefixes are skipped, not required, and nest: a container's syslog line in the host's syslog line. What
//! a prefix may look like is narrow on purpose, because what follows it is believed to be a program's own
//! words: a user name inside a log line must never pass for a host, a tag or a time.

use crate::bytes::starts;
use crate::recognisers::{begins_with_name, usual_tag_len};
use crate::time::{Reference, TimeZone, parse_epoch, read_rfc3339, read_without_year};

/// How many parts (priorities, stamped headers, tags, levels) a head may have: a syslog line in three
/// others. What comes after them is taken for the program's text.
const PARTS_MAX: usize = 16;
/// The longest host or tag, in bytes.
const NAME_MAX: usize = 255;

/// What stands before a program's own text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head<'a> {
    /// The first time found, in ms since the Unix epoch.
    pub time_ms: Option<i64>,
    /// The first host found.
    pub host: Option<&'a str>,
    /// Where the program's own text begins, e.g. at `imap-login: `, in bytes.
    pub body: usize,
}

/// Reads the head of `text`. `zone` is for times that name none; times without a year are there only with a
/// reference, of which they take the nearest year.
pub fn parse<'a>(text: &'a str, zone: &TimeZone, reference_ms: Option<i64>) -> Head<'a> {
    parse_for(text, zone, Reference::Nearest(reference_ms))
}

/// As [`parse`], where the time is known already: times without a year need not be worked out then.
pub fn parse_untimed<'a>(text: &'a str, zone: &TimeZone) -> Head<'a> {
    parse_for(text, zone, Reference::NotNeeded)
}

#[inline]
fn parse_for<'a>(text: &'a str, zone: &TimeZone, reference: Reference) -> Head<'a> {
    let mut reader = Reader {
        text,
        at: 0,
        head: Head::default(),
    };
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
    let mut reader = Reader {
        text,
        at: 0,
        head: Head::default(),
    };
    for _ in 0..PARTS_MAX {
        reader.part(zone, Reference::Nearest(reference_ms))?;
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

struct Reader<'a> {
    text: &'a str,
    at: usize,
    head: Head<'a>,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Skips one part; `None` if the program's text begins here.
    fn part(&mut self, zone: &TimeZone, reference: Reference) -> Option<()> {
        let rest = self.rest();
        match rest.first()? {
            b'a'..=b'z' => self.server_tag(),
            b'0'..=b'9' | b'[' => match read_rfc3339(rest, zone) {
                Some((time_ms, len)) => self.stamp(Some(time_ms), len),
                None => self.unknown_stamp(),
            },
            b'A'..=b'Z' => match read_without_year(rest, zone, reference) {
                Some((time_ms, len)) => self.stamp(time_ms, len),
                None => self.word(),
            },
            b'<' => self.priority(zone),
            b' ' => {
                self.at += 1;
                Some(())
            }
            _ if rest.starts_with("\u{feff}".as_bytes()) => {
                self.at += 3;
                Some(())
            }
            _ => None,
        }
    }

    /// After a time: CRI's stream and flag, a host and a tag, a tag with a process id, or nothing.
    fn stamp(&mut self, time_ms: Option<i64>, len: usize) -> Option<()> {
        let rest = self.rest();
        if rest.get(len) != Some(&b' ') {
            return None;
        }
        self.head.time_ms = self.head.time_ms.or(time_ms);
        self.at += len + 1;
        let rest = self.rest();
        // By far the commonest are a name and a space, which is a host and no tag, and the service itself.
        let name = name_len(rest);
        let after = rest.get(name..).unwrap_or_default();
        let is_host = name > 0 && after.first() == Some(&b' ');
        let cri = cri_len(rest);
        if cri > 0 {
            self.at += cri;
        } else if name > 0 && starts(after, b": ") {
            // Without a host before it a name and a colon may be the service itself.
        } else if !is_host && let Some(tag) = tag_len(rest) {
            if rest.get(tag - 3) == Some(&b']') {
                self.at += tag;
            }
        } else if let Some(host) = if is_host { Some(name) } else { host_len(rest) }
            && let Some(tag) = tag_len(rest.get(host + 1..)?)
        {
            self.found_host(self.at, host);
            self.at += host + 1 + tag;
        }
        Some(())
    }

    /// `<PRI>`, and all of an RFC 5424 header if that is what it begins.
    fn priority(&mut self, zone: &TimeZone) -> Option<()> {
        let rest = self.rest();
        let digits = digits_len(rest.get(1..)?);
        if !(1..=3).contains(&digits) || rest.get(1 + digits) != Some(&b'>') {
            return None;
        }
        self.at += digits + 2;
        let version = digits_len(self.rest());
        if (1..=2).contains(&version) && self.rest().get(version) == Some(&b' ') {
            self.rfc5424(version + 1, zone);
        }
        Some(())
    }

    /// `TIME HOST APP PROCID MSGID DATA `, each of which can be `-`. Anything else is left where it is.
    fn rfc5424(&mut self, version: usize, zone: &TimeZone) -> Option<()> {
        let rest = self.rest();
        let mut at = version;
        let time_ms = match read_rfc3339(rest.get(at..)?, zone) {
            Some((time_ms, len)) => {
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
        if host_len(rest.get(host.0..)?) == Some(host.1) {
            self.found_host(self.at + host.0, host.1);
        }
        self.at += at;
        Some(())
    }

    fn found_host(&mut self, at: usize, len: usize) {
        let host = self.text.get(at..at + len).filter(|host| *host != "-");
        self.head.host = self.head.host.or(host);
    }

    /// A tag that begins with the name of a server, without a time before it: `NAME: `, `NAME[20515]: `, `NAME-2[7]: `.
    fn server_tag(&mut self) -> Option<()> {
        let rest = self.rest();
        if !begins_with_name(rest) {
            return None;
        }
        self.at += tag_len(rest)?;
        Some(())
    }

    /// A level, or the weekday before a month.
    fn word(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let len = match level_len(rest) {
            0 => {
                let days = ["Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "];
                days.iter().find(|day| rest.starts_with(**day))?.len()
            }
            len => len,
        };
        self.at += len;
        Some(())
    }

    /// A stamp of a form of somebody's own: digits and punctuation, at least a digit, then a space. An
    /// epoch number is understood, of others the time is unknown. Only Dovecot's own files have such stamps,
    /// and those name no host.
    fn unknown_stamp(&mut self) -> Option<()> {
        let rest = self.rest();
        let is_stamp =
            |byte: &&u8| matches!(byte, b'0'..=b'9' | b'T' | b'Z' | b'+'..=b':' | b'[' | b']');
        let len = rest.iter().take(64).take_while(is_stamp).count();
        let digits = rest.iter().take(len).filter(|byte| byte.is_ascii_digit());
        if digits.count() == 0 || rest.get(len) != Some(&b' ') {
            return None;
        }
        let time_ms = rest
            .get(..len)
            .filter(|token| token.len() >= 9)
            .and_then(parse_epoch);
        self.head.time_ms = self.head.time_ms.or(time_ms);
        self.at += len + 1;
        Some(())
    }
}

/// CRI's stream and flag.
#[inline]
fn cri_len(text: &[u8]) -> usize {
    match text {
        [b's', b't', b'd', ..] => {
            let is_cri = starts(text, b"stdout F ") || starts(text, b"stdout P ");
            let is_cri = is_cri || starts(text, b"stderr F ") || starts(text, b"stderr P ");
            if is_cri { 9 } else { 0 }
        }
        _ => 0,
    }
}

fn digits_len(text: &[u8]) -> usize {
    let text = text.get(..20).unwrap_or(text);
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    end.unwrap_or(text.len())
}

/// The length of a name at the start of `text`, at most `NAME_MAX`.
#[inline]
fn name_len(text: &[u8]) -> usize {
    let text = text.get(..NAME_MAX).unwrap_or(text);
    let end = text.iter().position(|byte| !is_name(byte));
    end.unwrap_or(text.len())
}

#[inline]
fn is_name(byte: &u8) -> bool {
    // A table, because a loop over comparisons costs twice as much.
    const NAMES: [bool; 256] = {
        let mut names = [false; 256];
        let mut byte = 0u8;
        while byte < 128 {
            names[byte as usize] =
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            byte += 1;
        }
        names
    };
    NAMES[usize::from(*byte)]
}

/// The length of a host name or address before a space. No brackets, so that `imap(name of a user` is none.
fn host_len(text: &[u8]) -> Option<usize> {
    let bytes = text.iter().take(NAME_MAX);
    let len = bytes
        .take_while(|byte| is_name(byte) || **byte == b':')
        .count();
    let ends_well = text.get(len) == Some(&b' ') && len > 0 && text.get(len - 1) != Some(&b':');
    ends_well.then_some(len)
}

/// The length of `name: ` or `name[pid]: `.
fn tag_len(text: &[u8]) -> Option<usize> {
    let usual = usual_tag_len(text);
    if usual > 0 {
        return Some(usual);
    }
    let bytes = text.get(..NAME_MAX).unwrap_or(text);
    let end = bytes
        .iter()
        .position(|byte| !is_name(byte) && *byte != b'/');
    let mut len = end.unwrap_or(bytes.len());
    if len == 0 {
        return None;
    }
    if text.get(len) == Some(&b'[') {
        let digits = digits_len(text.get(len + 1..)?);
        if digits == 0 || text.get(len + 1 + digits) != Some(&b']') {
            return None;
        }
        len += digits + 2;
    }
    starts(text.get(len..)?, b": ").then_some(len + 2)
}

/// The length of RFC 5424's structured data: `-`, or elements in brackets, whose values are quoted and may
/// hold anything.
fn structured_data_len(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'-') {
        return Some(1);
    }
    let (mut at, mut inside, mut quoted) = (0, false, false);
    loop {
        match text.get(at) {
            Some(b'\\') if quoted => at += 1,
            Some(b'"') if inside => quoted = !quoted,
            Some(b'[') if !inside => inside = true,
            Some(b']') if inside && !quoted => inside = false,
            Some(_) if inside => {}
            Some(b' ') | None if at > 0 && !inside => return Some(at),
            _ => return None,
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{parse_rfc3339, write_rfc3339_ms};
    use alloc::string::String;
    use alloc::vec::Vec;

    fn read(text: &str) -> (String, Option<&str>, &str) {
        let zone = TimeZone::utc();
        let reference = parse_rfc3339(b"2026-11-23T00:00:00Z", &zone);
        let head = parse(text, &zone, reference);
        assert_eq!(time(text, &zone, reference), head.time_ms, "{text}");
        let untimed = parse_untimed(text, &zone);
        assert_eq!(
            (untimed.host, untimed.body),
            (head.host, head.body),
            "{text}"
        );
        let mut out = Vec::new();
        if let Some(time_ms) = head.time_ms {
            write_rfc3339_ms(time_ms, &mut out);
        }
        let time = String::from_utf8(out).expect("ASCII");
        (time, head.host, text.get(head.body..).expect("within"))
    }

    #[test]
    fn heads_that_occur() {
        let at = "2026-11-22T20:13:51.000Z";
        let fine = "2026-11-22T20:13:51.722Z";
        let body = "imap-login: Login: user=<a>";
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("", "", None),
            ("Info: ", "", None),
            ("dovecot: ", "", None),
            ("Nov 22 20:13:51 ", at, None),
            ("Sun Nov 22 20:13:51 ", at, None),
            ("Nov 22 20:13:51 Info: ", at, None),
            ("dovecot: Nov 22 20:13:51 Info: ", at, None),
            ("<22>Nov 22 20:13:51 dovecot: ", at, None),
            ("<22>Nov 22 20:13:51 mydovecot[17]: ", at, None),
            ("Nov 22 20:13:51 vm dovecot: ", at, Some("vm")),
            (
                "Nov 22 20:13:51 fe80::1 dovecot[20515]: ",
                at,
                Some("fe80::1"),
            ),
            ("Nov 22 20:13:51 - dovecot: ", at, None),
            ("2026-11-22 20:13:51.722599 ", fine, None),
            ("2026-11-22T20:13:51.722599+0000 ", fine, None),
            (
                "2026-11-22T20:13:51.722599+00:00 vm dovecot[7]: ",
                fine,
                Some("vm"),
            ),
            (
                "<22>1 2026-11-22T20:13:51.722834+00:00 vm dovecot - - -  ",
                fine,
                Some("vm"),
            ),
            (
                "<22>1 - - dovecot 1 ID [a b=\"x] \\\" y\"][c] \u{feff}",
                "",
                None,
            ),
            ("2026-11-22T20:13:51.722794202Z stdout F ", fine, None),
            (
                "2026-11-22T20:13:51.722794202Z stderr P Nov 21 20:13:51 vm dovecot: ",
                fine,
                Some("vm"),
            ),
            (
                "Nov 22 20:13:51 outer 4e62d58591fd[1972]: Jun 15 18:43:47 mail dovecot: ",
                at,
                Some("outer"),
            ),
            ("22/11/2026 20:13:51 ", "", None),
            ("[22/11/2026:20:13:51] ", "", None),
            ("1795378431.722 ", fine, None),
        ];
        for (prefix, time, host) in cases {
            let text = [prefix, body].concat();
            assert_eq!(read(&text), (String::from(*time), *host, body), "{prefix}");
        }
    }

    #[test]
    fn names_of_users_are_no_part_of_a_head() {
        let at = String::from("2026-11-22T20:13:51.000Z");
        for body in [
            "imap(x dovecot: imap-login: Maximum)<1><A>: Info: Disconnected",
            "imap-login: Info: Login: user=<Nov 22 20:13:51 vm dovecot: imap-login: >",
            "master: Warning: service(imap): process_limit (3) reached",
            "(x) dovecot: imap-login: ",
        ] {
            let text = ["Nov 22 20:13:51 ", body].concat();
            assert_eq!(read(&text), (at.clone(), None, body));
        }
    }

    #[test]
    fn broken_heads_are_left_alone() {
        for text in [
            "<",
            "<22",
            "<2222>x",
            "<22>",
            "<22>1 ",
            "<22>1 2026",
            "Nov",
            "2026-11-22",
            "[",
            "dovecot",
            "\u{feff}",
        ] {
            let head = parse(text, &TimeZone::utc(), Some(0));
            assert!(
                text.get(head.body..).is_some() && head.host.is_none(),
                "{text}"
            );
        }
        let deep = "<1>".repeat(100);
        assert_eq!(parse(&deep, &TimeZone::utc(), None).body, 3 * PARTS_MAX);
        let without_year = parse("Nov 22 20:13:51 vm dovecot: x", &TimeZone::utc(), None);
        assert_eq!(
            without_year,
            Head {
                time_ms: None,
                host: Some("vm"),
                body: 28
            }
        );
    }
}
