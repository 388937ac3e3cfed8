//! The report as programs and the page get it: version 1 of its JSON. Times are ms since the Unix epoch.
#![allow(missing_docs)]

use serde::Serialize;
use serde_json::Value;

use crate::correlation::Together;
use crate::curve::Regularity;
use crate::load::Source;

/// The form of the JSON.
pub const VERSION: u32 = 1;
/// Of each list of names the most frequent are told.
pub const TOP_MAX: usize = 20;
/// So many floods are told with their curves, the largest.
pub const FLOODS_MAX: usize = 200;
/// So many without.
pub const PLAIN_FLOODS_MAX: usize = 10_000;

/// All of it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Written {
    pub version: u32,
    pub generator: String,
    /// What was found, and what to do.
    pub verdict: [String; 2],
    pub period: Option<Period>,
    pub input: Input,
    pub timeline: Points,
    pub floods_count: u64,
    pub floods_more: u64,
    pub floods: Vec<Flood>,
    pub top: Tops,
    pub steady: Vec<Steady>,
    pub load: Option<Load>,
    pub disk: Option<Disk>,
    /// What the plugin counts: `maxconn.statistics` of its last statistics document.
    pub statistics: Value,
}

/// From when until when the logs tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Period {
    pub start: i64,
    pub end: i64,
    pub zone: String,
}

/// What was read, and what of it could not be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Input {
    pub files: Vec<String>,
    pub lines: u64,
    pub bytes: u64,
    /// The size of the disk that they are on, in bytes.
    pub disk_bytes: Option<u64>,
    pub refusals: u64,
    pub refusal_bytes: u64,
    /// The times of the first refusal and of the last.
    pub first_refusal: Option<i64>,
    pub last_refusal: Option<i64>,
    pub passed: u64,
    pub suppressed: u64,
    pub suppressed_bytes: u64,
    pub untimed: u64,
    pub late: u64,
    pub unrecognised: u64,
    pub unrecognised_sample: Option<String>,
    pub malformed: u64,
    /// Lines that are not of the time that was asked for.
    pub outside_lines: u64,
    pub cut_lines: u64,
    pub unread: Vec<String>,
    /// Why they could not be read.
    pub errors: Vec<Unread>,
    pub empty: Vec<String>,
    pub twice: Vec<String>,
    pub stopped: bool,
}

/// An input that could not be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unread {
    pub file: String,
    pub error: String,
}

/// Refusals over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Points {
    pub start: i64,
    pub step_s: i64,
    pub counts: Vec<u64>,
    /// What they took in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Vec<u64>>,
}

/// Different values.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Distinct {
    pub count: u64,
    pub is_estimate: bool,
    pub names: Vec<String>,
}

/// A flood.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Flood {
    pub id: String,
    pub rule: String,
    pub server: String,
    pub service: Option<String>,
    pub limit: String,
    pub limit_value: Option<u64>,
    pub scope: String,
    pub stage: Option<String>,
    pub key: String,
    pub host: Option<String>,
    pub users: Distinct,
    pub ips: Distinct,
    pub hosts: Distinct,
    pub start: i64,
    pub end: i64,
    pub duration_s: f64,
    pub count: u64,
    pub passed: u64,
    pub suppressed: u64,
    pub suppressed_bytes: u64,
    pub unlogged: u64,
    pub rate: Rate,
    pub severity: u64,
    pub is_open: bool,
    pub end_reason: Option<String>,
    pub sentence: String,
    pub sample: String,
    pub cause: Cause,
    pub hours: [u64; 24],
    pub weekdays: [u64; 7],
    pub regularity: Option<Regularity>,
    pub rhythm: String,
    #[serde(skip_serializing_if = "Points::is_empty")]
    pub curve: Points,
    pub run_now: Vec<String>,
}

/// Refusals a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rate {
    pub mean: f64,
    pub peak: f64,
}

/// A likely cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cause {
    pub hint: String,
    pub evidence: String,
    pub advice: String,
}

/// Names, the most frequent first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Tops {
    pub users: Vec<Named>,
    pub addresses: Vec<Named>,
    pub networks: Vec<Named>,
    pub services: Vec<Named>,
    pub servers: Vec<Named>,
    pub hosts: Vec<Named>,
}

/// A name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Named {
    pub name: String,
    pub count: u64,
    /// It may have been so many less: 0 unless there were more names than are kept.
    pub excess: u64,
}

/// A client that is refused outside of floods.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Steady {
    pub user: Option<String>,
    pub ip: Option<String>,
    pub service: Option<String>,
    pub server: String,
    pub limit: String,
    pub count: u64,
    /// It may have been so many less: 0 unless there were more clients than are kept.
    pub excess: u64,
    /// The times of the first refusal and of the last.
    pub start: Option<i64>,
    pub end: Option<i64>,
    pub hint: String,
    pub evidence: String,
    pub advice: String,
    pub sentence: String,
}

/// A load beside the refusals.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Load {
    pub source: Source,
    pub name: String,
    pub unit: Option<&'static str>,
    pub times: Vec<i64>,
    pub values: Vec<f64>,
    #[serde(flatten)]
    pub together: Together,
}

/// When the disk would have been full.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Disk {
    pub free_bytes: u64,
    pub bytes_per_day: f64,
    pub full_at: Option<i64>,
    pub sentence: String,
}

impl Written {
    /// The JSON, no longer than this: of what is told in detail the less important goes first.
    ///
    /// # Errors
    /// Never: all of it can be written.
    pub fn to_json(&self, bytes_max: usize) -> serde_json::Result<String> {
        let mut json = serde_json::to_string(self)?;
        if json.len() <= bytes_max {
            return Ok(json);
        }
        let mut less = self.clone();
        for round in 0..12 {
            if json.len() <= bytes_max {
                break;
            }
            less.halve(round);
            json = serde_json::to_string(&less)?;
        }
        Ok(json)
    }

    fn halve(&mut self, round: u32) {
        // Curves first, then floods: the list of them says more.
        for flood in &mut self.floods {
            flood.curve.halve();
        }
        if round > 1 {
            let kept = self.floods.len().div_ceil(2);
            self.floods_more += (self.floods.len() - kept) as u64;
            self.floods.truncate(kept);
        }
        if round > 2 {
            self.timeline.halve();
            if let Some(load) = &mut self.load {
                load.times = load.times.iter().copied().step_by(2).collect();
                let pairs = load.values.chunks(2);
                load.values = pairs
                    .map(|pair| pair.iter().sum::<f64>() / pair.len() as f64)
                    .collect();
            }
        }
    }
}

impl Points {
    /// Whether there is no step.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Makes each step twice as long.
    pub fn halve(&mut self) {
        self.counts = halved(&self.counts);
        self.bytes = self.bytes.as_deref().map(halved);
        self.step_s *= 2;
    }
}

/// Sums of two each.
pub fn halved(counts: &[u64]) -> Vec<u64> {
    counts.chunks(2).map(|pair| pair.iter().sum()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_that_people_have_is_that_of_what_is_written() {
        let mut schema = schemars::schema_for!(Written);
        schema.insert(
            "title".to_string(),
            format!("maxconn report, version {VERSION}").into(),
        );
        let schema = serde_json::to_string_pretty(&schema).unwrap();
        test_support::data::is_the_file("docs/report.schema.json", &(schema + "\n"));
    }
}
