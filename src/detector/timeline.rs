//! Keeps a key's events as one clock tells them. A key has a second one as soon as its events disagree about the time.

use alloc::boxed::Box;

use super::Sighting;
use super::distinct::RecentValues;
use super::key_stats::KeyStats;
use super::window::{SLOTS, Span, Window};
use crate::config::Rule;
use maxconn_records::codec;

/// The window of the events that one clock dates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timeline {
    pub window: Window,
    /// Of rules with `distinct`: the values seen.
    pub recent: RecentValues,
    pub stats: KeyStats,
}

/// The window beside a key's first: the one that was fed less recently, or not by the open flood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Second {
    pub timeline: Timeline,
    /// Whether the open flood has counted events of it: they do not count again.
    pub is_counted: bool,
}

impl Timeline {
    /// Whether an event belongs to it.
    pub fn is_near(&self, span: Span, time_ms: i64) -> bool {
        !self.window.is_empty() && span.is_near(self.window.newest_ms(), time_ms)
    }

    /// Whether it will say the same as the other from here on.
    pub fn is_like(&self, other: &Timeline) -> bool {
        self.window == other.window && self.recent == other.recent
    }

    /// Takes an event; whether the rule's threshold is reached with it.
    #[inline]
    pub fn add(&mut self, rule: &Rule, span: Span, sighting: &Sighting<'_>) -> bool {
        let time_ms = sighting.context.time_ms;
        let number = self.feed(span, time_ms, sighting.event.count);
        self.stats.add_host(sighting.hashes.host);
        if let Some(distinct) = rule.distinct
            && let Some(hash) = sighting.hashes.get(distinct.field)
        {
            let at_least = usize::from(distinct.at_least);
            self.recent.add(hash as u64, number, at_least);
        }
        self.reached(rule, span, time_ms, number).is_some()
    }

    /// Counts events of which nothing but the time matters any more; the number of their slot.
    #[inline]
    pub fn feed(&mut self, span: Span, time_ms: i64, times: u32) -> i64 {
        self.stats.add(time_ms, times);
        self.window.add(time_ms, times, span)
    }

    /// The slot that the window ends with which reached the rule's threshold with an event in the slot of a number: that
    /// one, or the newest where the two are in order, for the last event of a burst may be one that was overtaken.
    fn reached(&self, rule: &Rule, span: Span, time_ms: i64, number: i64) -> Option<i64> {
        if self.is_reached(rule, number) {
            return Some(number);
        }
        let newest = self.window.newest_number();
        let is_overtaken = number < newest && newest <= span.last_number(time_ms);
        (is_overtaken && self.is_reached(rule, newest)).then_some(newest)
    }

    fn is_reached(&self, rule: &Rule, number: i64) -> bool {
        self.window.total_to(number) >= rule.threshold && self.is_distinct(rule, number)
    }

    /// Whether the window that ends with the slot of a number has as many different values as the rule asks for.
    pub fn is_distinct(&self, rule: &Rule, number: i64) -> bool {
        rule.distinct.is_none_or(|distinct| {
            let at_least = usize::from(distinct.at_least);
            self.recent.has(at_least, number - SLOTS, number)
        })
    }

    /// What a flood begins with that opens at `time_ms`: how many events, the time of the first, and of the values seen
    /// those of the slots from one number to another.
    pub fn opening(&self, rule: &Rule, span: Span, time_ms: i64) -> (u32, i64, [i64; 2]) {
        let number = self.window.number(time_ms, span);
        let end = self.reached(rule, span, time_ms, number).unwrap_or(number);
        let (events, first_ms) = self.window.opening(time_ms, end, span);
        let slots = [end - SLOTS, end.max(span.last_number(time_ms))];
        (events, first_ms, slots)
    }

    /// The latest event of those that a flood which opens at `time_ms` begins with.
    pub fn last_ms(&self, span: Span, time_ms: i64) -> i64 {
        let newest_ms = self.window.newest_ms();
        if self.window.number(newest_ms, span) <= span.last_number(time_ms) {
            newest_ms.max(time_ms)
        } else {
            time_ms
        }
    }
}

/// A key's two windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Timelines {
    pub first: Timeline,
    /// Boxed, for hardly any key has one.
    pub second: Option<Box<Second>>,
}

impl Timelines {
    /// The open flood is over: what it counted does not count again, what it did not count does.
    pub fn close(&mut self) {
        self.first = match self.second.take() {
            Some(second) if !second.is_counted => second.timeline,
            _ => Timeline::default(),
        };
    }

    /// The newest event of either.
    pub fn newest_ms(&self) -> Option<i64> {
        let second = self.second.as_deref().map(|second| &second.timeline.window);
        let windows = [Some(&self.first.window), second];
        let fed = windows
            .into_iter()
            .flatten()
            .filter(|window| !window.is_empty());
        fed.map(Window::newest_ms).max()
    }

    /// Whether the second window has heard, too, that the flood is over from `over_ms` on: by another time than the
    /// event's, or by as many refusals as open a flood.
    pub fn is_over(&self, rule: &Rule, over_ms: i64, time_ms: i64, times: u32) -> bool {
        self.second.as_deref().is_some_and(|second| {
            let window = &second.timeline.window;
            !second.is_counted
                && window.newest_ms() >= over_ms
                && (window.newest_ms() != time_ms
                    || window.total().saturating_add(times) >= rule.threshold)
        })
    }

    /// Whether events of that time feed the second window.
    pub fn is_second_near(&self, span: Span, time_ms: i64) -> bool {
        self.second
            .as_deref()
            .is_some_and(|second| second.timeline.is_near(span, time_ms))
    }

    /// From when on they do, of the times from one on; that one or before if they do now.
    pub fn second_from_ms(&self, span: Span, time_ms: i64) -> i64 {
        let newest_ms = self
            .second
            .as_deref()
            .map(|second| second.timeline.window.newest_ms());
        match newest_ms {
            Some(newest_ms) if time_ms <= span.near_to_ms(newest_ms) => {
                span.near_from_ms(newest_ms)
            }
            _ => i64::MAX,
        }
    }

    /// Takes an event without an open flood; whether one may open. The window that it would open in is the first then.
    pub fn feed(&mut self, rule: &Rule, span: Span, sighting: &Sighting<'_>) -> bool {
        let time_ms = sighting.context.time_ms;
        if self.second.is_none() && self.first.window.covers(time_ms) {
            return self.first.add(rule, span, sighting);
        }
        self.feed_any(rule, span, sighting)
    }

    #[inline(never)]
    fn feed_any(&mut self, rule: &Rule, span: Span, sighting: &Sighting<'_>) -> bool {
        let time_ms = sighting.context.time_ms;
        if !self.is_second_near(span, time_ms)
            && (self.first.is_near(span, time_ms) || self.first.window.is_empty())
        {
            return self.first.add(rule, span, sighting);
        }
        self.feed_two(rule, span, sighting)
    }

    #[inline(never)]
    fn feed_two(&mut self, rule: &Rule, span: Span, sighting: &Sighting<'_>) -> bool {
        let time_ms = sighting.context.time_ms;
        let second = self.second.get_or_insert_default();
        if self.first.window.has_just_moved() && self.first.is_like(&second.timeline) {
            // From here on the two would say the same.
            self.second = None;
            return self.feed_any(rule, span, sighting);
        }
        let is_first = self.first.is_near(span, time_ms);
        if !second.timeline.is_near(span, time_ms) {
            second.timeline = Timeline::default();
        }
        let opens_first = is_first && self.first.add(rule, span, sighting);
        let opens_second = second.timeline.add(rule, span, sighting);
        // Where both would open, the one that knows more events of it.
        let events = |timeline: &Timeline| timeline.opening(rule, span, time_ms).0;
        if !is_first
            || opens_second && (!opens_first || events(&second.timeline) > events(&self.first))
        {
            core::mem::swap(&mut self.first, &mut second.timeline);
        }
        opens_first || opens_second
    }

    /// Takes an event that is not the open flood's own; whether it and another one would open one. Where one record stands
    /// for many refusals, it is the only word for its time still.
    #[inline(never)]
    pub fn feed_second(
        &mut self,
        rule: &Rule,
        span: Span,
        sighting: &Sighting<'_>,
        is_counted: bool,
    ) -> bool {
        let second = self.second.get_or_insert_default();
        let is_mixed = second.is_counted && !is_counted;
        if is_mixed || !second.timeline.is_near(span, sighting.context.time_ms) {
            **second = Second::default();
        }
        second.is_counted |= is_counted;
        let is_alone = second.timeline.window.is_empty() && rule.threshold > 1;
        second.timeline.add(rule, span, sighting) && !is_alone
    }
}

codec!(Timeline: window, recent, stats);
codec!(Second: timeline, is_counted);
