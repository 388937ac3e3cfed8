//! Decodes JSON strings: undoes escapes and makes valid text of whatever they hold.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// The text of a string, given the raw bytes between its quotes. Borrowed if nothing was escaped. Half a
/// surrogate pair, an escape that does not exist and bytes that are not UTF-8 become U+FFFD.
pub fn decode(raw: &[u8]) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', raw) else {
        return decode_plain(raw);
    };
    let mut text = Vec::with_capacity(raw.len());
    let (clean, mut rest) = raw.split_at(first);
    text.extend_from_slice(clean);
    while !rest.is_empty() {
        match rest.first() {
            Some(b'\\') => rest = decode_escape(rest, &mut text),
            _ => {
                let (clean, tail) =
                    rest.split_at(memchr::memchr(b'\\', rest).unwrap_or(rest.len()));
                text.extend_from_slice(clean);
                rest = tail;
            }
        }
    }
    Cow::Owned(into_text(text))
}

/// As [`decode`], for raw bytes that are known to hold no escape.
#[inline]
pub fn decode_plain(raw: &[u8]) -> Cow<'_, str> {
    // Nearly all text is UTF-8; checking that is many times quicker than mending what is not.
    match core::str::from_utf8(raw) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(raw),
    }
}

/// The text of an array of bytes, as journald writes a message that holds control characters: `[77,97]`.
/// `None` unless every element is an integer from 0 to 255.
pub fn decode_byte_array(json: &[u8]) -> Option<String> {
    let inside = json
        .trim_ascii()
        .strip_prefix(b"[")?
        .strip_suffix(b"]")?
        .trim_ascii();
    let mut text = Vec::with_capacity(inside.len() / 3);
    if !inside.is_empty() {
        for element in inside.split(|&byte| byte == b',') {
            let digits = element.trim_ascii();
            let mut value = 0u8;
            for digit in digits {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
                value = value.checked_mul(10)?.checked_add(digit)?;
            }
            if digits.is_empty() {
                return None;
            }
            text.push(value);
        }
    }
    Some(into_text(text))
}

/// Takes valid UTF-8 as it is, without a copy.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Appends what the escape at the head of `raw` stands for; answers what follows it.
pub(crate) fn decode_escape<'a>(raw: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let (byte, rest) = match raw {
        [b'\\', b'u', rest @ ..] => return decode_unicode(rest, text),
        [b'\\', b'n', rest @ ..] => (b'\n', rest),
        [b'\\', b't', rest @ ..] => (b'\t', rest),
        [b'\\', b'r', rest @ ..] => (b'\r', rest),
        [b'\\', b'b', rest @ ..] => (0x08, rest),
        [b'\\', b'f', rest @ ..] => (0x0c, rest),
        [b'\\', byte @ (b'"' | b'\\' | b'/'), rest @ ..] => (*byte, rest),
        _ => {
            push_char(text, char::REPLACEMENT_CHARACTER);
            return raw.get(1..).unwrap_or_default();
        }
    };
    text.push(byte);
    rest
}

/// As [`decode_escape`], behind a `\u`.
fn decode_unicode<'a>(raw: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let Some((unit, rest)) = code_unit(raw) else {
        push_char(text, char::REPLACEMENT_CHARACTER);
        return raw;
    };
    if let 0xd800..=0xdbff = unit
        && let [b'\\', b'u', next @ ..] = rest
        && let Some((low @ 0xdc00..=0xdfff, rest)) = code_unit(next)
    {
        let joined = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        push_char(
            text,
            char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER),
        );
        return rest;
    }
    push_char(
        text,
        char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER),
    );
    rest
}

/// Four hexadecimal digits.
fn code_unit(raw: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = raw.split_first_chunk::<4>()?;
    let mut unit = 0;
    for &digit in digits {
        unit = unit << 4 | char::from(digit).to_digit(16)?;
    }
    Some((unit, rest))
}

fn push_char(text: &mut Vec<u8>, character: char) {
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn borrows_where_nothing_is_escaped() {
        assert!(matches!(decode("grün".as_bytes()), Cow::Borrowed("grün")));
    }

    #[test]
    fn makes_text_of_anything() {
        for (raw, text) in [
            (br#"a\u003cb\/\n\"\\"#.as_slice(), "a<b/\n\"\\"),
            (br"\ud83d\ude00", "😀"),
            (br"\ud83d", "\u{fffd}"),
            (br"\ude00\ud83dx", "\u{fffd}\u{fffd}x"),
            (br"\ud83d\ud83d\ude00", "\u{fffd}😀"),
            (br"\u12", "\u{fffd}12"),
            (br"\x", "\u{fffd}x"),
            (b"\\", "\u{fffd}"),
            (b"a\xffb", "a\u{fffd}b"),
            (b"a\xff\\tb", "a\u{fffd}\tb"),
        ] {
            assert_eq!(decode(raw), text);
        }
    }

    #[test]
    fn reads_byte_arrays() {
        assert_eq!(decode_byte_array(b"[77, 97,120 ]").as_deref(), Some("Max"));
        assert_eq!(decode_byte_array(b"[]").as_deref(), Some(""));
        assert_eq!(decode_byte_array(b"[255]").as_deref(), Some("\u{fffd}"));
        for broken in ["[256]", "[1,]", "[-1]", "[\"a\"]", "[1.5]", "[[1]]", "77"] {
            assert_eq!(decode_byte_array(broken.as_bytes()), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn undoes_what_serde_json_escapes(text in any::<String>()) {
            let json = serde_json::to_vec(&text).unwrap();
            prop_assert_eq!(decode(&json[1..json.len() - 1]), text);
        }

        #[test]
        fn never_panics(raw in prop::collection::vec(prop_oneof![Just(b'\\'), Just(b'u'), Just(b'd'), any::<u8>()], 0..40)) {
            let _ = decode(&raw);
            let _ = decode_byte_array(&raw);
        }
    }
}
