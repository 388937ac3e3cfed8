//! Gathers what goes out: pieces of bytes, in order, each of a kind.

use alloc::vec::Vec;

/// A call that can go on later stops when the output is larger than this many bytes.
pub const OUTPUT_SOFT_LIMIT: usize = 128 * 1024;

/// What a piece of output is. The numbers are those of the embed ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// Records of the input that pass untouched, newline included: `start..start + len` of the *input*.
    Passed = 0,
    /// One record made from a text line that carries no event, newline at its end.
    Wrapped = 1,
    /// One enriched record, newline at its end.
    Enriched = 2,
    /// One alert, newline at its end.
    Alert = 3,
    /// One statistics document, newline at its end.
    Statistics = 4,
    /// The compact view of one event, held back or not, newline at its end.
    View = 5,
    /// As [`Kind::Enriched`], and the record's `event.id` is ours: made from what the record is, while one that it
    /// brought may be on many. Only if they are wanted apart.
    Identified = 6,
}

/// One piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// What it is.
    pub kind: Kind,
    /// Where it starts: in the input for [`Kind::Passed`], in [`Output::bytes`] for all others.
    pub start: u32,
    /// Its length in bytes.
    pub len: u32,
}

/// Which pieces of output are wanted; what is not wanted is counted but not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// [`Kind::Passed`] and [`Kind::Wrapped`].
    pub records: bool,
    /// [`Kind::Enriched`].
    pub enriched: bool,
    /// [`Kind::Alert`].
    pub alerts: bool,
    /// [`Kind::View`].
    pub views: bool,
    /// Events that a flood holds back are written, enriched, as if it did not: for a host that decides itself
    /// which of them go on. They are counted as held back all the same.
    pub held_back: bool,
    /// Enriched records with an `event.id` of ours are a kind of their own, [`Kind::Identified`].
    pub ids: bool,
}

impl Default for Want {
    fn default() -> Want {
        Want {
            records: true,
            enriched: true,
            alerts: true,
            views: false,
            held_back: false,
            ids: false,
        }
    }
}

/// Where output is gathered, in order.
#[derive(Debug, Default)]
pub struct Output {
    /// The bytes of everything that is not verbatim input.
    pub bytes: Vec<u8>,
    /// The pieces, in the order in which they go on.
    pub segments: Vec<Segment>,
    /// What is wanted.
    pub want: Want,
}

impl Output {
    /// Forgets what was gathered and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.segments.clear();
    }

    /// The pieces, in the order in which they go on. `input` is what the call was given: [`Kind::Passed`] lies there.
    pub fn pieces<'a>(&'a self, input: &'a [u8]) -> impl Iterator<Item = (Kind, &'a [u8])> {
        self.segments.iter().map(move |segment| {
            let whole = match segment.kind {
                Kind::Passed => input,
                _ => &self.bytes,
            };
            let start = segment.start as usize;
            let piece = whole.get(start..start.saturating_add(segment.len as usize));
            (segment.kind, piece.unwrap_or_default())
        })
    }

    /// Whether it is time to hand it on before more is written.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= OUTPUT_SOFT_LIMIT
    }

    /// Notes records of the input that pass; neighbours become one piece.
    pub(crate) fn pass(&mut self, start: usize, end: usize) {
        if !self.want.records || start >= end {
            return;
        }
        if let Some(last) = self.segments.last_mut()
            && last.kind == Kind::Passed
            && (last.start + last.len) as usize == start
        {
            last.len += (end - start) as u32;
            return;
        }
        self.segments.push(Segment {
            kind: Kind::Passed,
            start: start as u32,
            len: (end - start) as u32,
        });
    }

    /// Notes that everything written to `bytes` since `start` is one piece.
    pub(crate) fn piece(&mut self, kind: Kind, start: usize) {
        let len = self.bytes.len() - start;
        self.segments.push(Segment {
            kind,
            start: start as u32,
            len: len as u32,
        });
    }
}
