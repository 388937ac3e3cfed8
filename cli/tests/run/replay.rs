//! `maxconn replay` into the outputs of `maxconn run`.

use std::collections::BTreeMap;

use serde_json::Value;
use test_support::command::{Folder, run, run_rows};
use test_support::http::Sink;
use test_support::refusal::{each_second, others};
use test_support::store::Store;

use crate::store::{check_shared_ids, shared_ids};
use crate::{EVENTS, RECORDS};

/// A log of several deliveries, with equal lines in it and a flood in the middle.
fn log() -> Folder {
    let folder = Folder::new();
    let records = others(0..8000);
    let text = format!("twice\ntwice\n{records}{}{records}", each_second(0..40));
    folder.write("mail.log", text);
    folder
}

fn into(store: &Store) -> String {
    let url = store.url();
    format!("replay mail.log --output {url} --records-stream {RECORDS}")
}

fn times_seen(documents: impl IntoIterator<Item = Value>) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for mut document in documents {
        // The store's documents have that of their arrival, if they had none.
        let message = document["message"].as_str();
        if message.is_some_and(|it| !it.contains("dovecot")) {
            document.as_object_mut().unwrap().remove("@timestamp");
        }
        *seen.entry(document.to_string()).or_default() += 1;
    }
    seen
}

#[test]
fn a_store_gets_all_that_standard_output_would_and_the_same_again_makes_nothing_twice() {
    let folder = log();
    let printed = run(&folder, "replay --summary none mail.log");
    let length = printed.stdout.len();
    assert!(length > 256 << 10, "several deliveries: {length}");
    let printed = printed.documents();
    let store = Store::start();
    store.is_away_at_first();
    let ran = run(&folder, &into(&store));
    assert_eq!(ran.stdout, "");
    // What failed at first, what became of it, and the summary.
    for words in [
        "answers 503",
        "tried again for 60 s",
        "takes what it is given again",
        "alice from 192.0.2.7",
    ] {
        ran.is(0, words);
    }
    let before = store.documents();
    let count = printed.len();
    assert_eq!(times_seen(before.values().cloned()), times_seen(printed));
    assert_eq!(
        (store.stored(RECORDS), store.stored(EVENTS)),
        (16_002, count - 16_002)
    );

    let sentence = format!("{} documents were there already", before.len());
    run(&folder, &into(&store)).is(0, &sentence);
    assert_eq!(store.documents(), before);
    // Other contents at the same place are other documents.
    folder.write("mail.log", others(0..8000));
    run(&folder, &into(&store)).is(0, "");
    assert_eq!(store.stored(RECORDS), 24_002);
}

#[test]
fn records_that_share_an_id_are_all_stored() {
    let (folder, store) = (Folder::new(), Store::start());
    folder.write("mail.log", shared_ids());
    for _ in 0..2 {
        run(&folder, &into(&store)).is(0, "");
        check_shared_ids(&store);
    }
}

#[test]
fn a_next_hop_gets_the_same_bytes_as_standard_output() {
    let folder = log();
    for only in ["", "--only changed", "--only alerts --statistics"] {
        let printed = run(&folder, &format!("replay mail.log {only}")).stdout;
        let sink = Sink::start();
        let output = format!("replay mail.log {only} --output {}", sink.url());
        run(&folder, &output).is(0, "");
        assert!(sink.lines().iter().eq(printed.lines()), "{only}");
    }
}

#[test]
fn what_is_refused_for_good_is_set_aside_and_told() {
    let folder = Folder::new();
    folder.write("mail.log", others(0..10));
    let store = Store::judging(|document| match document["message"].as_str() {
        Some("nothing 5") => 400,
        _ => 201,
    });
    let sentence = "maxconn: 1 document was refused for good and set aside in dead.ndjson";
    let arguments = into(&store) + " --dead-letter dead.ndjson";
    run(&folder, &arguments).is(0, sentence);
    assert_eq!(store.stored(RECORDS), 9);
    let letters = String::from_utf8(folder.read("dead.ndjson")).unwrap();
    assert_eq!(letters.lines().count(), 1);
}

#[test]
fn what_does_not_go_together_is_told_before_anything_is_read() {
    let folder = log();
    let table = "
        2 | replay mail.log --quiet --output http://127.0.0.1:1       | --quiet leaves nothing
        2 | replay mail.log --dead-letter x                           | --dead-letter is for http outputs
        2 | replay mail.log --output elasticsearch+http://127.0.0.1:1 | --records-stream NAME
        2 | replay mail.log --output ftp://127.0.0.1                  | none of the outputs
        2 | replay mail.log --output http://127.0.0.1:1 --output-token /nowhere | cannot read the secret in /nowhere";
    run_rows(&folder, table, |ran| assert_eq!(ran.stdout, ""));
}
