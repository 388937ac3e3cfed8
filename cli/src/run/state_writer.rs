//! Writes the state while it runs, on a thread of its own: a slow disk must not hold up the records.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::ledger::Ledger;
use super::metrics::Metrics;
use super::state::{State, StateError, StateFile};
use crate::alerts::Alerts;
use crate::output::backlog::Backlog;
use crate::{log, system};

/// A state that could not be written is tried again after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Keeps the state.
pub struct StateWriter {
    /// How often it is written, if anything has changed.
    pub every: Duration,
    /// The guest's state at the end.
    pub snapshot: Bytes,
    ledger: Arc<Ledger>,
    alerts: Alerts,
    last: State,
    todo: Sender<State>,
    end: oneshot::Receiver<StateFile>,
    metrics: Metrics,
}

impl StateWriter {
    /// Starts the thread.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn start(
        file: StateFile,
        every: Duration,
        ledger: Arc<Ledger>,
        alerts: Alerts,
        metrics: Metrics,
    ) -> io::Result<StateWriter> {
        let (todo, states) = channel(1);
        let writing = write_all(file, Arc::clone(&ledger), states, metrics.clone());
        let end = system::spawn("state", writing)?;
        Ok(StateWriter {
            every,
            snapshot: Bytes::new(),
            ledger,
            alerts,
            last: State::default(),
            todo,
            end,
            metrics,
        })
    }

    /// Hands the state over to be written, unless it is the same as before. If the last one is still being
    /// written this one is left out; the next will do.
    pub fn offer(&mut self, snapshot: Bytes, backlog: &Backlog) {
        if self.todo.capacity() == 0 {
            return;
        }
        let state = State {
            clean: false,
            snapshot,
            alerts: backlog.alerts().into(),
            outputs: self.alerts.kept(),
            batches: self.ledger.remembered(Instant::now()),
        };
        if state != self.last && self.todo.try_send(state.clone()).is_ok() {
            self.last = state;
        }
    }

    /// Writes the state at the end, when nothing more is delivered.
    ///
    /// # Errors
    /// See [`StateError`]; the state is the last that could be written.
    pub async fn finish(self, backlog: &Backlog) -> Result<(), StateError> {
        drop(self.todo);
        let file = self.end.await.map_err(|_| StateError::Thread)?;
        let state = State {
            clean: true,
            snapshot: self.snapshot,
            alerts: backlog.alerts().into(),
            outputs: self.alerts.kept(),
            batches: self.ledger.remembered(Instant::now()),
        };
        file.write(&state, &self.ledger).inspect_err(|_| {
            self.metrics.state_failures.inc();
        })
    }
}

/// Writes each state that comes, until no more do.
async fn write_all(
    file: StateFile,
    ledger: Arc<Ledger>,
    mut states: Receiver<State>,
    metrics: Metrics,
) -> StateFile {
    let mut failing = false;
    let mut next = states.recv().await;
    while let Some(state) = next {
        let written = file.write(&state, &ledger);
        metrics.state_up.set(i64::from(written.is_ok()));
        if let Err(error) = &written {
            metrics.state_failures.inc();
            if !failing {
                log::error!("{error}; it is tried again until it works");
            }
        }
        failing = written.is_err();
        next = if failing {
            let newer = timeout(RETRY_AFTER, states.recv()).await;
            newer.unwrap_or(Some(state))
        } else {
            states.recv().await
        };
    }
    file
}
