//! The sliding window of one key: how many events lie within the last `within`, in 17 slots.

use serde::{Deserialize, Serialize};

/// Slots per window. One more is kept, so that the slots always cover all of (t − within, t].
pub const SLOTS: i64 = 16;
const KEPT: usize = SLOTS as usize + 1;

/// Counts of events in slots of `within`/16, aligned to the epoch.
///
/// The sum over all kept slots is at least the number of events in (t − within, t], and at most that of
/// a span of within·17/16: the two bounds of contract.md §4.4.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    total: u32,
    newest: Newest,
    /// Ring by slot number.
    counts: [u32; KEPT],
    /// The first event of each slot, in ms after the slot's start.
    first_ms: [u32; KEPT],
}

/// The newest slot: most events lie in it, and finding them there takes no division.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Newest {
    slot: i64,
    start_ms: i64,
    /// The start of the slot after it.
    end_ms: i64,
    /// Its place in the ring.
    at: u32,
}

/// The number of the slot in which `time_ms` lies. `within`/16 need not be a whole number of ms.
fn slot_of(time_ms: i64, within_ms: i64) -> i64 {
    // Times are within years 1970–9999 and so stay far from overflow; a wild one saturates.
    time_ms.saturating_mul(SLOTS).div_euclid(within_ms.max(1))
}

/// The first ms that can lie in the slot.
fn slot_start_ms(slot: i64, within_ms: i64) -> i64 {
    let product = slot.saturating_mul(within_ms);
    product.div_euclid(SLOTS) + i64::from(product.rem_euclid(SLOTS) != 0)
}

fn ring(slot: i64) -> usize {
    slot.rem_euclid(KEPT as i64) as usize
}

impl Window {
    /// Counts an event. One that is older than all kept slots counts nowhere.
    #[inline]
    pub fn add(&mut self, time_ms: i64, within_ms: i64) {
        let newest = self.newest;
        if self.total > 0 && newest.start_ms <= time_ms && time_ms < newest.end_ms {
            self.count(newest.at as usize, (time_ms - newest.start_ms) as u32);
        } else {
            self.add_elsewhere(time_ms, within_ms);
        }
    }

    #[inline(never)]
    fn add_elsewhere(&mut self, time_ms: i64, within_ms: i64) {
        let slot = slot_of(time_ms, within_ms);
        let start_ms = slot_start_ms(slot, within_ms);
        let at = ring(slot);
        if self.total == 0 || slot > self.newest.slot {
            self.move_to(slot);
            let end_ms = slot_start_ms(slot + 1, within_ms);
            self.newest = Newest {
                slot,
                start_ms,
                end_ms,
                at: at as u32,
            };
        } else if slot + SLOTS < self.newest.slot {
            return;
        }
        self.count(at, u32::try_from(time_ms - start_ms).unwrap_or(0));
    }

    fn count(&mut self, at: usize, offset_ms: u32) {
        let (Some(count), Some(first_ms)) = (self.counts.get_mut(at), self.first_ms.get_mut(at))
        else {
            return;
        };
        if *count == 0 || offset_ms < *first_ms {
            *first_ms = offset_ms;
        }
        *count = count.saturating_add(1);
        self.total = self.total.saturating_add(1);
    }

    /// Empties the slots that are entered: those that were left 17 slots ago.
    fn move_to(&mut self, slot: i64) {
        let steps = slot.saturating_sub(self.newest.slot).clamp(0, KEPT as i64);
        for entered in slot - steps + 1..=slot {
            if let Some(count) = self.counts.get_mut(ring(entered)) {
                self.total = self.total.saturating_sub(*count);
                *count = 0;
            }
        }
    }

    /// The events in all kept slots.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The events in the window that ends at `time_ms`.
    pub fn total_at(&self, time_ms: i64, within_ms: i64) -> u32 {
        let oldest = slot_of(time_ms, within_ms) - SLOTS;
        self.kept()
            .filter(|&(slot, _)| slot >= oldest)
            .map(|(_, at)| self.counts.get(at).copied().unwrap_or(0))
            .sum()
    }

    /// The time of the first event in the kept slots.
    pub fn first_ms(&self, within_ms: i64) -> Option<i64> {
        self.kept()
            .find(|&(_, at)| self.counts.get(at).is_some_and(|&count| count > 0))
            .map(|(slot, at)| {
                slot_start_ms(slot, within_ms)
                    + i64::from(self.first_ms.get(at).copied().unwrap_or(0))
            })
    }

    /// The slot numbers from the oldest to the newest, each with its place in the ring.
    fn kept(&self) -> impl Iterator<Item = (i64, usize)> + '_ {
        (self.newest.slot - SLOTS..=self.newest.slot).map(|slot| (slot, ring(slot)))
    }

    /// The number of the slot that `time_ms` lies in, and of the oldest slot that is still kept.
    pub fn slots(&self, time_ms: i64, within_ms: i64) -> (i64, i64) {
        let newest = self.newest;
        let is_newest = newest.start_ms <= time_ms && time_ms < newest.end_ms;
        (
            if is_newest {
                newest.slot
            } else {
                slot_of(time_ms, within_ms)
            },
            newest.slot - SLOTS,
        )
    }

    /// Forgets every event.
    pub fn clear(&mut self) {
        *self = Window::default();
    }
}

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
