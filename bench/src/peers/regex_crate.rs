//! The regex crate and serde_json, as one would write it in Rust without us: once with every record
//! parsed, once with the search on the raw line, which misses what a JSON encoder has escaped.

use ::regex::{Captures, Regex, bytes};
use serde_json::{Map, Value, json};

use super::{Error, Events, Peer, Workload};

/// Adds the fields of an event; a group that did not take part adds none.
fn enrich(record: &mut Map<String, Value>, event: &Captures<'_>) {
    let text = |name: &str| event.name(name).map(|group| Value::from(group.as_str()));
    let limit = event
        .name("limit")
        .and_then(|group| group.as_str().parse::<u64>().ok());
    let Value::Object(fields) = json!({
        "event": {
            "kind": "event", "category": ["network"], "type": ["connection", "denied"],
            "action": "connection-limit-exceeded", "code": "mail_max_userip_connections",
            "outcome": "failure", "module": "dovecot", "dataset": "dovecot.maxconn",
        },
        "user": { "name": text("user") },
        "source": { "ip": text("rip") },
        "destination": { "ip": text("lip") },
        "service": { "type": "dovecot", "name": text("service") },
        "network": { "protocol": "imap" },
        "related": { "ip": [text("rip"), text("lip")], "user": [text("user")] },
        "tls": { "established": event.name("tls").is_some() },
        "maxconn": {
            "limit": { "name": "mail_max_userip_connections", "value": limit, "scope": "user+ip" },
            "auth_method": text("method"),
        },
    }) else {
        return;
    };
    record.extend(fields);
}

/// What both ways do with one record once it is parsed.
struct Event {
    regex: Regex,
    treatment: Events,
}

impl Event {
    fn new() -> Result<Event, Error> {
        Ok(Event {
            regex: Regex::new(super::EVENT)?,
            treatment: Events::Enriched,
        })
    }

    fn run(&self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let mut record: Map<String, Value> = serde_json::from_slice(line)?;
        // The message leaves the record for a moment, so that its parts can be put into it.
        if let Some(Value::String(message)) = record.remove("message") {
            if let Some(event) = self.regex.captures(&message) {
                if self.treatment == Events::Suppressed {
                    return Ok(());
                }
                enrich(&mut record, &event);
            }
            record.insert("message".into(), Value::String(message));
        }
        serde_json::to_writer(&mut *out, &record)?;
        out.push(b'\n');
        Ok(())
    }
}

/// Every record is parsed, its message matched, and written again.
pub struct Parsed(Event);

impl Parsed {
    /// Compiles the expression.
    pub fn new() -> Result<Parsed, Error> {
        Ok(Parsed(Event::new()?))
    }
}

impl Peer for Parsed {
    fn name(&self) -> &'static str {
        "regex + serde_json"
    }

    fn start(&mut self, workload: &Workload) -> Result<(), Error> {
        self.0.treatment = workload.treatment;
        Ok(())
    }

    fn run(&mut self, batch: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        super::lines(batch).try_for_each(|line| self.0.run(line, out))
    }
}

/// The raw line is searched first; only what matches is parsed.
pub struct Raw {
    event: Event,
    needle: bytes::Regex,
}

impl Raw {
    /// Compiles both expressions.
    pub fn new() -> Result<Raw, Error> {
        Ok(Raw {
            event: Event::new()?,
            needle: bytes::Regex::new(super::NEEDLE)?,
        })
    }
}

impl Peer for Raw {
    fn name(&self) -> &'static str {
        "regex on the raw line, serde_json on hits"
    }

    fn start(&mut self, workload: &Workload) -> Result<(), Error> {
        self.event.treatment = workload.treatment;
        Ok(())
    }

    fn run(&mut self, batch: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        for line in super::lines(batch) {
            if self.needle.is_match(line) {
                self.event.run(line, out)?;
            } else {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
        }
        Ok(())
    }
}
