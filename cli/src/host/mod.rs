//! The wasmtime host: loads a guest of the embed ABI (`pipelines/embed/README.md`), the built-in one or
//! another, and drives it. A guest is not trusted: every address, length and answer of its is checked,
//! its memory is limited, and a call that takes too long is stopped (but in the built-in guest).
//!
//! ```no_run
//! use maxconn::host::{Limits, Plugin};
//! # fn main() -> Result<(), maxconn::host::HostError> {
//! let plugin = Plugin::builtin(Limits::default())?;
//! let mut instance = plugin.instantiate()?;
//! instance.push(b"a line\n", None, |_kind, bytes| print!("{}", String::from_utf8_lossy(bytes)))?;
//! # Ok(()) }
//! ```

mod calls;
mod engine;
mod error;
mod instance;
mod output;
mod plugin;

pub use error::HostError;
pub use instance::{Instance, Source};
pub use maxconn_core::engine::{Format, Kind, Verdict, Want};
pub use plugin::{Limits, Plugin};

/// The version of the embed ABI that this host speaks.
pub const ABI_VERSION: i32 = 1;
