//! User names made unreadable, yet still comparable: a keyed hash takes their place.

use alloc::string::String;
use alloc::vec::Vec;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::json::scan::{Kind, Malformed, Scanner};
use crate::json::string::{decode, decode_byte_array};
use crate::json::write::{hex_digit, push_string};
use crate::words::split_at;

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
        let mut keyed = self.keyed.clone();
        keyed.update(user.as_bytes());
        let mut hash = String::with_capacity(64);
        for byte in keyed.finalize().into_bytes() {
            hash.push(char::from(hex_digit(byte >> 4)));
            hash.push(char::from(hex_digit(byte)));
        }
        hash
    }

    /// `message` with the hash of `user` in place of each of its occurrences that stands on its own: one
    /// without an ASCII letter or digit of the text directly before or behind it (at an end of the name
    /// that is neither itself, anything may adjoin). So `user=<NAME>` is always caught, in `NAME@host` the
    /// name is, and a name that is part of a longer word is not. A name that is also a word of the
    /// message takes that word with it: better a word too many hidden than a name too few.
    pub fn redact_message(&self, message: &str, user: &str) -> String {
        replace(message, user, &self.hash(user)).unwrap_or_else(|| message.into())
    }

    /// Appends the record with every string value at any depth treated as [`Redactor::redact_message`] does,
    /// journald's byte arrays too, which become strings where they hold the name. Strings without the name, numbers, keys
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

/// `text` with `hash` for `user` where that stands on its own; `None` if it does nowhere.
fn replace(text: &str, user: &str, hash: &str) -> Option<String> {
    let first = user.bytes().next()?;
    let last = user.bytes().next_back()?;
    let mut replaced = None;
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| split_at(rest, user)) {
        let start = from + found.0.len();
        let end = start + user.len();
        let before = text.as_bytes().get(..start).unwrap_or_default();
        let behind = text.as_bytes().get(end).copied();
        if (joins(before.last().copied(), first) && !ends_in_escape(before)) || joins(behind, last)
        {
            // Occurrences may overlap: go on behind the first character only.
            from = start + user.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let replaced = replaced.get_or_insert_with(String::new);
        replaced.push_str(text.get(copied..start).unwrap_or_default());
        replaced.push_str(hash);
        copied = end;
        from = end;
    }
    let mut replaced = replaced?;
    replaced.push_str(text.get(copied..).unwrap_or_default());
    Some(replaced)
}

/// Whether a neighbour makes the end of a name part of a longer word.
fn joins(neighbour: Option<u8>, end: u8) -> bool {
    end.is_ascii_alphanumeric() && neighbour.is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a text ends in an escape of JSON, as texts do that hold JSON themselves: docker's `<NAME` is `\u003cNAME`.
fn ends_in_escape(text: &[u8]) -> bool {
    if let Some([b'\\', b'u', digits @ ..]) = text.last_chunk::<6>() {
        return digits.iter().all(u8::is_ascii_hexdigit);
    }
    matches!(text, [.., b'\\', b'b' | b'f' | b'n' | b'r' | b't'])
}

/// A walk over a whole record. It recurses as deep as the scanner lets it ([`crate::json::MAX_DEPTH`]).
struct Walk<'r, 'o> {
    scanner: Scanner<'r>,
    record: &'r [u8],
    /// What is before this position is written.
    copied: usize,
    user: &'o str,
    hash: &'o str,
    out: &'o mut Vec<u8>,
}

impl Walk<'_, '_> {
    fn value(&mut self) -> Result<(), Malformed> {
        match self.scanner.kind()? {
            Kind::Object => {
                let mut members = self.scanner.begin_object()?;
                while self.scanner.next_key(&mut members)?.is_some() {
                    self.value()?;
                }
            }
            Kind::Array => {
                if self.byte_array()? {
                    return Ok(());
                }
                let mut elements = self.scanner.begin_array()?;
                while self.scanner.next_element(&mut elements)? {
                    self.value()?;
                }
            }
            Kind::String => {
                let start = self.scanner.position();
                let text = decode(self.scanner.string()?.0);
                self.put(start, &text);
            }
            Kind::Number | Kind::Literal => {
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
        if let Some(replaced) = replace(text, self.user, self.hash) {
            self.copy_to(start);
            push_string(self.out, replaced.as_bytes());
            self.copied = self.scanner.position();
        }
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

    #[test]
    fn hashes_as_rfc_4231_does() {
        // Test case 2 of RFC 4231.
        assert_eq!(
            Redactor::new("Jefe").hash("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(alloc::format!("{:?}", Redactor::new("secret")), "Redactor");
    }

    #[test]
    fn replaces_names_that_stand_on_their_own() {
        for (text, user, expected) in [
            ("user=<ann>, rip=::1", "ann", Some("user=<#>, rip=::1")),
            (
                "user=ann, ann@x, annex, Joann, ann",
                "ann",
                Some("user=#, #@x, annex, Joann, #"),
            ),
            ("user=<a a>", "a", Some("user=<# #>")),
            ("x>, yz", ">, y", None),
            ("x>, y z", ">, y", Some("x# z")),
            ("ünn ü", "ü", Some("#nn #")),
            ("aaa aa", "aa", Some("aaa #")),
            (r"user=\u003cann\u003e", "ann", Some(r"user=\u003c#\u003e")),
            (
                r"\nann \xann \u00gcann",
                "ann",
                Some(r"\n# \xann \u00gcann"),
            ),
            ("nothing", "", None),
        ] {
            assert_eq!(replace(text, user, "#").as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn leaves_all_else_in_a_record_as_it_was() {
        let record = br#" {"ann": 1e400, "message":"user=<\u0061nn>\u003c", "x":[{"y":"ann"},"a\/b"],"MESSAGE":[97,110,110,10],"RAW":[60,97,110,110],"n":[1,[97]]} "#;
        let mut out = Vec::new();
        let redactor = Redactor::new("key");
        assert!(redactor.redact_record(record, "ann", "#", &mut out));
        assert_eq!(
            core::str::from_utf8(&out),
            Ok(
                r##" {"ann": 1e400, "message":"user=<#><", "x":[{"y":"#"},"a\/b"],"MESSAGE":"#\n","RAW":"<#","n":[1,[97]]} "##
            )
        );
        out.clear();
        assert!(!redactor.redact_record(br#"{"a":"ann","b":}"#, "ann", "#", &mut out));
        assert!(out.is_empty());
    }
}
