//! The command line of `maxconn replay`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use maxconn_core::config::Policy;
use thiserror::Error;

use super::{Input, Options};
use crate::address::OutputAddress;
use crate::output::{OutputArgs, OutputArgsError};
use crate::selection::Selection;
use crate::summary::{Known, Summary};
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

/// Replays logs through the plugin and says what floods are in them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maxconn replay --only alerts /var/log/mail.log
  maxconn replay --quiet mail.log.2.gz mail.log.1 mail.log
  journalctl -u dovecot -o json | maxconn replay --only alerts -
  maxconn replay --summary json --quiet mail1.log mail2.log 2>summary.json
  maxconn replay --only changed --output elasticsearch+https://es:9200 \\
    --output-api-key /etc/maxconn/key /var/log/mail.log

Files may be compressed by gzip, zstd, xz or bzip2; their first bytes tell. Several files are
merged by the time of their lines. log.offset counts decompressed bytes. Lines longer than
1 MiB are cut into pieces. UTF-16 is read where a byte order mark tells of it, and log.offset
counts it as UTF-8. What the plugin would pass on goes to standard output, one JSON
record a line; the summary goes to standard error.

Outputs: stdout, tcp://HOST:PORT, unix:PATH, which get lines; http(s)://HOST:PORT/PATH, which gets
NDJSON; elasticsearch+http(s)://HOST:PORT, Elasticsearch or OpenSearch, where a replay of the
same files again makes no document twice. A next hop that takes nothing is tried again for a minute.

Exit codes: 0 fine, 1 the run failed, 2 the command line or the configuration is wrong, 130 (Ctrl-C)
or 143 (SIGTERM) interrupted: what was read until then has been replayed. A second signal ends at once.")]
pub struct ReplayArgs {
    /// Logs to replay, - for standard input (the default if it is not a terminal).
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write no output, the summary alone.
    #[arg(long, short, conflicts_with = "only")]
    quiet: bool,
    /// How the summary is written to standard error.
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    summary: Summary,
    /// How lines are read.
    #[arg(long, value_enum, default_value = "auto")]
    format: FormatArg,
    /// The year of timestamps that have none [default: the latest that is not later than a file's modification time].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1970..=9998))]
    year: Option<u16>,
    /// The zone of times that name none, in which the summary's times are shown, too: Europe/Berlin, +02:00, UTC
    /// [default: the configuration's, else the machine's].
    #[arg(long, value_name = "ZONE", value_parser = Zone::of)]
    timezone: Option<Zone>,
    /// As if every rule had this policy: `pass` shows every event.
    #[arg(long, value_name = "POLICY", value_parser = PossibleValuesParser::new(Policy::NAMES))]
    policy: Option<String>,
    /// Write a statistics document at the end of the output.
    #[arg(long)]
    statistics: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is wrong with the command line.
#[derive(Debug, Error)]
pub enum ReplayArgsError {
    #[error(transparent)]
    Output(#[from] OutputArgsError),
    #[error("no file to replay; name one, or - for standard input")]
    NoFile,
    #[error("standard input can be read once only; name - once")]
    StdinTwice,
    #[error("--quiet leaves nothing for --output to take; give one of them")]
    Quiet,
}

impl ReplayArgs {
    /// The zone that was asked for.
    pub fn timezone(&self) -> Option<&Zone> {
        self.timezone.as_ref()
    }

    /// What becomes of the events of open floods, whatever the rules say.
    pub fn policy(&self) -> Option<Policy> {
        let is_it = |policy: &&Policy| self.policy.as_deref() == Some(policy.name());
        Policy::ALL.iter().find(is_it).copied()
    }

    /// What is to be done, or what is wrong with the command line.
    ///
    /// # Errors
    /// Files that are missing or named twice, and options that do not go together.
    pub fn options(&self) -> Result<Options, ReplayArgsError> {
        let mut inputs: Vec<Input> = self.files.iter().map(|file| input(file)).collect();
        if inputs.is_empty() {
            if io::stdin().is_terminal() {
                return Err(ReplayArgsError::NoFile);
            }
            inputs.push(Input::Stdin);
        }
        if inputs.iter().filter(|it| **it == Input::Stdin).count() > 1 {
            return Err(ReplayArgsError::StdinTwice);
        }
        let mut output = self.output.options()?;
        if self.quiet && output.address != OutputAddress::Stdout {
            return Err(ReplayArgsError::Quiet);
        }
        if self.quiet {
            output.selection = Selection::Nothing;
        }
        Ok(Options {
            inputs,
            format: match self.format {
                FormatArg::Auto => Format::Auto,
                FormatArg::Text => Format::Text,
                FormatArg::Json => Format::Json,
            },
            reference_time_ms: self.year.map(last_of),
            statistics: self.statistics,
            patterns: Arc::default(),
            output,
            known: Known {
                form: self.summary,
                zone: self.timezone.clone().unwrap_or_default(),
                ..Known::default()
            },
        })
    }
}

fn input(file: &std::path::Path) -> Input {
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
