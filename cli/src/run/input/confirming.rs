//! What inputs have in common that tell their senders when a batch was delivered.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::Intake;
use crate::run::batch::{Batch, Digest, Ticket};
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
        let (fresh, counted) = <(Arc<Ticket>, Arc<Ticket>)>::default();
        let claim = self.ledger.claim(name, &fresh, &counted);
        let sent = match claim.known {
            Known::Taken => {
                self.metrics.repeated.inc();
                true
            }
            known => self.send(lines, &claim.ticket, known, room),
        };
        if !sent {
            claim.forget();
            return None;
        }
        Some(claim)
    }

    /// The same, but each line is known by itself: for a sender that repeats them in other batches.
    pub fn hand_over_each(
        &self,
        lines: &[u8],
        mut room: OwnedSemaphorePermit,
    ) -> Option<Vec<Claim>> {
        let (fresh, counted) = <(Arc<Ticket>, Arc<Ticket>)>::default();
        let (mut new, mut again, mut claims) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let claim = self.ledger.claim(self.digest(line), &fresh, &counted);
            match claim.known {
                Known::New => new.extend_from_slice(line),
                Known::Counted => again.extend_from_slice(line),
                Known::Taken => {}
            }
            claims.push(claim);
        }
        if claims.iter().any(|claim| claim.known == Known::Taken) {
            self.metrics.repeated.inc();
        }
        // All of the room can be given: it was asked for at least as many bytes.
        let rest = room.split(again.len().min(room.num_permits()));
        let sent = (again.is_empty()
            || rest.is_some_and(|rest| self.send(again, &counted, Known::Counted, rest)))
            && (new.is_empty() || self.send(new, &fresh, Known::New, room));
        if !sent {
            claims.into_iter().for_each(Claim::forget);
            return None;
        }
        Some(claims)
    }

    fn send(
        &self,
        lines: Vec<u8>,
        ticket: &Arc<Ticket>,
        known: Known,
        room: OwnedSemaphorePermit,
    ) -> bool {
        let batch = Batch {
            source: self.source,
            name: self.digest(&lines),
            lines,
            ticket: Some(Arc::clone(ticket)),
            counted_before: known == Known::Counted,
            room,
        };
        self.intake.jobs.send(Job::Batch(batch)).is_ok()
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
