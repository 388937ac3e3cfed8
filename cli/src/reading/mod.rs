//! Reads logs into a guest: files and standard input, decompressed, as one stream in the order of their lines' times.
//!
//! ```text
//! reader threads ─► merge ─► guest ─► sink
//!   (feed, input)             (host)
//! ```
//! All queues are short and their memory is used again, so that the size of the input does not matter.

pub mod args;
mod feed;
mod input;
mod interrupt;
mod merge;
mod not_a_log;
mod progress;
pub mod range;
mod when;

use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use thiserror::Error;

pub use args::{ReadingArgs, ReadingArgsError};
pub use input::Input;
pub use interrupt::Interrupt;
pub use progress::Progress;

use crate::system::now_ms;
use input::Facts;
use maxconn_host::{Format, HostError, Instance, Kind, Source};
use maxconn_report::written::Unread;
use merge::{Consumer, Lane, merge};
use range::Span;

/// How many sources the guest can tell apart at once.
const SOURCES_MAX: u16 = 1024;
/// A first line that is so much older than the next, in ms, says nothing of when the logs begin.
const STRAY_MS: i64 = 86_400_000;
/// How often time goes on by itself where lines come as they are written.
const TICK_MS: i64 = 1_000;

/// What is to be read, and how.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The inputs, in the order of precedence among lines of equal time.
    pub inputs: Vec<Input>,
    /// How lines are read.
    pub format: Format,
    /// The missing year of a timestamp is the latest in which it is not later than this and a day; `None`: each file's own, or now.
    pub reference_time_ms: Option<i64>,
    /// Lines outside of it are not read.
    pub span: Span,
    /// The last file is read on for as long as somebody writes into it.
    pub follow: bool,
    /// Inputs that were named again, by whatever path; they are among the inputs once.
    pub twice: Vec<String>,
}

/// An input that cannot be read, and what to do.
#[derive(Debug, Error)]
#[error("cannot read {name}: {}{}", reason(.error), mend(.error))]
pub struct Unreadable {
    name: String,
    error: io::Error,
}

/// Where goes what the guest says.
pub trait Sink {
    /// Takes output of the guest.
    fn take(&mut self, kind: Kind, bytes: &[u8]);

    /// A live input is silent, a few times a second: what was held back should go on.
    fn waiting(&mut self) {}

    /// Time goes on where lines come as they are written: what the plugin counts, as its statistics document, and what is known of
    /// the inputs so far.
    fn passes(&mut self, _statistics: &[u8], _outcome: &Outcome) {}

    /// Whether nobody takes any more.
    fn has_ended(&self) -> bool {
        false
    }
}

/// What is known of the inputs when all was read.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The times of the first line and of the last, in ms since the Unix epoch, as far as lines have any.
    pub period_ms: Option<(i64, i64)>,
    /// Bytes of lines.
    pub bytes: u64,
    /// Lines that are not of the time that is asked for.
    pub outside_lines: u64,
    /// Lines that were too long and came in pieces.
    pub cut_lines: u64,
    /// Inputs that could not be read, or not to their end.
    pub unread: Vec<Unread>,
    /// Inputs without a line.
    pub empty: Vec<String>,
}

/// Inputs that were looked at.
pub struct Inputs<'a> {
    reading: &'a Reading,
    facts: Vec<io::Result<Facts>>,
}

impl Reading {
    /// Looks at the inputs without reading them.
    pub fn look(&self) -> Inputs<'_> {
        Inputs {
            reading: self,
            facts: self.facts(),
        }
    }

    fn facts(&self) -> Vec<io::Result<Facts>> {
        let mut facts: Vec<_> = self.inputs.iter().map(Input::facts).collect();
        if let Some(Ok(last)) = facts.last_mut().filter(|_| self.follow) {
            (last.is_followed, last.regular) = (last.regular, false);
        }
        facts
    }

    /// The files among the inputs.
    pub fn files(&self) -> impl Iterator<Item = &Path> + Clone {
        self.inputs.iter().filter_map(|input| match input {
            Input::Stdin => None,
            Input::File(path) => Some(path.as_path()),
        })
    }
}

impl Inputs<'_> {
    /// Lines may come as they are written.
    pub fn is_live(&self) -> bool {
        self.facts().any(|facts| !facts.regular)
    }

    fn facts(&self) -> impl Iterator<Item = &Facts> {
        self.facts.iter().flatten()
    }

    /// Their size as they lie there.
    pub fn size_bytes(&self) -> u64 {
        self.facts().map(|facts| facts.size_bytes).sum()
    }

    /// The size of the disk that the first file is on, in bytes.
    pub fn disk_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.reading.files().next()?).ok()?;
        Some(disk.f_frsize * disk.f_blocks).filter(|bytes| *bytes > 0)
    }

    /// Reads all of them into a guest that is configured, and ends its floods. `stop` ends it early, as if the inputs ended there.
    ///
    /// # Errors
    /// The guest failed. An input that cannot be read is told of, and left out.
    pub fn read(
        self,
        instance: &mut Instance,
        sink: &mut impl Sink,
        progress: &Progress,
        stop: &AtomicBool,
    ) -> Result<Outcome, HostError> {
        let Inputs { reading, facts } = self;
        let started_ms = now_ms();
        let mut lanes = Vec::new();
        let mut sources = Vec::new();
        let mut unreadable = Vec::new();
        for (index, (input, facts)) in reading.inputs.iter().zip(facts).enumerate() {
            let facts = facts.unwrap_or_else(|error| {
                unreadable.push((index, error));
                Facts::default()
            });
            let reference = reading
                .reference_time_ms
                .or(facts.modified_ms)
                .unwrap_or(started_ms);
            sources.push(Source {
                path: input.path(),
                reference_time_ms: Some(reference),
                clock_time_ms: None,
                format: reading.format,
            });
            if unreadable.last().is_none_or(|(last, _)| *last != index) {
                lanes.push(Lane::new(
                    index,
                    input.clone(),
                    facts,
                    reference,
                    progress.position(),
                ));
            }
        }
        let mut session = Session {
            instance,
            sink,
            progress,
            sources,
            owners: Vec::new(),
            current: None,
            inputs: &reading.inputs,
            was_read: vec![false; reading.inputs.len()],
            was_given: vec![false; reading.inputs.len()],
            span: reading.span,
            last_ms: vec![None; reading.inputs.len()],
            is_followed: reading.follow,
            ticked_ms: started_ms,
            first_ms: None,
            outcome: Outcome::default(),
        };
        for (index, error) in unreadable {
            session.unreadable(index, error);
        }
        let last_ms = merge(&mut lanes, &mut session, stop)?;
        session.finish(last_ms)
    }
}

/// The guest with all that its output needs.
struct Session<'a, S> {
    instance: &'a mut Instance,
    sink: &'a mut S,
    progress: &'a Progress,
    sources: Vec<Source>,
    /// Which input each of the guest's sources stands for.
    owners: Vec<usize>,
    current: Option<usize>,
    inputs: &'a [Input],
    /// Which inputs had a record, or could not be read, which was told.
    was_read: Vec<bool>,
    /// Of which inputs the guest was given something.
    was_given: Vec<bool>,
    span: Span,
    /// The time of each input's last line, where only a span is read.
    last_ms: Vec<Option<i64>>,
    is_followed: bool,
    /// When time last went on by itself.
    ticked_ms: i64,
    first_ms: Option<i64>,
    outcome: Outcome,
}

impl<S: Sink> Session<'_, S> {
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

    /// Notes that an input had something, or that something of it was given to the guest; answers whether that is new.
    fn note(inputs: &mut [bool], index: usize) -> bool {
        let known = inputs.get_mut(index);
        known.is_some_and(|known| !std::mem::replace(known, true))
    }

    /// Notes when an input begins.
    fn note_first(&mut self, lines: &[u8]) -> Result<(), HostError> {
        let mut times = Vec::new();
        self.instance.line_times(lines, &mut times)?;
        let mut times: Vec<i64> = times.into_iter().flatten().collect();
        times.sort_unstable();
        let first_ms = match times.as_slice() {
            [stray, next, ..] if next - stray > STRAY_MS => Some(*next),
            times => times.first().copied(),
        };
        self.first_ms = match (self.first_ms, first_ms) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Ok(())
    }

    /// Gives lines to the guest.
    fn give(&mut self, index: usize, lines: &[u8], offset: u64) -> Result<(), HostError> {
        if Self::note(&mut self.was_given, index) {
            self.note_first(lines)?;
        }
        self.outcome.bytes += lines.len() as u64;
        let sink = &mut self.sink;
        self.instance
            .push(lines, Some(offset), |kind, bytes| sink.take(kind, bytes))
    }

    fn finish(mut self, last_ms: Option<i64>) -> Result<Outcome, HostError> {
        // Lines behind the span were not read.
        let last_ms = match (last_ms, self.span.until_ms) {
            (Some(last_ms), Some(until_ms)) => Some(last_ms.min(until_ms)),
            (last_ms, _) => last_ms,
        };
        let sink = &mut self.sink;
        self.instance
            .finish(last_ms, |kind, bytes| sink.take(kind, bytes))?;
        let inputs = self.inputs.iter().zip(&self.was_read);
        let empty = inputs.filter(|(_, was_read)| !**was_read);
        self.outcome.empty = empty.map(|(input, _)| input.name()).collect();
        self.outcome.period_ms = self
            .first_ms
            .zip(last_ms)
            .filter(|(first, last)| first <= last);
        Ok(self.outcome)
    }
}

impl<S: Sink> Consumer for Session<'_, S> {
    fn push(&mut self, index: usize, lines: &[u8], offset: u64) -> Result<(), HostError> {
        self.select(index)?;
        self.progress.moved();
        Self::note(&mut self.was_read, index);
        if self.span.is_all() {
            return self.give(index, lines, offset);
        }
        let mut times = Vec::new();
        self.instance.line_times(lines, &mut times)?;
        let mut nothing = None;
        let last_ms = self.last_ms.get_mut(index).unwrap_or(&mut nothing);
        let outside = &mut self.outcome.outside_lines;
        for part in self.span.parts(lines, &times, last_ms, outside) {
            let offset = offset + part.start as u64;
            self.give(index, lines.get(part).unwrap_or_default(), offset)?;
        }
        Ok(())
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

    fn waiting(&mut self) -> Result<(), HostError> {
        self.sink.waiting();
        let now_ms = now_ms();
        if self.is_followed && now_ms - self.ticked_ms >= TICK_MS {
            // Floods end although no line says so.
            self.ticked_ms = now_ms;
            let sink = &mut self.sink;
            self.instance
                .tick(now_ms, |kind, bytes| sink.take(kind, bytes))?;
            self.outcome.period_ms = self.first_ms.map(|first_ms| (first_ms, now_ms));
            let outcome = &self.outcome;
            self.instance
                .statistics(|_, bytes| sink.passes(bytes, outcome))?;
        }
        Ok(())
    }

    fn unreadable(&mut self, index: usize, error: io::Error) {
        Self::note(&mut self.was_read, index);
        if let Some(input) = self.inputs.get(index) {
            let error = Unreadable::of(input, error);
            self.outcome.unread.push(Unread {
                file: input.name(),
                error: error.why(),
            });
            self.progress.teller()(&error.to_string());
        }
    }

    fn cut(&mut self) {
        self.outcome.cut_lines += 1;
    }

    fn has_ended(&self) -> bool {
        self.sink.has_ended()
    }
}

impl Unreadable {
    fn of(input: &Input, error: io::Error) -> Unreadable {
        let name = input.name();
        Unreadable { name, error }
    }

    /// What is wrong with it, and what to do.
    fn why(&self) -> String {
        format!("{}{}", reason(&self.error), mend(&self.error))
    }

    /// The same of any file.
    pub fn of_file(path: &Path, error: io::Error) -> Unreadable {
        Unreadable::of(&Input::File(path.to_path_buf()), error)
    }
}

fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "; name a file that is there, or - for standard input",
        io::ErrorKind::IsADirectory => "; name a file in it",
        io::ErrorKind::PermissionDenied => "; run this as a user who may read it",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            "; it is cut off or damaged, what came before counts"
        }
        _ => "",
    }
}

/// What the system says, without its error number, which helps nobody.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.find(" (os error")
        .and_then(|at| text.get(..at))
        .map_or(text.clone(), str::to_string)
}
