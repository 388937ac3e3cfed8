//! What a report is given besides what the plugin says.

use maxconn_core::config::Network;

use crate::written::Unread;
use crate::zone::Zone;

/// What is kept of each flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Curves, of the largest.
    #[default]
    Curves,
    /// All but curves, of very many.
    Plain,
}

/// What is known before anything comes.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What makes the report, and its version.
    pub generator: String,
    /// Times are shown in it, and read where they name none.
    pub zone: Zone,
    /// Networks that are our own.
    pub trusted: Vec<Network>,
    /// How much is free on the log's disk, in bytes.
    pub disk_free_bytes: Option<u64>,
    /// What is kept of each flood.
    pub detail: Detail,
}

/// What is known at the end, of the input.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The names of the inputs.
    pub files: Vec<String>,
    /// Their bytes, decompressed.
    pub bytes: u64,
    /// The times of the first line and of the last, in ms since the Unix epoch.
    pub period_ms: Option<(i64, i64)>,
    /// Lines that are not of the time that is asked for.
    pub outside_lines: u64,
    /// Lines that were too long and came in pieces.
    pub cut_lines: u64,
    /// Inputs that could not be read, or not to their end.
    pub unread: Vec<Unread>,
    /// The size of the disk that they are on, in bytes.
    pub disk_bytes: Option<u64>,
    /// Inputs without a line.
    pub empty: Vec<String>,
    /// Inputs that were named before.
    pub twice: Vec<String>,
    /// Whether the reading was stopped before its end.
    pub stopped: bool,
}
