//! `pipelines/vector/*.yaml`: Vector's `http` sink, its `http_server` source and what lies around them, played as
//! these files configure them against the command that the README prints.
//!
//! Vector's part is from its reference and its source: what a batch looks like on the wire, which answers are tried
//! again, what the source adds to an event and answers when a sink refuses it, and that the `elasticsearch` sink
//! renames `timestamp` over `@timestamp` and takes a document that exists for one that was refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::printed::{Command, flood, read, setting, settings};
use crate::process::{Answer, Process, metric, post, until};
use crate::sink::{self, Sink};
use crate::store;

/// What Vector adds for the time at which it saw a line.
const ARRIVAL: &str = "2030-01-01T00:00:00Z";

/// The keys that a component may have here; a misspelt one is none of them.
const KNOWN: [(&str, &[&str]); 5] = [
    ("file", &["include.0", "file_key", "offset_key", "host_key"]),
    (
        "http_server",
        &[
            "address",
            "method",
            "path",
            "framing.method",
            "decoding.codec",
        ],
    ),
    ("remap", &["inputs.0", "source"]),
    (
        "http",
        &[
            "inputs.0",
            "uri",
            "method",
            "encoding.codec",
            "framing.method",
            "acknowledgements.enabled",
            "batch.max_bytes",
            "batch.timeout_secs",
            "request.concurrency",
            "request.timeout_secs",
            "buffer.type",
            "buffer.max_size",
            "buffer.when_full",
        ],
    ),
    (
        "elasticsearch",
        &[
            "inputs.0",
            "endpoints.0",
            "api_version",
            "mode",
            "data_stream.type",
            "data_stream.dataset",
            "data_stream.namespace",
            "id_key",
            "request_retry_partial",
            "acknowledgements.enabled",
        ],
    ),
];

/// A configuration.
struct Vector {
    settings: Vec<(String, String)>,
}

impl Vector {
    fn of(yaml: &str) -> Vector {
        let settings = settings(yaml);
        for (path, _) in &settings {
            let parts: Vec<&str> = path.splitn(3, '.').collect();
            let [section, component, key] = parts[..] else {
                assert_eq!(path, "data_dir");
                continue;
            };
            let kind = setting(&settings, &format!("{section}.{component}.type"));
            let known = KNOWN.iter().find(|(it, _)| *it == kind);
            let (_, keys) = known.unwrap_or_else(|| panic!("{section} {kind}: not known here"));
            assert!(
                key == "type" || keys.contains(&key),
                "{path}: not known here"
            );
        }
        Vector { settings }
    }

    fn get(&self, path: &str) -> &str {
        setting(&self.settings, path)
    }

    /// An event as the `file` source makes it of a line, after `to_ecs`.
    fn event(&self, line: &str, offset: usize) -> Value {
        let mut event = json!({"message": line, "source_type": "file", "timestamp": ARRIVAL});
        for (key, value) in [
            ("file_key", json!(self.get("sources.mail_log.include.0"))),
            ("offset_key", json!(offset)),
            ("host_key", json!("mail")),
        ] {
            let path = self
                .get(&format!("sources.mail_log.{key}"))
                .replace('.', "/");
            insert(&mut event, &path, value);
        }
        remap(&mut event, self.get("transforms.to_ecs.source"));
        event
    }

    /// Everything in batches of as many bytes as a batch has, a thousand events at most, so that there are several.
    fn batches(&self, lines: &[String]) -> Vec<String> {
        let most: usize = self
            .get("sinks.to_maxconn.batch.max_bytes")
            .parse()
            .unwrap();
        let (mut batches, mut batch, mut offset) = (Vec::new(), Vec::new(), 0);
        for line in lines {
            let event = self.event(line, offset).to_string();
            offset += line.len() + 1;
            let size: usize = batch.iter().map(String::len).sum();
            if size + event.len() > most || batch.len() == 1_000 {
                batches.push(batch.join("\n"));
                batch.clear();
            }
            batch.push(event);
        }
        batches.push(batch.join("\n"));
        batches
    }

    /// The sink: one batch after the other, each until it is taken.
    fn send(&self, process: &mut Process, lines: &[String]) {
        let input = process.address("input");
        let (method, codec) = (
            "sinks.to_maxconn.framing.method",
            "sinks.to_maxconn.encoding.codec",
        );
        assert_eq!(
            (self.get(codec), self.get(method)),
            ("json", "newline_delimited")
        );
        assert_eq!(self.get("sinks.to_maxconn.request.concurrency"), "1");
        for batch in self.batches(lines) {
            let mut tries = 0;
            loop {
                let headers = [
                    "Content-Type: application/x-ndjson",
                    "User-Agent: Vector/0.50.0",
                ];
                let Answer { status, body, .. } = post(input, &headers, batch.as_bytes());
                match status {
                    200..=299 => break,
                    408 | 429 | 500 | 502.. => tries += 1,
                    _ => panic!("{status}, for which Vector drops the batch: {body}"),
                }
                assert!(tries < 100, "{status}: {body}");
            }
        }
    }

    /// What the `http_server` source makes of a request, after `from_ecs` and as the `elasticsearch` sink would
    /// write it.
    fn documents(&self, body: &[u8]) -> Vec<Value> {
        assert_eq!(
            self.get("sources.from_maxconn.framing.method"),
            "newline_delimited"
        );
        let lines = std::str::from_utf8(body).unwrap().lines();
        let document = |line: &str| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            for (key, value) in [
                ("path", "/"),
                ("source_type", "http_server"),
                ("timestamp", ARRIVAL),
            ] {
                if event.get(key).is_none() {
                    event[key] = json!(value);
                }
            }
            remap(&mut event, self.get("transforms.from_ecs.source"));
            let renamed = event.as_object_mut().unwrap().remove("timestamp");
            if let Some(time) = renamed {
                event["@timestamp"] = time;
            }
            event
        };
        lines.map(document).collect()
    }
}

/// As much of Vector's language as the files use.
fn remap(event: &mut Value, source: &str) {
    for statement in source.lines() {
        let fields = event.as_object_mut().unwrap();
        if statement == r#"if !exists(."@timestamp") { ."@timestamp" = .timestamp }"# {
            let time = fields["timestamp"].clone();
            fields.entry("@timestamp").or_insert(time);
        } else {
            let name = statement
                .strip_prefix("del(.")
                .and_then(|it| it.strip_suffix(')'));
            fields.remove(name.unwrap_or_else(|| panic!("{statement}: not known here")));
        }
    }
}

fn insert(event: &mut Value, path: &str, value: Value) {
    let mut at = event;
    for key in path.split('/') {
        at = &mut at[key];
    }
    *at = value;
}

fn port(address: &str) -> &str {
    address.trim_end_matches('/').rsplit(':').next().unwrap()
}

/// A flood is 29 events, alerts, and the rest held back; its end says how many there were.
fn check(documents: &[Value], refusals: u64) {
    let of = |action: &str| {
        let all = documents
            .iter()
            .filter(|it| it["event"]["action"] == action);
        all.collect::<Vec<_>>()
    };
    assert_eq!(of("connection-limit-exceeded").len(), 31);
    assert_eq!(of("connection-limit-flood-start").len(), 1);
    let ends = of("connection-limit-flood-end");
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["maxconn"]["flood"]["count"], refusals);
    assert_eq!(ends[0]["maxconn"]["flood"]["suppressed"], refusals - 29);
    for document in documents.iter().filter(|it| it["event"].is_object()) {
        assert!(
            document["@timestamp"].as_str().unwrap() < ARRIVAL,
            "{document}"
        );
        assert!(document["event"]["id"].is_string(), "{document}");
        assert_eq!(document["source_type"], Value::Null);
    }
    let host = documents
        .iter()
        .find(|it| it["event"]["kind"] == "event")
        .unwrap();
    assert_eq!(host["host"]["name"], "mail");
    assert_eq!(host["log"]["file"]["path"], "/var/log/mail.log");
}

#[test]
fn records_go_to_maxconn_and_come_back_without_the_flood() {
    let vector = Arc::new(Vector::of(&read("vector", "vector.yaml")));
    let command = Command::of("vector", "--output http://");
    assert_eq!(
        port(command.option("--input")),
        port(vector.get("sinks.to_maxconn.uri"))
    );
    assert_eq!(
        port(command.option("--output")),
        port(vector.get("sources.from_maxconn.address"))
    );
    let back = Sink::start();
    let stored: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
    let (source, store) = (Arc::clone(&vector), Arc::clone(&stored));
    let requests = Mutex::new(0);
    back.answers(move |head, body| {
        assert!(
            head.starts_with(&format!(
                "POST {} ",
                source.get("sources.from_maxconn.path")
            )),
            "{head}"
        );
        let mut requests = requests.lock().unwrap();
        *requests += 1;
        // The store is away at first.
        if *requests <= 2 {
            return sink::answer(
                "500 Internal Server Error",
                "Error delivering contents to sink",
            );
        }
        let mut store = store.lock().unwrap();
        let mut conflict = false;
        for (index, document) in source.documents(body).into_iter().enumerate() {
            let id = document["event"]["id"].as_str();
            let id = id.map_or_else(|| format!("{requests}-{index}"), str::to_string);
            conflict |= store.insert(id, document).is_some();
        }
        match conflict {
            true => sink::answer("400 Bad Request", "Contents failed to deliver to sink"),
            // The whole was taken, and still the answer is lost: it comes again.
            false if *requests == 3 => String::new(),
            false => sink::ok(),
        }
    });
    let mut process = command.start("vector", &format!("http://{}", back.address), &[]);
    let (lines, refusals) = flood();
    vector.send(&mut process, &lines);
    let documents = || stored.lock().unwrap().values().cloned().collect::<Vec<_>>();
    until("the flood's end", || {
        let end = |it: &Value| it["event"]["action"] == "connection-limit-flood-end";
        documents().iter().any(end)
    });
    // What came again was there already, which Vector reports as a refusal: it is set aside, and stored once.
    assert!(metric(process.address("admin"), "maxconn_dead_letters_total") > 0);
    process.stop();
    check(&documents(), refusals);
}

#[test]
fn records_go_through_maxconn_into_the_store() {
    let vector = Vector::of(&read("vector", "vector-direct.yaml"));
    let command = Command::of("vector", "--output elasticsearch+http://");
    assert_eq!(
        port(command.option("--input")),
        port(vector.get("sinks.to_maxconn.uri"))
    );
    let (sink, stored) = store::store(|_| 201);
    let output = format!("elasticsearch+http://{}", sink.address);
    let mut process = command.start("vector-direct", &output, &[]);
    let (lines, refusals) = flood();
    vector.send(&mut process, &lines);
    let documents = || stored.lock().unwrap().values().cloned().collect::<Vec<_>>();
    until("the flood's end", || {
        let end = |it: &Value| it["event"]["action"] == "connection-limit-flood-end";
        documents().iter().any(end)
    });
    // What has no event is in the stream that the command names for it.
    let others = lines.len() as u64 - refusals - 2;
    let stream = command.option("--records-stream");
    assert_eq!(store::count(&stored, stream) as u64, others);
    process.stop();
    check(&documents(), refusals);
}

#[test]
fn a_batch_of_the_size_that_the_files_allow_is_taken() {
    for file in ["vector.yaml", "vector-direct.yaml"] {
        let vector = Vector::of(&read("vector", file));
        let most: usize = vector
            .get("sinks.to_maxconn.batch.max_bytes")
            .parse()
            .unwrap();
        let sink = Sink::start();
        let mut process = Process::start(&["--input", "http://:0", "--output", &sink.url()]);
        // The size is an estimate before it is encoded: escapes may make it several times as large.
        let line = json!({"message": "\u{1}".repeat(most)}).to_string();
        assert!(line.len() > 5 * most);
        assert_eq!(
            post(process.address("input"), &[], line.as_bytes()).status,
            204,
            "{file}"
        );
        process.stop();
    }
}

#[test]
fn the_model_takes_nothing_that_it_does_not_know() {
    let yaml = read("vector", "vector.yaml");
    for (from, to) in [
        ("framing:", "framming:"),
        ("type: http\n", "type: htpp\n"),
        ("file_key:", "filekey:"),
    ] {
        let changed = yaml.replace(from, to);
        assert_ne!(changed, yaml);
        let result = std::panic::catch_unwind(|| Vector::of(&changed));
        assert!(result.is_err(), "{to}");
    }
}
