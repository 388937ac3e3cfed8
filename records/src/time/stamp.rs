//! Times as they stand at the heads of lines, in whatever order and with whatever separators.
//!
//! A time is a date and a clock: numbers and names of months in any order, then `HH:MM:SS`, then perhaps a fraction,
//! an offset, a zone's name or the year. The two forms that nearly every line has are read at once; all others by
//! their items. What cannot be told for sure (`05/11/2026`) is no time, though it is skipped.

use super::{
    DAY_S, TimeZone, clock_seconds, date_from_days, days_from_date, in_range, parse_epoch,
    read_fraction, read_offset, read_rfc3339, two_digits,
};
use crate::bytes::word_key;

/// How many items (numbers, names, separators) a date may have.
const ITEMS_MAX: usize = 16;
/// Abbreviations of zones that mean one offset, in hours. Others (`CST`, `IST`) mean several: such a time is in the
/// zone that is configured.
const ZONES: [(u64, i32); 16] = [
    (word_key(b"UTC"), 0),
    (word_key(b"GMT"), 0),
    (word_key(b"WET"), 0),
    (word_key(b"WEST"), 1),
    (word_key(b"CET"), 1),
    (word_key(b"CEST"), 2),
    (word_key(b"EET"), 2),
    (word_key(b"EEST"), 3),
    (word_key(b"MSK"), 3),
    (word_key(b"JST"), 9),
    (word_key(b"EST"), -5),
    (word_key(b"EDT"), -4),
    (word_key(b"MST"), -7),
    (word_key(b"MDT"), -6),
    (word_key(b"PST"), -8),
    (word_key(b"PDT"), -7),
];

/// What a time without a year is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The year is the latest in which the time is not later than this, in ms since the Unix epoch, and a day; without
    /// one there is no time.
    Latest(Option<i64>),
    /// Nobody asks for the time.
    NotNeeded,
}

/// The time at the start of `text`, and its length in bytes; behind it there is a blank, or it ends with `]`. `None` for
/// the time where the date is not known: without a reference, in a form that means two dates, or without one.
pub fn read_log_time(
    text: &[u8],
    zone: &TimeZone,
    reference: Reference,
) -> Option<(Option<i64>, usize)> {
    match text.first()? {
        b'0'..=b'9' => {
            if let Some((time_ms, len)) = read_rfc3339(text, zone)
                && ends(text, len)
            {
                return Some((Some(time_ms), len));
            }
        }
        b'A'..=b'Z' => {
            if let Some((time_ms, len)) = read_syslog(text, zone, reference)
                && ends(text, len)
            {
                return Some((time_ms, len));
            }
        }
        b'a'..=b'z' | b'[' => {}
        b'@' => return read_tai(text),
        _ => return None,
    }
    read_items(text, zone, reference)
}

#[cold]
#[inline(never)]
fn read_items(text: &[u8], zone: &TimeZone, reference: Reference) -> Option<(Option<i64>, usize)> {
    let mut items = Items::default();
    let len = items.read(text)?;
    Some((items.time_ms(zone, reference), len))
}

/// Whether a time ends there: neither a year, an offset nor a zone can follow.
#[inline]
fn ends(text: &[u8], len: usize) -> bool {
    let zoned = text.get(len - 1) == Some(&b'Z');
    text.get(len) == Some(&b' ')
        && (zoned
            || !matches!(
                text.get(len + 1),
                Some(b'A'..=b'Z' | b'0'..=b'9' | b'+' | b'-' | b' ') | None
            ))
}

/// `Nov 22 20:13:51`, also with a one-digit day or a fraction.
fn read_syslog(text: &[u8], zone: &TimeZone, reference: Reference) -> Option<(Option<i64>, usize)> {
    let (name, rest) = text.split_first_chunk::<3>()?;
    let (day, at) = match rest {
        [b' ', b' ', d, b' ', ..] => (two_digits(b'0', *d)?, 7),
        [b' ', d0, d1, b' ', ..] => (two_digits(*d0, *d1)?, 7),
        [b' ', d, b' ', ..] => (two_digits(b'0', *d)?, 6),
        _ => return None,
    };
    let month = month_of(name)?;
    let day_s = clock_seconds(text.get(at..)?.first_chunk()?)?;
    let (fraction_ms, fraction_len) = read_fraction(text.get(at + 8..)?);
    let time_ms = match reference {
        Reference::Latest(Some(reference_ms)) => {
            let wall_s = latest_wall_s(month, day, day_s, reference_ms);
            wall_s.and_then(|wall_s| time_ms(wall_s, zone, fraction_ms))
        }
        _ => None,
    };
    Some((time_ms, at + 8 + fraction_len))
}

/// `@` and 16 digits of a TAI64 label, or 24 with nanoseconds, as `multilog` writes them: ten seconds ahead.
#[cold]
#[inline(never)]
fn read_tai(text: &[u8]) -> Option<(Option<i64>, usize)> {
    let (mut label, mut digits) = (0_u128, 0);
    for byte in text.iter().skip(1).take(24) {
        let Some(digit) = char::from(*byte).to_digit(16) else {
            break;
        };
        label = label << 4 | u128::from(digit);
        digits += 1;
    }
    let label = match digits {
        16 => label << 32,
        24 => label,
        _ => return None,
    };
    let seconds = ((label >> 32) as u64).checked_sub((1 << 62) + 10)?;
    let ms = i64::from(label as u32 / 1_000_000);
    let seconds = in_range(i64::try_from(seconds).ok()?);
    Some((
        seconds.map(|seconds| seconds * 1_000 + ms.min(999)),
        1 + digits,
    ))
}

/// What a time is written with.
#[derive(Default)]
struct Items {
    /// Since the Unix epoch, where that is what is written.
    epoch_ms: Option<i64>,
    year: Option<i64>,
    month: Option<i64>,
    /// Days, and months that are numbers, in their order.
    numbers: [i64; 2],
    count: usize,
    /// The year comes before the numbers.
    is_year_first: bool,
    is_dotted: bool,
    /// The clock, in seconds.
    day_s: Option<i64>,
    fraction_ms: i64,
    offset_s: Option<i32>,
}

impl Items {
    /// Reads all of them, and says how long they are.
    fn read(&mut self, text: &[u8]) -> Option<usize> {
        let is_bracketed = text.first() == Some(&b'[');
        let mut at = usize::from(is_bracketed);
        let token = text.get(at..)?;
        // What is that long is a number of seconds, or of a thousandth, a millionth, a billionth of them.
        if let 9 | 10 | 13 | 16 | 19 = digits_len(token) {
            let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b']');
            let end = token.iter().position(is_end).unwrap_or(token.len());
            self.epoch_ms = parse_epoch(token.get(..end)?);
            self.epoch_ms?;
            at += end;
        } else {
            for items in 0..=ITEMS_MAX {
                at += self.item(text.get(at..)?)?;
                if self.day_s.is_some() {
                    break;
                }
                if items == ITEMS_MAX {
                    return None;
                }
            }
            let (fraction_ms, len) = read_fraction(text.get(at..)?);
            self.fraction_ms = fraction_ms;
            at += len;
            while let Some(len) = self.item_behind(text.get(at..)?) {
                at += len;
            }
        }
        if is_bracketed {
            at += usize::from(text.get(at) == Some(&b' '));
            return (text.get(at) == Some(&b']')).then_some(at + 1);
        }
        let rest = text.get(at..)?;
        let colon = usize::from(matches!(rest.first(), Some(b':' | b',')));
        let ends = rest.get(colon).is_none_or(|byte| is_blank(*byte));
        ends.then_some(at + colon)
    }

    /// A number, a name or a separator of the date, or the clock; its length.
    fn item(&mut self, text: &[u8]) -> Option<usize> {
        let first = *text.first()?;
        if first.is_ascii_digit() {
            let digits = digits_len(text);
            if digits <= 2 && text.get(digits) == Some(&b':') {
                let clock = match *text {
                    [h, a, b, c, d, e, f, ..] if digits == 1 => [b'0', h, a, b, c, d, e, f],
                    _ => *text.first_chunk()?,
                };
                self.day_s = clock_seconds(&clock);
                self.day_s?;
                return Some(6 + digits);
            }
            let number = number(text.get(..digits)?);
            if digits <= 2 {
                *self.numbers.get_mut(self.count)? = number;
                self.count += 1;
            } else if digits == 4 && self.year.is_none() {
                self.year = Some(number);
                self.is_year_first = self.count == 0;
            } else {
                return None;
            }
            return Some(digits);
        }
        if !first.is_ascii_alphabetic() {
            self.is_dotted |= first == b'.';
            // `16/Nov/2026:19:13:55`
            let is_separator = match first {
                b':' => self.year.is_some(),
                _ => matches!(first, b' ' | b'/' | b'-' | b'.' | b',' | b'_' | b'@'),
            };
            return is_separator.then_some(1);
        }
        let len = letters_len(text);
        let name = text.get(..len)?;
        match month_of(name) {
            month @ Some(_) if self.month.is_none() => self.month = month,
            _ if is_weekday(name) || matches!(name, b"T") => {}
            _ => return None,
        }
        Some(len)
    }

    /// An offset, a zone, a year or a half of the day behind the clock; its length.
    fn item_behind(&mut self, text: &[u8]) -> Option<usize> {
        let gap = usize::from(text.first() == Some(&b' '));
        let item = text.get(gap..)?;
        let len = match item.first()? {
            b'+' | b'-' | b'Z' | b'z' if self.offset_s.is_none() => {
                let (offset_s, len) = read_offset(item)?;
                self.offset_s = Some(offset_s);
                len
            }
            b'0'..=b'9' if self.year.is_none() && gap == 1 && digits_len(item) == 4 => {
                if !is_end(item.get(4..)?) {
                    return None;
                }
                self.year = Some(number(item.get(..4)?));
                4
            }
            b'A'..=b'Z' | b'a' | b'p' => {
                let len = letters_len(item);
                let word = item.get(..len)?;
                if !is_end(item.get(len..)?) {
                    return None;
                }
                let key = word_key(word);
                if key == word_key(b"am") || key == word_key(b"pm") {
                    let half = i64::from(key == word_key(b"pm")) * (DAY_S / 2);
                    self.day_s = self.day_s.map(|day_s| day_s % (DAY_S / 2) + half);
                } else {
                    let zone = ZONES.iter().find(|(zone, _)| *zone == key)?;
                    self.offset_s = Some(zone.1 * 3_600);
                }
                len
            }
            _ => return None,
        };
        Some(gap + len)
    }

    fn time_ms(&self, zone: &TimeZone, reference: Reference) -> Option<i64> {
        if reference == Reference::NotNeeded {
            return None;
        }
        if self.epoch_ms.is_some() {
            return self.epoch_ms;
        }
        let [first, second] = self.numbers;
        let (month, day) = match (self.month, self.count) {
            (Some(month), 1) => (month, first),
            (None, 2) if self.year.is_none() => return None,
            (None, 2) if self.is_year_first => (first, second),
            (None, 2) if self.is_dotted || first > 12 || first == second => (second, first),
            (None, 2) if second > 12 => (first, second),
            _ => return None,
        };
        let wall_s = match (self.year, reference) {
            (Some(year), _) => days_from_date(year, month, day)? * DAY_S + self.day_s?,
            (None, Reference::Latest(reference_ms)) => {
                latest_wall_s(month, day, self.day_s?, reference_ms?)?
            }
            (None, Reference::NotNeeded) => return None,
        };
        let offset = self.offset_s.map(TimeZone::fixed);
        time_ms(wall_s, offset.as_ref().unwrap_or(zone), self.fraction_ms)
    }
}

fn time_ms(wall_s: i64, zone: &TimeZone, fraction_ms: i64) -> Option<i64> {
    let seconds = in_range(wall_s - i64::from(zone.offset_seconds_at_local(wall_s)))?;
    Some(seconds * 1_000 + fraction_ms)
}

/// The wall time of a date without a year: the latest whose clock shows no more than the reference and a day. February
/// 29th can be years ago.
fn latest_wall_s(month: i64, day: i64, day_s: i64, reference_ms: i64) -> Option<i64> {
    let limit_s = reference_ms.div_euclid(1_000).saturating_add(DAY_S);
    let (year, ..) = date_from_days(limit_s.div_euclid(DAY_S));
    (0..=8).find_map(|ago| {
        let wall_s = days_from_date(year - ago, month, day)? * DAY_S + day_s;
        (wall_s <= limit_s).then_some(wall_s)
    })
}

/// Whether a word ends where `text` begins.
fn is_end(text: &[u8]) -> bool {
    match text {
        [b']', ..] | [] => true,
        [b':' | b',', byte, ..] | [byte, ..] => is_blank(*byte),
    }
}

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The number of digits at the start of `text`, as far as they matter.
#[inline(never)]
pub(crate) fn digits_len(text: &[u8]) -> usize {
    let digits = text.iter().take(20);
    digits.take_while(|byte| byte.is_ascii_digit()).count()
}

#[inline(never)]
fn letters_len(text: &[u8]) -> usize {
    let letters = text.iter().take(20);
    letters
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count()
}

/// The number that digits are.
#[inline(never)]
fn number(digits: &[u8]) -> i64 {
    let mut number = 0;
    for digit in digits {
        // Longer ones are no part of a time, and told by that.
        number = i64::wrapping_add(i64::wrapping_mul(number, 10), i64::from(digit & 15));
    }
    number
}

fn is_weekday(name: &[u8]) -> bool {
    place_of(name, b"montuewedthufrisatsun").is_some()
}

fn month_of(name: &[u8]) -> Option<i64> {
    Some(place_of(name, b"janfebmaraprmayjunjulaugsepoctnovdec")? as i64 + 1)
}

/// Which of `names`, of three letters each, it is, in whatever case.
#[inline(never)]
fn place_of(name: &[u8], names: &[u8]) -> Option<usize> {
    let [a, b, c] = *name else { return None };
    let name = [a | 0x20, b | 0x20, c | 0x20];
    names.as_chunks().0.iter().position(|other| *other == name)
}

#[cfg(test)]
mod tests;
