//! Whether a host can read its own JSON back.
//!
//! Fluent Bit hands over records that its encoder wrote and takes them back with its parser, which
//! fails on what the encoder makes of some values: bare `nan` and `inf`, numbers beyond a double (`%.16g`
//! rounds the largest up), map keys that are no strings, `\x` escapes of extension types. A failure costs
//! the whole process, so every record is checked, and that has to be cheap under an interpreter.
//!
//! What the check takes from the encoder: strings are closed and escaped, except that those of extension
//! types start with `\x`; brackets match; a key is followed by its colon at once. So it looks for quotes
//! only, word by word, and at the few bytes between strings. A byte there that the common values don't
//! need wakes the strict check, which takes nothing for granted. Neither judges UTF-8.

use alloc::vec::Vec;

use super::repair::Repair;
use super::scan::is_object;

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
pub(super) fn token_len(text: &[u8]) -> usize {
    let ends = |byte: &u8| {
        matches!(
            byte,
            b'"' | b',' | b':' | b'{' | b'}' | b'[' | b']' | ..=b' '
        )
    };
    text.iter().position(ends).unwrap_or(text.len())
}

/// Whether a number (valid by JSON's grammar) is one that a double can hold: up to 1.797…e308.
pub(super) fn fits_double(number: &[u8]) -> bool {
    const LARGEST_EXPONENT: i64 = 308;
    // Its first digits, as many as a double tells apart; more than these round to it or to infinity.
    const LARGEST: &[u8; 17] = b"17976931348623157";
    let exponent_at = number.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = number.split_at(exponent_at.unwrap_or(number.len()));
    let mut digits = [b'0'; LARGEST.len()];
    let mut significant = 0;
    let mut magnitude: i64 = -1;
    let mut in_fraction = false;
    for byte in mantissa {
        match byte {
            b'.' => in_fraction = true,
            b'0'..=b'9' => {
                if significant > 0 || *byte != b'0' {
                    if let Some(digit) = digits.get_mut(significant) {
                        *digit = *byte;
                    }
                    significant += 1;
                    magnitude += i64::from(!in_fraction);
                } else if in_fraction {
                    magnitude -= 1;
                }
            }
            _ => {}
        }
    }
    if significant == 0 {
        return true;
    }
    let exponent = match exponent {
        [] => 0,
        [_, digits @ ..] => {
            let text = core::str::from_utf8(digits).unwrap_or_default();
            let beyond = if digits.first() == Some(&b'-') {
                i64::MIN
            } else {
                i64::MAX
            };
            text.parse().unwrap_or(beyond)
        }
    };
    match magnitude.saturating_add(exponent) {
        ..LARGEST_EXPONENT => true,
        LARGEST_EXPONENT => digits <= *LARGEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::write::push_string;
    use alloc::string::String;
    use alloc::{format, vec};
    use proptest::prelude::*;

    /// The values that the encoder can be given.
    #[derive(Clone, Debug)]
    enum Value {
        /// Written as it is: nil, booleans, integers, floats as `printf` has them.
        Bare(String),
        Text(String),
        Extension(Vec<u8>),
        Array(Vec<Value>),
        Map(Vec<(Value, Value)>),
    }

    /// Writes as the encoder does.
    fn encode(value: &Value, separator: &str, out: &mut Vec<u8>) {
        match value {
            Value::Bare(token) => out.extend_from_slice(token.as_bytes()),
            Value::Text(text) => push_string(out, text.as_bytes()),
            Value::Extension(bytes) => {
                out.push(b'"');
                for byte in bytes {
                    out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
                }
                out.push(b'"');
            }
            Value::Array(values) => {
                out.push(b'[');
                for (index, value) in values.iter().enumerate() {
                    out.extend_from_slice(if index > 0 { separator } else { "" }.as_bytes());
                    encode(value, separator, out);
                }
                out.push(b']');
            }
            Value::Map(members) => {
                out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.extend_from_slice(if index > 0 { separator } else { "" }.as_bytes());
                    encode(key, separator, out);
                    out.push(b':');
                    encode(value, separator, out);
                }
                out.push(b'}');
            }
        }
    }

    fn text() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<String>(),
            "[a-z\\\\\"x:,{}]{0,60}",
            Just(String::from("\\x41")),
            Just(String::from("nan:1,{inf}\\\\")),
        ]
        .prop_map(Value::Text)
    }

    fn bare() -> impl Strategy<Value = Value> {
        prop_oneof![
            prop::sample::select(vec![
                "null",
                "true",
                "false",
                "0",
                "-5",
                "18446744073709551615",
                "1700000000.125",
                "nan",
                "-nan",
                "inf",
                "-inf",
                "1e+20",
                "1.797693134862316e+308",
                "1.797693134862315e+308",
                "1e+400",
                "-1e+400",
                "4.9e-324",
                "1e-400",
            ])
            .prop_map(|token| Value::Bare(token.into())),
            any::<i64>().prop_map(|number| Value::Bare(format!("{number}"))),
        ]
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let extension = prop::collection::vec(any::<u8>(), 0..4).prop_map(Value::Extension);
        prop_oneof![4 => text(), 2 => bare(), 1 => extension].prop_recursive(4, 24, 5, |inner| {
            let key = prop_oneof![12 => text(), 1 => bare(), 1 => inner.clone()];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec((key, inner), 0..5).prop_map(Value::Map),
            ]
        })
    }

    fn is_valid(bytes: &[u8]) -> bool {
        serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|value| value.is_object())
    }

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

        #[test]
        fn is_true_of_valid_json_only(
            members in prop::collection::vec((prop_oneof![12 => text(), 1 => bare()], any_value()), 0..6),
            tight in any::<bool>(),
        ) {
            let mut record = Vec::new();
            encode(&Value::Map(members), if tight { "," } else { ", " }, &mut record);
            let shown = String::from_utf8_lossy(&record);
            prop_assert!(!looks_safe(&record) || is_valid(&record), "{}", shown);
            prop_assert_eq!(is_safe_object(&record), is_valid(&record), "{}", shown);
            let mut out = Vec::new();
            if repair(&record, &mut out) {
                prop_assert!(is_valid(&out), "{}", shown);
                if is_valid(&record) {
                    prop_assert_eq!(&out, &record);
                }
            }
        }

        #[test]
        fn takes_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80), inside in "[a-z0-9\\\\\",:\\[\\]{}. -]{0,80}") {
            let mut out = Vec::new();
            for bytes in [bytes, format!("{{{inside}}}").into_bytes()] {
                is_safe_object(&bytes);
                if repair(&bytes, &mut out) {
                    prop_assert!(is_object(&out));
                }
                out.clear();
            }
        }
    }
}
