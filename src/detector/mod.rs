//! Opens and ends the floods of one key under one rule: every transition that time or an event causes is in this file.
//!
//! ```text
//!             threshold (and distinct) reached: start
//!   counting ────────────────────────────────────────► open ─┐ update_every × 1, 3, 7 …: ongoing
//!      ▲                                                │ ▲   │
//!      └────────────────────────────────────────────────┘ └───┘
//!         quiet, evicted, reconfigured, end of input: end
//! ```
//!
//! The rules (docs/contract.md §4):
//! 1. **Advance, then apply.** Before an event is applied, all that was due by its time is fired
//!    ([`KeyState::step`]). So it does not matter when a timer or tick happened to arrive.
//! 2. **Another time.** A key has two windows, and an event feeds those that it is *near*; near none it begins the one
//!    fed less recently anew. So one wrong clock moves no event out of its window. An event is judged by its own time.
//! 3. A flood **opens** when a window holds `threshold` events (and `distinct.at_least` values). The events in its slots
//!    are the flood's first ones; only the crossing one is held back.
//! 4. While it is open, an event less than `quiet` from its last is **its own**; an *earlier* one counts, too, and once as
//!    many came as open a flood, the flood goes on at their time; a *later* one passes, and ends nothing, until a second
//!    time (or `threshold` records) says the same.
//! 5. It **ends** `quiet` after its last event; an event at exactly that time starts afresh.
//! 6. **Ongoing** is said at `update_every` × 1, 3, 7 … after opening, the pause doubling up to
//!    `update_max`, and only if events came since the last alert.
//!
//! # How to drive it
//! For each event: call [`KeyState::step`] with [`KeyState::reach_ms`] of the event until it returns `None`, then
//! [`KeyState::apply`]. For each timer: `step` with the timer's time. [`KeyState::deadline_ms`] is when it
//! wants to be called again; calling early costs nothing, calling late changes nothing but when an alert is seen.

mod again;
pub mod cause;
pub mod distinct;
mod fields;
pub mod flood;
mod key;
mod key_stats;
pub mod seen;
mod timeline;
pub mod window;

pub use again::{Again, Repeatable};
pub use fields::{FieldHasher, FieldHashes};

use alloc::boxed::Box;
use alloc::string::String;

use crate::config::{Policy, Rule};
use crate::event::{Context, Event};
use crate::hash::Hash;
use crate::redact::Redactor;
use crate::tally::Tally;
use crate::text::clipped;
use flood::{Flood, MAX_SAMPLE_BYTES, Pace};
use maxconn_records::codec::{Codec, Tape};
use seen::Seen;
use timeline::Timelines;
use window::Span;

const HASH_FLOOD: u8 = 8;

/// One event together with all that the detector wants to know of it.
pub struct Sighting<'a> {
    /// What was said.
    pub event: &'a Event<'a>,
    /// When and where.
    pub context: &'a Context<'a>,
    /// The hashes of its fields.
    pub hashes: &'a FieldHashes,
    /// If set, user names are kept as hashes only.
    pub redactor: Option<&'a Redactor>,
}

/// A transition of a flood that the world is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It opened.
    Start,
    /// It goes on.
    Ongoing,
    /// It is over.
    End(EndReason),
}

/// Why a flood ended: the values of `maxconn.flood.end_reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// No event for `quiet`.
    Quiet,
    /// It was the quietest when there were too many.
    Evicted,
    /// Its rule is gone or has another key.
    Reconfigured,
    /// The input is over.
    EndOfInput,
    /// The plugin stops and keeps no state.
    Shutdown,
}

impl EndReason {
    /// The value in documents.
    pub fn name(self) -> &'static str {
        match self {
            EndReason::Quiet => "quiet",
            EndReason::Evicted => "evicted",
            EndReason::Reconfigured => "reconfigured",
            EndReason::EndOfInput => "end_of_input",
            EndReason::Shutdown => "shutdown",
        }
    }
}

/// What a rule says of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Whether the open flood holds the event back.
    pub is_held_back: bool,
    /// Whether the event makes a flood, which [`KeyState::open`] opens; one that may not open now opens later.
    pub is_crossing: bool,
    /// Whether the open flood counts it.
    pub is_counted: bool,
    /// Whether it was late.
    pub is_late: bool,
    /// Whether the flood's deadline may be earlier now.
    pub is_rearmed: bool,
}

/// What one key under one rule knows: a plain value that can be moved and stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    windows: Timelines,
    flood: Option<Box<Flood>>,
}

/// The time that is a duration of the configuration after another one. Times end with the year 9999 and durations with a week,
/// so that the sum of no two is too large; of what a made-up state holds it may wrap around.
pub fn after(time_ms: i64, duration_ms: i64) -> i64 {
    time_ms.wrapping_add(duration_ms)
}

fn span_of(rule: &Rule, lateness_ms: i64) -> Span {
    Span {
        within_ms: rule.within_ms,
        lateness_ms,
    }
}

impl KeyState {
    /// The open flood.
    pub fn flood(&self) -> Option<&Flood> {
        self.flood.as_deref()
    }

    /// Events in the window that ends at `time_ms`, per second.
    pub fn current_rate(&self, rule: &Rule, time_ms: i64) -> f64 {
        f64::from(self.windows.first.window.total_at(time_ms, rule.within_ms)) * 1_000.0
            / rule.within_ms.max(1) as f64
    }

    /// Forgets what names users in its flood.
    pub fn forget_users(&mut self) {
        if let Some(flood) = &mut self.flood {
            flood.forget_users();
        }
    }

    /// When this key wants to be stepped again.
    pub fn deadline_ms(&self, rule: &Rule) -> Option<i64> {
        let flood = self.flood.as_deref()?;
        Some(
            flood
                .next_update_ms
                .min(after(flood.last_ms, rule.quiet_ms)),
        )
    }

    /// When other keys' events and ticks, which tell a time of their own, step this key: later than its own
    /// deadline by as much as its last event was behind them. A server whose clock is wrong or a file that is read late
    /// would make a flood start and end at every few events otherwise. `floor_ms` is what their time was at least.
    pub fn due_ms(&self, rule: &Rule, floor_ms: i64) -> Option<i64> {
        let deadline_ms = self.deadline_ms(rule)?;
        Some(deadline_ms.saturating_add(self.behind_ms(floor_ms)))
    }

    /// From when on a key without a flood says no more than a new one, whatever comes in order: `None` while a flood is open,
    /// and for one that is new.
    pub fn expiry_ms(&self, rule: &Rule, lateness_ms: i64) -> Option<i64> {
        if self.flood.is_some() {
            return None;
        }
        let newest_ms = self.windows.newest_ms()?;
        Some(after(newest_ms, rule.within_ms + lateness_ms + 1))
    }

    /// How far the open flood's last event was behind their time.
    pub fn behind_ms(&self, floor_ms: i64) -> i64 {
        self.flood.as_deref().map_or(0, |flood| {
            flood.behind_ms.max(floor_ms.saturating_sub(flood.last_ms))
        })
    }

    /// Says what the watermark was at an event that the flood counted, and how often it had leapt. Whether the flood was
    /// behind: it may have caught up, and is due earlier then.
    pub fn seen_at(&mut self, watermark_ms: i64, leaps: u32) -> bool {
        let Some(flood) = self.flood.as_deref_mut() else {
            return false;
        };
        let was_behind = flood.behind_ms > 0;
        flood.behind_ms = watermark_ms.saturating_sub(flood.last_ms).max(0);
        flood.leaps = leaps;
        was_behind
    }

    /// The watermark went back: the flood is quiet once `quiet` has gone by from there, too. Otherwise floods that were
    /// seen while the time was wrong would stay open until it came.
    pub fn set_back(&mut self, watermark_ms: i64) {
        if let Some(flood) = self.flood.as_deref_mut() {
            let behind_ms = watermark_ms.saturating_sub(flood.last_ms);
            flood.behind_ms = flood.behind_ms.min(behind_ms);
        }
    }

    /// Up to when a record of that time, which stands for so many events, steps this key. One that is `quiet` or more after the
    /// flood's last is believed on the word of another one, or if it stands for as many as open a flood.
    pub fn reach_ms(&self, rule: &Rule, time_ms: i64, times: u32) -> i64 {
        let Some(flood) = self.flood.as_deref() else {
            return time_ms;
        };
        let over_ms = after(flood.last_ms, rule.quiet_ms);
        let is_believed = time_ms < over_ms
            || rule.threshold <= times
            || self.windows.is_over(rule, over_ms, time_ms, times);
        if is_believed { time_ms } else { i64::MIN }
    }

    /// Fires the first thing that is due at `up_to_ms` or before: the transition and its time. `None` when
    /// nothing more is due. After [`Transition::End`] call [`KeyState::close`].
    pub fn step(&mut self, rule: &Rule, up_to_ms: i64) -> Option<(Transition, i64)> {
        loop {
            let flood = self.flood.as_deref_mut()?;
            let quiet_ms = after(flood.last_ms, rule.quiet_ms);
            if quiet_ms <= flood.next_update_ms {
                return (quiet_ms <= up_to_ms)
                    .then_some((Transition::End(EndReason::Quiet), quiet_ms));
            }
            let update_ms = flood.next_update_ms;
            if update_ms > up_to_ms {
                return None;
            }
            flood.pause_ms = flood.pause_ms.saturating_mul(2).min(rule.update_max_ms);
            flood.next_update_ms = update_ms.saturating_add(flood.pause_ms);
            if flood.count > flood.told.count {
                return Some((Transition::Ongoing, update_ms));
            }
        }
    }

    /// The number of the alert that is about to be made, what came since the last one, and the flood it is about. Called
    /// once for every transition, also where the alert then gives way at a limit: the gap in the sequence says so.
    pub fn tell(&mut self) -> Option<(u32, Tally, &Flood)> {
        let flood = self.flood.as_deref_mut()?;
        let sequence = flood.sequence;
        flood.sequence = sequence.saturating_add(1);
        let now = flood.tally();
        let increase = now.since(&flood.told);
        flood.told = now;
        Some((sequence, increase, flood))
    }

    /// Closes the flood, after its end was told. Its events do not count again; what it did not count does.
    pub fn close(&mut self) {
        self.flood = None;
        self.windows.close();
    }

    /// Counts an event, after all that was due by its time has been fired.
    pub fn apply(&mut self, rule: &Rule, lateness_ms: i64, sighting: &Sighting<'_>) -> Applied {
        let time_ms = sighting.context.time_ms;
        let span = span_of(rule, lateness_ms);
        let is_late = time_ms < after(self.windows.first.window.newest_ms(), -lateness_ms);
        let mut applied = Applied {
            is_held_back: false,
            is_crossing: false,
            is_counted: false,
            is_late,
            is_rearmed: false,
        };
        let Some(flood) = self.flood.as_deref_mut() else {
            applied.is_crossing = self.windows.feed(rule, span, sighting);
            return applied;
        };
        if time_ms >= after(flood.last_ms, rule.quiet_ms) {
            self.windows.feed_second(rule, span, sighting, false);
            return applied;
        }
        let is_own = time_ms >= after(flood.last_ms, -rule.quiet_ms);
        flood.note(sighting, is_own);
        if is_own {
            self.windows.first.feed(span, time_ms, sighting.event.count);
            flood.peak = flood.peak.max(self.windows.first.stats.count);
            self.windows.second = None;
        }
        applied.is_counted = true;
        applied.is_held_back = match rule.policy {
            Policy::Pass => false,
            Policy::Suppress => true,
            // A record goes on if one of its refusals is to be seen.
            Policy::Sample => {
                (flood.count - 1) % u64::from(rule.sample_every.max(1))
                    >= u64::from(sighting.event.count)
            }
        };
        flood.judge(applied.is_held_back, sighting);
        if !is_own
            && self.windows.feed_second(rule, span, sighting, true)
            && let (Some(flood), Some(second)) = (&mut self.flood, self.windows.second.take())
        {
            self.windows.first = second.timeline;
            flood.go_on_at(time_ms);
            applied.is_rearmed = true;
        }
        applied
    }

    /// Adds what the server itself has counted to the flood that is open at its time, if one is; in the place of
    /// [`KeyState::apply`]. How many that are; the record goes on, for there are few.
    #[cold]
    #[inline(never)]
    pub fn sum_up(&mut self, rule: &Rule, sighting: &Sighting<'_>) -> Option<u64> {
        let time_ms = sighting.context.time_ms;
        let flood = self.flood.as_deref_mut()?;
        let from_ms = after(flood.last_ms, -rule.quiet_ms);
        let is_own = (from_ms..after(flood.last_ms, rule.quiet_ms)).contains(&time_ms);
        is_own.then(|| flood.sum_up(sighting))
    }

    /// How many more events that are in nothing different from the last one, which was at `time_ms`, but for their time
    /// would change nothing but numbers. Logs are full of them: the same line, fifty times a second.
    pub fn repeatable(&self, rule: &Rule, lateness_ms: i64, time_ms: i64) -> Repeatable {
        let first = &self.windows.first;
        let second_ms = self
            .windows
            .second_from_ms(span_of(rule, lateness_ms), time_ms);
        if time_ms != first.window.newest_ms() || second_ms <= time_ms {
            return Repeatable::NONE;
        }
        let times = match self.flood.as_deref() {
            Some(flood) if flood.last_ms != time_ms || rule.policy == Policy::Sample => 0,
            Some(_) => u32::MAX,
            None if !first.is_distinct(rule, first.window.newest_number()) => u32::MAX,
            None => rule
                .threshold
                .saturating_sub(first.window.total().saturating_add(1)),
        };
        let mut before_ms = first.window.end_ms().min(second_ms);
        if let Some(deadline_ms) = self.deadline_ms(rule) {
            before_ms = before_ms.min(deadline_ms);
        }
        // A flood that is behind catches up with every event.
        if self.behind_ms(i64::MIN) > 0 {
            before_ms = i64::MIN;
        }
        Repeatable { times, before_ms }
    }

    /// Counts them.
    pub fn repeat(&mut self, rule: &Rule, lateness_ms: i64, again: &Again) {
        let span = span_of(rule, lateness_ms);
        let first = &mut self.windows.first;
        first.feed(span, again.time_ms, again.times);
        if let Some(flood) = self.flood.as_deref_mut() {
            flood.peak = flood.peak.max(first.stats.count);
            flood.repeat(rule.policy == Policy::Suppress, again);
        }
    }

    /// Opens a flood with a crossing event, in the first window. A second one stays where the event did not feed it.
    pub fn open(&mut self, rule: &Rule, lateness_ms: i64, sighting: &Sighting<'_>) {
        let time_ms = sighting.context.time_ms;
        let span = span_of(rule, lateness_ms);
        if self.windows.is_second_near(span, time_ms) {
            self.windows.second = None;
        }
        let (events, start_ms, slots) = self.windows.first.opening(rule, span, time_ms);
        let key = key::text(rule, sighting);
        let stats = &self.windows.first.stats;
        // The busiest second before the opening counts only if it belongs to the flood.
        let peak = if after(stats.peak_start_ms(), 1_000) > start_ms {
            stats.peak
        } else {
            stats.count
        };
        let before = u64::from(events.saturating_sub(sighting.event.count));
        let message = sighting.context.text();
        let sample = match (sighting.redactor, sighting.event.user) {
            (Some(redactor), Some(user)) => redactor.redact_message(message, user),
            _ => String::from(message),
        };
        let id = Hash::new(HASH_FLOOD)
            .part(rule.name.as_bytes())
            .part(key.as_bytes())
            .part(sighting.context.host.unwrap_or("").as_bytes())
            .number(time_ms as u64)
            .part(message.as_bytes())
            .finish();
        let id = sighting.redactor.map_or(id, |redactor| redactor.id(id));
        let last_ms = self.windows.first.last_ms(span, time_ms);
        let mut flood = Flood {
            id,
            key,
            opened_ms: time_ms,
            start_ms,
            end_ms: last_ms,
            last_ms,
            behind_ms: 0,
            leaps: 0,
            count: before,
            passed: before,
            suppressed: 0,
            suppressed_bytes: 0,
            unlogged: 0,
            total: 0,
            count_at_total: 0,
            sequence: 0,
            next_update_ms: after(time_ms, rule.update_every_ms),
            pause_ms: rule.update_every_ms,
            told: Tally::default(),
            peak,
            seen: Seen::new(sighting),
            pace: Pace::default(),
            sample: clipped(&sample, MAX_SAMPLE_BYTES),
        };
        if before > 0 {
            flood
                .seen
                .began_earlier(rule, sighting, self.windows.first.stats.is_one_host());
        }
        if let Some(distinct) = rule.distinct {
            let hashes = self.windows.first.recent.hashes(slots[0], slots[1]);
            flood.seen.recall(distinct, hashes);
        }
        flood.note(sighting, true);
        flood.judge(rule.policy != Policy::Pass, sighting);
        self.flood = Some(Box::new(flood));
    }

    /// Forgets the windows, for a rule whose window is another one now. An open flood goes on.
    pub fn forget_window(&mut self) {
        self.windows = Timelines::default();
    }
}

impl<'a> Codec<'a> for KeyState {
    fn blank() -> KeyState {
        KeyState::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.windows.first.pass(tape);
        self.flood.pass(tape);
        self.windows.second.pass(tape);
    }
}
