//! What tests of every room need, written once.
//!
//! | module | what it has |
//! |---|---|
//! | [`refusal`] | the lines that Dovecot writes of refusals |
//! | [`data`] | the files of `testdata/` |
//! | [`json`] | JSON as careful encoders write it, within JSON |
//! | [`hostile`] | the table of names that try to forge what a line says |
//! | `command` | the command as a process, and folders for its files |
//! | `http` | both sides of HTTP/1.1, down to the bytes |
//! | `terminal` | the command on a pseudo-terminal |
//! | `store` | what stands for Elasticsearch |
//! | `dashboards` | what stands for Kibana and OpenSearch Dashboards |
//!
//! The last five need the feature `command`. Nothing here knows the core, whose own tests build on it.
#![forbid(unsafe_code)]

#[cfg(feature = "command")]
pub mod command;
#[cfg(feature = "command")]
pub mod dashboards;
pub mod data;
pub mod hostile;
#[cfg(feature = "command")]
pub mod http;
pub mod json;
pub mod refusal;
#[cfg(feature = "command")]
pub mod store;
#[cfg(feature = "command")]
pub mod terminal;

use std::thread;
use std::time::{Duration, Instant};

/// Far more than anything takes: a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Holds that a text has all of these words in it.
#[track_caller]
pub fn contains(text: &str, all: &[&str]) {
    for words in all {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// Holds that a text has none of these words in it.
#[track_caller]
pub fn lacks(text: &str, all: &[&str]) {
    for words in all {
        assert!(!text.contains(words), "{words}: {text}");
    }
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come about");
        thread::sleep(Duration::from_millis(5));
    }
}
