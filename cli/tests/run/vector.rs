//! `pipelines/vector/*.yaml`: Vector's `http` sink, its `http_server` source and what lies around them, played as
//! these files configure them against the command that the README prints.
//!
//! Vector's part is from its reference and its source: what a batch looks like on the wire, which answers are tried
//! again, what the source adds to an event and answers when a sink refuses it, and that the `elasticsearch` sink
//! renames `timestamp` over `@timestamp` and takes a document that exists for one that was refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use serde_json::{Value, json};
use test_support::command::{Folder, Process};
use test_support::http::{Answer, Sink, post, reply};
use test_support::store::Store;
use test_support::until;

use crate::printed::{Command, check_flood, flood, read, setting, settings};

/// What Vector adds for the time at which it saw a line.
const ARRIVAL: &str = "2030-01-01T00:00:00Z";

/// The keys that a component may have here; a misspelt one is none of them.
const KNOWN: [(&str, &str); 6] = [
    ("file", "include.0 file_key offset_key host_key"),
    (
        "http_server",
        "address method path framing.method decoding.codec",
    ),
    ("remap", "inputs.0 source"),
    ("route", "inputs.0 route.ours"),
    (
        "http",
        "inputs.0 uri method encoding.codec framing.method acknowledgements.enabled batch.max_bytes \
         batch.timeout_secs request.concurrency request.timeout_secs buffer.type buffer.max_size buffer.when_full",
    ),
    (
        "elasticsearch",
        "inputs.0 endpoints.0 api_version mode data_stream.type data_stream.dataset data_stream.namespace \
         data_stream.auto_routing data_stream.sync_fields id_key request_retry_partial acknowledgements.enabled",
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
            let is_known = key == "type" || keys.split(' ').any(|it| it == key);
            assert!(is_known, "{path}: not known here");
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
            let path = self.get(&format!("sources.mail_log.{key}")).split('.');
            *path.fold(&mut event, |at, key| &mut at[key]) = value;
        }
        remap(&mut event, self.get("transforms.to_ecs.source"));
        event
    }

    fn batch_max_bytes(&self) -> usize {
        self.get("sinks.to_maxconn.batch.max_bytes")
            .parse()
            .unwrap()
    }

    /// Everything in batches of as many bytes as a batch has, a thousand events at most, so that there are several.
    fn batches(&self, lines: &[String]) -> Vec<String> {
        let most = self.batch_max_bytes();
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
    fn send(&self, process: &Process, lines: &[String]) {
        let input = process.address("input");
        for batch in self.batches(lines) {
            until("a batch is taken", || self.is_taken(input, &batch));
        }
    }

    /// Whether a batch is taken; what is not taken is sent again.
    fn is_taken(&self, input: SocketAddr, batch: &str) -> bool {
        for (key, value) in [
            ("encoding.codec", "json"),
            ("framing.method", "newline_delimited"),
            ("request.concurrency", "1"),
        ] {
            assert_eq!(self.get(&format!("sinks.to_maxconn.{key}")), value);
        }
        let headers = [
            "Content-Type: application/x-ndjson",
            "User-Agent: Vector/0.50.0",
        ];
        let Answer { status, body, .. } = post(input, &headers, batch);
        match status {
            200..=299 => true,
            408 | 429 | 500 | 502.. => false,
            _ => panic!("{status}, for which Vector drops the batch: {body}"),
        }
    }

    /// What the `http_server` source makes of a request, after `from_ecs` and as the `elasticsearch` sink would
    /// write it.
    fn documents(&self, body: &[u8]) -> Vec<Value> {
        let framing = self.get("sources.from_maxconn.framing.method");
        assert_eq!(framing, "newline_delimited");
        let lines = std::str::from_utf8(body).unwrap().lines();
        let document = |line: &str| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            let added = [
                ("path", "/"),
                ("source_type", "http_server"),
                ("timestamp", ARRIVAL),
            ];
            for (key, value) in added {
                let fields = event.as_object_mut().unwrap();
                fields.entry(key).or_insert(json!(value));
            }
            remap(&mut event, self.get("transforms.from_ecs.source"));
            if let Some(time) = event.as_object_mut().unwrap().remove("timestamp") {
                event["@timestamp"] = time;
            }
            event
        };
        lines.map(document).collect()
    }

    /// The data stream of a document: `route`, and the sink behind each of its outputs.
    fn stream(&self, document: &Value) -> String {
        assert_eq!(self.get("transforms.split.inputs.0"), "from_ecs");
        assert_eq!(
            self.get("transforms.split.route.ours"),
            "exists(.maxconn) && is_string(.event.module)"
        );
        let module = document["event"]["module"].as_str();
        let module = module.filter(|_| document["maxconn"].is_object());
        let (sink, input) = match module {
            Some(_) => ("store_ours", "split.ours"),
            None => ("store_others", "split._unmatched"),
        };
        let get = |key: &str| self.get(&format!("sinks.{sink}.{key}"));
        assert_eq!(get("inputs.0"), input);
        let dataset =
            get("data_stream.dataset").replace("{{ event.module }}", module.unwrap_or(""));
        let [kind, namespace] = ["type", "namespace"].map(|key| get(&format!("data_stream.{key}")));
        format!("{kind}-{dataset}-{namespace}")
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
            let name = statement.strip_prefix("del(.");
            let name = name.and_then(|it| it.strip_suffix(')'));
            fields.remove(name.unwrap_or_else(|| panic!("{statement}: not known here")));
        }
    }
}

fn port(address: &str) -> &str {
    address.trim_end_matches('/').rsplit(':').next().unwrap()
}

/// A flood is 29 events, alerts, and the rest held back; its end says how many there were.
fn check(documents: &[Value], refusals: usize) {
    let of = |action: &str| {
        let is_of = |it: &&Value| it["event"]["action"] == format!("connection-limit-{action}");
        documents.iter().filter(is_of).collect::<Vec<_>>()
    };
    let counts = ["exceeded", "flood-start", "flood-end"].map(|action| of(action).len());
    assert_eq!(counts, [31, 1, 1]);
    let flood = &of("flood-end")[0]["maxconn"]["flood"];
    assert_eq!(flood["count"], refusals);
    assert_eq!(flood["suppressed"], refusals - 29);
    for document in documents.iter().filter(|it| it["event"].is_object()) {
        let time = document["@timestamp"].as_str().unwrap();
        assert!(time < ARRIVAL, "{document}");
        assert!(document["event"]["id"].is_string(), "{document}");
        assert_eq!(document["source_type"], Value::Null);
    }
    let mut events = documents.iter().filter(|it| it["event"]["kind"] == "event");
    let event = events.next().unwrap();
    assert_eq!(event["host"]["name"], "mail");
    assert_eq!(event["log"]["file"]["path"], "/var/log/mail.log");
}

#[test]
fn records_go_to_maxconn_and_come_back_without_the_flood() {
    let vector = Arc::new(Vector::of(&read("vector", "vector.yaml")));
    let command = Command::of("vector", "--output http://");
    for (option, setting) in [
        ("--input", "sinks.to_maxconn.uri"),
        ("--output", "sources.from_maxconn.address"),
    ] {
        assert_eq!(port(command.option(option)), port(vector.get(setting)));
    }
    let stored: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
    let (source, store) = (Arc::clone(&vector), Arc::clone(&stored));
    let requests = Mutex::new(0);
    let back = Sink::judging(move |head, body| {
        let path = source.get("sources.from_maxconn.path");
        assert!(head.starts_with(&format!("POST {path} ")), "{head}");
        let mut requests = requests.lock().unwrap();
        *requests += 1;
        // The store is away at first.
        if *requests <= 2 {
            return reply(500, "Error delivering contents to sink");
        }
        let mut store = store.lock().unwrap();
        let mut conflict = false;
        for (index, document) in source.documents(body).into_iter().enumerate() {
            let id = document["event"]["id"].as_str();
            let id = id.map_or_else(|| format!("{requests}-{index}"), str::to_string);
            conflict |= store.insert(id, document).is_some();
        }
        match conflict {
            true => reply(400, "Contents failed to deliver to sink"),
            // The whole was taken, and still the answer is lost: it comes again.
            false if *requests == 3 => String::new(),
            false => reply(200, ""),
        }
    });
    let folder = Folder::new();
    let mut process = command.start(&folder, &format!("http://{}", back.address), "");
    let (lines, refusals) = flood();
    vector.send(&process, &lines);
    let documents = || stored.lock().unwrap().values().cloned().collect::<Vec<_>>();
    until("the flood's end", || {
        let end = |it: &Value| it["event"]["action"] == "connection-limit-flood-end";
        documents().iter().any(end)
    });
    // What came again was there already, which Vector reports as a refusal: it is set aside, and stored once.
    assert!(process.metric("maxconn_dead_letters_total") > 0);
    process.stop();
    check(&documents(), refusals);
    for document in documents() {
        let stream = match document["event"]["kind"].is_string() {
            true => "logs-dovecot.maxconn-default",
            false => "logs-mail-default",
        };
        assert_eq!(vector.stream(&document), stream, "{document}");
    }
}

#[test]
fn records_go_through_maxconn_into_the_store() {
    let vector = Vector::of(&read("vector", "vector-direct.yaml"));
    let command = Command::of("vector", "--output elasticsearch+http://");
    let uri = vector.get("sinks.to_maxconn.uri");
    assert_eq!(port(command.option("--input")), port(uri));
    let (folder, store) = (Folder::new(), Store::start());
    let mut process = command.start(&folder, &store.url(), "");
    let (lines, refusals) = flood();
    vector.send(&process, &lines);
    check_flood(
        &store,
        command.option("--records-stream"),
        lines.len(),
        refusals,
    );
    process.stop();
    let documents: Vec<Value> = store.documents().into_values().collect();
    check(&documents, refusals);
}

#[test]
fn a_batch_of_the_size_that_the_files_allow_is_taken() {
    for file in ["vector.yaml", "vector-direct.yaml"] {
        let most = Vector::of(&read("vector", file)).batch_max_bytes();
        let sink = Sink::start();
        let mut process = Process::http(&sink.url(), "");
        // The size is an estimate before it is encoded: escapes may make it several times as large.
        let line = json!({"message": "\u{1}".repeat(most)}).to_string();
        assert!(line.len() > 5 * most);
        assert_eq!(process.post(&line), 204, "{file}");
        process.stop();
    }
}

/// How often the process is killed.
const KILLS: usize = 20;
/// A batch of so many records of so many bytes goes on in more than one request.
const RECORDS: usize = 700;
const PADDING: usize = 1_000;

/// What the next hop knows.
#[derive(Default)]
struct NextHop {
    /// How often it has confirmed each record.
    confirmed: BTreeMap<usize, usize>,
    /// What was in the last request that it confirmed.
    last: Vec<usize>,
    /// Which process it confirms anything to: what another one has sent may still be on its way.
    round: usize,
    /// When it has this one killed.
    moment: Option<Moment>,
}

/// When a process is killed.
#[derive(Clone, Copy)]
enum Moment {
    /// While the next hop confirms a request.
    AtOnce,
    /// When the next request is there: by then the one before is marked.
    WithTheNext,
    /// It is dying.
    Now,
}

#[test]
fn killed_again_and_again_nothing_is_missing_and_what_is_marked_is_not_sent_twice() {
    let vector = Vector::of(&read("vector", "vector.yaml"));
    let command = Command::of("vector", "--output http://");
    let hop: Arc<Mutex<NextHop>> = Arc::default();
    let (kill, killing) = mpsc::channel();
    let (folder, mut sent, mut excused) = (Folder::new(), 0, Vec::new());
    let mut again: Option<String> = None;
    for round in 0..=KILLS {
        hop.lock().unwrap().round = round;
        let (back, kill) = (Arc::clone(&hop), kill.clone());
        let sink = Sink::judging(move |_, body| {
            let mut hop = back.lock().unwrap();
            if hop.round != round || matches!(hop.moment, Some(Moment::Now)) {
                return String::new();
            }
            if let Some(Moment::WithTheNext) = hop.moment
                && !hop.last.is_empty()
            {
                hop.moment = Some(Moment::Now);
                kill.send(()).unwrap();
                return String::new();
            }
            hop.last = serials(body);
            for serial in hop.last.clone() {
                *hop.confirmed.entry(serial).or_default() += 1;
            }
            if let Some(Moment::AtOnce) = hop.moment {
                hop.moment = Some(Moment::Now);
                kill.send(()).unwrap();
            }
            reply(200, "")
        });
        let mut process = command.start(&folder, &format!("http://{}", sink.address), "");
        let input = process.address("input");
        if let Some(batch) = again.take() {
            assert!(vector.is_taken(input, &batch));
        }
        if round == KILLS {
            process.stop();
            break;
        }
        let padding = "x".repeat(PADDING);
        let line = |serial| format!("Jan  1 12:00:00 mail app: serial {serial}; {padding}");
        let lines: Vec<String> = (sent..sent + RECORDS).map(line).collect();
        sent += RECORDS;
        let [batch] = vector.batches(&lines).try_into().unwrap();
        let is_excused = round % 2 == 1;
        {
            let mut hop = hop.lock().unwrap();
            hop.last.clear();
            hop.moment = Some(match is_excused {
                true => Moment::AtOnce,
                false => Moment::WithTheNext,
            });
        }
        let is_taken = thread::scope(|scope| {
            let posted = scope.spawn(|| vector.is_taken(input, &batch));
            killing.recv().unwrap();
            process.kill();
            posted.join().unwrap_or(false)
        });
        assert!(!is_taken);
        again = Some(batch);
        let mut hop = hop.lock().unwrap();
        if is_excused {
            // It may have been killed between the confirmation and the mark.
            excused.append(&mut hop.last);
        }
        (hop.round, hop.moment) = (round + 1, None);
    }
    let hop = hop.lock().unwrap();
    assert!((0..sent).all(|it| hop.confirmed.contains_key(&it)));
    let twice = hop.confirmed.iter().filter(|(_, count)| **count > 1);
    let twice: Vec<usize> = twice.map(|(serial, _)| *serial).collect();
    assert!(
        twice.iter().all(|it| excused.contains(it)),
        "{} of {sent} records came again, {} in the midst of a confirmation",
        twice.len(),
        excused.len()
    );
    assert!(hop.confirmed.values().all(|count| *count <= 2));
}

/// The planted numbers in a request.
fn serials(body: &[u8]) -> Vec<usize> {
    let text = std::str::from_utf8(body).unwrap();
    let serial = |line: &str| {
        let (_, rest) = line.split_once("serial ")?;
        rest.split_once(';')?.0.parse().ok()
    };
    text.lines().filter_map(serial).collect()
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
