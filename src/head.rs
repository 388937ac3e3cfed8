//! Time, host and program at the head of a text line.

use crate::time::TimeZone;

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

/// Reads the head of `text`. `zone` is for times that name none, `reference_ms` for times without a year.
pub fn parse<'a>(_text: &'a str, _zone: &TimeZone, _reference_ms: Option<i64>) -> Head<'a> {
    Head::default()
}

/// The time at the head of `text` only.
pub fn time(text: &str, zone: &TimeZone, reference_ms: Option<i64>) -> Option<i64> {
    parse(text, zone, reference_ms).time_ms
}
