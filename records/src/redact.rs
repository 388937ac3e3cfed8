//! Replaces user names by a keyed hash: unreadable, yet still comparable.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::bytes::split_at;
use crate::json::scan::{JsonType, Malformed, Scanner};
use crate::json::string::{decode, decode_byte_array, decode_escape, decode_plain};
use crate::json::write::{hex_digit, push_string};

/// Texts hold JSON that holds JSON; a name is looked for behind so many levels of escapes.
const LEVELS_MAX: u32 = 8;
/// Keys that say what a value is and not whose: a user who is named like one takes none of them away.
const KEYS: [&str; 20] = [
    "message",
    "log",
    "MESSAGE",
    "msg",
    "time",
    "timestamp",
    "host",
    "hostname",
    "name",
    "ip",
    "port",
    "path",
    "event",
    "service",
    "network",
    "user",
    "source",
    "destination",
    "related",
    "maxconn",
];
/// So many names of a record, or of a text, become hashes; each further one, as only an attacker's record has them,
/// becomes [`HIDDEN`], so that what comes out is not many times as large as what came in.
const HASHES_MAX: usize = 256;
/// What a name becomes where there are too many.
const HIDDEN: &str = "*";
/// Of names longer than this, in bytes, occurrences that overlap are not looked for, which would take for ever.
const OVERLAPPING_MAX_BYTES: usize = 256;

/// Replaces user names by their HMAC-SHA256 under the configured key.
#[derive(Clone)]
pub struct Redactor {
    keyed: Hmac<Sha256>,
}

impl core::fmt::Debug for Redactor {
    /// Says nothing of the key.
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Redactor")
    }
}

impl Redactor {
    /// A redactor with this key, of any length.
    pub fn new(key: &str) -> Redactor {
        // HMAC takes keys of every length; the default stands in for the error that can't be.
        let keyed = Hmac::new_from_slice(key.as_bytes())
            .unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()));
        Redactor { keyed }
    }

    /// The hash of a user name: 64 hexadecimal digits.
    pub fn hash(&self, user: &str) -> String {
        let mut hash = String::with_capacity(64);
        for byte in self.code(b"", user.as_bytes()) {
            hash.push(char::from(hex_digit(byte >> 4)));
            hash.push(char::from(hex_digit(byte)));
        }
        hash
    }

    /// An id made from what names a user, as it may be told: nobody without the key can try names against it.
    pub fn id(&self, id: u128) -> u128 {
        // No name begins with this byte, for it is not UTF-8.
        let code = self.code(&[0xff], &id.to_be_bytes());
        code.first_chunk().map_or(0, |id| u128::from_be_bytes(*id))
    }

    #[inline(never)]
    fn code(&self, prefix: &[u8], bytes: &[u8]) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        keyed.update(prefix);
        keyed.update(bytes);
        keyed.finalize().into_bytes().into()
    }

    /// `message` with the hash of `user` in place of each of its occurrences that stands on its own: one
    /// without an ASCII letter or digit of the text directly before or behind it (at an end of the name
    /// that is neither itself, anything may adjoin). So `user=<NAME>` is always caught, in `NAME@host` the
    /// name is, and a name that is part of a longer word is not. A name that is also a word of the
    /// message takes that word with it: better a word too many hidden than a name too few. So is a name whose own
    /// characters are escaped, as in JSON within the message, and JSON within that, some levels deep.
    pub fn redact_message(&self, message: &str, user: &str) -> String {
        let mut left = HASHES_MAX;
        replace(message, user, &self.hash(user), &mut left).unwrap_or_else(|| message.into())
    }

    /// Appends the record with every string and key at any depth treated as [`Redactor::redact_message`] does,
    /// journald's byte arrays too, which become strings where they hold the name. Strings without the name, numbers
    /// and whitespace stay byte for byte. `false`, and nothing appended, if the record is malformed.
    pub(crate) fn redact_record(
        &self,
        record: &[u8],
        user: &str,
        hash: &str,
        out: &mut Vec<u8>,
    ) -> bool {
        let start = out.len();
        let mut walk = Walk {
            scanner: Scanner::new(record),
            record,
            copied: 0,
            user,
            hash,
            changes_keys: !KEYS.contains(&user),
            left: HASHES_MAX,
            out,
        };
        let walked = walk.value().and_then(|()| walk.scanner.end());
        match walked {
            Ok(()) => walk.copy_to(record.len()),
            Err(Malformed { .. }) => walk.out.truncate(start),
        }
        walked.is_ok()
    }
}

/// `text` with `hash` for `user` where that stands on its own, with or without escapes, and [`HIDDEN`] once none are
/// `left`; `None` if it does nowhere.
fn replace(text: &str, user: &str, hash: &str, left: &mut usize) -> Option<String> {
    let mut spans = spans(text, user, LEVELS_MAX);
    if spans.is_empty() && user.contains('"') {
        // CSV has two quotes for each.
        let mut quoted = String::new();
        for char in user.chars() {
            quoted.push(char);
            if char == '"' {
                quoted.push(char);
            }
        }
        spans = self::spans(text, &quoted, LEVELS_MAX);
    }
    let end = spans.last()?.end;
    let mut replaced = String::new();
    let mut copied = 0;
    for span in spans {
        replaced.push_str(text.get(copied..span.start).unwrap_or_default());
        replaced.push_str(if *left > 0 { hash } else { HIDDEN });
        *left = left.saturating_sub(1);
        copied = span.end;
    }
    replaced.push_str(text.get(end..).unwrap_or_default());
    Some(replaced)
}

/// Where `user` stands on its own in `text` or in what `text` says once its escapes are undone, so many levels deep; in
/// order, and none of them touches another.
fn spans(text: &str, user: &str, levels: u32) -> Vec<Range<usize>> {
    let mut plain = Vec::new();
    plain_spans(text, user, &mut plain);
    if levels == 0 || memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return plain;
    }
    let mut escaped = Vec::new();
    escaped_spans(text, user, levels - 1, &mut escaped);
    let mut plain = plain.into_iter().peekable();
    let mut escaped = escaped.into_iter().peekable();
    let mut spans: Vec<Range<usize>> = Vec::new();
    loop {
        let is_plain = match (plain.peek(), escaped.peek()) {
            (Some(plain), Some(escaped)) => plain.start < escaped.start,
            (plain, _) => plain.is_some(),
        };
        let next = if is_plain {
            plain.next()
        } else {
            escaped.next()
        };
        let Some(next) = next else { return spans };
        match spans.last_mut() {
            Some(last) if next.start < last.end => last.end = last.end.max(next.end),
            _ => spans.push(next),
        }
    }
}

fn plain_spans(text: &str, user: &str, spans: &mut Vec<Range<usize>>) {
    let (Some(first), Some(last)) = (user.bytes().next(), user.bytes().next_back()) else {
        return;
    };
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| split_at(rest, user)) {
        let start = from + found.0.len();
        let end = start + user.len();
        let before = start.checked_sub(1).and_then(|at| text.as_bytes().get(at));
        let behind = text.as_bytes().get(end);
        if joins(before, first) || joins(behind, last) {
            // Occurrences may overlap: go on behind the first character only.
            from = match user.len() {
                ..=OVERLAPPING_MAX_BYTES => start + user.chars().next().map_or(1, char::len_utf8),
                _ => end,
            };
        } else {
            spans.push(start..end);
            from = end;
        }
    }
}

/// Looks behind one level of escapes: docker's `<NAME` is `\u003cNAME`, and an encoder that writes ASCII has more.
#[cold]
#[inline(never)]
fn escaped_spans(text: &str, user: &str, levels: u32, spans: &mut Vec<Range<usize>>) {
    let mut rest = text.as_bytes();
    let mut decoded = Vec::new();
    let mut done = 0;
    for span in self::spans(&decode(rest), user, levels) {
        // What is before the span, and then the span itself; one character may come of several.
        let mut step = |until: usize| {
            while done < until {
                decoded.clear();
                match rest {
                    [b'\\', ..] => rest = decode_escape(rest, &mut decoded),
                    _ => rest = rest.get(1..).unwrap_or_default(),
                }
                done += decoded.len().max(1);
            }
            text.len() - rest.len()
        };
        let start = step(span.start);
        spans.push(start..step(span.end));
    }
}

/// Whether a neighbour makes the end of a name part of a longer word.
fn joins(neighbour: Option<&u8>, end: u8) -> bool {
    end.is_ascii_alphanumeric() && neighbour.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// A walk over a whole record. It recurses as deep as the scanner lets it ([`crate::json::MAX_DEPTH`]).
struct Walk<'r, 'o> {
    scanner: Scanner<'r>,
    record: &'r [u8],
    /// What is before this position is written.
    copied: usize,
    user: &'o str,
    hash: &'o str,
    changes_keys: bool,
    /// How many hashes may still be written.
    left: usize,
    out: &'o mut Vec<u8>,
}

impl Walk<'_, '_> {
    fn value(&mut self) -> Result<(), Malformed> {
        match self.scanner.kind()? {
            JsonType::Object => {
                let mut members = self.scanner.begin_object()?;
                loop {
                    let before = self.scanner.position();
                    let Some(key) = self.scanner.next_key(&mut members)? else {
                        break;
                    };
                    if self.changes_keys {
                        self.put_key(before, &key);
                    }
                    self.value()?;
                }
            }
            JsonType::Array => {
                if self.byte_array()? {
                    return Ok(());
                }
                let mut elements = self.scanner.begin_array()?;
                while self.scanner.next_element(&mut elements)? {
                    self.value()?;
                }
            }
            JsonType::String => {
                let start = self.scanner.position();
                let text = decode(self.scanner.string()?.0);
                self.put(start, &text);
            }
            JsonType::Number | JsonType::Literal => {
                self.scanner.skip_value()?;
            }
        }
        Ok(())
    }

    /// Treats the array that comes next as a text, if it is one of bytes: journald writes every field that is not
    /// plain text like that.
    fn byte_array(&mut self) -> Result<bool, Malformed> {
        let mut ahead = self.scanner.clone();
        let range = ahead.skip_value()?;
        let Some(text) = decode_byte_array(self.record.get(range.clone()).unwrap_or_default())
        else {
            return Ok(false);
        };
        self.scanner = ahead;
        self.put(range.start, &text);
        Ok(true)
    }

    /// Writes the text of the value between `start` and the cursor anew, if it holds the name.
    fn put(&mut self, start: usize, text: &str) {
        if let Some(replaced) = replace(text, self.user, self.hash, &mut self.left) {
            self.copy_to(start);
            push_string(self.out, replaced.as_bytes());
            self.copied = self.scanner.position();
        }
    }

    /// Writes a key that comes somewhere behind `before` anew, with its colon, if it holds the name.
    fn put_key(&mut self, before: usize, key: &[u8]) {
        let Some(replaced) = replace(&decode_plain(key), self.user, self.hash, &mut self.left)
        else {
            return;
        };
        let ahead = self.record.get(before..).unwrap_or_default();
        self.copy_to(before + memchr::memchr(b'"', ahead).unwrap_or(0));
        push_string(self.out, replaced.as_bytes());
        self.out.push(b':');
        self.copied = self.scanner.position();
    }

    fn copy_to(&mut self, end: usize) {
        self.out
            .extend_from_slice(self.record.get(self.copied..end).unwrap_or_default());
        self.copied = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_support::data::rows;

    #[test]
    fn hashes_as_rfc_4231_does() {
        // Test case 2 of RFC 4231.
        assert_eq!(
            Redactor::new("Jefe").hash("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(alloc::format!("{:?}", Redactor::new("secret")), "Redactor");
        let id = Redactor::new("Jefe").id(1);
        assert_ne!(id, Redactor::new("other").id(1));
        assert_ne!(id, Redactor::new("Jefe").id(2));
    }

    #[test]
    fn replaces_names_that_stand_on_their_own() {
        for [text, user, expected] in rows(
            r##"
            user=<ann>, rip=::1                 | ann    | user=<#>, rip=::1
            user=ann, ann@x, annex, Joann, ann  | ann    | user=#, #@x, annex, Joann, #
            user=<a a>                          | a      | user=<# #>
            x>, yz                              | >, y   | -
            x>, y z                             | >, y   | x# z
            ünn ü                               | ü      | #nn #
            aaa aa                              | aa     | aaa #
            user=\u003cann\u003e                | ann    | user=\u003c#\u003e
            \nann \xann \u00gcann               | ann    | \n# \xann \u00gcann
            nothing                             |        | -
            \\\\nann \\xann                     | ann    | \\\\n# \\xann
            <j\u00fcrgen> J\u00FCrgen           | jürgen | <#> J\u00FCrgen
            a\u003cb a\\u003cb a\\\\u003cb xa<b | a<b    | # # # xa<b
            D\nils D\\nils                      | D\nils | # #
            D\nils                              | nils   | D\#
            \ud83d\ude00 \ud83d                 | 😀      | # \ud83d
            1,"a""b",2                          | a"b    | 1,"#",2
            1,\"a\"\"b\",2                      | a"b    | 1,\"#\",2"##,
        ) {
            let found = replace(text, user, "#", &mut 9);
            assert_eq!(found.as_deref().unwrap_or("-"), expected, "{text}");
        }
    }

    #[test]
    fn leaves_all_else_in_a_record_as_it_was() {
        let record = br#" {"an": 1e400, "x" :{"by \u0061nn" : {"ann":[]}}, "message":"user=<\u0061nn>\u003c", "x":[{"y":"ann"},"a\/b"],"MESSAGE":[97,110,110,10],"RAW":[60,97,110,110],"n":[1,[97]]} "#;
        let mut out = Vec::new();
        let redactor = Redactor::new("key");
        assert!(redactor.redact_record(record, "ann", "#", &mut out));
        assert_eq!(
            core::str::from_utf8(&out),
            Ok(
                r##" {"an": 1e400, "x" :{"by #":{"#":[]}}, "message":"user=<#><", "x":[{"y":"#"},"a\/b"],"MESSAGE":"#\n","RAW":"<#","n":[1,[97]]} "##
            )
        );
        out.clear();
        // A user may be named like what every record has.
        assert!(redactor.redact_record(br#"{"message":"message"}"#, "message", "#", &mut out));
        assert_eq!(out, br##"{"message":"#"}"##);
        out.clear();
        assert!(!redactor.redact_record(br#"{"a":"ann","b":}"#, "ann", "#", &mut out));
        assert!(out.is_empty());
    }
}
