//! What is to be read, on the command line.

use std::collections::HashSet;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use thiserror::Error;

use super::range::Span;
use super::when::{HELP, when};
use super::{Input, Reading};
use crate::zone::Zone;
use maxconn_host::Format;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// A line that begins with `{` is a JSON record, any other is text.
    Auto,
    /// Every line is text.
    Text,
    /// Every line is a JSON record.
    Json,
}

/// The options of what reads logs.
#[derive(Debug, Args)]
pub struct ReadingArgs {
    /// Logs to read, - for standard input (the default if it is not a terminal).
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How lines are read.
    #[arg(long, value_enum, default_value = "auto")]
    format: FormatArg,
    /// The year of timestamps that have none [default: the latest that is not later than a file's modification time].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1970..=9998))]
    year: Option<u16>,
    /// The zone of times that name none, in which times are shown to people, too: Europe/Berlin, +02:00, UTC
    /// [default: the configuration's, else the machine's].
    #[arg(long, value_name = "ZONE", value_parser = Zone::of)]
    timezone: Option<Zone>,
    /// Lines from then on: 2h (ago), yesterday, 02:00, "2026-01-05 02:00", 2026-01-05T02:00:00Z.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Lines before then, written in the same ways.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
}

/// What is wrong with them.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ReadingArgsError {
    #[error("no file to read; name one, or - for standard input")]
    NoFile,
    #[error("standard input can be read once only; name - once")]
    StdinTwice,
    #[error("{0} {1:?} is no time; {HELP}")]
    NoTime(&'static str, String),
    #[error("--since is not before --until, so that no line lies between; swap them")]
    Span,
}

impl ReadingArgs {
    /// The zone that was asked for.
    pub fn timezone(&self) -> Option<&Zone> {
        self.timezone.as_ref()
    }

    /// From when until when lines are read, on the clocks of a zone.
    ///
    /// # Errors
    /// What is written is no time, or leaves none between.
    pub fn span(&self, zone: &Zone) -> Result<Span, ReadingArgsError> {
        let now = jiff::Timestamp::now();
        let read = |name, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => match when(text, zone.shown().clocks(), now) {
                None => Err(ReadingArgsError::NoTime(name, text.clone())),
                time_ms => Ok(time_ms),
            },
        };
        let span = Span {
            since_ms: read("--since", &self.since)?,
            until_ms: read("--until", &self.until)?,
        };
        match (span.since_ms, span.until_ms) {
            (Some(since_ms), Some(until_ms)) if since_ms >= until_ms => Err(ReadingArgsError::Span),
            _ => Ok(span),
        }
    }

    /// What is to be read.
    ///
    /// # Errors
    /// Files that are missing or named twice.
    pub fn reading(&self) -> Result<Reading, ReadingArgsError> {
        let mut twice = Vec::new();
        let mut seen = HashSet::new();
        let mut inputs: Vec<Input> = self.files.iter().map(|file| input(file)).collect();
        inputs.retain(|input| match input {
            // What is not there is told of when it is read.
            Input::File(path) if path.canonicalize().is_ok_and(|path| !seen.insert(path)) => {
                twice.push(input.name());
                false
            }
            _ => true,
        });
        if inputs.is_empty() {
            if io::stdin().is_terminal() {
                return Err(ReadingArgsError::NoFile);
            }
            inputs.push(Input::Stdin);
        }
        if inputs.iter().filter(|it| **it == Input::Stdin).count() > 1 {
            return Err(ReadingArgsError::StdinTwice);
        }
        Ok(Reading {
            inputs,
            format: match self.format {
                FormatArg::Auto => Format::Auto,
                FormatArg::Text => Format::Text,
                FormatArg::Json => Format::Json,
            },
            reference_time_ms: self.year.map(last_of),
            span: Span::default(),
            follow: false,
            twice,
        })
    }
}

fn input(file: &Path) -> Input {
    if file.as_os_str() == "-" {
        Input::Stdin
    } else {
        Input::File(file.to_path_buf())
    }
}

/// The time, in ms since the Unix epoch, of which all of the year is no more than a day ahead, and nothing of the next.
fn last_of(year: u16) -> i64 {
    let time: Result<jiff::Timestamp, _> = format!("{year:04}-12-30T23:59:59Z").parse();
    time.unwrap_or_default().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_told_by_its_end() {
        assert_eq!(last_of(1970), 364 * 86_400_000 - 1_000);
        assert_eq!(last_of(2028), 1_861_833_599_000);
    }
}
