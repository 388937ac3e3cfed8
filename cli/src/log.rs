//! Writes to standard error while something runs, one sentence a line.

use std::fmt;
use std::io::{self, Write};

use crate::printable::printable_lines;

/// Writes a line. Nobody may be reading; then there is nobody to tell.
pub fn line(sentence: fmt::Arguments<'_>) {
    let sentence = printable_lines(&sentence.to_string());
    #[cfg(test)]
    if crate::sim::is_on() {
        return crate::sim::note(&format!("it says: {sentence}"));
    }
    // In one call, so that lines of several threads do not mix.
    let _ = io::stderr().write_all(format!("maxconn: {sentence}\n").as_bytes());
}
