//! What stands for Elasticsearch: it takes bulks and keeps each document once, by its id.

use std::collections::BTreeMap;
use std::io::read_to_string;
use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::http::{Sink, reply};

/// Documents by stream and id.
pub type Documents = BTreeMap<(String, String), Value>;

/// A store on loopback.
#[derive(Clone)]
pub struct Store {
    sink: Sink,
    documents: Arc<Mutex<Documents>>,
}

/// What it is told to answer, and what it was asked.
impl Deref for Store {
    type Target = Sink;

    fn deref(&self) -> &Sink {
        &self.sink
    }
}

/// The text of a bulk.
pub fn bulk(body: &[u8]) -> String {
    read_to_string(GzDecoder::new(body)).expect("a bulk is compressed text")
}

impl Store {
    /// A store that takes everything.
    pub fn start() -> Store {
        Store::judging(|_| 201)
    }

    /// One that answers with this status for a document that is not there yet.
    pub fn judging(judge: impl Fn(&Value) -> u16 + Send + Sync + 'static) -> Store {
        let documents: Arc<Mutex<Documents>> = Arc::default();
        let kept = Arc::clone(&documents);
        let sink = Sink::judging(move |head, body| {
            let is_bulk = head.starts_with("POST /_bulk?");
            assert!(is_bulk && head.contains("content-encoding: gzip"), "{head}");
            let text = bulk(body);
            let lines = text
                .lines()
                .map(|line| serde_json::from_str(line).expect("JSON"));
            let lines: Vec<Value> = lines.collect();
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let create = |pair: &[Value]| {
                let place = |key: &str| {
                    pair[0]["create"][key]
                        .as_str()
                        .expect("a place")
                        .to_string()
                };
                let place = (place("_index"), place("_id"));
                assert!(pair[1]["@timestamp"].is_string(), "{}", pair[1]);
                let is_there = kept.contains_key(&place);
                let status = if is_there { 409 } else { judge(&pair[1]) };
                if status == 201 {
                    kept.insert(place, pair[1].clone());
                }
                let error = json!({"type": "some_exception", "reason": "a reason"});
                json!({"create": {"status": status, "error": error}})
            };
            let items: Vec<Value> = lines.chunks(2).map(create).collect();
            let errors = items.iter().any(|item| item["create"]["status"] != 201);
            reply(200, &json!({"errors": errors, "items": items}).to_string())
        });
        Store { sink, documents }
    }

    /// Its address for `--output`.
    pub fn url(&self) -> String {
        format!("elasticsearch+http://{}", self.address)
    }

    /// What is in it.
    pub fn documents(&self) -> Documents {
        let documents = self.documents.lock();
        documents.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The documents of an action.
    pub fn of_action(&self, action: &str) -> Vec<Value> {
        let documents = self.documents().into_values();
        documents
            .filter(|it| it["event"]["action"] == action)
            .collect()
    }

    /// How many documents are in a stream.
    pub fn stored(&self, stream: &str) -> usize {
        self.documents()
            .keys()
            .filter(|(it, _)| it == stream)
            .count()
    }

    /// Answers the first few requests otherwise than it would, which takes what its own answer would take.
    pub fn at_first(
        &self,
        requests: u32,
        other: impl Fn(String) -> String + Send + Sync + 'static,
    ) {
        let (judge, tries) = (self.judge(), AtomicU32::new(0));
        self.answers(move |head, body| {
            let answer = judge(head, body);
            match tries.fetch_add(1, Ordering::Relaxed) < requests {
                true => other(answer),
                false => answer,
            }
        });
    }

    /// Is away when the first request comes, and twice more: it takes nothing then.
    pub fn is_away_at_first(&self) {
        let (judge, tries) = (self.judge(), AtomicU32::new(0));
        self.answers(
            move |head, body| match tries.fetch_add(1, Ordering::Relaxed) {
                0..3 => reply(503, ""),
                _ => judge(head, body),
            },
        );
    }
}
