//! What is wrong with a configuration, said so that it can be mended without reading the manual.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::json::write::{push_string, push_uint};

/// How many characters of a value an error quotes: enough to find it, too few to flood a terminal.
const QUOTED_CHARS_MAX: usize = 48;

/// What is wrong with a configuration, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The place, e.g. `rule[1].quiet` (counted from 0) or `` for the whole document.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
    /// What to write instead.
    pub mend: String,
}

impl ConfigError {
    /// An error at `path`.
    pub fn new(
        path: impl Into<String>,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        ConfigError {
            path: path.into(),
            problem: problem.into(),
            mend: mend.into(),
        }
    }

    /// As [`ConfigError::new`], but one function for all that is said here.
    #[inline(never)]
    pub(super) fn at(path: String, problem: &str, mend: &str) -> Fault {
        Box::new(ConfigError::new(path, problem, mend))
    }
}

/// An error on its way: a pointer, for it passes through every function here.
pub(super) type Fault = Box<ConfigError>;

impl core::fmt::Display for ConfigError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (part, end) in [(&self.path, ": "), (&self.problem, "; ")] {
            if !part.is_empty() {
                out.write_str(part)?;
                out.write_str(end)?;
            }
        }
        out.write_str(&self.mend)
    }
}

impl core::error::Error for ConfigError {}

/// The parts in a row. Sentences are put together with this, for `format!` costs guests several times the
/// code, and there are some sixty of them.
#[inline(never)]
pub(super) fn say(parts: &[&str]) -> String {
    let mut said = String::new();
    for part in parts {
        said.push_str(part);
    }
    said
}

/// A whole number, to be said.
#[inline(never)]
pub(super) fn number(value: u64) -> String {
    let mut digits = Vec::new();
    push_uint(&mut digits, value);
    String::from_utf8(digits).unwrap_or_default()
}

/// `text` in quotes, cut to a length that fits a sentence. The quoting is JSON's: `{:?}` would bring
/// Unicode tables into every guest.
pub(super) fn quoted(text: &str) -> String {
    let cut = match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => &say(&[text.get(..end).unwrap_or_default(), "…"]),
        None => text,
    };
    let mut quoted = Vec::new();
    push_string(&mut quoted, cut.as_bytes());
    String::from_utf8(quoted).unwrap_or_default()
}
