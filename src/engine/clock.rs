//! What time it is, on the word of two records (contract.md §4.1).

use maxconn_records::stored;

/// So many events in succession that lie far before the time say that the time was wrong.
const RUN: u32 = 64;

/// The time of all that comes in. One record, its repeats and its copies move it no further than another record's
/// time: one clock that is wrong must not end everybody's floods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// The greatest event time.
    newest_ms: Option<i64>,
    /// The greatest that is less than that: what time moves by.
    confirmed_ms: Option<i64>,
    earlier: Run,
    /// Whether time has leapt since the beginning, or since it went back.
    has_leapt: bool,
    /// Where it leapt to then: two clocks may take turns, and floods of the one that is behind go on. By others' time none is
    /// over before `quiet` from here.
    leapt_ms: Option<i64>,
}

/// Events in succession that all lie far before the time: how many, and the greatest two of their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Run {
    events: u32,
    newest_ms: i64,
    confirmed_ms: Option<i64>,
}

impl Clock {
    /// Moves time to an event. The same event twice changes nothing. `far_ms` is how far from the time an event lies
    /// that does not belong to it.
    #[inline]
    pub fn see(&mut self, time_ms: i64, far_ms: i64) {
        let before_ms = self.confirmed_ms;
        match self.newest_ms {
            Some(newest_ms) if time_ms == newest_ms => {}
            Some(newest_ms) if time_ms > newest_ms => {
                self.confirmed_ms = Some(newest_ms);
                self.newest_ms = Some(time_ms);
            }
            Some(_) => self.confirmed_ms = self.confirmed_ms.max(Some(time_ms)),
            None => self.newest_ms = Some(time_ms),
        }
        if !self.has_leapt
            && let (Some(before_ms), Some(confirmed_ms)) = (before_ms, self.confirmed_ms)
            && confirmed_ms.saturating_sub(before_ms) > far_ms
        {
            self.has_leapt = true;
            self.leapt_ms = Some(confirmed_ms);
        }
    }

    /// Whether nothing was seen.
    pub fn is_unset(&self) -> bool {
        self.newest_ms.is_none()
    }

    /// Counts an event, once for each; `true` if time went back with it.
    #[inline]
    pub fn count(&mut self, time_ms: i64, far_ms: i64) -> bool {
        let is_far = |confirmed_ms: i64| time_ms < confirmed_ms.saturating_sub(far_ms);
        if !self.confirmed_ms.is_some_and(is_far) {
            self.earlier.events = 0;
            return false;
        }
        self.count_earlier(time_ms)
    }

    #[inline(never)]
    fn count_earlier(&mut self, time_ms: i64) -> bool {
        let run = &mut self.earlier;
        let mut times = Clock::default();
        if run.events > 0 {
            (times.newest_ms, times.confirmed_ms) = (Some(run.newest_ms), run.confirmed_ms);
        }
        times.see(time_ms, i64::MAX);
        run.events = run.events.saturating_add(1);
        (run.newest_ms, run.confirmed_ms) =
            (times.newest_ms.unwrap_or(time_ms), times.confirmed_ms);
        if run.events < RUN || times.confirmed_ms.is_none() {
            return false;
        }
        times.has_leapt = false;
        times.leapt_ms = self.leapt_ms.min(times.confirmed_ms);
        *self = times;
        true
    }

    /// Whether more events like the last one would be counted as nothing new.
    pub fn is_steady(&self) -> bool {
        self.earlier.events == 0
    }

    /// Up to here deadlines fire; none do before two events said what time it is.
    #[inline]
    pub fn watermark_ms(&self, lateness_ms: i64) -> i64 {
        self.confirmed_ms
            .map_or(i64::MIN, |time_ms| time_ms.saturating_sub(lateness_ms))
    }

    /// By others' time no flood is over before `quiet` from here.
    pub fn floor_ms(&self, lateness_ms: i64) -> i64 {
        self.leapt_ms
            .map_or(i64::MIN, |time_ms| time_ms.saturating_sub(lateness_ms))
    }

    /// The time to give to what has none: the newest, unless it is ahead of the one before it by more than the lateness.
    #[inline]
    pub fn believed_ms(&self, lateness_ms: i64) -> Option<i64> {
        match (self.newest_ms, self.confirmed_ms) {
            (Some(newest_ms), Some(confirmed_ms))
                if newest_ms.saturating_sub(confirmed_ms) > lateness_ms =>
            {
                Some(confirmed_ms)
            }
            (newest_ms, _) => newest_ms,
        }
    }

    /// The clock of a state that knew the greatest event time only.
    pub fn of_earlier_state(latest_ms: Option<i64>) -> Clock {
        Clock {
            newest_ms: latest_ms,
            confirmed_ms: latest_ms,
            ..Clock::default()
        }
    }
}

stored!(Clock: newest_ms, confirmed_ms, earlier, has_leapt, leapt_ms);
stored!(Run: events, newest_ms, confirmed_ms);
