//! Checks and repairs the JSON that Fluent Bit hands to its plugins.
//!
//! A record comes from Fluent Bit's encoder and goes back through its parser, which fails on what the encoder makes of
//! some values: bare `nan` and `inf`, numbers beyond a double (`%.16g` rounds the largest up), map keys that are no
//! strings, `\x` escapes of extension types. A failure costs the whole process, so the guest checks every record, and
//! that has to be cheap under an interpreter. A package of its own, because the guest's exports (`malloc`, `free`) keep
//! it from being linked into tests.
//!
//! What the check takes from the encoder: strings are closed and escaped, except that those of extension
//! types start with `\x`; brackets match; a key is followed by its colon at once. So it looks for quotes
//! only, word by word, and at the few bytes between strings. A byte there that the common values don't
//! need wakes the strict check, which takes nothing for granted. Neither judges UTF-8.

#![forbid(unsafe_code)]

mod repair;

use maxconn_records::json::scan::is_object;
use repair::Repair;

/// Whether this output of Fluent Bit's encoder is an object that its parser takes back.
pub fn is_safe_object(bytes: &[u8]) -> bool {
    looks_safe(bytes) || is_strictly_safe(bytes)
}

/// Appends a record that is not safe in a form that is: bare `nan`, `inf` and numbers beyond a double
/// become `null`, keys that are numbers or literals become strings, `\x` becomes `\\x`. `false`, and nothing
/// appended, if that does not make it safe.
pub fn repair(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let repaired = Repair { rest: bytes, out }.run().is_some()
        && out.get(start..).is_some_and(is_strictly_safe);
    if !repaired {
        out.truncate(start);
    }
    repaired
}

/// The cheap check: never true for output of the encoder that is not safe.
#[inline]
fn looks_safe(bytes: &[u8]) -> bool {
    let (Some(b'{'), Some(b'}')) = (bytes.first(), bytes.last()) else {
        return false;
    };
    let mut at = 1;
    loop {
        // Between strings: values that are none, and punctuation.
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b',' | b' ' | b'0'..=b'9' | b'.' | b'-' | b'{' | b'}' | b'[' | b']') => {
                    at += 1
                }
                Some(b't' | b'f' | b'n') => {
                    match literal_len(bytes.get(at..).unwrap_or_default()) {
                        0 => return false,
                        len => at += len,
                    }
                }
                // Among them a colon that follows no string: its key is none.
                Some(_) => return false,
                None => return true,
            }
        }
        let Some(text) = bytes.get(at + 1..) else {
            return false;
        };
        if let [b'\\', b'x', ..] = text {
            return false;
        }
        let Some(len) = string_len(text) else {
            return false;
        };
        at += len + 2;
        if bytes.get(at) == Some(&b':') {
            at += 1;
        }
    }
}

/// The length of the literal that `text` starts with; 0 if with none.
fn literal_len(text: &[u8]) -> usize {
    match text {
        [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => 4,
        [b'f', b'a', b'l', b's', b'e', ..] => 5,
        _ => 0,
    }
}

/// The distance to the quote that ends a string: one behind an even number of backslashes. Only quotes
/// are looked for, 32 bytes at a time; the backslashes before one are counted when it is found.
#[inline]
fn string_len(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let quote = from + find_quote(text.get(from..)?)?;
        let before = text.get(..quote)?;
        if before.last() != Some(&b'\\')
            || before
                .iter()
                .rev()
                .take_while(|byte| **byte == b'\\')
                .count()
                % 2
                == 0
        {
            return Some(quote);
        }
        from = quote + 1;
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks bytes that are quotes, in six instructions; bytes that are not ASCII and those above a marked one
/// may be marked as well.
#[inline]
fn maybe_quotes(word: &[u8; 8]) -> u64 {
    (u64::from_le_bytes(*word) ^ (ONES * b'"' as u64)).wrapping_sub(ONES)
}

/// The position of the first quote. Thirty-two bytes without one cost about fifty
/// instructions of wasm.
#[inline]
fn find_quote(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    while let Some((block, tail)) = rest.split_first_chunk::<32>() {
        let (words, _) = block.as_chunks::<8>();
        let marks = words
            .iter()
            .fold(0, |marks, word| marks | maybe_quotes(word));
        if marks & HIGHS != 0
            && let Some(at) = first_quote(words)
        {
            return Some(text.len() - rest.len() + at);
        }
        rest = tail;
    }
    let (words, last) = rest.as_chunks::<8>();
    let at = match first_quote(words) {
        Some(at) => at,
        None => words.len() * 8 + last.iter().position(|byte| *byte == b'"')?,
    };
    Some(text.len() - rest.len() + at)
}

/// The position of the first quote in a few words.
#[inline]
fn first_quote(words: &[[u8; 8]]) -> Option<usize> {
    for (index, word) in words.iter().enumerate() {
        // The lowest mark of these is exact.
        let others = !(u64::from_le_bytes(*word) ^ (ONES * b'"' as u64));
        let marks = maybe_quotes(word) & others & HIGHS;
        if marks != 0 {
            return Some(index * 8 + (marks.trailing_zeros() / 8) as usize);
        }
    }
    None
}

/// The strict check: valid JSON by its grammar, an object, every number within a double.
#[cold]
fn is_strictly_safe(bytes: &[u8]) -> bool {
    if !is_object(bytes) {
        return false;
    }
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        rest = match byte {
            b'"' => match string_len(tail).and_then(|len| tail.get(len + 1..)) {
                Some(behind) => behind,
                None => return false,
            },
            b'-' | b'0'..=b'9' => {
                let (number, behind) = rest.split_at(token_len(rest));
                if !fits_double(number) {
                    return false;
                }
                behind
            }
            _ => tail,
        };
    }
    true
}

/// The length of what is neither punctuation nor a string nor whitespace.
fn token_len(text: &[u8]) -> usize {
    let ends = |byte: &u8| {
        matches!(
            byte,
            b'"' | b',' | b':' | b'{' | b'}' | b'[' | b']' | ..=b' '
        )
    };
    text.iter().position(ends).unwrap_or(text.len())
}

/// Whether a number (valid by JSON's grammar) is one that a double can hold: up to 1.797…e308.
fn fits_double(number: &[u8]) -> bool {
    // The first digits of the largest, as many as a double tells apart; more than these round to it or to infinity.
    const LARGEST: u64 = 17_976_931_348_623_157;
    const DIGITS: u32 = LARGEST.ilog10() + 1;
    const LARGEST_EXPONENT: i64 = 308;
    let (mut first, mut count, mut magnitude, mut in_fraction) = (0, 0, -1_i64, false);
    let mut bytes = number.iter();
    for byte in bytes.by_ref() {
        match byte {
            b'.' => in_fraction = true,
            b'e' | b'E' => break,
            b'0' if first == 0 => magnitude -= i64::from(in_fraction),
            b'0'..=b'9' => {
                if count < DIGITS {
                    first = first * 10 + u64::from(byte - b'0');
                    count += 1;
                }
                magnitude += i64::from(!in_fraction);
            }
            _ => {}
        }
    }
    if first == 0 {
        return true;
    }
    for _ in count..DIGITS {
        first *= 10;
    }
    let (mut exponent, mut sign) = (0_i64, 1);
    for byte in bytes {
        match byte {
            b'-' => sign = -1,
            b'0'..=b'9' => {
                exponent = exponent
                    .saturating_mul(10)
                    .saturating_add(i64::from(byte - b'0'))
            }
            _ => {}
        }
    }
    match magnitude.saturating_add(sign * exponent) {
        ..LARGEST_EXPONENT => true,
        LARGEST_EXPONENT => first <= LARGEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_each_thing_that_goes_wrong() {
        for (bad, good) in [
            (r#"{"a":nan}"#, r#"{"a":null}"#),
            (
                r#"{"a":-nan, "b":[-inf,inf]}"#,
                r#"{"a":null, "b":[null,null]}"#,
            ),
            (
                r#"{"a":1e400,"b":-1.797693134862316e+308}"#,
                r#"{"a":null,"b":null}"#,
            ),
            (r#"{1:"x","b":{null:2}}"#, r#"{"1":"x","b":{"null":2}}"#),
            (r#"{"a":"x",-7:1e+300}"#, r#"{"a":"x","-7":1e+300}"#),
            (r#"{"t":"\x00\xff"}"#, r#"{"t":"\\x00\\xff"}"#),
        ] {
            assert!(!is_safe_object(bad.as_bytes()), "{bad}");
            let mut out = b"kept".to_vec();
            assert!(repair(bad.as_bytes(), &mut out), "{bad}");
            assert_eq!(core::str::from_utf8(&out).map(|out| &out[4..]), Ok(good));
            assert!(is_safe_object(good.as_bytes()));
        }
        // The last two are nothing that the encoder writes, so the cheap check does not look for them.
        for hopeless in [
            "",
            "{",
            "[]",
            "nan",
            r#"{{"a":1}:2}"#,
            r#"{["a"]:2}"#,
            r#"{"a"}"#,
            r#"{"a":1}{}"#,
        ] {
            let mut out = b"kept".to_vec();
            assert!(!is_strictly_safe(hopeless.as_bytes()), "{hopeless}");
            assert!(!repair(hopeless.as_bytes(), &mut out), "{hopeless}");
            assert_eq!(out, b"kept");
        }
    }

    #[test]
    fn knows_the_largest_double() {
        for (number, fits) in [
            ("1.7976931348623157e308", true),
            ("1.797693134862315708e+308", true),
            ("1.7976931348623158e+308", false),
            ("0.00017976931348623157e312", true),
            ("17976931348623158e292", false),
            ("1e309", false),
            ("0e99999999999999999999", true),
            ("1e99999999999999999999", false),
            ("1e-99999999999999999999", true),
        ] {
            assert_eq!(fits_double(number.as_bytes()), fits, "{number}");
        }
        assert!(!fits_double("9".repeat(309).as_bytes()));
        assert!(fits_double("1".repeat(309).as_bytes()));
    }

    proptest! {
        #[test]
        fn finds_the_first_quote(bytes in prop::collection::vec(prop_oneof![20 => any::<u8>(), 1 => Just(b'"'), 4 => Just(b'#')], 0..120)) {
            prop_assert_eq!(find_quote(&bytes), bytes.iter().position(|byte| *byte == b'"'));
        }
    }
}
