//! Keeps what is known of an open flood: totals, rates, and how the events are spread in time.

use alloc::string::String;

use super::seen::Seen;
use super::{Again, Sighting};
use crate::event::Scope;
use crate::tally::Tally;
use maxconn_records::codec::{Codec, Tape};

/// How many bytes of the first message are kept as the sample.
pub const MAX_SAMPLE_BYTES: usize = 1_024;
/// How far before its last event a flood's next update may lie, in ms: no allowed lateness is as long.
const UPDATE_BEFORE_MAX_MS: i64 = 24 * 3_600 * 1_000;
/// An open flood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flood {
    /// The hash of rule, key, host, opening time and crossing message.
    pub id: u128,
    /// The key's values, joined.
    pub key: String,
    /// The time of the event that crossed the threshold.
    pub opened_ms: i64,
    /// The earliest event.
    pub start_ms: i64,
    /// The latest event.
    pub end_ms: i64,
    /// The latest event by the clock that the flood goes by: it is quiet from here on.
    pub last_ms: i64,
    /// How much later than by that clock others' time ends it: see [`KeyState::due_ms`](super::KeyState::due_ms).
    pub behind_ms: i64,
    /// How often others' time had leapt at its last event.
    pub leaps: u32,
    /// The refusals, exactly; so many of their records passed by this rule, and so many were held back.
    pub count: u64,
    /// Of them: passed by this rule.
    pub passed: u64,
    /// Of them: held back by this rule.
    pub suppressed: u64,
    /// The bytes of the records that this rule held back.
    pub suppressed_bytes: u64,
    /// Of them: those of which there were no records, for the server itself has counted them.
    pub unlogged: u64,
    /// The last total that the server has counted itself.
    pub total: u64,
    /// `count` then.
    pub count_at_total: u64,
    /// The number of the next alert.
    pub sequence: u32,
    /// When to say that it goes on.
    pub next_update_ms: i64,
    /// The pause that led there.
    pub pause_ms: i64,
    /// What it had counted when the last alert was made.
    pub told: Tally,
    /// The busiest second, as far as events came in order.
    pub peak: u32,
    /// Who and what was seen.
    pub seen: Seen,
    /// How the events are spread in time.
    pub pace: Pace,
    /// The crossing message, clipped.
    pub sample: String,
}

impl Flood {
    /// Forgets what names users, or may: it was kept in another form than documents have it now.
    pub fn forget_users(&mut self) {
        self.key.clear();
        self.sample.clear();
        self.seen.forget_users();
    }
}

/// The evenness of a flood is judged by counts of events in spans of this length.
const SPAN_MS: i64 = 10_000;
/// Pauses of this length separate bursts.
const BURST_PAUSE_MS: i64 = 10_000;

/// How events are spread in time: evenly, as an automatic retry does it, or in bursts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// The start of the span at hand.
    span_ms: i64,
    span_count: u64,
    /// Spans that are over, empty ones included, the sum of their counts and of the counts' squares.
    spans: u64,
    sum: u64,
    squares: u64,
    /// Of these spans: those with events.
    active: u64,
    /// Bursts that followed a pause, and the sum of these pauses.
    pauses: u64,
    pauses_ms: u64,
    /// The hours of the day (UTC) with events, as bits.
    hours: u32,
}

impl Pace {
    fn add(&mut self, time_ms: i64, last_ms: i64, times: u64) {
        let gap_ms = time_ms - last_ms;
        if gap_ms >= BURST_PAUSE_MS {
            self.pauses += 1;
            self.pauses_ms = self.pauses_ms.saturating_add(gap_ms as u64);
        }
        let elapsed_ms = time_ms.saturating_sub(self.span_ms);
        if elapsed_ms >= SPAN_MS {
            let is_first = self.span_ms == 0;
            if !is_first {
                self.spans = self.spans.saturating_add((elapsed_ms / SPAN_MS) as u64);
                self.active = self.active.saturating_add(u64::from(self.span_count > 0));
                self.sum = self.sum.saturating_add(self.span_count);
                self.squares = self
                    .squares
                    .saturating_add(self.span_count.saturating_mul(self.span_count));
            }
            self.span_ms = time_ms - time_ms.rem_euclid(SPAN_MS);
            self.span_count = 0;
            // Hours begin with a span, so that looking here is often enough.
            self.hours |= 1 << time_ms.div_euclid(3_600_000).rem_euclid(24);
        }
        self.span_count += times;
    }

    /// The span at hand is another clock's now.
    fn go_on_at(&mut self, time_ms: i64) {
        self.span_ms = time_ms - time_ms.rem_euclid(SPAN_MS);
    }

    /// The events of all spans.
    pub fn events(&self) -> u64 {
        self.sum.saturating_add(self.span_count)
    }

    /// In how many of the day's 24 hours (UTC) there were events.
    pub fn hours(&self) -> u32 {
        self.hours.count_ones()
    }

    /// Of at least three spans with events: the mean of events in 10 s, and the standard deviation relative to it. Pauses count
    /// by themselves: a program that was stopped for a while is as even as before.
    pub fn evenness(&self) -> Option<(f64, f64)> {
        if self.active < 3 || self.sum == 0 {
            return None;
        }
        let n = self.active as f64;
        let mean = self.sum as f64 / n;
        let variance = (self.squares as f64 / n - mean * mean).max(0.0);
        Some((mean, libm::sqrt(variance) / mean))
    }

    /// The share of spans with events.
    pub fn active_share(&self) -> f64 {
        self.active as f64 / self.spans.max(1) as f64
    }

    /// How many pauses of 10 s and more there were, and their mean length in seconds.
    pub fn pauses(&self) -> (u64, f64) {
        (
            self.pauses,
            self.pauses_ms as f64 / 1_000.0 / self.pauses.max(1) as f64,
        )
    }
}

impl Flood {
    /// Takes one more record into the flood's knowledge. One by another clock moves no deadline.
    pub fn note(&mut self, sighting: &Sighting<'_>, is_own: bool) {
        let time_ms = sighting.context.time_ms;
        let times = u64::from(sighting.event.count);
        self.count += times;
        self.start_ms = self.start_ms.min(time_ms);
        self.end_ms = self.end_ms.max(time_ms);
        if is_own && time_ms >= self.last_ms {
            self.pace.add(time_ms, self.last_ms, times);
            self.last_ms = time_ms;
        }
        self.seen.note(sighting);
    }

    /// Goes on by another clock, on which its last event was at `time_ms`.
    pub fn go_on_at(&mut self, time_ms: i64) {
        self.last_ms = time_ms;
        self.next_update_ms = time_ms.saturating_add(self.pause_ms);
        self.pace.go_on_at(time_ms);
    }

    /// Takes a summary: what the server has counted and no record has said. Says how many that are.
    pub fn sum_up(&mut self, sighting: &Sighting<'_>) -> u64 {
        let (event, time_ms) = (sighting.event, sighting.context.time_ms);
        let mut unlogged = u64::from(event.count);
        if event.is_total {
            let total = unlogged;
            // One that is less than the last has begun anew.
            let before = if total >= self.total { self.total } else { 0 };
            let known = self.count.saturating_sub(self.count_at_total);
            unlogged = (total - before).saturating_sub(known);
            self.total = total;
        }
        self.count = self.count.saturating_add(unlogged);
        self.unlogged = self.unlogged.saturating_add(unlogged);
        if event.is_total {
            self.count_at_total = self.count;
        }
        self.end_ms = self.end_ms.max(time_ms);
        self.last_ms = self.last_ms.max(time_ms);
        unlogged
    }

    /// Says whether the record that was noted was held back, with all that it stands for.
    pub fn judge(&mut self, is_held_back: bool, sighting: &Sighting<'_>) {
        let record_bytes = sighting.context.record_bytes;
        self.count_record(is_held_back, u64::from(sighting.event.count), record_bytes);
    }

    /// Counts more records like the last one, not earlier.
    pub fn repeat(&mut self, is_held_back: bool, again: &Again) {
        let times = u64::from(again.times);
        self.count += times;
        self.end_ms = self.end_ms.max(again.time_ms);
        self.pace.add(again.time_ms, self.last_ms, times);
        self.last_ms = again.time_ms;
        if let Some(session) = again.session {
            self.seen.sessions.add(session);
        }
        let bytes = again.record_bytes.saturating_mul(times);
        self.count_record(is_held_back, times, bytes);
    }

    fn count_record(&mut self, is_held_back: bool, times: u64, bytes: u64) {
        if is_held_back {
            self.suppressed += times;
            self.suppressed_bytes = self.suppressed_bytes.saturating_add(bytes);
        } else {
            self.passed += times;
        }
    }

    /// What it has counted.
    pub fn tally(&self) -> Tally {
        Tally {
            count: self.count,
            passed: self.passed,
            suppressed: self.suppressed,
            suppressed_bytes: self.suppressed_bytes,
            unlogged: self.unlogged,
        }
    }

    /// The scope of its events.
    pub fn scope(&self) -> Scope {
        Scope::ALL
            .get(usize::from(self.seen.scope))
            .copied()
            .unwrap_or(Scope::Global)
    }

    /// The time between its earliest and its latest event.
    pub fn duration_ms(&self) -> i64 {
        self.end_ms.saturating_sub(self.start_ms).max(0)
    }

    /// How many seconds of the clock there are from its earliest event's to its latest's. Times in logs are often whole
    /// seconds: from one to the next lie two of them, not one.
    fn seconds(&self) -> u64 {
        let seconds = self.end_ms / 1_000 - self.start_ms / 1_000 + 1;
        seconds.max(1) as u64
    }

    /// Events per second over the flood.
    pub fn mean_rate(&self) -> f64 {
        self.count as f64 / self.seconds() as f64
    }

    /// The events of the busiest second. Those that came out of order are not in `peak`, but no mean is above it.
    pub fn peak_rate(&self) -> u64 {
        u64::from(self.peak).max(self.count.div_ceil(self.seconds()))
    }
}

macro_rules! pass_all {
    ($value:ident, $tape:ident: $($field:ident),+) => {
        $($value.$field.pass($tape);)+
    };
}

impl<'a> Codec<'a> for Pace {
    fn blank() -> Pace {
        Pace::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        pass_all!(self, tape: span_ms, span_count, spans, sum, squares, pauses, pauses_ms, hours);
        if tape.is_earlier() {
            self.active = self.spans;
        } else {
            self.active.pass(tape);
        }
    }
}

impl<'a> Codec<'a> for Flood {
    fn blank() -> Flood {
        Flood::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        pass_all!(self, tape: id, key, opened_ms, start_ms, last_ms, behind_ms, count, passed, suppressed,
            suppressed_bytes, sequence, next_update_ms, pause_ms);
        if tape.is_earlier() {
            // Alerts told no increase then: the next one tells of all.
            u64::blank().pass(tape);
        } else {
            self.told.pass(tape);
        }
        pass_all!(self, tape: peak, seen, pace, sample, end_ms, leaps, unlogged, total, count_at_total);
        // Pauses that never end, or updates since ages ago, would be walked through one by one.
        let last_ms = self.last_ms.saturating_sub(UPDATE_BEFORE_MAX_MS);
        tape.judge(self.pause_ms > 0 && self.next_update_ms >= last_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn no_mean_is_above_the_busiest_second() {
        // 50 in each of 6 seconds, as logs tell their times; the same four times over, which is not in order; two on
        // either side of a second; and what only a damaged state holds.
        for (start_ms, end_ms, count, peak, rates) in [
            (1_000, 6_000, 300, 50, (50.0, 50)),
            (1_000, 6_000, 1_200, 50, (200.0, 200)),
            (1_999, 2_001, 2, 1, (1.0, 1)),
            (1_000, 3_999, 100, 90, (100.0 / 3.0, 90)),
            (i64::MAX, i64::MIN, 7, 1, (7.0, 7)),
        ] {
            let flood = Flood {
                start_ms,
                end_ms,
                count,
                peak,
                ..Flood::default()
            };
            assert_eq!((flood.mean_rate(), flood.peak_rate()), rates);
        }
    }

    fn is_read(mut flood: Flood) -> bool {
        let mut tape = Tape::after(Vec::new());
        flood.pass(&mut tape);
        let written = tape.into_written();
        let mut tape = Tape::of(&written);
        Flood::blank().pass(&mut tape);
        tape.is_read_well()
    }

    #[test]
    fn one_whose_updates_would_never_end_is_refused() {
        let last_ms = 1_700_000_000_000;
        let flood = |pause_ms, next_update_ms| Flood {
            last_ms,
            pause_ms,
            next_update_ms,
            ..Flood::default()
        };
        assert!(is_read(flood(1_000, last_ms + 1)));
        assert!(is_read(flood(1_000, last_ms - 3_600_000)));
        assert!(!is_read(flood(0, last_ms + 1)));
        assert!(!is_read(flood(-1_000, last_ms + 1)));
        assert!(!is_read(flood(1_000, 0)));
        assert!(!is_read(flood(1_000, i64::MIN)));
    }
}
