//! Writes the requests to `_bulk`.

use std::io::{self, Write as _};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::Streams;
use crate::output::delivery::Delivery;
use crate::output::meter::History;
use crate::system;
use maxconn_host::Kind;

/// The longest id that the servers take, in bytes.
const ID_MAX_BYTES: usize = 512;

/// A document on its way.
#[derive(Clone, Debug)]
pub struct Item {
    /// The document as it came from the guest, with its newline.
    pub line: Bytes,
    /// The data stream.
    pub stream: String,
    /// What is known if the store says that it was there before.
    pub history: History,
    /// Its id; `None` if it is no JSON object.
    id: Option<String>,
    has_timestamp: bool,
}

impl Item {
    /// It can be sent.
    pub fn is_whole(&self) -> bool {
        self.id.is_some()
    }
}

/// What is read of a document. What may hold many values is not made into them, which are many times as large.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(default, rename = "@timestamp")]
    timestamp: Option<IgnoredAny>,
    #[serde(default, borrow)]
    event: Option<&'a RawValue>,
    #[serde(default, borrow, rename = "event.id")]
    dotted_id: Option<&'a RawValue>,
    #[serde(default, borrow, rename = "event.module")]
    dotted_module: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Event<'a> {
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    module: Option<&'a RawValue>,
}

impl<'a> Document<'a> {
    fn of(line: &'a [u8]) -> Option<Document<'a>> {
        let document: Option<Document<'_>> = serde_json::from_slice(line).ok();
        document.filter(|_| line.starts_with(b"{"))
    }

    /// Its `event`, with the members that have a dotted key.
    fn event(&self) -> Event<'a> {
        let event = self.event.map(RawValue::get);
        let event = event.filter(|event| event.starts_with('{'));
        let event: Event<'_> = event
            .and_then(|event| serde_json::from_str(event).ok())
            .unwrap_or_default();
        Event {
            id: event.id.or(self.dotted_id),
            module: event.module.or(self.dotted_module),
        }
    }
}

/// A text of a document; `None` if it is none.
fn text(value: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(value?.get()).ok()
}

/// Where in a delivery the next document is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    segment: usize,
    /// In the delivery's bytes.
    at: usize,
    /// How many documents of the segment come before it.
    number: u32,
}

/// Appends the documents of a delivery from `cursor` on to `all`, and moves `cursor` on, until `all` has `max` of them or
/// it is behind the last; answers whether it is.
pub fn items(
    delivery: &Delivery,
    cursor: &mut Cursor,
    streams: &Streams,
    max: usize,
    all: &mut Vec<Item>,
) -> bool {
    while let Some(segment) = delivery.segments.get(cursor.segment) {
        let is_record = matches!(segment.kind, Kind::Passed | Kind::Wrapped);
        if is_record && streams.records.is_none() {
            cursor.at = segment.end;
        }
        while cursor.at < segment.end {
            if all.len() >= max {
                return false;
            }
            let rest = delivery.bytes.get(cursor.at..segment.end).unwrap_or(&[]);
            let end = memchr::memchr(b'\n', rest).map_or(segment.end, |at| cursor.at + at + 1);
            let line = delivery.bytes.slice(cursor.at..end);
            cursor.at = end;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let number = segment.number + cursor.number;
            let document = Document::of(&line);
            let event = document.as_ref().map(Document::event).unwrap_or_default();
            all.push(Item {
                stream: match &streams.records {
                    Some(stream) if is_record => stream.clone(),
                    _ => {
                        let module = text(event.module);
                        (streams.ours).of(segment.kind, module.as_deref(), &delivery.patterns)
                    }
                },
                has_timestamp: document.as_ref().is_some_and(|it| it.timestamp.is_some()),
                history: if delivery.repeated {
                    History::Repeated
                } else {
                    History::New
                },
                id: document.map(|_| id(&event, segment.kind, delivery, number, &line)),
                line,
            });
            cursor.number += 1;
        }
        (cursor.segment, cursor.number) = (cursor.segment + 1, 0);
    }
    true
}

/// The id that the document has whenever it comes. One that its sender gave it may be on others, too: it is not taken.
fn id(event: &Event<'_>, kind: Kind, delivery: &Delivery, number: u32, line: &[u8]) -> String {
    let own = text(event.id).filter(|own| (1..=ID_MAX_BYTES).contains(&own.len()));
    match (kind, own) {
        (Kind::Alert | Kind::Statistics | Kind::Identified, Some(ours)) => ours,
        // They come when it is time, not with a record: they have no number.
        (Kind::Alert | Kind::Statistics | Kind::View, _) => digest(line),
        // What they were numbered by does not come again. The sender says that it is one, and its contents that it is
        // no other.
        (_, Some(_)) if delivery.lines_return => digest(line),
        _ => format!("{}-{number}", HEXLOWER.encode(&delivery.name)),
    }
}

fn digest(line: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(line)[..16])
}

/// The body of a request, compressed.
pub fn body(items: &[Item]) -> Bytes {
    let mut body = GzEncoder::new(Vec::new(), Compression::fast());
    let now = Timestamp::from_millisecond(system::now_ms()).unwrap_or_default();
    let mut write = || {
        for item in items {
            let action = serde_json::json!({"create": {"_index": item.stream, "_id": item.id}});
            writeln!(body, "{action}")?;
            match item.line.split_first() {
                // Data streams want a time; that of their arrival is the best there is.
                Some((_, rest)) if !item.has_timestamp => {
                    let rest = rest.trim_ascii_start();
                    let comma = if rest.starts_with(b"}") { "" } else { "," };
                    write!(body, "{{\"@timestamp\":\"{now}\"{comma}")?;
                    body.write_all(rest)?;
                }
                _ => body.write_all(&item.line)?,
            }
        }
        Ok::<_, io::Error>(())
    };
    // Writing to memory does not fail.
    let _ = write();
    body.finish().unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::super::OurStreams;
    use super::*;
    use crate::output::delivery::LineRange;
    use serde_json::Value;
    use std::io::Read;

    #[test]
    fn every_document_has_an_id_a_stream_and_a_time() {
        let at = |members: &str| format!("{{\"@timestamp\":\"t\",{members}}}\n");
        let own = r#""event.id":"y","event.module":"dovecot","event":1"#;
        let lines = [
            (
                Kind::Passed,
                3,
                "{\"message\":\"a\"}\n{}\nnot JSON\n".to_string(),
            ),
            (
                Kind::Alert,
                6,
                at(r#""event":{"id":"x\u0022","module":"m"}"#),
            ),
            (Kind::Enriched, 6, at(r#""event":{"module":"ngin\u0078"}"#)),
            (Kind::Identified, 7, at(own)),
            (Kind::Statistics, 0, at(r#""event":{}"#)),
            // The sender's own.
            (Kind::Enriched, 8, at(r#""event.id":"y""#)),
            (Kind::Passed, 9, at(r#""event":{"id":"y"}"#)),
        ];
        let (mut bytes, mut segments) = (String::new(), Vec::new());
        for (kind, number, text) in lines {
            bytes.push_str(&text);
            segments.push(LineRange {
                kind,
                number,
                end: bytes.len(),
            });
        }
        let mut delivery = Delivery {
            bytes: bytes.into(),
            segments,
            name: [0xab; 16],
            ..Delivery::default()
        };
        let streams = |records: Option<&str>| Streams {
            ours: OurStreams::OfServers {
                namespace: "default".to_string(),
            },
            records: records.map(str::to_string),
        };
        let (mut all, mut cursor) = (Vec::new(), Cursor::default());
        let others = streams(Some("others"));
        // Taken in two parts they are the same.
        assert!(!items(&delivery, &mut cursor, &others, 2, &mut all));
        assert_eq!(all.len(), 2);
        assert!(items(&delivery, &mut cursor, &others, 99, &mut all));
        let is_torn = |item: &Item| !item.is_whole();
        assert_eq!(all.iter().position(is_torn), Some(2));
        assert_eq!(all.iter().filter(|it| it.is_whole()).count(), 8);
        all.retain(Item::is_whole);
        let mut text = String::new();
        let compressed = body(&all);
        flate2::read::GzDecoder::new(&compressed[..])
            .read_to_string(&mut text)
            .unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let name = "ab".repeat(16);
        let expected = [
            ("others", format!("{name}-3")),
            ("others", format!("{name}-4")),
            ("logs-m.maxconn-default", "x\"".to_string()),
            ("logs-nginx.maxconn-default", format!("{name}-6")),
            ("logs-dovecot.maxconn-default", "y".to_string()),
            ("logs-maxconn.maxconn-default", String::new()),
            ("logs-maxconn.maxconn-default", format!("{name}-8")),
            ("others", format!("{name}-9")),
        ];
        for (at, (stream, id)) in expected.iter().enumerate() {
            assert_eq!(lines[2 * at]["create"]["_index"], *stream);
            if !id.is_empty() {
                assert_eq!(lines[2 * at]["create"]["_id"], *id);
            }
        }
        assert_eq!(lines[10]["create"]["_id"].as_str().unwrap().len(), 32);
        let mut documents = lines.iter().skip(1).step_by(2);
        assert!(documents.all(|it| it["@timestamp"].is_string()), "{text}");
        assert_eq!(lines[1]["message"], "a");

        all.clear();
        let ours = streams(None);
        items(&delivery, &mut Cursor::default(), &ours, 9, &mut all);
        assert_eq!(all.len(), 5);

        // Where lines return, one with an id of its own is known by what it is, wherever it comes.
        delivery.lines_return = true;
        let ids = |delivery: &Delivery| {
            let mut all = Vec::new();
            let streams = streams(Some("others"));
            items(delivery, &mut Cursor::default(), &streams, 99, &mut all);
            all.into_iter().filter_map(|it| it.id).collect::<Vec<_>>()
        };
        let before = ids(&delivery);
        delivery.name = [0xcd; 16];
        let same: Vec<bool> = ids(&delivery)
            .iter()
            .zip(&before)
            .map(|(a, b)| a == b)
            .collect();
        assert_eq!(same, [false, false, true, false, true, true, true, true]);
    }
}
