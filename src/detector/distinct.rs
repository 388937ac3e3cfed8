//! Counts different values: exactly within a window, estimated over a flood.

use alloc::vec::Vec;

use maxconn_records::codec;
use maxconn_records::codec::{Codec, Tape, variant};
/// The most recently seen different values of one field, as many as a rule wants to see.
///
/// Keeping the `at_least` most recent ones is enough to know exactly whether as many lie within the
/// window: if the oldest of them does, all do. One more is kept, and of each the sighting before the last, so that one
/// event ahead of its time hides none of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentValues {
    /// In place, so that a key with one event allocates nothing.
    first: Option<RecentValue>,
    more: Vec<RecentValue>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RecentValue {
    /// Two halves, so that an entry takes 12 bytes.
    hash: [u32; 2],
    /// The low 24 bits of the number of the slot it was last seen in; below them how many slots before that it was seen,
    /// too: 0 for never, or too long ago.
    seen: u32,
}

const SLOT_BITS: u32 = 24;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

impl RecentValue {
    fn slot(self) -> u32 {
        self.seen >> 8
    }

    /// The slot it was seen in before the last one.
    fn before(self) -> Option<u32> {
        let slots = self.seen & 0xff;
        (slots > 0).then(|| self.slot().wrapping_sub(slots) & SLOT_MASK)
    }

    fn see(&mut self, slot: u32) {
        let ahead = slot.wrapping_sub(self.slot()) & SLOT_MASK;
        if is_newer(slot, self.slot()) {
            self.seen = slot << 8 | if ahead <= 0xff { ahead } else { 0 };
        } else if let slots @ 1..=0xff = self.slot().wrapping_sub(slot) & SLOT_MASK
            && self.before().is_none_or(|before| is_newer(slot, before))
        {
            self.seen = self.slot() << 8 | slots;
        }
    }
}

impl RecentValues {
    /// Notes that the value was seen in `slot`.
    pub fn add(&mut self, hash: u64, slot: i64, at_least: usize) {
        let slot = slot as u32 & SLOT_MASK;
        let seen = RecentValue {
            hash: [(hash >> 32) as u32, hash as u32],
            seen: slot << 8,
        };
        if let Some(known) = self.iter_mut().find(|known| known.hash == seen.hash) {
            known.see(slot);
        } else if self.first.is_none() {
            self.first = Some(seen);
        } else if self.more.len() < at_least {
            self.more.reserve_exact(1);
            self.more.push(seen);
        } else if let Some(oldest) = self.iter_mut().reduce(older)
            && !is_newer(oldest.slot(), slot)
        {
            *oldest = seen;
        }
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut RecentValue> {
        self.first.iter_mut().chain(&mut self.more)
    }

    /// Whether so many of them were seen in one of the slots from `oldest` to `newest`.
    pub fn has(&self, at_least: usize, oldest: i64, newest: i64) -> bool {
        // In most floods there are not even so many.
        self.more.len() + 1 >= at_least && self.hashes(oldest, newest).count() >= at_least
    }

    /// The hashes of the values seen in one of the slots from `oldest` to `newest`.
    pub fn hashes(&self, oldest: i64, newest: i64) -> impl Iterator<Item = u64> + '_ {
        let (oldest, newest) = (oldest as u32 & SLOT_MASK, newest as u32 & SLOT_MASK);
        let is_within = move |slot: u32| !is_newer(oldest, slot) && !is_newer(slot, newest);
        let is_seen = move |value: &&RecentValue| {
            is_within(value.slot()) || value.before().is_some_and(is_within)
        };
        let values = self.first.iter().chain(&self.more).filter(is_seen);
        values.map(|value| (u64::from(value.hash[0]) << 32) | u64::from(value.hash[1]))
    }
}

fn older<'a>(a: &'a mut RecentValue, b: &'a mut RecentValue) -> &'a mut RecentValue {
    if is_newer(a.slot(), b.slot()) { b } else { a }
}

/// Whether slot `a` is later than slot `b`; slot numbers wrap.
fn is_newer(a: u32, b: u32) -> bool {
    ((a.wrapping_sub(b) << (u32::BITS - SLOT_BITS)) as i32) > 0
}

/// How many values are counted exactly.
pub const EXACT: usize = 16;
const REGISTERS: usize = 128;

/// Counts different values in 128 bytes: exactly up to [`EXACT`], then by HyperLogLog with 128
/// registers (standard error 9 %; Flajolet et al. 2007, with linear counting for small numbers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sketch {
    /// The hashes themselves.
    Exact(Vec<u64>),
    /// One register for each value of the hash's upper seven bits.
    Estimated(Vec<u8>),
}

impl Default for Sketch {
    fn default() -> Sketch {
        Sketch::Exact(Vec::new())
    }
}

impl Sketch {
    /// Adds a value.
    pub fn add(&mut self, hash: u64) {
        match self {
            Sketch::Exact(hashes) if hashes.contains(&hash) => {}
            Sketch::Exact(hashes) if hashes.len() < EXACT => hashes.push(hash),
            Sketch::Exact(hashes) => {
                let mut registers = alloc::vec![0; REGISTERS];
                for &hash in hashes.iter().chain([&hash]) {
                    register(&mut registers, hash);
                }
                *self = Sketch::Estimated(registers);
            }
            Sketch::Estimated(registers) => register(registers, hash),
        }
    }

    /// The number of different values, and whether it is exact.
    pub fn count(&self) -> (u64, bool) {
        match self {
            Sketch::Exact(hashes) => (hashes.len() as u64, true),
            Sketch::Estimated(registers) => (estimate(registers), false),
        }
    }
}

fn register(registers: &mut [u8], hash: u64) {
    let rank = ((hash << 7) | 1 << 6).leading_zeros() as u8 + 1;
    if let Some(register) = registers.get_mut((hash >> 57) as usize)
        && *register < rank
    {
        *register = rank;
    }
}

fn estimate(registers: &[u8]) -> u64 {
    let m = REGISTERS as f64;
    let sum: f64 = registers
        .iter()
        .map(|&rank| 1.0 / (1_u64 << rank.min(63)) as f64)
        .sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let zeros = registers.iter().filter(|&&rank| rank == 0).count();
    let estimate = if raw <= 2.5 * m && zeros > 0 {
        m * libm::log(m / zeros as f64)
    } else {
        raw
    };
    (libm::round(estimate) as u64).max(EXACT as u64 + 1)
}

codec!(RecentValues: first, more);
codec!(RecentValue: hash, seen);

impl<'a> Codec<'a> for Sketch {
    fn blank() -> Sketch {
        Sketch::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        let number = u8::from(matches!(self, Sketch::Estimated(_)));
        if variant(tape, number, 1) == 1 && number == 0 {
            *self = Sketch::Estimated(Vec::new());
        }
        match self {
            Sketch::Exact(hashes) => hashes.pass(tape),
            Sketch::Estimated(registers) => registers.pass(tape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash128;

    #[test]
    fn recent_values_know_exactly_whether_enough_lie_in_the_window() {
        let mut recent = RecentValues::default();
        for slot in 0..40_i64 {
            recent.add(slot as u64 % 25, slot, 10);
            let since = slot - 16;
            let exact = (0..=slot)
                .filter(|&s| s >= since)
                .map(|s| s % 25)
                .collect::<alloc::collections::BTreeSet<_>>();
            let count = recent.hashes(since, slot).count();
            assert_eq!(count.min(10), exact.len().min(10), "{slot}");
        }
    }

    #[test]
    fn one_value_ahead_of_its_time_hides_no_other() {
        for ahead in [3, 77] {
            let mut recent = RecentValues::default();
            (0..3).for_each(|value| recent.add(value, value as i64, 4));
            recent.add(ahead, 12, 4);
            recent.add(3, 3, 4);
            assert!(recent.has(4, 0, 3) && !recent.has(5, 0, 3), "{ahead}");
        }
    }

    #[test]
    fn the_sketch_is_exact_when_small_and_near_when_large() {
        let mut sketch = Sketch::default();
        for n in 0..200_000_u64 {
            for _ in 0..2 {
                sketch.add(hash128(9, &n.to_le_bytes()) as u64);
            }
            let (count, exact) = sketch.count();
            if n < EXACT as u64 {
                assert_eq!((count, exact), (n + 1, true));
            } else if n % 1_000 == 999 {
                let error = (count as f64 - (n + 1) as f64).abs() / (n + 1) as f64;
                assert!(error < 0.30 && !exact, "{count} for {}", n + 1);
            }
        }
    }
}
