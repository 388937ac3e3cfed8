//! What is counted without being looked at: events that say what the last one said, as logs of floods are full of them.

/// How many more events would change nothing but numbers, and before which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// So many of them.
    pub times: u32,
    /// At the last one's time, or later and before this.
    pub before_ms: i64,
}

impl Repeatable {
    /// Every one has to be looked at.
    pub const NONE: Repeatable = Repeatable {
        times: 0,
        before_ms: i64::MIN,
    };

    /// What holds for both.
    pub fn min(self, other: Repeatable) -> Repeatable {
        Repeatable {
            times: self.times.min(other.times),
            before_ms: self.before_ms.min(other.before_ms),
        }
    }
}

/// Events like the last one, all of one time.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// When that is.
    pub time_ms: i64,
    /// How many there are.
    pub times: u32,
    /// The size of each one's record.
    pub record_bytes: u64,
    /// The hash of their session, if it may be another than the last one's.
    pub session: Option<u64>,
}
