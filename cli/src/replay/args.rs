//! The command line of `maxconn replay`.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Args;
use clap::builder::PossibleValuesParser;
use maxconn_core::config::Policy;
use thiserror::Error;

use super::Options;
use crate::address::OutputAddress;
use crate::output::{OutputArgs, OutputArgsError};
use crate::reading::{ReadingArgs, ReadingArgsError};
use crate::selection::Selection;
use crate::summary::{Summary, ViewArgs};

/// Replays logs through the plugin and says what floods are in them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  maxconn replay --only alerts /var/log/mail.log
  maxconn replay --quiet mail.log.2.gz mail.log.1 mail.log
  journalctl -u dovecot -o json | maxconn replay --only alerts -
  maxconn replay --quiet --summary json mail1.log mail2.log | jq '.top.users'
  maxconn replay --since 2h --until now mail.log
  maxconn replay --only changed --output elasticsearch+https://es:9200 \\
    --output-api-key /etc/maxconn/key /var/log/mail.log

Files may be compressed by gzip, zstd, xz or bzip2; their first bytes tell. Several files are \
merged by the time of their lines. log.offset counts decompressed bytes. Lines longer than \
1 MiB are cut into pieces. UTF-16 is read where a byte order mark tells of it, and log.offset \
counts it as UTF-8. What the plugin would pass on goes to standard output, one JSON record a line, unless that \
is a terminal; the summary goes to standard error. As JSON it is alone there, or on standard output with --quiet.

`maxconn help addresses` tells how outputs are named. A replay of the same files again makes no document twice in \
Elasticsearch or OpenSearch. A next hop that takes nothing is tried again for a minute.

Exit codes: 0 fine, 1 the run failed, 2 the command line or the configuration is wrong, 130 (Ctrl-C) \
or 143 (SIGTERM) interrupted: what was read until then has been replayed. A second signal ends at once.")]
pub struct ReplayArgs {
    /// What is read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Write no output, the summary alone.
    #[arg(long, short, conflicts_with = "only")]
    quiet: bool,
    /// How the summary is written: to standard error; json with --quiet to standard output.
    #[arg(long, value_enum, default_value = "text", value_name = "FORM")]
    summary: Summary,
    /// Read the last file on for as long as somebody writes into it, over its rotation. On a terminal the summary stays up to date;
    /// Ctrl-C ends it.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    view: ViewArgs,
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
    #[error(transparent)]
    Reading(#[from] ReadingArgsError),
    #[error("--quiet leaves nothing for --output to take; give one of them")]
    Quiet,
    #[error(
        "--output {0} is for `maxconn run` alone; leave it out: stdout is the default, and --quiet writes nothing"
    )]
    OfRun(OutputAddress),
}

impl ReplayArgs {
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
        let mut reading = self.reading.reading()?;
        reading.follow = self.follow;
        let mut output = self.output.options()?;
        if matches!(output.address, OutputAddress::Reply | OutputAddress::None) {
            return Err(ReplayArgsError::OfRun(output.address));
        }
        if self.quiet && output.address != OutputAddress::Stdout {
            return Err(ReplayArgsError::Quiet);
        }
        // Records would scroll what people look for away.
        let is_read_by_people = || {
            output.address == OutputAddress::Stdout
                && output.selection == Selection::All
                && io::stdout().is_terminal()
        };
        if self.quiet || is_read_by_people() {
            output.selection = Selection::Nothing;
        }
        Ok(Options {
            reading,
            statistics: self.statistics,
            patterns: Arc::default(),
            output,
            summary: self.summary,
            is_quiet: self.quiet,
            follows: self.follow,
            has_periods: true,
            trusted: Vec::new(),
            view: self.view.view(),
        })
    }
}
