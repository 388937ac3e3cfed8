//! What is wrong with a file that should hold a load.

use thiserror::Error;

use super::LOAD_BYTES_MAX;

/// Why a load cannot be read, where, and what helps.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum LoadError {
    #[error("it is larger than {} MiB; export a shorter time or longer steps", LOAD_BYTES_MAX >> 20)]
    TooLarge,
    #[error(
        "line {0}: it is no text in UTF-8; a binary file such as sa05 or load.rrd is to be exported first: sadf -d FILE -- -q, \
             or rrdtool fetch FILE AVERAGE"
    )]
    NotText(usize),
    #[error("it is empty; write lines of time,value into it")]
    Empty,
    #[error(
        "it is in no form that is known; write lines of time,value (2027-01-05T03:12:00Z,0.42), or take what sadf -d, sadf -j, \
             sar, rrdtool xport --json or a range query of Prometheus says"
    )]
    Unknown,
    #[error(
        "line {line}, column {column}: it begins as JSON and is none: {what}; export it again, in whole"
    )]
    Json {
        line: usize,
        column: usize,
        what: String,
    },
    #[error(
        "line {line}: {text:?} is no time that can be read; write it as 2027-01-05T03:12:00Z or as seconds since 1970"
    )]
    Time { line: usize, text: String },
    #[error(
        "line {line}: {text:?} is no number; write it as 0.42, or leave it empty where it is not known"
    )]
    Value { line: usize, text: String },
    #[error("line {line}: there is a time and no value; write time,value")]
    NoValue { line: usize },
    #[error("line {line}: {text:?} may be two dates; run sar again as: S_TIME_FORMAT=ISO sar …")]
    Date { line: usize, text: String },
    #[error("{0} is missing, or no such thing as it should be; export it again, in whole")]
    Member(&'static str),
    #[error("Prometheus answered with an error: {0}; mend the query and ask again")]
    Prometheus(String),
    #[error(
        "it is the answer to a query of one moment; ask /api/v1/query_range with start, end and step"
    )]
    Instant,
    #[error("it has no value that is known; export a time at which there were some")]
    NoValues,
}

impl LoadError {
    pub(super) fn json(error: serde_json::Error) -> LoadError {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or_default();
        LoadError::Json {
            line: error.line(),
            column: error.column(),
            what: what.to_string(),
        }
    }

    pub(super) fn time(line: usize, text: &str) -> LoadError {
        let text = clipped(text);
        LoadError::Time { line, text }
    }

    pub(super) fn value(line: usize, text: &str) -> LoadError {
        let text = clipped(text);
        LoadError::Value { line, text }
    }
}

/// So much of a text as an error shows.
pub(super) fn clipped(text: &str) -> String {
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
