//! The ways in. Each cuts what it gets into batches of whole lines and hands them to the engine, which
//! keeps their order.

pub mod body;
pub mod confirming;
pub mod http;
pub mod lines;
pub mod omprog;
pub mod stdin;

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::engine::Job;
use super::names::Names;

/// How many bytes may wait in front of the guest, over all inputs. Then inputs stop reading, and senders wait.
pub const WAITING_MAX_BYTES: usize = 12 << 20;
/// What the smallest batch counts for, in bytes: its own costs.
pub const BATCH_MIN_BYTES: usize = 1024;

/// What every input has.
#[derive(Clone)]
pub struct Intake {
    /// To the engine. Bounded by `room`.
    pub jobs: UnboundedSender<Job>,
    /// The bytes that may wait.
    pub room: Arc<Semaphore>,
    /// Names for batches that nobody sends again.
    pub names: Arc<Names>,
}

impl Intake {
    /// Waits for room for `bytes` and takes it. A piece larger than all room counts as all of it.
    pub async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = bytes.clamp(BATCH_MIN_BYTES, WAITING_MAX_BYTES);
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        Arc::clone(&self.room)
            .acquire_many_owned(permits)
            .await
            .ok()
    }
}
