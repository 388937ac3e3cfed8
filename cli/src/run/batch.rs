//! What moves through the process: batches of lines on their way in, deliveries on their way out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::host::Kind;

/// Names a batch by its contents: the same bytes have the same name wherever and whenever they come.
pub type Digest = [u8; 16];

/// Whole lines of one input, in order.
pub struct Batch {
    /// Which of the guest's sources they come from.
    pub source: u16,
    /// The lines, each with a newline at its end.
    pub lines: Vec<u8>,
    /// Told when the output was taken by the next hop; `None` for inputs that confirm nothing.
    pub ticket: Option<Arc<Ticket>>,
    /// It was counted by an earlier process already: its records go on, its events count no more.
    pub counted_before: bool,
    /// Its share of the bytes that may be on the way; given back when the guest has taken it.
    pub room: OwnedSemaphorePermit,
}

/// A piece of output and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What the lines are.
    pub kind: Kind,
    /// Where it ends in the bytes; it begins where the one before ends.
    pub end: usize,
}

/// What the guest makes of a batch or a tick: lines of JSON for the next hop.
pub struct Delivery {
    /// All lines.
    pub bytes: Bytes,
    /// What they are.
    pub segments: Vec<Segment>,
    /// Whom to tell.
    pub ticket: Option<Arc<Ticket>>,
    /// Its sender sends it again unless it is told.
    pub resent: bool,
}

impl Delivery {
    /// The alerts alone, for the state.
    pub fn alerts(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.segments.iter().filter_map(move |segment| {
            let piece = self.bytes.get(start..segment.end);
            start = segment.end;
            piece.filter(|_| segment.kind == Kind::Alert)
        })
    }
}

/// Says when a batch was delivered.
#[derive(Debug, Default)]
pub struct Ticket {
    counted: AtomicBool,
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

    /// The guest has counted it.
    pub fn count(&self) {
        self.counted.store(true, Ordering::Release);
    }

    /// Whether the guest has counted it.
    pub fn is_counted(&self) -> bool {
        self.counted.load(Ordering::Acquire)
    }

    /// The next hop has taken its output.
    pub fn deliver(&self) {
        self.delivered.store(true, Ordering::Release);
        self.news.notify_waiters();
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

/// Output as the guest gives it, gathered.
#[derive(Default)]
pub struct Gathered {
    /// All lines.
    pub bytes: Vec<u8>,
    /// What they are; neighbours of one kind are one segment.
    pub segments: Vec<Segment>,
    /// Leave statistics out: only a part of the output is wanted.
    pub without_statistics: bool,
}

impl Gathered {
    /// Adds a piece.
    pub fn add(&mut self, kind: Kind, piece: &[u8]) {
        if piece.is_empty() || (self.without_statistics && kind == Kind::Statistics) {
            return;
        }
        self.bytes.extend_from_slice(piece);
        let end = self.bytes.len();
        match self.segments.last_mut() {
            Some(last) if last.kind == kind => last.end = end,
            _ => self.segments.push(Segment { kind, end }),
        }
    }

    /// Forgets everything after `mark` bytes: a guest failed in the midst of a call.
    pub fn truncate(&mut self, mark: usize) {
        self.bytes.truncate(mark);
        let mut start = 0;
        self.segments.retain(|segment| {
            let keep = start < mark;
            start = segment.end;
            keep
        });
        if let Some(last) = self.segments.last_mut() {
            last.end = last.end.min(mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_kind_are_one_segment_and_can_be_taken_back() {
        let mut gathered = Gathered::default();
        for (kind, piece) in [
            (Kind::Passed, &b"a\n"[..]),
            (Kind::Passed, b"b\n"),
            (Kind::Alert, b"c\n"),
            (Kind::Alert, b""),
        ] {
            gathered.add(kind, piece);
        }
        let mark = gathered.bytes.len();
        let whole = gathered.segments.clone();
        assert_eq!(
            whole.iter().map(|s| (s.kind, s.end)).collect::<Vec<_>>(),
            [(Kind::Passed, 4), (Kind::Alert, 6)]
        );
        gathered.add(Kind::Alert, b"d\n");
        gathered.add(Kind::Passed, b"e\n");
        gathered.truncate(mark);
        assert_eq!(
            (gathered.bytes.as_slice(), gathered.segments),
            (&b"a\nb\nc\n"[..], whole)
        );
    }

    #[test]
    fn the_alerts_of_a_delivery_are_found() {
        let mut gathered = Gathered::default();
        gathered.add(Kind::Passed, b"a\n");
        gathered.add(Kind::Alert, b"b\nc\n");
        gathered.add(Kind::Enriched, b"d\n");
        gathered.add(Kind::Alert, b"e\n");
        let delivery = Delivery {
            bytes: gathered.bytes.into(),
            segments: gathered.segments,
            ticket: None,
            resent: false,
        };
        assert_eq!(
            delivery.alerts().collect::<Vec<_>>(),
            [&b"b\nc\n"[..], b"e\n"]
        );
    }
}
