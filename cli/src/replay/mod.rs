//! `maxconn replay` takes files through the guest, sends what comes out to standard output or another next hop, and writes a
//! summary for people to standard error.
//!
//! ```text
//! reading ─► guest ─► delivering thread
//!           (host)     │  (next_hop)
//!                      └► summary
//! ```

mod args;
mod next_hop;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use thiserror::Error;

pub use args::ReplayArgs;
pub use next_hop::NextHopError;

use crate::address::OutputAddress;
use crate::io::ndjson::as_records;
use crate::output::OutputOptions;
use crate::reading::{self, Interrupt, Outcome, Progress, Reading, Unreadable};
use crate::selection::Selection;
use crate::summary::{Gathered, Known, Summary};
use maxconn_host::{HostError, Instance, Kind, Want};
use next_hop::NextHop;

/// What is to be replayed, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is to be read.
    pub reading: Reading,
    /// Write a statistics document at the end.
    pub statistics: bool,
    /// What the summary is to know.
    pub known: Known,
    /// The names of the patterns in force.
    pub patterns: Arc<[String]>,
    /// Where the output goes.
    pub output: OutputOptions,
}

/// Why a replay failed.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ReplayError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
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
    let inputs = options.reading.look()?;
    let is_live = inputs.is_live();
    let selection = options.output.selection;
    let to_stdout = options.output.address == OutputAddress::Stdout;
    let progress = Progress::start(
        inputs.size_bytes(),
        selection == Selection::Nothing || !to_stdout || !io::stdout().is_terminal(),
    );
    let want = selection.want();
    instance.want(Want {
        alerts: want.alerts || options.known.form != Summary::None || progress.is_shown(),
        enriched: want.enriched || options.known.form != Summary::None,
        // For documents' ids.
        ids: matches!(options.output.address, OutputAddress::Elasticsearch(_)),
        ..want
    })?;
    let next_hop = NextHop::start(options, stop, is_live, progress.teller())?;
    let mut sink = Sink {
        selection,
        next_hop,
        gathered: Gathered::new(Known {
            twice: options.reading.named_twice(),
            ..options.known.clone()
        }),
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
    gathered: Gathered,
    progress: &'a Progress,
    /// What was gathered for the next hop goes on when the input is silent.
    flushes: bool,
}

impl reading::Sink for Sink<'_> {
    fn take(&mut self, kind: Kind, bytes: &[u8]) {
        if kind == Kind::Alert {
            self.gathered.alert(bytes);
            self.progress.floods(self.gathered.starts());
        }
        if matches!(kind, Kind::Enriched | Kind::Identified) {
            self.gathered.events(bytes);
        }
        match kind {
            _ if !self.selection.has(kind) => {}
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

    fn has_ended(&self) -> bool {
        self.next_hop.has_failed()
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
        instance.statistics(|_, bytes| {
            self.gathered.statistics(bytes);
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
        self.gathered.stopped = stopped;
        if !stopped {
            self.gathered.empty = outcome.empty;
        }
        self.gathered.unread = outcome.unread;
        self.gathered.cut_lines = outcome.cut_lines;
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
        // Standard error may be closed: there is nobody to tell then.
        let _ = self
            .gathered
            .write(options.known.form, &mut io::stderr().lock());
        if let Some(signal) = interrupted {
            let sentence = match finished {
                Err(error) if !is_closed_pipe => error.to_string(),
                _ => format!(
                    "the input was read up to its record {} and no further",
                    self.gathered.records()
                ),
            };
            return Err(ReplayError::Interrupted(signal, sentence));
        }
        finished?;
        let gathered = &self.gathered;
        match (gathered.records(), gathered.unread.is_empty()) {
            (0, _) => Err(ReplayError::NothingRead),
            (_, false) => Err(ReplayError::Incomplete),
            (_, true) => Ok(()),
        }
    }
}
