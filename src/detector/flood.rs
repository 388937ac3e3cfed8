//! What is known of an open flood: totals, rates, who was seen, and how the events are spread in time.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Sighting;
use super::distinct::Sketch;
use crate::config::{Distinct, KeyField, Rule};
use crate::event::Scope;
use crate::hash::quick64;
use crate::text::clipped;
use maxconn_records::bytes::equal;
use maxconn_records::codec;
use maxconn_records::codec::{Codec, Tape, variant};

/// How many different users, addresses and hosts of a flood are named.
pub const MAX_NAMED: usize = 10;
/// How many bytes of the first message are kept as the sample.
pub const MAX_SAMPLE_BYTES: usize = 1_024;
/// How far before its last event a flood's next update may lie, in ms: no allowed lateness is as long.
const UPDATE_BEFORE_MAX_MS: i64 = 24 * 3_600 * 1_000;
/// How many bytes of a name (user, host, service …) are kept.
pub const MAX_NAME_BYTES: usize = 255;

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
    /// The events, exactly; so many of them passed by this rule, and so many were held back.
    pub count: u64,
    /// Of them: passed by this rule.
    pub passed: u64,
    /// Of them: held back by this rule.
    pub suppressed: u64,
    /// The bytes of the records that this rule held back.
    pub suppressed_bytes: u64,
    /// The number of the next alert.
    pub sequence: u32,
    /// When to say that it goes on.
    pub next_update_ms: i64,
    /// The pause that led there.
    pub pause_ms: i64,
    /// `count` when the last alert was made.
    pub told: u64,
    /// The busiest second, as far as events came in order.
    pub peak: u32,
    /// Who and what was seen.
    pub seen: Seen,
    /// How the events are spread in time.
    pub pace: Pace,
    /// The crossing message, clipped.
    pub sample: String,
}

/// The values that were seen in a flood; strings are as they go into documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Users (or their hashes under redaction).
    pub users: Named<String>,
    /// Client addresses.
    pub ips: Named<IpAddr>,
    /// Hosts that logged.
    pub hosts: Named<String>,
    /// Session ids.
    pub sessions: Sketch,
    /// Whether there may be more, seen before the flood opened.
    sessions_before: bool,
    /// The module, the limit's name and its scope, as the crossing event has them.
    pub module: String,
    /// The limit's name.
    pub limit: String,
    /// The number of its scope.
    pub scope: u8,
    /// The limit's value in the last event that has one.
    pub limit_value: Option<u64>,
    /// The services, while there is one only.
    pub service: Same<String>,
    /// The server addresses, while there is one only.
    pub destination: Same<IpAddr>,
    /// Whether every event came from the server's own address.
    pub all_local: bool,
}

/// A bounded list of values beside the count of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// The first [`MAX_NAMED`] values, each with its hash.
    first: Vec<(u64, T)>,
    /// The hash of the value seen last, so that a flood of one value costs one comparison.
    last: u64,
    /// How many there are.
    pub sketch: Sketch,
    /// Whether there may be more, seen before the flood opened.
    is_floor: bool,
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named {
            first: Vec::new(),
            last: 0,
            sketch: Sketch::default(),
            is_floor: false,
        }
    }
}

impl Flood {
    /// Forgets what names users, or may: it was kept in another form than documents have it now.
    pub fn forget_users(&mut self) {
        self.key.clear();
        self.sample.clear();
        self.seen.users.first.clear();
    }
}

impl<T> Named<T> {
    fn add(&mut self, hash: u64, make: impl FnOnce() -> T) {
        if self.last == hash && !self.first.is_empty() {
            return;
        }
        self.last = hash;
        self.sketch.add(hash);
        if self.first.len() < MAX_NAMED && !self.first.iter().any(|(named, _)| *named == hash) {
            self.first.push((hash, make()));
        }
    }

    /// How many there are, and whether that is exact.
    pub fn count(&self) -> (u64, bool) {
        let (count, is_exact) = self.sketch.count();
        (count, is_exact && !self.is_floor)
    }

    /// Counts values that were seen before, of which no more than `limit` are known.
    fn recall(&mut self, hashes: impl Iterator<Item = u64>, limit: usize) {
        let mut known = 0;
        hashes.take(limit).for_each(|hash| {
            self.sketch.add(hash);
            known += 1;
        });
        self.is_floor = known >= limit;
    }

    /// The first values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + Clone {
        self.first.iter().map(|(_, value)| value)
    }

    /// The value, if there was exactly one.
    pub fn only(&self) -> Option<&T> {
        match self.first.as_slice() {
            [(_, value)] if self.count() == (1, true) => Some(value),
            _ => None,
        }
    }
}

/// A value as long as it is the same for all events that have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Same<T> {
    /// No event had one.
    #[default]
    None,
    /// All events that had one had this.
    One(T),
    /// Different ones were seen.
    Many,
}

impl<T> Same<T> {
    fn add(&mut self, is_same: impl FnOnce(&T) -> bool, make: impl FnOnce() -> T) {
        match self {
            Same::None => *self = Same::One(make()),
            Same::One(value) if !is_same(value) => *self = Same::Many,
            Same::One(_) | Same::Many => {}
        }
    }

    /// The value, if there is one only.
    pub fn one(&self) -> Option<&T> {
        match self {
            Same::One(value) => Some(value),
            Same::None | Same::Many => None,
        }
    }
}

/// Pauses of this length separate bursts.
const BURST_PAUSE_MS: i64 = 10_000;
/// The evenness of a flood is judged by counts of events in spans of this length.
const SPAN_MS: i64 = 10_000;

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
    /// Bursts that followed a pause, and the sum of these pauses.
    pauses: u64,
    pauses_ms: u64,
    /// The hours of the day (UTC) with events, as bits.
    hours: u32,
}

impl Pace {
    fn add(&mut self, time_ms: i64, last_ms: i64) {
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
        self.span_count += 1;
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

    /// Of at least three spans: the mean of events in 10 s, and the standard deviation relative to it.
    pub fn evenness(&self) -> Option<(f64, f64)> {
        if self.spans < 3 || self.sum == 0 {
            return None;
        }
        let n = self.spans as f64;
        let mean = self.sum as f64 / n;
        let variance = (self.squares as f64 / n - mean * mean).max(0.0);
        Some((mean, libm::sqrt(variance) / mean))
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
    /// Takes one more event into the flood's knowledge. One by another clock moves no deadline.
    pub fn note(&mut self, sighting: &Sighting<'_>, is_own: bool) {
        let time_ms = sighting.context.time_ms;
        self.count += 1;
        self.start_ms = self.start_ms.min(time_ms);
        self.end_ms = self.end_ms.max(time_ms);
        if is_own && time_ms >= self.last_ms {
            self.pace.add(time_ms, self.last_ms);
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

    /// Counts more events like the last one, at its time.
    pub fn repeat(&mut self, times: u64) {
        self.count += times;
        self.pace.span_count += times;
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

impl Seen {
    /// What is known from the crossing event.
    pub fn new(sighting: &Sighting<'_>) -> Seen {
        let event = sighting.event;
        Seen {
            module: clipped(event.module, MAX_NAME_BYTES),
            limit: clipped(event.limit, MAX_NAME_BYTES),
            scope: event.scope as u8,
            all_local: true,
            ..Seen::default()
        }
    }

    /// Says that there were events before the crossing one, whose values are not kept: what the rule's key holds was
    /// the same in all of them, of the rest there may have been more than will be counted.
    pub fn began_earlier(&mut self, rule: &Rule, sighting: &Sighting<'_>, is_one_host: bool) {
        let may_differ =
            |field: KeyField| !rule.key.contains(&field) && sighting.hashes.get(field).is_some();
        self.users.is_floor = may_differ(KeyField::User);
        self.ips.is_floor = may_differ(KeyField::Ip);
        self.hosts.is_floor = may_differ(KeyField::Host) && !is_one_host;
        self.sessions_before = true;
    }

    /// How many sessions there were, and whether that is exact.
    pub fn session_count(&self) -> (u64, bool) {
        let (count, is_exact) = self.sessions.count();
        (count, is_exact && (count == 0 || !self.sessions_before))
    }

    /// Counts the values of the rule's `distinct` field that were seen before the flood opened. Their names
    /// are not known any more, and of their number only that it is `at_least` or more.
    pub fn recall(&mut self, distinct: Distinct, hashes: impl Iterator<Item = u64>) {
        let limit = usize::from(distinct.at_least);
        match distinct.field {
            KeyField::User => self.users.recall(hashes, limit),
            KeyField::Ip => self.ips.recall(hashes, limit),
            KeyField::Host => self.hosts.recall(hashes, limit),
            KeyField::Net | KeyField::Service | KeyField::Limit => {}
        }
    }

    fn note(&mut self, sighting: &Sighting<'_>) {
        let (event, hashes) = (sighting.event, sighting.hashes);
        if let (Some(user), Some(hash)) = (event.user, hashes.user) {
            self.users.add(hash as u64, || match sighting.redactor {
                Some(redactor) => redactor.hash(user),
                None => clipped(user, MAX_NAME_BYTES),
            });
        }
        if let (Some(source), Some(hash)) = (&event.source, hashes.ip) {
            self.ips.add(hash as u64, || source.ip);
        }
        if let (Some(host), Some(hash)) = (sighting.context.host, hashes.host) {
            self.hosts
                .add(hash as u64, || clipped(host, MAX_NAME_BYTES));
        }
        if let Some(session) = event.session {
            self.sessions.add(quick64(session.as_bytes()));
        }
        if let Some(service) = event.service {
            self.service.add(
                |same| equal(same.as_bytes(), clip(service).as_bytes()),
                || clipped(service, MAX_NAME_BYTES),
            );
        }
        if let Some(destination) = &event.destination {
            self.destination
                .add(|same| *same == destination.ip, || destination.ip);
        }
        self.limit_value = event.limit_value.or(self.limit_value);
        self.all_local &= event.is_local();
    }
}

fn clip(name: &str) -> &str {
    crate::text::clip(name, MAX_NAME_BYTES)
}

codec!(Seen: users, ips, hosts, sessions, sessions_before, module, limit, scope, limit_value, service, destination, all_local);
codec!(Pace: span_ms, span_count, spans, sum, squares, pauses, pauses_ms, hours);

macro_rules! pass_all {
    ($value:ident, $tape:ident: $($field:ident),+) => {
        $($value.$field.pass($tape);)+
    };
}

impl<'a> Codec<'a> for Flood {
    fn blank() -> Flood {
        Flood::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        pass_all!(self, tape: id, key, opened_ms, start_ms, last_ms, behind_ms, count, passed, suppressed,
            suppressed_bytes, sequence, next_update_ms, pause_ms, told, peak, seen, pace, sample);
        if tape.is_earlier() {
            self.end_ms = self.last_ms;
        } else {
            self.end_ms.pass(tape);
            self.leaps.pass(tape);
        }
        // Pauses that never end, or updates since ages ago, would be walked through one by one.
        let last_ms = self.last_ms.saturating_sub(UPDATE_BEFORE_MAX_MS);
        tape.judge(self.pause_ms > 0 && self.next_update_ms >= last_ms);
    }
}

impl<'a, T: Codec<'a>> Codec<'a> for Named<T> {
    fn blank() -> Named<T> {
        Named::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.first.pass(tape);
        self.last.pass(tape);
        self.sketch.pass(tape);
        self.is_floor.pass(tape);
    }
}

impl<'a, T: Codec<'a>> Codec<'a> for Same<T> {
    fn blank() -> Same<T> {
        Same::None
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        let number = match self {
            Same::None => 0,
            Same::One(_) => 1,
            Same::Many => 2,
        };
        match variant(tape, number, 2) {
            0 => *self = Same::None,
            1 => {
                if !matches!(self, Same::One(_)) {
                    *self = Same::One(T::blank());
                }
                if let Same::One(value) = self {
                    value.pass(tape);
                }
            }
            _ => *self = Same::Many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
