//! The host of the maxconn plugin, and what the command `maxconn` is made of.
//!
//! | module | what it does |
//! |---|---|
//! | [`bench`] | measures the plugin's throughput |
//! | [`config`] | reads configurations as people write them |
//! | [`generate`] | writes synthetic incidents |
//! | [`host`] | loads a guest of the embed ABI and drives it under wasmtime |

pub mod bench;
pub mod config;
pub mod generate;
pub mod host;
