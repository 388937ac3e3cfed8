//! What inputs have in common that tell their senders when a batch was delivered.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Intake;
use crate::output::delivery::Digest;
use crate::run::batch::{Batch, Ticket};
use crate::run::engine::Job;
use crate::run::held::Held;
use crate::run::ledger::{Claim, Known, Ledger, Sender};
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
    /// Hands lines over, unless they were before; `name` is what they are known by, and
    /// `sender` who waits for them. The claim's ticket tells when they are delivered; `None` if the process stops.
    pub fn hand_over(
        &self,
        lines: Vec<u8>,
        name: Digest,
        sender: &Sender,
        room: OwnedSemaphorePermit,
    ) -> Option<Claim> {
        let (fresh, counted) = <(Arc<Ticket>, Arc<Ticket>)>::default();
        let claim = self
            .ledger
            .claim(name, (&fresh, &counted), sender, Instant::now());
        let sent = match claim.known {
            Known::Taken => true,
            Known::Counted => {
                let held = counted.held(None).unwrap_or_default();
                self.send(lines, name, false, &counted, Some(held), room)
            }
            Known::New => self.send(lines, name, false, &fresh, None, room),
        };
        self.note(&[&claim]);
        if !sent {
            give_up(claim);
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
        let (mut next_new, mut next_again) = (0, 0);
        let (tickets, now) = ((&fresh, &counted), Instant::now());
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let sender = Sender::Line(next_new, next_again);
            let claim = self
                .ledger
                .claim(self.digest(&[line]), tickets, &sender, now);
            match claim.known {
                Known::New => {
                    new.extend_from_slice(line);
                    next_new += 1;
                }
                Known::Counted => {
                    again.extend_from_slice(line);
                    next_again += 1;
                }
                Known::Taken => {}
            }
            claims.push(claim);
        }
        fresh.name_lines(next_new as usize);
        counted.name_lines(next_again as usize);
        self.note(&claims.iter().collect::<Vec<_>>());
        // All of the room can be given: it was asked for at least as many bytes.
        let rest = room.split(again.len().min(room.num_permits()));
        // A line that was held back is known as delivered: all of these go on.
        let held = Held::default();
        let sent = (again.is_empty()
            || rest.is_some_and(|rest| {
                let name = self.digest(&[&again]);
                self.send(again, name, true, &counted, Some(held), rest)
            }))
            && (new.is_empty() || {
                let name = self.digest(&[&new]);
                self.send(new, name, true, &fresh, None, room)
            });
        if !sent {
            claims.into_iter().for_each(give_up);
            return None;
        }
        Some(claims)
    }

    /// Counts what came again.
    fn note(&self, claims: &[&Claim]) {
        if claims.iter().any(|claim| claim.known != Known::New) {
            self.metrics.repeated.inc();
        }
    }

    fn send(
        &self,
        lines: Vec<u8>,
        name: Digest,
        lines_return: bool,
        ticket: &Arc<Ticket>,
        counted_before: Option<Held>,
        room: OwnedSemaphorePermit,
    ) -> bool {
        let batch = Batch {
            source: self.source,
            name,
            lines,
            lines_return,
            ticket: Some(Arc::clone(ticket)),
            counted_before,
            room,
        };
        self.intake.jobs.send(Job::Batch(batch)).is_ok()
    }

    /// The name of these bytes from this input.
    pub fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([0]);
        for part in parts {
            hash.update(part);
        }
        let mut digest = Digest::default();
        for (byte, hashed) in digest.iter_mut().zip(hash.finalize()) {
            *byte = hashed;
        }
        digest
    }
}

/// The process stops before a batch could be handed over. What is new was never there; what was counted must
/// be known to the next process.
fn give_up(claim: Claim) {
    if claim.known == Known::New {
        claim.forget();
    }
}
