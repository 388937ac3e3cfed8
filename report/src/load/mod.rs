//! Reads a load over time, in the forms that the usual programs write. The form is told by the content.
//!
//! | source | what is read |
//! |---|---|
//! | [`table`] | lines of `time,value`, with or without a header; collectd's CSV files |
//! | [`sysstat`] | what `sadf -d`, `sadf -j` and `sar` say |
//! | [`rrd`] | what `rrdtool xport --json` and `rrdtool fetch` say, Munin's files among it, and Munin's spool |
//! | [`prometheus`] | answers to range queries |

mod error;
mod prometheus;
mod rrd;
mod sysstat;
mod table;

use serde_json::Value;

use crate::zone::Zone;
pub use error::LoadError;

/// A larger file is not read, in bytes.
pub const LOAD_BYTES_MAX: usize = 64 << 20;

/// The program that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Source {
    Sar,
    Sadf,
    #[default]
    Csv,
    Rrdtool,
    Prometheus,
    Collectd,
    Munin,
}

/// A load over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    /// Where it comes from.
    pub source: Source,
    /// What the values are.
    pub name: String,
    /// Their unit, where that is known.
    pub unit: Option<&'static str>,
    /// Times, in ms since the Unix epoch, in order, each once, and values.
    pub points: Vec<(i64, f64)>,
    /// Whether a value is the mean of what came between the time before and its own, rather than that of its time.
    pub is_mean: bool,
    /// So many series of the file are left out.
    pub left_out: usize,
}

impl Load {
    /// Reads a file. Times that name no zone are in `zone`.
    ///
    /// # Errors
    /// It is in none of the forms, or not all of it can be read.
    pub fn read(bytes: &[u8], zone: &Zone) -> Result<Load, LoadError> {
        if bytes.len() > LOAD_BYTES_MAX {
            return Err(LoadError::TooLarge);
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            LoadError::NotText(line_of(bytes.get(..error.valid_up_to()).unwrap_or(bytes)))
        })?;
        let begin = text.trim_start();
        let mut load = if begin.is_empty() {
            return Err(LoadError::Empty);
        } else if begin.starts_with(['{', '[']) {
            let json = serde_json::from_str(text).map_err(LoadError::json)?;
            read_json(&json, zone)?
        } else if begin.starts_with("# hostname;interval;timestamp;") {
            sysstat::sadf(text, zone)?
        } else if begin.starts_with("Linux ") {
            sysstat::sar(text, zone)?
        } else if rrd::is_fetched(text) {
            rrd::fetched(text)?
        } else if rrd::is_spool(text) {
            rrd::spool(text)?
        } else {
            table::read(text, zone)?
        };
        load.points.retain(|(_, value)| value.is_finite());
        load.points.sort_by_key(|(time_ms, _)| *time_ms);
        load.points.dedup_by_key(|(time_ms, _)| *time_ms);
        match load.points.is_empty() {
            true => Err(LoadError::NoValues),
            false => Ok(load),
        }
    }

    /// The usual pause between two points, in ms.
    pub fn step_ms(&self) -> i64 {
        let pauses = self.points.windows(2).map(|pair| match pair {
            [(one_ms, _), (other_ms, _)] => other_ms - one_ms,
            _ => 0,
        });
        let mut pauses: Vec<i64> = pauses.collect();
        pauses.sort_unstable();
        pauses.get(pauses.len() / 2).copied().unwrap_or(0)
    }
}

fn read_json(json: &Value, zone: &Zone) -> Result<Load, LoadError> {
    if json.get("sysstat").is_some() {
        sysstat::json(json, zone)
    } else if json.get("meta").is_some() && json.get("data").is_some() {
        rrd::json(json)
    } else if json.get("status").is_some() || json.get("resultType").is_some() {
        prometheus::read(json)
    } else {
        Err(LoadError::Unknown)
    }
}

/// How well a name fits a load; the less the better, `None` if it does not.
fn rank(name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    const NAMES: [&str; 8] = [
        "ldavg-1",
        "load1",
        "load_1",
        "shortterm",
        "load 1",
        "1min",
        "load",
        "cpu",
    ];
    let is = |known: &str| {
        let found = name.find(known);
        // `ldavg-15` and `load15` are others.
        found.is_some_and(|at| {
            let behind = name.get(at + known.len()..).unwrap_or_default();
            !behind.starts_with(|it: char| it.is_ascii_digit())
        })
    };
    NAMES.iter().position(|known| is(known))
}

/// The name that fits a load best; the first where none does.
fn best<'a>(names: impl Iterator<Item = &'a str>) -> Option<usize> {
    let ranked = names
        .enumerate()
        .map(|(at, name)| (rank(name).unwrap_or(usize::MAX), at));
    ranked.min().map(|(_, at)| at)
}

/// A number as programs write it. What is not known (`NaN`, `-`, nothing) is no finite one.
fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.to_ascii_lowercase().as_str() {
        "" | "-" | "u" | "nan" | "-nan" | "null" | "none" | "undefined" => Some(f64::NAN),
        _ => text
            .parse()
            .ok()
            // As locales write it that have a comma there.
            .or_else(|| text.replacen(',', ".", 1).parse().ok()),
    }
}

/// The number of the line that follows `before`.
fn line_of(before: &[u8]) -> usize {
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_of_a_minute_is_preferred() {
        for (names, expected) in [
            (
                &["runq-sz", "plist-sz", "ldavg-1", "ldavg-5", "ldavg-15"][..],
                2,
            ),
            (&["ldavg-15", "ldavg-5", "ldavg-1"], 2),
            (&["shortterm", "midterm", "longterm"], 0),
            (&["load15", "load1"], 1),
            (&["a", "b"], 0),
            (&["temperature", "CPU %"], 1),
        ] {
            assert_eq!(best(names.iter().copied()), Some(expected), "{names:?}");
        }
    }
}
