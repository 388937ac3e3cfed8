//! A key's events as one clock tells them. A key has a second one as soon as its events disagree about the time.

use super::Sighting;
use super::distinct::RecentValues;
use super::traits::Traits;
use super::window::{Span, Window};
use crate::config::Rule;
use maxconn_records::stored;

/// The window of the events that one clock dates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timeline {
    /// The newest event.
    pub newest_ms: i64,
    pub window: Window,
    /// Of rules with `distinct`: the values seen.
    pub recent: RecentValues,
    pub traits: Traits,
}

/// The window beside a key's first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    pub timeline: Timeline,
    /// Whether it was fed more recently than the first.
    pub is_fresher: bool,
    /// Whether the open flood has counted events of it: they do not count again.
    pub is_counted: bool,
}

impl Timeline {
    /// Whether an event belongs to it.
    pub fn is_near(&self, span: Span, time_ms: i64) -> bool {
        !self.window.is_empty() && span.is_near(self.newest_ms, time_ms)
    }

    /// Whether it will say the same as the other from here on.
    pub fn is_like(&self, other: &Timeline) -> bool {
        self.newest_ms == other.newest_ms
            && self.window == other.window
            && self.recent == other.recent
    }

    /// Takes an event; whether the rule's threshold is reached at its time.
    #[inline]
    pub fn add(&mut self, rule: &Rule, span: Span, sighting: &Sighting<'_>) -> bool {
        let time_ms = sighting.context.time_ms;
        let total = self.feed(span, time_ms);
        self.traits.add_host(sighting.hashes.host);
        if let Some(distinct) = rule.distinct
            && let Some(hash) = sighting.hashes.get(distinct.field)
        {
            let at_least = usize::from(distinct.at_least);
            self.recent
                .add(hash as u64, span.slots(time_ms).0, at_least);
        }
        total >= rule.threshold && self.is_distinct_enough(rule, span, time_ms)
    }

    /// Counts an event of which nothing but the time matters any more; answers how many its window holds.
    #[inline]
    pub fn feed(&mut self, span: Span, time_ms: i64) -> u32 {
        self.newest_ms = if self.window.is_empty() {
            time_ms
        } else {
            self.newest_ms.max(time_ms)
        };
        self.traits.add(time_ms, 1);
        self.window.add(time_ms, span)
    }

    /// Whether the window that ends at a time has as many different values as the rule asks for.
    pub fn is_distinct_enough(&self, rule: &Rule, span: Span, time_ms: i64) -> bool {
        rule.distinct.is_none_or(|distinct| {
            let number = span.slots(time_ms).0;
            self.recent.count(number - super::window::SLOTS, number)
                >= usize::from(distinct.at_least)
        })
    }

    /// The latest event of those that a flood which opens at `time_ms` begins with.
    pub fn last_ms(&self, span: Span, time_ms: i64) -> i64 {
        if span.slots(self.newest_ms).0 <= span.slots(time_ms).1 {
            self.newest_ms.max(time_ms)
        } else {
            time_ms
        }
    }
}

stored!(Timeline: newest_ms, window, recent, traits);
stored!(Second: timeline, is_fresher, is_counted);
