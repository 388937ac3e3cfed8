//! Envelopes: one object with many records in arrays, each of which gets the envelope's own members.
//!
//! | store | arrays |
//! |---|---|
//! | CloudWatch (subscriptions) | `logEvents` |
//! | OTLP/JSON | `resourceLogs`, `scopeLogs`, `logRecords` |

use std::collections::BTreeMap;

use serde_json::value::RawValue;

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The arrays, from the outside in.
const ENVELOPES: [&[&str]; 2] = [&["logEvents"], &["resourceLogs", "scopeLogs", "logRecords"]];

/// Whether an object may be one.
pub fn may_be(object: &[u8]) -> bool {
    ENVELOPES.iter().any(|arrays| {
        let name = format!("\"{}\"", arrays[0]);
        memchr::memmem::find(object, name.as_bytes()).is_some()
    })
}

/// Writes the records of an envelope, a line each; `false`, and nothing written, if it is none.
pub fn open(object: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(object) = std::str::from_utf8(object) else {
        return false;
    };
    let start = out.len();
    let is_open = ENVELOPES
        .iter()
        .any(|arrays| records(object, arrays, &Members::new(), out).is_some());
    if !is_open {
        out.truncate(start);
    }
    is_open
}

fn records(object: &str, arrays: &[&str], outer: &Members, out: &mut Vec<u8>) -> Option<()> {
    let mut members: Members = serde_json::from_str(object).ok()?;
    let Some((name, inner)) = arrays.split_first() else {
        // What the record has itself stands for it, and last.
        let outer = outer
            .iter()
            .filter(|(name, _)| !members.contains_key(*name));
        let all = outer.chain(&members);
        let written: Vec<String> = all
            .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str())))
            .collect();
        out.extend(format!("{{{}}}\n", written.join(",")).bytes());
        return Some(());
    };
    let array: Vec<&RawValue> = serde_json::from_str(members.remove(*name)?.get()).ok()?;
    for (name, value) in outer {
        members.entry(name.clone()).or_insert(value);
    }
    for record in array {
        records(record.get(), inner, &members, out)?;
    }
    Some(())
}
