//! The rooms of the command `maxconn`.
//!
//! | module | what it does |
//! |---|---|
//! | [`address`] | addresses as people write them |
//! | [`bench`] | measures the plugin's throughput |
//! | [`builtin`] | the guest inside this program |
//! | [`config`] | reads configurations as people write them |
//! | `files` | how files are opened that are written |
//! | [`generate`] | writes synthetic incidents |
//! | `http` | HTTP as servers and clients need it, TLS, secrets |
//! | `io` | byte order marks, compression, lines, NDJSON |
//! | `lock` | locks |
//! | `log` | what is said on standard error while something runs |
//! | [`output`] | the next hop: standard output, connections, HTTP, data streams |
//! | [`printable`] | text from elsewhere, fit for a terminal |
//! | [`replay`] | logs through a guest, as one stream |
//! | [`run`] | records through a guest for as long as they come, beside a shipper |
//! | [`selection`] | which part of the output is written |
//! | [`setup`] | templates and lifecycle for Elasticsearch and OpenSearch |
//! | [`summary`] | what a replay says at its end |
//! | `system` | what is asked of the machine; in tests `sim` answers |

pub mod address;
pub mod bench;
pub mod builtin;
pub mod config;
mod files;
pub mod generate;
pub(crate) mod http;
mod io;
mod lock;
mod log;
pub mod output;
pub mod printable;
pub mod replay;
pub mod run;
pub mod selection;
pub mod setup;
pub mod summary;
mod system;

#[cfg(test)]
mod sim;
