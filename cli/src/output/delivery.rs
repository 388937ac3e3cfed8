//! What goes out at once: lines of JSON, and what each of them is.

use std::sync::Arc;

use bytes::Bytes;

use maxconn_host::Kind;

/// A name for some bytes; the same bytes have the same name wherever and whenever they come.
pub type Digest = [u8; 16];

/// A piece of output and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRange {
    /// What the lines are.
    pub kind: Kind,
    /// Where it ends in the bytes; it begins where the one before ends.
    pub end: usize,
    /// The number of its first record within the delivery's origin; the next lines' follow it.
    pub number: u32,
}

/// Whoever waits for a delivery.
pub trait Receipt: Send + Sync {
    /// The next hop has taken it.
    fn deliver(&self);

    /// What becomes of its batch, for outputs that give it back to whoever posted it.
    fn reply(&self, _bytes: Vec<Bytes>) {}

    /// What the state knows it by: the batches that are delivered with it.
    fn names(&self) -> Vec<Digest> {
        Vec::new()
    }

    /// What is kept for it while it waits, in bytes.
    fn weight(&self) -> usize {
        0
    }
}

/// What a delivery costs beside its lines and segments, in bytes.
const OWN_BYTES: usize = 256;

/// Lines of JSON for the next hop.
#[derive(Default)]
pub struct Delivery {
    /// All lines.
    pub bytes: Bytes,
    /// What they are.
    pub segments: Vec<LineRange>,
    /// What documents without an id of their own are named after, with their number.
    pub name: Digest,
    /// Its lines may come again in other deliveries, with other numbers.
    pub lines_return: bool,
    /// It came before, and may be with the next hop already.
    pub repeated: bool,
    /// Whom to tell.
    pub ticket: Option<Arc<dyn Receipt>>,
    /// Its sender sends it again unless it is told.
    pub resent: bool,
    /// The names of the patterns that its events were told by.
    pub patterns: Arc<[String]>,
}

impl Delivery {
    /// What it takes of the memory while it waits, in bytes.
    pub fn weight(&self) -> usize {
        let segments = self.segments.capacity() * size_of::<LineRange>();
        let receipt = self.ticket.as_ref().map_or(0, |ticket| ticket.weight());
        OWN_BYTES + self.bytes.len() + segments + receipt
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alerts_of_a_delivery_are_found() {
        let segment = |kind, end| LineRange {
            kind,
            end,
            number: 0,
        };
        let delivery = Delivery {
            bytes: "a\nb\nc\nd\ne\n".into(),
            segments: vec![
                segment(Kind::Passed, 2),
                segment(Kind::Alert, 6),
                segment(Kind::Enriched, 8),
                segment(Kind::Alert, 10),
            ],
            ..Delivery::default()
        };
        assert_eq!(
            delivery.alerts().collect::<Vec<_>>(),
            [&b"b\nc\n"[..], b"e\n"]
        );
    }
}
