//! What a restart goes on from.

use std::io::BufReader;
use std::{fs, panic, thread, time};

use serde_json::Value;
use test_support::command::{Folder, Process};
use test_support::http::{Sink, get, message, post, request, send};
use test_support::refusal::{each_second, others};
use test_support::until;

use crate::STATE;

/// Starts it where it keeps a state, and writes that often.
fn start(folder: &Folder, sink: &Sink, more: &str) -> Process {
    Process::http_at(folder, &sink.url(), &format!("{STATE} {more}"))
}

fn until_told(folder: &Folder) {
    until("a state with the alert in it", || {
        folder.holds("kept.state", "flood-start")
    });
}

#[test]
fn a_stop_ends_no_flood_and_the_next_process_goes_on() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let mut goes_on = |seconds| {
        let mut process = start(&folder, &sink, "");
        assert_eq!(process.post(each_second(seconds)), 204);
        process.stop();
    };
    [0..40, 40..50, 50..60].into_iter().for_each(&mut goes_on);
    assert_eq!((sink.count("flood-start"), sink.count("flood-end")), (1, 0));
    let mut process = start(&folder, &sink, "");
    assert_eq!(process.metric("maxconn_open_floods"), 1);
    process.stop();
    goes_on(1800..1802);
    let lines = sink.lines();
    let end = lines.iter().find(|line| line.contains("flood-end"));
    let end: Value = serde_json::from_str(end.unwrap()).unwrap();
    assert_eq!(end["maxconn"]["flood"]["count"], 60);
}

#[test]
fn killed_while_the_next_hop_is_down_nothing_is_missing_or_counted_twice() {
    let (folder, sink) = (Folder::new(), Sink::start());
    sink.says(503);
    // A flood's start and other records, none delivered, all counted.
    let batch = each_second(0..40) + &others(0..10);
    let mut process = start(&folder, &sink, "--request-timeout 50ms");
    assert_eq!(process.post(&batch), 503);
    until_told(&folder);
    process.kill();

    sink.says(200);
    let mut process = start(&folder, &sink, "");
    process.said("did not end by itself");
    // The alert is there before the sender comes back, as it may never do.
    until("the alert", || sink.count("flood-start") == 1);
    assert_eq!(process.post(&batch), 204);
    assert_eq!((sink.count("flood-start"), sink.count("nothing ")), (1, 10));
    process.until_metric("maxconn_records_total", 50);
    let events = "maxconn_events_total{limit=\"mail_max_userip_connections\"}";
    assert_eq!(process.metric(events), 40);
    // Acknowledged: from now on the same bytes are another batch.
    assert_eq!(process.post(&batch), 204);
    process.until_metric("maxconn_records_total", 100);
    process.stop();
}

#[test]
fn a_batch_that_opened_a_flood_and_comes_again_after_a_crash_has_the_verdicts_of_its_first_time() {
    let batch = each_second(0..40) + &others(0..10);
    let lines = |crash: bool| {
        let (folder, sink) = (Folder::new(), Sink::start());
        if crash {
            sink.says(503);
            let mut process = start(&folder, &sink, "--request-timeout 50ms");
            assert_eq!([process.post(&batch), process.post(&batch)], [503; 2]);
            until_told(&folder);
            process.kill();
            sink.says(200);
        }
        let mut process = start(&folder, &sink, "--request-timeout 30s");
        assert_eq!(process.post(&batch), 204);
        let repeated = process.metric("maxconn_repeated_batches_total");
        assert_eq!(repeated, u64::from(crash));
        process.stop();
        let shown = |line: &String| {
            let document: Value = serde_json::from_str(line).unwrap();
            let action = document["event"]["action"].as_str().unwrap_or("");
            // What comes again is told of the flood that is open by now.
            format!("{action} {}", document["message"])
        };
        let mut lines: Vec<String> = sink.lines().iter().map(shown).collect();
        lines.sort();
        lines
    };
    let expected = lines(false);
    assert_eq!(expected.len(), 29 + 1 + 10);
    assert_eq!(lines(true), expected);
}

#[test]
fn a_flood_whose_start_was_told_is_kept_long_before_the_next_write_is_due() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let rarely = "--state kept.state --state-interval 1h";
    let start = || Process::http_at(&folder, &sink.url(), rarely);
    let mut process = start();
    assert_eq!(process.post(each_second(0..40)), 204);
    until("a state with the flood in it", || {
        folder.holds("kept.state", "alice")
    });
    process.kill();
    let mut process = start();
    assert_eq!(process.post(each_second(40..80)), 204);
    assert_eq!(sink.count("flood-start"), 1);
    process.stop();
}

#[test]
fn a_killed_process_loses_no_record_whatever_the_moment() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let mut serials = (0..).step_by(10);
    let mut batch = || {
        serials
            .next()
            .map(|serial| others(serial..serial + 10))
            .unwrap()
    };
    let mut sent = String::new();
    let mut process = start(&folder, &sink, "");
    for round in 0..6_u64 {
        // As a shipper does: a batch is sent until it is acknowledged.
        for _ in 0..20 {
            let batch = batch();
            assert_eq!(process.post(&batch), 204);
            sent += &batch;
        }
        // One that is on the way when it is killed, sent again afterwards.
        let (input, batch) = (process.address("input"), batch());
        let text = batch.clone();
        let post = move || panic::catch_unwind(|| post(input, &[], text).status);
        let posted = thread::spawn(post);
        thread::sleep(time::Duration::from_micros(round * 300));
        process.kill();
        let answered = matches!(posted.join().unwrap(), Ok(204));
        process = start(&folder, &sink, "");
        if !answered {
            assert_eq!(process.post(&batch), 204);
        }
        sent += &batch;
    }
    for line in sent.lines() {
        assert!(sink.count(line) >= 1, "{line} is missing");
    }
    process.stop();
}

#[test]
fn after_a_crash_the_bytes_of_a_batch_that_was_answered_are_another_batch() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let rarely = "--state kept.state --state-interval 1h";
    let start = || Process::http_at(&folder, &sink.url(), rarely);
    let mut process = start();
    // By one connection: when the second is answered it is long known that the first answer is written.
    let (first, second) = (others(0..10), others(10..20));
    let requests = [&first, &second].map(|it| request(&[], it.as_bytes()));
    let stream = send(process.address("input"), requests.concat());
    let mut reader = BufReader::new(stream);
    for _ in 0..2 {
        let (head, _) = message(&mut reader).unwrap();
        assert!(head.starts_with("HTTP/1.1 204"), "{head}");
    }
    process.kill();
    let mut process = start();
    assert_eq!(process.post(&first), 204);
    assert_eq!(process.metric("maxconn_repeated_batches_total"), 0);
    process.stop();
    assert_eq!(sink.count("nothing 5\""), 2);
}

#[test]
fn damaged_and_foreign_states_are_refused_by_name_and_can_be_set_aside() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let mut process = start(&folder, &sink, "");
    assert_eq!(process.post(each_second(0..40)), 204);
    start(&folder, &sink, "")
        .end()
        .is(1, "in use by another process");
    process.stop();

    assert_eq!(folder.mode("kept.state"), 0o600);
    let mut damaged = folder.read("kept.state");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    for (bytes, words, code) in [
        (&damaged[..], "is damaged", 1),
        (b"MXRUNST1", "another version", 2),
        (b"{}", "is not one of `maxconn run`", 2),
    ] {
        folder.write("kept.state", bytes);
        let ran = start(&folder, &sink, "").end();
        ran.is(code, words)
            .is(code, "kept.state")
            .is(code, "--state-reset");
        assert_eq!(folder.read("kept.state"), bytes, "it must not be touched");
    }
    let mut process = start(&folder, &sink, "--state-reset");
    process.said("was set aside");
    assert_eq!(process.post(each_second(0..1)), 204);
    process.stop();
    let files = fs::read_dir(&*folder).unwrap().flatten();
    let names = files.map(|it| it.file_name().into_string().unwrap());
    let aside: Vec<String> = names.filter(|it| it.contains(".aside-")).collect();
    assert_eq!(folder.read(&aside[0]), b"{}");
}

#[test]
fn a_state_that_cannot_be_written_is_not_relied_on() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let inner = folder.join("inner");
    // Where it is written first there is something else.
    fs::create_dir_all(inner.join("state.new")).unwrap();
    let state = "--state inner/state --state-interval 20ms";
    let start = || Process::http_at(&folder, &sink.url(), state);
    start().end().is(1, "cannot write the state");
    fs::remove_dir(inner.join("state.new")).unwrap();

    let mut process = start();
    let admin = process.address("admin");
    assert_eq!(get(admin, "/readyz").status, 200);
    // It may be writing just now.
    until("removed", || fs::remove_dir_all(&inner).is_ok());
    assert_eq!(process.post(each_second(0..1)), 204);
    until("not ready", || {
        let answer = get(admin, "/readyz");
        answer.status == 503 && answer.body.contains("the state cannot be written")
    });
    fs::create_dir_all(&inner).unwrap();
    until("ready again", || get(admin, "/readyz").status == 200);
    process.stop();
}
