//! Batches that are posted, and a next hop that they are posted to.

use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};

use flate2::Compression;
use serde_json::Value;
use test_support::command::{Folder, Process};
use test_support::http::{Sink, answer, get, post, reply, request, send};
use test_support::refusal::{each_second, others};
use test_support::{contains, lacks, until};

fn gzip(text: &str) -> Vec<u8> {
    test_support::http::gzip(text.as_bytes(), Compression::fast())
}

fn zstd(text: &str) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(text.as_bytes(), level)
}

#[test]
fn every_way_that_shippers_post_arrives_as_lines() {
    let sink = Sink::start();
    let mut process = Process::http(&sink.url(), "");
    let input = process.address("input");
    let json = "Content-Type: application/json";
    let ndjson = "Content-Type: application/x-ndjson";
    let utf8 = "Content-Type: application/json; charset=utf-8";
    let (text, gzipped) = ("Content-Type: text/plain", "Content-Encoding: gzip");
    let two = r#"[{"message":"nothing 2"},{"message":"nothing 3"}]"#;
    for (headers, body) in [
        (&[ndjson][..], others(0..2).into()),
        (&[json], two.into()),
        (&[utf8], r#"{"message":"nothing 4"}"#.into()),
        (&[], r#"[{"message":"nothing 5"}]"#.into()),
        (&[text, gzipped], gzip("nothing 6\nnothing 7")),
        (&["Content-Encoding: zstd"], zstd("nothing 8\n")),
        (&[gzipped, json], gzip(r#"[{"message":"nothing 9"}]"#)),
        // With the mark that some programs begin a text with.
        (&[json], "\u{feff}[{\"message\":\"nothing 10\"}]".into()),
        (&[], "\u{feff}[{\"message\":\"nothing 11\"}]".into()),
        (&[ndjson], ["\u{feff}", &others(12..13)].concat().into()),
        (&[text], "\u{feff}nothing 13".into()),
        (&[], Vec::new()),
        // Envelopes are their records, as an object of a body, on a line, in an array.
        (
            &[json],
            r#"{"logEvents":[{"message":"nothing 14"},{"message":"nothing 15"}]}"#.into(),
        ),
        (
            &[ndjson],
            "{\"logEvents\":[{\"message\":\"nothing 16\"}]}\n[{\"message\":\"nothing 17\"}]\n"
                .into(),
        ),
        (
            &[json],
            r#"[{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"message":"nothing 18"}]}]}]}]"#
                .into(),
        ),
    ] {
        let answer = post(input, headers, &body);
        assert_eq!(answer.status, 204, "{headers:?}: {answer:?}");
    }
    let lines = sink.lines();
    let document = |line: &String| serde_json::from_str::<Value>(line).unwrap();
    let messages = lines.iter().map(|it| document(it)["message"].take());
    let messages: Vec<Value> = messages.collect();
    let expected: Vec<_> = (0..19).map(|number| format!("nothing {number}")).collect();
    assert_eq!(messages, expected);
    for head in sink.heads() {
        let is_ours = head.starts_with("POST /in?key=secret ") && head.contains("x-ndjson");
        assert!(is_ours, "{head}");
    }
    process.stop();
}

#[test]
fn a_batch_is_answered_after_its_delivery_and_counted_once_however_often_it_comes() {
    let sink = Sink::judging(|_, _| reply(500, "out of order"));
    let mut process = Process::http(&sink.url(), "--request-timeout 300ms");
    let (input, admin) = (process.address("input"), process.address("admin"));
    let batch = each_second(0..60);
    for _ in 0..3 {
        let answer = post(input, &[], &batch);
        assert_eq!(answer.status, 503);
        contains(&answer.head.to_lowercase(), &["retry-after: "]);
        let why = "it answers with an error; send the same bytes again";
        contains(&answer.body, &[why]);
    }
    let said = process.said("tried again");
    contains(&said, &["500", "out of order"]);
    lacks(&said, &["secret"]);
    assert_eq!(get(admin, "/readyz").status, 503);

    sink.says(200);
    until("an answer of 204", || process.post(&batch) == 204);
    process.said("takes what it is given again");
    assert_eq!(get(admin, "/readyz").status, 200);
    assert_eq!((sink.count("flood-start"), sink.count("serial0")), (1, 1));
    process.until_metric("maxconn_records_total", 60);
    assert!(process.metric("maxconn_repeated_batches_total") >= 3);
    // Acknowledged, it is over: the same bytes are another batch.
    assert_eq!(process.post(&batch), 204);
    process.until_metric("maxconn_records_total", 120);
    process.stop();
}

#[test]
fn a_sender_whose_connection_broke_finds_its_batch_again() {
    let sink = Sink::start();
    sink.says(503);
    let mut process = Process::http(&sink.url(), "");
    let batch = others(0..100);
    let stream = send(process.address("input"), request(&[], batch.as_bytes()));
    until("a first try", || !sink.heads().is_empty());
    drop(stream);
    sink.says(200);
    until("the delivery", || sink.lines().len() == 100);
    until("a 204 for the repetition", || {
        process.post(&batch) == 204 && process.metric("maxconn_repeated_batches_total") == 1
    });
    process.stop();
}

#[test]
fn what_the_next_hop_refuses_for_good_is_set_aside_alone() {
    let (folder, sink) = (Folder::new(), Sink::start());
    sink.answers(|_, body| {
        let poisoned = String::from_utf8_lossy(body).contains("nothing 77\"");
        match (poisoned, body.len() > 1000) {
            (_, true) => reply(413, ""),
            (true, _) => reply(400, "a poisoned document"),
            _ => reply(200, ""),
        }
    });
    let mut process = Process::http_at(&folder, &sink.url(), "--dead-letter dead.ndjson");
    assert_eq!(process.post(others(0..200)), 204);
    let mut expected: Vec<String> = others(0..200).lines().map(str::to_string).collect();
    let poison = expected.remove(77);
    assert_eq!(sink.lines(), expected);
    let letter: Value = serde_json::from_slice(&folder.read("dead.ndjson")).unwrap();
    assert_eq!(letter["document"], poison);
    let reason = letter["reason"].as_str().unwrap();
    assert!(reason.contains("a poisoned document"), "{reason}");
    assert_eq!(process.metric("maxconn_dead_letters_total"), 1);
    process.stop();
}

#[test]
fn tokens_are_asked_for_and_given_and_never_shown() {
    let folder = Folder::new();
    folder.write("ours", "open-sesame\n");
    folder.write("theirs", "shibboleth\n");
    let sink = Sink::judging(
        |head, _| match head.contains("authorization: Bearer shibboleth") {
            true => reply(200, ""),
            false => reply(401, ""),
        },
    );
    let tokens = "--input-token ours --output-token theirs";
    let mut process = Process::http_at(&folder, &sink.url(), tokens);
    let input = process.address("input");
    for header in [
        &[][..],
        &["Authorization: Bearer open"],
        &["Authorization: Basic open-sesame"],
    ] {
        assert_eq!(post(input, header, "x\n").status, 401, "{header:?}");
    }
    assert!(sink.heads().is_empty());
    let right = ["Authorization: Bearer open-sesame"];
    assert_eq!(post(input, &right, "x\n").status, 204);
    // Wrong ones are told of, by where they should be right.
    sink.says(401);
    let stream = send(input, request(&right, b"y\n"));
    let said = process.said("answers 401");
    contains(&said, &["--output-token"]);
    lacks(&said, &["shibboleth"]);
    sink.says(200);
    assert_eq!(answer(stream).status, 204);
    process.stop();
}

#[test]
fn the_next_hop_may_close_connections_and_answer_nothing() {
    // Closes the connection without an answer, every second time.
    let calls = AtomicU32::new(0);
    let sink = Sink::judging(
        move |_, _| match calls.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => String::new(),
            _ => reply(200, ""),
        },
    );
    let mut process = Process::http(&sink.url(), "");
    for number in 0..5 {
        assert_eq!(process.post(others(number..number + 1)), 204);
    }
    assert_eq!(sink.lines().concat(), others(0..5).replace('\n', ""));
    process.stop();
}

#[test]
fn a_stop_answers_the_requests_that_were_begun() {
    let sink = Sink::start();
    sink.says(503);
    let mut process = Process::http(&sink.url(), "");
    let input = process.address("input");
    let stream = send(input, request(&[], b"x\n"));
    until("a first try", || !sink.heads().is_empty());
    process.signal("TERM");
    until("no new connections", || TcpStream::connect(input).is_err());
    sink.says(200);
    assert_eq!(answer(stream).status, 204);
    assert_eq!(process.wait().code(), Some(0));
    assert_eq!(sink.lines(), [r#"{"message":"x"}"#]);
}

#[test]
fn a_compressed_body_that_no_header_tells_of_is_refused_by_name() {
    let process = Process::start("--input http://127.0.0.1:0");
    let input = process.address("input");
    for (name, body) in [("gzip", gzip(&others(0..1))), ("zstd", zstd(&others(1..2)))] {
        let header = format!("Content-Encoding: {name}");
        for kind in ["text/plain", "application/json", "application/x-ndjson"] {
            let refused = post(input, &[&format!("Content-Type: {kind}")], &body);
            assert_eq!(refused.status, 415, "{kind}");
            assert!(refused.body.contains(&header), "{refused:?}");
        }
        assert_eq!(post(input, &[&header], &body).status, 204);
    }
    for number in 0..2 {
        assert_eq!(process.document()["message"], format!("nothing {number}"));
    }
}

#[test]
fn an_input_for_everybody_is_told_of() {
    let folder = Folder::new();
    folder.write("token", "a-token-of-some-length\n");
    for (arguments, is_told) in [
        ("--input http://0.0.0.0:0", true),
        ("--input http://0.0.0.0:0 --input-token token", false),
        ("--input http://127.0.0.1:0", false),
        ("--input http://[::1]:0", false),
    ] {
        let mut process = Process::at(&folder, &format!("run {arguments}"));
        process.address("input");
        process.signal("TERM");
        let ran = process.end();
        let told = ran.stderr.contains("takes records from everybody");
        assert_eq!((ran.code, told), (Some(0), is_told), "{arguments}: {ran:?}");
    }
}
