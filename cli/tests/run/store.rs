//! Documents into data streams: a store that refuses some of what it gets, and keeps the rest by its id.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use test_support::command::{Folder, Process};
use test_support::http::{Sink, post, reply};
use test_support::refusal::{each_second, others};
use test_support::store::{Store, bulk};
use test_support::{contains, lacks, until};

use crate::{EVENTS, RECORDS, STATE};

fn start(store: &Store, more: &str) -> Process {
    Process::http(&store.url(), &format!("--records-stream {RECORDS} {more}"))
}

fn check_counts(store: &Store, records: usize, events: usize) {
    let counts = (store.stored(RECORDS), store.stored(EVENTS));
    assert_eq!(counts, (records, events));
}

#[test]
fn everything_is_in_its_stream_once_though_equal_lines_come_and_batches_come_again() {
    let store = Store::start();
    let mut process = start(&store, "");
    let batch = format!("twice\ntwice\n{}{}", each_second(0..40), others(0..1));
    assert_eq!(process.post(&batch), 204);
    // 29 went on before the flood, and its start.
    check_counts(&store, 3, 30);
    // The flood is open now, so that all events are held back: what goes on has the same ids as before.
    assert_eq!(process.post(&batch), 204);
    check_counts(&store, 3, 30);
    // Another batch with some of the same lines is not a repetition.
    assert_eq!(process.post("twice\n"), 204);
    check_counts(&store, 4, 30);
    process.stop();
    // Alerts have ids of their own.
    let mut alerts = store.documents();
    alerts.retain(|_, it| it["event"]["kind"] == "alert");
    assert_eq!(alerts.len(), 2);
    assert!(alerts.iter().all(|((_, id), it)| it["event"]["id"] == **id));
}

#[test]
fn a_restart_without_state_makes_no_document_twice() {
    let store = Store::start();
    let batch = each_second(0..10) + &others(0..5);
    for _ in 0..2 {
        // The batch's name is made of the input's, as the command line has it: the same here.
        let mut process = start(&store, "");
        assert_eq!(process.post(&batch), 204);
        process.kill();
    }
    check_counts(&store, 5, 10);
}

/// How many documents were there already: of which nothing was known, which were tried again, which came again.
fn conflicts(process: &Process) -> [u64; 3] {
    ["nothing", "retry", "repeat"].map(|known| {
        let name = format!("maxconn_document_conflicts_total{{known=\"{known}\"}}");
        process.figure(&name).unwrap_or(0)
    })
}

#[test]
fn records_that_share_an_id_are_all_stored_and_what_was_there_is_counted() {
    let store = Store::start();
    let mut process = start(&store, "");
    let batch = shared_ids();
    assert_eq!(process.post(&batch), 204);
    check_shared_ids(&store);
    assert_eq!(conflicts(&process), [0, 0, 0]);
    // The same bytes again, of which nobody knows that they were there.
    assert_eq!(process.post(&batch), 204);
    check_shared_ids(&store);
    assert_eq!(conflicts(&process), [9, 0, 0]);
    // And others, which are taken though the answer does not come.
    store.at_first(1, |_| String::new());
    assert_eq!(process.post(others(0..5)), 204);
    assert_eq!(conflicts(&process), [9, 5, 0]);
    // And others of which it says that it fails, though they are there.
    let items = vec![json!({"create": {"status": 503}}); 3];
    let fails = json!({"errors": true, "items": items}).to_string();
    store.at_first(1, move |_| reply(200, &fails));
    assert_eq!(process.post(others(5..8)), 204);
    assert_eq!(conflicts(&process), [9, 8, 0]);
    process.stop();
}

#[test]
fn what_an_earlier_process_may_have_delivered_is_counted_as_a_repetition() {
    let (folder, store) = (Folder::new(), Store::start());
    let inner = store.judge();
    // It takes everything, and nobody hears of it.
    store.at_first(u32::MAX, |_| String::new());
    let arguments = format!("{STATE} --records-stream {RECORDS}");
    let impatient = format!("{arguments} --request-timeout 50ms");
    let batch = each_second(0..40) + &others(0..10);
    let mut process = Process::http_at(&folder, &store.url(), &impatient);
    assert_eq!(process.post(&batch), 503);
    until("a state with the alert in it, and all documents", || {
        folder.holds("kept.state", "flood-start") && store.documents().len() == 40
    });
    process.kill();
    store.answers(move |head, body| inner(head, body));
    let mut process = Process::http_at(&folder, &store.url(), &arguments);
    assert_eq!(process.post(&batch), 204);
    assert_eq!(store.documents().len(), 40);
    assert_eq!(conflicts(&process), [0, 0, 40]);
    process.stop();
}

/// Nine records of which several share what a store could know them by: their own `event.id`, and a cursor.
pub fn shared_ids() -> String {
    let record = |message: &str, more: &str| {
        let message = Value::from(message);
        format!("{{\"message\":{message},{more}}}\n")
    };
    let refusal = |user: &str, more: &str| {
        let line = each_second(0..1).replace("alice", user);
        record(line.trim_end(), more)
    };
    let id = "\"event\":{\"id\":\"x\"}";
    let others = ["a", "b", "b"].map(|text| record(text, id));
    others.concat()
        + &refusal("ann", id)
        + &refusal("ben", id)
        + &refusal("ben", "\"event.id\":\"x\"")
        + &refusal("ann", "\"__CURSOR\":\"s=1\"")
        + &refusal("ben", "\"__CURSOR\":\"s=1\"")
        + &refusal("ben", "\"__CURSOR\":\"s=1\",\"PRIORITY\":\"6\"")
}

/// All of them are there, and no id that a sender chose is a document's.
pub fn check_shared_ids(store: &Store) {
    check_counts(store, 3, 6);
    let documents = store.documents();
    let mut ids = documents.keys().map(|(_, id)| id);
    assert!(ids.all(|id| id != "x" && id != "s=1"), "{documents:?}");
    let is_ours = |((_, id), it): &(&(String, String), &Value)| it["event"]["id"] == **id;
    let ours = documents.iter().filter(is_ours).count();
    assert_eq!(ours, 3, "those with a cursor are known by our id");
}

#[test]
fn a_record_of_the_journal_is_one_document_in_whatever_batch_and_order_its_fields_come() {
    let store = Store::start();
    let mut process = Process::http(&store.url(), "--only changed");
    let message: Value = json!(each_second(0..1).trim_end());
    let message = format!("\"MESSAGE\":{message}");
    let fields = [&message, "\"__CURSOR\":\"s=1\"", "\"PRIORITY\":\"6\""];
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let members = order.map(|at: usize| fields[at]).join(",");
        assert_eq!(process.post(format!("{{{members}}}\n")), 204);
    }
    assert_eq!(store.stored(EVENTS), 1);
    process.stop();
}

#[test]
fn each_document_is_judged_alone() {
    let (folder, busy) = (Folder::new(), AtomicU32::new(0));
    // Every other try is too much for one document, another is poisoned.
    let store = Store::judging(move |document| match document["message"].as_str() {
        Some("nothing 3") if busy.fetch_add(1, Ordering::Relaxed) < 2 => 429,
        Some("nothing 5") => 400,
        _ => 201,
    });
    let more = format!("--records-stream {RECORDS} --dead-letter dead.ndjson");
    let mut process = Process::http_at(&folder, &store.url(), &more);
    let batch = others(0..10) + "{\"broken\n";
    assert_eq!(process.post(&batch), 204);
    // Broken JSON goes on as text.
    assert_eq!(store.stored(RECORDS), 10);
    assert!(process.said("now: 429").contains("a reason"));
    // The first time all, then twice the one that was put off.
    assert_eq!(store.heads().len(), 3);
    assert_eq!(folder.mode("dead.ndjson"), 0o600);
    let letter: Value = serde_json::from_slice(&folder.read("dead.ndjson")).expect("just one");
    assert_eq!(letter["document"], "{\"message\":\"nothing 5\"}");
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("400 some_exception: a reason"), "{reason}");
    assert_eq!(process.metric("maxconn_dead_letters_total"), 1);
    process.stop();
}

#[test]
fn requests_that_are_too_large_are_halved_whatever_the_store_says_to_them() {
    // The last as a server does that has too little memory for them, and takes them at no time.
    for answer in [reply(413, ""), String::new(), reply(429, "")] {
        let store = Store::start();
        let inner = store.judge();
        store.answers(move |head, body| match bulk(body).lines().count() > 60 {
            false => inner(head, body),
            true => answer.clone(),
        });
        let mut process = start(&store, "");
        assert_eq!(process.post(others(0..100)), 204);
        assert_eq!(store.stored(RECORDS), 100);
        process.stop();
    }
}

#[test]
fn a_wrong_key_is_told_in_a_sentence_and_nothing_is_lost() {
    let (folder, store) = (Folder::new(), Store::start());
    folder.write("key", "c2VjcmV0");
    let inner = store.judge();
    let wrong = "{\"error\":{\"type\":\"security_exception\"}}";
    store.answers(move |_, _| reply(401, wrong));
    let more = "--only changed --output-api-key key";
    let mut process = Process::http_at(&folder, &store.url(), more);
    let input = process.address("input");
    let sender = std::thread::spawn(move || post(input, &[], each_second(0..5)).status);
    let said = process.said("answers 401");
    contains(&said, &["--output-api-key", "security_exception"]);
    lacks(&said, &["c2VjcmV0"]);
    // Another reason is told at once, and not when it is time to remind of the first.
    store.says(403);
    assert!(process.said("answers 403").contains("create_doc"));
    // The right one takes its place in the file; nothing is started again.
    store.answers(
        move |head, body| match head.contains("authorization: ApiKey cmlnaHQ=\r\n") {
            true => inner(head, body),
            false => reply(401, wrong),
        },
    );
    folder.write("key", "cmlnaHQ=");
    assert_eq!(sender.join().unwrap(), 204);
    assert_eq!(store.stored(EVENTS), 5);
    let head = &store.heads()[0];
    contains(head, &["authorization: ApiKey c2VjcmV0\r\n"]);
    process.stop();
}

#[test]
fn something_else_than_a_store_is_told_apart() {
    let sink = Sink::judging(|_, _| reply(200, "{\"hello\":\"world\"}"));
    let url = format!("elasticsearch+http://{}", sink.address);
    let process = Process::http(&url, "--only changed --grace 100ms");
    let input = process.address("input");
    let sender = std::thread::spawn(move || post(input, &[], each_second(0..1)).status);
    let said = process.said("name an Elasticsearch or OpenSearch");
    assert!(said.contains("hello"), "{said}");
    drop(process);
    drop(sender);
    Process::http(&url, "").end().is(2, "--only changed");
}
