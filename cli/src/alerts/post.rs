//! Posts alerts to an output that speaks HTTP.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method, Request};

use super::outcome::{AlertTrouble, Outcome, judge};
use crate::http::Body;
use crate::http::client::Client;

/// As much of an answer is read, in bytes: its first words may say what is wrong.
const ANSWER_MAX_BYTES: usize = 16 * 1024;

/// The way to such an output.
pub struct Post {
    /// Its client.
    pub client: Client,
    /// What goes with every request.
    pub headers: HeaderMap,
    /// What the output is called.
    pub name: String,
}

impl Post {
    /// Sends a body to a path. It is of this type, unless the headers name another one.
    pub async fn send(
        &mut self,
        method: &Method,
        path: &str,
        kind: &'static str,
        body: Bytes,
    ) -> Outcome {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
            let kind = HeaderValue::from_static(kind);
            headers.entry(CONTENT_TYPE).or_insert(kind);
        }
        let body = Body::new(body);
        match self.client.request(request, &body, ANSWER_MAX_BYTES).await {
            Ok(answer) => judge(&self.name, &answer),
            Err(error) => AlertTrouble::from(error).into(),
        }
    }
}
