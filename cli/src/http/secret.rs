//! Reads secrets from files, so that `ps` does not show them, and never prints them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};

/// A file with a secret is no larger than this, in bytes.
const FILE_MAX_BYTES: usize = 16 * 1024;

/// Something that nobody else may know.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Reads a secret: the first line of a file, of visible ASCII characters.
    ///
    /// # Errors
    /// A sentence that names the file and not what is in it.
    pub fn read(path: &Path) -> Result<Secret, String> {
        let name = path.display();
        let text = fs::read(path).map_err(|error| {
            format!("cannot read the secret in {name}: {error}; name a file that can be read")
        })?;
        let line = text.trim_ascii();
        let fits = line.len() <= FILE_MAX_BYTES && !line.is_empty();
        match std::str::from_utf8(line) {
            Ok(line) if fits && line.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Secret(line.to_string()))
            }
            _ => Err(format!(
                "the secret in {name} must be one line of visible ASCII characters; write it there anew"
            )),
        }
    }

    /// The header `Authorization` with it, which is marked so that nobody prints it.
    pub fn authorization(&self, scheme: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{scheme} {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The same for a user and a password, written `USER:PASSWORD`.
    pub fn basic(&self) -> Option<HeaderValue> {
        Secret(base64(self.0.as_bytes())).authorization("Basic")
    }

    /// Whether a header `Authorization` has it as its bearer token. How long this takes does not tell how
    /// much of it was right.
    pub fn is_bearer(&self, value: Option<&HeaderValue>) -> bool {
        let Some((scheme, token)) = value
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
        else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer")
            && Sha256::digest(token.trim()) == Sha256::digest(&self.0)
    }
}

/// A file with what the next hop knows us by.
#[derive(Clone, Debug)]
pub enum OutputKey {
    /// A bearer token.
    Token(PathBuf),
    /// An API key of Elasticsearch, encoded.
    ApiKey(PathBuf),
    /// `USER:PASSWORD`.
    Basic(PathBuf),
}

impl OutputKey {
    /// The header that shows it.
    ///
    /// # Errors
    /// The file can't be read, or holds no secret.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        Ok(match self {
            OutputKey::Token(path) => Secret::read(path)?.authorization("Bearer"),
            OutputKey::ApiKey(path) => Secret::read(path)?.authorization("ApiKey"),
            OutputKey::Basic(path) => Secret::read(path)?.basic(),
        })
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..4 {
            let six = (bits >> (18 - 6 * digit)) & 63;
            let byte = DIGITS.get(six as usize).filter(|_| digit <= group.len());
            text.push(char::from(*byte.unwrap_or(&b'=')));
        }
    }
    text
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_encoded() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foo>?", "Zm9vPj8="),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        let header = Secret("u:p".to_string()).basic().unwrap();
        assert_eq!(header.to_str().unwrap(), "Basic dTpw");
    }

    #[test]
    fn only_the_right_token_is_taken_and_it_is_not_printed() {
        let secret = Secret("s3cret".to_string());
        let is = |value: &'static str| secret.is_bearer(Some(&HeaderValue::from_static(value)));
        assert!(is("Bearer s3cret") && is("bearer s3cret"));
        assert!(
            !is("Bearer s3cre") && !is("Bearer s3cret2") && !is("Basic s3cret") && !is("s3cret")
        );
        assert!(!secret.is_bearer(None));
        let header = secret.authorization("Bearer").unwrap();
        assert!(secret.is_bearer(Some(&header)));
        assert!(!format!("{secret:?} {header:?}").contains("s3cret"));
    }
}
