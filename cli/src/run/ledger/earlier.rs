//! What an earlier process left of batches, as its state has it.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::REMEMBERED;
use crate::output::delivery::Digest;
use crate::run::marks::Mark;
use crate::run::suppressed::Suppressed;

/// What the state knows of batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Those that it has counted and nobody has been told of, and what was held back of each.
    pub counted: Vec<(Digest, Suppressed)>,
    /// What has become of these, and of others.
    pub marks: Vec<Mark>,
    /// How many marks of the process that writes it are in all of this.
    pub known: u64,
}

/// What is known of a batch of an earlier process.
pub enum Left {
    /// The state has what was counted of it; these were held back.
    Counted(Suppressed),
    /// It was delivered, and the state has nothing of it.
    Delivered,
}

impl Left {
    fn is_delivered(&self) -> bool {
        match self {
            Left::Counted(suppressed) => suppressed.is_all(),
            Left::Delivered => true,
        }
    }
}

/// All of them.
#[derive(Default)]
pub struct Earlier {
    /// Of one digest there can be several.
    all: BTreeMap<Digest, Vec<Left>>,
    /// When they are forgotten.
    until: Option<Instant>,
}

impl Earlier {
    /// What a state knew; `now` is when the process after it has started.
    pub fn new(remembered: Remembered, now: Instant) -> Earlier {
        let mut earlier = Earlier {
            all: BTreeMap::new(),
            until: now.checked_add(REMEMBERED),
        };
        for (digest, suppressed) in remembered.counted {
            let left = earlier.all.entry(digest).or_default();
            left.push(Left::Counted(suppressed));
        }
        for mark in remembered.marks {
            earlier.apply(mark);
        }
        earlier
    }

    fn apply(&mut self, mark: Mark) {
        match mark {
            Mark::Delivered(digest) => {
                let left = self.all.entry(digest).or_default();
                match left.iter_mut().find(|it| !it.is_delivered()) {
                    Some(counted) => *counted = Left::Counted(Suppressed::all()),
                    None => left.push(Left::Delivered),
                }
            }
            Mark::Released(digest) => {
                let left = self.all.get(&digest).map_or(&[][..], Vec::as_slice);
                // An answer that was the output is released without having been marked as delivered.
                let at = left.iter().position(Left::is_delivered).unwrap_or(0);
                self.remove(&digest, at);
            }
        }
    }

    /// A batch with this name, if there is one.
    pub fn take(&mut self, digest: &Digest, now: Instant) -> Option<Left> {
        self.forget(now);
        let last = self.all.get(digest)?.len().checked_sub(1)?;
        self.remove(digest, last)
    }

    fn remove(&mut self, digest: &Digest, at: usize) -> Option<Left> {
        let left = self.all.get_mut(digest)?;
        let removed = (at < left.len()).then(|| left.remove(at));
        if left.is_empty() {
            self.all.remove(digest);
        }
        removed
    }

    /// Adds what is left of it to what the state of this process knows.
    pub fn add_to(&mut self, remembered: &mut Remembered, now: Instant) {
        self.forget(now);
        for (digest, left) in &self.all {
            for left in left {
                match left {
                    Left::Counted(suppressed) => {
                        remembered.counted.push((*digest, suppressed.clone()));
                    }
                    Left::Delivered => remembered.marks.push(Mark::Delivered(*digest)),
                }
            }
        }
    }

    fn forget(&mut self, now: Instant) {
        if self.until.is_some_and(|until| now >= until) {
            self.all.clear();
        }
    }
}
