//! Plays Elasticsearch as the next hop: a document is there once for each id.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::oracle::{self, Request};
use super::stream::Known;
use super::world::World;

/// The text of a request.
pub fn unpack(body: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(body).read_to_string(&mut text).unwrap();
    text
}

/// Takes the documents of `_bulk`, and answers what became of each; of some that it has no room for them now.
pub fn take(world: &mut World, body: &str, asked: u64, known: &Known) -> String {
    let request = Request::add(world, asked, known);
    let busy_percent = world.weather().busy_percent;
    let mut lines = body.lines();
    let (mut outcomes, mut fails) = (Vec::new(), false);
    while let (Some(action), Some(document)) = (lines.next(), lines.next()) {
        let action: Value = serde_json::from_str(action).unwrap();
        let id = action["create"]["_id"].as_str().unwrap_or("").to_string();
        let status = if document.contains("poison") {
            400
        } else if world.chance(busy_percent) {
            429
        } else if world.oracle.ids.insert(id) {
            oracle::take_document(world, document, request);
            201
        } else {
            oracle::is_there(world, document);
            409
        };
        fails |= status >= 300;
        outcomes.push(match status {
            201 => json!({"create": {"status": 201}}),
            _ => json!({"create": {"status": status, "error": {"type": "x", "reason": "y"}}}),
        });
    }
    json!({"errors": fails, "items": outcomes}).to_string()
}
