//! What confirming inputs share: they tell their senders when a batch was delivered.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Intake;
use crate::output::delivery::Digest;
use crate::run::batch::{Batch, Before, Ticket};
use crate::run::engine::Job;
use crate::run::ledger::{Claim, Known, Ledger, Sender, Tickets};
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
        let tickets = Tickets::default();
        let claim = self
            .ledger
            .claim(batch.name, &tickets, sender, Instant::now());
        self.note(&[&claim]);
        let name = batch.name;
        let send = |ticket: Arc<Ticket>, before| {
            // What is delivered again is marked already.
            if !matches!(before, Before::Delivered) {
                ticket.mark_by(vec![name]);
            }
            let ticket = Some(ticket);
            self.send(Batch {
                before,
                ticket,
                ..batch
            })
        };
        let sent = match claim.known {
            Known::Taken => true,
            Known::New => send(tickets.fresh, Before::Nothing),
            Known::Counted => {
                let suppressed = tickets.counted.suppressed(None).unwrap_or_default();
                send(tickets.counted, Before::Counted(suppressed))
            }
            Known::Delivered => send(tickets.delivered, Before::Delivered),
        };
        if !sent {
            give_up(claim);
            return None;
        }
        Some(claim)
    }

    /// The same, but each line is known by itself, by these names: for a sender that repeats them in other batches.
    pub fn hand_over_each(
        &self,
        lines: &[u8],
        names: &[Digest],
        mut room: OwnedSemaphorePermit,
    ) -> Option<Vec<Claim>> {
        let tickets = Tickets::default();
        let [mut new, mut counted, mut delivered] = <[Lines; 3]>::default();
        let (mut claims, now) = (Vec::new(), Instant::now());
        let each = lines.split_inclusive(|byte| *byte == b'\n');
        for (line, name) in each.zip(names.iter().copied()) {
            let numbers = [&new, &counted, &delivered].map(|it| it.names.len() as u32);
            let claim = self
                .ledger
                .claim(name, &tickets, &Sender::Line(numbers), now);
            match claim.known {
                Known::New => new.add(line, name),
                Known::Counted => counted.add(line, name),
                Known::Delivered => delivered.add(line, name),
                Known::Taken => {}
            }
            claims.push(claim);
        }
        self.note(&claims.iter().collect::<Vec<_>>());
        // A line that was held back is known as delivered: all of these go on.
        let again = Before::Counted(Suppressed::default());
        let sent = [
            (counted, tickets.counted, again),
            (delivered, tickets.delivered, Before::Delivered),
            (new, tickets.fresh, Before::Nothing),
        ]
        .into_iter()
        .all(|(lines, ticket, before)| {
            // All of the room can be given: it was asked for at least as many bytes.
            let room = room.split(lines.bytes.len().min(room.num_permits()));
            room.is_none_or(|room| self.send_lines(lines, ticket, before, room))
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

    fn send_lines(
        &self,
        lines: Lines,
        ticket: Arc<Ticket>,
        before: Before,
        room: OwnedSemaphorePermit,
    ) -> bool {
        let name = self.digest(&[lines.names.as_flattened()]);
        if !matches!(before, Before::Delivered) {
            ticket.mark_by(lines.names);
        }
        lines.bytes.is_empty()
            || self.send(Batch {
                lines_return: true,
                ticket: Some(ticket),
                before,
                ..Batch::new(self.source, name, lines.bytes, room)
            })
    }

    fn send(&self, batch: Batch) -> bool {
        self.intake.jobs.send(Job::Batch(batch)).is_ok()
    }

    /// The name of these bytes from this input.
    pub fn digest(&self, parts: &[&[u8]]) -> Digest {
        digest(&self.name, parts)
    }
}

/// The name of these bytes from an input.
pub fn digest(input: &str, parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(input.as_bytes());
    hash.update([0]);
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    std::array::from_fn(|at| hash[at])
}

/// Lines that become a batch.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// What each is known by.
    names: Vec<Digest>,
}

impl Lines {
    fn add(&mut self, line: &[u8], name: Digest) {
        self.bytes.extend_from_slice(line);
        self.names.push(name);
    }
}

/// The process stops before a batch could be handed over. What is new was never there; what was counted must
/// be known to the next process.
fn give_up(claim: Claim) {
    if claim.known == Known::New {
        claim.forget();
    }
}
