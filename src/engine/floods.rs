//! Counts an event under its keys and asks each rule what becomes of it. Deadlines are fired in [`super::deadlines`].

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::clock::Clock;
use super::outbox::Outbox;
use super::output::Output;
use super::periods::period_of;
use super::plan::{Plan, needs_net};
use super::statistics::Statistics;
use crate::config::{Config, Policy};
use crate::detector::{
    Again, EndReason, FieldHasher, FieldHashes, KeyState, Repeatable, Sighting, Transition, after,
};
use crate::event::{Class, Context, Event, Scope};
use crate::hash::Hash;
use crate::line_cache::Like;
use crate::redact::Redactor;
use crate::table::{Slot, Table};
use maxconn_records::bytes::equal;

const HASH_SEED: u8 = 11;

/// Whether a call may stop when the output is full, because its caller comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Soft,
    None,
}

/// What became of one event.
#[derive(Default)]
pub(super) struct Observed {
    /// Whether an open flood holds it back.
    pub is_held_back: bool,
    /// The first rule in order that has a flood open for it, and the flood.
    pub flood: Option<(usize, u128)>,
    /// How many refusals that flood has learnt of from a summary and no record has told of.
    pub unlogged: u64,
}

/// What a call works with beside the keys.
pub(super) struct Call<'a> {
    /// The configuration in force.
    pub config: &'a Config,
    pub statistics: &'a mut Statistics,
    pub out: &'a mut Output,
    pub limit: Limit,
}

impl<'a> Call<'a> {
    pub fn new(
        config: &'a Config,
        statistics: &'a mut Statistics,
        out: &'a mut Output,
        limit: Limit,
    ) -> Call<'a> {
        Call {
            config,
            statistics,
            out,
            limit,
        }
    }
}

pub(super) struct Floods {
    pub table: Table,
    pub outbox: Outbox,
    /// Boxed, for it is taken out while rules look at an event.
    pub redactor: Option<Box<Redactor>>,
    plans: Vec<Plan>,
    /// Boxed as well, and for the same reason.
    hasher: Option<Box<FieldHasher>>,
    /// The remembered line that the last event's was like: another one like it has the same fields.
    last: Option<Like>,
    /// How many more like it would be held back and change nothing but numbers; `None` until somebody asks.
    repeatable: Option<Repeatable>,
    /// Whether any rule has the client's network in its key.
    pub needs_net: bool,
    /// What time it is.
    pub clock: Clock,
    /// An event that lies so far before the time does not belong to it: the largest `quiet` and the lateness.
    pub far_ms: i64,
    /// The time of the last event.
    last_ms: i64,
    /// The clock of the first tick after the last event.
    pub tick_base_ms: Option<i64>,
    /// The rules that apply to the event at hand, and their slots.
    pub own: Vec<(usize, Slot)>,
    /// What `own` was found by beside the fields of the event at hand: its scope and class, and that no slot was
    /// forgotten since.
    pub same: Option<(Scope, Class, u64)>,
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
            last: None,
            repeatable: Some(Repeatable::NONE),
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
    pub fn move_to(&mut self, call: &mut Call<'_>, context: &Context<'_>, is_timed: bool) -> bool {
        let config = call.config;
        let time_ms = context.time_ms;
        if self.table.is_empty() {
            let seed = Hash::new(HASH_SEED).part(context.message);
            self.table.seed(seed.number(time_ms as u64).finish() as u64);
        }
        self.tick_base_ms = None;
        self.look_again();
        // One without a time says nothing about it, but where nothing else did.
        if (is_timed || self.clock.is_unset()) && self.clock.see(time_ms, self.far_ms) {
            self.set_back(config, i64::MAX);
        }
        if !self.advance(call, self.watermark_ms(config)) {
            return false;
        }
        if is_timed && self.clock.count(time_ms, self.far_ms) {
            self.set_back(config, self.watermark_ms(config));
        }
        true
    }

    /// The time less the allowed lateness.
    pub fn watermark_ms(&self, config: &Config) -> i64 {
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

    /// Lets every rule count an event, after [`Floods::move_to`]; `like` is the remembered line that its own is like. The
    /// caller writes the record where it goes on and then calls [`Floods::tell_starts`].
    pub fn observe(
        &mut self,
        call: &mut Call<'_>,
        event: &Event<'_>,
        context: &Context<'_>,
        like: Option<Like>,
    ) -> Observed {
        let config = call.config;
        let time_ms = context.time_ms;
        self.last_ms = time_ms;
        let mut hasher = self.hasher.take().unwrap_or_default();
        if like.is_none() || like != self.last {
            if hasher.hash(event, context, self.needs_net) {
                self.same = None;
            }
            self.last = like;
        }
        self.find_own(config, event, hasher.hashes());
        self.advance_own(call, time_ms, event.times());
        let redactor = self.redactor.take();
        let sighting = Sighting {
            event,
            context,
            hashes: hasher.hashes(),
            redactor: redactor.as_deref(),
        };
        let observed = match event.class {
            Class::Summary => self.sum_up(call, &sighting),
            _ => self.apply(call, &sighting),
        };
        self.redactor = redactor;
        self.hasher = Some(hasher);
        if event.count != 1 || event.class == Class::Summary {
            // The same line again is more than one event more.
            self.same = None;
        }
        if observed.is_held_back && event.class == Class::Refusal {
            self.repeatable = None;
        }
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
            .filter_map(|(number, (rule, plan))| Some((number, plan.key(rule, event, hashes)?)))
            .collect()
    }

    /// Finds the keys of all rules that apply, and makes those that are new.
    fn find_own(&mut self, config: &Config, event: &Event<'_>, hashes: &FieldHashes) {
        // In a flood one event is like the other: the same keys, which had the last event already.
        if self.same == Some((event.scope, event.class, self.table.forgotten())) {
            return;
        }
        self.own.clear();
        for (number, (rule, plan)) in config.rules.iter().zip(&self.plans).enumerate() {
            let Some(hash) = plan.key(rule, event, hashes) else {
                continue;
            };
            let slot = match self.table.find(hash) {
                Some(slot) => {
                    self.table.touch(slot);
                    slot
                }
                // Without an open flood a summary says nothing.
                None if event.class == Class::Summary => continue,
                None => self.table.insert(hash, number as u8, KeyState::default()),
            };
            self.own.push((number, slot));
        }
        self.same = Some((event.scope, event.class, self.table.forgotten()));
    }

    fn apply(&mut self, call: &mut Call<'_>, sighting: &Sighting<'_>) -> Observed {
        let config = call.config;
        let mut observed = Observed::default();
        let mut is_late = false;
        let watermark_ms = self.watermark_ms(config);
        let mut at = 0;
        while let Some(&(number, slot)) = self.own.get(at) {
            at += 1;
            let (Some(rule), Some(entry)) = (config.rules.get(number), self.table.entry_mut(slot))
            else {
                continue;
            };
            let applied = entry
                .state
                .apply(rule, config.allowed_lateness_ms, sighting);
            observed.is_held_back |= applied.is_held_back;
            is_late |= applied.is_late;
            if applied.is_crossing && !self.open(call, slot, sighting) {
                call.statistics.floods_refused += 1;
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
        call.statistics.late += u64::from(is_late);
        observed
    }

    /// As [`Floods::apply`], of what a server has counted itself.
    #[cold]
    #[inline(never)]
    fn sum_up(&mut self, call: &mut Call<'_>, sighting: &Sighting<'_>) -> Observed {
        let config = call.config;
        let mut observed = Observed::default();
        let watermark_ms = self.watermark_ms(config);
        for at in 0..self.own.len() {
            let Some(&(number, slot)) = self.own.get(at) else {
                continue;
            };
            let (Some(rule), Some(entry)) = (config.rules.get(number), self.table.entry_mut(slot))
            else {
                continue;
            };
            if let Some(unlogged) = entry.state.sum_up(rule, sighting) {
                entry.state.seen_at(watermark_ms, self.clock.leaps());
                if observed.flood.is_none() {
                    observed.unlogged = unlogged;
                    observed.flood = entry.state.flood().map(|flood| (number, flood.id));
                }
                self.arm(config, slot);
            }
        }
        observed
    }

    /// Opens a flood that the event at hand makes, if there is room for it and its alerts. The quietest gives way, but none
    /// of this very event: two would end each other at every event.
    #[inline(never)]
    fn open(&mut self, call: &mut Call<'_>, slot: Slot, sighting: &Sighting<'_>) -> bool {
        let config = call.config;
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
            self.tell(call, quietest, evicted, sighting.context.time_ms);
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

    /// How many more events that are the last one over again, which was held back, would change nothing but numbers, and before
    /// which time.
    pub fn repeatable(&mut self, config: &Config) -> Repeatable {
        let repeatable = self.repeatable.unwrap_or_else(|| self.judge(config));
        self.repeatable = Some(repeatable);
        repeatable
    }

    fn judge(&self, config: &Config) -> Repeatable {
        let is_known = |same: (Scope, Class, u64)| same.2 == self.table.forgotten();
        if !self.same.is_some_and(is_known) || !self.clock.is_steady(self.last_ms, self.far_ms) {
            return Repeatable::NONE;
        }
        let repeatable = |&(number, slot): &(usize, Slot)| {
            let (rule, entry) = (config.rules.get(number)?, self.table.entry(slot)?);
            let state = &entry.state;
            Some(state.repeatable(rule, config.allowed_lateness_ms, self.last_ms))
        };
        let own = self.own.iter().map(repeatable);
        own.fold(self.undisturbed(config), |all, own| {
            all.min(own.unwrap_or(Repeatable::NONE))
        })
    }

    /// Before which time nothing of others is due, nor a period over, if all events are like the last one.
    fn undisturbed(&self, config: &Config) -> Repeatable {
        let mut before_ms = self.clock.leaps_after_ms(self.far_ms);
        if let Some(due_ms) = self.table.next_due_ms() {
            before_ms = before_ms.min(after(due_ms, config.allowed_lateness_ms));
        }
        let every_ms = config.statistics_every_ms;
        if every_ms > 0 {
            before_ms = before_ms.min(after(period_of(self.last_ms, every_ms), every_ms));
        }
        Repeatable {
            times: u32::MAX,
            before_ms,
        }
    }

    /// Whether an event at a time that is like the last one would be held back as it was, and change nothing but numbers. If
    /// so it is to be counted with [`Floods::repeat`]. At the last one's own time nothing is due: that one fired all there was.
    #[inline]
    pub fn is_again(&mut self, config: &Config, like: Like, time_ms: i64) -> bool {
        if self.last != Some(like) || time_ms < self.last_ms {
            return false;
        }
        let repeatable = self.repeatable(config);
        repeatable.times > 0 && (time_ms == self.last_ms || time_ms < repeatable.before_ms)
    }

    /// Counts them.
    pub fn repeat(&mut self, config: &Config, again: &Again) {
        self.tick_base_ms = None;
        self.last_ms = again.time_ms;
        if let Some(left) = &mut self.repeatable {
            left.times = left.times.saturating_sub(again.times);
        }
        for &(number, slot) in &self.own {
            if let (Some(rule), Some(entry)) =
                (config.rules.get(number), self.table.entry_mut(slot))
            {
                entry.state.repeat(rule, config.allowed_lateness_ms, again);
            }
        }
    }

    /// The time of the last event.
    pub fn last_ms(&self) -> i64 {
        self.last_ms
    }

    /// The next event has to be looked at, whatever it is like.
    pub fn look_again(&mut self) {
        self.repeatable = Some(Repeatable::NONE);
    }

    /// An event that does not count in windows is the last one.
    pub fn pass_by(&mut self) {
        self.last = None;
    }

    /// How many floods of a server's limit are open.
    pub fn open_of(&self, module: &str, limit: &str) -> u64 {
        let mut open = 0;
        for slot in self.table.open_slots() {
            let flood = self.table.entry(slot).and_then(|entry| entry.state.flood());
            open += u64::from(flood.is_some_and(|flood| {
                equal(flood.seen.limit.as_bytes(), limit.as_bytes())
                    && equal(flood.seen.module.as_bytes(), module.as_bytes())
            }));
        }
        open
    }

    /// Tells of the floods that the last event opened.
    pub fn tell_starts(&mut self, call: &mut Call<'_>, time_ms: i64) {
        for at in 0..self.crossed.len() {
            if let Some(&slot) = self.crossed.get(at) {
                self.tell(call, slot, Transition::Start, time_ms);
            }
        }
        self.crossed.clear();
    }
}
