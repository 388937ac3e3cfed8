//! What is wrong with a configuration, said so that it can be mended without reading the manual.

use alloc::boxed::Box;
use alloc::string::String;

use crate::sentence::{Part, say};

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
    pub(super) fn at(path: String, problem: &[Part<'_>], mend: &[Part<'_>]) -> Fault {
        Box::new(ConfigError::new(path, say(problem), say(mend)))
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
