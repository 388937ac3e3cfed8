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
}
