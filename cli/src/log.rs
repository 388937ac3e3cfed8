//! What is said on standard error while it runs: one line a sentence.

use std::fmt;
use std::io::{self, Write};

/// Writes a line. Nobody may be reading; then there is nobody to tell.
pub fn line(sentence: fmt::Arguments<'_>) {
    // In one call, so that lines of several threads do not mix.
    let _ = io::stderr().write_all(format!("maxconn: {sentence}\n").as_bytes());
}
