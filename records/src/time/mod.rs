//! Calendar arithmetic: RFC 3339, epoch numbers, the times at the heads of lines, time zones.
//!
//! Written by hand: this runs once for every event, in guests whose size is counted, and needs a few
//! formats and POSIX TZ rules only. A calendar library would cost more bytes than all of it.
//!
//! Inside, a time is milliseconds since the Unix epoch; a *wall* time is the same count taken from a
//! clock that shows local time.

mod stamp;
mod zone;

pub use stamp::{Reference, read_log_time};
pub(crate) use stamp::{digits_len, is_blank};
pub use zone::TimeZone;

use alloc::vec::Vec;

/// Seconds of a day.
pub(crate) const DAY_S: i64 = 86_400;
/// The first second that is out of range: the start of the year 10000.
const END_S: i64 = 253_402_300_800;
/// The time that `text` is, as RFC 3339 or a form near to it: `T`, `t` or a space between date and time,
/// a fraction of any length (after `.` or `,`), and `Z`, `+02:00`, `+0200`, `+02` or nothing, in which
/// case `zone` says. Years 1970 to 9999.
pub fn parse_rfc3339(text: &[u8], zone: &TimeZone) -> Option<i64> {
    let (time_ms, len) = read_rfc3339(text, zone)?;
    (len == text.len()).then_some(time_ms)
}

/// The RFC 3339 time at the start of `text`, and its length in bytes.
pub fn read_rfc3339(text: &[u8], zone: &TimeZone) -> Option<(i64, usize)> {
    let (date, rest) = text.split_first_chunk::<8>()?;
    let [d0, d1, b'T' | b't' | b' ', rest @ ..] = rest else {
        return None;
    };
    let [century, _, year, _, _, month, ..] = pairs(date, b"0000-00-")?;
    let year = i64::from(century) * 100 + i64::from(year);
    let days = days_from_date(year, i64::from(month), two_digits(*d0, *d1)?)?;
    let wall_s = days * DAY_S + clock_seconds(rest.first_chunk()?)?;
    let (fraction_ms, fraction_len) = read_fraction(text.get(19..)?);
    let rest = text.get(19 + fraction_len..)?;
    let (offset_s, offset_len) = match read_offset(rest) {
        Some(found) => found,
        None => (zone.offset_seconds_at_local(wall_s), 0),
    };
    let time_ms = in_range(wall_s - i64::from(offset_s))? * 1_000 + fraction_ms;
    Some((time_ms, 19 + fraction_len + offset_len))
}

/// The time of a number since the Unix epoch: seconds, milliseconds, microseconds or nanoseconds, told
/// apart by its size (below 1e11, 1e14, 1e17, above). Decimals are allowed, years 1970 to 9999.
pub fn parse_epoch(text: &[u8]) -> Option<i64> {
    let digits = text
        .iter()
        .position(|&byte| byte == b'.')
        .unwrap_or(text.len());
    let (whole, fraction) = text.split_at_checked(digits)?;
    if whole.is_empty() || whole.len() > 19 || fraction.len() == 1 {
        return None;
    }
    let number = whole.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| number * 10 + u64::from(digit))
    })?;
    let (fraction_ms, fraction_len) = read_fraction(fraction);
    if fraction_len != fraction.len() {
        return None;
    }
    let time_ms = match number {
        0..100_000_000_000 => number * 1_000 + fraction_ms.unsigned_abs(),
        100_000_000_000..100_000_000_000_000 => number,
        100_000_000_000_000..100_000_000_000_000_000 => number / 1_000,
        _ => number / 1_000_000,
    };
    i64::try_from(time_ms).ok()
}

/// Writes `time_ms` as RFC 3339 in UTC with milliseconds, e.g. `2026-11-22T20:26:15.354Z`. Times outside
/// of the years 0 to 9999 are written as the nearest one inside.
pub fn write_rfc3339_ms(time_ms: i64, out: &mut Vec<u8>) {
    let time_ms = time_ms.clamp(-62_167_219_200_000, END_S * 1_000 - 1);
    let seconds = time_ms.div_euclid(1_000);
    let (year, month, day) = date_from_days(seconds.div_euclid(DAY_S));
    let day_s = seconds.rem_euclid(DAY_S);
    let ms = time_ms.rem_euclid(1_000);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let fields = [
        (0, year / 100),
        (2, year % 100),
        (5, month),
        (8, day),
        (11, day_s / 3_600),
        (14, day_s / 60 % 60),
        (17, day_s % 60),
        (20, ms / 10),
    ];
    for (at, value) in fields {
        if let Some([tens, ones]) = text.get_mut(at..at + 2) {
            *tens = b'0' + (value / 10) as u8;
            *ones = b'0' + (value % 10) as u8;
        }
    }
    text[22] = b'0' + (ms % 10) as u8;
    out.extend_from_slice(&text);
}

fn in_range(seconds: i64) -> Option<i64> {
    (0..END_S).contains(&seconds).then_some(seconds)
}

#[inline]
fn two_digits(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

/// The second of the day that `HH:MM:SS` is. A leap second counts as the one before it.
#[inline]
fn clock_seconds(clock: &[u8; 8]) -> Option<i64> {
    let [hour, _, _, minute, _, _, second, _] = pairs(clock, b"00:00:00")?.map(i64::from);
    (hour < 24 && minute < 60 && second <= 60).then(|| hour * 3_600 + minute * 60 + second.min(59))
}

/// The numbers that pairs of digits are, each in the place of its first digit, if `text` has digits where
/// `form` has `0`, and elsewhere the same bytes. All eight at once: this is most of reading a time.
#[inline(always)]
fn pairs(text: &[u8; 8], form: &[u8; 8]) -> Option<[u8; 8]> {
    let values = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*form);
    // What must be added to each byte so that it passes 127 if it is more than 9, or more than 0.
    let limits = u64::from_le_bytes(form.map(|byte| if byte == b'0' { 118 } else { 127 }));
    let excess = values.wrapping_add(limits) | values;
    let sums = values.wrapping_mul(10).wrapping_add(values >> 8);
    (excess & 0x8080_8080_8080_8080 == 0).then_some(sums.to_le_bytes())
}

/// The milliseconds of a fraction such as `.722834`, rounded down, and its length; none is 0 and 0.
fn read_fraction(text: &[u8]) -> (i64, usize) {
    let [b'.' | b',', digits @ ..] = text else {
        return (0, 0);
    };
    let (mut ms, mut weight, mut len) = (0, 100, 0);
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit >= 10 {
            break;
        }
        ms += i64::from(digit) * weight;
        weight /= 10;
        len += 1;
    }
    if len == 0 { (0, 0) } else { (ms, len + 1) }
}

/// The offset at the start of `text` (`Z`, `+02:00`, `+0200`, `+02`), in seconds, and its length.
pub(crate) fn read_offset(text: &[u8]) -> Option<(i32, usize)> {
    let (negative, h0, h1, rest) = match text {
        [b'Z' | b'z', ..] => return Some((0, 1)),
        [b'+', h0, h1, rest @ ..] => (false, h0, h1, rest),
        [b'-', h0, h1, rest @ ..] => (true, h0, h1, rest),
        _ => return None,
    };
    let hours = two_digits(*h0, *h1)?;
    let (minutes, len) = match rest {
        [b':', m0, m1, ..] if m0.is_ascii_digit() => (two_digits(*m0, *m1)?, 6),
        [m0, m1, ..] if m0.is_ascii_digit() => (two_digits(*m0, *m1)?, 5),
        _ => (0, 3),
    };
    let seconds = (hours * 3_600 + minutes * 60) as i32;
    (hours < 24 && minutes < 60).then_some((if negative { -seconds } else { seconds }, len))
}

/// Days from the epoch to a date of the Gregorian calendar, or `None` if there is no such date. Years
/// start in March here, so that the day that may be missing is the last one.
pub(crate) fn days_from_date(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(0..=9_999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    if day < 1 || (day > 28 && day > days_of_month(year, month)) {
        return None;
    }
    // Four centuries more, so that nothing is negative: they are always as many days.
    let (year, month) = (year as u32 + 400, month as u32);
    let (march_year, march_month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = march_year / 4 - march_year / 100 + march_year / 400;
    let days = march_year * 365 + leap_days + (march_month * 153 + 2) / 5;
    Some(i64::from(days) + day - 1 - 719_468 - 146_097)
}

pub(crate) fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Year, month and day of a day counted from the epoch.
pub(crate) fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days.clamp(-719_528, END_S / DAY_S) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use alloc::string::String;

    fn utc(text: &str) -> i64 {
        parse_rfc3339(text.as_bytes(), &TimeZone::utc()).expect(text)
    }

    pub(crate) fn written(time_ms: i64) -> String {
        let mut out = Vec::new();
        write_rfc3339_ms(time_ms, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn rfc3339_in_all_its_forms() {
        let same = [
            "2026-11-22T20:26:15.354684+00:00",
            "2026-11-22 20:26:15.354",
            "2026-11-22t20:26:15.354z",
            "2026-11-22T22:26:15.354684123999+0200",
            "2026-11-22T16:56:15,354-03:30",
        ];
        for text in same {
            assert_eq!(utc(text), 1_795_379_175_354, "{text}");
        }
        assert_eq!(written(1_795_379_175_354), "2026-11-22T20:26:15.354Z");
        assert_eq!(utc("1970-01-01T00:00:00"), 0);
        assert_eq!(utc("2024-02-29T23:59:60Z"), utc("2024-02-29T23:59:59Z"));
        let wrong = [
            "",
            "2026-11-22",
            "2026-11-22T20:26",
            "2026-02-29T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-13-01T00:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T20:26:15.354Zx",
            "2026-11-22T20:26:1५",
        ];
        for text in wrong {
            let time = parse_rfc3339(text.as_bytes(), &TimeZone::utc());
            assert_eq!(time, None, "{text}");
        }
        assert_eq!(written(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(written(i64::MIN), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn every_day_goes_there_and_back() {
        for day in (0..END_S / DAY_S).step_by(7) {
            let (year, month, date) = date_from_days(day);
            assert_eq!(days_from_date(year, month, date), Some(day));
        }
    }

    #[test]
    fn epochs_by_their_size() {
        for text in [
            "1763843054.123",
            "1763843054123",
            "1763843054123456",
            "1763843054123456789",
        ] {
            assert_eq!(
                parse_epoch(text.as_bytes()),
                Some(1_763_843_054_123),
                "{text}"
            );
        }
        assert_eq!(parse_epoch(b"0"), Some(0));
        for text in [
            "",
            "-1",
            "1.",
            ".5",
            "1e9",
            "17638430x4",
            "99999999999999999999",
        ] {
            assert_eq!(parse_epoch(text.as_bytes()), None, "{text}");
        }
    }
}
