//! Batches of lines on their way in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::suppressed::Suppressed;
use crate::lock::lock;
use crate::output::delivery::{Digest, Receipt};

/// Whole lines of one input, in order.
pub struct Batch {
    /// Which of the guest's sources they come from.
    pub source: u16,
    /// The lines, each with a newline at its end.
    pub lines: Vec<u8>,
    /// Each of them is known to be a JSON object in UTF-8.
    pub are_objects: bool,
    /// What documents without an id of their own are named after.
    pub name: Digest,
    /// Its sender repeats its lines in other batches.
    pub lines_return: bool,
    /// Told when the output was taken by the next hop; `None` for inputs that confirm nothing.
    pub ticket: Option<Arc<Ticket>>,
    /// What an earlier process has done with it.
    pub before: Before,
    /// Its share of the bytes that may be on the way; given back when the guest has taken it.
    pub room: OwnedSemaphorePermit,
}

impl Batch {
    /// One that nobody waits for and of whose lines nothing is known.
    pub fn new(source: u16, name: Digest, lines: Vec<u8>, room: OwnedSemaphorePermit) -> Batch {
        Batch {
            source,
            lines,
            are_objects: false,
            name,
            lines_return: false,
            ticket: None,
            before: Before::Nothing,
            room,
        }
    }
}

/// What an earlier process has done with a batch.
#[derive(Clone, Debug)]
pub enum Before {
    /// Nothing that is known.
    Nothing,
    /// It has counted it, and held these back: the rest of its records go on, its events count no more.
    Counted(Suppressed),
    /// It has delivered what became of it, and what it counted is lost: its events count, and only alerts go on.
    Delivered,
}

/// Says when a batch was delivered.
#[derive(Debug, Default)]
pub struct Ticket {
    /// What it is marked by in the state once it is delivered: itself, or each of its lines that are known by themselves.
    names: Mutex<Vec<Digest>>,
    /// The guest has counted it, and held these back.
    counted: Mutex<Option<Suppressed>>,
    /// What became of it, where that is its sender's answer: kept until it is known to be written.
    answer: Mutex<Option<Vec<Bytes>>>,
    delivered: AtomicBool,
    news: Notify,
}

impl Ticket {
    /// One for something that was delivered already.
    pub fn done() -> Arc<Ticket> {
        let ticket = Ticket::default();
        ticket.deliver();
        Arc::new(ticket)
    }

    /// It is marked by these once it is delivered.
    pub fn mark_by(&self, names: Vec<Digest>) {
        *lock(&self.names) = names;
    }

    /// The guest has counted it, and a flood has held these records back.
    pub fn count(&self, suppressed: Suppressed) {
        let mut counted = lock(&self.counted);
        if !self.is_delivered() {
            *counted = Some(suppressed);
        }
    }

    /// What was held back of it, or with `record` of the record with that number alone; `None` if the guest
    /// has not counted it. What was delivered counts as held back whole: nothing of it is to go on.
    pub fn suppressed(&self, record: Option<u32>) -> Option<Suppressed> {
        let counted = lock(&self.counted);
        let suppressed = counted.as_ref()?;
        Some(match record {
            Some(number) if suppressed.has(number) => Suppressed::all(),
            Some(_) => Suppressed::default(),
            None => suppressed.clone(),
        })
    }

    /// What became of it, if that is its sender's answer.
    pub fn answer(&self) -> Vec<Bytes> {
        lock(&self.answer).clone().unwrap_or_default()
    }

    /// How much of an answer is kept, in bytes; `None` without one.
    pub fn answer_bytes(&self) -> Option<usize> {
        let answer = lock(&self.answer);
        Some(answer.as_ref()?.iter().map(Bytes::len).sum())
    }

    /// Whether the next hop has taken its output.
    pub fn is_delivered(&self) -> bool {
        self.delivered.load(Ordering::Acquire)
    }

    /// Waits until the next hop has taken its output.
    pub async fn delivered(&self) {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            // Before the look: what happens between both must not be missed.
            news.as_mut().enable();
            if self.is_delivered() {
                return;
            }
            news.await;
        }
    }
}

/// What is kept of a batch or a line that is known by itself, in bytes: it has an entry in the ledger.
const ENTRY_BYTES: usize = 224;

impl Receipt for Ticket {
    fn weight(&self) -> usize {
        let suppressed = lock(&self.counted).as_ref().map_or(0, Suppressed::weight);
        lock(&self.names).len() * ENTRY_BYTES + suppressed
    }

    fn names(&self) -> Vec<Digest> {
        lock(&self.names).clone()
    }

    fn reply(&self, bytes: Vec<Bytes>) {
        *lock(&self.answer) = Some(bytes);
    }

    fn deliver(&self) {
        let mut counted = lock(&self.counted);
        self.delivered.store(true, Ordering::Release);
        // An answer may not be heard, and is not there after a restart: then what was not held back goes on.
        if lock(&self.answer).is_none() {
            *counted = Some(Suppressed::all());
        }
        drop(counted);
        self.news.notify_waiters();
    }
}
