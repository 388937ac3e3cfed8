//! The sliding window of one key: how many events lie within the last `within`, in 17 slots.

use alloc::boxed::Box;

use maxconn_records::stored;

/// Slots per window. One more is kept, so that the slots always cover all of (t − within, t].
pub const SLOTS: i64 = 16;
/// So many slots are kept beside the newest.
const OLDER: usize = SLOTS as usize;

/// Counts of events in slots of `within`/16, aligned to the epoch.
///
/// The sum over all kept slots is at least the number of events in (t − within, t], and at most that of
/// a span of within·17/16: the two bounds of contract.md §4.4.
///
/// Most keys never see a second slot, least of all those that an attacker makes up by the million. So the
/// newest slot is in place, and the others are allocated with the first event that needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// The events in all kept slots.
    total: u32,
    newest: Slot,
    /// The newest slot's number, its start, and the start of the slot after it.
    number: i64,
    start_ms: i64,
    end_ms: i64,
    older: Option<Box<[Slot; OLDER]>>,
}

/// One slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    count: u32,
    /// Its first event, in ms after its start.
    first_ms: u32,
}

impl Slot {
    fn add(&mut self, offset_ms: u32) {
        if self.count == 0 || offset_ms < self.first_ms {
            self.first_ms = offset_ms;
        }
        self.count = self.count.saturating_add(1);
    }
}

/// The number of the slot in which `time_ms` lies. `within`/16 need not be a whole number of ms.
fn number_of(time_ms: i64, within_ms: i64) -> i64 {
    // Times are within years 1970–9999 and so stay far from overflow; a wild one saturates.
    time_ms.saturating_mul(SLOTS).div_euclid(within_ms.max(1))
}

/// The first ms that can lie in the slot.
fn start_of(number: i64, within_ms: i64) -> i64 {
    let product = number.saturating_mul(within_ms);
    product.div_euclid(SLOTS) + i64::from(product.rem_euclid(SLOTS) != 0)
}

/// The place of an older slot in its ring.
fn ring(number: i64) -> usize {
    number.rem_euclid(OLDER as i64) as usize
}

impl Window {
    /// Counts an event. One that is older than all kept slots counts nowhere.
    #[inline]
    pub fn add(&mut self, time_ms: i64, within_ms: i64) {
        if self.total > 0 && self.start_ms <= time_ms && time_ms < self.end_ms {
            self.newest.add((time_ms - self.start_ms) as u32);
            self.total = self.total.saturating_add(1);
        } else {
            self.add_elsewhere(time_ms, within_ms);
        }
    }

    /// Counts more events in the newest slot, at the time of one that it has.
    pub fn repeat(&mut self, times: u32) {
        self.newest.count = self.newest.count.saturating_add(times);
        self.total = self.total.saturating_add(times);
    }

    #[inline(never)]
    fn add_elsewhere(&mut self, time_ms: i64, within_ms: i64) {
        let number = number_of(time_ms, within_ms);
        let start_ms = start_of(number, within_ms);
        let offset_ms = u32::try_from(time_ms - start_ms).unwrap_or(0);
        if self.total == 0 || number > self.number {
            self.move_to(number);
            self.start_ms = start_ms;
            self.end_ms = start_of(number + 1, within_ms);
            self.newest.add(offset_ms);
        } else if number + SLOTS >= self.number {
            let older = self.older.get_or_insert_default();
            if let Some(slot) = older.get_mut(ring(number)) {
                slot.add(offset_ms);
            }
        } else {
            return;
        }
        self.total = self.total.saturating_add(1);
    }

    /// Makes a later slot the newest one and forgets those that are out of the window then.
    fn move_to(&mut self, number: i64) {
        let left = core::mem::take(&mut self.newest);
        let steps = number.saturating_sub(self.number);
        if let Some(older) = &mut self.older {
            for left in number - steps.min(SLOTS)..number {
                // A slot that is left takes the place of the one 16 before it.
                if let Some(slot) = older.get_mut(ring(left)) {
                    self.total = self.total.saturating_sub(slot.count);
                    *slot = Slot::default();
                }
            }
        }
        if left.count > 0 && steps <= SLOTS {
            let older = self.older.get_or_insert_default();
            if let Some(slot) = older.get_mut(ring(self.number)) {
                *slot = left;
            }
        } else {
            self.total = self.total.saturating_sub(left.count);
        }
        self.number = number;
    }

    /// The events in all kept slots.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The events in the window that ends at `time_ms`.
    pub fn total_at(&self, time_ms: i64, within_ms: i64) -> u32 {
        let oldest = number_of(time_ms, within_ms) - SLOTS;
        let kept = self.kept().filter(|(number, _)| *number >= oldest);
        kept.map(|(_, slot)| slot.count).sum()
    }

    /// The time of the first event in the kept slots.
    pub fn first_ms(&self, within_ms: i64) -> Option<i64> {
        let (number, slot) = self.kept().find(|(_, slot)| slot.count > 0)?;
        Some(start_of(number, within_ms) + i64::from(slot.first_ms))
    }

    /// The kept slots and their numbers, from the oldest to the newest.
    fn kept(&self) -> impl Iterator<Item = (i64, Slot)> + '_ {
        let older = self.older.as_deref().into_iter().flat_map(|older| {
            let numbers = self.number - SLOTS..self.number;
            numbers.filter_map(|number| Some((number, *older.get(ring(number))?)))
        });
        older.chain([(self.number, self.newest)])
    }

    /// The number of the slot that `time_ms` lies in, and of the oldest slot that is still kept.
    pub fn slots(&self, time_ms: i64, within_ms: i64) -> (i64, i64) {
        let is_newest = self.start_ms <= time_ms && time_ms < self.end_ms;
        let number = if is_newest {
            self.number
        } else {
            number_of(time_ms, within_ms)
        };
        (number, self.number - SLOTS)
    }

    /// Forgets every event.
    pub fn clear(&mut self) {
        *self = Window::default();
    }
}

stored!(Window: total, newest, number, start_ms, end_ms, older);
stored!(Slot: count, first_ms);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_covers_the_window_and_at_most_a_sixteenth_more() {
        for within_ms in [160, 1_000, 60_000, 61_001] {
            let mut window = Window::default();
            let mut times: alloc::vec::Vec<i64> = alloc::vec::Vec::new();
            let mut time_ms = 1_700_000_000_000;
            for step in 0..5_000_i64 {
                time_ms += (step * 7_919) % (within_ms / 9 + 1);
                window.add(time_ms, within_ms);
                times.push(time_ms);
                let in_window = times.iter().filter(|&&t| t > time_ms - within_ms).count();
                let in_span = times
                    .iter()
                    .filter(|&&t| (time_ms - t) * 16 < within_ms * 17)
                    .count();
                let total = window.total() as usize;
                assert!(
                    (in_window..=in_span).contains(&total),
                    "{within_ms}: {in_window} {total} {in_span}"
                );
                let first = window.first_ms(within_ms).unwrap();
                assert_eq!(times.iter().rev().nth(total - 1), Some(&first));
            }
        }
    }

    #[test]
    fn an_event_out_of_order_counts_in_its_own_slot() {
        let mut window = Window::default();
        window.add(100_000, 16_000);
        window.add(95_000, 16_000);
        assert_eq!((window.total(), window.first_ms(16_000)), (2, Some(95_000)));
        window.add(80_000, 16_000);
        assert_eq!(window.total(), 2, "older than every kept slot");
        assert_eq!(window.total_at(112_000, 16_000), 1);
    }
}
