//! `http://` and `https://` post lines to the next hop, such as Vector's `http_server` source.

use std::sync::Arc;

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

use super::SendError;
use super::dead::DeadLetters;
use super::delivery::Delivery;
use super::trouble::Trouble;
use crate::http::Body;
use crate::http::client::{Answer, Client, ClientError};
use crate::io::lines::halves;

/// About as much is posted at once, in bytes: small batches that wait go together.
pub const GROUP_BYTES: usize = 512 * 1024;
/// As much of an answer is read, in bytes: its first words may say what is wrong.
const ANSWER_MAX_BYTES: usize = 16 * 1024;
/// As much of it is told, in characters.
const WORDS_MAX: usize = 200;

/// Posts groups.
pub struct HttpOutput {
    client: Client,
    path: String,
    dead: Option<DeadLetters>,
    /// What is left of the group that is being sent; a failure in the midst does not repeat what was taken.
    parts: Vec<Bytes>,
}

impl HttpOutput {
    /// Posts to `path` of an address. What is refused for good goes to `dead`.
    pub fn new(client: Client, path: String, dead: Option<DeadLetters>) -> HttpOutput {
        HttpOutput {
            client,
            path,
            dead,
            parts: Vec::new(),
        }
    }

    /// The address.
    pub fn name(&self) -> String {
        self.client.address().to_string()
    }

    /// Posts a group. One that is too large, or that holds something the next hop refuses, is halved until
    /// it goes through or a single line is left.
    ///
    /// # Errors
    /// It does not go through now.
    pub async fn send(&mut self, group: &[Arc<Delivery>]) -> Result<(), SendError> {
        if self.parts.is_empty() {
            self.parts.push(match group {
                [delivery] => delivery.bytes.clone(),
                // There are several only of small ones.
                _ => {
                    let all: Vec<&[u8]> = group.iter().map(|it| &it.bytes[..]).collect();
                    all.concat().into()
                }
            });
        }
        while let Some(part) = self.parts.pop() {
            if part.is_empty() {
                continue;
            }
            let answer = match self.post(&part).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.parts.push(part);
                    return Err(Trouble::Unanswered(error).into());
                }
            };
            match answer.status.as_u16() {
                200..=299 => {}
                400 | 413 | 422 => match halves(&part) {
                    Some((first, second)) => {
                        let halves = [second, first].map(|half| part.slice_ref(half));
                        self.parts.extend(halves);
                    }
                    None => {
                        let buried = self.bury(&part, &answer);
                        buried.inspect_err(|_| self.parts.push(part))?;
                    }
                },
                _ => {
                    self.parts.push(part);
                    return Err(SendError::Retry {
                        trouble: self.refusal(&answer),
                        after: answer.retry_after,
                    });
                }
            }
        }
        Ok(())
    }

    async fn post(&mut self, part: &Bytes) -> Result<Answer, ClientError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.path.as_str())
            .header(CONTENT_TYPE, "application/x-ndjson");
        let body = Body::new(part.clone());
        self.client.request(request, &body, ANSWER_MAX_BYTES).await
    }

    /// Sets a line aside that the next hop will never take.
    fn bury(&mut self, line: &[u8], answer: &Answer) -> Result<(), Trouble> {
        let (reason, mend) = (
            self.refusal(answer).to_string(),
            "one line is refused for good and holds up the rest: give --dead-letter FILE to set such lines aside",
        );
        DeadLetters::bury(&mut self.dead, reason, line, mend)
    }

    fn refusal(&self, answer: &Answer) -> Trouble {
        let mend = match answer.status.as_u16() {
            300..=399 => "; it has moved, name its new address",
            401 | 403 => {
                "; give a token that it takes with --output-token FILE, which is read again"
            }
            404 | 405 => "; name the path that takes posts",
            _ => "",
        };
        let mut words = words(&answer.body);
        if !words.is_empty() {
            words = format!(" ({words})");
        }
        Trouble::Refused(self.client.address().clone(), answer.status, words, mend)
    }
}

/// The first words of an answer, fit for a log.
pub fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let printable = words.chars().filter(|character| !character.is_control());
    printable.take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answers_words_fit_on_a_line() {
        assert_eq!(words(b" a\n\tb\x1b[31m \xff"), "a b[31m \u{fffd}");
        assert_eq!(words(&[b'x'; 1000]).len(), WORDS_MAX);
    }
}
