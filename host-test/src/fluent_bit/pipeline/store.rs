//! What the outputs for stores do with answers (`plugins/out_es`, `plugins/out_opensearch`, `src/flb_scheduler.c` of 5.1.1).

use serde_json::Value;

use super::settings::{Settings, text};

/// How long an output keeps trying, at least, in seconds: `retry_limit` (1 by default) pauses, the shortest of which is
/// `scheduler.base` (5 s by default) and one second more. Nothing if it gives a chunk up never.
pub fn patience_seconds(service: &Settings, output: &Settings) -> Option<u64> {
    let retries = match text(output, "retry_limit") {
        "no_limits" => return None,
        limit => limit.parse().unwrap_or(1),
    };
    Some(retries * (number(service, "scheduler.base", 5) + 1))
}

/// The longest pause between two tries, in seconds: so late is an alert after a store has come back.
pub fn pause_max_seconds(service: &Settings) -> u64 {
    number(service, "scheduler.cap", 2000) + 1
}

fn number(settings: &Settings, key: &str, default: u64) -> u64 {
    text(settings, key).parse().unwrap_or(default)
}

/// Whether a store takes a document: it refuses one with a name that is a value and an object (`log` beside
/// `log.file.path`) by a 400. The output for Elasticsearch drops it then without a word, that for OpenSearch tries its
/// whole chunk again and again.
pub fn takes(body: &Value) -> bool {
    let Some(members) = body.as_object() else {
        return false;
    };
    members.iter().all(|(name, value)| {
        let inner = format!("{name}.");
        value.is_object() || !members.keys().any(|other| other.starts_with(&inner))
    })
}
