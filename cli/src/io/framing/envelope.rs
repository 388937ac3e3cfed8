//! Several records in one: an array of objects, or an envelope, each of whose records gets the envelope's own members.
//!
//! | store | arrays |
//! |---|---|
//! | CloudWatch (subscriptions) | `logEvents` |
//! | OTLP/JSON | `resourceLogs`, `scopeLogs`, `logRecords` |

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::mem::size_of;

use memchr::memmem::find;
use serde::Deserializer as _;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// An envelope, and a record in one, has no more members: each of them would be kept apart.
const MEMBERS_MAX: usize = 256;
/// The arrays, from the outside in.
const ENVELOPES: [&[&str]; 2] = [&["logEvents"], &["resourceLogs", "scopeLogs", "logRecords"]];

/// Whether an object may be an envelope.
pub fn may_be(object: &[u8]) -> bool {
    find(object, b"\"logEvents\"").is_some() || find(object, b"\"resourceLogs\"").is_some()
}

/// Whether one of these lines may hold several records. All of them are searched at once: nearly always none does.
pub fn any_may_hold_several(lines: &[u8]) -> bool {
    may_be(lines) || crate::io::lines::lines(lines).any(may_be_array)
}

/// Whether a line may hold several records.
fn may_hold_several(line: &[u8]) -> bool {
    may_be_array(line) || (line.trim_ascii_start().starts_with(b"{") && may_be(line))
}

fn may_be_array(line: &[u8]) -> bool {
    let array = line.trim_ascii_start().strip_prefix(b"[");
    array.is_some_and(|inner| inner.trim_ascii_start().starts_with(b"{"))
}

/// The same lines with those apart that hold several records, as long as that takes no more than `max_bytes` of work: each
/// record gets its envelope's members, which may be large. A line that goes beyond it stays one record.
pub fn unfold<'l>(lines: impl Iterator<Item = Cow<'l, [u8]>>, max_bytes: usize) -> Vec<u8> {
    let (mut out, mut left) = (Vec::new(), max_bytes);
    for line in lines {
        if !(may_hold_several(&line) && open(&line, &mut left, &mut out)) {
            out.extend_from_slice(&line);
            out.push(b'\n');
        }
    }
    out
}

/// Writes the records of an array or an envelope, a line each; `false`, and nothing written, if it is none, has no record,
/// or if that takes more than `left`: what is looked at and written, in bytes, whether it comes to something or not.
pub fn open(several: &[u8], left: &mut usize, out: &mut Vec<u8>) -> bool {
    let Ok(several) = std::str::from_utf8(several) else {
        return false;
    };
    let start = out.len();
    let mut opener = Opener { left, out };
    let opened = match several.trim_ascii_start().starts_with('[') {
        true => each(several, |object| {
            let start = opener.out.len();
            let opened = opener.envelope(object);
            if opened.is_none() || opener.out.len() == start {
                opener.out.truncate(start);
                object.starts_with('{').then_some(())?;
                return opener.line(object);
            }
            opened
        }),
        false => opener.envelope(several),
    };
    let is_open = opened.is_some() && out.len() > start;
    if !is_open {
        out.truncate(start);
    }
    is_open
}

struct Opener<'o> {
    left: &'o mut usize,
    out: &'o mut Vec<u8>,
}

impl Opener<'_> {
    fn work(&mut self, bytes: usize) -> Option<()> {
        *self.left = self.left.checked_sub(bytes)?;
        Some(())
    }

    fn envelope(&mut self, object: &str) -> Option<()> {
        self.work(object.len())?;
        may_be(object.as_bytes()).then_some(())?;
        let start = self.out.len();
        ENVELOPES.iter().find_map(|arrays| {
            self.out.truncate(start);
            self.records(object, arrays, &Members::new())
        })
    }

    fn records(&mut self, object: &str, arrays: &[&str], outer: &Members) -> Option<()> {
        self.work(object.len() + outer.len() * size_of::<(String, &RawValue)>())?;
        let mut members = members(object)?;
        let Some((name, inner)) = arrays.split_first() else {
            // What the record has itself stands for it, and last.
            let outer = outer
                .iter()
                .filter(|(name, _)| !members.contains_key(*name));
            let all = outer.chain(&members);
            let written: Vec<String> = all
                .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str())))
                .collect();
            return self.line(&format!("{{{}}}", written.join(",")));
        };
        let array = members.remove(*name)?;
        for (name, value) in outer {
            members.entry(name.clone()).or_insert(value);
        }
        each(array.get(), |record| self.records(record, inner, &members))
    }

    fn line(&mut self, text: &str) -> Option<()> {
        self.work(text.len() + 1)?;
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'\n');
        Some(())
    }
}

/// The members of an object, if they are not too many.
fn members(object: &str) -> Option<Members<'_>> {
    struct Few;
    impl<'de> Visitor<'de> for Few {
        type Value = Members<'de>;

        fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
            to.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
            let mut members = Members::new();
            while let Some((name, value)) = object.next_entry()? {
                members.insert(name, value);
                if members.len() > MEMBERS_MAX {
                    return Err(A::Error::custom("too many members"));
                }
            }
            Ok(members)
        }
    }
    let mut json = serde_json::Deserializer::from_str(object);
    let members = json.deserialize_map(Few).ok()?;
    json.end().ok()?;
    Some(members)
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
    fn nothing_is_lost_of_what_has_no_record() {
        for line in [
            "{\"message\":\"hello\",\"logEvents\":[]}\n",
            "{\"message\":\"x\",\"resourceLogs\":[{\"scopeLogs\":[]}]}\n",
        ] {
            assert_eq!(unfolded(line, 1_000), line);
        }
    }

    #[test]
    fn no_envelope_takes_more_than_it_may() {
        let members = format!("\"a\":\"{}\"", "x".repeat(1_000));
        let events = vec!["{}"; 1_000].join(",");
        let envelope = format!("{{{members},\"logEvents\":[{events}]}}\n");
        assert_eq!(unfolded(&envelope, 1 << 19), envelope);
        let all = unfolded(&envelope, 2 << 20);
        assert_eq!(all.lines().count(), 1_000);
        // Nor does what fails at its end, again and again, or what has no record at all.
        let failing = envelope.trim_end().replace("{}]", "{},7]");
        let (outer, many) = ("\"a\":1,".repeat(200), "{\"logRecords\":[]},".repeat(1_000));
        let scopes = format!("{{\"resourceLogs\":[{{{outer}\"scopeLogs\":[{many}{{}}]}}]}}");
        for one in [failing, scopes] {
            let mut left = 1 << 20;
            for _ in 0..100 {
                assert!(!open(one.as_bytes(), &mut left, &mut Vec::new()));
            }
            assert!(left < one.len());
        }
        let many: String = (0..300).map(|number| format!("\"{number}\":1,")).collect();
        let many = format!("{{{many}\"logEvents\":[{{}}]}}\n");
        assert_eq!(unfolded(&many, 1 << 20), many);
    }
}
