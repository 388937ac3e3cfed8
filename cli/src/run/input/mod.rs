//! The inputs. Each cuts what it gets into batches of whole lines and hands them to the engine, which keeps their order.

pub mod answer;
pub mod body;
pub mod confirming;
pub mod cut;
pub mod file;
pub mod http;
pub mod lines;
pub mod omprog;
pub mod refusal;
pub mod start;
pub mod stdin;

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::batch::Batch;
use super::engine::Job;
use super::metrics::Metrics;
use crate::io::framing::envelope::{any_may_hold_several, unfold};
use crate::io::lines::lines;
use crate::output::delivery::Digest;
use crate::system;
use cut::Batches;

/// How many bytes of bodies may arrive or wait at once, over all inputs. Then senders wait.
const BODIES_MAX_BYTES: usize = 10 << 20;
/// How many bytes of batches may wait in front of the guest, over all inputs. Then inputs stop reading.
const WAITING_MAX_BYTES: usize = 2 << 20;
/// As many lines of `tcp://` and `unix:` inputs may be long while they come and wait for room, which needs memory for
/// each.
const LONG_LINES_MAX: usize = 4;
/// What the smallest body or batch counts for, in bytes: its own costs.
const MIN_BYTES: usize = 1024;

/// What every input has.
#[derive(Clone)]
pub struct Intake {
    /// To the engine. Bounded by the room for what waits.
    pub jobs: UnboundedSender<Job>,
    /// The number of the next batch that nobody sends again.
    next: Arc<AtomicU64>,
    /// Tells its name from those that other processes give.
    process: u64,
    waiting: Room,
    bodies: Room,
    /// Whoever decompresses a body has it.
    decompressing: Arc<Semaphore>,
    /// Whoever hands over what came in an envelope has it: of that there may be more than of the body.
    unfolding: Arc<Semaphore>,
    long_lines: Arc<Semaphore>,
    metrics: Metrics,
}

/// So many bytes, of which everything takes its share.
#[derive(Clone)]
struct Room {
    bytes: Arc<Semaphore>,
    max_bytes: usize,
}

impl Room {
    fn new(max_bytes: usize) -> Room {
        Room {
            bytes: Arc::new(Semaphore::new(max_bytes)),
            max_bytes,
        }
    }

    /// Waits for room and takes it; `None` if the process stops. What is larger than all of it counts as all of it.
    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = bytes.clamp(MIN_BYTES, self.max_bytes);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.bytes)
            .acquire_many_owned(permits)
            .await
            .ok()
    }
}

impl Intake {
    /// One that hands jobs to an engine.
    pub fn new(jobs: UnboundedSender<Job>, metrics: Metrics) -> Intake {
        Intake {
            jobs,
            next: Arc::default(),
            process: system::random(),
            waiting: Room::new(WAITING_MAX_BYTES),
            bodies: Room::new(BODIES_MAX_BYTES),
            decompressing: Arc::new(Semaphore::new(1)),
            unfolding: Arc::new(Semaphore::new(1)),
            long_lines: Arc::new(Semaphore::new(LONG_LINES_MAX)),
            metrics,
        }
    }

    /// As much room as a body of `bytes` bytes may have beside one that is there.
    fn room_beside(there: usize, bytes: usize) -> usize {
        bytes.min(BODIES_MAX_BYTES.saturating_sub(there))
    }

    /// Waits for room for a batch in front of the guest; `None` if the process stops.
    pub async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.waiting.take(bytes).await
    }

    /// Hands over lines that nobody sends again, as soon as there is room for them; `false` if the process stops.
    pub async fn hand_over(&self, source: u16, text: Vec<u8>) -> bool {
        let text = match any_may_hold_several(&text) {
            true => unfold(lines(&text).map(Cow::Borrowed), WAITING_MAX_BYTES),
            false => text,
        };
        // For all of it, before any batch is made: what waits, waits once.
        let Some(mut room) = self.room(text.len()).await else {
            return false;
        };
        let mut batches = Batches::new(lines(&text));
        let sent = batches.by_ref().all(|lines| {
            let share = lines.len().max(MIN_BYTES).min(room.num_permits());
            let room = room.split(share);
            room.is_some_and(|room| self.send(source, lines, room))
        });
        self.metrics.cut_lines.inc_by(batches.cut);
        sent
    }

    fn send(&self, source: u16, lines: Vec<u8>, room: OwnedSemaphorePermit) -> bool {
        let batch = Batch::new(source, self.fresh_name(), lines, room);
        self.jobs.send(Job::Batch(batch)).is_ok()
    }

    /// The name of a batch that nobody sends again: equal ones are different.
    fn fresh_name(&self) -> Digest {
        let number = u128::from(self.next.fetch_add(1, Ordering::Relaxed));
        (u128::from(self.process) | number << 64).to_le_bytes()
    }

    /// Whoever waits for room is told that there will be none.
    pub fn close(&self) {
        self.waiting.bytes.close();
        self.bodies.bytes.close();
        self.decompressing.close();
        self.unfolding.close();
        self.long_lines.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        let intake = || Intake::new(tokio::sync::mpsc::unbounded_channel().0, Metrics::new());
        let (first, second) = (intake(), intake());
        assert_ne!(first.fresh_name(), first.clone().fresh_name());
        assert_ne!(first.fresh_name(), second.fresh_name());
    }
}
