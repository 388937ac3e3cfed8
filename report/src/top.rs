//! The most frequent of many values, with bounded memory: the algorithm Space-Saving, which here throws away
//! half of its entries at a time, so that a new value costs no search.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;

/// No more values than these are kept; of more, the rarer half is thrown away.
const VALUES_MAX: usize = 1024;

/// Values with how often they came, and what else is known of each.
#[derive(Clone, Debug)]
pub struct Top<K, V> {
    entries: HashMap<K, Counted<V>>,
    /// No value that was thrown away had come more often.
    floor: u64,
}

/// What is known of a value.
#[derive(Clone, Debug, Default)]
pub struct Counted<V> {
    /// How often it came, at most.
    pub count: u64,
    /// It came so much less often, at most: 0 unless there were more values than are kept.
    pub excess: u64,
    /// What else is known, since it was kept.
    pub facts: V,
}

/// Values, the most frequent first.
pub type Ranked<'a, K, V> = Vec<(&'a K, &'a Counted<V>)>;

impl<K, V> Default for Top<K, V> {
    fn default() -> Top<K, V> {
        Top {
            entries: HashMap::new(),
            floor: 0,
        }
    }
}

impl<K: Eq + Hash + Ord, V: Default> Top<K, V> {
    /// Counts a value so often; gives what else is known of it.
    pub fn add(&mut self, value: K, times: u64) -> &mut V {
        if self.entries.len() >= VALUES_MAX && !self.entries.contains_key(&value) {
            self.throw_away();
        }
        let floor = self.floor;
        let entry = self.entries.entry(value).or_insert_with(|| Counted {
            count: floor,
            excess: floor,
            facts: V::default(),
        });
        entry.count += times;
        &mut entry.facts
    }

    /// Takes away so many that were counted for the values that are meant, the rarer first.
    pub fn take(&mut self, mut times: u64, is_meant: impl Fn(&K) -> bool) {
        let entries = self.entries.iter_mut();
        let mut meant: Vec<_> = entries.filter(|it| is_meant(it.0)).collect();
        meant.sort_by(|one, other| (one.1.count, one.0).cmp(&(other.1.count, other.0)));
        for (_, entry) in meant {
            let some = times.min(entry.count);
            entry.count -= some;
            times -= some;
        }
        self.entries.retain(|_, entry| entry.count > 0);
    }

    /// The values, the most frequent first.
    pub fn ranked(&self) -> Ranked<'_, K, V> {
        let mut all: Vec<_> = self.entries.iter().collect();
        all.sort_by(|one, other| (other.1.count, one.0).cmp(&(one.1.count, other.0)));
        all
    }

    fn throw_away(&mut self) {
        let mut all: Vec<_> = mem::take(&mut self.entries).into_iter().collect();
        all.sort_unstable_by(|one, other| (other.1.count, &one.0).cmp(&(one.1.count, &other.0)));
        if let Some((_, gone)) = all.get(VALUES_MAX / 2) {
            self.floor = self.floor.max(gone.count);
        }
        all.truncate(VALUES_MAX / 2);
        self.entries = all.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frequent_is_kept_and_counted_within_its_bounds() {
        let mut top = Top::<u64, ()>::default();
        for number in 0..200_000_u64 {
            top.add(1_000 + number % 50_000, 1);
            if number % 20 == 0 {
                top.add(number / 20 % 5, 1);
            }
        }
        let ranked = top.ranked();
        assert!(ranked.len() <= VALUES_MAX);
        let first: Vec<u64> = ranked.iter().take(5).map(|it| *it.0).collect();
        assert_eq!(first, [0, 1, 2, 3, 4]);
        for (_, counted) in ranked.iter().take(5) {
            assert!(counted.count >= 2_000 && counted.count - counted.excess <= 2_000);
        }
    }

    #[test]
    fn few_values_are_counted_exactly_and_given_back() {
        let mut top = Top::<&str, ()>::default();
        for (value, times) in [("a", 5), ("b", 3), ("c", 3), ("a", 2)] {
            top.add(value, times);
        }
        let counts = |top: &Top<&'static str, ()>| -> Vec<(&str, u64, u64)> {
            let ranked = top.ranked().into_iter();
            ranked
                .map(|(it, all)| (*it, all.count, all.excess))
                .collect()
        };
        assert_eq!(counts(&top), [("a", 7, 0), ("b", 3, 0), ("c", 3, 0)]);
        top.take(4, |it| *it != "a");
        assert_eq!(counts(&top), [("a", 7, 0), ("c", 2, 0)]);
        top.take(100, |_| true);
        assert!(counts(&top).is_empty());
    }
}
