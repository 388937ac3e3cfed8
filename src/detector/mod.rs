//! One key under one rule: every transition of a flood is in this file.
//!
//! ```text
//!             threshold (and distinct) reached: start
//!   counting ────────────────────────────────────────► open ─┐ update_every × 1, 3, 7 …: ongoing
//!      ▲                                                │ ▲   │
//!      └────────────────────────────────────────────────┘ └───┘
//!         quiet, evicted, reconfigured, end of input: end
//! ```
//!
//! The rules (contract.md §4):
//! 1. **Advance, then apply.** Before an event is applied, all that was due by its time is fired
//!    ([`KeyState::step`]). So it does not matter when a timer or tick happened to arrive.
//! 2. An event is **late** when it is older than the key's newest event − `allowed_lateness`. A late event
//!    counts if the flood is open; otherwise it feeds no window.
//! 3. A flood **opens** when the window's slots hold `threshold` events (and `distinct.at_least` values). The
//!    events in the slots are its first ones; only the crossing one is held back.
//! 4. It **ends** `quiet` after its last event; an event at exactly that time starts afresh.
//! 5. **Ongoing** is said at `update_every` × 1, 3, 7 … after opening, the pause doubling up to
//!    `update_max`, and only if events came since the last alert.
//!
//! # How to drive it
//! For each event: call [`KeyState::step`] with the event's time until it returns `None`, then
//! [`KeyState::apply`]. For each timer: `step` with the timer's time. [`KeyState::deadline_ms`] is when it
//! wants to be called again; calling early costs nothing, calling late changes nothing but when an alert is seen.

pub mod cause;
pub mod distinct;
mod fields;
pub mod flood;
mod traits;
pub mod window;

pub use fields::{FieldHasher, FieldHashes};

use alloc::boxed::Box;
use alloc::string::String;

use crate::alert::ip_text;
use crate::config::{KeyField, Policy, Rule};
use crate::event::{Context, Event};
use crate::hash::Hash;
use crate::redact::Redactor;
use distinct::RecentValues;
use fields::network_of;
use flood::{Flood, MAX_SAMPLE_BYTES, Pace, Seen};
use maxconn_records::stored;
use traits::Traits;
use window::Window;

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
    /// Whether this rule holds the event back.
    pub is_held_back: bool,
    /// Whether the event opened the flood.
    pub is_crossing: bool,
    /// Whether it was late.
    pub is_late: bool,
    /// Whether it would have opened the flood, had that been allowed.
    pub is_refused: bool,
}

/// What one key under one rule knows: a plain value that can be moved and stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    newest_ms: i64,
    window: Window,
    recent: RecentValues,
    traits: Traits,
    flood: Option<Box<Flood>>,
}

impl KeyState {
    /// The open flood.
    pub fn flood(&self) -> Option<&Flood> {
        self.flood.as_deref()
    }

    /// Events in the window that ends at `time_ms`, per second.
    pub fn current_rate(&self, rule: &Rule, time_ms: i64) -> f64 {
        f64::from(self.window.total_at(time_ms, rule.within_ms)) * 1_000.0
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
                .min(flood.last_ms.saturating_add(rule.quiet_ms)),
        )
    }

    /// When other keys' events and ticks, which tell a time of their own, step this key: later than its own
    /// deadline by as much as its events are behind them. A server whose clock is wrong, a file that is read late or
    /// one event from the future would make a flood start and end at every few events otherwise.
    pub fn due_ms(&self, rule: &Rule) -> Option<i64> {
        let deadline_ms = self.deadline_ms(rule)?;
        Some(deadline_ms.saturating_add(self.behind_ms()))
    }

    /// How far the open flood's events were behind the watermark at most.
    pub fn behind_ms(&self) -> i64 {
        self.flood.as_deref().map_or(0, |flood| flood.behind_ms)
    }

    /// Says what the watermark is now that an event was applied.
    pub fn seen_at(&mut self, watermark_ms: i64) {
        if let Some(flood) = self.flood.as_deref_mut() {
            let behind_ms = watermark_ms.saturating_sub(flood.last_ms);
            flood.behind_ms = flood.behind_ms.max(behind_ms);
        }
    }

    /// Fires the first thing that is due at `up_to_ms` or before: the transition and its time. `None` when
    /// nothing more is due. On [`Transition::End`] the flood is returned by [`KeyState::take_ended`].
    pub fn step(&mut self, rule: &Rule, up_to_ms: i64) -> Option<(Transition, i64)> {
        loop {
            let flood = self.flood.as_deref_mut()?;
            let quiet_ms = flood.last_ms.saturating_add(rule.quiet_ms);
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
            if flood.count > flood.told {
                return Some((Transition::Ongoing, update_ms));
            }
        }
    }

    /// The number of the alert that is about to be made, and the flood it is about. Called once for every
    /// transition, also where the alert is then dropped at a limit: the gap in the sequence says so.
    pub fn tell(&mut self) -> Option<(u32, &Flood)> {
        let flood = self.flood.as_deref_mut()?;
        let sequence = flood.sequence;
        flood.sequence = sequence.saturating_add(1);
        flood.told = flood.count;
        Some((sequence, flood))
    }

    /// Closes the flood, after its end was told. Its events do not count again.
    pub fn close(&mut self) {
        self.flood = None;
        self.window.clear();
        self.recent.clear();
        self.traits = Traits::default();
    }

    /// Counts an event, after all that was due by its time has been fired. Where a flood may not open now,
    /// it opens with a later event.
    pub fn apply(
        &mut self,
        rule: &Rule,
        lateness_ms: i64,
        sighting: &Sighting<'_>,
        may_open: bool,
    ) -> Applied {
        let time_ms = sighting.context.time_ms;
        let is_late = time_ms < self.newest_ms.saturating_sub(lateness_ms);
        if !is_late {
            self.newest_ms = self.newest_ms.max(time_ms);
            self.window.add(time_ms, rule.within_ms);
            self.traits.add(time_ms, 1);
        }
        if let Some(flood) = self.flood.as_deref_mut() {
            flood.note(sighting, is_late);
            flood.peak = flood.peak.max(self.traits.count);
            let is_held_back = match rule.policy {
                Policy::Pass => false,
                Policy::Suppress => true,
                Policy::Sample => {
                    !(flood.count - 1).is_multiple_of(u64::from(rule.sample_every.max(1)))
                }
            };
            flood.judge(is_held_back, 1, sighting.context.record_bytes);
            return Applied {
                is_held_back,
                is_crossing: false,
                is_late,
                is_refused: false,
            };
        }
        self.traits.add_host(sighting.hashes.host);
        let is_reached = !is_late && self.is_reached(rule, sighting);
        if !is_reached || !may_open {
            return Applied {
                is_held_back: false,
                is_crossing: false,
                is_late,
                is_refused: is_reached,
            };
        }
        let is_held_back = rule.policy != Policy::Pass;
        self.open(rule, sighting, is_held_back);
        Applied {
            is_held_back,
            is_crossing: true,
            is_late,
            is_refused: false,
        }
    }

    /// How many more events that are in nothing different from the last one, time included, would change
    /// nothing but numbers. Old logs are full of them: the same line, fifty times a second.
    pub fn repeatable(&self, rule: &Rule, time_ms: i64) -> u32 {
        match self.flood.as_deref() {
            _ if time_ms != self.newest_ms => 0,
            Some(flood) if flood.last_ms != time_ms || rule.policy == Policy::Sample => 0,
            Some(_) => u32::MAX,
            None if !self.is_distinct_enough(rule, time_ms) => u32::MAX,
            None => rule.threshold.saturating_sub(self.window.total() + 1),
        }
    }

    /// Counts them.
    pub fn repeat(&mut self, rule: &Rule, times: u32, record_bytes: u64) {
        self.window.repeat(times);
        self.traits.add(self.newest_ms, times);
        if let Some(flood) = self.flood.as_deref_mut() {
            flood.peak = flood.peak.max(self.traits.count);
            flood.repeat(u64::from(times));
            flood.judge(
                rule.policy == Policy::Suppress,
                u64::from(times),
                record_bytes,
            );
        }
    }

    fn is_distinct_enough(&self, rule: &Rule, time_ms: i64) -> bool {
        rule.distinct.is_none_or(|distinct| {
            let oldest = self.window.slots(time_ms, rule.within_ms).1;
            self.recent.count_since(oldest) >= usize::from(distinct.at_least)
        })
    }

    fn is_reached(&mut self, rule: &Rule, sighting: &Sighting<'_>) -> bool {
        let time_ms = sighting.context.time_ms;
        if let Some(distinct) = rule.distinct
            && let Some(hash) = sighting.hashes.get(distinct.field)
        {
            let slot = self.window.slots(time_ms, rule.within_ms).0;
            self.recent
                .add(hash as u64, slot, usize::from(distinct.at_least));
        }
        self.window.total() >= rule.threshold && self.is_distinct_enough(rule, time_ms)
    }

    fn open(&mut self, rule: &Rule, sighting: &Sighting<'_>, is_held_back: bool) {
        let time_ms = sighting.context.time_ms;
        let start_ms = self
            .window
            .first_ms(rule.within_ms)
            .unwrap_or(time_ms)
            .min(time_ms);
        let key = key_text(rule, sighting);
        let traits = &self.traits;
        // The busiest second before the opening counts only if it belongs to the flood.
        let peak = if traits.peak_start_ms().saturating_add(1_000) > start_ms {
            traits.peak
        } else {
            traits.count
        };
        let before = u64::from(self.window.total().saturating_sub(1));
        let message = sighting.context.message;
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
        let mut flood = Flood {
            id,
            key,
            opened_ms: time_ms,
            start_ms,
            last_ms: self.newest_ms.max(time_ms),
            behind_ms: 0,
            count: before,
            passed: before,
            suppressed: 0,
            suppressed_bytes: 0,
            sequence: 0,
            next_update_ms: time_ms.saturating_add(rule.update_every_ms),
            pause_ms: rule.update_every_ms,
            told: 0,
            peak,
            seen: Seen::new(sighting),
            pace: Pace::default(),
            sample: clipped(&sample, MAX_SAMPLE_BYTES),
        };
        if before > 0 {
            flood
                .seen
                .began_earlier(rule, sighting, self.traits.is_one_host());
        }
        if let Some(distinct) = rule.distinct {
            let oldest = self.window.slots(time_ms, rule.within_ms).1;
            flood
                .seen
                .recall(distinct, self.recent.hashes_since(oldest));
        }
        flood.note(sighting, false);
        flood.judge(is_held_back, 1, sighting.context.record_bytes);
        self.flood = Some(Box::new(flood));
    }

    /// Forgets the window, for a rule whose window is another one now. An open flood goes on.
    pub fn forget_window(&mut self) {
        self.window.clear();
        self.recent.clear();
    }
}

stored!(KeyState: newest_ms, window, recent, traits, flood);

impl Flood {
    fn judge(&mut self, is_held_back: bool, times: u64, record_bytes: u64) {
        if is_held_back {
            self.suppressed += times;
            let bytes = record_bytes.saturating_mul(times);
            self.suppressed_bytes = self.suppressed_bytes.saturating_add(bytes);
        } else {
            self.passed += times;
        }
    }
}

/// The key's values joined by `|`, for grouping; what would be ambiguous in a value is written as in a URL.
fn key_text(rule: &Rule, sighting: &Sighting<'_>) -> String {
    let mut text = String::new();
    for (i, field) in rule.key.iter().enumerate() {
        if i > 0 {
            text.push('|');
        }
        let value = key_value(*field, sighting).unwrap_or_default();
        for char in clip(&value, flood::MAX_NAME_BYTES).chars() {
            match char {
                '|' => text.push_str("%7C"),
                '%' => text.push_str("%25"),
                char => text.push(char),
            }
        }
    }
    text
}

fn key_value(field: KeyField, sighting: &Sighting<'_>) -> Option<String> {
    let event = sighting.event;
    match field {
        KeyField::Service => event.service.map(String::from),
        KeyField::User => event.user.map(|user| match sighting.redactor {
            Some(redactor) => redactor.hash(user),
            None => String::from(user),
        }),
        KeyField::Ip => event.source.map(|source| ip_text(source.ip)),
        KeyField::Net => event.source.map(|source| network_text(source.ip)),
        KeyField::Host => sighting.context.host.map(String::from),
        KeyField::Limit => Some(String::from(event.limit)),
    }
}

fn network_text(ip: core::net::IpAddr) -> String {
    let network = network_of(ip);
    let mut text = ip_text(network);
    text.push_str(if network.is_ipv4() { "/24" } else { "/64" });
    text
}

/// The first `max_bytes` bytes of a text, cut at a character's edge.
pub(crate) fn clip(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

pub(crate) fn clipped(text: &str, max_bytes: usize) -> String {
    String::from(clip(text, max_bytes))
}
