//! `http://` takes batches that a shipper posts, and answers each once the next hop has taken what became of it.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::{ALLOW, AUTHORIZATION, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response};
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::answer::{self, WhenWritten, takes_gzip};
use super::body::{BODY_MAX_BYTES, Content, compression, decompress};
use super::confirming::Confirming;
use super::cut::{BATCH_MOST_BYTES, Batches};
use super::refusal::Refusal;
use super::{Intake, MIN_BYTES};
use crate::http::secret::Secret;
use crate::http::{self, Body, try_again};
use crate::io::byte_order_mark::mark_bytes;
use crate::io::compression::Compression;
use crate::io::framing::envelope;
use crate::run::batch::Batch;
use crate::run::connection::Connection;
use crate::run::ledger::{Claim, Sender};

/// Where records are taken: as our own pages have it, and where OTLP's exporters post logs.
const PATHS: [&str; 3] = ["", "/", "/v1/logs"];
/// So much of another path is repeated.
const PATH_CHARS_MAX: usize = 100;
/// A request that was begun waits so long for room. Not longer: it holds room itself.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// Opening the envelopes of a body may take so much work, in bytes that are looked at and written; one that takes more is
/// one record.
const UNFOLDED_MAX_BYTES: usize = 4 * BODY_MAX_BYTES;

/// What an address that takes requests needs.
pub struct HttpInput {
    /// Hands batches over.
    pub confirming: Confirming,
    /// What senders must know.
    pub token: Option<Secret>,
    /// How long a body may take to come, and then how long its delivery is waited for.
    pub patience: Duration,
    /// What becomes of a body is its answer.
    pub replies: bool,
}

impl HttpInput {
    /// Answers a request.
    pub async fn handle(self: Arc<HttpInput>, request: Request<Incoming>) -> Response<Body> {
        match self.take(request).await {
            Ok(response) => response,
            Err(refusal) => {
                self.confirming.metrics.refused.inc();
                let sentence = refusal.to_string();
                let mut response = match refusal.status() {
                    503 => try_again(&sentence),
                    status => http::answer(status, &sentence),
                };
                if matches!(refusal, Refusal::Method) {
                    let methods = HeaderValue::from_static("POST, PUT");
                    response.headers_mut().insert(ALLOW, methods);
                }
                response
            }
        }
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let (head, body) = request.into_parts();
        if !PATHS.contains(&head.uri.path()) {
            return Err(Refusal::Path(
                head.uri.path().chars().take(PATH_CHARS_MAX).collect(),
            ));
        }
        if !matches!(head.method, Method::POST | Method::PUT) {
            return Err(Refusal::Method);
        }
        if let Some(token) = &self.token
            && !token.is_bearer(head.headers.get(AUTHORIZATION))
        {
            return Err(Refusal::Token);
        }
        let compression = compression(&head.headers)?;
        let deadline = Instant::now() + self.patience;
        let read = timeout_at(deadline, self.read(body)).await;
        let (mut whole, mut room) = read.map_err(|_| Refusal::Late)??;
        let connection = head.extensions.get::<Arc<Connection>>();
        if let Some(connection) = connection {
            connection.work();
        }
        let sender = Sender::Connection(connection.cloned());
        match (compression, Compression::of_text(&whole)) {
            (None, Some(name)) => return Err(Refusal::Compressed(name)),
            (None, None) => {}
            (Some(compression), _) => {
                (whole, room) = self.decompress(compression, whole, room).await?;
            }
        }
        let begin = mark_bytes(&whole);
        let body = &mut whole[begin..];
        let content = Content::of(&head.headers, body)?;
        let are_objects = content.prepare(body)?;
        let unfolded = self.unfold(content, body).await?;
        let form = content;
        let (content, body) = match &unfolded {
            Some((lines, _)) => (Content::Lines, lines.as_slice()),
            None => (content, &*body),
        };
        let deadline = Instant::now() + self.patience;
        let claims = self
            .hand_over(content, body, are_objects, &sender, deadline)
            .await?;
        drop((unfolded, whole));
        for claim in &claims {
            let delivered = timeout_at(deadline, claim.ticket.delivered()).await;
            delivered.map_err(|_| self.not_delivered())?;
        }
        if self.replies {
            return self
                .reply(&head.headers, form, claims, room, connection)
                .await;
        }
        drop(room);
        // Not before: a process that is killed in between must know what it delivered.
        let when_written = WhenWritten::new(move || Claim::acknowledge(claims));
        let mut response = http::answer(204, "");
        response.extensions_mut().insert(when_written);
        Ok(response)
    }

    /// Answers with what became of the body. Until that is written the batches are not acknowledged, and whoever sends the
    /// same bytes again has the same answer.
    async fn reply(
        &self,
        headers: &HeaderMap,
        content: Content,
        claims: Vec<Claim>,
        room: OwnedSemaphorePermit,
        connection: Option<&Arc<Connection>>,
    ) -> Result<Response<Body>, Refusal> {
        let lines: Vec<_> = claims
            .iter()
            .flat_map(|claim| claim.ticket.answer())
            .collect();
        let by_gzip = takes_gzip(headers);
        let (written, is_written) = oneshot::channel::<()>();
        if let Some(connection) = connection {
            // A sender that does not take its answer must not keep it, and the room, for ever.
            let (connection, patience) = (Arc::downgrade(connection), self.patience);
            tokio::spawn(async move {
                if timeout(patience, is_written).await.is_err()
                    && let Some(connection) = connection.upgrade()
                {
                    connection.end();
                }
            });
        }
        let when_written = move || {
            drop(written);
            Claim::acknowledge(claims);
            drop(room);
        };
        // Compressing takes its time, and others are to be answered meanwhile.
        let response =
            tokio::task::spawn_blocking(move || answer::of(&lines, content, by_gzip, when_written));
        match response.await {
            Ok(Ok(response)) => Ok(response),
            _ => Err(Refusal::Busy),
        }
    }

    /// Hands a body to the engine in batches, those that were not before. Each is known by the whole body and its
    /// number: if there is no room for all of them, the same bytes sent again go on where these end.
    async fn hand_over(
        &self,
        content: Content,
        body: &[u8],
        are_objects: bool,
        sender: &Sender,
        deadline: Instant,
    ) -> Result<Vec<Claim>, Refusal> {
        let confirming = &self.confirming;
        let mut batches = Batches::new(content.records(body));
        let (mut whole, mut claims) = (None, Vec::new());
        // What it can need at most: a batch that waits for room would wait beside the body.
        let most = BATCH_MOST_BYTES.min(body.len() + 1);
        while !batches.is_at_end() {
            let room = timeout_at(deadline, confirming.intake.room(most)).await;
            let mut room = room
                .map_err(|_| self.not_delivered())?
                .ok_or(Refusal::Stops)?;
            let Some(lines) = batches.next() else { break };
            keep(&mut room, lines.len());
            if claims.is_empty() && !batches.is_at_end() {
                whole = Some(confirming.digest(&[body]));
            }
            let name = match &whole {
                Some(whole) => confirming.digest(&[whole, &claims.len().to_le_bytes()]),
                None => confirming.digest(&[&lines]),
            };
            // A piece of one that was cut is none.
            let are_objects = are_objects && batches.cut == 0;
            let batch = Batch {
                are_objects,
                ..Batch::new(confirming.source, name, lines, room)
            };
            if self.replies {
                confirming.ledger.settled(&name).await;
            }
            let claim = confirming.hand_over(batch, sender);
            claims.push(claim.ok_or(Refusal::Stops)?);
        }
        confirming.metrics.cut_lines.inc_by(batches.cut);
        Ok(claims)
    }

    fn not_delivered(&self) -> Refusal {
        Refusal::NotDelivered(self.confirming.metrics.output.trouble())
    }

    /// What a body becomes, and room for it. One at a time, for those that wait have room already.
    async fn decompress(
        &self,
        compression: Compression,
        body: Vec<u8>,
        mut room: OwnedSemaphorePermit,
    ) -> Result<(Vec<u8>, OwnedSemaphorePermit), Refusal> {
        let intake = &self.confirming.intake;
        let _turn = soon(async { intake.decompressing.acquire().await.ok() }).await?;
        // As much as it can become; of both together what is not needed is given back.
        let more = Intake::room_beside(room.num_permits(), BODY_MAX_BYTES);
        if more > 0 {
            room.merge(self.room(more).await?);
        }
        let plain = decompress(compression, &body)?;
        keep(&mut room, plain.len());
        Ok((plain, room))
    }

    /// The records of envelopes as lines, if the body has any, and the turn to hand them over.
    async fn unfold(
        &self,
        content: Content,
        body: &[u8],
    ) -> Result<Option<(Vec<u8>, SemaphorePermit<'_>)>, Refusal> {
        let is_folded = match content {
            Content::Json => envelope::may_be(body),
            Content::Lines => envelope::any_may_hold_several(body),
        };
        if !is_folded {
            return Ok(None);
        }
        let intake = &self.confirming.intake;
        let turn = soon(async { intake.unfolding.acquire().await.ok() }).await?;
        let records = content.records(body).map(|record| match record {
            // What stands for its brace.
            [b'\n', rest @ ..] => Cow::Owned([b"{", rest].concat()),
            record => Cow::Borrowed(record),
        });
        Ok(Some((envelope::unfold(records, UNFOLDED_MAX_BYTES), turn)))
    }

    /// The whole body, and its room.
    async fn read(&self, mut body: Incoming) -> Result<(Vec<u8>, OwnedSemaphorePermit), Refusal> {
        let announced = body.size_hint().lower();
        if announced > BODY_MAX_BYTES as u64 {
            return Err(Refusal::TooLarge);
        }
        let mut room = self.room(MIN_BYTES).await?;
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(Refusal::Broken)?.into_data() else {
                continue;
            };
            let bytes = whole.len() + data.len();
            if bytes > BODY_MAX_BYTES {
                return Err(Refusal::TooLarge);
            }
            if bytes > room.num_permits() {
                // Once for nearly every body, and never more than has come or is about to.
                let step = usize::try_from(announced).unwrap_or(0).min(256 * 1024);
                let wanted = bytes.max(step).max(whole.len() * 2).min(BODY_MAX_BYTES);
                room.merge(self.room(wanted - room.num_permits()).await?);
                whole.reserve_exact(wanted - whole.len());
            }
            whole.extend_from_slice(&data);
        }
        Ok((whole, room))
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        soon(self.confirming.intake.bodies.take(bytes)).await
    }
}

/// Gives back what is not needed of some room.
fn keep(room: &mut OwnedSemaphorePermit, bytes: usize) {
    let surplus = room.num_permits().saturating_sub(bytes.max(MIN_BYTES));
    drop(room.split(surplus));
}

/// Room that comes soon, or what is said if it does not.
async fn soon<T>(room: impl Future<Output = Option<T>>) -> Result<T, Refusal> {
    match timeout(ROOM_WAIT, room).await {
        Ok(room) => room.ok_or(Refusal::Stops),
        Err(_) => Err(Refusal::Busy),
    }
}
