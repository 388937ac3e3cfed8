//! The wasmtime host: loads a guest of the embed ABI (`pipelines/embed/README.md`), the built-in one or
//! another, and drives it. A guest is not trusted: every address, length and answer of its is checked, and its
//! memory and tables are limited. One from a file is measured before it is compiled, stopped where it takes too long,
//! from its start on, or says too much for what it was given, and its documents are looked at.
//!
//! ```no_run
//! use maxconn::host::{Limits, Plugin};
//! # fn main() -> Result<(), maxconn::host::HostError> {
//! let plugin = Plugin::builtin(Limits::default())?;
//! let mut instance = plugin.instantiate()?;
//! instance.push(b"a line\n", None, |_kind, bytes| print!("{}", String::from_utf8_lossy(bytes)))?;
//! # Ok(()) }
//! ```

mod bounds;
mod calls;
mod engine;
mod error;
mod instance;
mod limits;
mod output;
mod plugin;

pub use bounds::read_module;
pub use error::HostError;
pub use instance::{Instance, Source};
pub use limits::{Limits, OUTPUT_BYTES_PER_INPUT_BYTE};
pub use maxconn_core::engine::{Format, Kind, Verdict, Want};
pub use plugin::Plugin;

/// The version of the embed ABI that this host speaks.
pub const ABI_VERSION: i32 = 1;
