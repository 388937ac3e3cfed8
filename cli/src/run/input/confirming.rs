//! What confirming inputs share: they tell their senders when a batch was delivered.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Intake;
use crate::output::delivery::Digest;
use crate::run::batch::{Batch, Ticket};
use crate::run::engine::Job;
use crate::run::ledger::{Claim, Known, Ledger, Sender};
use crate::run::metrics::Metrics;
use crate::run::suppressed::Suppressed;

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
    /// Hands a batch over, unless it was before; `sender` is who waits for it. The claim's ticket tells when it is
    /// delivered; `None` if the process stops.
    pub fn hand_over(&self, batch: Batch, sender: &Sender) -> Option<Claim> {
        let (fresh, counted) = <(Arc<Ticket>, Arc<Ticket>)>::default();
        let tickets = (&fresh, &counted);
        let claim = self
            .ledger
            .claim(batch.name, tickets, sender, Instant::now());
        self.note(&[&claim]);
        let sent = match claim.known {
            Known::Taken => true,
            Known::Counted => self.send(Batch {
                counted_before: Some(counted.suppressed(None).unwrap_or_default()),
                ticket: Some(counted),
                ..batch
            }),
            Known::New => self.send(Batch {
                ticket: Some(fresh),
                ..batch
            }),
        };
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
        let (mut new, mut again) = <(Lines, Lines)>::default();
        let (mut claims, now) = (Vec::new(), Instant::now());
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let (name, sender) = (self.digest(&[line]), Sender::Line(new.count, again.count));
            let tickets = (&new.ticket, &again.ticket);
            let claim = self.ledger.claim(name, tickets, &sender, now);
            match claim.known {
                Known::New => new.add(line, name),
                Known::Counted => again.add(line, name),
                Known::Taken => {}
            }
            claims.push(claim);
        }
        self.note(&claims.iter().collect::<Vec<_>>());
        // All of the room can be given: it was asked for at least as many bytes.
        let rest = room.split(again.bytes.len().min(room.num_permits()));
        // A line that was held back is known as delivered: all of these go on.
        let suppressed = Some(Suppressed::default());
        let sent = rest.is_none_or(|rest| self.send_lines(again, suppressed, rest))
            && self.send_lines(new, None, room);
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

    fn send_lines(
        &self,
        lines: Lines,
        counted_before: Option<Suppressed>,
        room: OwnedSemaphorePermit,
    ) -> bool {
        lines.ticket.name_lines(lines.count as usize);
        let name = self.digest(&[&lines.names]);
        lines.bytes.is_empty()
            || self.send(Batch {
                lines_return: true,
                ticket: Some(lines.ticket),
                counted_before,
                ..Batch::new(self.source, name, lines.bytes, room)
            })
    }

    fn send(&self, batch: Batch) -> bool {
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
        let hash = hash.finalize();
        std::array::from_fn(|at| hash[at])
    }
}

/// Lines that become a batch.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u32,
    /// What each is known by, one behind the other.
    names: Vec<u8>,
    ticket: Arc<Ticket>,
}

impl Lines {
    fn add(&mut self, line: &[u8], name: Digest) {
        self.bytes.extend_from_slice(line);
        self.names.extend_from_slice(&name);
        self.count += 1;
    }
}

/// The process stops before a batch could be handed over. What is new was never there; what was counted must
/// be known to the next process.
fn give_up(claim: Claim) {
    if claim.known == Known::New {
        claim.forget();
    }
}
