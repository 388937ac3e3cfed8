//! `http://`: batches that a shipper posts. Each is answered once the next hop has taken what became of it.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, AUTHORIZATION, HeaderValue};
use hyper::{Method, Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::BATCH_MIN_BYTES;
use super::body::{BODY_MAX_BYTES, Content, Encoding, Refusal, too_large, without_mark};
use super::confirming::Confirming;
use crate::http::secret::Secret;
use crate::http::{Pieces, answer, next_data, try_again};
use crate::run::activity::Activity;

/// A request that was begun waits so long for room. Not longer: it holds room itself.
const ROOM_WAIT: Duration = Duration::from_secs(1);

/// What an address that takes requests needs.
pub struct HttpInput {
    /// Hands batches over.
    pub confirming: Confirming,
    /// What senders must know.
    pub token: Option<Secret>,
    /// How long a body may take to come, and then how long its delivery is waited for.
    pub patience: Duration,
}

impl HttpInput {
    /// Answers a request.
    pub async fn handle(self: Arc<HttpInput>, request: Request<Incoming>) -> Response<Pieces> {
        match self.take(request).await {
            Ok(()) => answer(204, ""),
            Err((status, sentence)) => {
                self.confirming.metrics.refused.inc();
                let mut response = match status {
                    503 => try_again(&sentence),
                    _ => answer(status, &sentence),
                };
                if status == 405 {
                    let methods = HeaderValue::from_static("POST, PUT");
                    response.headers_mut().insert(ALLOW, methods);
                }
                response
            }
        }
    }

    async fn take(&self, request: Request<Incoming>) -> Result<(), Refusal> {
        let (head, body) = request.into_parts();
        if !matches!(head.method, Method::POST | Method::PUT) {
            return Err((405, "post records here".to_string()));
        }
        if let Some(token) = &self.token
            && !token.is_bearer(head.headers.get(AUTHORIZATION))
        {
            return Err((
                401,
                "send `Authorization: Bearer` with the token that this input was given".to_string(),
            ));
        }
        let encoding = Encoding::of(&head.headers)?;
        let deadline = Instant::now() + self.patience;
        let read = timeout_at(deadline, self.read(body)).await;
        let (body, mut room) = read.unwrap_or_else(|_| {
            Err((
                408,
                "the body did not come in time; send smaller batches".to_string(),
            ))
        })?;
        if let Some(activity) = head.extensions.get::<Arc<Activity>>() {
            activity.work();
        }
        let body = if encoding == Encoding::Plain {
            body
        } else {
            // As much as it can become; what it does not is given back below.
            drop(room);
            room = self.room(BODY_MAX_BYTES).await?;
            encoding.decode(body)?
        };
        let body = without_mark(body);
        let lines = Content::of(&head.headers, &body)?.lines(body)?;
        if lines.is_empty() {
            return Ok(());
        }
        let surplus = room
            .num_permits()
            .saturating_sub(lines.len().max(BATCH_MIN_BYTES));
        drop(room.split(surplus));
        self.deliver(lines, room).await
    }

    /// Hands the lines to the engine, unless they were before, and waits for their delivery.
    async fn deliver(&self, lines: Vec<u8>, room: OwnedSemaphorePermit) -> Result<(), Refusal> {
        let claim = self.confirming.hand_over(lines, room);
        let claim = claim.ok_or((503, "this process stops; try again".to_string()))?;
        match timeout(self.patience, claim.ticket.delivered()).await {
            Ok(()) => {
                claim.acknowledge();
                Ok(())
            }
            Err(_) => Err((
                503,
                format!(
                    "the next hop does not take records: {}; send the same bytes again, they are not counted twice",
                    self.confirming.metrics.output.trouble()
                ),
            )),
        }
    }

    /// The whole body, and its room.
    async fn read(&self, mut body: Incoming) -> Result<(Vec<u8>, OwnedSemaphorePermit), Refusal> {
        let announced = hyper::body::Body::size_hint(&body).lower();
        if announced > BODY_MAX_BYTES as u64 {
            return Err(too_large());
        }
        let mut room = self.room(BATCH_MIN_BYTES).await?;
        let mut whole = Vec::new();
        while let Some(data) = next_data(&mut body).await {
            let data =
                data.map_err(|error| (400, format!("the body did not come whole: {error}")))?;
            let bytes = whole.len() + data.len();
            if bytes > BODY_MAX_BYTES {
                return Err(too_large());
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
        match timeout(ROOM_WAIT, self.confirming.intake.room(bytes)).await {
            Ok(Some(room)) => Ok(room),
            Ok(None) => Err((503, "this process stops; try again".to_string())),
            Err(_) => Err((
                503,
                "too much is on the way already; send the same bytes again".to_string(),
            )),
        }
    }
}
