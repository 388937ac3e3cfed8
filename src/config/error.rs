//! What is wrong with a configuration, said so that it can be mended without reading the manual.

use alloc::borrow::ToOwned;
use alloc::string::String;

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
}

impl core::fmt::Display for ConfigError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.path.is_empty() {
            write!(out, "{}; {}", self.problem, self.mend)
        } else {
            write!(out, "{}: {}; {}", self.path, self.problem, self.mend)
        }
    }
}

impl core::error::Error for ConfigError {}

/// `text` in quotes, cut to a length that fits a sentence. The quoting is JSON's: `{:?}` would bring
/// Unicode tables into every guest.
pub(super) fn quoted(text: &str) -> String {
    let cut = match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => {
            let mut short = text.get(..end).unwrap_or_default().to_owned();
            short.push('…');
            short
        }
        None => text.to_owned(),
    };
    serde_json::to_string(&cut).unwrap_or(cut)
}
