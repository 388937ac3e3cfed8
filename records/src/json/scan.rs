//! Walks JSON strictly, in one pass and without allocation.
//!
//! A [`Scanner`] is a cursor. Its caller enters the objects whose members matter and skips every other
//! value whole; both check the grammar to the letter, so that what was walked to its end is valid JSON
//! (UTF-8 aside, which [`core::str::from_utf8`] judges faster).

use alloc::borrow::Cow;
use core::ops::Range;

use super::MAX_DEPTH;
use super::write::{may_hold_special, special_bytes};

/// The text is not JSON, or nests deeper than [`MAX_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The position of the byte that can't be there; the length of the text if it ends too early.
    pub at: usize,
}

/// What kind of value comes next, told from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true`, `false` or `null`, unless the text is malformed.
    Literal,
}

/// A cursor over one JSON document.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: u32,
}

/// Where an object's members are up to; one for every object that was entered.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    first: bool,
}

impl<'a> Scanner<'a> {
    /// A cursor at the start of a document.
    pub fn new(bytes: &'a [u8]) -> Scanner<'a> {
        Scanner {
            bytes,
            at: 0,
            depth: 0,
        }
    }

    /// The position of the next byte.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Enters an object.
    pub fn begin_object(&mut self) -> Result<Members, Malformed> {
        self.skip_whitespace();
        self.expect(b'{')?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Malformed { at: self.at - 1 });
        }
        Ok(Members { first: true })
    }

    /// The next member's key, decoded; its value comes next and must be walked. `None` once the object
    /// is closed: then the cursor is behind its brace.
    #[inline]
    pub fn next_key(&mut self, members: &mut Members) -> Result<Option<Cow<'a, [u8]>>, Malformed> {
        if !self.next_member(members, b'}')? {
            return Ok(None);
        }
        let (raw, escaped) = self.string()?;
        self.skip_whitespace();
        self.expect(b':')?;
        self.skip_whitespace();
        Ok(Some(if escaped {
            Cow::Owned(super::string::decode(raw).into_owned().into_bytes())
        } else {
            Cow::Borrowed(raw)
        }))
    }

    /// Enters an array.
    pub fn begin_array(&mut self) -> Result<Members, Malformed> {
        self.skip_whitespace();
        self.expect(b'[')?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Malformed { at: self.at - 1 });
        }
        Ok(Members { first: true })
    }

    /// Whether another element comes, which must be walked then. Once there is none, the cursor is
    /// behind the array's bracket.
    pub fn next_element(&mut self, members: &mut Members) -> Result<bool, Malformed> {
        self.next_member(members, b']')
    }

    /// The kind of the value that comes next.
    #[inline]
    pub fn kind(&mut self) -> Result<JsonType, Malformed> {
        self.skip_whitespace();
        match self.peek() {
            Some(b'"') => Ok(JsonType::String),
            Some(b'{') => Ok(JsonType::Object),
            Some(b'[') => Ok(JsonType::Array),
            Some(b'-' | b'0'..=b'9') => Ok(JsonType::Number),
            Some(b't' | b'f' | b'n') => Ok(JsonType::Literal),
            _ => Err(self.malformed()),
        }
    }

    /// Skips one value, whatever it is; answers where it was.
    #[inline]
    pub fn skip_value(&mut self) -> Result<Range<usize>, Malformed> {
        let kind = self.kind()?;
        let start = self.at;
        match kind {
            JsonType::String => {
                self.string()?;
            }
            JsonType::Object | JsonType::Array => self.skip_nested()?,
            JsonType::Number => self.skip_number()?,
            JsonType::Literal => self.skip_literal()?,
        }
        Ok(start..self.at)
    }

    /// A string that comes next: the raw bytes between its quotes, and whether they hold escapes.
    pub fn string(&mut self) -> Result<(&'a [u8], bool), Malformed> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.skip_escape()?;
                }
                // A control character, or the end of the text.
                _ => return Err(self.malformed()),
            }
        }
        let raw = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok((raw, escaped))
    }

    /// Only whitespace may follow the document.
    pub fn end(&mut self) -> Result<(), Malformed> {
        self.skip_whitespace();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    /// The text of a range that this scanner answered.
    pub fn text(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn malformed(&self) -> Malformed {
        Malformed { at: self.at }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    #[inline]
    fn skip_whitespace(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes the comma or the closing bracket of an object or array; answers whether a member comes.
    #[inline]
    fn next_member(&mut self, members: &mut Members, closing: u8) -> Result<bool, Malformed> {
        self.skip_whitespace();
        if self.peek() == Some(closing) {
            self.at += 1;
            self.depth = self.depth.saturating_sub(1);
            return Ok(false);
        }
        if !members.first {
            self.expect(b',')?;
            self.skip_whitespace();
        }
        members.first = false;
        Ok(true)
    }

    /// Skips the bytes of a string that are neither its end nor an escape: sixteen at a time, then eight.
    #[inline]
    fn skip_plain(&mut self) {
        let mut rest = self.bytes.get(self.at..).unwrap_or_default();
        while let Some((pair, after)) = rest.split_first_chunk::<16>() {
            if may_hold_special(pair) {
                break;
            }
            rest = after;
        }
        self.at = self.bytes.len() - rest.len();
        while let Some(word) = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<8>())
        {
            let marks = special_bytes(u64::from_le_bytes(*word));
            if marks != 0 {
                self.at += (marks.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek() {
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                return;
            }
            self.at += 1;
        }
    }

    #[cold]
    fn skip_escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    match self.peek() {
                        Some(byte) if byte.is_ascii_hexdigit() => self.at += 1,
                        _ => return Err(self.malformed()),
                    }
                }
            }
            _ => return Err(self.malformed()),
        }
        Ok(())
    }

    fn skip_number(&mut self) -> Result<(), Malformed> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.skip_digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.skip_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.skip_digits()?;
        }
        Ok(())
    }

    fn skip_digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(self.malformed())
        }
    }

    fn skip_literal(&mut self) -> Result<(), Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for literal in [b"null".as_slice(), b"true", b"false"] {
            if rest.starts_with(literal) {
                self.at += literal.len();
                return Ok(());
            }
        }
        Err(self.malformed())
    }

    /// Skips an object or array. Which of them is open at each depth is one bit, so that depth costs
    /// no stack.
    fn skip_nested(&mut self) -> Result<(), Malformed> {
        let outside = self.depth;
        // The lowest bit tells the innermost: 1 is an object.
        let mut objects: u128 = 0;
        let mut members = Members { first: true };
        loop {
            // The cursor is at a value: at the start, or after a comma or colon.
            match self.kind()? {
                kind @ (JsonType::Object | JsonType::Array) => {
                    if self.depth >= MAX_DEPTH {
                        return Err(self.malformed());
                    }
                    self.at += 1;
                    self.depth += 1;
                    objects = (objects << 1) | u128::from(kind == JsonType::Object);
                    members = Members { first: true };
                }
                JsonType::String => {
                    self.string()?;
                }
                JsonType::Number => self.skip_number()?,
                JsonType::Literal => self.skip_literal()?,
            }
            // On to the next value, out of everything that closes before it.
            loop {
                let in_object = objects & 1 == 1;
                if self.next_member(&mut members, if in_object { b'}' } else { b']' })? {
                    if in_object {
                        self.string()?;
                        self.skip_whitespace();
                        self.expect(b':')?;
                    }
                    break;
                }
                objects >>= 1;
                members = Members { first: false };
                if self.depth == outside {
                    return Ok(());
                }
            }
        }
    }
}

/// Whether `bytes` are one JSON document, an object; whether its strings are UTF-8 is not judged.
pub fn is_object(bytes: &[u8]) -> bool {
    let mut scanner = Scanner::new(bytes);
    let walked = scanner.kind().and_then(|kind| {
        scanner.skip_value()?;
        scanner.end()?;
        Ok(kind)
    });
    walked == Ok(JsonType::Object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn keys(json: &str) -> Result<Vec<String>, Malformed> {
        let mut scanner = Scanner::new(json.as_bytes());
        let mut members = scanner.begin_object()?;
        let mut keys = Vec::new();
        while let Some(key) = scanner.next_key(&mut members)? {
            keys.push(String::from_utf8_lossy(&key).into_owned());
            scanner.skip_value()?;
        }
        scanner.end()?;
        Ok(keys)
    }

    #[test]
    fn names_members_even_if_escaped() {
        assert_eq!(
            keys(
                " { \"a\" : [ {} , [ ] , \"]\\\"\" ] ,\"\\u0068ost\":{\"b\":-1.5e+3},\"\":null } "
            ),
            Ok(["a", "host", ""].map(String::from).to_vec())
        );
    }

    #[test]
    fn says_where_it_breaks() {
        for (json, at) in [
            ("", 0),
            ("[]", 0),
            ("{\"a\":1,}", 7),
            ("{\"a\":01}", 6),
            ("{\"a\":nan}", 5),
            ("{\"a\":[1}", 7),
            ("{\"a\":\"\n\"}", 6),
            ("{\"a\":\"\\x\"}", 7),
            ("{\"a\" 1}", 5),
            ("{a:1}", 1),
            ("{} {}", 3),
            ("{\"a\":\"b", 7),
        ] {
            assert_eq!(keys(json), Err(Malformed { at }), "{json}");
        }
    }

    #[test]
    fn takes_the_depth_that_serde_json_takes() {
        for depth in [1, 126, 127, 128, 100_000] {
            let mut json = String::from("{\"a\":");
            json.push_str(&"[".repeat(depth - 1));
            json.push('1');
            json.push_str(&"]".repeat(depth - 1));
            json.push('}');
            let taken = serde_json::from_str::<serde_json::Value>(&json).is_ok();
            assert_eq!(keys(&json).is_ok(), taken, "{depth}");
            assert_eq!(is_object(json.as_bytes()), taken, "{depth}");
        }
    }

    /// Text that is nearly JSON.
    fn nearly_json() -> impl Strategy<Value = String> {
        let tokens = r#"{ } [ ] , : "a" "\n" "\ud800" "\u00e" 1 -0.5e3 - 1. true null nul {"a": " "12345678901234567""#;
        let tokens: Vec<&str> = tokens.split(' ').chain([" ", "\u{7f}"]).collect();
        prop::collection::vec(prop::sample::select(tokens), 0..14)
            .prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in nearly_json()) {
            for text in [text.clone(), alloc::format!("{{\"k\":{text}}}")] {
                let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok()
                    && text.trim_start().starts_with('{');
                prop_assert_eq!(is_object(text.as_bytes()), theirs, "{}", text);
                prop_assert_eq!(keys(&text).is_ok(), theirs, "{}", text);
            }
        }
    }
}
