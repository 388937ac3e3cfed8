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
pub mod flood;
pub mod window;

use alloc::boxed::Box;
use alloc::string::String;

use crate::alert::ip_text;
use crate::config::{KeyField, Policy, Rule};
use crate::event::{Context, Event};
use crate::hash::{Hash, Remembered};
use crate::redact::Redactor;
use distinct::RecentValues;
use flood::{Flood, MAX_SAMPLE_BYTES, Pace, Seen};
use maxconn_records::stored;
use window::Window;

/// Purposes of hashes, so that no two kinds of value can be confused.
pub(crate) const HASH_USER: u8 = 1;
pub(crate) const HASH_IP: u8 = 2;
pub(crate) const HASH_NET: u8 = 3;
pub(crate) const HASH_SERVICE: u8 = 4;
pub(crate) const HASH_HOST: u8 = 5;
pub(crate) const HASH_LIMIT: u8 = 6;
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

/// The hashes of an event's fields, each made once for all rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FieldHashes {
    /// Of the user name.
    pub user: Option<u128>,
    /// Of the client's address.
    pub ip: Option<u128>,
    /// Of the client's network.
    pub net: Option<u128>,
    /// Of the service.
    pub service: Option<u128>,
    /// Of the host.
    pub host: Option<u128>,
    /// Of the limit's name.
    pub limit: Option<u128>,
}

impl FieldHashes {
    /// The hash of a field, if the event has it.
    pub fn get(&self, field: KeyField) -> Option<u128> {
        match field {
            KeyField::Service => self.service,
            KeyField::User => self.user,
            KeyField::Ip => self.ip,
            KeyField::Net => self.net,
            KeyField::Host => self.host,
            KeyField::Limit => self.limit,
        }
    }
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
    second: Second,
    flood: Option<Box<Flood>>,
}

/// The events of the current second, for the busiest one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Second {
    start_ms: i64,
    count: u32,
    peak: u32,
    peak_start_ms: i64,
}

impl Second {
    fn add(&mut self, time_ms: i64, times: u32) {
        let elapsed_ms = time_ms.saturating_sub(self.start_ms);
        if elapsed_ms < 0 {
            return;
        }
        if elapsed_ms >= 1_000 {
            self.start_ms = time_ms - time_ms.rem_euclid(1_000);
            self.count = 0;
        }
        self.count = self.count.saturating_add(times);
        if self.count >= self.peak {
            self.peak = self.count;
            self.peak_start_ms = self.start_ms;
        }
    }
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
        self.second = Second::default();
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
            self.second.add(time_ms, 1);
        }
        if let Some(flood) = self.flood.as_deref_mut() {
            flood.note(sighting, is_late);
            flood.peak = flood.peak.max(self.second.count);
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
        self.second.add(self.newest_ms, times);
        if let Some(flood) = self.flood.as_deref_mut() {
            flood.peak = flood.peak.max(self.second.count);
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
        let second = &self.second;
        // The busiest second before the opening counts only if it belongs to the flood.
        let peak = if second.peak_start_ms.saturating_add(1_000) > start_ms {
            second.peak
        } else {
            second.count
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

stored!(KeyState: newest_ms, window, recent, second, flood);
stored!(Second: start_ms, count, peak, peak_start_ms);

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

/// The /24 of an IPv4 address, the /64 of an IPv6 one.
fn network_of(ip: core::net::IpAddr) -> core::net::IpAddr {
    use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & 0xffff_ff00)),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
    }
}

fn network_text(ip: core::net::IpAddr) -> String {
    let network = network_of(ip);
    let mut text = ip_text(network);
    text.push_str(if network.is_ipv4() { "/24" } else { "/64" });
    text
}

/// Hashes the fields of events, and remembers the last event's.
#[derive(Debug, Default)]
pub struct FieldHasher {
    user: Remembered,
    ip: Remembered,
    net: Remembered,
    service: Remembered,
    host: Remembered,
    limit: Remembered,
    hashes: FieldHashes,
}

impl FieldHasher {
    /// Hashes an event's fields; the network only where a rule asks for it. Whether any is another than the last
    /// event's.
    pub fn hash(&mut self, event: &Event<'_>, context: &Context<'_>, needs_net: bool) -> bool {
        let hashes = &mut self.hashes;
        let user = event.user.map(str::as_bytes);
        let service = event.service.map(str::as_bytes);
        let host = context.host.map(str::as_bytes);
        let mut buffer = [0; 16];
        let ip = event.source.map(|source| octets(source.ip, &mut buffer));
        let mut is_other = self.user.hash128(HASH_USER, user, &mut hashes.user);
        is_other |= self.ip.hash128(HASH_IP, ip, &mut hashes.ip);
        is_other |= self
            .service
            .hash128(HASH_SERVICE, service, &mut hashes.service);
        is_other |= self.host.hash128(HASH_HOST, host, &mut hashes.host);
        let limit = Some(event.limit.as_bytes());
        is_other |= self.limit.hash128(HASH_LIMIT, limit, &mut hashes.limit);
        if needs_net {
            let net = event.source.map(|source| network_of(source.ip));
            let net = net.map(|net| octets(net, &mut buffer));
            is_other |= self.net.hash128(HASH_NET, net, &mut hashes.net);
        }
        is_other
    }

    /// The hashes of the last event.
    pub fn hashes(&self) -> &FieldHashes {
        &self.hashes
    }
}

fn octets(ip: core::net::IpAddr, buffer: &mut [u8; 16]) -> &[u8] {
    let len = match ip {
        core::net::IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [buffer[0], buffer[1], buffer[2], buffer[3]] = [a, b, c, d];
            4
        }
        core::net::IpAddr::V6(ip) => {
            *buffer = ip.octets();
            16
        }
    };
    buffer.get(..len).unwrap_or_default()
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
