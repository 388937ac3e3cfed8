//! Limits what a guest may take and emit.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// How many times the epoch moves on within the time limit of a call: the limit is exact to a tenth.
pub(super) const EPOCHS_PER_LIMIT: u32 = 10;
/// How many bytes a guest from a file may say for each byte that it is given, beyond [`Limits::output_bytes`]. A text
/// line of one letter becomes a record with its file's path, a refusal one with 40 fields and at times alerts.
pub const OUTPUT_BYTES_PER_INPUT_BYTE: u64 = 64;
/// What a segment costs of what may be said, beside its bytes: empty ones must end, too.
const SEGMENT_BYTES: u64 = 12;
/// Entries of all of a guest's tables. Ours has one of some hundred.
const TABLE_ENTRIES_MAX: usize = 100_000;
/// Tables of a guest.
const TABLES_MAX: usize = 10;

/// What a guest may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a guest from a file may take for what it is given at once, in one call or several; the built-in one
    /// is not watched.
    pub call: Duration,
    /// How large its memory may grow.
    pub memory_bytes: usize,
    /// How much a guest from a file may say at once on its own, as when many floods end; what it is given adds
    /// [`OUTPUT_BYTES_PER_INPUT_BYTE`] each byte. The built-in one is not watched.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// 10 s, 64 MiB and 64 MiB: all far beyond what a sound guest needs.
    fn default() -> Limits {
        Limits {
            call: Duration::from_secs(10),
            memory_bytes: 64 << 20,
            output_bytes: 64 << 20,
        }
    }
}

/// Bounds what a guest allocates, and remembers what it was refused: a trap that follows is explained by it.
pub(super) struct Limiter {
    memory_bytes: usize,
    table_entries: usize,
    refused: Option<&'static str>,
}

impl Limiter {
    pub(super) fn new(limits: &Limits) -> Limiter {
        Limiter {
            memory_bytes: limits.memory_bytes,
            table_entries: 0,
            refused: None,
        }
    }

    pub(super) fn forget_refused(&mut self) {
        self.refused = None;
    }

    /// What the guest wanted more of than it may have.
    pub(super) fn refused(&self) -> Option<&'static str> {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond its own maximum it only fails as every host lets it.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let fits = desired <= self.memory_bytes;
        if !fits {
            self.refused = Some("memory");
        }
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let entries = desired
            .saturating_sub(current)
            .saturating_add(self.table_entries);
        let fits = entries <= TABLE_ENTRIES_MAX;
        if fits {
            self.table_entries = entries;
        } else {
            self.refused = Some("table entries");
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn memories(&self) -> usize {
        1
    }
}

/// What is left to a guest of the time and the output that it may have for what it was given.
#[derive(Debug)]
pub(super) struct Allowance {
    /// What it may have each time; `None` where it is not watched.
    limits: Option<Limits>,
    time: Duration,
    output_bytes: u64,
}

impl Allowance {
    pub(super) fn new(limits: Option<Limits>) -> Allowance {
        let mut allowance = Allowance {
            limits,
            time: Duration::MAX,
            output_bytes: u64::MAX,
        };
        allowance.grant(0);
        allowance
    }

    /// Something new is asked of it, with so many bytes to read.
    pub(super) fn grant(&mut self, input_bytes: usize) {
        if let Some(limits) = self.limits {
            self.time = limits.call;
            self.output_bytes = OUTPUT_BYTES_PER_INPUT_BYTE
                .saturating_mul(input_bytes as u64)
                .saturating_add(limits.output_bytes);
        }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.limits.is_some()
    }

    /// The time that is left, as what the epoch may still move on.
    pub(super) fn epochs(&self) -> u64 {
        let Some(limits) = self.limits else {
            return u64::from(EPOCHS_PER_LIMIT);
        };
        let epoch = (limits.call / EPOCHS_PER_LIMIT).max(Duration::from_nanos(1));
        // The epoch may be about to move on.
        self.time.div_duration_f64(epoch).ceil() as u64 + 1
    }

    pub(super) fn took(&mut self, time: Duration) {
        self.time = self.time.saturating_sub(time);
    }

    /// `false` if it says more than it may.
    pub(super) fn says(&mut self, bytes: usize) -> bool {
        if self.limits.is_none() {
            return true;
        }
        let left = self.output_bytes.checked_sub(SEGMENT_BYTES + bytes as u64);
        self.output_bytes = left.unwrap_or(0);
        left.is_some()
    }
}
