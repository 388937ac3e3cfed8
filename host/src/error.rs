//! What can go wrong between this host and a guest.

use std::io;
use std::time::Duration;

use super::{ABI_VERSION, OUTPUT_BYTES_PER_INPUT_BYTE};

/// Why a guest was not loaded or a call failed. `plugin` names the guest: its file, or what the caller calls it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The file cannot be read.
    #[error("cannot read the plugin {plugin}: {error}; name a .wasm file that is there")]
    Read {
        /// The guest.
        plugin: String,
        /// What the system says.
        error: io::Error,
    },
    /// The guest cannot be used, or no longer.
    #[error("{plugin} {fault}")]
    Fault {
        /// The guest.
        plugin: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The guest refused what it was given, and goes on as before.
    #[error("{}{problem}; {mend}", beginning(.path))]
    Refused {
        /// The place, e.g. `rule[1].quiet`; may be empty.
        path: String,
        /// What is wrong there.
        problem: String,
        /// What to do instead.
        mend: String,
    },
}

fn beginning(path: &str) -> String {
    match path {
        "" => String::new(),
        _ => format!("{path}: "),
    }
}

/// What is wrong with a guest. The sentence goes on after its name; the first part of what happened in a call is the
/// export's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It is not a wasm module that wasmtime takes, which says this.
    #[error("is not a wasm module that can be run here: {0}; build it with `make guests`")]
    NotAModule(String),
    /// It has too much of this to be compiled, of which so many are allowed.
    #[error(
        "is too large to be compiled here: {1} {0} are allowed; build it for size, as `make guests` does"
    )]
    TooLarge(&'static str, u64),
    /// It does not have the exports of the embed ABI, or wants imports.
    #[error(
        "is not a plugin of the embed ABI: {0}; use maxconn-embed.wasm or a module with the same exports"
    )]
    Surface(String),
    /// It speaks this version of the ABI.
    #[error(
        "speaks version {0} of the embed ABI and this program version {ABI_VERSION}; use a plugin and a program of the same \
         release"
    )]
    Version(i32),
    /// No thread can be had that stops it where it takes too long.
    #[error("cannot be watched: {0}; let this process have one more thread")]
    Unwatched(io::Error),
    /// What was asked of it took longer than this and was stopped.
    #[error("was stopped: {0} did not return within {seconds} s; try the built-in plugin", seconds = .1.as_secs_f32())]
    TooSlow(&'static str, Duration),
    /// It said more than allowed for what it was given.
    #[error(
        "was stopped: {0} says more than {OUTPUT_BYTES_PER_INPUT_BYTE} bytes for each that it was given; lower max_floods if \
         floods are many, or try the built-in plugin"
    )]
    TooMuch(&'static str),
    /// It failed after it was refused more of this.
    #[error(
        "failed in {0}: it wants more {1} than it may have; lower max_keys and max_floods, or try the built-in plugin"
    )]
    Exhausted(&'static str, &'static str),
    /// The call ended in a trap, or could not be started, as wasmtime says.
    #[error("failed in {0}: {1}; try the built-in plugin, and report this")]
    Trapped(&'static str, String),
    /// It answered what the ABI does not allow.
    #[error("breaks the embed ABI: {0} {1}; try the built-in plugin")]
    Breach(&'static str, Breach),
}

impl Fault {
    pub(super) fn of(self, plugin: &str) -> HostError {
        HostError::Fault {
            plugin: plugin.to_string(),
            fault: self,
        }
    }
}

/// What an answer has that the ABI does not allow. The sentence goes on after the export's name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
    /// This is not within its memory.
    #[error("gives {0} outside of its memory")]
    Outside(&'static str),
    /// A segment is of a kind with this number.
    #[error("gives a segment of the unknown kind {0}")]
    UnknownKind(u32),
    /// A segment of so many bytes, from this one on, goes beyond those that there are.
    #[error("gives a segment of {0} bytes at {1}, of {2} that there are")]
    LongSegment(u32, u32, usize),
    /// Two segments share bytes.
    #[error("gives segments that overlap")]
    Overlap,
    /// A document is something else.
    #[error("gives a document that is no JSON object on a line of its own")]
    NotADocument,
    /// It says nothing, and that there is more.
    #[error("has more to say but says nothing")]
    SaysNothing,
    /// It has no memory for so many bytes of input.
    #[error("has no room for {0} bytes")]
    NoRoom(usize),
    /// It answers this number.
    #[error("answers {0}")]
    Answer(i32),
    /// It answers that it took so many of so many bytes.
    #[error("answers {0} for {1} bytes")]
    Taken(i32, i32),
    /// It answers so many times and gives so many.
    #[error("answers {0} and gives {1} times")]
    Times(i32, usize),
}
