//! Hands what comes out to the next hop, on a thread of its own.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::runtime::Handle;

use super::Options;
use crate::address::OutputAddress;
use crate::output::backlog::Backlog;
use crate::output::deliver::{DeliverError, Patience, deliver};
use crate::output::delivery::{Delivery, Digest, LineRange};
use crate::output::meter::Meter;
use crate::output::stdout::Stdout;
use crate::output::trouble::Trouble;
use crate::output::{self, Destination, OpenError};
use crate::reading::reason;
use maxconn_host::Kind;

/// Output is cut into deliveries after the line that makes them this large.
const DELIVERY_BYTES: usize = 256 * 1024;
/// A next hop that takes nothing for this long ends the replay: somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why not everything was delivered.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum NextHopError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    #[error("cannot write to standard output: {}; make room there", reason(.0))]
    Stdout(io::Error),
    #[error("{0}; it was given up {1}{2}")]
    GivenUp(Box<Trouble>, String, &'static str),
    #[error("the delivering thread has failed")]
    Failed,
}

impl NextHopError {
    /// Nobody reads standard output any more, which needs no words.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, NextHopError::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Gathers output and hands it to the delivering thread.
pub struct NextHop {
    bytes: Vec<u8>,
    segments: Vec<LineRange>,
    lines: u32,
    is_store: bool,
    patterns: Arc<[String]>,
    /// Of all output so far, for a store. Deliveries are named by it, so that the same replay gives documents the same ids
    /// and equal lines different ones.
    name: Digest,
    backlog: Arc<Backlog>,
    /// Of the delivering thread.
    runtime: Handle,
    failed: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), DeliverError>>,
    meter: Meter,
    dead_letter: Option<PathBuf>,
    /// The same again makes no document twice. A pipe may pause elsewhere the next time, and its deliveries with it.
    names_documents: bool,
    stop: Arc<AtomicBool>,
}

impl NextHop {
    /// Starts the delivering thread; what goes wrong and is tried again is told to `tell`, and no longer tried once
    /// `stop` is set.
    ///
    /// # Errors
    /// [`NextHopError::Open`], or no thread.
    pub fn start(
        options: &Options,
        stop: &Arc<AtomicBool>,
        is_live: bool,
        tell: impl Fn(&str) + Send + 'static,
    ) -> Result<NextHop, NextHopError> {
        let meter = Meter::new();
        let patterns = Arc::clone(&options.patterns);
        let options = &options.output;
        // There are no posts to answer, which the command line knows.
        let output = output::open(options, &meter)?.unwrap_or(Destination::Stdout(Stdout));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(NextHopError::Thread)?;
        let handle = runtime.handle().clone();
        let (backlog, failed) = (Arc::new(Backlog::default()), Arc::<AtomicBool>::default());
        let thread = {
            let (backlog, failed, meter) =
                (Arc::clone(&backlog), Arc::clone(&failed), meter.clone());
            let patience = Patience {
                most: PATIENCE,
                stop: Arc::clone(stop),
            };
            thread::Builder::new()
                .name("deliver".to_string())
                .spawn(move || {
                    let delivering = deliver(
                        Arc::clone(&backlog),
                        output,
                        meter,
                        Some(patience),
                        tell,
                        |_| {},
                    );
                    let result = runtime.block_on(delivering);
                    if result.is_err() {
                        failed.store(true, Ordering::Relaxed);
                        backlog.abandon();
                    }
                    result
                })
                .map_err(NextHopError::Thread)?
        };
        let is_store = matches!(options.address, OutputAddress::Elasticsearch(_));
        Ok(NextHop {
            is_store,
            patterns,
            bytes: Vec::new(),
            segments: Vec::new(),
            lines: 0,
            name: Digest::default(),
            backlog,
            runtime: handle,
            failed,
            thread,
            meter,
            dead_letter: options.dead_letter.clone(),
            names_documents: is_store && !is_live,
            stop: Arc::clone(stop),
        })
    }

    /// Adds whole lines. Where they are cut depends on them alone, not on how many come at once.
    pub fn write(&mut self, kind: Kind, mut lines: &[u8]) {
        while !lines.is_empty() {
            let room = DELIVERY_BYTES.saturating_sub(self.bytes.len() + 1);
            let end = lines
                .get(room..)
                .and_then(|rest| memchr::memchr(b'\n', rest))
                .map_or(lines.len(), |at| room + at + 1);
            let (first, rest) = lines.split_at(end);
            self.bytes.extend_from_slice(first);
            let end = self.bytes.len();
            match self.segments.last_mut() {
                Some(last) if last.kind == kind => last.end = end,
                _ => self.segments.push(LineRange {
                    kind,
                    end,
                    number: self.lines,
                }),
            }
            let count = memchr::memchr_iter(b'\n', first).count();
            self.lines += u32::try_from(count).unwrap_or(u32::MAX);
            if end >= DELIVERY_BYTES {
                self.flush();
            }
            lines = rest;
        }
    }

    /// Hands on what was gathered, once there is room for it.
    pub fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        if self.is_store {
            let digest = Sha256::new()
                .chain_update(self.name)
                .chain_update(&self.bytes)
                .finalize();
            self.name = std::array::from_fn(|at| digest[at]);
        }
        self.lines = 0;
        self.backlog.push(Delivery {
            bytes: std::mem::take(&mut self.bytes).into(),
            segments: std::mem::take(&mut self.segments),
            name: self.name,
            patterns: Arc::clone(&self.patterns),
            ..Delivery::default()
        });
        // One that takes nothing is given up, and leaves room.
        self.runtime.block_on(self.backlog.room(0));
    }

    /// It was given up: there is no point in going on.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Delivers the rest and waits for it; gives a sentence for each thing that people should know of it.
    ///
    /// # Errors
    /// Why the next hop was given up.
    pub fn finish(mut self) -> Result<Vec<String>, NextHopError> {
        self.flush();
        self.backlog.close();
        let result = self.thread.join().map_err(|_| NextHopError::Failed)?;
        result.map_err(|error| {
            let trouble = match error {
                DeliverError::Stdout(error) => return NextHopError::Stdout(error),
                DeliverError::GivenUp(trouble) => trouble,
            };
            let mend = match self.names_documents {
                true => "; mend that and run the same again, no document will be there twice",
                false => "; mend that and run the same again",
            };
            let until = match self.stop.load(Ordering::Relaxed) {
                true => "when it was to stop".to_string(),
                false => format!("after {} s", PATIENCE.as_secs()),
            };
            NextHopError::GivenUp(Box::new(trouble), until, mend)
        })?;
        let refused = self.meter.dead_letters.get();
        let there = self.meter.all_conflicts();
        let documents = |count: u64| match count {
            1 => "1 document was".to_string(),
            _ => format!("{count} documents were"),
        };
        let mut sentences = Vec::new();
        if let Some(path) = self.dead_letter.filter(|_| refused > 0) {
            let path = path.display();
            let documents = documents(refused);
            sentences.push(format!(
                "{documents} refused for good and set aside in {path}"
            ));
        }
        if there > 0 {
            let documents = documents(there);
            sentences.push(format!(
                "{documents} there already, as after the same replay before"
            ));
        }
        Ok(sentences)
    }
}
