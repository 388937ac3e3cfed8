//! What the last record of each input stream was: some syslog daemons say of a message that repeats no more than that.

use alloc::vec::Vec;

use maxconn_records::codec;

/// So many streams are remembered beside the one at hand.
const STREAMS_MAX: usize = 1_023;
/// The longest record that is remembered, in bytes.
const RECORD_MAX: usize = 2_048;

/// The records to which one that follows may refer.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    /// The stream at hand, and its last record that is an event; empty if it is not known.
    current: u32,
    event: Vec<u8>,
    /// How many records there were in all streams after it. Those that are no event are counted, and not looked at:
    /// with one of them the event is no longer the last record.
    records: u64,
    /// Other streams whose last record is an event, the longest unheard of first.
    others: Vec<(u32, Vec<u8>)>,
}

impl Streams {
    /// The next record is one of that stream; `records` are those of all streams before it.
    #[inline]
    pub fn enter(&mut self, stream: u32, records: u64) {
        if stream != self.current {
            self.change(stream, records);
        }
    }

    #[inline(never)]
    fn change(&mut self, stream: u32, records: u64) {
        let left = core::mem::take(&mut self.event);
        if records == self.records && !left.is_empty() {
            if self.others.len() >= STREAMS_MAX {
                self.others.remove(0);
            }
            self.others.push((self.current, left));
        }
        let known = self.others.iter().position(|(known, _)| *known == stream);
        self.event = known.map_or_else(Vec::new, |at| self.others.remove(at).1);
        (self.current, self.records) = (stream, records);
    }

    /// The record just counted, the last of so many, is an event.
    pub fn note(&mut self, record: &[u8], records: u64) {
        self.event.clear();
        if record.len() <= RECORD_MAX {
            self.event.extend_from_slice(record);
        }
        self.records = records;
    }

    /// The last of so many records is the one noted, or says no more than that it repeated.
    pub fn go_on(&mut self, records: u64) {
        self.records = records;
    }

    /// The record directly before the next one; empty if it is not known, `None` if it was no event.
    pub fn last(&self, records: u64) -> Option<&[u8]> {
        (records == self.records).then_some(&self.event)
    }
}

codec!(Streams: current, event, records, others);
