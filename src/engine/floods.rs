//! All keys of all rules: time, the order of deadlines, who is told.
//!
//! Time is moved by events, ticks and the end of input only, on the word of two records (see [`Clock`]). The watermark is
//! that time less the allowed lateness: up to it other keys' deadlines fire, in the order of deadline,
//! rule and key; an event's own keys' deadlines fire up to the event's own time. A flood whose events are behind the
//! watermark is given as much longer.

use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::clock::Clock;
use super::outbox::Outbox;
use super::output::Output;
use super::plan::{Plan, needs_net};
use crate::alert::Alert;
use crate::config::{Config, Policy};
use crate::detector::{EndReason, FieldHasher, FieldHashes, KeyState, Sighting, Transition};
use crate::event::{Context, Event, Scope};
use crate::hash::Hash;
use crate::redact::Redactor;
use crate::table::{Slot, Table, Timer};

const HASH_SEED: u8 = 11;

/// Whether a call may stop when the output is full, because its caller comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Soft,
    None,
}

/// What became of one event.
pub(super) struct Observed {
    /// Whether an open flood holds it back.
    pub is_held_back: bool,
    /// The first rule in order that has a flood open for it, and the flood.
    pub flood: Option<(usize, u128)>,
}

pub(super) struct Floods {
    pub table: Table,
    pub outbox: Outbox,
    /// Boxed, for it is taken out while rules look at an event.
    pub redactor: Option<Box<Redactor>>,
    plans: Vec<Plan>,
    /// Boxed as well, and for the same reason.
    hasher: Option<Box<FieldHasher>>,
    /// Whether any rule has the client's network in its key.
    pub needs_net: bool,
    /// What time it is.
    pub clock: Clock,
    /// An event that lies so far before the time does not belong to it: the largest `quiet` and the lateness.
    far_ms: i64,
    /// The time of the last event.
    last_ms: i64,
    /// The clock of the first tick after the last event.
    pub tick_base_ms: Option<i64>,
    /// The rules that apply to the event at hand, and their slots.
    own: Vec<(usize, Slot)>,
    /// What `own` was found by beside the fields of the event at hand: its scope, and that no slot was
    /// forgotten since.
    same: Option<(Scope, u64)>,
    /// Floods that the event at hand opened; their alerts follow the event.
    crossed: Vec<Slot>,
}

impl Floods {
    pub fn new(config: &Config) -> Floods {
        Floods {
            table: Table::new(config.max_keys, config.max_floods),
            outbox: Outbox::default(),
            redactor: config
                .redact_key
                .as_deref()
                .map(|key| Box::new(Redactor::new(key))),
            plans: config.rules.iter().map(Plan::new).collect(),
            hasher: None,
            needs_net: config.rules.iter().any(needs_net),
            clock: Clock::default(),
            far_ms: config
                .rules
                .iter()
                .map(|rule| rule.quiet_ms)
                .max()
                .unwrap_or(0)
                + config.allowed_lateness_ms,
            last_ms: 0,
            tick_base_ms: None,
            own: Vec::new(),
            same: None,
            crossed: Vec::new(),
        }
    }

    /// Moves time to an event and fires what is due by then. `false` if the output is full: the rest fires
    /// when this is called again.
    pub fn move_to(
        &mut self,
        config: &Config,
        context: &Context<'_>,
        is_timed: bool,
        out: &mut Output,
        limit: Limit,
    ) -> bool {
        let time_ms = context.time_ms;
        if self.table.is_empty() {
            let seed = Hash::new(HASH_SEED).part(context.message.as_bytes());
            self.table.seed(seed.number(time_ms as u64).finish() as u64);
        }
        self.tick_base_ms = None;
        // One without a time says nothing about it, but where nothing else did.
        if (is_timed || self.clock.is_unset()) && self.clock.see(time_ms, self.far_ms) {
            self.set_back(config, i64::MAX);
        }
        if !self.advance(config, self.watermark_ms(config), out, limit) {
            return false;
        }
        if is_timed && self.clock.count(time_ms, self.far_ms) {
            self.set_back(config, self.watermark_ms(config));
        }
        true
    }

    /// The time is an earlier one than was thought: no flood waits longer than from there on. Every flood's timer is set
    /// anew, for one that is due earlier than its timer would be told of out of order, and elsewhere than after a restart.
    fn set_back(&mut self, config: &Config, watermark_ms: i64) {
        let open: Vec<Slot> = self.table.open_slots().collect();
        for slot in open {
            if let Some(entry) = self.table.entry_mut(slot) {
                entry.state.set_back(watermark_ms);
            }
            self.arm(config, slot);
        }
    }

    /// The end of the input: fires what is due by then, then ends every open flood; `false` if the output was full before.
    pub fn finish(&mut self, config: &Config, end_ms: i64, out: &mut Output) -> bool {
        if self.clock.forget_leap() {
            self.set_back(config, i64::MAX);
        }
        self.advance(config, end_ms, out, Limit::Soft)
            && self.end_all(config, EndReason::EndOfInput, end_ms, out)
    }

    /// The time less the allowed lateness.
    fn watermark_ms(&self, config: &Config) -> i64 {
        self.clock.watermark_ms(config.allowed_lateness_ms)
    }

    /// The time that is given to what has none.
    pub fn believed_ms(&self, config: &Config) -> Option<i64> {
        self.clock.believed_ms(config.allowed_lateness_ms)
    }

    /// The time for what is said of all that was seen: the newest, unless it does not belong to the one before.
    pub fn newest_ms(&self) -> Option<i64> {
        self.clock.believed_ms(self.far_ms)
    }

    /// Fires what is due at the time that ticks of a clock say it is; `false` if the output was full before all was.
    pub fn tick(&mut self, config: &Config, elapsed_ms: i64, out: &mut Output) -> bool {
        let watermark_ms = match self.watermark_ms(config) {
            i64::MIN => i64::MIN,
            watermark_ms => watermark_ms.saturating_add(elapsed_ms),
        };
        if !self.advance(config, watermark_ms, out, Limit::Soft) {
            return false;
        }
        // Whatever the time is: nothing came for as long as ends a flood.
        let silent_ms = elapsed_ms.saturating_sub(config.allowed_lateness_ms);
        let mut rules = config.rules.iter();
        !rules.any(|rule| rule.quiet_ms <= silent_ms) || self.end(config, silent_ms, None, out)
    }

    /// Lets every rule count an event, after [`Floods::move_to`]. The caller writes the record where it goes
    /// on and then calls [`Floods::tell_starts`].
    pub fn observe(
        &mut self,
        config: &Config,
        event: &Event<'_>,
        context: &Context<'_>,
        out: &mut Output,
    ) -> Observed {
        let time_ms = context.time_ms;
        self.last_ms = time_ms;
        let mut hasher = self.hasher.take().unwrap_or_default();
        if hasher.hash(event, context, self.needs_net) {
            self.same = None;
        }
        self.find_own(config, event, hasher.hashes());
        self.advance_own(config, time_ms, out);
        let redactor = self.redactor.take();
        let sighting = Sighting {
            event,
            context,
            hashes: hasher.hashes(),
            redactor: redactor.as_deref(),
        };
        let observed = self.apply(config, &sighting, out);
        self.redactor = redactor;
        self.hasher = Some(hasher);
        observed
    }

    /// The numbers of the rules that apply to an event, and its key under each.
    pub fn keys_of(
        &self,
        config: &Config,
        event: &Event<'_>,
        hashes: &FieldHashes,
    ) -> Vec<(usize, u128)> {
        let rules = config.rules.iter().zip(&self.plans).enumerate();
        rules
            .filter_map(|(number, (rule, plan))| {
                Some((number, plan.key(rule, event.scope, hashes)?))
            })
            .collect()
    }

    /// Finds the keys of all rules that apply, and makes those that are new.
    fn find_own(&mut self, config: &Config, event: &Event<'_>, hashes: &FieldHashes) {
        // In a flood one event is like the other: the same keys, which had the last event already.
        if self.same == Some((event.scope, self.table.forgotten())) {
            return;
        }
        self.own.clear();
        for (number, (rule, plan)) in config.rules.iter().zip(&self.plans).enumerate() {
            let Some(hash) = plan.key(rule, event.scope, hashes) else {
                continue;
            };
            let slot = match self.table.find(hash) {
                Some(slot) => {
                    self.table.touch(slot);
                    slot
                }
                None => self.table.insert(hash, number as u8, KeyState::default()),
            };
            self.own.push((number, slot));
        }
        self.same = Some((event.scope, self.table.forgotten()));
    }

    fn apply(&mut self, config: &Config, sighting: &Sighting<'_>, out: &mut Output) -> Observed {
        let mut observed = Observed {
            is_held_back: false,
            flood: None,
        };
        let mut is_late = false;
        let watermark_ms = self.watermark_ms(config);
        for at in 0..self.own.len() {
            let Some(&(number, slot)) = self.own.get(at) else {
                break;
            };
            let Some(rule) = config.rules.get(number) else {
                break;
            };
            let Some(entry) = self.table.entry_mut(slot) else {
                continue;
            };
            let applied = entry
                .state
                .apply(rule, config.allowed_lateness_ms, sighting);
            observed.is_held_back |= applied.is_held_back;
            is_late |= applied.is_late;
            if applied.is_crossing && !self.open(config, slot, sighting, out) {
                self.outbox.statistics.floods_refused += 1;
            } else if applied.is_crossing || applied.is_counted {
                observed.is_held_back |= applied.is_crossing && rule.policy != Policy::Pass;
                let mut is_rearmed = applied.is_crossing || applied.is_rearmed;
                if let Some(entry) = self.table.entry_mut(slot) {
                    let was_behind = entry.state.seen_at(watermark_ms, self.clock.leaps());
                    is_rearmed |= was_behind || self.clock.has_leapt();
                    if observed.flood.is_none() {
                        observed.flood = entry.state.flood().map(|flood| (number, flood.id));
                    }
                }
                if is_rearmed {
                    self.arm(config, slot);
                }
            }
        }
        self.outbox.statistics.late += u64::from(is_late);
        observed
    }

    /// Opens a flood that the event at hand makes, if there is room for it and its alerts. The quietest gives way, but none
    /// of this very event: two would end each other at every event.
    #[inline(never)]
    fn open(
        &mut self,
        config: &Config,
        slot: Slot,
        sighting: &Sighting<'_>,
        out: &mut Output,
    ) -> bool {
        let open = self.table.floods();
        let queue = self.outbox.queue.as_ref();
        if queue.is_some_and(|queue| !queue.has_room_for_a_flood(open, config.max_floods)) {
            return false;
        }
        if self.table.is_full_of_floods()
            && let Some(quietest) = self.table.quietest_flood()
        {
            if self.own.iter().any(|(_, own)| *own == quietest) {
                return false;
            }
            let evicted = Transition::End(EndReason::Evicted);
            self.tell(config, quietest, evicted, sighting.context.time_ms, out);
        }
        let Some(entry) = self.table.entry_mut(slot) else {
            return false;
        };
        if let Some(rule) = config.rules.get(usize::from(entry.rule)) {
            entry.state.open(rule, config.allowed_lateness_ms, sighting);
        }
        self.table.settle(slot);
        self.crossed.push(slot);
        // From the next event on the event's keys stand in the rules' order, as after a restart.
        self.same = None;
        true
    }

    /// How many more events that are the last one over again, its time included, would change nothing but
    /// numbers. Time does not move for them, so nothing is due that was not due before.
    pub fn repeatable(&self, config: &Config) -> u32 {
        let is_known = |same: (Scope, u64)| same.1 == self.table.forgotten();
        if !self.same.is_some_and(is_known) || !self.clock.is_steady() {
            return 0;
        }
        let repeatable = |&(number, slot): &(usize, Slot)| {
            let (rule, entry) = (config.rules.get(number)?, self.table.entry(slot)?);
            let state = &entry.state;
            Some(state.repeatable(rule, config.allowed_lateness_ms, self.last_ms))
        };
        let times = self.own.iter().map(|own| repeatable(own).unwrap_or(0));
        times.min().unwrap_or(0)
    }

    /// Counts them.
    pub fn repeat(&mut self, config: &Config, times: u32, record_bytes: u64) {
        for &(number, slot) in &self.own {
            if let (Some(rule), Some(entry)) =
                (config.rules.get(number), self.table.entry_mut(slot))
            {
                entry.state.repeat(rule, times, record_bytes);
            }
        }
        self.outbox.statistics.repeat(times);
    }

    /// Tells of the floods that the last event opened.
    pub fn tell_starts(&mut self, config: &Config, time_ms: i64, out: &mut Output) {
        for at in 0..self.crossed.len() {
            if let Some(&slot) = self.crossed.get(at) {
                self.tell(config, slot, Transition::Start, time_ms, out);
            }
        }
        self.crossed.clear();
    }

    /// Fires every deadline up to a time; `false` if the output was full before all were.
    pub fn advance(
        &mut self,
        config: &Config,
        up_to_ms: i64,
        out: &mut Output,
        limit: Limit,
    ) -> bool {
        loop {
            if limit == Limit::Soft && out.is_full() {
                return false;
            }
            let Some((slot, due_ms)) = self.table.due(up_to_ms) else {
                return true;
            };
            let Some(entry) = self.table.entry_mut(slot) else {
                continue;
            };
            let Some(rule) = config.rules.get(usize::from(entry.rule)) else {
                continue;
            };
            // The timer may be from before later events. Only one that still holds is the first of all
            // deadlines; any other waits again. One step at a time keeps all keys' deadlines in their order.
            let floor_ms = floor_ms(&self.clock, config, &entry.state);
            let own_ms = due_ms.saturating_sub(entry.state.behind_ms(floor_ms));
            if entry
                .state
                .deadline_ms(rule)
                .is_some_and(|deadline_ms| deadline_ms <= own_ms)
                && let Some((transition, at_ms)) = entry.state.step(rule, own_ms)
            {
                self.tell(config, slot, transition, at_ms, out);
            }
            self.arm(config, slot);
        }
    }

    /// Fires the deadlines of the event's own keys up to its time.
    fn advance_own(&mut self, config: &Config, up_to_ms: i64, out: &mut Output) {
        loop {
            let due = self.own.iter().filter_map(|&(number, slot)| {
                let (rule, entry) = (config.rules.get(number)?, self.table.entry(slot)?);
                let deadline_ms = entry.state.deadline_ms(rule)?;
                (deadline_ms <= entry.state.reach_ms(rule, up_to_ms)).then_some((
                    deadline_ms,
                    number,
                    entry.hash,
                    slot,
                ))
            });
            let Some((deadline_ms, number, _, slot)) = due.min() else {
                return;
            };
            let step = match (config.rules.get(number), self.table.entry_mut(slot)) {
                (Some(rule), Some(entry)) => entry.state.step(rule, deadline_ms),
                _ => return,
            };
            if let Some((transition, at_ms)) = step {
                self.tell(config, slot, transition, at_ms, out);
            }
        }
    }

    /// Ends every open flood, in the order of deadline, rule and key; `false` if the output was full before.
    pub fn end_all(
        &mut self,
        config: &Config,
        reason: EndReason,
        time_ms: i64,
        out: &mut Output,
    ) -> bool {
        self.end(config, i64::MAX, Some((reason, time_ms)), out)
    }

    /// Ends the floods of rules whose `quiet` is no longer than a silence, for a reason or because they are quiet.
    fn end(
        &mut self,
        config: &Config,
        silent_ms: i64,
        reason: Option<(EndReason, i64)>,
        out: &mut Output,
    ) -> bool {
        // A heap of the table's own kind: sorting would be several KiB of code for the end of the input.
        let mut open: BinaryHeap<Timer> = self
            .table
            .open_slots()
            .filter_map(|slot| {
                let entry = self.table.entry(slot)?;
                let rule = config.rules.get(usize::from(entry.rule))?;
                let deadline_ms = entry.state.deadline_ms(rule)?;
                let timer = Reverse((deadline_ms, entry.rule, entry.hash, slot));
                (rule.quiet_ms <= silent_ms).then_some(timer)
            })
            .collect();
        while let Some(Reverse((_, number, _, slot))) = open.pop() {
            if out.is_full() {
                return false;
            }
            if let Some((reason, time_ms)) = reason {
                let flood = self.table.entry(slot).and_then(|entry| entry.state.flood());
                let at_ms = flood.map_or(time_ms, |flood| flood.last_ms.max(time_ms));
                self.tell(config, slot, Transition::End(reason), at_ms, out);
                continue;
            }
            while let (Some(rule), Some(entry)) = (
                config.rules.get(usize::from(number)),
                self.table.entry_mut(slot),
            ) && let Some((transition, at_ms)) = entry.state.step(rule, i64::MAX)
            {
                self.tell(config, slot, transition, at_ms, out);
            }
        }
        true
    }

    pub fn arm(&mut self, config: &Config, slot: Slot) {
        let due_ms = self.table.entry(slot).and_then(|entry| {
            let rule = config.rules.get(usize::from(entry.rule))?;
            let floor_ms = floor_ms(&self.clock, config, &entry.state);
            entry.state.due_ms(rule, floor_ms)
        });
        if let Some(due_ms) = due_ms {
            self.table.arm(slot, due_ms);
        }
    }

    /// Makes the alert of a transition and, at an end, closes the flood.
    pub fn tell(
        &mut self,
        config: &Config,
        slot: Slot,
        transition: Transition,
        at_ms: i64,
        out: &mut Output,
    ) {
        let Some(entry) = self.table.entry_mut(slot) else {
            return;
        };
        let Some(rule) = config.rules.get(usize::from(entry.rule)) else {
            return;
        };
        let current_rate = entry.state.current_rate(rule, at_ms);
        let Some((sequence, flood)) = entry.state.tell() else {
            return;
        };
        let alert = Alert {
            flood,
            transition,
            at_ms: at_ms.max(flood.start_ms),
            sequence,
            rule: &rule.name,
            current_rate,
            trusted: &config.trusted_networks,
            is_redacted: config.redact_key.is_some(),
        };
        self.outbox.send(config, &alert, out);
        if let Transition::End(_) = transition {
            entry.state.close();
            self.table.settle(slot);
            self.same = None;
        }
    }
}

/// What others' time was at least, for a key.
fn floor_ms(clock: &Clock, config: &Config, state: &KeyState) -> i64 {
    let leaps = state.flood().map_or(0, |flood| flood.leaps);
    clock.floor_ms(leaps, config.allowed_lateness_ms)
}
