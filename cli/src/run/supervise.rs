//! Waits for the end, and stops everything in the right order: first what takes records, then the engine, then the output, so
//! that what was taken is delivered.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, timeout_at};

use super::engine::Job;
use super::input::Intake;
use super::input::start::Started;
#[cfg(test)]
use super::ledger::Ledger;
use super::net::Servers;
use super::signals::{Asked, Signals};
use super::state_writer::StateWriter;
use super::{RunError, notify};
use crate::alerts::Couriers;
use crate::log;
use crate::output::backlog::Backlog;
use crate::output::deliver::DeliverError;
use maxconn_host::HostError;

/// A place in a file is kept within that, unless the disk hangs.
const FILES_PATIENCE: Duration = Duration::from_secs(1);

/// How the engine ended: with the state to keep, if one is kept.
type EngineEnd = Result<Option<StateWriter>, HostError>;

/// Everything that runs.
pub struct Process {
    pub(super) signals: Signals,
    pub(super) grace: Duration,
    pub(super) intake: Intake,
    pub(super) backlog: Arc<Backlog>,
    pub(super) engine_end: oneshot::Receiver<EngineEnd>,
    pub(super) delivering: JoinHandle<Result<(), DeliverError>>,
    /// Who tells of alerts elsewhere.
    pub(super) couriers: Couriers,
    /// Standard input, which can end by itself, and files.
    pub(super) inputs: Started,
    /// All records come by standard input.
    pub(super) only_pipes: bool,
    /// Addresses that are listened at, which can't.
    pub(super) servers: Servers,
    #[cfg(test)]
    pub(super) ledger: Arc<Ledger>,
}

impl Process {
    /// The queues whose bounds the simulation watches.
    #[cfg(test)]
    pub fn queues(&self) -> (Arc<Backlog>, Arc<Ledger>) {
        (Arc::clone(&self.backlog), Arc::clone(&self.ledger))
    }

    /// Waits for the end, whatever brings it, and brings everything else to it.
    pub async fn supervise(mut self) -> Result<(), RunError> {
        let only_pipes = self.only_pipes;
        let pipes = std::mem::take(&mut self.inputs.pipes);
        let mut ends = Box::pin(async {
            for pipe in pipes {
                // An input that is gone has ended, too.
                let _ = pipe.await;
            }
        });
        let asked = loop {
            tokio::select! {
                biased;
                asked = self.signals.next() => match asked {
                    Asked::Stop(_) => break true,
                    Asked::Reload => self.reload(),
                },
                () = &mut ends, if only_pipes => break false,
                result = &mut self.engine_end => {
                    return Err(self.engine_failed(result).await);
                }
                result = &mut self.delivering => {
                    self.backlog.abandon();
                    let result = delivered(result);
                    self.delivering = tokio::spawn(async { Ok(()) });
                    return self.drain(false).await.and(result);
                }
            }
        };
        self.drain(asked).await
    }

    fn reload(&self) {
        // Fails only if the engine has ended, and that is told by itself.
        let _: Result<(), _> = self.intake.jobs.send(Job::Reload);
    }

    /// What the engine made before it failed goes out.
    async fn engine_failed(self, result: Result<EngineEnd, oneshot::error::RecvError>) -> RunError {
        let deadline = Instant::now() + self.grace;
        let _ = timeout_at(deadline, self.delivering).await;
        self.couriers.finish(deadline).await;
        match result {
            Ok(Err(error)) => error.into(),
            _ => RunError::EngineEnded,
        }
    }

    async fn drain(mut self, asked: bool) -> Result<(), RunError> {
        notify::say("STOPPING=1");
        tokio::spawn(self.signals.exit_on_second_stop(asked));
        let begun = Instant::now();
        let deadline = begun + self.grace;
        // Requests that were begun are answered, for half of the time; then their senders have to
        // come again.
        self.servers.stop(begun + self.grace / 2).await;
        self.intake.close();
        self.backlog.make_room();
        // Fails only if the engine has ended, which is seen next.
        let _: Result<(), _> = self.intake.jobs.send(Job::Stop);
        let state_writer = match timeout_at(deadline, self.engine_end).await {
            Ok(Ok(Err(error))) => return Err(error.into()),
            Ok(Ok(Ok(state_writer))) => state_writer,
            Ok(Err(_)) | Err(_) => None,
        };
        // Both at once: what becomes of one must not shorten the other's time.
        let couriers = self.couriers.finish(deadline);
        let (delivering, ()) = tokio::join!(timeout_at(deadline, self.delivering), couriers);
        let result = match delivering {
            Ok(result) => delivered(result),
            Err(_) => not_delivered(self.backlog.lost(state_writer.is_some()), self.grace),
        };
        // What was delivered has its place in a file kept, or comes again.
        let files = async {
            for file in self.inputs.files {
                drop(file.lock().await);
            }
        };
        let _ = timeout_at(deadline.min(Instant::now() + FILES_PATIENCE), files).await;
        if let Some(state_writer) = state_writer {
            state_writer.finish(&self.backlog).await?;
        }
        if result.is_ok() {
            let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            log::info!(took_ms, "stopped");
        }
        result
    }
}

/// What is lost when the grace period is over.
fn not_delivered(lost: usize, grace: Duration) -> Result<(), RunError> {
    if lost > 0 {
        return Err(RunError::Lost(lost, grace));
    }
    log::warn!("the output did not take everything; senders that were not answered send it again");
    Ok(())
}

fn delivered(result: Result<Result<(), DeliverError>, JoinError>) -> Result<(), RunError> {
    match result {
        Ok(Err(error)) if !error.is_closed_pipe() => Err(error.into()),
        Ok(_) => Ok(()),
        Err(error) => Err(RunError::OutputEnded(error)),
    }
}
