//! What HTTP servers and clients share: bodies, a client of one connection, TLS, secrets.

pub mod client;
pub mod secret;
pub mod tls;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};

/// A body whose pieces are all there. Cloning copies nothing.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    bytes: u64,
}

impl Pieces {
    /// A body of these pieces.
    pub fn new(pieces: impl IntoIterator<Item = Bytes>) -> Pieces {
        // hyper asserts that frames are not empty.
        let pieces: VecDeque<Bytes> = pieces.into_iter().filter(|it| !it.is_empty()).collect();
        let bytes = pieces.iter().map(|piece| piece.len() as u64).sum();
        Pieces { pieces, bytes }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        self.bytes -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}

/// The next data of a body, `None` at its end. Trailers are passed over.
///
/// # Errors
/// The connection broke, or what comes is not HTTP.
pub async fn next_data(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            None => return None,
            Some(Err(error)) => return Some(Err(error)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
        }
    }
}

/// An answer of a sentence, with a newline at its end; none if it is empty.
pub fn answer(status: u16, sentence: &str) -> Response<Pieces> {
    let mut text = sentence.to_string();
    if !text.is_empty() {
        text.push('\n');
    }
    let mut response = Response::new(Pieces::new([Bytes::from(text)]));
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// An answer that asks to try again after some seconds.
pub fn try_again(sentence: &str) -> Response<Pieces> {
    let mut response = answer(503, sentence);
    let seconds = HeaderValue::from_static("2");
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}
