//! Times as people write them on a command line: `2h`, `yesterday`, `02:00`, `2026-01-05 02:00`.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _, Zoned};

/// What is a time, for whoever wrote none.
pub const HELP: &str =
    "write it like 2h (ago), 02:00, yesterday, \"2026-01-05 02:00\" or 2026-01-05T02:00:00Z";

/// A time, relative to now or on the clocks of a zone, in ms since the Unix epoch. `None`: it is none.
pub fn when(text: &str, zone: &TimeZone, now: Timestamp) -> Option<i64> {
    let text = text.trim();
    let now = now.to_zoned(zone.clone());
    let time = match text {
        "now" => now,
        "today" => now.start_of_day().ok()?,
        "yesterday" => now.checked_sub(1.day()).ok()?.start_of_day().ok()?,
        _ => absolute(text, zone)
            // Before spans, which 02:00:00 might be as well.
            .or_else(|| local(text, &now)?.to_zoned(zone.clone()).ok())
            .or_else(|| ago(text, &now))?,
    };
    Some(time.timestamp().as_millisecond())
}

/// A time that names its zone.
fn absolute(text: &str, zone: &TimeZone) -> Option<Zoned> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.to_zoned(zone.clone()))
}

/// A span before now: `2h`, `-90m`, `1 day 4 hours ago`.
fn ago(text: &str, now: &Zoned) -> Option<Zoned> {
    let text = text.strip_suffix("ago").unwrap_or(text).trim();
    let text = text.strip_prefix('-').unwrap_or(text);
    let span: Span = text.parse().ok()?;
    (!span.is_negative()).then_some(())?;
    now.checked_sub(span).ok()
}

/// On the clocks of the zone: a date, a time of today, or both.
fn local(text: &str, now: &Zoned) -> Option<DateTime> {
    if let Ok(date_time) = text.parse::<DateTime>()
        && text.contains(':')
    {
        return Some(date_time);
    }
    if let Ok(date) = text.parse::<Date>() {
        return Some(date.to_datetime(Time::midnight()));
    }
    let time = text.parse::<Time>().ok()?;
    Some(now.date().to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now: Timestamp = "2026-03-29T12:00:00Z".parse().unwrap();
        for (text, time) in [
            ("now", "2026-03-29T12:00:00Z"),
            ("2h", "2026-03-29T10:00:00Z"),
            ("-2h", "2026-03-29T10:00:00Z"),
            ("90m", "2026-03-29T10:30:00Z"),
            ("2 hours 30 minutes ago", "2026-03-29T09:30:00Z"),
            // A day of 23 hours.
            ("1 day ago", "2026-03-28T13:00:00Z"),
            ("today", "2026-03-28T23:00:00Z"),
            ("yesterday", "2026-03-27T23:00:00Z"),
            ("01:30", "2026-03-29T00:30:00Z"),
            ("14:00:05", "2026-03-29T12:00:05Z"),
            ("2026-01-05", "2026-01-04T23:00:00Z"),
            ("2026-01-05 02:00", "2026-01-05T01:00:00Z"),
            ("2026-01-05T02:00:07", "2026-01-05T01:00:07Z"),
            ("2026-01-05T02:00:07Z", "2026-01-05T02:00:07Z"),
            ("2026-01-05T02:00:07+05:00", "2026-01-04T21:00:07Z"),
        ] {
            let time: Timestamp = time.parse().unwrap();
            assert_eq!(
                when(text, &zone, now),
                Some(time.as_millisecond()),
                "{text}"
            );
        }
        for text in ["", "soon", "25:00", "2026-13-01", "2", "2 parsecs", "ago"] {
            assert_eq!(when(text, &zone, now), None, "{text}");
        }
    }
}
