//! Posts to an Alertmanager, by its API of version 2
//! (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Request};

use super::outcome::{Outcome, judge};
use super::queue::Item;
use crate::http::Body;
use crate::http::client::Client;

/// So many alerts are posted at once.
pub const POST_MAX: usize = 64;
/// As much of an answer is read, in bytes: its first words may say what is wrong.
pub const ANSWER_MAX_BYTES: usize = 16 * 1024;
/// Below the address's own path.
const PATH: &str = "/api/v2/alerts";

/// An Alertmanager.
pub struct Alertmanager {
    client: Client,
    headers: HeaderMap,
    path: String,
    name: String,
}

impl Alertmanager {
    /// Posts with these headers, too.
    pub fn new(client: Client, headers: HeaderMap, name: String) -> Alertmanager {
        let prefix = client.address().path().trim_end_matches('/');
        Alertmanager {
            path: format!("{prefix}{PATH}"),
            client,
            headers,
            name,
        }
    }

    /// Posts alerts. It takes all or, where one is odd, says that of them all: then each half is posted alone, down to
    /// the odd one.
    pub async fn send(&mut self, items: &[Item]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut todo = vec![items];
        while let Some(part) = todo.pop() {
            match (self.post(part).await, part) {
                (Outcome::Taken, _) => outcomes.extend(part.iter().map(|_| Outcome::Taken)),
                (Outcome::Refused(_), [_, _, ..]) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    todo.extend([second, first]);
                }
                (outcome @ Outcome::Refused(_), _) => outcomes.push(outcome),
                (retry @ Outcome::Retry { .. }, _) => {
                    // What is left is not even tried.
                    outcomes.push(retry);
                    break;
                }
            }
        }
        outcomes
    }

    async fn post(&mut self, items: &[Item]) -> Outcome {
        let alerts: Vec<&[u8]> = items.iter().map(|it| &it.alert.line[..]).collect();
        let body = [b"[", &alerts.join(&b","[..])[..], b"]"].concat();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.path.as_str());
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
        }
        let request = request.header(CONTENT_TYPE, "application/json");
        let body = Body::new(Bytes::from(body));
        match self.client.request(request, &body, ANSWER_MAX_BYTES).await {
            Ok(answer) => {
                if matches!(answer.status.as_u16(), 401 | 403) {
                    self.client.read_key_again();
                }
                judge(&self.name, &answer)
            }
            Err(error) => super::outcome::AlertTrouble::from(error).into(),
        }
    }
}
