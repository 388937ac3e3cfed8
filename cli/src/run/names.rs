//! Names batches that nobody sends again.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::output::delivery::Digest;
use crate::system;

/// Names for batches of inputs that confirm nothing: nobody sends those again, so equal ones are different.
pub struct Names {
    process: u64,
    next: AtomicU64,
}

impl Names {
    /// Names that no other process gives.
    pub fn new() -> Names {
        Names {
            process: system::random(),
            next: AtomicU64::new(0),
        }
    }

    /// The next one.
    pub fn fresh(&self) -> Digest {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (process, number) = (self.process.to_le_bytes(), number.to_le_bytes());
        let mut name = Digest::default();
        for (byte, from) in name.iter_mut().zip(process.iter().chain(&number)) {
            *byte = *from;
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        let (first, second) = (Names::new(), Names::new());
        assert_ne!(first.fresh(), first.fresh());
        assert_ne!(first.fresh(), second.fresh());
    }
}
