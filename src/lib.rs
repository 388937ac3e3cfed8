//! maxconn-core: recognises connection-limit messages in log records and turns their floods into a
//! few exact alerts.
//!
//! A record's way through the layers, each of which knows only the ones named before it:
//!
//! ```text
//! bytes ─► search ─► record ─► head ─► recognisers ─► event
//!                                                          │
//!          bytes ◄─ enrich, alert ◄─ engine ◄─ table ◄─ detector
//! ```
//!
//! | layer | what it knows |
//! |---|---|
//! | [`search`] | which bytes could hold an event at all; nearly every record ends here, unread |
//! | [`json`] | JSON as bytes: walking it, decoding strings, writing it |
//! | [`record`] | what is where in a record: its message, time, host and position |
//! | [`time`], [`head`] | calendar arithmetic; time, host and program at the head of a text line |
//! | [`repeats`] | records that stand for others: "message repeated 3 times" |
//! | [`recognisers`], [`patterns`] | the meaning of a message, an [`event::Event`]: one entry a server, and those of one's own |
//! | [`line_cache`] | recent lines: of one that differs in time and session only no more than these two are read |
//! | [`config`] | the one schema of the configuration |
//! | [`tally`] | refusals and what became of them |
//! | [`detector`] | one key under one rule: all transitions of a flood, no I/O, no clock |
//! | [`table`] | many keys: bounds, recency, deadlines |
//! | [`enrich`], [`alert`] | the documents that go out |
//! | [`engine`] | batches, verdicts, statistics, snapshots |
//!
//! The layers without state live in the package `maxconn-records` and are found here all the same: guests have
//! them compiled for speed, for every record passes through them, and the rest for size.
//!
//! The crate reads no clock and does no I/O: time comes with records, ticks and the end of input.
//!
//! ```
//! use maxconn_core::config::Config;
//! use maxconn_core::engine::{Engine, Output, Source, Want};
//!
//! // What Dovecot writes each time that it refuses bob one connection more.
//! let line = "2027-01-05T03:12:45Z mail dovecot: imap-login: Maximum number of connections from user+IP exceeded \
//!     (mail_max_userip_connections=10): user=<bob>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1\n";
//! let log = line.repeat(100);
//!
//! let mut engine = Engine::new(Config::default())?;
//! let want = Want { records: false, enriched: false, ..Want::default() };
//! let mut out = Output { want, ..Output::default() };
//! let mut alerts = Vec::new();
//! let mut done = 0;
//! while done < log.len() {
//!     // Whole lines; fewer than all where the output has grown large.
//!     done += engine.push_lines(&Source::default(), &log.as_bytes()[done..], None, &mut out);
//!     let pieces = out.pieces(&[]);
//!     alerts.extend(pieces.map(|(_, alert)| String::from_utf8_lossy(alert).into_owned()));
//!     out.clear();
//! }
//! print!("{}", alerts.concat());
//! # assert_eq!(alerts.len(), 1);
//! # assert!(alerts[0].contains(r#""user":{"name":"bob"}"#), "{}", alerts[0]);
//! # Ok::<(), maxconn_core::config::ConfigError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "patterns"))]
extern crate std;

pub mod alert;
pub mod config;
pub mod detector;
mod document;
pub mod engine;
pub mod patterns;
mod sentence;
pub mod table;
pub mod tally;
mod text;

pub use maxconn_records::{
    enrich, event, hash, head, ip, json, line_cache, recognisers, record, redact, repeats, search,
    time,
};
