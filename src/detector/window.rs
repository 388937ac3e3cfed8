//! Counts one key's events in a sliding window: those within `within` of a time, in slots.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::after;
use maxconn_records::codec;

/// Slots per window. One more is judged, so that the slots always cover all of (t − within, t].
pub const SLOTS: i64 = 16;

/// Counts of events in slots of `within`/16, aligned to the epoch.
///
/// The sum over the 17 slots that end with the one of a time t is at least the number of events in (t − within, t],
/// and at most that of a span of within·17/16: the two bounds of docs/contract.md §4.4. As many slots before the newest
/// are kept as an event may be older than it (`Span::older_slots`), for it is judged by its own time.
///
/// Most keys never see a second slot, least of all those that an attacker makes up by the million. So the
/// newest slot is in place, and each other one is allocated with the event that needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The events in the 17 slots that end with the newest.
    total: u32,
    newest: Slot,
    /// The newest event, in ms after its slot's start; and how long that slot is.
    last_ms: u32,
    len_ms: u32,
    /// The newest slot's number and its start.
    number: i64,
    start_ms: i64,
    /// Slots before the newest that have events, the oldest first. Boxed, for most keys have none.
    #[allow(clippy::box_collection)]
    older: Option<Box<Vec<Older>>>,
}

/// How long a window is, and how much older than the newest event others may be.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The window, in ms.
    pub within_ms: i64,
    /// How far back an event may be and still be in order, in ms. It counts as no more than `within_ms`, so that the
    /// slots of a key are bounded.
    pub lateness_ms: i64,
}

impl Span {
    fn lateness_ms(self) -> i64 {
        self.lateness_ms.min(self.within_ms)
    }

    /// Slots that are kept before the newest: an event may be `within` and the lateness older than the newest one, and is
    /// judged by 17 slots.
    fn older_slots(self) -> i64 {
        let late_slots = (self.lateness_ms() * SLOTS + self.within_ms - 1) / self.within_ms.max(1);
        2 * SLOTS + late_slots
    }

    /// Whether an event belongs to those whose newest time is `newest_ms`.
    pub fn is_near(self, newest_ms: i64, time_ms: i64) -> bool {
        (self.near_from_ms(newest_ms)..=self.near_to_ms(newest_ms)).contains(&time_ms)
    }

    /// The first time of an event that does.
    pub fn near_from_ms(self, newest_ms: i64) -> i64 {
        after(newest_ms, -self.within_ms - self.lateness_ms())
    }

    /// The last time of one.
    pub fn near_to_ms(self, newest_ms: i64) -> i64 {
        after(newest_ms, self.within_ms)
    }

    /// The number of the last slot that events can be in which came in another order than one of that time.
    pub fn last_number(self, time_ms: i64) -> i64 {
        number_of(after(time_ms, self.lateness_ms()), self.within_ms)
    }
}

/// One slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    count: u32,
    /// Its first event, in ms after its start.
    first_ms: u32,
}

impl Slot {
    fn add(&mut self, offset_ms: u32, times: u32) {
        if self.count == 0 || offset_ms < self.first_ms {
            self.first_ms = offset_ms;
        }
        self.count = self.count.saturating_add(times);
    }
}

/// The number of the slot in which `time_ms` lies. `within`/16 need not be a whole number of ms.
fn number_of(time_ms: i64, within_ms: i64) -> i64 {
    // Times are within years 1970–9999 and so stay far from overflow.
    time_ms.wrapping_mul(SLOTS).div_euclid(within_ms.max(1))
}

/// The first ms that can lie in the slot.
fn start_of(number: i64, within_ms: i64) -> i64 {
    number
        .wrapping_mul(within_ms)
        .wrapping_add(SLOTS - 1)
        .div_euclid(SLOTS)
}

impl Window {
    /// Counts so many events of a time; the number of their slot. What is older than all kept slots counts nowhere.
    #[inline]
    pub fn add(&mut self, time_ms: i64, times: u32, span: Span) -> i64 {
        if !self.covers(time_ms) {
            return self.add_elsewhere(time_ms, times, span);
        }
        let offset_ms = (time_ms - self.start_ms) as u32;
        self.newest.add(offset_ms, times);
        self.last_ms = self.last_ms.max(offset_ms);
        self.total = self.total.saturating_add(times);
        self.number
    }

    #[inline(never)]
    fn add_elsewhere(&mut self, time_ms: i64, times: u32, span: Span) -> i64 {
        let within_ms = span.within_ms;
        let number = number_of(time_ms, within_ms);
        let start_ms = start_of(number, within_ms);
        let offset_ms = u32::try_from(time_ms - start_ms).unwrap_or(0);
        if self.newest.count == 0 || number > self.number {
            let left = core::mem::take(&mut self.newest);
            if left.count > 0 {
                self.older.get_or_insert_default().push(Older {
                    number: self.number,
                    slot: left,
                });
            }
            let oldest = number.saturating_sub(span.older_slots());
            if let Some(older) = &mut self.older {
                older.retain(|older| older.number >= oldest);
            }
            self.number = number;
            self.start_ms = start_ms;
            self.len_ms = u32::try_from(start_of(number + 1, within_ms) - start_ms).unwrap_or(0);
            self.last_ms = offset_ms;
            self.newest.add(offset_ms, times);
        } else if number + span.older_slots() >= self.number {
            let all = self.older.get_or_insert_default();
            let at = all.partition_point(|older| older.number < number);
            match all.get_mut(at) {
                Some(older) if older.number == number => older.slot.add(offset_ms, times),
                _ => {
                    let mut slot = Slot::default();
                    slot.add(offset_ms, times);
                    all.insert(at, Older { number, slot });
                }
            }
        } else {
            return number;
        }
        self.total = self.sum(self.number - SLOTS, self.number).0;
        number
    }

    /// Whether a time lies in the newest slot.
    #[inline]
    pub fn covers(&self, time_ms: i64) -> bool {
        // A time before the slot wraps around to beyond it.
        self.newest.count > 0
            && (time_ms.wrapping_sub(self.start_ms) as u64) < u64::from(self.len_ms)
    }

    /// The newest event; 0, as old as any, before there is one.
    #[inline]
    pub fn newest_ms(&self) -> i64 {
        self.start_ms + i64::from(self.last_ms)
    }

    /// When the newest slot ends.
    pub fn end_ms(&self) -> i64 {
        self.start_ms + i64::from(self.len_ms)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.newest.count == 0
    }

    /// Whether the last event was the first of the newest slot.
    pub fn has_just_moved(&self) -> bool {
        self.newest.count == 1
    }

    /// The events in the 17 slots that end with the newest.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The events in the 17 slots that end with that of a number.
    #[inline]
    pub fn total_to(&self, number: i64) -> u32 {
        if number == self.number {
            self.total
        } else {
            self.sum(number - SLOTS, number).0
        }
    }

    /// The number of the newest slot.
    pub fn newest_number(&self) -> i64 {
        self.number
    }

    /// The events in the window that ends at `time_ms`.
    pub fn total_at(&self, time_ms: i64, within_ms: i64) -> u32 {
        self.total_to(number_of(time_ms, within_ms))
    }

    /// The events in the slots from one number to another, and the time of the first.
    fn sum(&self, from: i64, to: i64) -> (u32, Option<(i64, u32)>) {
        let newest = Older {
            number: self.number,
            slot: self.newest,
        };
        let (mut total, mut first) = (0_u32, None);
        let older = self.older.as_deref().into_iter().flatten();
        for Older { number, slot } in older.chain([&newest]) {
            if (from..=to).contains(number) && slot.count > 0 {
                total = total.saturating_add(slot.count);
                first = first.or(Some((*number, slot.first_ms)));
            }
        }
        (total, first)
    }

    /// The number of the slot in which a time lies.
    pub fn number(&self, time_ms: i64, span: Span) -> i64 {
        if self.covers(time_ms) {
            self.number
        } else {
            number_of(time_ms, span.within_ms)
        }
    }

    /// What a flood begins with that opens at `time_ms` for the 17 slots that end with that of a number: the events in them
    /// and in those after them that are in order, and the time of the first.
    pub fn opening(&self, time_ms: i64, end: i64, span: Span) -> (u32, i64) {
        let (total, first) = self.sum(end - SLOTS, end.max(span.last_number(time_ms)));
        let first_ms = first.map_or(time_ms, |(number, first_ms)| {
            start_of(number, span.within_ms) + i64::from(first_ms)
        });
        (total, first_ms.min(time_ms))
    }
}

/// A slot that is not the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Older {
    number: i64,
    slot: Slot,
}

codec!(Slot: count, first_ms);
codec!(Older: number, slot);
codec!(Window: total, newest, number, start_ms, last_ms, len_ms, older);

#[cfg(test)]
mod tests {
    use super::*;

    fn span(within_ms: i64) -> Span {
        Span {
            within_ms,
            lateness_ms: 0,
        }
    }

    #[test]
    fn the_sum_covers_the_window_and_at_most_a_sixteenth_more() {
        for within_ms in [160, 1_000, 60_000, 61_001] {
            let mut window = Window::default();
            let mut times: Vec<i64> = Vec::new();
            let mut time_ms = 1_700_000_000_000;
            for step in 0..5_000_i64 {
                time_ms += (step * 7_919) % (within_ms / 9 + 1);
                window.add(time_ms, 1, span(within_ms));
                let number = window.number(time_ms, span(within_ms));
                let total = window.total_to(number) as usize;
                times.push(time_ms);
                let in_window = times.iter().filter(|&&t| t > time_ms - within_ms).count();
                let in_span = times
                    .iter()
                    .filter(|&&t| (time_ms - t) * 16 < within_ms * 17)
                    .count();
                assert!(
                    (in_window..=in_span).contains(&total),
                    "{within_ms}: {in_window} {total} {in_span}"
                );
                let (events, first_ms) = window.opening(time_ms, number, span(within_ms));
                assert_eq!(events as usize, total);
                assert_eq!(times.iter().rev().nth(total - 1), Some(&first_ms));
                assert!(window.older.as_ref().is_none_or(|older| older.len() <= 32));
                assert_eq!(window.newest_ms(), time_ms);
            }
        }
    }

    #[test]
    fn an_event_out_of_order_is_judged_by_its_own_time() {
        let mut window = Window::default();
        let span = span(16_000);
        for (time_ms, total) in [
            (100_000, 1),
            (95_000, 1),
            (84_000, 1),
            (100_999, 4),
            (67_000, 0),
        ] {
            window.add(time_ms, 1, span);
            let number = window.number(time_ms, span);
            assert_eq!(window.total_to(number), total, "{time_ms}");
        }
        let number = window.number(100_999, span);
        assert_eq!(window.opening(100_999, number, span), (4, 84_000));
        assert_eq!(window.total_at(112_000, 16_000), 2);
    }
}
