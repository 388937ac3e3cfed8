//! Documents into data streams: a store that refuses some of what it gets, and keeps the rest by its id.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::process::{Process, folder, get, metric, mode, others, post, refusals, until};
use crate::sink::{self, Sink};

/// What is in the store: stream and id, and the document.
pub type Documents = Arc<Mutex<BTreeMap<(String, String), Value>>>;

/// A store. `judge` says a status for a document that is not there yet.
pub fn store(judge: impl Fn(&Value) -> u16 + Send + Sync + 'static) -> (Sink, Documents) {
    let (sink, documents) = (Sink::start(), Documents::default());
    let kept = Arc::clone(&documents);
    sink.answers(move |head, body| {
        assert!(head.starts_with("POST /_bulk?") && head.contains("content-encoding: gzip"), "{head}");
        let mut text = String::new();
        flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut kept = kept.lock().unwrap();
        let create = |pair: &[Value]| {
            let place = |key: &str| pair[0]["create"][key].as_str().unwrap().to_string();
            let place = (place("_index"), place("_id"));
            assert!(pair[1]["@timestamp"].is_string(), "{}", pair[1]);
            let status = if kept.contains_key(&place) { 409 } else { judge(&pair[1]) };
            if status == 201 {
                kept.insert(place, pair[1].clone());
            }
            json!({"create": {"status": status, "error": {"type": "some_exception", "reason": "a reason"}}})
        };
        let items: Vec<Value> = lines.chunks(2).map(create).collect();
        let errors = items.iter().any(|item| item["create"]["status"] != 201);
        sink::answer("200 OK", &json!({"errors": errors, "items": items}).to_string())
    });
    (sink, documents)
}

fn start(sink: &Sink, more: &[&str]) -> Process {
    Process::http(&format!("elasticsearch+http://{}", sink.address), more)
}

pub fn count(documents: &Documents, stream: &str) -> usize {
    documents
        .lock()
        .unwrap()
        .keys()
        .filter(|(it, _)| it == stream)
        .count()
}

/// Lets the store be away when the first request comes, and twice more.
pub fn away_at_first(sink: &Sink) {
    let judge = sink.judge();
    let tries = AtomicU32::new(0);
    sink.answers(
        move |head, body| match tries.fetch_add(1, Ordering::Relaxed) {
            0..3 => sink::answer("503 Service Unavailable", ""),
            _ => judge(head, body),
        },
    );
}

/// Waits for the end of the flood among so many lines, and checks that all is there that should be, once; gives the
/// flood's events that went on.
pub fn check_flood(stored: &Documents, stream: &str, lines: u64, refusals: u64) -> Vec<Value> {
    let of = |action: &str| {
        let stored = stored.lock().unwrap();
        let all = stored.values().filter(|it| it["event"]["action"] == action);
        all.cloned().collect::<Vec<Value>>()
    };
    until("the flood's end", || {
        !of("connection-limit-flood-end").is_empty()
    });
    let events = of("connection-limit-exceeded");
    assert_eq!(events.len(), 31);
    assert_eq!(of("connection-limit-flood-start").len(), 1);
    let end = &of("connection-limit-flood-end")[0];
    assert_eq!(end["maxconn"]["flood"]["count"], refusals);
    assert_eq!(count(stored, stream) as u64, lines - refusals - 2);
    events
}

const EVENTS: &str = "logs-dovecot.maxconn-default";

#[test]
fn everything_is_in_its_stream_once_though_equal_lines_come_and_batches_come_again() {
    let (sink, documents) = store(|_| 201);
    let mut process = start(&sink, &["--records-stream", "logs-mail-default"]);
    let input = process.address("input");
    let batch = "twice\ntwice\n".to_string() + &refusals(0..40) + "{\"message\":\"end\"}\n";
    assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
    // 29 went on before the flood, and its start.
    assert_eq!(
        (
            count(&documents, "logs-mail-default"),
            count(&documents, EVENTS)
        ),
        (3, 30)
    );
    // The flood is open now, so that all events are held back: what goes on has the same ids as before.
    assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
    assert_eq!(
        (
            count(&documents, "logs-mail-default"),
            count(&documents, EVENTS)
        ),
        (3, 30)
    );
    // Another batch with some of the same lines is not a repetition.
    assert_eq!(post(input, &[], b"twice\n").status, 204);
    assert_eq!(count(&documents, "logs-mail-default"), 4);
    process.stop();
    // Alerts have ids of their own.
    let documents = documents.lock().unwrap();
    let alerts = documents
        .iter()
        .filter(|(_, it)| it["event"]["kind"] == "alert");
    assert!(
        alerts
            .clone()
            .all(|((_, id), it)| it["event"]["id"] == **id)
    );
    assert_eq!(alerts.count(), 2);
}

#[test]
fn a_restart_without_state_makes_no_document_twice() {
    let (sink, documents) = store(|_| 201);
    let batch = refusals(0..10) + &others(0..5);
    for _ in 0..2 {
        // The batch's name is made of the input's, as the command line has it: the same here.
        let mut process = start(&sink, &["--records-stream", "logs-mail-default"]);
        assert_eq!(
            post(process.address("input"), &[], batch.as_bytes()).status,
            204
        );
        process.kill();
    }
    assert_eq!(
        (
            count(&documents, "logs-mail-default"),
            count(&documents, EVENTS)
        ),
        (5, 10)
    );
}

#[test]
fn records_that_share_an_id_are_all_stored_and_what_was_there_is_counted() {
    let (sink, documents) = store(|_| 201);
    let mut process = start(&sink, &["--records-stream", "logs-mail-default"]);
    let (input, admin) = (process.address("input"), process.address("admin"));
    let batch = shared_ids();
    assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
    check_shared_ids(&documents);
    let conflicts = |known: &str| conflicts(admin, known);
    assert_eq!((conflicts("nothing"), conflicts("retry")), (0, 0));
    // The same bytes again, of which nobody knows that they were there.
    assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
    check_shared_ids(&documents);
    assert_eq!((conflicts("nothing"), conflicts("retry")), (9, 0));
    // And others, which are taken though the answer does not come.
    let inner = sink.judge();
    let tries = AtomicU32::new(0);
    sink.answers(move |head, body| {
        let answer = inner(head, body);
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => String::new(),
            _ => answer,
        }
    });
    assert_eq!(post(input, &[], others(0..5).as_bytes()).status, 204);
    assert_eq!((conflicts("nothing"), conflicts("retry")), (9, 5));
    // And others of which it says that it fails, though they are there.
    let inner = sink.judge();
    let tries = AtomicU32::new(0);
    sink.answers(move |head, body| {
        let answer = inner(head, body);
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let items = vec![json!({"create": {"status": 503}}); 3];
                sink::answer(
                    "200 OK",
                    &json!({"errors": true, "items": items}).to_string(),
                )
            }
            _ => answer,
        }
    });
    assert_eq!(post(input, &[], others(5..8).as_bytes()).status, 204);
    assert_eq!((conflicts("nothing"), conflicts("retry")), (9, 8));
    process.stop();
}

/// How many documents were there already, of which that much was known.
fn conflicts(admin: SocketAddr, known: &str) -> u32 {
    let name = format!("maxconn_document_conflicts_total{{known=\"{known}\"}}");
    let text = get(admin, "/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

#[test]
fn what_an_earlier_process_may_have_delivered_is_counted_as_a_repetition() {
    let state = folder("repeated").join("state");
    let (sink, documents) = store(|_| 201);
    let inner = sink.judge();
    // It takes everything, and nobody hears of it.
    let silent = Arc::clone(&inner);
    sink.answers(move |head, body| {
        silent(head, body);
        String::new()
    });
    let kept = [
        "--state",
        state.to_str().unwrap(),
        "--state-interval",
        "20ms",
    ];
    let more = [&kept[..], &["--records-stream", "logs-mail-default"]].concat();
    let batch = refusals(0..40) + &others(0..10);
    let mut process = start(&sink, &[&more[..], &["--request-timeout", "50ms"]].concat());
    let answer = post(process.address("input"), &[], batch.as_bytes());
    assert_eq!(answer.status, 503);
    until("a state with the alert in it, and all documents", || {
        let kept = fs::read(&state).unwrap_or_default();
        String::from_utf8_lossy(&kept).contains("flood-start")
            && documents.lock().unwrap().len() == 40
    });
    process.kill();
    sink.answers(move |head, body| inner(head, body));
    let mut process = start(&sink, &more);
    let (input, admin) = (process.address("input"), process.address("admin"));
    assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
    assert_eq!(documents.lock().unwrap().len(), 40);
    assert_eq!(
        ["nothing", "retry", "repeat"].map(|it| conflicts(admin, it)),
        [0, 0, 40]
    );
    process.stop();
}

/// Nine records of which several share what a store could know them by: their own `event.id`, and a cursor.
pub fn shared_ids() -> String {
    let refusal = |user: &str, more: &str| {
        let line = refusals(0..1).replace("alice", user);
        let message: Value = json!(line.trim_end());
        format!("{{\"message\":{message},{more}}}\n")
    };
    let others = ["a", "b", "b"]
        .map(|text| format!("{{\"message\":\"{text}\",\"event\":{{\"id\":\"x\"}}}}\n"));
    others.concat()
        + &refusal("ann", "\"event\":{\"id\":\"x\"}")
        + &refusal("ben", "\"event\":{\"id\":\"x\"}")
        + &refusal("ben", "\"event.id\":\"x\"")
        + &refusal("ann", "\"__CURSOR\":\"s=1\"")
        + &refusal("ben", "\"__CURSOR\":\"s=1\"")
        + &refusal("ben", "\"__CURSOR\":\"s=1\",\"PRIORITY\":\"6\"")
}

/// All of them are there, and no id that a sender chose is a document's.
pub fn check_shared_ids(documents: &Documents) {
    assert_eq!(
        (
            count(documents, "logs-mail-default"),
            count(documents, EVENTS)
        ),
        (3, 6)
    );
    let documents = documents.lock().unwrap();
    assert!(
        documents.keys().all(|(_, id)| id != "x" && id != "s=1"),
        "{documents:?}"
    );
    let ours = documents
        .iter()
        .filter(|((_, id), it)| it["event"]["id"] == **id);
    assert_eq!(ours.count(), 3, "those with a cursor are known by our id");
}

#[test]
fn a_record_of_the_journal_is_one_document_in_whatever_batch_and_order_its_fields_come() {
    let (sink, documents) = store(|_| 201);
    let mut process = start(&sink, &["--only", "changed"]);
    let input = process.address("input");
    let message: Value = json!(refusals(0..1).trim_end());
    let fields = [
        format!("\"MESSAGE\":{message}"),
        "\"__CURSOR\":\"s=1\"".to_string(),
        "\"PRIORITY\":\"6\"".to_string(),
    ];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let members = order.map(|at| fields[at].as_str()).join(",");
        assert_eq!(
            post(input, &[], format!("{{{members}}}\n").as_bytes()).status,
            204
        );
    }
    assert_eq!(count(&documents, EVENTS), 1);
    process.stop();
}

#[test]
fn each_document_is_judged_alone() {
    let folder = folder("judged");
    let dead = folder.join("dead.ndjson");
    let busy = AtomicU32::new(0);
    // Every other try is too much for one document, another is poisoned.
    let (sink, documents) = store(move |document| match document["message"].as_str() {
        Some("nothing 3") if busy.fetch_add(1, Ordering::Relaxed) < 2 => 429,
        Some("nothing 5") => 400,
        _ => 201,
    });
    let more = [
        "--records-stream",
        "logs-mail-default",
        "--dead-letter",
        dead.to_str().unwrap(),
    ];
    let mut process = start(&sink, &more);
    let batch = others(0..10) + "{\"broken\n";
    assert_eq!(
        post(process.address("input"), &[], batch.as_bytes()).status,
        204
    );
    // Broken JSON goes on as text.
    assert_eq!(count(&documents, "logs-mail-default"), 10);
    assert!(process.said("now: 429").contains("a reason"));
    // The first time all, then twice the one that was put off.
    assert_eq!(sink.heads().len(), 3);
    assert_eq!(mode(&dead), 0o600);
    let letters = fs::read_to_string(&dead).unwrap();
    let letters: Vec<Value> = letters
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["document"], "{\"message\":\"nothing 5\"}");
    assert!(
        letters[0]["reason"]
            .as_str()
            .unwrap()
            .contains("400 some_exception: a reason")
    );
    assert_eq!(
        metric(process.address("admin"), "maxconn_dead_letters_total"),
        1
    );
    process.stop();
}

#[test]
fn requests_that_are_too_large_are_halved_whatever_the_store_says_to_them() {
    // The last as a server does that has too little memory for them, and takes them at no time.
    for answer in ["413 Content Too Large", "", "429 Too Many Requests"] {
        let (sink, documents) = store(|_| 201);
        let inner = sink.judge();
        sink.answers(move |head, body| {
            let mut text = String::new();
            flate2::read::GzDecoder::new(body)
                .read_to_string(&mut text)
                .unwrap();
            match text.lines().count() > 60 {
                false => inner(head, body),
                true if answer.is_empty() => String::new(),
                true => sink::answer(answer, ""),
            }
        });
        let mut process = start(&sink, &["--records-stream", "logs-mail-default"]);
        assert_eq!(
            post(process.address("input"), &[], others(0..100).as_bytes()).status,
            204
        );
        assert_eq!(count(&documents, "logs-mail-default"), 100);
        process.stop();
    }
}

#[test]
fn a_wrong_key_is_told_in_a_sentence_and_nothing_is_lost() {
    let folder = folder("key");
    let key = folder.join("key");
    fs::write(&key, "c2VjcmV0").unwrap();
    let (sink, documents) = store(|_| 201);
    let inner = sink.judge();
    let wrong = sink::answer(
        "401 Unauthorized",
        "{\"error\":{\"type\":\"security_exception\"}}",
    );
    let always = wrong.clone();
    sink.answers(move |_, _| always.clone());
    let mut process = start(
        &sink,
        &[
            "--only",
            "changed",
            "--output-api-key",
            key.to_str().unwrap(),
        ],
    );
    let input = process.address("input");
    let sender = std::thread::spawn(move || post(input, &[], refusals(0..5).as_bytes()).status);
    let said = process.said("answers 401");
    assert!(
        said.contains("--output-api-key") && said.contains("security_exception"),
        "{said}"
    );
    assert!(!said.contains("c2VjcmV0"), "{said}");
    // Another reason is told at once, and not when it is time to remind of the first.
    sink.answers(|_, _| sink::answer("403 Forbidden", ""));
    assert!(process.said("answers 403").contains("create_doc"));
    // The right one takes its place in the file; nothing is started again.
    sink.answers(
        move |head, body| match head.contains("authorization: ApiKey cmlnaHQ=\r\n") {
            true => inner(head, body),
            false => wrong.clone(),
        },
    );
    fs::write(&key, "cmlnaHQ=").unwrap();
    assert_eq!(sender.join().unwrap(), 204);
    assert_eq!(count(&documents, EVENTS), 5);
    let heads = sink.heads();
    assert!(
        heads[0].contains("authorization: ApiKey c2VjcmV0\r\n"),
        "{heads:?}"
    );
    process.stop();
}

#[test]
fn something_else_than_a_store_is_told_apart() {
    let sink = Sink::start();
    sink.answers(|_, _| sink::answer("200 OK", "{\"hello\":\"world\"}"));
    let mut process = start(&sink, &["--only", "changed", "--grace", "100ms"]);
    let input = process.address("input");
    let sender = std::thread::spawn(move || post(input, &[], refusals(0..1).as_bytes()).status);
    let said = process.said("name an Elasticsearch or OpenSearch");
    assert!(said.contains("hello"), "{said}");
    drop(process);
    drop(sender);

    let mut process = start(&sink, &[]);
    assert_eq!(process.wait().code(), Some(2));
    process.said("--only changed");
}
