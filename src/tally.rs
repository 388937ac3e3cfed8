//! Counts refusals and what became of them: of a flood, since its last alert, in a period.

use maxconn_records::codec;

use crate::json::write::Writer;

/// Refusals and what became of them; `passed`, `suppressed` and `unlogged` together are `count`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub count: u64,
    /// Those whose records went on.
    pub passed: u64,
    /// Those whose records were held back.
    pub suppressed: u64,
    /// The bytes of these records.
    pub suppressed_bytes: u64,
    /// Those that no record tells of, but the server's own counts.
    pub unlogged: u64,
}

impl Tally {
    /// Counts so many refusals, whose records have so many bytes together.
    pub fn count(&mut self, is_held_back: bool, times: u64, bytes: u64) {
        self.count = self.count.saturating_add(times);
        if is_held_back {
            self.suppressed = self.suppressed.saturating_add(times);
            self.suppressed_bytes = self.suppressed_bytes.saturating_add(bytes);
        } else {
            self.passed = self.passed.saturating_add(times);
        }
    }

    /// Counts refusals that no record tells of.
    pub fn count_unlogged(&mut self, times: u64) {
        self.count = self.count.saturating_add(times);
        self.unlogged = self.unlogged.saturating_add(times);
    }

    /// Adds another one.
    pub fn add(&mut self, more: &Tally) {
        self.fields_with(more, u64::saturating_add);
    }

    /// What came since it was `before`.
    pub fn since(mut self, before: &Tally) -> Tally {
        self.fields_with(before, u64::saturating_sub);
        self
    }

    fn fields_with(&mut self, other: &Tally, change: fn(u64, u64) -> u64) {
        for (mine, other) in [
            (&mut self.count, other.count),
            (&mut self.passed, other.passed),
            (&mut self.suppressed, other.suppressed),
            (&mut self.suppressed_bytes, other.suppressed_bytes),
            (&mut self.unlogged, other.unlogged),
        ] {
            *mine = change(*mine, other);
        }
    }

    /// Writes its members; `unlogged` only where there are such.
    #[inline(never)]
    pub fn write(&self, json: &mut Writer<'_>) {
        for (key, value) in [
            ("count", self.count),
            ("passed", self.passed),
            ("suppressed", self.suppressed),
            ("suppressed_bytes", self.suppressed_bytes),
            ("unlogged", self.unlogged),
        ] {
            if value > 0 || key != "unlogged" {
                json.key(key);
                json.uint(value);
            }
        }
    }
}

codec!(Tally: count, passed, suppressed, suppressed_bytes, unlogged);
