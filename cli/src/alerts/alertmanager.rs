//! Posts to an Alertmanager, by its API of version 2
//! (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).

use hyper::Method;

use super::outcome::Outcome;
use super::post::Post;
use super::waiting::Item;

/// So many alerts are posted at once.
pub const POST_MAX: usize = 64;
/// Below the address's own path.
const PATH: &str = "/api/v2/alerts";

/// An Alertmanager.
pub struct Alertmanager {
    post: Post,
    path: String,
}

impl Alertmanager {
    /// Posts there.
    pub fn new(post: Post) -> Alertmanager {
        let prefix = post.client.address().path().trim_end_matches('/');
        let path = format!("{prefix}{PATH}");
        Alertmanager { post, path }
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
        let (path, kind) = (&self.path, "application/json");
        self.post.send(&Method::POST, path, kind, body.into()).await
    }
}
