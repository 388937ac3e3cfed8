//! Compares and finds fixed words in short texts, eight bytes at a time.
//!
//! What a log line says is found by its fixed words, of 4 to 30 bytes each. Guests have no SIMD: a call
//! of `memcmp` there is a loop over bytes, and a searcher's set-up costs more than the search. Where the
//! length is known to the compiler, a comparison is a few loads.

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Whether both are the same.
#[inline(always)]
pub(crate) fn same<const N: usize>(left: &[u8; N], right: &[u8; N]) -> bool {
    // The last word overlaps the one before it, so that no bytes are left over.
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<8>(), right.last_chunk::<8>()) {
        let words = left.as_chunks::<8>().0.iter().zip(right.as_chunks::<8>().0);
        let last = differs(left_end, right_end);
        let all = words.fold(last, |all, (left, right)| all | differs(left, right));
        return all == 0;
    }
    if let (Some(left_end), Some(right_end)) = (left.last_chunk::<4>(), right.last_chunk::<4>())
        && let (Some(left), Some(right)) = (left.first_chunk::<4>(), right.first_chunk::<4>())
    {
        let last = u32::from_le_bytes(*left_end) ^ u32::from_le_bytes(*right_end);
        return last | (u32::from_le_bytes(*left) ^ u32::from_le_bytes(*right)) == 0;
    }
    left == right
}

/// A word of at most eight bytes as a number, in lower case, so that it can be looked up among others; 0 for longer ones.
pub(crate) const fn word_key(word: &[u8]) -> u64 {
    if word.len() > 8 {
        return 0;
    }
    let (mut key, mut at) = (0, 0);
    while at < word.len() {
        key = key << 8 | (word[at] | 0x20) as u64;
        at += 1;
    }
    key
}

/// Whether both are the same, of whatever length: sixteen bytes at a time from the end, where lines of one second differ
/// first, and the eight at the front, which overlap the others.
#[inline(never)]
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let (Some(first), Some(other_first)) = (left.first_chunk(), right.first_chunk()) else {
        return left.iter().zip(right).all(|(byte, other)| byte == other);
    };
    let ((rest, blocks), (other_rest, other_blocks)) =
        (left.as_rchunks::<16>(), right.as_rchunks::<16>());
    for (block, other) in blocks.iter().zip(other_blocks).rev() {
        // Not a loop, which would not be unrolled in guests.
        if let ([a, b], [c, d]) = (block.as_chunks().0, other.as_chunks().0)
            && differs(a, c) | differs(b, d) != 0
        {
            return false;
        }
    }
    let is_rest = match (rest.last_chunk(), other_rest.last_chunk()) {
        (Some(word), Some(other)) => differs(word, other) == 0,
        _ => true,
    };
    is_rest && differs(first, other_first) == 0
}

/// The bits in which two words differ.
#[inline(always)]
fn differs(left: &[u8; 8], right: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*left) ^ u64::from_le_bytes(*right)
}

/// Whether `text` starts with `word`.
#[inline(always)]
pub(crate) fn starts<const N: usize>(text: &[u8], word: &[u8; N]) -> bool {
    text.first_chunk().is_some_and(|head| same(head, word))
}

/// What follows `word` at the start of `text`.
#[inline(always)]
pub(crate) fn strip<'a, const N: usize>(text: &'a str, word: &[u8; N]) -> Option<&'a str> {
    match starts(text.as_bytes(), word) {
        true => text.get(N..),
        false => None,
    }
}

/// What comes before `word` at the end of `text`.
#[inline(always)]
pub(crate) fn strip_end<'a, const N: usize>(text: &'a [u8], word: &[u8; N]) -> Option<&'a [u8]> {
    let (rest, end) = text.split_last_chunk()?;
    same(end, word).then_some(rest)
}

/// What comes before and behind the first `word` in `text`. The searcher of `core` is quicker on long
/// texts, and larger than all words together.
#[inline(never)]
pub fn split_at<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let first = *word.as_bytes().first()?;
    let mut from = 0;
    loop {
        from += find(text.as_bytes().get(from..)?, first)?;
        if let Some(behind) = text.get(from..)?.strip_prefix(word) {
            return Some((text.get(..from)?, behind));
        }
        from += 1;
        while !text.is_char_boundary(from) {
            from += 1;
        }
    }
}

/// What comes before and behind the last `word` in `text`.
#[inline(never)]
pub(crate) fn split_at_last<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let first = *word.as_bytes().first()?;
    let mut to = text.len();
    loop {
        to = find_last(text.as_bytes().get(..to)?, first)?;
        if let Some((before, rest)) = text.split_at_checked(to)
            && let Some(behind) = rest.strip_prefix(word)
        {
            return Some((before, behind));
        }
    }
}

/// The first `byte` in `text`.
#[inline]
pub fn find(text: &[u8], byte: u8) -> Option<usize> {
    let mut rest = text;
    while let Some((word, tail)) = rest.split_first_chunk() {
        let marks = marks(word, byte);
        if marks != 0 {
            return Some(text.len() - rest.len() + marks.trailing_zeros() as usize / 8);
        }
        rest = tail;
    }
    let at = rest.iter().position(|other| *other == byte)?;
    Some(text.len() - rest.len() + at)
}

/// The last `byte` in `text`.
#[inline(always)]
pub(crate) fn find_last(text: &[u8], byte: u8) -> Option<usize> {
    let mut rest = text;
    while let Some((before, word)) = rest.split_last_chunk::<8>() {
        let marks = marks(word, byte);
        if marks != 0 {
            return Some(before.len() + 7 - marks.leading_zeros() as usize / 8);
        }
        rest = before;
    }
    rest.iter().rposition(|other| *other == byte)
}

/// The high bit of each of the eight that is `byte`; exact, for no byte's sum carries into the next.
#[inline(always)]
fn marks(word: &[u8; 8], byte: u8) -> u64 {
    let other = u64::from_le_bytes(*word) ^ (LOW_BITS * u64::from(byte));
    !(((other & !HIGH_BITS) + !HIGH_BITS) | other) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_at_both_ends() {
        assert_eq!(strip("user=<a>", b"user=<"), Some("a>"));
        assert_eq!(strip("a, b", b", "), None);
        assert_eq!(strip("TLS: \u{fc}", b"TLS: "), Some("\u{fc}"));
        assert_eq!(strip("imap-login: x", b"imap-login: "), Some("x"));
        assert_eq!(strip("imap-lOgin: x", b"imap-login: "), None);
        assert_eq!(strip("Disconnected", b"Disconnected: and more of it"), None);
        assert_eq!(strip_end(b"a, TLS", b", TLS"), Some(b"a".as_slice()));
        assert_eq!(strip_end(b"TLS", b", TLS"), None);
    }

    proptest! {
        #[test]
        fn splits_as_core_does(text in "[ab \u{e9}\u{ea}]{0,20}", word in "[ab \u{e9}]{1,3}") {
            prop_assert_eq!(split_at(&text, &word), text.split_once(&word));
            // Of words that overlap themselves (`aa` in `aaa`) both take the last.
            prop_assert_eq!(split_at_last(&text, &word), text.rsplit_once(&word));
        }

        #[test]
        fn finds_first_and_last(text in "[a-c\u{80}]{0,40}", byte in prop_oneof![Just(b'a'), Just(0x80), Just(b'`')]) {
            let text = text.as_bytes();
            prop_assert_eq!(find(text, byte), text.iter().position(|other| *other == byte));
            prop_assert_eq!(find_last(text, byte), text.iter().rposition(|other| *other == byte));
        }

        #[test]
        fn differences_are_seen_everywhere(at in 0usize..29) {
            let word = *b"Maximum number of connections";
            let mut other = word;
            other[at] ^= 0x20;
            prop_assert!(same(&word, &word) && !same(&word, &other));
            prop_assert!(equal(&word, &word) && !equal(&word, &other));
            prop_assert_eq!(equal(&word[..at], &other[..at]), true);
            prop_assert_eq!(equal(&word[at..], &other[at..]), false);
            prop_assert_eq!(equal(&word[at..], &word[..at]), word[at..] == word[..at]);
            let (word, other) = (word.last_chunk::<6>().unwrap(), other.last_chunk::<6>().unwrap());
            prop_assert_eq!(same(word, other), at < 23);
        }
    }
}
