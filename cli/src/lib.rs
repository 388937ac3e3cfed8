//! The host of the maxconn plugin, and what the command `maxconn` is made of.
//!
//! | module | what it does |
//! |---|---|
//! | [`bench`] | measures the plugin's throughput |
//! | [`config`] | reads configurations as people write them |
//! | [`generate`] | writes synthetic incidents |
//! | [`host`] | loads a guest of the embed ABI and drives it under wasmtime |
//! | `ndjson` | one JSON object a line, whatever came in |
//! | [`replay`] | logs through a guest, as one stream |
//! | [`run`] | records through a guest for as long as they come, beside a shipper |
//! | [`setup`] | templates and lifecycle for Elasticsearch and OpenSearch |
//! | [`summary`] | what a replay says at its end |

pub mod bench;
pub mod config;
pub mod generate;
pub mod host;
mod ndjson;
pub mod replay;
pub mod run;
pub mod setup;
pub mod summary;
