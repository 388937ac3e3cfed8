//! `maxconn replay` takes files through the guest, sends what comes out to standard output or another next hop, and writes a
//! summary for people to standard error.
//!
//! ```text
//! reading ─► guest ─► delivering thread
//!           (host)     │  (next_hop)
//!                      └► summary
//! ```

mod args;
mod live;
mod next_hop;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use console::Term;
use thiserror::Error;

pub use args::ReplayArgs;
pub use next_hop::NextHopError;

use crate::address::OutputAddress;
use crate::io::ndjson::as_records;
use crate::output::OutputOptions;
use crate::printable;
use crate::reading::{self, Input, Interrupt, Outcome, Progress, Reading};
use crate::selection::Selection;
use crate::summary::{self, Summary, Terminal, View};
use live::Live;
use maxconn_core::config::Network;
use maxconn_host::{HostError, Instance, Kind, Want};
use maxconn_report::{Detail, Known, Report, Written};
use next_hop::NextHop;

/// JSON for programs is not longer than this: all that is gathered fits.
const JSON_BYTES_MAX: usize = 64 << 20;

/// What is to be replayed, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is to be read.
    pub reading: Reading,
    /// Write a statistics document at the end.
    pub statistics: bool,
    /// The refusals of each period are a part of the output.
    pub has_periods: bool,
    /// How the summary is written.
    pub summary: Summary,
    /// There is nothing but the summary.
    pub is_quiet: bool,
    /// The last file is read on.
    pub follows: bool,
    /// What people are told.
    pub view: View,
    /// Networks that are our own.
    pub trusted: Vec<Network>,
    /// The names of the patterns in force.
    pub patterns: Arc<[String]>,
    /// Where the output goes.
    pub output: OutputOptions,
}

impl Options {
    /// Whether the summary has standard error for itself.
    pub fn is_alone(&self) -> bool {
        self.summary == Summary::Json && !self.is_quiet
    }
}

/// Why a replay failed.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ReplayError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    NextHop(#[from] NextHopError),
    #[error("not everything could be read; the summary is of the rest")]
    Incomplete,
    #[error("nothing was read; name a log that has lines")]
    NothingRead,
    #[error("interrupted: {1}")]
    Interrupted(i32, String),
    #[error("cannot write the summary to standard output: {}; make room there", reading::reason(.0))]
    Stdout(io::Error),
}

/// Replays to the output, with an instance that is configured already. An interrupt ends it early, as if
/// the input ended there.
///
/// # Errors
/// See [`ReplayError`]. An output that nobody reads any more is none.
pub fn replay(
    mut instance: Instance,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<(), ReplayError> {
    let stop = interrupt.stop();
    let inputs = options.reading.look();
    let is_live = inputs.is_live();
    let selection = options.output.selection;
    let to_stdout = options.output.address == OutputAddress::Stdout;
    let progress = match options.is_alone() {
        true => Progress::silent(),
        false => Progress::start(
            inputs.size_bytes(),
            selection == Selection::Nothing || !to_stdout || !io::stdout().is_terminal(),
        ),
    };
    let gathers = options.summary != Summary::None;
    let want = selection.want();
    instance.want(Want {
        alerts: want.alerts || gathers || progress.is_shown(),
        enriched: want.enriched || gathers,
        // For documents' ids.
        ids: matches!(options.output.address, OutputAddress::Elasticsearch(_)),
        ..want
    })?;
    let next_hop = NextHop::start(options, stop, is_live, progress.teller())?;
    let mut sink = Sink {
        selection,
        next_hop,
        has_periods: options.has_periods,
        gathers,
        report: Report::new(maxconn_report::Options {
            generator: concat!("maxconn ", env!("CARGO_PKG_VERSION")).to_string(),
            zone: options.view.zone.shown().clone(),
            trusted: options.trusted.clone(),
            detail: Detail::Plain,
            ..maxconn_report::Options::default()
        }),
        disk_bytes: inputs.disk_bytes(),
        live: Live::start(options),
        progress: &progress,
        // A file is there at once. Cutting where its reader happens to be would give documents other ids.
        flushes: is_live || to_stdout,
    };
    let outcome = inputs.read(&mut instance, &mut sink, &progress, stop)?;
    sink.finish(&mut instance, outcome, options, interrupt.signal())
}

/// Where the guest's output goes.
struct Sink<'a> {
    selection: Selection,
    next_hop: NextHop,
    /// The refusals of each period are a part of the output.
    has_periods: bool,
    /// There will be a summary.
    gathers: bool,
    report: Report,
    disk_bytes: Option<u64>,
    /// Where the summary stays up to date.
    live: Option<Live<'a>>,
    progress: &'a Progress,
    /// What was gathered for the next hop goes on when the input is silent.
    flushes: bool,
}

impl reading::Sink for Sink<'_> {
    fn take(&mut self, kind: Kind, bytes: &[u8]) {
        if self.gathers || kind == Kind::Alert {
            self.report.push(kind, bytes);
        }
        if kind == Kind::Alert {
            self.progress.floods(self.report.starts());
        }
        match kind {
            _ if !self.selection.has(kind) => {}
            Kind::Statistics if !self.has_periods => {}
            // Pieces of lines that were too long, and whatever else looks like JSON and is none.
            Kind::Passed | Kind::Enriched | Kind::Identified => {
                self.next_hop.write(kind, &as_records(bytes))
            }
            _ => self.next_hop.write(kind, bytes),
        }
    }

    fn waiting(&mut self) {
        if self.flushes {
            self.next_hop.flush();
        }
    }

    fn passes(&mut self, statistics: &[u8], outcome: &Outcome) {
        if let Some(live) = &self.live {
            self.report.push(Kind::Statistics, statistics);
            self.progress.finish();
            live.draw(&self.report, outcome, self.disk_bytes);
        }
    }

    fn has_ended(&self) -> bool {
        self.next_hop.has_failed()
    }
}

/// What is known of the inputs, for the report.
fn known(outcome: &Outcome, options: &Options, disk_bytes: Option<u64>) -> Known {
    Known {
        files: options.reading.inputs.iter().map(Input::name).collect(),
        bytes: outcome.bytes,
        period_ms: outcome.period_ms,
        outside_lines: outcome.outside_lines,
        cut_lines: outcome.cut_lines,
        unread: outcome.unread.clone(),
        disk_bytes,
        empty: outcome.empty.clone(),
        twice: options.reading.twice.clone(),
        stopped: false,
    }
}

impl Sink<'_> {
    /// Writes the rest and the summary.
    fn finish(
        mut self,
        instance: &mut Instance,
        outcome: Outcome,
        options: &Options,
        interrupted: Option<i32>,
    ) -> Result<(), ReplayError> {
        instance.statistics(|kind, bytes| {
            self.report.push(kind, bytes);
            if options.statistics && self.selection != Selection::Nothing {
                self.next_hop.write(Kind::Statistics, bytes);
            }
        })?;
        if interrupted.is_some() {
            // At once: what waits for a next hop may take its time, and the terminal has written into the bar's line.
            self.progress.finish();
        }
        // Given up, it ended the reading too.
        let stopped = interrupted.is_some() || self.next_hop.has_failed();
        let is_complete = outcome.unread.is_empty();
        let mut known = known(&outcome, options, self.disk_bytes);
        // What is followed has no end of its own.
        known.stopped = stopped && !options.follows;
        if stopped {
            // Nobody has looked.
            known.empty.clear();
        }
        if let Some(live) = &self.live {
            live.finish();
        }
        let written = self.report.finish(known);
        // The next hop may be slow: what is told of it goes beside the bar.
        let finished = self.next_hop.finish();
        let tell = self.progress.teller();
        finished
            .iter()
            .flatten()
            .for_each(|sentence| tell(sentence));
        self.progress.finish();
        let is_closed_pipe = finished.as_ref().is_err_and(NextHopError::is_closed_pipe);
        if is_closed_pipe && interrupted.is_none() {
            return Ok(());
        }
        say(&written, options)?;
        let records = written.input.lines;
        if let Some(signal) = interrupted {
            let sentence = match finished {
                Err(error) if !is_closed_pipe => error.to_string(),
                _ => format!("the input was read up to its record {records} and no further"),
            };
            return Err(ReplayError::Interrupted(signal, sentence));
        }
        finished?;
        // That nothing is of the time that was asked for is an answer.
        match (records + written.input.outside_lines, is_complete) {
            (0, _) => Err(ReplayError::NothingRead),
            (_, false) => Err(ReplayError::Incomplete),
            (_, true) => Ok(()),
        }
    }
}

/// Writes the summary. Standard error may be closed: there is nobody to tell then.
fn say(written: &Written, options: &Options) -> Result<(), ReplayError> {
    let mut stderr = io::stderr().lock();
    match options.summary {
        Summary::None => {}
        Summary::Text => {
            let terminal = Terminal::of(&stderr, &Term::stderr(), options.view.colour);
            let text = summary::write(written, &options.view, terminal);
            let _ = stderr.write_all(text.as_bytes());
        }
        Summary::Json => {
            let json = written.to_json(JSON_BYTES_MAX).map_err(io::Error::from);
            let json = json.map_err(ReplayError::Stdout)? + "\n";
            if !options.is_quiet {
                let _ = stderr.write_all(json.as_bytes());
            } else if let Err(error) = printable::stdout().write_all(json.as_bytes())
                && error.kind() != io::ErrorKind::BrokenPipe
            {
                return Err(ReplayError::Stdout(error));
            }
        }
    }
    Ok(())
}
