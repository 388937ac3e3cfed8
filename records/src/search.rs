//! Finds the bytes that could hold an event at all.
//!
//! Nearly every record of a pipeline ends here, so this decides our cost in every host. The search looks
//! at one block of bytes in a dozen (Wu and Manber's multi-pattern form of Horspool's): from the last
//! block of a window that is as long as the shortest needle, a table says how far the window can move
//! without missing any needle. Under an interpreter an iteration is about two dozen instructions, whatever
//! the number of needles.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use crate::bytes::equal;

/// The longest window in bytes: longer needles gain little more, but would crowd the table.
const WINDOW_MAX: usize = 32;
/// Shorter windows than this are searched by blocks of two bytes, for four would leave no room to skip.
const WIDE_WINDOW_MIN: usize = 8;
/// Log2 of the number of entries of the skip table, one byte each.
const TABLE_BITS: u32 = 14;
const TABLE_LEN: usize = 1 << TABLE_BITS;
/// The longest window in bytes beside a mark: no step is longer than the figures behind it, less two.
const MARKED_WINDOW_MAX: usize = 16;
/// How many hashes of first blocks are told apart.
const FIRSTS: usize = 1024;
/// The longest form of a needle as a JSON byte array, in bytes.
const BYTE_ARRAY_FORM_MAX: usize = WINDOW_MAX;

/// Finds any of several needles.
#[derive(Clone, Debug)]
pub struct Finder {
    /// The needles, each with the hash of the last block of its window, in the order of these.
    needles: Vec<(u32, Box<[u8]>)>,
    /// By the hash of a block: how far the window may move; 0 where a needle's window ends in it.
    skips: Box<[u8; TABLE_LEN]>,
    /// By the upper bits of the hash of a window's first block: whether any needle begins so.
    firsts: [bool; FIRSTS],
    /// The length of the shortest needle, at most [`WINDOW_MAX`].
    window: usize,
    /// As [`Finder::marked`].
    mark: Option<Mark>,
}

/// Two bytes, too short for a needle, that have at least fourteen figures behind them: digits, blanks, `/`, `-` and the like, none
/// above `9`. Steps are so short that one of them ends there.
pub type Mark = [u8; 2];

impl Finder {
    /// A finder of these needles. Empty needles are left out; without needles nothing is found. The
    /// shorter the shortest, the smaller the steps: from about 12 bytes on it is fast.
    pub fn new<'n>(needles: impl Iterator<Item = &'n [u8]>) -> Finder {
        Finder::marked(needles, None)
    }

    /// The same, which finds a mark, too. A mark that has other bytes behind it may be found or not.
    pub fn marked<'n>(needles: impl Iterator<Item = &'n [u8]>, mark: Option<Mark>) -> Finder {
        let mut needles: Vec<(u32, Box<[u8]>)> = needles
            .filter(|needle| !needle.is_empty())
            .map(|needle| (0, needle.into()))
            .collect();
        let shortest = needles
            .iter()
            .map(|(_, needle)| needle.len())
            .min()
            .unwrap_or(0);
        let window = match mark {
            Some(_) => shortest.min(MARKED_WINDOW_MAX),
            None => shortest.min(WINDOW_MAX),
        };
        let width = Finder::width(window);
        let mut skips = vec![(window + 1).saturating_sub(width.max(1)) as u8; TABLE_LEN];
        for (last_hash, needle) in &mut needles {
            let head = needle.get(..window).unwrap_or(needle);
            for (at, block) in head.windows(width).enumerate() {
                let hash = hash_of(block);
                let skip = (window - width - at) as u8;
                if let Some(entry) = skips.get_mut(hash as usize) {
                    *entry = skip.min(*entry);
                }
                *last_hash = hash;
            }
        }
        // Each to its place among those before it: a sort of the library's is two KiB of a guest.
        for at in 1..needles.len() {
            let mut to = at;
            while to > 0 && needles.get(to - 1) > needles.get(to) {
                needles.swap(to - 1, to);
                to -= 1;
            }
        }
        let mut firsts = [false; FIRSTS];
        for (_, needle) in &needles {
            if let Some(block) = needle.first_chunk::<4>() {
                let hash = hash_wide(u32::from_le_bytes(*block));
                firsts[hash as usize / (TABLE_LEN / FIRSTS)] = true;
            }
        }
        let skips = skips
            .into_boxed_slice()
            .try_into()
            .unwrap_or_else(|_| Box::new([0; TABLE_LEN]));
        Finder {
            needles,
            skips,
            firsts,
            window,
            mark,
        }
    }

    /// The start of the leftmost occurrence of any needle in `haystack[from..]`.
    #[inline]
    pub fn find(&self, haystack: &[u8], from: usize) -> Option<usize> {
        match (self.window, self.mark) {
            (WIDE_WINDOW_MIN.., None) => self.find_wide::<false>(haystack, from, Mark::default()),
            (WIDE_WINDOW_MIN.., Some(mark)) => self.find_wide::<true>(haystack, from, mark),
            (window, _) => self.find_otherwise(haystack, from, window),
        }
    }

    #[cold]
    fn find_otherwise(&self, haystack: &[u8], from: usize, window: usize) -> Option<usize> {
        match Finder::width(window) {
            2 => self.find_narrow(haystack, from),
            1 => (from..haystack.len()).find(|&start| self.starts_at(haystack, start, None)),
            _ => None,
        }
    }

    /// The width of the blocks for a window of so many bytes.
    fn width(window: usize) -> usize {
        match window {
            0 | 1 => window,
            2..WIDE_WINDOW_MIN => 2,
            _ => 4,
        }
    }

    /// By blocks of four. Where a step ends among figures, a mark may stand before them.
    fn find_wide<const MARKED: bool>(
        &self,
        haystack: &[u8],
        from: usize,
        mark: Mark,
    ) -> Option<usize> {
        let mut at = from.saturating_add(self.window - 4);
        let end = haystack.len().checked_sub(4)?;
        // Written so that the compiler proves both accesses: 20 instructions of wasm for one step.
        while at <= end {
            let block = haystack.get(at..at + 4)?;
            let block = u32::from_le_bytes(block.try_into().unwrap_or_default());
            if MARKED
                && block & NO_FIGURES == 0
                && block.wrapping_add(ABOVE_NINE) & NO_FIGURES == 0
                && is_near_slash(haystack, at)
            {
                let place = mark_before(haystack, from, at + 1, mark);
                if place != NOWHERE {
                    return Some(place);
                }
            }
            let skip = self.skips[hash_wide(block) as usize];
            at += usize::from(skip);
            if skip == 0 {
                let start = at + 4 - self.window;
                if self.begins(haystack, start) && self.starts_wide(haystack, start) {
                    return Some(start);
                }
                at += 1;
            }
        }
        // Figures may end the text.
        if !MARKED || *haystack.last()? > b'9' {
            return None;
        }
        Some(mark_before(haystack, from, haystack.len(), mark)).filter(|place| *place != NOWHERE)
    }

    fn find_narrow(&self, haystack: &[u8], from: usize) -> Option<usize> {
        let mut at = from.checked_add(self.window)?.checked_sub(2)?;
        let end = haystack.len().checked_sub(2)?;
        while at <= end {
            let block = haystack.get(at..at + 2)?;
            let hash = hash_narrow(u16::from_le_bytes(block.try_into().unwrap_or_default()));
            let skip = self.skips[hash as usize];
            at += usize::from(skip);
            if skip == 0 {
                let start = at + 2 - self.window;
                if self.starts_at(haystack, start, Some(hash)) {
                    return Some(start);
                }
                at += 1;
            }
        }
        None
    }

    /// Whether a needle may begin with the block at `start`. Most windows that end like a needle ("nect", "tion") do not
    /// begin like one.
    #[inline]
    fn begins(&self, haystack: &[u8], start: usize) -> bool {
        let Some(block) = haystack.get(start..start + 4) else {
            return false;
        };
        let hash = hash_wide(u32::from_le_bytes(block.try_into().unwrap_or_default()));
        self.firsts[hash as usize / (TABLE_LEN / FIRSTS)]
    }

    /// Whether a needle is at `start`. The hash is made again, which costs the search itself less than keeping it.
    #[cold]
    #[inline(never)]
    fn starts_wide(&self, haystack: &[u8], start: usize) -> bool {
        let window = haystack.get(start..start + self.window);
        let block = window.and_then(|window| window.last_chunk());
        let hash = block.map(|block| hash_wide(u32::from_le_bytes(*block)));
        self.starts_at(haystack, start, hash)
    }

    /// Whether a needle is at `start`, of those whose window ends in a block of that hash.
    #[cold]
    fn starts_at(&self, haystack: &[u8], start: usize, hash: Option<u32>) -> bool {
        let Some(rest) = haystack.get(start..) else {
            return false;
        };
        let starts = |needle: &[u8]| {
            let start = rest.get(..needle.len());
            start.is_some_and(|start| equal(start, needle))
        };
        let Some(hash) = hash else {
            return self.needles.iter().any(|(_, needle)| starts(needle));
        };
        let first = self.needles.partition_point(|(last, _)| *last < hash);
        let from_first = self.needles.get(first..).unwrap_or_default();
        let same = from_first.iter().take_while(|(last, _)| *last == hash);
        same.into_iter().any(|(_, needle)| starts(needle))
    }
}

/// The bits of the last three bytes of a block that no byte below `@` has.
const NO_FIGURES: u32 = 0xC0C0_C000;
/// Added, it gives these bits to all that is above `9`.
const ABOVE_NINE: u32 = 0x0606_0600;
/// The longest run of figures behind a mark that is looked through, in bytes.
const MARK_REACH: usize = 24;

/// Whether a slash is within two bytes of the block at `at`, or the text's end. Counters have one as near; most dates and sizes, which
/// are in many lines, have none.
#[inline]
fn is_near_slash(haystack: &[u8], at: usize) -> bool {
    const SLASHES: u64 = u64::from_le_bytes([b'/'; 8]);
    const LOW: u64 = u64::from_le_bytes([1; 8]);
    let near = haystack
        .get(at.wrapping_sub(2)..at + 6)
        .and_then(|near| near.try_into().ok());
    near.is_none_or(|near| {
        let other = u64::from_le_bytes(near) ^ SLASHES;
        other.wrapping_sub(LOW) & !other & (LOW << 7) != 0
    })
}

/// Stands for no place.
const NOWHERE: usize = usize::MAX;

/// The mark that stands before the figures that end at `end`, and not before `from`; else [`NOWHERE`].
#[cold]
#[inline(never)]
fn mark_before(haystack: &[u8], from: usize, end: usize, mark: Mark) -> usize {
    let start = end.saturating_sub(MARK_REACH).max(from);
    let near = haystack.get(start..end).unwrap_or_default();
    let letter = near.iter().rposition(|byte| *byte > b'9').unwrap_or(0);
    // A state may have two letters more.
    let places = (0..3).filter_map(|more| letter.checked_sub(1 + more));
    let mut places = places.filter(|place| near.get(*place..*place + 2) == Some(&mark));
    places.next().map_or(NOWHERE, |place| start + place)
}

#[inline]
fn hash_wide(block: u32) -> u32 {
    // Of 4,000 odd numbers the one under which ordinary logs have the fewest blocks that share a place with one of a server's
    // needles. The shift leaves TABLE_BITS bits, so that the index needs no check.
    block.wrapping_mul(0x67FD_5499) >> (32 - TABLE_BITS)
}

#[inline]
fn hash_narrow(block: u16) -> u32 {
    u32::from(block) & (TABLE_LEN as u32 - 1)
}

fn hash_of(block: &[u8]) -> u32 {
    match *block {
        [a, b, c, d] => hash_wide(u32::from_le_bytes([a, b, c, d])),
        [a, b] => hash_narrow(u16::from_le_bytes([a, b])),
        _ => 0,
    }
}

/// How a needle looks inside a JSON array of bytes, as journald writes messages that hold control
/// characters: `77,97,120` and `77, 97, 120`. Cut to a prefix that is long enough to be rare.
pub fn byte_array_forms(needle: &[u8]) -> [Vec<u8>; 2] {
    [b",".as_slice(), b", "].map(|separator| {
        let mut form = Vec::new();
        for (index, &byte) in needle.iter().enumerate() {
            if index > 0 {
                form.extend_from_slice(separator);
            }
            crate::json::write::push_uint(&mut form, u64::from(byte));
        }
        form.truncate(BYTE_ARRAY_FORM_MAX);
        form
    })
}

/// How many newlines there are. Without SIMD words of eight bytes are the least work, and text has so few
/// control bytes that most blocks need no more than to be looked at for any.
pub fn count_lines(bytes: &[u8]) -> u64 {
    const SPACES: u64 = u64::from_le_bytes([b' '; 8]);
    const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut count = newlines(rest);
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        // A byte below a space borrows into its high bit. Some beyond ASCII have it set as well, and their block is
        // looked at for nothing.
        let below = words.iter().fold(0, |below, word| {
            below | u64::from_le_bytes(*word).wrapping_sub(SPACES)
        });
        if below & HIGH_BITS != 0 {
            // Not a loop, which would not be unrolled in guests.
            if let [a, b, c, d] = words {
                count += newlines_in(a) + newlines_in(b) + newlines_in(c) + newlines_in(d);
            }
        }
    }
    count
}

fn newlines(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let rest = rest.iter().filter(|&&byte| byte == b'\n').count() as u64;
    rest + words.iter().map(newlines_in).sum::<u64>()
}

#[inline]
fn newlines_in(word: &[u8; 8]) -> u64 {
    const LOW_BITS: u64 = u64::from_le_bytes([0x7f; 8]);
    const NEWLINES: u64 = u64::from_le_bytes([b'\n'; 8]);
    let other = u64::from_le_bytes(*word) ^ NEWLINES;
    // The high bit of each byte that is not a newline; exact, for no byte's sum carries into the next.
    let marks = ((other & LOW_BITS) + LOW_BITS) | other | LOW_BITS;
    u64::from(marks.count_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(needles: &[Vec<u8>], haystack: &[u8], from: usize) -> Option<usize> {
        needles
            .iter()
            .filter_map(|needle| {
                let rest = haystack.get(from..)?;
                memchr::memmem::find(rest, needle).map(|start| start + from)
            })
            .min()
    }

    #[test]
    fn finds_nothing_without_needles() {
        let finder = Finder::new(core::iter::empty());
        assert_eq!(finder.find(b"anything", 0), None);
        assert_eq!(finder.find(b"", usize::MAX), None);
    }

    #[test]
    fn finds_at_the_very_end_and_beyond_nothing() {
        let finder =
            Finder::new([b"Maximum number".as_slice(), b"Connection queue full"].into_iter());
        let text = b"x Maximum numbe Connection queue full";
        assert_eq!(finder.find(text, 0), Some(16));
        assert_eq!(finder.find(text, 16), Some(16));
        assert_eq!(finder.find(text, 17), None);
        assert_eq!(finder.find(text, usize::MAX), None);
    }

    #[test]
    fn byte_arrays_look_as_encoders_write_them() {
        let [tight, spaced] = byte_array_forms(b"Max 1");
        assert_eq!(tight, b"77,97,120,32,49");
        assert_eq!(spaced, b"77, 97, 120, 32, 49");
    }

    proptest! {
        #[test]
        fn finds_what_a_naive_search_finds(
            needles in prop::collection::vec("[ab]{1,4}|[abc]{3,12}|[ab ]{8,40}", 1..6),
            parts in prop::collection::vec(("[abc ]{0,40}", 0usize..6), 0..8),
            from in 0usize..40,
        ) {
            let needles: Vec<Vec<u8>> = needles.into_iter().map(|n| n.into_bytes()).collect();
            let mut haystack = Vec::new();
            for (text, index) in parts {
                haystack.extend_from_slice(text.as_bytes());
                haystack.extend_from_slice(&needles[index % needles.len()]);
            }
            haystack.pop();
            let finder = Finder::new(needles.iter().map(Vec::as_slice));
            prop_assert_eq!(finder.find(&haystack, from), naive(&needles, &haystack, from));
        }

        #[test]
        fn finds_long_needles_in_any_bytes(
            needles in prop::collection::vec(prop::collection::vec(any::<u8>(), 8..60), 1..4),
            before in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut haystack = before;
            haystack.extend_from_slice(&needles[0]);
            let finder = Finder::new(needles.iter().map(Vec::as_slice));
            prop_assert_eq!(finder.find(&haystack, 0), naive(&needles, &haystack, 0));
        }

        #[test]
        fn finds_every_mark_with_counters_behind_it(
            needles in prop::collection::vec("[ab ]{16,40}", 1..4),
            before in "[a-zA-P0-9 :/\\[\\]-]{2,60}",
            flags in "(--|[A-Z-]{2})?",
            counters in "( [0-9]{1,6}(/[0-9]{1,6}){3}/[+]?[0-9]{1,2} [0-9]{1,5}/[0-9]{1,5})",
            behind in "|\"|\n| [a-z{\"]{1,30}",
            from in 0usize..40,
        ) {
            let haystack = [&*before, "sQ", &*flags, &*counters, &*behind].concat().into_bytes();
            let finder = Finder::marked(needles.iter().map(|needle| needle.as_bytes()), Some(*b"sQ"));
            let mark = memchr::memmem::find(haystack.get(from..).unwrap_or_default(), b"sQ");
            let needles: Vec<Vec<u8>> = needles.into_iter().map(|needle| needle.into_bytes()).collect();
            let expected = [mark.map(|at| at + from), naive(&needles, &haystack, from)];
            prop_assert_eq!(finder.find(&haystack, from), expected.into_iter().flatten().min());
        }

        #[test]
        fn counts_every_newline(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200)) {
            prop_assert_eq!(count_lines(&bytes), memchr::memchr_iter(b'\n', &bytes).count() as u64);
        }
    }
}
