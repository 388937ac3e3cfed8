//! What parts of a head look like: the length of each at the start of a text, 0 where there is none.

use crate::bytes::{find, starts, word_key};
use crate::ip::parse_ip;
use crate::recognisers::{begins_with_name, usual_tag_len};
use crate::time::{
    Reference, TimeZone, digits_len, is_blank, parse_epoch, read_log_time, read_rfc3339,
};

/// The longest host or tag, in bytes.
pub(super) const NAME_MAX: usize = 255;

/// As mail servers log.
static SEVERITIES: [u64; 9] = [
    word_key(b"crit"),
    word_key(b"critical"),
    word_key(b"err"),
    word_key(b"error"),
    word_key(b"warn"),
    word_key(b"warning"),
    word_key(b"notice"),
    word_key(b"info"),
    word_key(b"debug"),
];
static FACILITIES: [u64; 6] = [
    word_key(b"user"),
    word_key(b"mail"),
    word_key(b"daemon"),
    word_key(b"auth"),
    word_key(b"syslog"),
    word_key(b"authpriv"),
];

/// Letters, digits and `.`, `-`, `_`: a host's name.
const NAME: u8 = 1;
/// And what addresses, paths and other languages have: a word that a blank ends.
const WORD: u8 = 2;
/// And what units and containers have in their names.
const TAG: u8 = 4;
/// What takes the place of a process id.
const PID: u8 = 8;
/// Names in brackets, or a time in them.
const INSIDE: u8 = 16;
const PRIORITY: u8 = 32;
/// Digits and punctuation of a time.
const STAMP: u8 = 64;
const COLOUR: u8 = 128;

/// What each byte can be part of. A table, because comparisons cost twice as much, and more bytes of a guest.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let it = byte as u8;
        let mut class = match it {
            b'0'..=b'9' => NAME | PRIORITY | STAMP | COLOUR,
            b'T' | b'Z' | b'.' => NAME | PRIORITY | STAMP,
            b'a'..=b'z' | b'A'..=b'Z' => NAME | PRIORITY,
            b'-' => NAME | STAMP,
            b'_' => NAME,
            b'/' => WORD | TAG | INSIDE | PRIORITY | STAMP,
            b':' => WORD | PRIORITY | STAMP,
            b'@' => WORD | TAG | INSIDE,
            b'\\' => WORD | TAG,
            b'+' => WORD | STAMP,
            b'*' => WORD | INSIDE,
            b'~' | 0x80.. => WORD,
            b' ' | b'<' | b'>' => INSIDE,
            b',' | b'[' | b']' => STAMP,
            b'|' => PRIORITY,
            b';' => COLOUR,
            _ => 0,
        };
        if class & NAME != 0 {
            class |= WORD | TAG | INSIDE;
        }
        if it.is_ascii_graphic() && !matches!(it, b'[' | b']' | b'(' | b')' | b'=') {
            class |= PID;
        }
        classes[byte] = class;
        byte += 1;
    }
    classes
};

#[inline]
fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// How many bytes of that class `text` starts with, as far as that matters.
#[inline(never)]
fn run_len(text: &[u8], class: u8) -> usize {
    let text = text.get(..NAME_MAX).unwrap_or(text);
    let end = text.iter().position(|byte| !is(*byte, class));
    end.unwrap_or(text.len())
}

/// Blanks, and colours among them.
pub(crate) fn gap_len(text: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += match text.get(at..) {
            Some([b' ' | b'\t', ..]) => 1,
            Some([0x1b, b'[', codes @ ..]) => {
                let len = run_len(codes, COLOUR);
                if codes.get(len) != Some(&b'm') {
                    return at;
                }
                len + 3
            }
            _ => return at,
        };
    }
}

/// CRI's stream and flag.
#[inline]
pub(super) fn cri_len(text: &[u8]) -> usize {
    match text {
        [b's', b't', b'd', ..] => {
            let is_cri = starts(text, b"stdout F ") || starts(text, b"stdout P ");
            let is_cri = is_cri || starts(text, b"stderr F ") || starts(text, b"stderr P ");
            if is_cri { 9 } else { 0 }
        }
        _ => 0,
    }
}

/// A host, a container, a path, an address, or a word of any language; the colon at its end is not part of it.
#[inline(never)]
pub(super) fn word_len(text: &[u8]) -> usize {
    let len = run_len(text, WORD);
    match text.get(len.saturating_sub(1)..) {
        Some([b':'] | [b':', b' ' | b'\t', ..]) => len - 1,
        _ => len,
    }
}

/// A host's name, in usual letters.
pub(super) fn name_len(text: &[u8]) -> usize {
    run_len(text, NAME)
}

/// A stamp of a form of somebody's own: digits and punctuation, at least a digit, then a blank.
pub(super) fn stamp_len(text: &[u8]) -> usize {
    let len = run_len(text, STAMP);
    let has_digit = text.iter().take(len).any(u8::is_ascii_digit);
    let ends = text.get(len).copied().is_some_and(is_blank);
    if has_digit && ends { len + 1 } else { 0 }
}

/// Whether that can be a host: a name, or an address.
pub(super) fn is_host(word: &str) -> bool {
    word != "-" && (name_len(word.as_bytes()) == word.len() || parse_ip(word).is_some())
}

/// Whether that can be a zone that we do not know, as `journalctl` writes it before the host.
pub(super) fn is_zone(word: &[u8]) -> bool {
    (3..=5).contains(&word.len()) && word.iter().all(u8::is_ascii_uppercase)
}

/// `mail-0`, `mail/i-0abc`, `lun.`, `Mo`: what no sentence begins with.
pub(super) fn is_unlike_a_word(word: &[u8]) -> bool {
    let is_unlike = |byte: &u8| matches!(byte, b'0'..=b'9' | b'/' | b'.' | 0x80..);
    let is_short = word.len() <= 3 && word.first().is_some_and(u8::is_ascii_uppercase);
    is_short || word.iter().any(is_unlike)
}

/// A program's tag.
pub(super) struct Tag {
    /// With the colon and the blank behind it, in bytes.
    pub len: usize,
    /// It says which process, or something that takes its place.
    pub has_pid: bool,
}

/// `name: `, `name[pid]: `.
#[inline(never)]
pub(super) fn tag(text: &[u8]) -> Option<Tag> {
    let mut len = match usual_tag_len(text) {
        0 => run_len(text, TAG),
        usual => usual - 2,
    };
    let has_pid = text.get(len) == Some(&b'[');
    if has_pid {
        let pid = run_len(text.get(len + 1..)?, PID);
        if pid == 0 || text.get(len + 1 + pid) != Some(&b']') {
            return None;
        }
        len += pid + 2;
    }
    let ends = len > 0 && text.get(len) == Some(&b':') && is_blank(*text.get(len + 1)?);
    ends.then_some(Tag {
        len: len + 2,
        has_pid,
    })
}

/// `mail.info`, `<2.6>`, `[info]`, `(mail.info)`, `mail.info<22>`, `[ID 583609 mail.info]`, each also with a colon behind it.
/// A severity alone must stand in brackets or behind a time.
#[inline(never)]
pub(super) fn priority_len(text: &[u8], is_stamped: bool) -> usize {
    read_priority(text, is_stamped).unwrap_or(0)
}

#[inline]
fn read_priority(text: &[u8], is_stamped: bool) -> Option<usize> {
    let close = match text.first()? {
        b'<' => b'>',
        b'[' => b']',
        b'(' => b')',
        _ => 0,
    };
    let mut at = usize::from(close > 0);
    if starts(text, b"[ID ") {
        at = 5 + digits_len(text.get(4..)?);
    }
    let rest = text.get(at..)?;
    let mut word = rest.get(..run_len(rest, PRIORITY))?;
    if let [before @ .., b':'] = word {
        word = before;
    }
    let dot = word.iter().rposition(|byte| !byte.is_ascii_alphanumeric());
    let (facility, severity) = match dot {
        Some(dot) => (word.get(..dot)?, word.get(dot + 1..)?),
        None => (&[][..], word),
    };
    let is_severity = holds(&SEVERITIES, word_key(severity));
    let is_known = match (is_severity, facility) {
        (true, []) => close > 0 || is_stamped,
        (true, _) => is_facility(facility),
        (false, []) => close == b'>' && is_number(severity),
        (false, _) => close > 0 && is_number(severity) && is_number(facility),
    };
    if !is_known {
        return None;
    }
    at += word.len();
    let mut end = close;
    if close == 0 && text.get(at) == Some(&b'<') {
        end = b'>';
        at += 1 + digits_len(text.get(at + 1..)?);
    }
    if end > 0 {
        if *text.get(at)? != end {
            return None;
        }
        at += 1;
    }
    at += usize::from(text.get(at) == Some(&b':'));
    is_blank(*text.get(at)?).then_some(at)
}

fn is_number(word: &[u8]) -> bool {
    (1..=3).contains(&word.len()) && digits_len(word) == word.len()
}

fn is_facility(word: &[u8]) -> bool {
    let key = word_key(word);
    holds(&FACILITIES, key) || key >> 8 == word_key(b"local")
}

#[inline(never)]
fn holds(keys: &[u64], key: u64) -> bool {
    keys.contains(&key)
}

/// `[pod/mail-0/dovecot] `, `[mail-0 dovecot] `, `<redacted> `: a name in brackets; `[12345.678901] ` and
/// `[12345.678902 <    0.000001 >] `: seconds since the machine was started.
pub(super) fn brackets_len(text: &[u8]) -> usize {
    let (close, class) = match text.first() {
        Some(b'<') => (b"> ", NAME),
        _ => (b"] ", INSIDE),
    };
    let len = 1 + run_len(text.get(1..).unwrap_or_default(), class);
    let ends = len > 1 && text.get(len..).is_some_and(|rest| starts(rest, close));
    if ends { len + 1 } else { 0 }
}

/// The file and the line that `grep` puts in front: `mail.log:`, `mail.log:12:`, `12:`. What follows must be a head
/// where no line is named, for a program may write `name:text`. `len` is that of the word here.
pub(super) fn grep_len(text: &[u8], len: usize, zone: &TimeZone) -> Option<usize> {
    let word = text.get(..len)?;
    let colon = word.iter().position(|byte| *byte == b':')?;
    let path = word.get(..colon)?;
    let is_file = path.iter().any(|byte| !byte.is_ascii_alphabetic())
        || path.ends_with(b"log")
        || path == b"messages";
    if !is_file || core::str::from_utf8(word).is_ok_and(|word| parse_ip(word).is_some()) {
        return None;
    }
    let mut at = colon + 1;
    let line = digits_len(text.get(at..)?);
    let mut is_head = digits_len(path) == colon;
    if line > 0 && text.get(at + line) == Some(&b':') {
        at += line + 1;
        is_head = true;
    }
    let behind = text.get(at..)?;
    let (first, second) = behind.split_at_checked(word_len(behind))?;
    let second = second.get(1..).unwrap_or_default();
    let times = match is_unlike_a_word(first) {
        true => second,
        false => behind,
    };
    let is_time = |text| read_log_time(text, zone, Reference::NotNeeded).is_some();
    is_head = is_head
        || behind.first() == Some(&b'<')
        || begins_with_name(behind)
        || begins_with_name(second)
        || tag(behind).is_some_and(|tag| tag.has_pid)
        || is_time(behind)
        || is_time(times);
    is_head.then_some(at)
}

/// The length of RFC 5424's structured data: `-`, or elements in brackets, whose values are quoted and may
/// hold anything.
pub(super) fn structured_data_len(text: &[u8]) -> Option<usize> {
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

/// A time that one server alone begins its lines with, and how long it is: `1795886598: `, `20261128 16:36:32,` and
/// `26/11/28@17:24:13: `.
#[inline(never)]
pub(super) fn rare_time(text: &[u8], zone: &TimeZone) -> Option<(i64, usize)> {
    if digits_len(text) == 10 && starts(text.get(10..)?, b": ") {
        return Some((parse_epoch(text.get(..10)?)?, 12));
    }
    let mut stamp = *b"2000-00-00T00:00:00";
    let (clock, len);
    if digits_len(text) == 8 && text.get(8) == Some(&b' ') && text.get(17) == Some(&b',') {
        for (from, to, digits) in [(0, 0, 4), (4, 5, 2), (6, 8, 2)] {
            let part = text.get(from..from + digits)?;
            stamp.get_mut(to..to + digits)?.copy_from_slice(part);
        }
        (clock, len) = (text.get(9..17)?, 18);
    } else {
        let at = find(text.get(..9)?, b'@')?;
        let mut parts = text.get(..at)?.split(|byte| *byte == b'/');
        for end in [4, 7, 10] {
            // A month and a day of one digit have no other before it.
            match *parts.next()? {
                [one] => *stamp.get_mut(end - 1)? = one,
                [ten, one] => {
                    stamp.get_mut(end - 2..end)?.copy_from_slice(&[ten, one]);
                }
                _ => return None,
            }
        }
        clock = text.get(at + 1..at + 9)?;
        len = at + 9;
        starts(text.get(len..)?, b": ").then_some(())?;
    }
    stamp.get_mut(11..)?.copy_from_slice(clock);
    let (time_ms, read) = read_rfc3339(&stamp, zone)?;
    (read == stamp.len()).then_some((time_ms, len))
}
