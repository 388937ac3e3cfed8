//! Remembers batches that were taken and not acknowledged by what is in them: the same bytes sent again are the same batch, not
//! another one.
//!
//! A batch is *claimed* while a request waits for it. When the request is answered with "try again", or
//! its connection breaks, the batch is left behind; the next request with the same bytes claims it. Two
//! requests with the same bytes that wait at once are two batches: equal lines are common. Only where the first
//! one's sender has closed its side, which may mean that it is not there any more, the second takes its place.
//!
//! Nothing that was delivered, and nothing that an earlier process left, is remembered for longer than
//! [`REMEMBERED`]: a sender that has given up must not have a later batch with the same bytes taken for the
//! one that it never sent again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::batch::Ticket;
use super::connection::Connection;
use super::suppressed::Suppressed;
use crate::lock::lock;
use crate::output::delivery::Digest;

/// For how long a sender may stay away. Those that there are come back sooner: rsyslog pauses for up to 30
/// minutes, Fluent Bit for up to 34. Of an earlier process it is counted from the start of this one, for while
/// none was there nobody could come.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// How many batches whose output was delivered are remembered for a sender that has gone. Then the one
/// that waited longest is forgotten; sent again, it would be counted again.
pub(crate) const LEFT_MAX: usize = 10_000;

/// An answer that was not written is kept for this long, for whoever sends the same bytes again.
const ANSWERS_KEPT: Duration = Duration::from_secs(600);
/// Of such answers this much is kept, in bytes. Then the one that waited longest is forgotten, and the same bytes are counted
/// anew.
pub(crate) const ANSWERS_MAX_BYTES: usize = 16 << 20;

/// Whether an answer was written is known this soon: a connection that is closed takes or refuses it at once.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);
const SETTLED_LOOK_EVERY: Duration = Duration::from_millis(1);

/// A request may come so late that its sender has given it up, sent the same bytes again and been told that they are
/// delivered: for this long they are known when they come from a sender that has closed its side.
const LATE_MAX: Duration = Duration::from_secs(120);
/// So many are known at the most.
const ACKNOWLEDGED_MAX: usize = 10_000;

/// All batches that were not acknowledged.
#[derive(Default)]
pub struct Ledger {
    entries: Mutex<Entries>,
}

#[derive(Default)]
struct Entries {
    /// Requests that wait, and how many of each digest. In order, so that a state that has not changed is the same.
    claimed: BTreeMap<u64, Entry>,
    claimed_digests: HashMap<Digest, usize>,
    next: u64,
    /// Left behind, the longest first; of one digest there can be several.
    left: VecDeque<(Entry, Instant)>,
    left_digests: HashMap<Digest, usize>,
    /// What was acknowledged of late, the longest ago first.
    acknowledged: VecDeque<(Digest, Instant)>,
    /// Counted by an earlier process, with what it held back; of one digest there can be several.
    earlier: BTreeMap<Digest, Vec<Suppressed>>,
    /// When these are forgotten.
    earlier_until: Option<Instant>,
}

/// A batch, or a line of one.
struct Entry {
    digest: Digest,
    ticket: Arc<Ticket>,
    /// The line's number within the batch of the ticket.
    line: Option<u32>,
    /// The sender's connection, if it has one of its own.
    sender: Option<Arc<Connection>>,
}

/// Who waits for a batch.
pub enum Sender {
    /// Whoever has this connection, if it is known.
    Connection(Option<Arc<Connection>>),
    /// One whose lines are known by themselves: the numbers that this one has within the batches of either ticket.
    Line(u32, u32),
}

/// What is known of a batch that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is new.
    New,
    /// It was taken before, and its output is on the way or delivered.
    Taken,
    /// An earlier process has counted it; its output is not known to be delivered. The ticket says what was
    /// held back of it.
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
    /// A ledger that remembers what an earlier process counted, and held back of it.
    pub fn new(
        earlier: impl IntoIterator<Item = (Digest, Suppressed)>,
        now: Instant,
    ) -> Arc<Ledger> {
        let ledger = Ledger::default();
        let mut entries = lock(&ledger.entries);
        for (digest, suppressed) in earlier {
            entries.earlier.entry(digest).or_default().push(suppressed);
        }
        entries.earlier_until = now.checked_add(REMEMBERED);
        drop(entries);
        Arc::new(ledger)
    }

    /// Claims the batch with these contents. Unless it was taken before it gets the ticket `fresh`, or
    /// `counted` if an earlier process has counted it. `sender` says who waits.
    pub fn claim(
        self: &Arc<Ledger>,
        digest: Digest,
        (fresh, counted): (&Arc<Ticket>, &Arc<Ticket>),
        sender: &Sender,
        now: Instant,
    ) -> Claim {
        let mut entries = lock(&self.entries);
        let (lines, connection) = match sender {
            Sender::Line(fresh, counted) => (Some((*fresh, *counted)), None),
            Sender::Connection(connection) => (None, connection.clone()),
        };
        let entry = |ticket: &Arc<Ticket>, line| Entry {
            digest,
            ticket: Arc::clone(ticket),
            line,
            sender: connection.clone(),
        };
        let is_gone = connection.as_ref().is_some_and(|it| it.peer().is_gone());
        let left = entries.take_left(&digest, now);
        let left = left.or_else(|| entries.take_of_gone(&digest));
        if left.is_none()
            && is_gone
            && let Some(ticket) = entries.repeated(&digest, now)
        {
            entries.next += 1;
            // Of no entry's: whoever has that is told, or comes again.
            return Claim {
                ledger: Arc::clone(self),
                number: entries.next - 1,
                ticket,
                known: Known::Taken,
            };
        }
        let (mut entry, known) = match left {
            Some(left) => (left, Known::Taken),
            None => match entries.take_earlier(&digest, now) {
                None => (entry(fresh, lines.map(|it| it.0)), Known::New),
                Some(suppressed) if suppressed.is_all() => {
                    (entry(&Ticket::done(), None), Known::Taken)
                }
                Some(suppressed) => {
                    // Before anybody else sees the entry: a state without it would be a loss.
                    counted.count(suppressed);
                    (entry(counted, lines.map(|it| it.1)), Known::Counted)
                }
            },
        };
        entry.sender = connection;
        let number = entries.next;
        entries.next += 1;
        let ticket = Arc::clone(&entry.ticket);
        *entries.claimed_digests.entry(digest).or_insert(0) += 1;
        entries.claimed.insert(number, entry);
        drop(entries);
        Claim {
            ledger: Arc::clone(self),
            number,
            ticket,
            known,
        }
    }

    /// Waits until it is known of every answer to these contents whether it was written, if its sender has gone since: with
    /// it, or without.
    pub async fn settled(&self, digest: &Digest) {
        let until = Instant::now() + SETTLED_WITHIN;
        while lock(&self.entries).is_undecided(digest) && Instant::now() < until {
            tokio::time::sleep(SETTLED_LOOK_EVERY).await;
        }
    }

    /// The batches that the guest has counted and nobody has been told of, and what was held back of them,
    /// for the state.
    pub fn counted(&self, now: Instant) -> Vec<(Digest, Suppressed)> {
        let mut entries = lock(&self.entries);
        entries.forget_earlier(now);
        let earlier = entries.earlier.iter();
        let earlier = earlier.flat_map(|(digest, all)| all.iter().map(|it| (*digest, it.clone())));
        let left = entries.left.iter();
        let left = left.filter(|(entry, since)| !is_over(entry, *since, now));
        let all = entries.claimed.values().chain(left.map(|(entry, _)| entry));
        let counted =
            all.filter_map(|entry| Some((entry.digest, entry.ticket.suppressed(entry.line)?)));
        counted.chain(earlier).collect()
    }

    /// How many batches are remembered that are delivered, and that are not.
    #[cfg(test)]
    pub fn remembered(&self) -> (usize, usize) {
        let entries = lock(&self.entries);
        let left = entries.left.iter().map(|(entry, _)| entry);
        let all = entries.claimed.values().chain(left);
        let delivered = all.clone().filter(|it| it.ticket.is_delivered()).count();
        (delivered, all.count() - delivered)
    }
}

impl Entries {
    fn take_left(&mut self, digest: &Digest, now: Instant) -> Option<Entry> {
        // Nearly every batch is new: that must not cost a search.
        while self.left_digests.contains_key(digest) {
            let at = self.left.iter().position(|(it, _)| it.digest == *digest)?;
            let (entry, since) = self.remove_left(at)?;
            if !is_over(&entry, since, now) {
                return Some(entry);
            }
        }
        None
    }

    /// The batch of a sender that is gone, or has closed its side at least.
    fn take_of_gone(&mut self, digest: &Digest) -> Option<Entry> {
        if !self.claimed_digests.contains_key(digest) {
            return None;
        }
        let is_gone = |entry: &Entry| entry.sender.as_ref().is_some_and(|it| it.peer().is_gone());
        let mut claimed = self.claimed.iter();
        let (number, _) = claimed.find(|(_, it)| it.digest == *digest && is_gone(it))?;
        let number = *number;
        self.remove_claimed(number)
    }

    /// Whether an answer is being written to a sender that is gone.
    fn is_undecided(&self, digest: &Digest) -> bool {
        let is_gone = |entry: &Entry| entry.sender.as_ref().is_some_and(|it| it.peer().is_gone());
        let is_it = |entry: &Entry| {
            entry.digest == *digest && entry.ticket.answer_bytes().is_some() && is_gone(entry)
        };
        self.claimed_digests.contains_key(digest) && self.claimed.values().any(is_it)
    }

    /// What a request repeats that comes late: its sender has sent the same bytes again, and waits or was told.
    fn repeated(&self, digest: &Digest, now: Instant) -> Option<Arc<Ticket>> {
        if self.claimed_digests.contains_key(digest) {
            let claimed = self.claimed.values().find(|it| it.digest == *digest)?;
            return Some(Arc::clone(&claimed.ticket));
        }
        let is_late = |at: &Instant| now.saturating_duration_since(*at) < LATE_MAX;
        let mut acknowledged = self.acknowledged.iter();
        let known = acknowledged.any(|(it, at)| it == digest && is_late(at));
        known.then(Ticket::done)
    }

    fn remove_claimed(&mut self, number: u64) -> Option<Entry> {
        let entry = self.claimed.remove(&number)?;
        count_down(&mut self.claimed_digests, &entry.digest);
        Some(entry)
    }

    fn take_earlier(&mut self, digest: &Digest, now: Instant) -> Option<Suppressed> {
        self.forget_earlier(now);
        let all = self.earlier.get_mut(digest)?;
        let suppressed = all.pop();
        if all.is_empty() {
            self.earlier.remove(digest);
        }
        suppressed
    }

    fn forget_earlier(&mut self, now: Instant) {
        if self.earlier_until.is_some_and(|until| now >= until) {
            self.earlier.clear();
        }
    }

    fn remove_left(&mut self, at: usize) -> Option<(Entry, Instant)> {
        let (entry, since) = self.left.remove(at)?;
        count_down(&mut self.left_digests, &entry.digest);
        Some((entry, since))
    }

    /// Those that are not delivered are bounded by the backlog, so that one of the others can go.
    fn leave(&mut self, mut entry: Entry, now: Instant) {
        entry.sender = None;
        *self.left_digests.entry(entry.digest).or_insert(0) += 1;
        self.left.push_back((entry, now));
        if self.left.len() > LEFT_MAX
            && let Some(at) = self
                .left
                .iter()
                .position(|(it, _)| it.ticket.is_delivered())
        {
            self.remove_left(at);
        }
        let is_answered = |(it, _): &(Entry, Instant)| it.ticket.answer_bytes().is_some();
        if self.left.back().is_some_and(is_answered) {
            let bytes = |(it, _): &(Entry, Instant)| it.ticket.answer_bytes().unwrap_or(0);
            let mut kept: usize = self.left.iter().map(bytes).sum();
            while kept > ANSWERS_MAX_BYTES
                && let Some(at) = self.left.iter().position(is_answered)
                && let Some(oldest) = self.remove_left(at)
            {
                kept -= bytes(&oldest);
            }
        }
    }
}

fn count_down(digests: &mut HashMap<Digest, usize>, digest: &Digest) {
    if let Some(count) = digests.get_mut(digest) {
        *count -= 1;
        if *count == 0 {
            digests.remove(digest);
        }
    }
}

/// It was delivered, and nobody came for it.
fn is_over(entry: &Entry, since: Instant, now: Instant) -> bool {
    let kept = match entry.ticket.answer_bytes() {
        Some(_) => ANSWERS_KEPT,
        None => REMEMBERED,
    };
    entry.ticket.is_delivered() && now.saturating_duration_since(since) >= kept
}

impl Claim {
    /// The sender is told that it is delivered: nothing needs to be remembered, but for requests that come late.
    pub fn acknowledge(self) {
        let mut entries = lock(&self.ledger.entries);
        let entry = entries.remove_claimed(self.number);
        // After an answer that was written the same bytes are new records.
        let is_late = |it: &Entry| it.sender.is_some() && it.ticket.answer_bytes().is_none();
        if let Some(entry) = entry.filter(is_late) {
            entries
                .acknowledged
                .push_back((entry.digest, Instant::now()));
            if entries.acknowledged.len() > ACKNOWLEDGED_MAX {
                entries.acknowledged.pop_front();
            }
        }
        drop(entries);
    }

    /// The batch was never handed over.
    pub fn forget(self) {
        lock(&self.ledger.entries).remove_claimed(self.number);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut entries = lock(&self.ledger.entries);
        if let Some(entry) = entries.remove_claimed(self.number) {
            entries.leave(entry, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
