//! Several records in one: an array of objects, or an envelope, each of whose records gets the envelope's own members.
//!
//! | store | arrays |
//! |---|---|
//! | CloudWatch (subscriptions) | `logEvents` |
//! | OTLP/JSON | `resourceLogs`, `scopeLogs`, `logRecords` |

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use memchr::memmem::find;
use serde::Deserializer as _;
use serde::de::{Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The arrays, from the outside in.
const ENVELOPES: [&[&str]; 2] = [&["logEvents"], &["resourceLogs", "scopeLogs", "logRecords"]];

/// Whether an object may be an envelope.
pub fn may_be(object: &[u8]) -> bool {
    find(object, b"\"logEvents\"").is_some() || find(object, b"\"resourceLogs\"").is_some()
}

/// Whether a line may hold several records.
pub fn may_hold_several(line: &[u8]) -> bool {
    let start = line.trim_ascii_start();
    let array = start.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    array.is_some_and(|inner| inner.starts_with(b"{")) || (start.starts_with(b"{") && may_be(start))
}

/// The same lines with those apart that hold several records, as long as all of it takes no more than `max_bytes`: each
/// record gets its envelope's members, which may be large. A line that does not fit stays one record.
pub fn unfold<'l>(lines: impl Iterator<Item = Cow<'l, [u8]>>, max_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines {
        let room = max_bytes.saturating_sub(out.len());
        if !(may_hold_several(&line) && open(&line, room, &mut out)) {
            out.extend_from_slice(&line);
            out.push(b'\n');
        }
    }
    out
}

/// Writes the records of an array or an envelope, a line each; `false`, and nothing written, if it is none, or if they
/// would take more than `max_bytes`.
pub fn open(several: &[u8], max_bytes: usize, out: &mut Vec<u8>) -> bool {
    let Ok(several) = std::str::from_utf8(several) else {
        return false;
    };
    let start = out.len();
    let max = start.saturating_add(max_bytes);
    let mut is_open = |write: &mut dyn FnMut(&mut Vec<u8>) -> Option<()>| {
        let is_open = write(out).is_some();
        if !is_open {
            out.truncate(start);
        }
        is_open
    };
    if several.trim_ascii_start().starts_with('[') {
        return is_open(&mut |out| {
            each(several, |object| match envelope(object, max, out) {
                None if object.starts_with('{') => line(object, max, out),
                opened => opened,
            })
        });
    }
    is_open(&mut |out| envelope(several, max, out))
}

fn envelope(object: &str, max: usize, out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    may_be(object.as_bytes()).then_some(())?;
    ENVELOPES.iter().find_map(|arrays| {
        out.truncate(start);
        records(object, arrays, &Members::new(), max, out)
    })
}

fn records(
    object: &str,
    arrays: &[&str],
    outer: &Members,
    max: usize,
    out: &mut Vec<u8>,
) -> Option<()> {
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
        return line(&format!("{{{}}}", written.join(",")), max, out);
    };
    let array = members.remove(*name)?;
    for (name, value) in outer {
        members.entry(name.clone()).or_insert(value);
    }
    each(array.get(), |record| {
        records(record, inner, &members, max, out)
    })
}

fn line(text: &str, max: usize, out: &mut Vec<u8>) -> Option<()> {
    let is_room = out.len() + text.len() < max;
    is_room.then(|| {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    })
}

/// Hands over the elements of an array, of which nothing is kept, until one is not taken.
fn each(array: &str, take: impl FnMut(&str) -> Option<()>) -> Option<()> {
    struct Each<F>(F);
    impl<'de, F: FnMut(&str) -> Option<()>> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
            to.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut array: A) -> Result<(), A::Error> {
            while let Some(element) = array.next_element::<&RawValue>()? {
                (self.0)(element.get()).ok_or_else(|| A::Error::custom("not taken"))?;
            }
            Ok(())
        }
    }
    let mut json = serde_json::Deserializer::from_str(array);
    json.deserialize_seq(Each(take)).ok()?;
    json.end().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfolded(text: &str, max_bytes: usize) -> String {
        let lines = text.lines().map(|line| Cow::Borrowed(line.as_bytes()));
        String::from_utf8(unfold(lines, max_bytes)).unwrap()
    }

    #[test]
    fn arrays_and_envelopes_among_lines_become_lines() {
        for (lines, records) in [
            (
                "x\n[{\"a\":1}, {\"b\":[2]}]\ny\n",
                "x\n{\"a\":1}\n{\"b\":[2]}\ny\n",
            ),
            (
                "[{\"logEvents\":[{\"message\":\"x\"}],\"owner\":1},{}]\n",
                "{\"owner\":1,\"message\":\"x\"}\n{}\n",
            ),
            // What is none stays.
            (
                "[{\"a\":1}, 7]\n[{\"a\":1}\n[{}] x\n",
                "[{\"a\":1}, 7]\n[{\"a\":1}\n[{}] x\n",
            ),
            (
                "{\"x\":{\"logEvents\":[{}]}}\n",
                "{\"x\":{\"logEvents\":[{}]}}\n",
            ),
            ("{\"logEvents\":[{},7]}\n", "{\"logEvents\":[{},7]}\n"),
        ] {
            assert_eq!(unfolded(lines, 1_000), records, "{lines}");
        }
        for record in [
            "",
            "x",
            "{\"a\":[{}]}",
            "[1]",
            "[2026-11-16] x",
            "{\"x\":\"\\\"logEvents\\\"\"}",
        ] {
            assert!(!may_hold_several(record.as_bytes()), "{record}");
        }
    }

    #[test]
    fn no_envelope_becomes_larger_than_it_may() {
        let members = format!("\"a\":\"{}\"", "x".repeat(1_000));
        let events = vec!["{}"; 1_000].join(",");
        let envelope = format!("{{{members},\"logEvents\":[{events}]}}\n");
        assert_eq!(unfolded(&envelope, 1 << 19), envelope);
        let all = unfolded(&envelope, 2 << 20);
        assert_eq!(all.lines().count(), 1_000);
    }
}
