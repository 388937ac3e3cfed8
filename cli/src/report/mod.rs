//! `maxconn report` takes logs through the guest as `replay` does, and makes a report of what it says: a page, JSON, or text.
//!
//! The guest writes statistics and an alert of each open flood every minute, so that both are curves.

mod args;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use console::Term;
use maxconn_core::config::Network;
use maxconn_report::load::LOAD_BYTES_MAX;
use maxconn_report::words::counted;
use maxconn_report::{Known, LoadError, Report, Written, html};
use thiserror::Error;

pub use args::ReportArgs;

use crate::files::{FileError, Place};
use crate::printable;
use crate::reading::{self, Interrupt, Progress, Reading, Unreadable, reason};
use crate::summary::{self, Terminal, View};
use maxconn_host::{HostError, Instance, Kind, Want};

/// A page is no longer than a MiB; so much of it is not the report's JSON.
const PAGE_BYTES_MAX: usize = 1 << 20;
/// JSON for programs is not longer than this: all that is gathered fits.
const JSON_BYTES_MAX: usize = 64 << 20;
/// Only the owner may read what is written: users' names are in it.
const MODE: u32 = 0o600;

/// What is to be reported, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is to be read.
    pub reading: Reading,
    /// Where the page goes.
    pub html: Option<PathBuf>,
    /// Where the JSON goes, `-` is standard output.
    pub json: Option<PathBuf>,
    /// A load over time.
    pub load: Option<PathBuf>,
    /// What is free on the log's disk.
    pub disk_free_bytes: Option<u64>,
    /// What people are told.
    pub view: View,
    /// Networks that are our own.
    pub trusted: Vec<Network>,
}

/// Why there is no report, or not of all.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum ReportError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("cannot use the load in {}: {error}", file.display())]
    Load { file: PathBuf, error: LoadError },
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("cannot write {}: {error}", file.display())]
    File { file: PathBuf, error: FileError },
    #[error("cannot write to standard output: {}; make room there", reason(.0))]
    Stdout(io::Error),
    #[error("cannot write the report as JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not everything could be read; the report is of the rest")]
    Incomplete,
    #[error("nothing was read; name a log that has lines")]
    NothingRead,
    #[error("interrupted: the report is of the first {}", counted(*.1, "record", "records"))]
    Interrupted(i32, u64),
}

impl ReportError {
    /// Whether what was asked for cannot be: the files that are to be read and written are named wrongly.
    pub fn is_usage(&self) -> bool {
        matches!(self, ReportError::Load { .. })
    }
}

/// Reports what an instance, which is configured already, says of the logs. An interrupt ends the reading early.
pub fn report(
    mut instance: Instance,
    options: &Options,
    interrupt: &Interrupt,
) -> Result<(), ReportError> {
    let mut report = Report::new(maxconn_report::Options {
        generator: concat!("maxconn ", env!("CARGO_PKG_VERSION")).to_string(),
        zone: options.view.zone.shown().clone(),
        trusted: options.trusted.clone(),
        disk_free_bytes: options.disk_free_bytes,
        ..maxconn_report::Options::default()
    });
    // First of all: nobody is to wait for what will not be.
    if let Some(file) = &options.load {
        let bytes = read(file).map_err(|error| Unreadable::of_file(file, error))?;
        report.load(&bytes).map_err(|error| ReportError::Load {
            file: file.clone(),
            error,
        })?;
    }
    let mut places = Vec::new();
    for file in [&options.html, &options.json].into_iter().flatten() {
        let place = (!is_stdout(file)).then(|| Place::of(file)).transpose();
        places.push(place.map_err(|error| ReportError::File {
            file: file.clone(),
            error,
        })?);
    }
    let inputs = options.reading.look();
    let disk_bytes = inputs.disk_bytes();
    let progress = Progress::start(inputs.size_bytes(), true);
    instance.want(Want {
        records: false,
        alerts: true,
        enriched: true,
        ..Want::default()
    })?;
    let mut sink = Sink {
        report,
        progress: &progress,
    };
    let outcome = inputs.read(&mut instance, &mut sink, &progress, interrupt.stop())?;
    let mut report = sink.report;
    instance.statistics(|kind, bytes| report.push(kind, bytes))?;
    progress.finish();
    let is_complete = outcome.unread.is_empty();
    let signal = interrupt.signal();
    let known = Known {
        files: options
            .reading
            .inputs
            .iter()
            .map(reading::Input::name)
            .collect(),
        bytes: outcome.bytes,
        period_ms: outcome.period_ms,
        outside_lines: outcome.outside_lines,
        cut_lines: outcome.cut_lines,
        unread: outcome.unread,
        disk_bytes,
        empty: match signal {
            None => outcome.empty,
            Some(_) => Vec::new(),
        },
        twice: options.reading.twice.clone(),
        stopped: signal.is_some(),
    };
    let written = report.finish(known);
    write(&written, options, &places)?;
    let lines = written.input.lines;
    match (signal, lines + written.input.outside_lines) {
        (Some(signal), _) => Err(ReportError::Interrupted(signal, lines)),
        (None, 0) => Err(ReportError::NothingRead),
        (None, _) if !is_complete => Err(ReportError::Incomplete),
        (None, _) => Ok(()),
    }
}

/// The guest's output goes into the report.
struct Sink<'a> {
    report: Report,
    progress: &'a Progress,
}

impl reading::Sink for Sink<'_> {
    fn take(&mut self, kind: Kind, bytes: &[u8]) {
        self.report.push(kind, bytes);
        if kind == Kind::Alert {
            self.progress.floods(self.report.starts());
        }
    }
}

/// Reads a file, or so much of it that it is seen to be too large.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = LOAD_BYTES_MAX as u64 + 1;
    File::open(file)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn is_stdout(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn write(
    written: &Written,
    options: &Options,
    places: &[Option<Place>],
) -> Result<(), ReportError> {
    let mut places = places.iter();
    if let Some(file) = &options.html {
        // Escapes make it longer, twice at most.
        let room = PAGE_BYTES_MAX.saturating_sub(html::page("{}").len());
        let mut page = html::page(&written.to_json(room)?);
        if page.len() > PAGE_BYTES_MAX {
            page = html::page(&written.to_json(room / 6)?);
        }
        put(
            places.next().and_then(Option::as_ref),
            file,
            page.as_bytes(),
        )?;
    }
    if let Some(file) = &options.json {
        let json = written.to_json(JSON_BYTES_MAX)?;
        match places.next() {
            Some(Some(place)) => put(Some(place), file, json.as_bytes())?,
            _ => say(&format!("{json}\n"))?,
        }
    }
    if options.html.is_none() && options.json.is_none() {
        let terminal = Terminal::of(&io::stdout(), &Term::stdout(), options.view.colour);
        say(&summary::write(written, &options.view, terminal))?;
    }
    Ok(())
}

fn put(place: Option<&Place>, file: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    let put = place.map_or(Ok(()), |place| place.replace(&[bytes], MODE));
    put.map_err(|error| ReportError::File {
        file: file.to_path_buf(),
        error,
    })
}

/// Writes to standard output; if nobody reads it, that is fine.
fn say(text: &str) -> Result<(), ReportError> {
    match printable::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(ReportError::Stdout(error)),
        _ => Ok(()),
    }
}
