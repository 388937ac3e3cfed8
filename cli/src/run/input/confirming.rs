//! What inputs have in common that tell their senders when a batch was delivered.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::Intake;
use crate::run::batch::{Batch, Digest};
use crate::run::engine::Job;
use crate::run::ledger::{Claim, Known, Ledger};
use crate::run::metrics::Metrics;

/// Hands batches to the engine, each of them once.
pub struct Confirming {
    /// The guest's source.
    pub source: u16,
    /// Tells apart equal batches of different inputs.
    pub name: String,
    /// To the engine.
    pub intake: Intake,
    /// What was not acknowledged.
    pub ledger: Arc<Ledger>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Confirming {
    /// Hands lines over, unless they were before. The claim's ticket tells when they are delivered;
    /// `None` if the process stops.
    pub fn hand_over(&self, lines: Vec<u8>, room: OwnedSemaphorePermit) -> Option<Claim> {
        let name = self.digest(&lines);
        let claim = self.ledger.claim(name);
        if claim.known == Known::Taken {
            self.metrics.repeated.inc();
            return Some(claim);
        }
        let batch = Batch {
            source: self.source,
            lines,
            name,
            ticket: Some(Arc::clone(&claim.ticket)),
            counted_before: claim.known == Known::Counted,
            room,
        };
        if self.intake.jobs.send(Job::Batch(batch)).is_err() {
            claim.forget();
            return None;
        }
        Some(claim)
    }

    /// The name of these lines from this input.
    fn digest(&self, lines: &[u8]) -> Digest {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([0]);
        hash.update(lines);
        let mut digest = Digest::default();
        for (byte, hashed) in digest.iter_mut().zip(hash.finalize()) {
            *byte = hashed;
        }
        digest
    }
}
