//! `http://` and `https://` post lines to the next hop, such as Vector's `http_server` source.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

use super::dead::DeadLetters;
use super::delivery::Delivery;
use super::{SendError, UNSETTLED, reason};
use crate::http::Pieces;
use crate::http::client::{Answer, Client, Failure};

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
    parts: Vec<Vec<Bytes>>,
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
        self.client.name()
    }

    /// Posts a group. One that is too large, or that holds something the next hop refuses, is halved until
    /// it goes through or a single line is left.
    ///
    /// # Errors
    /// It does not go through now.
    pub async fn send(&mut self, group: &[Arc<Delivery>]) -> Result<(), SendError> {
        if self.parts.is_empty() {
            let all: Vec<Bytes> = group.iter().map(|it| it.bytes.clone()).collect();
            self.parts.push(all);
        }
        while let Some(part) = self.parts.pop() {
            if part.iter().all(Bytes::is_empty) {
                continue;
            }
            let answer = match self.post(&part).await {
                Ok(answer) => answer,
                Err(failure) => {
                    self.parts.push(part);
                    return Err(SendError::Retry {
                        why: failure.why(),
                        sentence: failure.sentence,
                        after: Duration::ZERO,
                    });
                }
            };
            match answer.status.as_u16() {
                200..=299 => {}
                400 | 413 | 422 => match halves(&part) {
                    Some((first, second)) => self.parts.extend([second, first]),
                    None => self.bury(part, &answer)?,
                },
                status => {
                    self.parts.push(part);
                    if matches!(status, 401 | 403) {
                        self.client.read_key_again();
                    }
                    return Err(SendError::Retry {
                        sentence: self.refusal(&answer),
                        why: reason(status),
                        after: answer.retry_after,
                    });
                }
            }
        }
        Ok(())
    }

    async fn post(&mut self, part: &[Bytes]) -> Result<Answer, Failure> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.path.as_str())
            .header(CONTENT_TYPE, "application/x-ndjson");
        let body = Pieces::new(part.iter().cloned());
        self.client.request(request, &body, ANSWER_MAX_BYTES).await
    }

    /// Sets a line aside that the next hop will never take.
    fn bury(&mut self, part: Vec<Bytes>, answer: &Answer) -> Result<(), SendError> {
        let reason = self.refusal(answer);
        let result = match &mut self.dead {
            Some(dead) => dead.write(&reason, &part.concat()),
            None => Err(format!(
                "{reason}; one line is refused for good and holds up the rest: give --dead-letter FILE to set such \
                 lines aside"
            )),
        };
        result.map_err(|sentence| {
            self.parts.push(part);
            SendError::Retry {
                sentence,
                why: UNSETTLED,
                after: Duration::ZERO,
            }
        })
    }

    fn refusal(&self, answer: &Answer) -> String {
        let mend = match answer.status.as_u16() {
            300..=399 => "; it has moved, name its new address",
            401 | 403 => {
                "; give a token that it takes with --output-token FILE, which is read again"
            }
            404 | 405 => "; name the path that takes posts",
            _ => "",
        };
        let words = words(&answer.body);
        let words = if words.is_empty() {
            String::new()
        } else {
            format!(" ({words})")
        };
        format!("{} answers {}{words}{mend}", self.name(), answer.status)
    }
}

/// Two parts of whole lines, `None` if there is but one line.
fn halves(part: &[Bytes]) -> Option<(Vec<Bytes>, Vec<Bytes>)> {
    let total: usize = part.iter().map(Bytes::len).sum();
    let (mut first, mut second, mut taken) = (Vec::new(), Vec::new(), 0);
    for piece in part.iter().filter(|piece| !piece.is_empty()) {
        if taken + piece.len() <= total / 2 {
            first.push(piece.clone());
        } else if taken < total / 2 {
            // The cut is after the line that the middle lies in, or before it if that is the last.
            let middle = total / 2 - taken;
            let after = memchr::memchr(b'\n', &piece[middle..]).map(|at| middle + at + 1);
            let cut = after
                .filter(|at| *at < piece.len())
                .or_else(|| memchr::memrchr(b'\n', &piece[..middle]).map(|at| at + 1))
                .unwrap_or(if first.is_empty() { piece.len() } else { 0 });
            first.push(piece.slice(..cut));
            second.push(piece.slice(cut..));
        } else {
            second.push(piece.clone());
        }
        taken += piece.len();
    }
    let is_empty = |part: &[Bytes]| part.iter().all(Bytes::is_empty);
    (!is_empty(&first) && !is_empty(&second)).then_some((first, second))
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

    fn part(pieces: &[&str]) -> Vec<Bytes> {
        pieces
            .iter()
            .map(|it| Bytes::from(it.to_string()))
            .collect()
    }

    #[test]
    fn halves_are_whole_lines_down_to_a_single_one() {
        for pieces in [
            &["aaa\nb\nc\n"][..],
            &["a\n", "b\nc\n"],
            &["a\nbbbbbbbbbbbbbbbbbb\n"],
            &["aaaaaaaaaaaaaaaaaaa\nb\n"],
            &["a\n", "bbbbbbbbbbb\n", ""],
            &["", "aaaaaaaaaa\n", "", "b\n", ""],
            &["a\n"],
        ] {
            let (mut todo, mut lines) = (vec![part(pieces)], Vec::new());
            while let Some(part) = todo.pop() {
                match halves(&part) {
                    Some((first, second)) => todo.extend([second, first]),
                    None => lines.push(String::from_utf8(part.concat()).unwrap()),
                }
            }
            assert_eq!(lines.concat(), pieces.concat());
            assert!(
                lines.iter().all(|line| line.matches('\n').count() == 1),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn an_answers_words_fit_on_a_line() {
        assert_eq!(words(b" a\n\tb\x1b[31m \xff"), "a b[31m \u{fffd}");
        assert_eq!(words(&[b'x'; 1000]).len(), WORDS_MAX);
    }
}
