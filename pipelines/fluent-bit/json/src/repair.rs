//! Makes JSON of what Fluent Bit's encoder wrote.

use maxconn_records::json::MAX_DEPTH;
use maxconn_records::json::scan::{JsonType, Scanner};
use maxconn_records::json::write::{clean_prefix, push_string};

use crate::{fits_double, token_len};

/// One pass from what the encoder wrote to JSON.
pub(super) struct Repair<'a, 'o> {
    /// What is not read yet.
    pub(super) rest: &'a [u8],
    /// Where it goes.
    pub(super) out: &'o mut Vec<u8>,
}

impl Repair<'_, '_> {
    /// Writes the whole record anew; `None` where nothing helps.
    pub(super) fn run(&mut self) -> Option<()> {
        // One bit for each open object (1) or array (0), the innermost lowest.
        let mut objects: u128 = 0;
        let mut depth = 0;
        let mut key_due = false;
        loop {
            let byte = *self.rest.first()?;
            match byte {
                b'{' | b'[' => {
                    // A key that is a map or an array has no form as a string that anybody expects.
                    if key_due || depth >= MAX_DEPTH {
                        return None;
                    }
                    depth += 1;
                    objects = objects << 1 | u128::from(byte == b'{');
                    key_due = byte == b'{';
                    self.copy(1);
                }
                b'}' | b']' => {
                    depth = u32::checked_sub(depth, 1)?;
                    objects >>= 1;
                    key_due = false;
                    self.copy(1);
                    if depth == 0 {
                        self.copy(self.rest.len());
                        return Some(());
                    }
                }
                b',' => {
                    key_due = objects & 1 == 1;
                    self.copy(1);
                }
                b':' => {
                    key_due = false;
                    self.copy(1);
                }
                b' ' | b'\n' | b'\r' | b'\t' => self.copy(1),
                b'"' => self.string()?,
                _ => self.token(key_due)?,
            }
        }
    }

    fn copy(&mut self, len: usize) {
        let (copied, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.out.extend_from_slice(copied);
        self.rest = rest;
    }

    fn string(&mut self) -> Option<()> {
        self.copy(1);
        loop {
            self.copy(clean_prefix(self.rest));
            match self.rest {
                [b'"', ..] => {
                    self.copy(1);
                    return Some(());
                }
                [b'\\', b'x', ..] => {
                    self.out.push(b'\\');
                    self.copy(2);
                }
                [b'\\', _, ..] => self.copy(2),
                _ => return None,
            }
        }
    }

    /// A bare token: quoted as a key, `null` where it stands for a number that JSON has no word for.
    fn token(&mut self, is_key: bool) -> Option<()> {
        let (token, rest) = self.rest.split_at(token_len(self.rest));
        self.rest = rest;
        if is_key {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b".+-".contains(byte);
            if token.is_empty() || !token.iter().all(plain) {
                return None;
            }
            push_string(self.out, token);
            return Some(());
        }
        let mut scanner = Scanner::new(token);
        let kind = scanner.kind();
        let is_valid = scanner.skip_value().is_ok() && scanner.end().is_ok();
        let word = token.strip_prefix(b"-").unwrap_or(token);
        if is_valid && (kind == Ok(JsonType::Literal) || fits_double(token)) {
            self.out.extend_from_slice(token);
        } else if is_valid || word.eq_ignore_ascii_case(b"nan") || word.eq_ignore_ascii_case(b"inf")
        {
            self.out.extend_from_slice(b"null");
        } else {
            return None;
        }
        Some(())
    }
}
