//! The whole plugin behind one type: records in, documents out.
//!
//! # How to drive it
//! Hand over records in the order they come ([`Engine::push_lines`], [`Engine::push`]), call
//! [`Engine::tick`] now and then if the host has a clock, and [`Engine::finish`] once at the end. After
//! each call read the [`Output`] and [`Output::clear`] it. Time moves with events, ticks and the end only.

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::{Config, ConfigError};

/// What a piece of output is. The numbers are those of the embed ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Records of the input that pass untouched, newline included: `start..start + len` of the *input*.
    Passed = 0,
    /// One record made from a text line that carries no event, newline at its end.
    Wrapped = 1,
    /// One enriched record, newline at its end.
    Enriched = 2,
    /// One alert, newline at its end.
    Alert = 3,
    /// One statistics document, newline at its end.
    Statistics = 4,
    /// The compact view of one event, held back or not, newline at its end.
    View = 5,
}

/// One piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// What it is.
    pub kind: Kind,
    /// Where it starts: in the input for [`Kind::Passed`], in [`Output::bytes`] for all others.
    pub start: u32,
    /// Its length in bytes.
    pub len: u32,
}

/// Which pieces of output are wanted; what is not wanted is counted but not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// [`Kind::Passed`] and [`Kind::Wrapped`].
    pub records: bool,
    /// [`Kind::Enriched`].
    pub enriched: bool,
    /// [`Kind::Alert`].
    pub alerts: bool,
    /// [`Kind::View`].
    pub views: bool,
}

impl Default for Want {
    fn default() -> Want {
        Want {
            records: true,
            enriched: true,
            alerts: true,
            views: false,
        }
    }
}

/// Where output is gathered, in order.
#[derive(Debug, Default)]
pub struct Output {
    /// The bytes of everything that is not verbatim input.
    pub bytes: Vec<u8>,
    /// The pieces, in the order in which they go on.
    pub segments: Vec<Segment>,
    /// What is wanted.
    pub want: Want,
}

impl Output {
    /// Forgets what was gathered and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.segments.clear();
    }
}

/// How the lines of a source are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line that starts with `{` is a JSON record, any other is text.
    #[default]
    Auto,
    /// Every line is text.
    Text,
    /// Every line is a JSON record.
    Json,
}

/// Where records come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's path, as `log.file.path` has it.
    pub path: Option<String>,
    /// The time that the missing year of a timestamp is nearest to: a file's modification time, a clock.
    pub reference_ms: Option<i64>,
    /// How lines are read.
    pub format: Format,
}

/// What happened to one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It carries no event and passes untouched.
    Passed,
    /// It carries an event and goes on, enriched.
    Enriched,
    /// It carries an event and is held back.
    Suppressed,
}

/// Why a snapshot was not restored; the state in force is unchanged then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// Not a snapshot of ours.
    Foreign,
    /// A state format that this version does not read.
    Format(u32),
    /// Damaged: its checksum or its contents do not hold.
    Damaged,
}

/// The plugin.
pub struct Engine {
    config: Config,
}

impl Engine {
    /// An engine with an empty table.
    ///
    /// # Errors
    /// A pattern's expression that regex-lite does not take, or patterns in a build without them.
    pub fn new(config: Config) -> Result<Engine, ConfigError> {
        Ok(Engine { config })
    }

    /// Puts another configuration in force. Floods whose rule is gone or has other key fields end
    /// (`reconfigured`); the rest goes on.
    ///
    /// # Errors
    /// As [`Engine::new`]; the old configuration stays in force then.
    pub fn reconfigure(&mut self, config: Config, out: &mut Output) -> Result<(), ConfigError> {
        let _ = out;
        self.config = config;
        Ok(())
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Alerts are to be fetched with [`Engine::take_alert`] instead of appearing in the output: for
    /// hosts that can only answer one record with one record (Fluent Bit).
    pub fn queue_alerts(&mut self, queue: bool) {
        let _ = queue;
    }

    /// The oldest queued alert, without a newline.
    pub fn take_alert(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// A batch of records, one a line, the last one's newline optional. `offset` is the position of
    /// `lines` in its source, where that is known.
    ///
    /// Returns how many bytes were consumed: whole lines, fewer than all if the output has grown past
    /// [`OUTPUT_SOFT_LIMIT`]. Call again with the rest (and the offset moved on) then.
    pub fn push_lines(
        &mut self,
        source: &Source,
        lines: &[u8],
        offset: Option<u64>,
        out: &mut Output,
    ) -> usize {
        let _ = (source, offset, out);
        lines.len()
    }

    /// One record, as the host has it: a JSON object or a text line, without a newline at its end.
    /// `time_ms` is the host's own timestamp. `position` makes `event.id` where the host has something
    /// unique (topic, partition, offset).
    pub fn push(
        &mut self,
        source: &Source,
        record: &[u8],
        time_ms: Option<i64>,
        position: Option<&[u8]>,
        out: &mut Output,
    ) -> Verdict {
        let _ = (source, record, time_ms, position, out);
        Verdict::Passed
    }

    /// The times of lines, for merging several sources: the event time of each line that has one, else
    /// `None`; appended to `times`.
    pub fn line_times(&self, source: &Source, lines: &[u8], times: &mut Vec<Option<i64>>) {
        let _ = (source, lines, times);
    }

    /// Says that time goes on although nothing arrives. `now_ms` is any clock that runs at the usual speed.
    pub fn tick(&mut self, now_ms: i64, out: &mut Output) {
        let _ = (now_ms, out);
    }

    /// The end of input: a tick to the time of the last line (`None`: the newest event), then every
    /// flood that is still open ends (`end_of_input`).
    pub fn finish(&mut self, time_ms: Option<i64>, out: &mut Output) {
        let _ = (time_ms, out);
    }

    /// Ends every open flood (`shutdown`): for a stop without kept state.
    pub fn shutdown(&mut self, out: &mut Output) {
        let _ = out;
    }

    /// Writes the statistics document of contract.md §3.4 as one [`Kind::Statistics`].
    pub fn statistics(&mut self, out: &mut Output) {
        let _ = out;
    }

    /// Everything that is needed to go on elsewhere as if nothing had happened.
    pub fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Goes on from a snapshot. Floods whose rule is gone or changed end (`reconfigured`).
    ///
    /// # Errors
    /// See [`RestoreError`]; nothing has changed then.
    pub fn restore(&mut self, snapshot: &[u8], out: &mut Output) -> Result<(), RestoreError> {
        let _ = (snapshot, out);
        Ok(())
    }
}

/// [`Engine::push_lines`] stops at the next line when the output is larger than this many bytes.
pub const OUTPUT_SOFT_LIMIT: usize = 256 * 1024;
