//! What can go wrong between this host and a guest.

use std::fmt;
use std::time::Duration;

/// Why a guest was not loaded or a call failed. `plugin` names the guest: its file, or "built-in".
#[derive(Debug)]
#[non_exhaustive]
pub enum HostError {
    /// The file cannot be read.
    Read {
        /// The guest.
        plugin: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file is not a wasm module that wasmtime takes.
    NotAModule {
        /// The guest.
        plugin: String,
        /// What wasmtime says.
        reason: String,
    },
    /// The module has too much of something to be compiled.
    TooLarge {
        /// The guest.
        plugin: String,
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        most: u64,
    },
    /// The module does not have the exports of the embed ABI, or wants imports.
    Surface {
        /// The guest.
        plugin: String,
        /// What is there or missing.
        problem: String,
    },
    /// The module speaks another version of the ABI.
    Version {
        /// The guest.
        plugin: String,
        /// Its version.
        version: i32,
    },
    /// What was asked of it took longer than allowed and was stopped.
    TooSlow {
        /// The guest.
        plugin: String,
        /// The export.
        call: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// It said more than allowed for what it was given.
    TooMuch {
        /// The guest.
        plugin: String,
        /// The export.
        call: &'static str,
    },
    /// It failed after it was refused more of what it had too much of.
    Exhausted {
        /// The guest.
        plugin: String,
        /// The export.
        call: &'static str,
        /// What it wanted more of.
        what: &'static str,
    },
    /// A call ended in a trap, or could not be started.
    Trapped {
        /// The guest.
        plugin: String,
        /// The export.
        call: &'static str,
        /// What wasmtime says.
        reason: String,
    },
    /// The guest answered something that the ABI does not allow.
    Invalid {
        /// The guest.
        plugin: String,
        /// The export.
        call: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The guest refused what it was given, and says why.
    Refused {
        /// The place, e.g. `rule[1].quiet`; may be empty.
        path: String,
        /// What is wrong there.
        problem: String,
        /// What to do instead.
        mend: String,
    },
}

impl fmt::Display for HostError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostError::Read { plugin, error } => {
                write!(
                    out,
                    "cannot read the plugin {plugin}: {error}; name a .wasm file that is there"
                )
            }
            HostError::NotAModule { plugin, reason } => {
                write!(
                    out,
                    "{plugin} is not a wasm module that can be run here: {reason}; build it with `make guests`"
                )
            }
            HostError::TooLarge { plugin, what, most } => write!(
                out,
                "{plugin} is too large to be compiled here: {most} {what} are allowed; build it for size, as `make guests` does"
            ),
            HostError::Surface { plugin, problem } => write!(
                out,
                "{plugin} is not a plugin of the embed ABI: {problem}; use maxconn-embed.wasm or a module with the same exports"
            ),
            HostError::Version { plugin, version } => write!(
                out,
                "{plugin} speaks version {version} of the embed ABI and this program version {}; use a plugin and a \
                 program of the same release",
                super::ABI_VERSION
            ),
            HostError::TooSlow {
                plugin,
                call,
                limit,
            } => write!(
                out,
                "{plugin} was stopped: {call} did not return within {} s; try the built-in plugin",
                limit.as_secs_f32()
            ),
            HostError::TooMuch { plugin, call } => write!(
                out,
                "{plugin} was stopped: {call} says more than {} bytes for each that it was given; lower max_floods if \
                 floods are many, or try the built-in plugin",
                super::OUTPUT_BYTES_PER_INPUT_BYTE
            ),
            HostError::Exhausted { plugin, call, what } => write!(
                out,
                "{plugin} failed in {call}: it wants more {what} than it may have; lower max_keys and max_floods, or try \
                 the built-in plugin"
            ),
            HostError::Trapped {
                plugin,
                call,
                reason,
            } => {
                write!(
                    out,
                    "{plugin} failed in {call}: {reason}; try the built-in plugin, and report this"
                )
            }
            HostError::Invalid {
                plugin,
                call,
                problem,
            } => {
                write!(
                    out,
                    "{plugin} breaks the embed ABI: {call} {problem}; try the built-in plugin"
                )
            }
            HostError::Refused {
                path,
                problem,
                mend,
            } if path.is_empty() => write!(out, "{problem}; {mend}"),
            HostError::Refused {
                path,
                problem,
                mend,
            } => write!(out, "{path}: {problem}; {mend}"),
        }
    }
}

impl std::error::Error for HostError {}
