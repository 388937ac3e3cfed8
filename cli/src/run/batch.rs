//! What moves through the process: batches of lines on their way in, deliveries on their way out.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit};

use super::held::Held;
use crate::ndjson::append_records;
use crate::output::delivery::{Digest, Receipt, Segment};
use crate::replay::Only;
use maxconn_host::{Kind, Want};

/// Whole lines of one input, in order.
pub struct Batch {
    /// Which of the guest's sources they come from.
    pub source: u16,
    /// The lines, each with a newline at its end.
    pub lines: Vec<u8>,
    /// What documents without an id of their own are named after.
    pub name: Digest,
    /// Its sender repeats its lines in other batches.
    pub lines_return: bool,
    /// Told when the output was taken by the next hop; `None` for inputs that confirm nothing.
    pub ticket: Option<Arc<Ticket>>,
    /// It was counted by an earlier process already, which held these back: the rest of its records go on,
    /// its events count no more.
    pub counted_before: Option<Held>,
    /// Its share of the bytes that may be on the way; given back when the guest has taken it.
    pub room: OwnedSemaphorePermit,
}

/// Says when a batch was delivered.
#[derive(Debug, Default)]
pub struct Ticket {
    /// How many of its lines are known by themselves.
    lines: AtomicUsize,
    /// The guest has counted it, and held these back.
    counted: Mutex<Option<Held>>,
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

    /// So many of its lines are known by themselves, each by its own name.
    pub fn name_lines(&self, lines: usize) {
        self.lines.store(lines, Ordering::Relaxed);
    }

    /// The guest has counted it, and a flood has held these records back.
    pub fn count(&self, held: Held) {
        let mut counted = self.lock();
        if !self.is_delivered() {
            *counted = Some(held);
        }
    }

    /// What was held back of it, or with `record` of the record with that number alone; `None` if the guest
    /// has not counted it. What was delivered counts as held back whole: nothing of it is to go on.
    pub fn held(&self, record: Option<u32>) -> Option<Held> {
        let counted = self.lock();
        let held = counted.as_ref()?;
        Some(match record {
            Some(number) if held.has(number) => Held::everything(),
            Some(_) => Held::default(),
            None => held.clone(),
        })
    }

    /// Whether the next hop has taken its output.
    pub fn is_delivered(&self) -> bool {
        self.delivered.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
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

/// What is kept of a line that is known by itself, in bytes: it has an entry in the ledger.
const LINE_BYTES: usize = 192;

impl Receipt for Ticket {
    fn weight(&self) -> usize {
        let held = self.lock().as_ref().map_or(0, Held::weight);
        self.lines.load(Ordering::Relaxed) * LINE_BYTES + held
    }

    fn deliver(&self) {
        let mut counted = self.lock();
        self.delivered.store(true, Ordering::Release);
        *counted = Some(Held::everything());
        drop(counted);
        self.news.notify_waiters();
    }
}

/// What is wanted of the guest's output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// A part of it; `None`: all.
    pub only: Option<Only>,
    /// Records are numbered within their batch, held back ones too: a record has the same number whatever
    /// floods are open when it comes again.
    pub numbered: bool,
}

impl Wanted {
    /// What the guest is to write. Without `alerts` there are none, whatever part is wanted.
    pub fn of_guest(self, alerts: bool) -> Want {
        Want {
            records: self.only.is_none() || self.numbered,
            enriched: self.only != Some(Only::Alerts),
            alerts: alerts && self.only != Some(Only::Events),
            // One for each event, which is how those held back are seen.
            views: self.numbered,
            held_back: false,
            // Numbers are for ids, and so are these.
            ids: self.numbered,
        }
    }

    fn keeps(self, kind: Kind) -> bool {
        match kind {
            Kind::Passed | Kind::Wrapped | Kind::Statistics => self.only.is_none(),
            Kind::Enriched | Kind::Identified | Kind::Alert => true,
            Kind::View => false,
        }
    }
}

/// Output as the guest gives it, gathered.
#[derive(Default)]
pub struct Gathered {
    /// All lines.
    pub bytes: Vec<u8>,
    /// What they are; neighbours of one kind whose numbers follow are one segment.
    pub segments: Vec<Segment>,
    wanted: Wanted,
    /// The number of the next record.
    next: u32,
    /// The number that a line would have to have to go on with the last segment.
    follows: u32,
    /// The number of the event whose view came last: held back, unless it follows itself.
    undecided: Option<u32>,
    /// What was held back, if records are numbered.
    held: Held,
    /// Numbered lines were gathered since the last one that was held back.
    is_apart: bool,
    /// What does not go on though it is written.
    dropped: Held,
    /// How many records looked like JSON and were none.
    pub malformed: u64,
}

/// How far something was gathered.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    bytes: usize,
    next: u32,
    malformed: u64,
}

impl Gathered {
    /// Nothing yet.
    pub fn new(wanted: Wanted) -> Gathered {
        Gathered {
            wanted,
            ..Gathered::default()
        }
    }

    /// The same for a batch that comes again: of its events these do not go on.
    pub fn without(wanted: Wanted, dropped: Held) -> Gathered {
        Gathered {
            wanted: Wanted {
                numbered: true,
                ..wanted
            },
            dropped,
            ..Gathered::default()
        }
    }

    /// What was held back, if records are numbered; nothing is added after this.
    pub fn take_held(&mut self) -> Held {
        self.decide();
        std::mem::take(&mut self.held)
    }

    /// The event whose view came last does not go on.
    fn decide(&mut self) {
        if let Some(number) = self.undecided.take() {
            self.held.add(number, !self.is_apart);
            self.is_apart = false;
        }
    }

    /// Adds a piece.
    pub fn add(&mut self, kind: Kind, piece: &[u8]) {
        let is_enriched = matches!(kind, Kind::Enriched | Kind::Identified);
        if is_enriched {
            self.undecided = None;
        } else {
            self.decide();
        }
        let (number, lines) = if self.wanted.numbered {
            self.count(kind, piece)
        } else {
            (0, 0)
        };
        if kind == Kind::View {
            self.undecided = Some(number);
        }
        let is_dropped = is_enriched && self.dropped.has(number);
        if piece.is_empty() || is_dropped || !self.wanted.keeps(kind) {
            return;
        }
        self.is_apart |= kind != Kind::Alert;
        if is_enriched || kind == Kind::Passed {
            self.malformed += append_records(piece, &mut self.bytes);
        } else {
            self.bytes.extend_from_slice(piece);
        }
        let end = self.bytes.len();
        match self.segments.last_mut() {
            Some(last) if last.kind == kind && self.follows == number => last.end = end,
            _ => self.segments.push(Segment { kind, end, number }),
        }
        self.follows = number + lines;
    }

    /// The number of the first record of a piece, and how many there are.
    fn count(&mut self, kind: Kind, piece: &[u8]) -> (u32, u32) {
        let lines = match kind {
            Kind::Passed | Kind::Wrapped => memchr::memchr_iter(b'\n', piece).count(),
            Kind::View => 1,
            // Its view came just before it.
            Kind::Enriched | Kind::Identified => return (self.next.saturating_sub(1), 1),
            Kind::Alert | Kind::Statistics => return (0, 0),
        };
        let (number, lines) = (self.next, u32::try_from(lines).unwrap_or(u32::MAX));
        self.next = self.next.saturating_add(lines);
        (number, lines)
    }

    /// Where it is.
    pub fn mark(&self) -> Mark {
        Mark {
            bytes: self.bytes.len(),
            next: self.next,
            malformed: self.malformed,
        }
    }

    /// Forgets everything after a mark: a guest failed in the midst of a call.
    pub fn back_to(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.next = mark.next;
        self.malformed = mark.malformed;
        self.undecided = None;
        self.held.cut(mark.next);
        self.is_apart = true;
        // Whatever comes next begins a segment of its own.
        self.follows = u32::MAX;
        let mut start = 0;
        self.segments.retain(|segment| {
            let keep = start < mark.bytes;
            start = segment.end;
            keep
        });
        if let Some(last) = self.segments.last_mut() {
            last.end = last.end.min(mark.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERED: Wanted = Wanted {
        only: None,
        numbered: true,
    };

    fn shape(gathered: &Gathered) -> Vec<(Kind, usize, u32)> {
        let all = gathered.segments.iter();
        all.map(|it| (it.kind, it.end, it.number)).collect()
    }

    #[test]
    fn neighbours_of_one_kind_are_one_segment_and_can_be_taken_back() {
        let mut gathered = Gathered::default();
        for (kind, piece) in [
            (Kind::Passed, &b"{}\n"[..]),
            (Kind::Passed, b"{}\n"),
            (Kind::Alert, b"c\n"),
            (Kind::Alert, b""),
        ] {
            gathered.add(kind, piece);
        }
        let mark = gathered.mark();
        let whole = shape(&gathered);
        assert_eq!(whole, [(Kind::Passed, 6, 0), (Kind::Alert, 8, 0)]);
        gathered.add(Kind::Alert, b"d\n");
        gathered.add(Kind::Passed, b"e\n");
        gathered.back_to(mark);
        assert_eq!(
            (gathered.bytes.as_slice(), shape(&gathered)),
            (&b"{}\n{}\nc\n"[..], whole)
        );
    }

    #[test]
    fn a_record_has_the_same_number_whether_others_are_held_back_or_wanted() {
        for (only, held_back) in [(None, false), (None, true), (Some(Only::Changed), true)] {
            let mut gathered = Gathered::new(Wanted { only, ..NUMBERED });
            gathered.add(Kind::Passed, b"0\n1\n");
            gathered.add(Kind::View, b"2\n");
            if !held_back {
                gathered.add(Kind::Enriched, b"2\n");
            }
            gathered.add(Kind::Alert, b"!\n");
            gathered.add(Kind::View, b"3\n");
            gathered.add(Kind::Enriched, b"3\n");
            gathered.add(Kind::Wrapped, b"4\n");
            let numbers: Vec<_> = gathered
                .segments
                .iter()
                .map(|it| (it.kind, it.number))
                .collect();
            let mut expected = vec![
                (Kind::Passed, 0),
                (Kind::Enriched, 2),
                (Kind::Alert, 0),
                (Kind::Enriched, 3),
                (Kind::Wrapped, 4),
            ];
            expected.retain(|(kind, number)| match kind {
                Kind::Passed | Kind::Wrapped => only.is_none(),
                Kind::Enriched => !held_back || *number == 3,
                _ => true,
            });
            assert_eq!(numbers, expected, "{only:?} {held_back}");
        }
    }

    #[test]
    fn enriched_records_with_others_between_are_segments_of_their_own() {
        let mut gathered = Gathered::new(NUMBERED);
        for held_back in [false, false, true, false] {
            gathered.add(Kind::View, b"{}\n");
            if !held_back {
                gathered.add(Kind::Enriched, b"{}\n");
            }
        }
        assert_eq!(
            shape(&gathered),
            [(Kind::Enriched, 6, 0), (Kind::Enriched, 9, 3)]
        );
    }

    #[test]
    fn what_is_held_back_is_known_and_does_not_go_on_when_it_comes_again() {
        // Events are held back where `true`; between them are records that are gathered or not.
        let events = [false, true, true, false, true, true];
        for (only, ranges) in [(None, 3), (Some(Only::Changed), 2)] {
            let mut gathered = Gathered::new(Wanted { only, ..NUMBERED });
            for held_back in events {
                gathered.add(Kind::View, b"{}\n");
                if !held_back {
                    gathered.add(Kind::Enriched, b"{}\n");
                }
                if gathered.next == 5 {
                    gathered.add(Kind::Passed, b"{}\n");
                }
            }
            let held = gathered.take_held();
            let numbers: Vec<u32> = (0..7).filter(|number| held.has(*number)).collect();
            let expected: &[u32] = if ranges == 3 {
                &[1, 2, 4, 6]
            } else {
                &[1, 2, 4, 5, 6]
            };
            assert_eq!(numbers, expected);
            let mut again = Gathered::without(Wanted { only, ..NUMBERED }, held);
            for _ in events {
                again.add(Kind::View, b"{}\n");
                again.add(Kind::Enriched, b"{}\n");
                if again.next == 5 {
                    again.add(Kind::Passed, b"{}\n");
                }
            }
            assert_eq!(
                (again.bytes, again.segments),
                (gathered.bytes, gathered.segments)
            );
        }
    }

    #[test]
    fn a_mark_forgets_what_was_held_back_after_it() {
        let mut gathered = Gathered::new(NUMBERED);
        gathered.add(Kind::View, b"{}\n");
        let mark = gathered.mark();
        gathered.add(Kind::View, b"{}\n");
        gathered.add(Kind::View, b"{}\n");
        gathered.back_to(mark);
        gathered.add(Kind::View, b"{}\n");
        gathered.add(Kind::Enriched, b"{}\n");
        let held = gathered.take_held();
        assert!(held.has(0) && !held.has(1) && !held.has(2));
    }
}
