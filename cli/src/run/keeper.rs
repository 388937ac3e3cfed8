//! Writing the state while it runs, on a thread of its own: a slow disk must not hold up the records.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvError, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::metrics::Metrics;
use super::state::{Kept, StateFile};
use crate::log;
use crate::output::backlog::Backlog;

/// A state that could not be written is tried again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Keeps the state.
pub struct Keeper {
    /// How often it is written, if anything has changed.
    pub every: Duration,
    /// The guest's state at the end.
    pub snapshot: Vec<u8>,
    ledger: Arc<Ledger>,
    last: Kept,
    todo: SyncSender<Kept>,
    thread: JoinHandle<StateFile>,
    metrics: Metrics,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(
        file: StateFile,
        every: Duration,
        ledger: Arc<Ledger>,
        metrics: Metrics,
    ) -> io::Result<Keeper> {
        let (todo, states) = sync_channel::<Kept>(1);
        let failures = metrics.clone();
        let thread = thread::Builder::new()
            .name("state".to_string())
            .spawn(move || {
                let mut failing = false;
                let mut next = states.recv();
                while let Ok(kept) = next {
                    let written = file.write(&kept);
                    failures.state_up.set(i64::from(written.is_ok()));
                    if let Err(sentence) = &written {
                        failures.state_failures.inc();
                        if !failing {
                            log::line(format_args!("{sentence}; it is tried again until it works"));
                        }
                    }
                    failing = written.is_err();
                    next = if failing {
                        match states.recv_timeout(RETRY_AFTER) {
                            Err(RecvTimeoutError::Timeout) => Ok(kept),
                            Err(RecvTimeoutError::Disconnected) => Err(RecvError),
                            Ok(newer) => Ok(newer),
                        }
                    } else {
                        states.recv()
                    };
                }
                file
            })?;
        Ok(Keeper {
            every,
            snapshot: Vec::new(),
            ledger,
            last: Kept::default(),
            todo,
            thread,
            metrics,
        })
    }

    /// Hands the state over to be written, unless it is the same as before. If the last one is still being
    /// written this one is left out; the next will do.
    pub fn offer(&mut self, snapshot: &[u8], backlog: &Backlog) {
        let kept = Kept {
            clean: false,
            snapshot: snapshot.to_vec(),
            alerts: backlog.alerts(),
            batches: self.ledger.counted(Instant::now()),
        };
        if kept != self.last && self.todo.try_send(kept.clone()).is_ok() {
            self.last = kept;
        }
    }

    /// Writes the state at the end, when nothing more is delivered.
    ///
    /// # Errors
    /// A sentence; the state is the last that could be written.
    pub fn finish(self, backlog: &Backlog) -> Result<(), String> {
        drop(self.todo);
        let file = self
            .thread
            .join()
            .map_err(|_| "the thread that writes the state has failed; report this".to_string())?;
        let kept = Kept {
            clean: true,
            snapshot: self.snapshot,
            alerts: backlog.alerts(),
            batches: self.ledger.counted(Instant::now()),
        };
        file.write(&kept).inspect_err(|_| {
            self.metrics.state_failures.inc();
        })
    }
}
