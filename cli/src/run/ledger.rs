//! Batches that were taken and not acknowledged, by what is in them: the same bytes sent again are the
//! same batch, not another one.
//!
//! A batch is *claimed* while a request waits for it. When the request is answered with "try again", or
//! its connection breaks, the batch is left behind; the next request with the same bytes claims it. Two
//! requests with the same bytes that wait at once are two batches: equal lines are common.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::batch::{Digest, Ticket};

/// How many batches whose output was delivered are remembered for a sender that has gone. Then the one
/// that waited longest is forgotten; sent again, it would be counted again.
const LEFT_MAX: usize = 10_000;

/// All batches that were not acknowledged.
#[derive(Default)]
pub struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// Requests that wait.
    claimed: HashMap<u64, (Digest, Arc<Ticket>)>,
    next: u64,
    /// Left behind, the longest first; of one digest there can be several.
    left: VecDeque<(Digest, Arc<Ticket>)>,
    left_digests: HashMap<Digest, usize>,
    /// Counted by an earlier process.
    earlier: HashSet<Digest>,
}

/// What is known of a batch that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is new.
    New,
    /// It was taken before, and its output is on the way or delivered.
    Taken,
    /// An earlier process has counted it; its output is not known to be delivered.
    Counted,
}

/// A request's hold on a batch. Dropped, it leaves the batch behind.
pub struct Claim {
    ledger: Arc<Ledger>,
    number: u64,
    /// Tells when it is delivered.
    pub ticket: Arc<Ticket>,
    /// What was known of it.
    pub known: Known,
}

impl Ledger {
    /// A ledger that remembers what an earlier process counted.
    pub fn new(earlier: impl IntoIterator<Item = Digest>) -> Arc<Ledger> {
        let ledger = Ledger::default();
        ledger.lock().earlier.extend(earlier);
        Arc::new(ledger)
    }

    /// Claims the batch with these contents. Unless it was taken before it gets the ticket `fresh`, or
    /// `counted` if an earlier process has counted it.
    pub fn claim(
        self: &Arc<Ledger>,
        digest: Digest,
        fresh: &Arc<Ticket>,
        counted: &Arc<Ticket>,
    ) -> Claim {
        let mut entries = self.lock();
        let (ticket, known) = if let Some(ticket) = entries.take_left(&digest) {
            (ticket, Known::Taken)
        } else if entries.earlier.remove(&digest) {
            (Arc::clone(counted), Known::Counted)
        } else {
            (Arc::clone(fresh), Known::New)
        };
        if known == Known::Counted {
            ticket.count();
        }
        let number = entries.next;
        entries.next += 1;
        entries
            .claimed
            .insert(number, (digest, Arc::clone(&ticket)));
        drop(entries);
        Claim {
            ledger: Arc::clone(self),
            number,
            ticket,
            known,
        }
    }

    /// The batches that the guest has counted and nobody has been told of, for the state.
    pub fn counted(&self) -> Vec<Digest> {
        let entries = self.lock();
        let claimed = entries.claimed.values();
        let all = claimed.chain(entries.left.iter());
        all.filter(|(_, ticket)| ticket.is_counted())
            .map(|(digest, _)| *digest)
            .chain(entries.earlier.iter().copied())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn take_left(&mut self, digest: &Digest) -> Option<Arc<Ticket>> {
        // Nearly every batch is new: that must not cost a search.
        if !self.left_digests.contains_key(digest) {
            return None;
        }
        let at = self.left.iter().position(|(left, _)| left == digest)?;
        self.remove_left(at)
    }

    fn remove_left(&mut self, at: usize) -> Option<Arc<Ticket>> {
        let (digest, ticket) = self.left.remove(at)?;
        if let Some(count) = self.left_digests.get_mut(&digest) {
            *count -= 1;
            if *count == 0 {
                self.left_digests.remove(&digest);
            }
        }
        Some(ticket)
    }

    /// Those that are not delivered are bounded by the backlog, so that one of the others can go.
    fn leave(&mut self, digest: Digest, ticket: Arc<Ticket>) {
        self.left.push_back((digest, ticket));
        *self.left_digests.entry(digest).or_insert(0) += 1;
        if self.left.len() > LEFT_MAX
            && let Some(at) = self.left.iter().position(|(_, it)| it.is_delivered())
        {
            self.remove_left(at);
        }
    }
}

impl Claim {
    /// The sender is told that it is delivered: nothing needs to be remembered.
    pub fn acknowledge(self) {
        self.ledger.lock().claimed.remove(&self.number);
    }

    /// The batch was never handed over.
    pub fn forget(self) {
        self.ledger.lock().claimed.remove(&self.number);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut entries = self.ledger.lock();
        if let Some((digest, ticket)) = entries.claimed.remove(&self.number) {
            entries.leave(digest, ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = [1; 16];
    const B: Digest = [2; 16];

    fn claim(ledger: &Arc<Ledger>, digest: Digest) -> Claim {
        ledger.claim(digest, &Arc::default(), &Arc::default())
    }

    #[test]
    fn what_is_left_behind_is_claimed_again_once() {
        let ledger = Ledger::new([]);
        let first = claim(&ledger, A);
        let ticket = Arc::clone(&first.ticket);
        assert_eq!(first.known, Known::New);
        // Another request with the same bytes meanwhile is another batch.
        let second = claim(&ledger, A);
        assert_eq!(second.known, Known::New);
        drop(first);
        assert_eq!(claim(&ledger, B).known, Known::New);
        let again = claim(&ledger, A);
        assert_eq!(again.known, Known::Taken);
        assert!(Arc::ptr_eq(&again.ticket, &ticket));
        assert_eq!(claim(&ledger, A).known, Known::New);
    }

    #[test]
    fn what_is_acknowledged_or_never_handed_over_is_forgotten() {
        let ledger = Ledger::new([]);
        claim(&ledger, A).acknowledge();
        claim(&ledger, B).forget();
        assert_eq!(claim(&ledger, A).known, Known::New);
        assert_eq!(claim(&ledger, B).known, Known::New);
    }

    #[test]
    fn only_what_was_counted_is_for_the_state_and_an_earlier_process_counts() {
        let ledger = Ledger::new([A]);
        let new = claim(&ledger, B);
        assert_eq!(ledger.counted(), [A]);
        new.ticket.count();
        drop(new);
        let mut counted = ledger.counted();
        counted.sort_unstable();
        assert_eq!(counted, [A, B]);
        let earlier = claim(&ledger, A);
        assert_eq!(earlier.known, Known::Counted);
        assert!(ledger.counted().contains(&A));
        earlier.acknowledge();
        assert_eq!(ledger.counted(), [B]);
    }

    #[test]
    fn of_too_many_left_behind_the_oldest_delivered_one_goes() {
        let ledger = Ledger::new([]);
        let name = |number: usize| {
            let mut digest = [0; 16];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            digest
        };
        for number in 0..=LEFT_MAX {
            let claim = claim(&ledger, name(number));
            if number > 0 {
                claim.ticket.deliver();
            }
        }
        for (number, known) in [(0, Known::Taken), (2, Known::Taken), (1, Known::New)] {
            assert_eq!(claim(&ledger, name(number)).known, known, "{number}");
        }
    }
}
