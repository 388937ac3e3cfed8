//! Tells event time, on the word of two records (docs/contract.md §4.1).

use crate::detector::after;
use maxconn_records::codec;

/// So many events in succession that lie far before the time say that the time was wrong.
const RUN: u32 = 64;

/// The greatest of many times, and the greatest but one: no single record moves that further than another one's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    newest_ms: Option<i64>,
    confirmed_ms: Option<i64>,
}

impl Times {
    /// Takes a time. The same twice changes nothing.
    #[inline]
    pub fn see(&mut self, time_ms: i64) {
        match self.newest_ms {
            Some(newest_ms) if time_ms == newest_ms => {}
            Some(newest_ms) if time_ms > newest_ms => {
                self.confirmed_ms = Some(newest_ms);
                self.newest_ms = Some(time_ms);
            }
            Some(_) => self.confirmed_ms = self.confirmed_ms.max(Some(time_ms)),
            None => self.newest_ms = Some(time_ms),
        }
    }

    /// The greatest time but one; `None` before there are two.
    #[inline]
    pub fn confirmed_ms(&self) -> Option<i64> {
        self.confirmed_ms
    }
}

/// The time of all that comes in. One clock that is wrong must not end everybody's floods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    times: Times,
    /// Events in succession that all lie far before the time: how many, and their times.
    earlier: u32,
    earlier_times: Times,
    /// Whether events far before the greatest time came after it: two clocks take turns.
    is_torn: bool,
    /// How often time leapt from one to the other, and where to. Floods of the one that is behind go on: by others' time none
    /// is over before `quiet` from here, if it had an event since the leap before.
    leaps: u32,
    leapt_ms: Option<i64>,
}

impl Clock {
    /// Moves time to an event. `far_ms` is how far from the time an event lies that does not belong to it. Whether time
    /// leapt, which lowers the floor of those that were seen before the leap before.
    #[inline]
    pub fn see(&mut self, time_ms: i64, far_ms: i64) -> bool {
        let (newest_ms, before_ms) = (self.times.newest_ms, self.times.confirmed_ms);
        if newest_ms == Some(time_ms) {
            return false;
        }
        self.times.see(time_ms);
        if newest_ms.is_some_and(|newest_ms| newest_ms > after(time_ms, far_ms)) {
            self.is_torn = true;
        }
        self.is_torn && self.leap(before_ms, far_ms)
    }

    #[inline(never)]
    fn leap(&mut self, before_ms: Option<i64>, far_ms: i64) -> bool {
        if let (Some(before_ms), Some(confirmed_ms)) = (before_ms, self.times.confirmed_ms)
            && confirmed_ms > after(before_ms, far_ms)
        {
            self.is_torn = false;
            self.leaps = self.leaps.wrapping_add(1);
            self.leapt_ms = Some(confirmed_ms);
            return true;
        }
        false
    }

    /// Whether time leapt at all.
    pub fn has_leapt(&self) -> bool {
        self.leapt_ms.is_some()
    }

    /// How often time leapt so far.
    pub fn leaps(&self) -> u32 {
        self.leaps
    }

    /// Whether nothing was seen.
    pub fn is_unset(&self) -> bool {
        self.times.newest_ms.is_none()
    }

    /// Counts an event, once for each; `true` if time went back with it.
    #[inline]
    pub fn count(&mut self, time_ms: i64, far_ms: i64) -> bool {
        let is_far = |confirmed_ms: i64| time_ms < after(confirmed_ms, -far_ms);
        if !self.times.confirmed_ms.is_some_and(is_far) {
            self.earlier = 0;
            return false;
        }
        self.count_earlier(time_ms)
    }

    #[inline(never)]
    fn count_earlier(&mut self, time_ms: i64) -> bool {
        if self.earlier == 0 {
            self.earlier_times = Times::default();
        }
        self.earlier = self.earlier.saturating_add(1);
        self.earlier_times.see(time_ms);
        let confirmed_ms = self.earlier_times.confirmed_ms;
        if self.earlier < RUN || confirmed_ms.is_none() {
            return false;
        }
        self.times = self.earlier_times;
        self.earlier = 0;
        self.leapt_ms = self.leapt_ms.min(confirmed_ms);
        true
    }

    /// Whether more events like the last one, at its time, would change nothing: none is counted as far before the time,
    /// nor tears it.
    pub fn is_steady(&self, last_ms: i64, far_ms: i64) -> bool {
        let Times {
            newest_ms,
            confirmed_ms,
        } = self.times;
        let is_before =
            |time_ms: Option<i64>| time_ms.is_some_and(|time_ms| time_ms > after(last_ms, far_ms));
        self.earlier == 0 && !is_before(confirmed_ms) && (self.is_torn || !is_before(newest_ms))
    }

    /// Up to which time one event more cannot make it leap; before all times where it leapt already.
    pub fn leaps_after_ms(&self, far_ms: i64) -> i64 {
        match self.times.confirmed_ms {
            Some(confirmed_ms) if !self.has_leapt() => after(confirmed_ms, far_ms),
            _ => i64::MIN,
        }
    }

    /// Up to here deadlines fire; none do before two events said what time it is.
    #[inline]
    pub fn watermark_ms(&self, lateness_ms: i64) -> i64 {
        before(self.times.confirmed_ms, lateness_ms)
    }

    /// By others' time no flood that had its last event after so many leaps is over before `quiet` from here.
    pub fn floor_ms(&self, leaps: u32, lateness_ms: i64) -> i64 {
        let is_of_last = self.leaps.wrapping_sub(leaps) <= 1;
        before(self.leapt_ms.filter(|_| is_of_last), lateness_ms)
    }

    /// The input is over: nobody's clock takes another turn. Whether that changes the floor.
    pub fn forget_leap(&mut self) -> bool {
        self.leapt_ms.take().is_some()
    }

    /// The time to give to what has none: the newest, unless it is ahead of the one before it by more than the lateness.
    #[inline]
    pub fn believed_ms(&self, lateness_ms: i64) -> Option<i64> {
        match (self.times.newest_ms, self.times.confirmed_ms) {
            (Some(newest_ms), Some(confirmed_ms))
                if newest_ms > after(confirmed_ms, lateness_ms) =>
            {
                Some(confirmed_ms)
            }
            (newest_ms, _) => newest_ms,
        }
    }
}

fn before(time_ms: Option<i64>, lateness_ms: i64) -> i64 {
    time_ms.map_or(i64::MIN, |time_ms| after(time_ms, -lateness_ms))
}

codec!(Times: newest_ms, confirmed_ms);
codec!(Clock: times, earlier, earlier_times, is_torn, leaps, leapt_ms);
