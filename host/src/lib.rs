//! Loads a guest of the embed ABI under wasmtime and drives it.
//!
//! A guest is not trusted: every address, length and answer of its is checked, and its memory and tables are limited. One that
//! is not your own ([`Plugin::from_bytes`], [`Plugin::load`]) is measured before it is compiled, stopped where it takes too long or
//! says too much for what it was given, and its documents are looked at.
//!
//! ```
//! use maxconn_host::{Kind, Limits, Plugin, Want};
//!
//! # let wasm = std::fs::read(guest_build::try_build("embed", guest_build::Features::default())?)?;
//! // What Dovecot writes each time that it refuses bob one connection more.
//! let line = "2027-01-05T03:12:45Z mail dovecot: imap-login: Maximum number of connections from user+IP exceeded \
//!     (mail_max_userip_connections=10): user=<bob>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1\n";
//!
//! // `wasm` holds the bytes of maxconn-embed.wasm, which `make guests` builds.
//! let plugin = Plugin::from_bytes("maxconn-embed.wasm", &wasm, Limits::default())?;
//! let mut instance = plugin.instantiate()?;
//! instance.want(Want { records: false, enriched: false, ..Want::default() })?;
//! # let mut alerts = Vec::new();
//! instance.push(line.repeat(100).as_bytes(), None, |_: Kind, alert: &[u8]| {
//!     print!("{}", String::from_utf8_lossy(alert));
//! #   alerts.push(String::from_utf8_lossy(alert).into_owned());
//! })?;
//! # assert_eq!(alerts.len(), 1);
//! # assert!(alerts[0].contains(r#""user":{"name":"bob"}"#), "{}", alerts[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![deny(unsafe_op_in_unsafe_fn)]

mod abi;
pub mod bake;
mod bounds;
mod engine;
mod error;
mod exchange;
mod instance;
mod limits;
mod plugin;
mod printable;
mod segments;

pub use bounds::read_module;
pub use engine::precompile;
pub use error::{Breach, Fault, HostError};
pub use instance::{Instance, Source};
pub use limits::{Limits, OUTPUT_BYTES_PER_INPUT_BYTE};
pub use maxconn_core::engine::{Format, Kind, Verdict, Want};
pub use plugin::Plugin;
pub use printable::printable;

/// The version of the embed ABI that this host speaks.
pub const ABI_VERSION: i32 = 1;
