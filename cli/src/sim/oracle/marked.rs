//! Says what must not come again: what is marked as delivered, and what must have been marked.

use std::collections::BTreeSet;

use super::{Oracle, Record};
use crate::output::delivery::Digest;
use crate::run::ledger::Remembered;
use crate::run::marks::Mark;
use crate::sim::world::World;

/// What the next process will know of batches.
pub fn knows(world: &mut World, remembered: &Remembered) {
    let counted: BTreeSet<Digest> = remembered.counted.iter().map(|it| it.0).collect();
    let all = remembered.counted.iter().filter(|it| it.1.is_all());
    let mut delivered: BTreeSet<Digest> = all.map(|it| it.0).collect();
    for mark in &remembered.marks {
        match mark {
            Mark::Delivered(name) => delivered.insert(*name),
            Mark::Released(name) => delivered.remove(name),
        };
    }
    let oracle = &mut world.oracle;
    for batch in &mut oracle.batches {
        let was_known = batch.delivered_before.is_some();
        batch.delivered_before = delivered.contains(&batch.name).then_some(batch.doubts);
        if batch.delivered_before.is_none() || was_known || counted.contains(&batch.name) {
            continue;
        }
        // What was held back of it was counted in vain, and what would go on of that the next time does not.
        for line in &oracle.lines[batch.lines.clone()] {
            if let Record::Event(key) = line.record
                && line.taken.is_empty()
            {
                *oracle.uncounted.entry(key).or_default() += 1;
            }
        }
    }
}

/// A line comes to the next hop: it must not if its batch is marked as delivered in the state that the process went on from.
pub fn comes_again(world: &mut World, serial: usize) {
    let batch = &world.oracle.batches[world.oracle.lines[serial].batch];
    // With another doubt it is another batch.
    if batch.delivered_before == Some(batch.doubts) {
        world.violate(format!(
            "line {serial} comes again though the state had its batch marked as delivered"
        ));
    }
}

impl Oracle {
    /// Why it is wrong that a record that was taken with these requests comes again, if it is: it was marked at once.
    pub fn was_marked(&self, taken: &[usize]) -> Option<&'static str> {
        taken.iter().find_map(|number| {
            let request = &self.requests[*number];
            let (_, known_ms) = *request.known.get()?;
            let is_marked = self
                .marked_ms
                .get(&request.life)
                .is_some_and(|it| known_ms < *it);
            (request.is_whole && is_marked).then_some(
                "though an earlier process knew that it was taken, and must have marked that",
            )
        })
    }
}
