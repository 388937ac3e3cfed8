//! Calendar arithmetic: RFC 3339, times without a year, time zones as POSIX TZ rules.

/// A time zone: a fixed offset or a POSIX TZ rule with daylight saving time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone {
    _todo: (),
}

impl TimeZone {
    /// UTC.
    pub const fn utc() -> TimeZone {
        TimeZone { _todo: () }
    }

    /// `UTC`, `Z`, `+02:00`, `-0330` or a POSIX TZ string.
    pub fn parse(text: &str) -> Option<TimeZone> {
        matches!(text, "UTC" | "Z").then_some(TimeZone::utc())
    }
}

/// Writes what [`TimeZone::parse`] reads: `UTC`, an offset, or a POSIX TZ string.
impl core::fmt::Display for TimeZone {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("UTC")
    }
}
