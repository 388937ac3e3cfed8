//! Makes a report of logs from what the plugin says of them: alerts, statistics documents, and the events that go on.
//!
//! ```text
//! alerts, statistics, events ─► gathered (floods, timeline, tops, steady) ─┐
//!                                        load ─► correlation ──────────────┼─► written ─► JSON ─► page
//!                                                        run_now, disk ────┘
//! ```
//! | module | what it does |
//! |---|---|
//! | [`floods`], [`curve`] | gather floods from their alerts, and how each went on |
//! | [`entries`] | tells repeats, and what several rules counted, once |
//! | [`timeline`] | counts refusals minute by minute |
//! | [`event`], [`steady`], [`top`] | read events that go on; find who is refused outside of floods; count names |
//! | [`load`], [`correlation`] | read a load over time; say how far it goes with the refusals |
//! | [`disk`], [`run_now`], [`who`] | say when the disk is full, what can be run now, who it is |
//! | [`written`], [`html`] | the report's JSON, and the page |
//! | [`words`], [`zone`] | numbers and times as people write them |
//!
//! It reads no clock and no file, and keeps a bounded part of whatever comes. It builds for the command and for browsers.
#![forbid(unsafe_code)]

pub mod correlation;
pub mod curve;
pub mod disk;
pub mod entries;
pub mod event;
pub mod floods;
mod gathered;
mod given;
pub mod html;
pub mod load;
mod names;
pub mod run_now;
pub mod steady;
pub mod timeline;
pub mod top;
mod verdict;
#[path = "../view/mod.rs"]
mod view;
pub mod who;
pub mod words;
pub mod written;
pub mod zone;

pub use gathered::Report;
pub use given::{Detail, Known, Options};
pub use load::LoadError;
pub use written::Written;
