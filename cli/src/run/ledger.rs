//! Remembers batches that were taken and not acknowledged by what is in them: the same bytes sent again are the same batch, not
//! another one.
//!
//! A batch is *claimed* while a request waits for it. When the request is answered with "try again", or
//! its connection breaks, the batch is left behind; the next request with the same bytes claims it. Two
//! requests with the same bytes that wait at once are two batches: equal lines are common. Only where the first
//! one's sender has closed its side, which may mean that it is not there any more, the second takes its place.
//!
//! What becomes of each is marked in the state ([`Marks`]), so that the next process knows it as well. That a batch is *counted* the
//! state says itself, with what it was counted in: of an earlier process a batch is counted if that has it, whatever is marked. So what
//! was delivered and is not in it is counted when it comes again, and nothing of it goes on but alerts.
//!
//! Nothing that was delivered, and nothing that an earlier process left, is remembered for longer than
//! [`REMEMBERED`]: a sender that has given up must not have a later batch with the same bytes taken for the
//! one that it never sent again.

mod earlier;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

pub use self::earlier::Remembered;
use self::earlier::{Earlier, Left};
use super::batch::Ticket;
use super::connection::Connection;
use super::marks::{Mark, Marks};
use crate::lock::lock;
use crate::output::delivery::{Delivery, Digest};

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
    earlier: Earlier,
    marks: Marks,
}

/// A batch, or a line of one.
struct Entry {
    digest: Digest,
    ticket: Arc<Ticket>,
    /// The line's number within the batch of the ticket.
    line: Option<u32>,
    /// An earlier process has delivered it; of this one's state that is to be said until it is counted.
    was_delivered: bool,
    /// The sender's connection, if it has one of its own.
    sender: Option<Arc<Connection>>,
}

/// Who waits for a batch.
pub enum Sender {
    /// Whoever has this connection, if it is known.
    Connection(Option<Arc<Connection>>),
    /// One whose lines are known by themselves: the numbers that this one has within the batches of the tickets.
    Line([u32; 3]),
}

/// What a batch is known by to whoever waits for it, for each of the ways that it may go.
#[derive(Default)]
pub struct Tickets {
    /// It is new.
    pub fresh: Arc<Ticket>,
    /// It is [`Known::Counted`].
    pub counted: Arc<Ticket>,
    /// It is [`Known::Delivered`].
    pub delivered: Arc<Ticket>,
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
    /// An earlier process has delivered its output, and what it counted of it is lost.
    Delivered,
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
    /// A ledger that remembers what the state of an earlier process knew.
    pub fn new(earlier: Remembered, now: Instant) -> Arc<Ledger> {
        let ledger = Ledger::default();
        lock(&ledger.entries).earlier = Earlier::new(earlier, now);
        Arc::new(ledger)
    }

    /// Claims the batch with these contents. Unless it was taken before it gets one of the tickets. `sender` says who waits.
    pub fn claim(
        self: &Arc<Ledger>,
        digest: Digest,
        tickets: &Tickets,
        sender: &Sender,
        now: Instant,
    ) -> Claim {
        let mut entries = lock(&self.entries);
        let (lines, connection) = match sender {
            Sender::Line(numbers) => (numbers.map(Some), None),
            Sender::Connection(connection) => ([None; 3], connection.clone()),
        };
        let entry = |ticket: &Arc<Ticket>, line, was_delivered| Entry {
            digest,
            ticket: Arc::clone(ticket),
            line,
            was_delivered,
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
            None => match entries.earlier.take(&digest, now) {
                None => (entry(&tickets.fresh, lines[0], false), Known::New),
                Some(Left::Counted(suppressed)) if suppressed.is_all() => {
                    (entry(&Ticket::done(), None, false), Known::Taken)
                }
                Some(Left::Counted(suppressed)) => {
                    // Before anybody else sees the entry: a state without it would be a loss.
                    tickets.counted.count(suppressed);
                    (entry(&tickets.counted, lines[1], false), Known::Counted)
                }
                Some(Left::Delivered) => {
                    let ticket = &tickets.delivered;
                    (entry(ticket, lines[2], true), Known::Delivered)
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

    /// The next hop has taken these: that is marked, and whoever waits for them is told.
    pub fn delivered(&self, group: &[Arc<Delivery>]) {
        let mut marks = Vec::new();
        // Both at once for whoever asks for the state.
        let mut entries = lock(&self.entries);
        let tickets = group.iter().filter_map(|it| it.ticket.as_ref());
        for ticket in tickets.clone() {
            marks.extend(ticket.names().into_iter().map(Mark::Delivered));
        }
        entries.marks.add(&marks);
        tickets.for_each(|ticket| ticket.deliver());
    }

    /// Waits until it is known of every answer to these contents whether it was written, if its sender has gone since: with
    /// it, or without.
    pub async fn settled(&self, digest: &Digest) {
        let until = Instant::now() + SETTLED_WITHIN;
        while lock(&self.entries).is_undecided(digest) && Instant::now() < until {
            tokio::time::sleep(SETTLED_LOOK_EVERY).await;
        }
    }

    /// What is known of batches, for the state.
    pub fn remembered(&self, now: Instant) -> Remembered {
        let mut entries = lock(&self.entries);
        let mut remembered = Remembered {
            known: entries.marks.count(),
            ..Remembered::default()
        };
        let left = entries.left.iter();
        let left = left.filter(|(entry, since)| !is_over(entry, *since, now));
        for entry in entries.claimed.values().chain(left.map(|(entry, _)| entry)) {
            match entry.ticket.suppressed(entry.line) {
                Some(suppressed) => remembered.counted.push((entry.digest, suppressed)),
                None if entry.was_delivered => {
                    remembered.marks.push(Mark::Delivered(entry.digest));
                }
                None => {}
            }
        }
        entries.earlier.add_to(&mut remembered, now);
        remembered
    }

    /// See [`Marks::begin`].
    pub fn begin_marks(&self, file: File, known: u64) -> io::Result<()> {
        lock(&self.entries).marks.begin(file, known)
    }

    /// See [`Marks::end`].
    pub fn end_marks(&self, known: u64, is_there: bool) {
        lock(&self.entries).marks.end(known, is_there);
    }

    /// How many batches are remembered that are delivered, and that are not.
    #[cfg(test)]
    pub fn sizes(&self) -> (usize, usize) {
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
    /// The senders have been told that these are delivered: nothing needs to be remembered, but for requests that come late.
    pub fn acknowledge(claims: Vec<Claim>) {
        let Some(ledger) = claims.first().map(|it| Arc::clone(&it.ledger)) else {
            return;
        };
        let (mut marks, now) = (Vec::new(), Instant::now());
        let mut entries = lock(&ledger.entries);
        for claim in &claims {
            let Some(entry) = entries.remove_claimed(claim.number) else {
                continue;
            };
            marks.push(Mark::Released(entry.digest));
            // After an answer that was written the same bytes are new records.
            if entry.sender.is_some() && entry.ticket.answer_bytes().is_none() {
                entries.acknowledged.push_back((entry.digest, now));
            }
        }
        while entries.acknowledged.len() > ACKNOWLEDGED_MAX {
            entries.acknowledged.pop_front();
        }
        entries.marks.add(&marks);
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
