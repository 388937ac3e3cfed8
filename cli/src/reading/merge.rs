//! Merges several inputs into one stream, by the time of their lines.
//!
//! Each input keeps its own order, and a line without a time stays with the line before it. At equal
//! times the input that was named first goes first. Regular files are opened only when their first
//! time is reached: of a rotated set hardly more than one is open at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::feed::Feed;
use super::input::{Facts, Input, Log};
use crate::io::line_reader::Chunk;
use maxconn_core::engine::Times;
use maxconn_host::HostError;

/// The size of a chunk while several inputs are open; a single one gets larger ones.
const CHUNK_BYTES: usize = 64 * 1024;
/// The size of a chunk of a single input: it fits into the processor's cache, beside the consumer.
const SINGLE_CHUNK_BYTES: usize = 128 * 1024;

/// What is done with the lines.
pub trait Consumer {
    /// Takes whole lines of input `index`; `offset` is where the first lies.
    fn push(&mut self, index: usize, lines: &[u8], offset: u64) -> Result<(), HostError>;
    /// Appends the times of the lines of input `index`.
    fn line_times(
        &mut self,
        index: usize,
        lines: &[u8],
        times: &mut Vec<Option<i64>>,
    ) -> Result<(), HostError>;
    /// The input is silent, a few times a second: what was held back should go on.
    fn waiting(&mut self) -> Result<(), HostError>;
    /// Input `index` cannot be read on.
    fn unreadable(&mut self, index: usize, error: io::Error);
    /// A line was too long and was cut.
    fn cut(&mut self);
    /// Nobody reads what comes out.
    fn has_ended(&self) -> bool;
}

/// One input on its way.
pub struct Lane {
    index: usize,
    input: Input,
    facts: Facts,
    position: Arc<AtomicU64>,
    feed: Option<Feed>,
    chunk: Chunk,
    /// The chunk before: where the last one holds no time, the last time is here.
    previous: Chunk,
    /// What of the chunk was pushed.
    done: usize,
    /// The times of the chunk's lines that were not pushed, the next one last.
    times: Vec<i64>,
    /// The time of lines in a file without times.
    reference_ms: i64,
    /// The time of the line that was read last, to be given to lines without one.
    last_ms: Option<i64>,
}

impl Lane {
    /// An input that was not opened yet. `index` is its place among all; `position` tells how much of it
    /// was read.
    pub fn new(
        index: usize,
        input: Input,
        facts: Facts,
        reference_ms: i64,
        position: Arc<AtomicU64>,
    ) -> Lane {
        Lane {
            index,
            input,
            facts,
            position,
            feed: None,
            chunk: Chunk::default(),
            previous: Chunk::default(),
            done: 0,
            times: Vec::new(),
            reference_ms,
            last_ms: None,
        }
    }

    /// Opens the input, when it is called.
    fn opener(
        &self,
        position: Arc<AtomicU64>,
        chunk_bytes: usize,
    ) -> impl FnOnce() -> io::Result<Log> + Send + 'static {
        let (input, facts) = (self.input.clone(), self.facts);
        move || input.open(position, chunk_bytes, facts)
    }

    /// Opens it and reads the first chunk; `false` if there is none.
    fn open(
        &mut self,
        chunk_bytes: usize,
        consumer: &mut impl Consumer,
        stop: &AtomicBool,
    ) -> Result<bool, HostError> {
        match Feed::start(self.opener(Arc::clone(&self.position), chunk_bytes)) {
            Ok(feed) => self.feed = Some(feed),
            Err(error) => consumer.unreadable(self.index, error),
        }
        self.advance(consumer, stop)
    }

    /// The next chunk; `false` at the end, or where the input cannot be read on.
    fn advance(
        &mut self,
        consumer: &mut impl Consumer,
        stop: &AtomicBool,
    ) -> Result<bool, HostError> {
        let Some(feed) = &self.feed else {
            return Ok(false);
        };
        if stop.load(Ordering::Relaxed) || consumer.has_ended() {
            return Ok(false);
        }
        Ok(match feed.next(stop, || consumer.waiting())? {
            Ok(Some(chunk)) => {
                if chunk.cut {
                    consumer.cut();
                }
                let before = mem::replace(&mut self.chunk, chunk);
                feed.give_back(mem::replace(&mut self.previous, before));
                self.done = 0;
                true
            }
            Ok(None) => false,
            Err(error) => {
                consumer.unreadable(self.index, error);
                false
            }
        })
    }

    /// Reads the first chunk's times without keeping a regular file open; answers when it is due.
    fn probe(
        &mut self,
        consumer: &mut impl Consumer,
        stop: &AtomicBool,
    ) -> Result<Option<Due>, HostError> {
        if !self.facts.regular {
            if !self.open(CHUNK_BYTES, consumer, stop)? {
                return Ok(None);
            }
            self.read_times(consumer)?;
            return Ok(Some(self.due()));
        }
        let open = self.opener(Arc::default(), CHUNK_BYTES);
        match open().and_then(|mut reader| reader.next(&mut self.chunk)) {
            Ok(true) => {
                self.read_times(consumer)?;
                let due = self.due();
                (self.chunk, self.times, self.last_ms) = (Chunk::default(), Vec::new(), None);
                Ok(Some(due))
            }
            Ok(false) => Ok(None),
            Err(error) => {
                consumer.unreadable(self.index, error);
                Ok(None)
            }
        }
    }

    /// Fills `times` for a new chunk.
    fn read_times(&mut self, consumer: &mut impl Consumer) -> Result<(), HostError> {
        let mut found = Vec::new();
        consumer.line_times(self.index, self.chunk.lines(), &mut found)?;
        // Lines before the first one with a time are taken to be as old as that one, and where no line has
        // one, as the reference time: that is what the guest takes their events to be.
        let first = found.iter().find_map(|time| *time);
        let mut last = self.last_ms.or(first).unwrap_or(self.reference_ms);
        self.times.clear();
        self.times.extend(found.iter().map(|time| {
            last = time.unwrap_or(last);
            last
        }));
        self.times.reverse();
        if first.is_some() {
            self.last_ms = Some(last);
        }
        Ok(())
    }

    /// When the next line is due, and who is asked first among equals.
    fn due(&self) -> Due {
        (self.times.last().copied().unwrap_or(i64::MIN), self.index)
    }

    /// Pushes the lines that are due before `limit`, at least one.
    fn run(
        &mut self,
        consumer: &mut impl Consumer,
        limit: Due,
        seen: &mut Times,
    ) -> Result<(), HostError> {
        let lines = self.chunk.lines().get(self.done..).unwrap_or(&[]);
        let (mut end, mut last) = (0, None);
        while let Some(time) = self
            .times
            .pop_if(|time| last.is_none() || (*time, self.index) < limit)
        {
            last = Some(time);
            seen.see(time);
            let rest = lines.get(end..).unwrap_or(&[]);
            end += memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        }
        if self.times.is_empty() {
            // Also where a guest gave fewer times than there are lines.
            end = lines.len();
        }
        self.push(consumer, lines.get(..end).unwrap_or(&[]))?;
        self.done += end;
        Ok(())
    }

    /// Pushes lines of the chunk, the next ones.
    fn push(&self, consumer: &mut impl Consumer, lines: &[u8]) -> Result<(), HostError> {
        let offset = self.chunk.offset + self.done as u64;
        let mut records = self.chunk.records(lines);
        records.try_for_each(|(at, lines)| consumer.push(self.index, lines, offset + at as u64))
    }

    /// Pushes all that is left, without asking for times before the end.
    fn stream(
        &mut self,
        consumer: &mut impl Consumer,
        stop: &AtomicBool,
        seen: &mut Times,
    ) -> Result<(), HostError> {
        loop {
            let lines = self.chunk.lines().get(self.done..).unwrap_or(&[]);
            self.push(consumer, lines)?;
            if !self.advance(consumer, stop)? {
                break;
            }
        }
        let mut times = Vec::new();
        for chunk in [&self.previous, &self.chunk] {
            consumer.line_times(self.index, chunk.lines(), &mut times)?;
        }
        times.into_iter().flatten().for_each(|time| seen.see(time));
        Ok(())
    }
}

/// A time and a lane's index.
type Due = (i64, usize);

/// Pushes everything in order. Answers when the input ended: at the greatest time but one of its last lines, for one line
/// of another time is no word for it.
///
/// # Errors
/// The guest failed. What cannot be read is told to the guest and left out.
pub fn merge(
    lanes: &mut [Lane],
    consumer: &mut impl Consumer,
    stop: &AtomicBool,
) -> Result<Option<i64>, HostError> {
    let mut seen = Times::default();
    if let [lane] = lanes {
        if lane.open(SINGLE_CHUNK_BYTES, consumer, stop)? {
            lane.stream(consumer, stop, &mut seen)?;
        }
        return Ok(seen.confirmed_ms());
    }
    let mut due = BinaryHeap::new();
    for lane in lanes.iter_mut() {
        due.extend(lane.probe(consumer, stop)?.map(Reverse));
    }
    while let Some(Reverse((_, index))) = due.pop() {
        let Some(lane) = lanes.get_mut(index) else {
            continue;
        };
        let limit = due.peek().map(|Reverse(limit)| *limit);
        if lane.feed.is_none() {
            let chunk_bytes = if limit.is_some() {
                CHUNK_BYTES
            } else {
                SINGLE_CHUNK_BYTES
            };
            if !lane.open(chunk_bytes, consumer, stop)? {
                continue;
            }
            lane.read_times(consumer)?;
        }
        let Some(limit) = limit else {
            lane.stream(consumer, stop, &mut seen)?;
            break;
        };
        lane.run(consumer, limit, &mut seen)?;
        if lane.times.is_empty() {
            if !lane.advance(consumer, stop)? {
                // Frees its memory: the set may be long.
                (lane.feed, lane.chunk, lane.previous) = (None, Chunk::default(), Chunk::default());
                continue;
            }
            lane.read_times(consumer)?;
        }
        due.push(Reverse(lane.due()));
    }
    Ok(seen.confirmed_ms())
}
