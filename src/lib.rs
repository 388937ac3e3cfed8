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
//! | [`recognisers`], [`patterns`] | the meaning of a message, an [`event::Event`]: one entry a server, and those of one's own |
//! | [`line_cache`] | the layout of recent lines: one that differs in time and session only is read for half the cost |
//! | [`config`] | the one schema of the configuration |
//! | [`detector`] | one key under one rule: all transitions of a flood, no I/O, no clock |
//! | [`table`] | many keys: bounds, recency, deadlines |
//! | [`enrich`], [`alert`] | the documents that go out |
//! | [`engine`] | batches, verdicts, statistics, snapshots |
//!
//! The layers without state live in the package `maxconn-records` and are found here all the same: guests have
//! them compiled for speed, for every record passes through them, and the rest for size.
//!
//! The crate reads no clock and does no I/O: time comes with records, ticks and the end of input.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "patterns"))]
extern crate std;

pub mod alert;
pub mod config;
pub mod detector;
pub mod engine;
pub mod patterns;
mod sentence;
pub mod table;
mod text;

pub use maxconn_records::{
    enrich, event, hash, head, ip, json, line_cache, recognisers, record, redact, search, time,
};
