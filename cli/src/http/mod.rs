//! What HTTP servers and clients share: bodies, a client of one connection, TLS, secrets.

pub mod client;
pub mod secret;
pub mod tls;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};

/// A body that is all there. Cloning copies nothing.
pub type Body = Full<Bytes>;

/// An answer of a sentence, with a newline at its end; none if it is empty.
pub fn answer(status: u16, sentence: &str) -> Response<Body> {
    let mut text = sentence.to_string();
    if !text.is_empty() {
        text.push('\n');
    }
    let mut response = Response::new(Body::from(text));
    if let Ok(status) = status.try_into() {
        *response.status_mut() = status;
    }
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// An answer that asks to try again after some seconds.
pub fn try_again(sentence: &str) -> Response<Body> {
    let mut response = answer(503, sentence);
    let seconds = HeaderValue::from_static("2");
    response.headers_mut().insert(RETRY_AFTER, seconds);
    response
}
