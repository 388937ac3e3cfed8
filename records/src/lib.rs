//! maxconn-records: what a log record says of connection limits, and how it goes on.
//!
//! The stateless half of `maxconn-core`, whose documentation has the map; nobody else needs this package.
//! It is one of its own because every record passes through here: guests have it compiled for speed, and the
//! rest for size.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bytes;
pub mod codec;
pub mod enrich;
pub mod event;
pub mod hash;
pub mod head;
pub mod ip;
pub mod json;
pub mod line_cache;
mod named;
pub mod recognisers;
pub mod record;
pub mod redact;
pub mod repeats;
pub mod search;
pub mod time;
