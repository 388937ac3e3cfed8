//! What others have put before a program's own line: syslog's time, host and tag, and a container's.
//!
//! [`super::parse`] takes all of what may be a head, for Dovecot's service follows, which ends it. Of servers whose lines
//! begin with a time of their own, or with a name that somebody has chosen, more than that is not believed.

use super::parts::{
    brackets_len, cri_len, gap_len, is_host, name_len, priority_len, structured_data_len, tag,
};
use crate::bytes::split_at;
use crate::time::{Reference, TimeZone, digits_len, read_log_time, read_rfc3339};

/// A line without what others have put before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer<'a> {
    /// The host.
    pub host: Option<&'a str>,
    /// The program, as it calls itself.
    pub tag: Option<&'a str>,
    /// The program's line.
    pub text: &'a str,
}

/// Takes what others have put before the line that `message` is.
pub fn outer(message: &str) -> Outer<'_> {
    let text = message.get(container_len(message.as_bytes())..);
    let text = text.unwrap_or_default();
    syslog(text).unwrap_or(Outer {
        host: None,
        tag: None,
        text,
    })
}

/// `name-1  | `, `[pod/mail-0/mail] `, `2026-11-28T17:00:00Z stderr F `, `MESSAGE=`.
fn container_len(text: &[u8]) -> usize {
    if text.starts_with(b"MESSAGE=") {
        return 8;
    }
    if text.starts_with(b"[pod/") {
        return brackets_len(text);
    }
    if let Some((_, len)) = read_rfc3339(text, &TimeZone::utc())
        && let Some([b' ', stream @ ..]) = text.get(len..)
        && cri_len(stream) > 0
    {
        return len + 1 + cri_len(stream);
    }
    let name = name_len(text);
    let behind = text.get(name..).unwrap_or_default();
    let gap = gap_len(behind);
    match behind.get(gap..) {
        Some([b'|', b' ', ..]) if name > 0 && gap > 0 => name + gap + 2,
        _ => 0,
    }
}

fn syslog(text: &str) -> Option<Outer<'_>> {
    let mut at = 0;
    if let Some(rest) = text.strip_prefix('<') {
        let digits = digits_len(rest.as_bytes());
        if !(1..=3).contains(&digits) || rest.as_bytes().get(digits) != Some(&b'>') {
            return None;
        }
        at = digits + 2;
        if let Some(rest) = text.get(at..)?.strip_prefix("1 ") {
            return rfc5424(rest);
        }
    }
    let rest = text.as_bytes().get(at..)?;
    let Some((_, len)) = read_log_time(rest, &TimeZone::utc(), Reference::NotNeeded) else {
        // The kernel's own messages have a priority and no more.
        let text = text.get(at..)?;
        return (at > 0).then_some(Outer {
            host: None,
            tag: None,
            text,
        });
    };
    // Programs write a blank there, or begin with a year of two digits.
    if !rest.first()?.is_ascii_uppercase() && rest.get(10) != Some(&b'T') {
        return None;
    }
    at += len;
    let mut host = None;
    // A relay may name it again.
    for _ in 0..2 {
        let rest = text.as_bytes().get(at..)?;
        at += gap_len(rest);
        let rest = text.get(at..)?;
        let rest = rest.get(priority_gap(rest.as_bytes())..)?;
        at = text.len() - rest.len();
        if let (Some(host), Some(tag)) = (host, tag(rest.as_bytes())) {
            return Some(Outer {
                host: Some(host),
                tag: tag_name(rest),
                text: without_gap(rest.get(tag.len..)?),
            });
        }
        let (word, _) = split_at(rest, " ")?;
        if !is_host(word) || host.is_some_and(|host| host != word) {
            return None;
        }
        host = Some(word);
        at += word.len();
    }
    let rest = text.get(at..)?.strip_prefix(' ')?;
    let tag = tag(rest.as_bytes())?;
    Some(Outer {
        host,
        tag: tag_name(rest),
        text: without_gap(rest.get(tag.len..)?),
    })
}

/// `db` of `db[7]: ` and `db: `.
fn tag_name(text: &str) -> Option<&str> {
    let end = text.bytes().position(|byte| matches!(byte, b'[' | b':'))?;
    text.get(..end)
}

fn without_gap(text: &str) -> &str {
    text.get(gap_len(text.as_bytes())..).unwrap_or(text)
}

/// `mail.info `, as BusyBox writes it between host and tag.
fn priority_gap(text: &[u8]) -> usize {
    match priority_len(text, false) {
        0 => 0,
        len => len + gap_len(text.get(len..).unwrap_or_default()),
    }
}

/// `TIME HOST APP PROCID MSGID DATA TEXT`.
fn rfc5424(text: &str) -> Option<Outer<'_>> {
    let (_, rest) = split_at(text, " ")?;
    let (host, rest) = split_at(rest, " ")?;
    let (app, rest) = split_at(rest, " ")?;
    let (_, rest) = split_at(rest, " ")?;
    let (_, data) = split_at(rest, " ")?;
    let len = structured_data_len(data.as_bytes())?;
    let is_there = |word: &&str| is_host(word);
    Some(Outer {
        host: Some(host).filter(is_there),
        tag: Some(app).filter(|app| *app != "-"),
        text: without_gap(data.get(len..)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_put_before_a_line_is_taken_and_no_more() {
        for (message, host, tag, text) in [
            (
                "Nov 28 17:00:00 srv1 db[7]: [9-1] x",
                "srv1",
                "db",
                "[9-1] x",
            ),
            ("<27>Nov 28 17:00:00 srv1 db: x", "srv1", "db", "x"),
            (
                "2026-11-28T17:00:00.1+00:00 srv1 srv1 web: x",
                "srv1",
                "web",
                "x",
            ),
            (
                "2026-11-28T17:00:00+0000 srv1 mail/smtpd[7]: x",
                "srv1",
                "mail/smtpd",
                "x",
            ),
            (
                "Nov 28 17:00:00 srv1 daemon.err db[7]: x",
                "srv1",
                "db",
                "x",
            ),
            (
                "<27>1 2026-11-28T17:00:00Z srv1 db 7 - -  x",
                "srv1",
                "db",
                "x",
            ),
            (
                "<27>1 2026-11-28T17:00:00Z srv1 - - - [a b=\"]\"] x",
                "srv1",
                "",
                "x",
            ),
            ("<6>[ 6759.369821] x", "", "", "[ 6759.369821] x"),
            (
                "db_1-1  | 2026-11-28 17:00:00 UTC [7] x",
                "",
                "",
                "2026-11-28 17:00:00 UTC [7] x",
            ),
            ("2026-11-28T17:00:00.1Z stderr F x", "", "", "x"),
            (
                "2026-11-28 17:00:00 evil db[7]: x",
                "",
                "",
                "2026-11-28 17:00:00 evil db[7]: x",
            ),
            (
                "2026-11-28 17:00:00 UTC [7] LOG C-0x1: x",
                "",
                "",
                "2026-11-28 17:00:00 UTC [7] LOG C-0x1: x",
            ),
            (
                "Nov 28 17:00:00 srv1 other db[7]: x",
                "",
                "",
                "Nov 28 17:00:00 srv1 other db[7]: x",
            ),
            ("x", "", "", "x"),
        ] {
            let found = outer(message);
            let told = (
                found.host.unwrap_or(""),
                found.tag.unwrap_or(""),
                found.text,
            );
            assert_eq!(told, (host, tag, text), "{message}");
        }
    }
}
