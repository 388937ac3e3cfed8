//! Reads secrets from files, so that `ps` does not show them, and never prints them.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use hyper::header::HeaderValue;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::log;

/// A file with a secret is no larger than this, in bytes.
const FILE_MAX_BYTES: usize = 16 * 1024;

/// Why there is no secret. Both name the file, and not what is in it.
#[derive(Debug, Error)]
pub enum SecretError {
    #[error("cannot read the secret in {path}: {1}; name a file that can be read", path = .0.display())]
    Unreadable(PathBuf, io::Error),
    #[error("the secret in {} must be one line of visible ASCII characters; write it there anew", .0.display())]
    NotALine(PathBuf),
}

/// Something that nobody else may know.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Reads a secret: the first line of a file, of visible ASCII characters.
    pub fn read(path: &Path) -> Result<Secret, SecretError> {
        let text = fs::read(path);
        let text = text.map_err(|error| SecretError::Unreadable(path.to_path_buf(), error))?;
        warn_of_others(path);
        let line = text.trim_ascii();
        let fits = line.len() <= FILE_MAX_BYTES && !line.is_empty();
        match std::str::from_utf8(line) {
            Ok(line) if fits && line.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Secret(line.to_string()))
            }
            _ => Err(SecretError::NotALine(path.to_path_buf())),
        }
    }

    /// What it is.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The header `Authorization` with it, which is marked so that nobody prints it.
    pub fn authorization(&self, scheme: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{scheme} {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The same for a user and a password, written `USER:PASSWORD`.
    pub fn basic(&self) -> Option<HeaderValue> {
        Secret(BASE64.encode(self.0.as_bytes())).authorization("Basic")
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

/// Says that others than its owner and group can read a secret.
fn warn_of_others(path: &Path) {
    let Ok(metadata) = fs::metadata(path) else {
        return;
    };
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o004 != 0 {
        log::warn!(
            file = %path.display(),
            "everybody on this machine can read the secret in {} (mode {mode:o}); chmod 600 it, or 640",
            path.display()
        );
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
    /// Whether it may have changed: a pipe gives what it has once, and whoever reads it again waits.
    pub(crate) fn can_change(&self) -> bool {
        let (OutputKey::Token(path) | OutputKey::ApiKey(path) | OutputKey::Basic(path)) = self;
        path.is_file()
    }

    /// The header that shows it.
    ///
    /// # Errors
    /// The file can't be read, or holds no secret.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, SecretError> {
        Ok(match self {
            OutputKey::Token(path) => Secret::read(path)?.authorization("Bearer"),
            OutputKey::ApiKey(path) => Secret::read(path)?.authorization("ApiKey"),
            OutputKey::Basic(path) => Secret::read(path)?.basic(),
        })
    }
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
