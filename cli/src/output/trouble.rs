//! What keeps the next hop from taking something.

use std::io;
use std::mem::{Discriminant, discriminant};

use hyper::StatusCode;
use thiserror::Error;

use super::dead::DeadLetterError;
use crate::address::{HttpAddress, LinesAddress};
use crate::http::client::ClientError;

/// Why something was not taken, though it may be later. No sentence holds a secret.
#[derive(Debug, Error)]
pub enum Trouble {
    #[error(transparent)]
    Unanswered(#[from] ClientError),
    #[error("{0} answers {1}{2}{3}")]
    Refused(HttpAddress, StatusCode, String, &'static str),
    #[error("{0} answers {1} and not as `_bulk` does ({2}); name an Elasticsearch or OpenSearch")]
    Foreign(HttpAddress, StatusCode, String),
    #[error("{0} does not take documents into {1} now: {2}{mend}", mend = super::elasticsearch::mend_of(.2.status))]
    Document(HttpAddress, String, Reason),
    #[error("{0}; {1}")]
    NoDeadLetters(String, &'static str),
    #[error(transparent)]
    DeadLetters(#[from] DeadLetterError),
    #[error("cannot connect to {0}: {1}")]
    Connect(LinesAddress, io::Error),
    #[error("cannot connect to {0}: no answer")]
    ConnectLate(LinesAddress),
    #[error("the connection to {0} broke: {1}")]
    Broke(LinesAddress, io::Error),
    #[error("{0} reads nothing")]
    ReadsNothing(LinesAddress),
}

/// What a store says of a document that it does not take.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{status} {kind}: {words}")]
pub struct Reason {
    /// The status.
    pub status: u16,
    /// The kind of error, in the store's words.
    pub kind: String,
    /// The reason, in the store's words.
    pub words: String,
}

impl Trouble {
    /// The same for senders, who need not know where the next hop is or what it says: "it is …".
    pub fn for_senders(&self) -> &'static str {
        match self {
            Trouble::Unanswered(error) if error.broke() => "its connection broke",
            Trouble::Unanswered(_) => "it cannot be reached or does not answer",
            Trouble::Refused(_, status, ..) => match status.as_u16() {
                401 | 403 => "it refuses our key",
                429 | 503 => "it is too busy",
                _ => "it answers with an error",
            },
            Trouble::Foreign(..) => "it answers with an error",
            Trouble::Document(..) => "it does not take some documents now",
            Trouble::NoDeadLetters(..) | Trouble::DeadLetters(_) => {
                "it refuses a document, which cannot be set aside"
            }
            Trouble::Connect(..)
            | Trouble::ConnectLate(_)
            | Trouble::Broke(..)
            | Trouble::ReadsNothing(_) => "it cannot be reached or reads nothing",
        }
    }

    /// Whether this is what happened before, whatever figures and words come with it.
    pub fn is_like(&self, other: &Trouble) -> bool {
        self.cause() == other.cause()
    }

    fn cause(
        &self,
    ) -> (
        Discriminant<Trouble>,
        Option<Discriminant<ClientError>>,
        u16,
    ) {
        let (client, status) = match self {
            Trouble::Unanswered(error) => (Some(discriminant(error)), 0),
            Trouble::Refused(_, status, ..) | Trouble::Foreign(_, status, _) => {
                (None, status.as_u16())
            }
            Trouble::Document(_, _, reason) => (None, reason.status),
            _ => (None, 0),
        };
        (discriminant(self), client, status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::OutputAddress;

    #[test]
    fn a_cause_is_the_same_whatever_its_words_are_but_for_the_status() {
        let Ok(OutputAddress::Http(address)) = "http://127.0.0.1:1/".parse() else {
            panic!("no address");
        };
        let refused = |status: u16, words: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            Trouble::Refused(address.clone(), status, words.to_string(), "")
        };
        assert!(refused(429, " (bytes=123456)").is_like(&refused(429, " (bytes=98765)")));
        assert!(!refused(429, "").is_like(&refused(401, "")));
        let reads_nothing = Trouble::ReadsNothing(LinesAddress::Tcp(String::new()));
        assert!(!refused(429, "").is_like(&reads_nothing));
    }
}
