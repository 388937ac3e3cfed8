//! `maxconn replay` takes files through the guest, sends what comes out to standard output or another next hop, and writes a
//! summary for people to standard error.
//!
//! ```text
//! reader threads ─► merge ─► guest ─► delivering thread
//!   (feed, input)             (host)   │  (next_hop)
//!                                     └► summary
//! ```
//! All queues are short and their memory is used again, so that the size of the input does not matter.

mod args;
mod feed;
mod input;
mod merge;
mod next_hop;
mod not_a_log;
mod progress;

use std::collections::HashSet;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use thiserror::Error;

pub use args::ReplayArgs;
pub use input::Input;
pub use next_hop::NextHopError;

use crate::address::OutputAddress;
use crate::io::ndjson::as_records;
use crate::output::OutputOptions;
use crate::selection::Selection;
use crate::summary::{Gathered, Known, Summary};
use crate::system::now_ms;
use maxconn_host::{Format, HostError, Instance, Kind, Source, Want};
use merge::{Consumer, Lane, merge};
use next_hop::NextHop;
use progress::Progress;

/// How many sources the guest can tell apart at once.
const SOURCES_MAX: u16 = 1024;

/// What is to be replayed, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The inputs, in the order of precedence among lines of equal time.
    pub inputs: Vec<Input>,
    /// How lines are read.
    pub format: Format,
    /// The missing year of a timestamp is the latest in which it is not later than this and a day; `None`: each file's own, or now.
    pub reference_time_ms: Option<i64>,
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

/// An input that cannot be read, and what to do.
#[derive(Debug, Error)]
#[error("cannot read {name}: {}{}", reason(.error), mend(.error))]
pub struct Unreadable {
    name: String,
    error: io::Error,
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
    let (started_ms, stop) = (now_ms(), &interrupt.stop);
    let mut facts = Vec::with_capacity(options.inputs.len());
    for input in &options.inputs {
        facts.push(
            input
                .facts()
                .map_err(|error| Unreadable::of(input, error))?,
        );
    }
    let is_live = facts.iter().any(|facts| !facts.regular);
    let bytes = facts.iter().map(|facts| facts.size_bytes).sum();
    let selection = options.output.selection;
    let to_stdout = options.output.address == OutputAddress::Stdout;
    let progress = Progress::start(
        bytes,
        selection == Selection::Nothing || !to_stdout || !io::stdout().is_terminal(),
    );
    let mut lanes = Vec::new();
    let mut sources = Vec::new();
    for (index, (input, facts)) in options.inputs.iter().zip(facts).enumerate() {
        let reference = options
            .reference_time_ms
            .or(facts.modified_ms)
            .unwrap_or(started_ms);
        sources.push(Source {
            path: input.path(),
            reference_time_ms: Some(reference),
            clock_time_ms: None,
            format: options.format,
        });
        lanes.push(Lane::new(
            index,
            input.clone(),
            facts,
            reference,
            progress.position(),
        ));
    }
    let want = selection.want();
    instance.want(Want {
        alerts: want.alerts || options.known.form != Summary::None || progress.is_shown(),
        enriched: want.enriched || options.known.form != Summary::None,
        // For documents' ids.
        ids: matches!(options.output.address, OutputAddress::Elasticsearch(_)),
        ..want
    })?;
    let next_hop = NextHop::start(options, stop, is_live, progress.teller())?;
    let mut session = Session {
        instance,
        sources,
        owners: Vec::new(),
        current: None,
        inputs: &options.inputs,
        is_live,
        to_stdout,
        sink: Sink {
            selection,
            next_hop,
            gathered: Gathered::new(Known {
                twice: named_twice(&options.inputs),
                ..options.known.clone()
            }),
            progress,
        },
        was_read: vec![false; options.inputs.len()],
    };
    let last_ms = merge(&mut lanes, &mut session, stop)?;
    session.finish(last_ms, options, interrupt.signal())
}

/// Where the guest's output goes.
struct Sink {
    selection: Selection,
    next_hop: NextHop,
    gathered: Gathered,
    progress: Progress,
}

impl Sink {
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
}

/// The guest with all that its output needs.
struct Session<'a> {
    instance: Instance,
    sources: Vec<Source>,
    /// Which input each of the guest's sources stands for.
    owners: Vec<usize>,
    current: Option<usize>,
    inputs: &'a [Input],
    /// Lines may come as they are written.
    is_live: bool,
    to_stdout: bool,
    sink: Sink,
    /// Which inputs had a record, or could not be read, which was told.
    was_read: Vec<bool>,
}

impl Session<'_> {
    /// Tells the guest which input the lines that follow come from.
    fn select(&mut self, index: usize) -> Result<(), HostError> {
        if self.current == Some(index) {
            return Ok(());
        }
        // More inputs than numbers share them; whoever comes last describes itself again.
        let slot = index % usize::from(SOURCES_MAX);
        let number = slot as u16;
        if self.owners.len() <= slot {
            self.owners.resize(slot + 1, usize::MAX);
        }
        if self.owners.get(slot) == Some(&index) {
            self.instance.select_source(number)?;
        } else if let (Some(owner), Some(source)) =
            (self.owners.get_mut(slot), self.sources.get(index))
        {
            self.instance.source(number, source)?;
            *owner = index;
        }
        self.current = Some(index);
        Ok(())
    }

    fn note_read(&mut self, index: usize) {
        if let Some(was_read) = self.was_read.get_mut(index) {
            *was_read = true;
        }
    }

    /// Ends the floods, writes the rest and the summary.
    fn finish(
        mut self,
        last_ms: Option<i64>,
        options: &Options,
        interrupted: Option<i32>,
    ) -> Result<(), ReplayError> {
        let sink = &mut self.sink;
        self.instance
            .finish(last_ms, |kind, bytes| sink.take(kind, bytes))?;
        self.instance.statistics(|_, bytes| {
            sink.gathered.statistics(bytes);
            if options.statistics && sink.selection != Selection::Nothing {
                sink.next_hop.write(Kind::Statistics, bytes);
            }
        })?;
        if interrupted.is_some() {
            // At once: what waits for a next hop may take its time, and the terminal has written into the bar's line.
            self.sink.progress.finish();
        }
        // Given up, it ended the reading too.
        let stopped = interrupted.is_some() || self.sink.next_hop.has_failed();
        self.sink.gathered.stopped = stopped;
        if !stopped {
            let inputs = self.inputs.iter().zip(&self.was_read);
            let empty = inputs.filter(|(_, was_read)| !**was_read);
            self.sink.gathered.empty = empty.map(|(input, _)| input.name()).collect();
        }
        // The next hop may be slow: what is told of it goes beside the bar.
        let finished = self.sink.next_hop.finish();
        let tell = self.sink.progress.teller();
        finished
            .iter()
            .flatten()
            .for_each(|sentence| tell(sentence));
        self.sink.progress.finish();
        let is_closed_pipe = finished.as_ref().is_err_and(NextHopError::is_closed_pipe);
        if is_closed_pipe && interrupted.is_none() {
            return Ok(());
        }
        // Standard error may be closed: there is nobody to tell then.
        let _ = self
            .sink
            .gathered
            .write(options.known.form, &mut io::stderr().lock());
        if let Some(signal) = interrupted {
            let sentence = match finished {
                Err(error) if !is_closed_pipe => error.to_string(),
                _ => format!(
                    "the input was read up to its record {} and no further",
                    self.sink.gathered.records()
                ),
            };
            return Err(ReplayError::Interrupted(signal, sentence));
        }
        finished?;
        let gathered = &self.sink.gathered;
        match (gathered.records(), gathered.unread.is_empty()) {
            (0, _) => Err(ReplayError::NothingRead),
            (_, false) => Err(ReplayError::Incomplete),
            (_, true) => Ok(()),
        }
    }
}

impl Consumer for Session<'_> {
    fn push(&mut self, index: usize, lines: &[u8], offset: u64) -> Result<(), HostError> {
        self.select(index)?;
        self.note_read(index);
        self.sink.progress.moved();
        let sink = &mut self.sink;
        self.instance
            .push(lines, Some(offset), |kind, bytes| sink.take(kind, bytes))
    }

    fn line_times(
        &mut self,
        index: usize,
        lines: &[u8],
        times: &mut Vec<Option<i64>>,
    ) -> Result<(), HostError> {
        self.select(index)?;
        self.instance.line_times(lines, times)
    }

    fn waiting(&mut self) {
        // A file is there at once. Cutting where its reader happens to be would give documents other ids.
        if self.is_live || self.to_stdout {
            self.sink.next_hop.flush();
        }
    }

    fn unreadable(&mut self, index: usize, error: io::Error) {
        self.note_read(index);
        if let Some(input) = self.inputs.get(index) {
            self.sink.gathered.unread.push(input.name());
            let error = Unreadable::of(input, error);
            self.sink.progress.teller()(&error.to_string());
        }
    }

    fn cut(&mut self) {
        self.sink.gathered.cut_lines += 1;
    }

    fn has_ended(&self) -> bool {
        self.sink.next_hop.has_failed()
    }
}

/// The inputs that were named before, by whatever path.
fn named_twice(inputs: &[Input]) -> Vec<String> {
    let mut seen = HashSet::new();
    let again = inputs.iter().filter(|input| match input {
        Input::Stdin => false,
        // What is not there was told of before.
        Input::File(path) => path.canonicalize().is_ok_and(|path| !seen.insert(path)),
    });
    again.map(Input::name).collect()
}

impl Unreadable {
    fn of(input: &Input, error: io::Error) -> Unreadable {
        let name = input.name();
        Unreadable { name, error }
    }
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; name a file that is there, or - for standard input",
        io::ErrorKind::PermissionDenied => "; run this as a user who may read it",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            "; it is cut off or damaged, what came before counts"
        }
        _ => "",
    }
}

/// What the system says, without its error number, which helps nobody.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.find(" (os error")
        .and_then(|at| text.get(..at))
        .map_or(text.clone(), str::to_string)
}

/// What the first Ctrl-C (or a request to terminate) sets; the second one ends the process at once.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    stop: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Catches signals from now on.
    ///
    /// # Errors
    /// The system does not let them be caught.
    pub fn catch() -> io::Result<Interrupt> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        use signal_hook::flag;
        let Interrupt { stop, signal } = Interrupt::default();
        for number in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset, passes here, and sets it below.
            flag::register_conditional_shutdown(number, 128 + number, Arc::clone(&stop))?;
            flag::register_usize(number, Arc::clone(&signal), number.unsigned_abs() as usize)?;
            flag::register(number, Arc::clone(&stop))?;
        }
        Ok(Interrupt { stop, signal })
    }

    /// The number of the signal that came.
    fn signal(&self) -> Option<i32> {
        let has_come = self.stop.load(Ordering::Acquire);
        has_come.then(|| self.signal.load(Ordering::Relaxed) as i32)
    }
}
