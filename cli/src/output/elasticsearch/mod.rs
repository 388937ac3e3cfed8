//! `elasticsearch+http(s)://` creates documents in data streams of Elasticsearch and OpenSearch, by `_bulk`.
//!
//! Every document has an id that a repetition has again and no other document, and is created, never replaced: if the store
//! has it already it answers 409, which counts as success. So whatever fails in between, each is there once.

mod answer;
mod bulk;
mod streams;

use std::sync::Arc;

use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{Method, Request};

use self::answer::{Fate, fates};
use self::bulk::{Cursor, Item, body, items};
pub use self::streams::{OurStreams, Streams};
use super::SendError;
use super::dead::DeadLetters;
use super::http::words;
use super::meter::{History, Meter};
use super::trouble::Trouble;
use crate::http::Body;
use crate::http::client::{Answer, Client, ClientError};
use crate::output::delivery::Delivery;

/// About as much is sent at once, in bytes.
pub const GROUP_BYTES: usize = 2 << 20;
/// No request has more documents: what is made of each, and what is said of each, is larger than the smallest ones.
const PART_MAX_DOCUMENTS: usize = 4096;
/// As much of an answer is read, in bytes, and so much more for each document: usually it has a few, and reasons for
/// some. Of a part whose answer is larger each half is asked for again.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
const ANSWER_DOCUMENT_MAX_BYTES: usize = 1024;
/// What we want to hear of each document.
const BULK: &str =
    "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";
/// What to do about 403.
const PRIVILEGES: &str = "; give the key the privileges `create_doc` and `auto_configure` for the data streams, or \
                          put another one into its file, which is read again";
/// A server that has heard enough closes the connection, and its 413 may be lost with it. From so many
/// broken ones in a group on a part is halved as if it had come.
const BREAKS_MAX: u32 = 3;
/// A server that is busy answers 429, and takes the same later. One that has less memory for requests than
/// this one needs says the same and never takes it: from so many in a group on parts are halved.
const BUSY_MAX: u32 = 3;
/// Parts of so few documents are not halved for that any more.
const BUSY_PART_MIN: usize = 16;

/// Sends groups.
pub struct Elasticsearch {
    client: Client,
    path: String,
    streams: Streams,
    dead: Option<DeadLetters>,
    meter: Meter,
    /// What is left of the part of the group that is being sent.
    parts: Vec<Vec<Item>>,
    /// Where the next part begins: which delivery of the group, and where in it.
    next: (usize, Cursor),
    breaks: u32,
    busy: u32,
}

impl Elasticsearch {
    /// Sends to the API under `prefix`. What is refused for good goes to `dead`.
    pub fn new(
        client: Client,
        prefix: &str,
        streams: Streams,
        dead: Option<DeadLetters>,
        meter: Meter,
    ) -> Elasticsearch {
        Elasticsearch {
            client,
            path: format!("{}{BULK}", prefix.trim_end_matches('/')),
            streams,
            dead,
            meter,
            parts: Vec::new(),
            next: Default::default(),
            breaks: 0,
            busy: 0,
        }
    }

    /// The address.
    pub fn name(&self) -> String {
        self.client.address().to_string()
    }

    /// Sends a group. Documents that are to come again later are sent again alone; a part that is too
    /// large is halved.
    ///
    /// # Errors
    /// Something of it does not go through now; what did is not sent again.
    pub async fn send(&mut self, group: &[Arc<Delivery>]) -> Result<(), SendError> {
        loop {
            let part = match self.parts.pop() {
                Some(part) => part,
                None => self.next_part(group),
            };
            if !part.is_empty() {
                self.send_part(part).await?;
            } else if self.parts.is_empty() {
                self.next = Default::default();
                return Ok(());
            }
        }
    }

    /// The next documents of a group; none at its end.
    fn next_part(&mut self, group: &[Arc<Delivery>]) -> Vec<Item> {
        (self.breaks, self.busy) = (0, 0);
        let mut part = Vec::new();
        let (delivery, cursor) = &mut self.next;
        while let Some(next) = group.get(*delivery) {
            if !items(next, cursor, &self.streams, PART_MAX_DOCUMENTS, &mut part) {
                break;
            }
            (*delivery, *cursor) = (*delivery + 1, Cursor::default());
        }
        part
    }

    async fn send_part(&mut self, part: Vec<Item>) -> Result<(), SendError> {
        // Broken documents would break the request: they are set aside unseen.
        let (mut part, broken): (Vec<Item>, Vec<Item>) = part.into_iter().partition(Item::is_whole);
        for (at, item) in broken.iter().enumerate() {
            if let Err(error) = self.bury(item, "it is not a JSON object") {
                let rest = broken.iter().skip(at).cloned();
                self.parts.push(part.into_iter().chain(rest).collect());
                return Err(error.into());
            }
        }
        if part.is_empty() {
            return Ok(());
        }
        let answered = self.post(&part).await;
        let may_have_arrived = match &answered {
            Ok(answer) => answer.sent_twice || answer.status.is_server_error(),
            Err(_) => true,
        };
        if may_have_arrived {
            part.iter_mut()
                .for_each(|item| item.history = History::Tried);
        }
        let (status, answer) = match answered {
            Ok(answer) => (answer.status.as_u16(), answer),
            Err(error) => {
                self.breaks += u32::from(error.broke());
                if error.broke() && self.breaks >= BREAKS_MAX && part.len() > 1 {
                    self.halve(part);
                    return Ok(());
                }
                self.parts.push(part);
                return Err(Trouble::Unanswered(error).into());
            }
        };
        match status {
            200..=299 => self.judge(part, &answer),
            413 if part.len() > 1 => {
                self.halve(part);
                Ok(())
            }
            413 => {
                let reason = "it is larger than the server takes (http.max_content_length)";
                let buried = part.first().map_or(Ok(()), |item| self.bury(item, reason));
                buried.inspect_err(|_| self.parts.push(part))?;
                Ok(())
            }
            _ => {
                let documents = part.len();
                self.parts.push(part);
                self.busy += u32::from(status == 429);
                if status == 429 && self.busy >= BUSY_MAX && documents > BUSY_PART_MIN {
                    self.halve_all(documents.div_ceil(2));
                }
                Err(SendError::Retry {
                    trouble: self.refusal(&answer),
                    after: answer.retry_after,
                })
            }
        }
    }

    async fn post(&mut self, part: &[Item]) -> Result<Answer, ClientError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.path.as_str())
            .header(CONTENT_TYPE, "application/x-ndjson")
            .header(CONTENT_ENCODING, "gzip");
        let body = Body::new(body(part));
        let answer_max_bytes = answer_max_bytes(part.len());
        self.client.request(request, &body, answer_max_bytes).await
    }

    /// Looks at what became of each document.
    fn judge(&mut self, part: Vec<Item>, answer: &Answer) -> Result<(), SendError> {
        let Some(fates) = fates(&answer.body, part.len()) else {
            if part.len() > 1 && answer.body.len() >= answer_max_bytes(part.len()) {
                self.halve(part);
                return Ok(());
            }
            self.parts.push(part);
            let address = self.client.address().clone();
            return Err(Trouble::Foreign(address, answer.status, words(&answer.body)).into());
        };
        let (mut again, mut why) = (Vec::new(), None);
        for (mut item, fate) in part.into_iter().zip(fates) {
            match fate {
                Fate::Taken => {}
                Fate::There => self.meter.conflict(item.history),
                Fate::Later(reason) => {
                    if reason.status >= 500 {
                        item.history = History::Tried;
                    }
                    if reason.status == 403 && why.is_none() {
                        self.client.read_key_again();
                    }
                    let address = self.client.address().clone();
                    why.get_or_insert_with(|| SendError::Retry {
                        trouble: Trouble::Document(address, item.stream.clone(), reason),
                        after: answer.retry_after,
                    });
                    again.push(item);
                }
                Fate::Refused(reason) => {
                    if let Err(error) = self.bury(&item, &reason.to_string()) {
                        why.get_or_insert(error.into());
                        again.push(item);
                    }
                }
            }
        }
        if !again.is_empty() {
            self.parts.push(again);
        }
        why.map_or(Ok(()), Err)
    }

    fn halve(&mut self, mut part: Vec<Item>) {
        let second = part.split_off(part.len() / 2);
        self.parts.extend([second, part]);
    }

    /// No part has more documents than this from now on.
    fn halve_all(&mut self, documents_max: usize) {
        let parts = std::mem::take(&mut self.parts);
        let pieces = parts
            .iter()
            .flat_map(|part| part.chunks(documents_max).rev());
        self.parts = pieces.map(<[Item]>::to_vec).collect();
    }

    fn bury(&mut self, item: &Item, reason: &str) -> Result<(), Trouble> {
        let reason = format!("{} refuses it: {reason}", self.client.address());
        let mend =
            "this document holds up the rest: give --dead-letter FILE to set such ones aside";
        DeadLetters::bury(&mut self.dead, reason, &item.line, mend)
    }

    fn refusal(&self, answer: &Answer) -> Trouble {
        let mend = match answer.status.as_u16() {
            300..=399 => "; it has moved, name its new address",
            401 => {
                "; give a key that it takes with --output-api-key or --output-basic FILE, which is read again"
            }
            404 | 405 => "; name an Elasticsearch or OpenSearch",
            status => mend_of(status),
        };
        let words = format!(" ({})", words(&answer.body));
        Trouble::Refused(self.client.address().clone(), answer.status, words, mend)
    }
}

/// What to do about a status of a request or a document.
pub fn mend_of(status: u16) -> &'static str {
    match status {
        403 => PRIVILEGES,
        _ => "",
    }
}

fn answer_max_bytes(documents: usize) -> usize {
    ANSWER_MAX_BYTES + documents * ANSWER_DOCUMENT_MAX_BYTES
}
