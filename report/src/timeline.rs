//! Counts refusals over time, from the statistics documents; bounded, whatever times records claim to have.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The finest step.
pub const STEP_MS: i64 = 60_000;
/// More steps than these are not kept; then each becomes twice as long.
const KEPT_MAX: usize = 100_000;
/// So many points are shown.
pub const SHOWN_MAX: usize = 20_000;
/// What lies so far from all else, in ms …
const FAR_MS: i64 = 30 * 86_400_000;
/// … and is no more than this share of all has a wrong time.
const FEW: f64 = 0.01;

/// What came in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Amount {
    /// Refusals.
    pub count: u64,
    /// Those that went on.
    pub passed: u64,
    /// Those that were held back.
    pub suppressed: u64,
    /// The bytes of those that were held back.
    pub suppressed_bytes: u64,
}

impl Amount {
    /// Adds another.
    pub fn add(&mut self, other: &Amount) {
        self.count += other.count;
        self.passed += other.passed;
        self.suppressed += other.suppressed;
        self.suppressed_bytes += other.suppressed_bytes;
    }

    /// What they took in the log: a record has a line end, and those that went on are as long as others.
    pub fn log_bytes(&self, line_bytes: f64) -> u64 {
        self.suppressed_bytes + self.suppressed + (self.passed as f64 * line_bytes).round() as u64
    }
}

/// Amounts over time.
#[derive(Clone, Debug)]
pub struct Timeline {
    step_ms: i64,
    steps: BTreeMap<i64, Amount>,
}

impl Default for Timeline {
    fn default() -> Timeline {
        Timeline {
            step_ms: STEP_MS,
            steps: BTreeMap::new(),
        }
    }
}

impl Timeline {
    /// Adds what came in the minute that begins at `time_ms`.
    pub fn add(&mut self, time_ms: i64, amount: &Amount) {
        let step = time_ms.div_euclid(self.step_ms);
        self.steps.entry(step).or_default().add(amount);
        if self.steps.len() > KEPT_MAX {
            self.step_ms *= 2;
            let finer = std::mem::take(&mut self.steps);
            for (step, amount) in finer {
                self.steps
                    .entry(step.div_euclid(2))
                    .or_default()
                    .add(&amount);
            }
        }
    }

    /// All of it.
    pub fn total(&self) -> Amount {
        let mut total = Amount::default();
        self.steps.values().for_each(|amount| total.add(amount));
        total
    }

    /// What each step holds, by the time at which it begins.
    pub fn steps(&self) -> impl Iterator<Item = (i64, &Amount)> {
        let all = self.steps.iter();
        all.map(|(step, amount)| (step * self.step_ms, amount))
    }

    /// The length of a step, in ms.
    pub fn step_ms(&self) -> i64 {
        self.step_ms
    }

    /// From when until when there is something, without the few that are far from all else.
    pub fn bounds_ms(&self) -> Option<(i64, i64)> {
        let all: Vec<(i64, u64)> = self.steps().map(|(at, it)| (at, it.count)).collect();
        let mut spare = (self.total().count as f64 * FEW) as u64;
        let (mut first, mut last) = (0, all.len().checked_sub(1)?);
        let at = |index: usize| all.get(index).copied().unwrap_or_default();
        // The few before a long pause, and those behind one.
        let mut few = 0;
        for index in 0..last {
            few += at(index).1;
            if few > spare {
                break;
            }
            if at(index + 1).0 - at(index).0 > FAR_MS {
                (first, spare, few) = (index + 1, spare - few, 0);
            }
        }
        few = 0;
        for index in (first + 1..=last).rev() {
            few += at(index).1;
            if few > spare {
                break;
            }
            if at(index).0 - at(index - 1).0 > FAR_MS {
                last = index - 1;
            }
        }
        Some((at(first).0, at(last).0 + self.step_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(count: u64) -> Amount {
        Amount {
            count,
            ..Amount::default()
        }
    }

    #[test]
    fn a_wrong_clock_does_not_stretch_it() {
        let mut timeline = Timeline::default();
        assert_eq!(timeline.bounds_ms(), None);
        let start_ms = 1_798_761_600_000;
        for minute in 0..300 {
            timeline.add(start_ms + minute * STEP_MS, &one(10));
        }
        let whole = Some((start_ms, start_ms + 300 * STEP_MS));
        assert_eq!(timeline.bounds_ms(), whole);
        timeline.add(0, &one(5));
        timeline.add(start_ms * 2, &one(5));
        assert_eq!(timeline.bounds_ms(), whole);
        timeline.add(start_ms * 2 + STEP_MS, &one(50));
        assert_eq!(
            timeline.bounds_ms(),
            Some((start_ms, start_ms * 2 + 2 * STEP_MS))
        );
        assert_eq!(timeline.total().count, 3_060);
    }

    #[test]
    fn it_is_bounded_and_loses_nothing() {
        let mut timeline = Timeline::default();
        for number in 0..300_000_i64 {
            timeline.add(number * 60_000 * 7, &one(1));
        }
        assert!(timeline.steps.len() <= KEPT_MAX);
        assert_eq!(timeline.total().count, 300_000);
    }
}
