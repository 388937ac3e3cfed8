//! What becomes of an alert at an output.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use thiserror::Error;

use crate::http::client::{Answer, ClientError};
use crate::output::http::words;
use crate::output::trouble::Trouble;

/// What became of one.
#[derive(Debug)]
pub enum Outcome {
    /// The output has it.
    Taken,
    /// The output will never take it, for this reason.
    Refused(String),
    /// It may work later.
    Retry {
        /// What happened.
        trouble: AlertTrouble,
        /// The output asks for a pause of this length.
        after: Duration,
    },
}

impl From<AlertTrouble> for Outcome {
    /// It may work at once.
    fn from(trouble: AlertTrouble) -> Outcome {
        let after = Duration::ZERO;
        Outcome::Retry { trouble, after }
    }
}

/// Why an alert was not taken, though it may be later. No sentence holds a secret.
#[derive(Debug, Error)]
pub enum AlertTrouble {
    #[error(transparent)]
    Line(#[from] Trouble),
    #[error(transparent)]
    Unanswered(#[from] ClientError),
    #[error("{0} answers {1}{2}{mend}", mend = mend(*.1))]
    Status(String, StatusCode, String),
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    #[error("cannot write to {path}: {1}", path = .0.display())]
    Socket(PathBuf, io::Error),
    #[error("{path} takes nothing", path = .0.display())]
    SocketFull(PathBuf),
    #[error("cannot start {0}: {1}")]
    Start(String, io::Error),
    #[error("{0} ended with {1}{2}")]
    Command(String, String, String),
    #[error("{0} did not end within {seconds} s and was killed", seconds = .1.as_secs_f64())]
    Late(String, Duration),
}

fn mend(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => "; it has moved, name its new address",
        401 | 403 => "; name a file with what it takes by token=FILE, basic=FILE or headers=FILE",
        404 | 405 | 410 => "; name the path that takes alerts",
        _ => "",
    }
}

impl AlertTrouble {
    /// Whether this is what happened before, whatever figures and words come with it.
    pub fn is_like(&self, other: &AlertTrouble) -> bool {
        match (self, other) {
            (AlertTrouble::Line(one), AlertTrouble::Line(other)) => one.is_like(other),
            (AlertTrouble::Status(_, one, _), AlertTrouble::Status(_, other, _)) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// What an answer by HTTP means for the alerts that were posted.
pub fn judge(name: &str, answer: &Answer) -> Outcome {
    let mut said = words(&answer.body);
    if !said.is_empty() {
        said = format!(" ({said})");
    }
    match answer.status.as_u16() {
        200..=299 => Outcome::Taken,
        400 | 413 | 422 => Outcome::Refused(format!("{name} answers {}{said}", answer.status)),
        _ => Outcome::Retry {
            trouble: AlertTrouble::Status(name.to_string(), answer.status, said),
            after: answer.retry_after,
        },
    }
}
