//! Checks and mends the JSON that Fluent Bit hands to its plugins.
//!
//! A record comes from Fluent Bit's encoder and goes back through its parser, which fails on what the encoder makes of
//! some values: bare `nan` and `inf`, numbers beyond a double (`%.16g` rounds the largest up), map keys that are no
//! strings, `\x` escapes of extension types. A failure costs the whole process, so the guest checks every record, and
//! that has to be cheap under an interpreter. A package of its own, because the guest's exports (`malloc`, `free`) keep
//! it from being linked into tests.
//!
//! What the check takes from the encoder: strings are closed and escaped, except that those of extension
//! types start with `\x`; ASCII letters are not escaped; brackets match; a key is followed by its colon at once. So it
//! looks for quotes only, and at the few bytes between strings. A byte there that the common values don't need wakes the
//! strict check, which takes nothing for granted. Neither judges UTF-8.

#![forbid(unsafe_code)]

mod repair;
mod route;

use maxconn_records::json::scan::is_object;
use repair::Repair;

pub use route::ROUTE;

/// Whether this output of Fluent Bit's encoder may go back as it is: an object that its parser takes, in which nothing is
/// named as what our documents are routed by. Never true for one that may not, but false for some that may. `find_quote`
/// answers where the first quote is.
#[inline(never)]
pub fn may_go_back(bytes: &[u8], find_quote: impl Fn(&[u8]) -> Option<usize>) -> bool {
    // Nearly always a string comes first.
    let mut start = match bytes {
        [b'{', b'"', first, .., b'}'] if *first != b'\\' => 2,
        [b'{', .., b'}'] => next_string(bytes, 1),
        _ => return false,
    };
    let mut is_key = true;
    // Strings, which nearly always follow one another at once.
    while start < bytes.len() {
        let end = quote_behind(bytes, start, is_key, &find_quote);
        match bytes.get(end + 1) {
            Some(b':') => {
                if end - start == ROUTE.len() && is_route(bytes, start) {
                    return false;
                }
                is_key = false;
            }
            Some(b',') => is_key = true,
            Some(_) if end + 2 == bytes.len() => return true,
            Some(_) => {
                start = next_string(bytes, end + 1);
                is_key = true;
                continue;
            }
            None => return false,
        }
        start = match bytes.get(end + 2..end + 4) {
            Some([b'"', first]) if *first != b'\\' => end + 3,
            _ => next_string(bytes, end + 2),
        };
    }
    start != UNKNOWN
}

/// Stands for a place behind which nothing is known.
const UNKNOWN: usize = usize::MAX;

/// Where the next string begins, behind what lies between two: values that are none, and punctuation; the end if there is
/// no other, and [`UNKNOWN`] behind anything else.
#[inline(never)]
fn next_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at += match bytes.get(at) {
            Some(b'"') => {
                let is_other =
                    bytes.get(at + 1) == Some(&b'\\') && bytes.get(at + 2) == Some(&b'x');
                return if is_other { UNKNOWN } else { at + 1 };
            }
            Some(b',' | b' ' | b'0'..=b'9' | b'.' | b'-' | b'{' | b'}' | b'[' | b']') => 1,
            Some(b't' | b'f' | b'n') => match literal_len(bytes.get(at..).unwrap_or_default()) {
                0 => return UNKNOWN,
                len => len,
            },
            // Among them a colon that follows no string: its key is none.
            Some(_) => return UNKNOWN,
            None => return at,
        };
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

#[cold]
#[inline(never)]
fn is_route(bytes: &[u8], start: usize) -> bool {
    let string = bytes.get(start..).unwrap_or_default();
    string.starts_with(ROUTE.as_bytes())
}

/// Appends a record that may not go back as it is in a form that may: bare `nan`, `inf` and numbers beyond a double become
/// `null`, keys that are numbers or literals become strings, `\x` becomes `\\x`; members that are named as what our
/// documents are routed by are taken out. `false`, and nothing appended, if that does not help.
#[cold]
pub fn mend(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let is_mended = if is_strictly_safe(bytes) {
        out.extend_from_slice(bytes);
        true
    } else {
        Repair { rest: bytes, out }.run().is_some()
            && out.get(start..).is_some_and(is_strictly_safe)
    };
    let is_mended = is_mended && route::strip(out, start).is_some();
    if !is_mended {
        out.truncate(start);
    }
    is_mended
}

/// The position of the quote that ends the string from a position on: one behind an even number of backslashes; the length
/// if there is none. Only quotes are looked for; the backslashes before one are counted when it is found. Keys are short.
#[inline(always)]
fn quote_behind(
    text: &[u8],
    start: usize,
    is_key: bool,
    find_quote: &impl Fn(&[u8]) -> Option<usize>,
) -> usize {
    let mut from = start;
    loop {
        let marks = match is_key {
            true => text.get(from..from + 8).map_or(0, quotes),
            false => 0,
        };
        let quote = match marks {
            0 => match text.get(from..).and_then(find_quote) {
                Some(at) => from + at,
                None => return text.len(),
            },
            marks => from + (marks.trailing_zeros() / 8) as usize,
        };
        let is_escaped = match text.get(quote.wrapping_sub(1)) {
            Some(b'\\') => is_escaped(text, start, quote),
            _ => false,
        };
        if !is_escaped {
            return quote;
        }
        from = quote + 1;
    }
}

/// Whether there is a byte, and it is escaped in the string that begins at `start`.
#[cold]
#[inline(never)]
fn is_escaped(text: &[u8], start: usize, at: usize) -> bool {
    let before = text.get(start..at).unwrap_or_default().iter().rev();
    let backslashes = before.take_while(|byte| **byte == b'\\').count();
    at < text.len() && backslashes % 2 == 1
}

/// The length of the string that `text` begins with; all of it where no quote ends it. For what is rare.
#[cold]
#[inline(never)]
fn string_len(text: &[u8]) -> usize {
    quote_behind(text, 0, false, &first_quote)
}

/// Where the first quote is, for callers that have no faster search.
pub fn first_quote(text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| *byte == b'"')
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Marks the quotes among eight bytes, each by its highest bit; the lowest mark is exact.
#[inline(always)]
fn quotes(bytes: &[u8]) -> u64 {
    let others = u64::from_le_bytes(bytes.try_into().unwrap_or_default()) ^ (ONES * b'"' as u64);
    others.wrapping_sub(ONES) & !others & (ONES << 7)
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
            b'"' => match tail.get(string_len(tail) + 1..) {
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
            (
                r#"{"maxconn_route":nan,"a":-nan,1:{"maxconn_route":2}}"#,
                r#"{"a":null,"1":{"maxconn_route":2}}"#,
            ),
        ] {
            assert!(!may_go_back(bad.as_bytes(), first_quote), "{bad}");
            let mut out = b"kept".to_vec();
            assert!(mend(bad.as_bytes(), &mut out), "{bad}");
            assert_eq!(core::str::from_utf8(&out).map(|out| &out[4..]), Ok(good));
            assert!(is_strictly_safe(good.as_bytes()));
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
            assert!(!mend(hopeless.as_bytes(), &mut out), "{hopeless}");
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
        fn marks_the_first_quote_of_a_word(word in prop::array::uniform8(prop_oneof![8 => any::<u8>(), 1 => Just(b'"'), 4 => Just(b'#')])) {
            let marked = (quotes(&word).trailing_zeros() / 8) as usize;
            prop_assert_eq!(marked, first_quote(&word).unwrap_or(8));
        }
    }
}
