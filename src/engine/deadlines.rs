//! Advances event time for every key, fires deadlines in order, emits alerts.
//!
//! Time is moved by events, ticks and the end of input only, on the word of two records (see [`Clock`]). The watermark is
//! that time less the allowed lateness: up to it other keys' deadlines fire, in the order of deadline,
//! rule and key; an event's own keys' deadlines fire up to the event's own time. A flood whose events are behind the
//! watermark is given as much longer.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::clock::Clock;
use super::floods::{Call, Floods, Limit};
use crate::alert::Alert;
use crate::config::Config;
use crate::detector::{EndReason, KeyState, Transition};
use crate::table::{Slot, Timer};

impl Floods {
    /// The end of the input: fires what is due by then, then ends every open flood; `false` if the output was full before.
    pub fn finish(&mut self, call: &mut Call<'_>, end_ms: i64) -> bool {
        let config = call.config;
        self.look_again();
        if self.clock.forget_leap() {
            self.set_back(config, i64::MAX);
        }
        self.advance(call, end_ms) && self.end_all(call, EndReason::EndOfInput, end_ms)
    }

    /// Fires what is due at the time that ticks of a clock say it is; `false` if the output was full before all was.
    pub fn tick(&mut self, call: &mut Call<'_>, elapsed_ms: i64) -> bool {
        let config = call.config;
        let watermark_ms = match self.watermark_ms(config) {
            i64::MIN => i64::MIN,
            watermark_ms => watermark_ms.saturating_add(elapsed_ms),
        };
        if !self.advance(call, watermark_ms) {
            return false;
        }
        // Whatever the time is: nothing came for as long as ends a flood.
        let silent_ms = elapsed_ms.saturating_sub(config.allowed_lateness_ms);
        let mut rules = config.rules.iter();
        !rules.any(|rule| rule.quiet_ms <= silent_ms) || self.end(call, silent_ms, None)
    }

    /// Fires every deadline up to a time; `false` if the output was full before all were.
    pub fn advance(&mut self, call: &mut Call<'_>, up_to_ms: i64) -> bool {
        let config = call.config;
        loop {
            if call.limit == Limit::Soft && call.out.is_full() {
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
                self.tell(call, slot, transition, at_ms);
            }
            self.arm(config, slot);
        }
    }

    /// Fires the deadlines of a record's own keys up to its time; it stands for so many events.
    pub fn advance_own(&mut self, call: &mut Call<'_>, up_to_ms: i64, times: u32) {
        let config = call.config;
        loop {
            let mut due = None;
            for &(number, slot) in &self.own {
                if let (Some(rule), Some(entry)) =
                    (config.rules.get(number), self.table.entry(slot))
                    && let Some(deadline_ms) = entry.state.deadline_ms(rule)
                    && deadline_ms <= entry.state.reach_ms(rule, up_to_ms, times)
                {
                    let timer = (deadline_ms, number, entry.hash, slot);
                    due = Some(due.map_or(timer, |first| timer.min(first)));
                }
            }
            let Some((deadline_ms, number, _, slot)) = due else {
                return;
            };
            let step = match (config.rules.get(number), self.table.entry_mut(slot)) {
                (Some(rule), Some(entry)) => entry.state.step(rule, deadline_ms),
                _ => return,
            };
            if let Some((transition, at_ms)) = step {
                self.tell(call, slot, transition, at_ms);
            }
        }
    }

    /// Ends every open flood, in the order of deadline, rule and key; `false` if the output was full before.
    pub fn end_all(&mut self, call: &mut Call<'_>, reason: EndReason, time_ms: i64) -> bool {
        self.end(call, i64::MAX, Some((reason, time_ms)))
    }

    /// Ends the floods of rules whose `quiet` is no longer than a silence, for a reason or because they are quiet.
    fn end(
        &mut self,
        call: &mut Call<'_>,
        silent_ms: i64,
        reason: Option<(EndReason, i64)>,
    ) -> bool {
        let config = call.config;
        // A heap of the table's own kind: sorting would be several KiB of code for the end of the input.
        let mut open: BinaryHeap<Timer> = BinaryHeap::new();
        for slot in self.table.open_slots() {
            let Some(entry) = self.table.entry(slot) else {
                continue;
            };
            let rule = config.rules.get(usize::from(entry.rule));
            let rule = rule.filter(|rule| rule.quiet_ms <= silent_ms);
            if let Some(deadline_ms) = rule.and_then(|rule| entry.state.deadline_ms(rule)) {
                open.push(Reverse((deadline_ms, entry.rule, entry.hash, slot)));
            }
        }
        while let Some(Reverse((_, number, _, slot))) = open.pop() {
            if call.out.is_full() {
                return false;
            }
            if let Some((reason, time_ms)) = reason {
                let flood = self.table.entry(slot).and_then(|entry| entry.state.flood());
                let at_ms = flood.map_or(time_ms, |flood| flood.last_ms.max(time_ms));
                self.tell(call, slot, Transition::End(reason), at_ms);
                continue;
            }
            while let (Some(rule), Some(entry)) = (
                config.rules.get(usize::from(number)),
                self.table.entry_mut(slot),
            ) && let Some((transition, at_ms)) = entry.state.step(rule, i64::MAX)
            {
                self.tell(call, slot, transition, at_ms);
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

    /// The time is an earlier one than was thought: no flood waits longer than from there on. Every flood's timer is set
    /// anew, for one that is due earlier than its timer would be told of out of order, and elsewhere than after a restart.
    pub fn set_back(&mut self, config: &Config, watermark_ms: i64) {
        let open: Vec<Slot> = self.table.open_slots().collect();
        for slot in open {
            if let Some(entry) = self.table.entry_mut(slot) {
                entry.state.set_back(watermark_ms);
            }
            self.arm(config, slot);
        }
    }

    /// Makes the alert of a transition and, at an end, closes the flood.
    pub fn tell(&mut self, call: &mut Call<'_>, slot: Slot, transition: Transition, at_ms: i64) {
        let config = call.config;
        let Some(entry) = self.table.entry_mut(slot) else {
            return;
        };
        let Some(rule) = config.rules.get(usize::from(entry.rule)) else {
            return;
        };
        let rate = entry.state.current_rate(rule, at_ms);
        let alert = Alert::of(
            &mut entry.state,
            config,
            &rule.name,
            (transition, at_ms),
            rate,
        );
        if let Some(alert) = alert {
            self.outbox.send(call, &alert);
        }
        if let Transition::End(_) = transition {
            entry.state.close();
            self.table.settle(slot);
            self.same = None;
            self.look_again();
        }
    }
}

/// What others' time was at least, for a key.
fn floor_ms(clock: &Clock, config: &Config, state: &KeyState) -> i64 {
    let leaps = state.flood().map_or(0, |flood| flood.leaps);
    clock.floor_ms(leaps, config.allowed_lateness_ms)
}
