//! Keeps many keys on one machine: bounds, recency and deadlines. What happens to a key is the detector's matter.
//!
//! # Limits
//! [`Table::new`] takes how many keys without an open flood are remembered and how many floods may be open.
//! At the first limit the key that was silent longest is forgotten; at the second the caller ends the
//! quietest flood ([`Table::quietest_flood`]). So a key is forgotten only after `max_keys` other keys had an
//! event since its own last, and nobody can push an open flood out with one-shot keys.
//!
//! Keys are 128-bit hashes. Their places in the index are mixed with a seed that comes from the traffic
//! itself, so that nobody who can read this source can choose names that collide.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use hashbrown::HashTable;

use crate::detector::KeyState;

/// Entries are allocated in pages, so that a growing table copies nothing and leaves no holes.
const PAGE_ENTRIES: usize = 128;
const NONE: u32 = u32::MAX;
const NOT_ARMED: i64 = i64::MAX;

/// Where an entry is. Valid until the entry is forgotten.
pub type Slot = u32;

/// One key under one rule.
pub struct Entry {
    /// The hash of the rule and the key's values.
    pub hash: u128,
    /// The rule's number.
    pub rule: u8,
    /// What the detector knows.
    pub state: KeyState,
    is_open: bool,
    armed_ms: i64,
    previous: u32,
    next: u32,
}

/// A list of entries from the one that was silent longest to the most recent.
#[derive(Clone, Copy)]
struct Recency {
    first: u32,
    last: u32,
    len: usize,
}

const EMPTY: Recency = Recency {
    first: NONE,
    last: NONE,
    len: 0,
};

/// A deadline in the heap; deadlines fire in this order.
pub(crate) type Timer = Reverse<(i64, u8, u128, Slot)>;

/// The bounded table.
pub struct Table {
    pages: Vec<Vec<Entry>>,
    free: Vec<Slot>,
    index: HashTable<Slot>,
    seed: u64,
    closed: Recency,
    open: Recency,
    timers: BinaryHeap<Timer>,
    max_keys: usize,
    max_floods: usize,
    evictions: u64,
    forgotten: u64,
}

impl Table {
    /// An empty table for so many keys without an open flood and so many open floods.
    pub fn new(max_keys: usize, max_floods: usize) -> Table {
        Table {
            pages: Vec::new(),
            free: Vec::new(),
            // Twice the entries: churn leaves tombstones, and a table that is half full never grows for them.
            index: HashTable::with_capacity((max_keys + max_floods + 1) * 2),
            seed: 0,
            closed: EMPTY,
            open: EMPTY,
            timers: BinaryHeap::new(),
            max_keys,
            max_floods,
            evictions: 0,
            forgotten: 0,
        }
    }

    /// Sets the seed of the index, if the table is still empty.
    pub fn seed(&mut self, seed: u64) {
        if self.is_empty() {
            self.seed = seed | 1;
        }
    }

    /// The seed of the index.
    pub fn current_seed(&self) -> u64 {
        self.seed
    }

    /// Goes on as another, empty table left off.
    pub fn resume(&mut self, seed: u64, evictions: u64) {
        self.seed = seed;
        self.evictions = evictions;
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.closed.len + self.open.len
    }

    /// How many floods are open.
    pub fn floods(&self) -> usize {
        self.open.len
    }

    /// How many keys were forgotten at the limit.
    pub fn evictions(&self) -> u64 {
        self.evictions
    }

    /// How many entries were forgotten for any reason. While this stays the same, every slot stays valid.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The entry of a key.
    pub fn find(&self, hash: u128) -> Option<Slot> {
        self.index
            .find(self.place(hash), |&slot| {
                self.entry(slot).is_some_and(|entry| entry.hash == hash)
            })
            .copied()
    }

    /// The entry in a slot.
    pub fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.pages
            .get(slot as usize / PAGE_ENTRIES)?
            .get(slot as usize % PAGE_ENTRIES)
    }

    /// The entry in a slot.
    pub fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.pages
            .get_mut(slot as usize / PAGE_ENTRIES)?
            .get_mut(slot as usize % PAGE_ENTRIES)
    }

    /// Adds a key as the most recent one. At the limit the key that was silent longest is forgotten.
    pub fn insert(&mut self, hash: u128, rule: u8, state: KeyState) -> Slot {
        let is_open = state.flood().is_some();
        while !is_open && self.closed.len >= self.max_keys && self.closed.first != NONE {
            self.forget(self.closed.first);
            self.evictions += 1;
        }
        let entry = Entry {
            hash,
            rule,
            state,
            is_open,
            armed_ms: NOT_ARMED,
            previous: NONE,
            next: NONE,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                if let Some(free) = self.entry_mut(slot) {
                    *free = entry;
                }
                slot
            }
            None => self.grow(entry),
        };
        let place = self.place(hash);
        let (pages, seed) = (&self.pages, self.seed);
        self.index.insert_unique(place, slot, |&slot| {
            let entry = pages
                .get(slot as usize / PAGE_ENTRIES)
                .and_then(|page| page.get(slot as usize % PAGE_ENTRIES));
            entry.map_or(0, |entry| place_of(entry.hash, seed))
        });
        self.link(slot);
        slot
    }

    fn grow(&mut self, entry: Entry) -> Slot {
        if self
            .pages
            .last()
            .is_none_or(|page| page.len() == PAGE_ENTRIES)
        {
            self.pages.push(Vec::with_capacity(PAGE_ENTRIES));
        }
        let full = (self.pages.len() - 1) * PAGE_ENTRIES;
        let page = self.pages.last_mut().map(|page| {
            page.push(entry);
            page.len() - 1
        });
        (full + page.unwrap_or(0)) as Slot
    }

    /// Forgets an entry.
    pub fn forget(&mut self, slot: Slot) {
        let Some(hash) = self.entry(slot).map(|entry| entry.hash) else {
            return;
        };
        let place = self.place(hash);
        let found = self.index.find_entry(place, |&other| other == slot);
        if let Ok(found) = found {
            found.remove();
        }
        self.unlink(slot);
        if let Some(entry) = self.entry_mut(slot) {
            entry.state = KeyState::default();
            entry.armed_ms = NOT_ARMED;
        }
        self.free.push(slot);
        self.forgotten += 1;
    }

    /// Says that the key just had an event.
    pub fn touch(&mut self, slot: Slot) {
        if self.open.last != slot && self.closed.last != slot {
            self.unlink(slot);
            self.link(slot);
        }
    }

    /// Brings the entry into the list that its state belongs to, after a flood opened or ended.
    pub fn settle(&mut self, slot: Slot) {
        let Some(entry) = self.entry(slot) else {
            return;
        };
        let is_open = entry.state.flood().is_some();
        if entry.is_open == is_open {
            return;
        }
        self.unlink(slot);
        if let Some(entry) = self.entry_mut(slot) {
            entry.is_open = is_open;
        }
        self.link(slot);
        // A flood that ended makes one key more without a flood.
        while self.closed.len > self.max_keys && self.closed.first != slot {
            self.forget(self.closed.first);
            self.evictions += 1;
        }
    }

    /// Whether as many floods are open as may be.
    pub fn is_full_of_floods(&self) -> bool {
        self.open.len >= self.max_floods
    }

    /// The open flood that was silent longest.
    pub fn quietest_flood(&self) -> Option<Slot> {
        (self.open.first != NONE).then_some(self.open.first)
    }

    /// Makes sure that [`Table::due`] returns the slot at `deadline_ms` or before.
    pub fn arm(&mut self, slot: Slot, deadline_ms: i64) {
        let Some(entry) = self.entry_mut(slot) else {
            return;
        };
        if entry.armed_ms <= deadline_ms {
            return;
        }
        entry.armed_ms = deadline_ms;
        let timer = Reverse((deadline_ms, entry.rule, entry.hash, slot));
        self.timers.push(timer);
        if self.timers.len() > 2 * self.open.len + 64 {
            // Floods that ended leave their timers behind; they must not pile up.
            for timer in core::mem::take(&mut self.timers) {
                if self.is_live(&timer) {
                    self.timers.push(timer);
                }
            }
        }
    }

    /// When [`Table::due`] has something next, at the earliest.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.timers
            .peek()
            .map(|Reverse((deadline_ms, ..))| *deadline_ms)
    }

    /// Takes the first slot whose timer is due at `up_to_ms` or before, and the timer's time. Its true
    /// deadline may be later: the caller looks, fires or not, and arms it again.
    pub fn due(&mut self, up_to_ms: i64) -> Option<(Slot, i64)> {
        while let Some(timer) = self.timers.peek() {
            let Reverse((deadline_ms, _, _, slot)) = *timer;
            if deadline_ms > up_to_ms {
                return None;
            }
            let is_live = self.is_live(timer);
            self.timers.pop();
            if is_live {
                if let Some(entry) = self.entry_mut(slot) {
                    entry.armed_ms = NOT_ARMED;
                }
                return Some((slot, deadline_ms));
            }
        }
        None
    }

    fn is_live(&self, Reverse((deadline_ms, _, hash, slot)): &Timer) -> bool {
        self.entry(*slot)
            .is_some_and(|entry| entry.armed_ms == *deadline_ms && entry.hash == *hash)
    }

    /// Every slot, the longest silent first: those without an open flood, then those with one.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.listed(self.closed).chain(self.open_slots())
    }

    /// The slots with an open flood, the longest silent first.
    pub fn open_slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.listed(self.open)
    }

    fn listed(&self, recency: Recency) -> impl Iterator<Item = Slot> + '_ {
        core::iter::successors((recency.first != NONE).then_some(recency.first), |&slot| {
            let next = self.entry(slot).map_or(NONE, |entry| entry.next);
            (next != NONE).then_some(next)
        })
    }

    fn place(&self, hash: u128) -> u64 {
        place_of(hash, self.seed)
    }

    fn list(&mut self, is_open: bool) -> &mut Recency {
        if is_open {
            &mut self.open
        } else {
            &mut self.closed
        }
    }

    fn link(&mut self, slot: Slot) {
        let Some(is_open) = self.entry(slot).map(|entry| entry.is_open) else {
            return;
        };
        let list = self.list(is_open);
        let last = list.last;
        list.last = slot;
        list.len += 1;
        if last == NONE {
            list.first = slot;
        } else if let Some(entry) = self.entry_mut(last) {
            entry.next = slot;
        }
        if let Some(entry) = self.entry_mut(slot) {
            entry.previous = last;
            entry.next = NONE;
        }
    }

    fn unlink(&mut self, slot: Slot) {
        let Some((is_open, previous, next)) =
            self.entry(slot).map(|e| (e.is_open, e.previous, e.next))
        else {
            return;
        };
        match self.entry_mut(previous) {
            Some(entry) => entry.next = next,
            None => self.list(is_open).first = next,
        }
        match self.entry_mut(next) {
            Some(entry) => entry.previous = previous,
            None => self.list(is_open).last = previous,
        }
        self.list(is_open).len -= 1;
    }
}

/// Multiplication by an unknown odd number spreads the differences of two hashes over the upper bits.
fn place_of(hash: u128, seed: u64) -> u64 {
    let mixed = ((hash >> 64) as u64 ^ hash as u64).wrapping_mul(seed);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(max_keys: usize) -> Table {
        let mut table = Table::new(max_keys, 4);
        table.seed(0x9e37_79b9_7f4a_7c15);
        table
    }

    #[test]
    fn a_key_is_forgotten_only_after_max_keys_others_had_an_event() {
        let mut table = table(3);
        for hash in 0..3 {
            table.insert(hash, 0, KeyState::default());
        }
        let first = table.find(0).unwrap();
        table.touch(first);
        for hash in 10..12 {
            table.insert(hash, 0, KeyState::default());
            assert_eq!(table.find(0), Some(first));
        }
        assert_eq!(
            (table.find(1), table.find(2), table.len(), table.evictions()),
            (None, None, 3, 2)
        );
        table.insert(12, 0, KeyState::default());
        assert_eq!((table.find(0), table.len()), (None, 3));
    }

    #[test]
    fn timers_fire_in_the_order_of_deadline_rule_and_key() {
        let mut table = table(100);
        let mut expected = Vec::new();
        for hash in 0..50_u128 {
            let slot = table.insert(hash * 7 % 50, (hash % 3) as u8, KeyState::default());
            let deadline_ms = (hash as i64 * 31) % 10;
            table.arm(slot, deadline_ms);
            table.arm(slot, deadline_ms + 5);
            expected.push((deadline_ms, (hash % 3) as u8, hash * 7 % 50, slot));
        }
        expected.sort_unstable();
        let fired: Vec<_> = core::iter::from_fn(|| table.due(6))
            .map(|due| due.0)
            .collect();
        assert_eq!(
            fired,
            expected
                .iter()
                .filter(|timer| timer.0 <= 6)
                .map(|timer| timer.3)
                .collect::<Vec<_>>()
        );
    }
}
