//! The report as programs and the page get it: version 1 of its JSON. Times are ms since the Unix epoch.

use serde::Serialize;

use crate::correlation::Together;
use crate::curve::Regularity;
use crate::load::Source;

/// The form of the JSON.
pub const VERSION: u32 = 1;
/// Of each list of names the most frequent are told.
pub const TOP_MAX: usize = 20;
/// So many floods are told, the largest.
pub const FLOODS_MAX: usize = 200;

/// All of it.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
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
}

/// From when until when the logs tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Period {
    pub start: i64,
    pub end: i64,
    pub zone: String,
}

/// What was read, and what of it could not be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Input {
    pub files: Vec<String>,
    pub lines: u64,
    pub bytes: u64,
    pub refusals: u64,
    pub refusal_bytes: u64,
    pub passed: u64,
    pub suppressed: u64,
    pub suppressed_bytes: u64,
    pub untimed: u64,
    pub late: u64,
    pub unrecognised: u64,
    pub unrecognised_sample: Option<String>,
    pub malformed: u64,
    pub cut_lines: u64,
    pub unread: Vec<String>,
    pub empty: Vec<String>,
    pub twice: Vec<String>,
    pub stopped: bool,
}

/// Refusals over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
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
#[allow(missing_docs)]
pub struct Distinct {
    pub count: u64,
    pub is_estimate: bool,
    pub names: Vec<String>,
}

/// A flood.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
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
    pub curve: Points,
    pub run_now: Vec<String>,
}

/// Refusals a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Rate {
    pub mean: f64,
    pub peak: f64,
}

/// A likely cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Cause {
    pub hint: String,
    pub evidence: String,
    pub advice: String,
}

/// Names, the most frequent first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs)]
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
#[allow(missing_docs)]
pub struct Named {
    pub name: String,
    pub count: u64,
    /// It may have been so many less: 0 unless there were more names than are kept.
    pub excess: u64,
}

/// A client that is refused outside of floods.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct Steady {
    pub user: Option<String>,
    pub ip: Option<String>,
    pub service: Option<String>,
    pub server: String,
    pub limit: String,
    pub count: u64,
    pub hint: String,
    pub evidence: String,
    pub advice: String,
    pub sentence: String,
}

/// A load beside the refusals.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
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
#[allow(missing_docs)]
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
