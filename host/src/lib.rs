//! The wasmtime host: loads a guest of the embed ABI and drives it. A guest is not trusted: every address, length and
//! answer of its is checked, and its memory and tables are limited. One that is not your own ([`Plugin::from_bytes`],
//! [`Plugin::load`]) is measured before it is compiled, stopped where it takes too long, from its start on, or says too
//! much for what it was given, and its documents are looked at.
//!
//! ```
//! use maxconn_host::{Kind, Limits, Plugin, Want};
//!
//! /// Prints the alerts of a log. `wasm` is `maxconn-embed.wasm`, as `make guests` builds it.
//! fn alerts(wasm: &[u8], log: &[u8]) -> Result<(), maxconn_host::HostError> {
//!     let plugin = Plugin::from_bytes("maxconn-embed.wasm", wasm, Limits::default())?;
//!     let mut instance = plugin.instantiate()?;
//!     instance.want(Want { alerts: true, ..Want::default() })?;
//!     let print = |_: Kind, alert: &[u8]| print!("{}", String::from_utf8_lossy(alert));
//!     instance.push(log, None, print)?;
//!     instance.finish(None, print)
//! }
//! # assert!(alerts(b"not a module", b"").is_err());
//! ```
#![deny(unsafe_op_in_unsafe_fn)]

pub mod bake;
mod bounds;
mod calls;
mod engine;
mod error;
mod exchange;
mod instance;
mod limits;
mod output;
mod plugin;
mod printable;

pub use bounds::read_module;
pub use engine::precompile;
pub use error::HostError;
pub use instance::{Instance, Source};
pub use limits::{Limits, OUTPUT_BYTES_PER_INPUT_BYTE};
pub use maxconn_core::engine::{Format, Kind, Verdict, Want};
pub use plugin::Plugin;
pub use printable::printable;

/// The version of the embed ABI that this host speaks.
pub const ABI_VERSION: i32 = 1;
