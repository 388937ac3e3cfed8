//! `maxconn replay` into the outputs of `maxconn run`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::{folder, others, refusals};
use crate::sink::Sink;
use crate::store::{away_at_first, check_shared_ids, count, shared_ids, store};

const EVENTS: &str = "logs-dovecot.maxconn-default";
const RECORDS: &str = "logs-mail-default";

fn replay(arguments: &[&str], file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_maxconn"))
        .arg("replay")
        .args(arguments)
        .arg(file)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A log of several deliveries, with equal lines in it and a flood in the middle.
fn log(test: &str) -> PathBuf {
    let path = folder(test).join("mail.log");
    let records = others(0..8000);
    let text = format!("twice\ntwice\n{records}{}{records}", refusals(0..40));
    fs::write(&path, text).unwrap();
    path
}

fn times_seen(documents: impl Iterator<Item = Value>) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for mut document in documents {
        // The store's documents have that of their arrival, if they had none.
        if document["message"]
            .as_str()
            .is_some_and(|it| !it.contains("dovecot"))
        {
            document.as_object_mut().unwrap().remove("@timestamp");
        }
        *seen.entry(document.to_string()).or_default() += 1;
    }
    seen
}

#[test]
fn a_store_gets_all_that_standard_output_would_and_the_same_again_makes_nothing_twice() {
    let log = log("replayed-store");
    let printed = replay(&["--summary", "none"], &log).stdout;
    assert!(
        printed.len() > 256 << 10,
        "several deliveries: {}",
        printed.len()
    );
    let printed: Vec<Value> = printed
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let (sink, documents) = store(|_| 201);
    away_at_first(&sink);
    let url = format!("elasticsearch+http://{}", sink.address);
    let arguments = ["--output", &url, "--records-stream", RECORDS];
    let output = replay(&arguments, &log);
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    let said = said(&output);
    // What failed at first, what became of it, and the summary.
    for words in [
        "answers 503",
        "tried again for 60 s",
        "takes what it is given again",
        "alice from 192.0.2.7",
    ] {
        assert!(said.contains(words), "{words} is not in {said}");
    }
    let before = documents.lock().unwrap().clone();
    assert_eq!(
        times_seen(before.values().cloned()),
        times_seen(printed.iter().cloned())
    );
    assert_eq!(count(&documents, RECORDS), 16_002);
    assert_eq!(count(&documents, EVENTS), printed.len() - 16_002);

    let output = replay(&arguments, &log);
    assert!(output.status.success());
    assert_eq!(*documents.lock().unwrap(), before);
    let sentence = format!("{} documents were there already", before.len());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&sentence), "{said}");
    // Other contents at the same place are other documents.
    fs::write(&log, others(0..8000)).unwrap();
    assert!(replay(&arguments, &log).status.success());
    assert_eq!(count(&documents, RECORDS), 24_002);
}

#[test]
fn records_that_share_an_id_are_all_stored() {
    let path = folder("replayed-ids").join("mail.log");
    fs::write(&path, shared_ids()).unwrap();
    let (sink, documents) = store(|_| 201);
    let url = format!("elasticsearch+http://{}", sink.address);
    for _ in 0..2 {
        let output = replay(&["--output", &url, "--records-stream", RECORDS], &path);
        assert!(output.status.success(), "{output:?}");
        check_shared_ids(&documents);
    }
}

#[test]
fn a_next_hop_gets_the_same_bytes_as_standard_output() {
    let log = log("replayed-http");
    for only in [
        &[][..],
        &["--only", "changed"],
        &["--only", "alerts", "--statistics"],
    ] {
        let printed = replay(only, &log).stdout;
        let sink = Sink::start();
        let output = replay(&[only, &["--output", &sink.url()]].concat(), &log);
        assert!(output.status.success(), "{output:?}");
        let (got, expected) = (sink.lines(), String::from_utf8(printed).unwrap());
        assert!(
            got.iter().map(String::as_str).eq(expected.lines()),
            "{only:?}"
        );
    }
}

#[test]
fn what_is_refused_for_good_is_set_aside_and_told() {
    let folder = folder("replayed-dead");
    let (log, dead) = (folder.join("mail.log"), folder.join("dead.ndjson"));
    let _ = fs::remove_file(&dead);
    fs::write(&log, others(0..10)).unwrap();
    let (sink, documents) = store(|document| match document["message"].as_str() {
        Some("nothing 5") => 400,
        _ => 201,
    });
    let url = format!("elasticsearch+http://{}", sink.address);
    let dead_letter = dead.to_str().unwrap();
    let output = replay(
        &[
            "--output",
            &url,
            "--records-stream",
            RECORDS,
            "--dead-letter",
            dead_letter,
        ],
        &log,
    );
    assert!(output.status.success(), "{output:?}");
    let said = said(&output);
    let sentence =
        format!("maxconn: 1 document was refused for good and set aside in {dead_letter}\n");
    assert!(said.contains(&sentence), "{said}");
    assert_eq!(count(&documents, RECORDS), 9);
    assert_eq!(fs::read_to_string(&dead).unwrap().lines().count(), 1);
}

#[test]
fn what_does_not_go_together_is_told_before_anything_is_read() {
    let log = log("replayed-wrong");
    for (arguments, words) in [
        (
            &["--quiet", "--output", "http://127.0.0.1:1"][..],
            "--quiet leaves nothing",
        ),
        (&["--dead-letter", "x"], "--dead-letter is for http outputs"),
        (
            &["--output", "elasticsearch+http://127.0.0.1:1"],
            "--records-stream NAME",
        ),
        (&["--output", "ftp://127.0.0.1"], "none of the outputs"),
        (
            &[
                "--output",
                "http://127.0.0.1:1",
                "--output-token",
                "/nowhere",
            ],
            "cannot read the secret in /nowhere",
        ),
    ] {
        let output = replay(arguments, &log);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(said(&output).contains(words), "{}", said(&output));
        assert!(output.stdout.is_empty());
    }
}
