//! Batches that are posted, and a next hop that they are posted to.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;

use crate::process::{Process, answer, folder, get, gzip, metric, others, post, refusals, until};
use crate::sink::{self, Sink};

fn start(sink: &Sink, more: &[&str]) -> Process {
    Process::http(&sink.url(), more)
}

#[test]
fn every_way_that_shippers_post_arrives_as_lines() {
    let sink = Sink::start();
    let mut process = start(&sink, &[]);
    let input = process.address("input");
    let gzip = |text: &str| gzip(text.as_bytes(), flate2::Compression::fast());
    let zstd = |text: &str| {
        ruzstd::encoding::compress_to_vec(
            text.as_bytes(),
            ruzstd::encoding::CompressionLevel::Fastest,
        )
    };
    let array = "application/json";
    for (headers, body) in [
        (
            &["Content-Type: application/x-ndjson"][..],
            others(0..2).into_bytes(),
        ),
        (
            &["Content-Type: application/json"],
            br#"[{"message":"nothing 2"},{"message":"nothing 3"}]"#.to_vec(),
        ),
        (
            &["Content-Type: application/json; charset=utf-8"],
            br#"{"message":"nothing 4"}"#.to_vec(),
        ),
        (&[], br#"[{"message":"nothing 5"}]"#.to_vec()),
        (
            &["Content-Type: text/plain", "Content-Encoding: gzip"],
            gzip("nothing 6\nnothing 7"),
        ),
        (&["Content-Encoding: zstd"], zstd("nothing 8\n")),
        (
            &["Content-Encoding: gzip", &format!("Content-Type: {array}")],
            gzip(r#"[{"message":"nothing 9"}]"#),
        ),
        // With the mark that some programs begin a text with.
        (
            &["Content-Type: application/json"],
            "\u{feff}[{\"message\":\"nothing 10\"}]".into(),
        ),
        (&[], "\u{feff}[{\"message\":\"nothing 11\"}]".into()),
        (
            &["Content-Type: application/x-ndjson"],
            ["\u{feff}", &others(12..13)].concat().into(),
        ),
        (&["Content-Type: text/plain"], "\u{feff}nothing 13".into()),
        (&[], Vec::new()),
    ] {
        let answer = post(input, headers, &body);
        assert_eq!(answer.status, 204, "{headers:?}: {answer:?}");
    }
    let lines = sink.lines();
    let messages: Vec<_> = lines
        .iter()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["message"]
                .as_str()
                .unwrap()
                .to_string()
        })
        .collect();
    let expected: Vec<_> = (0..14).map(|number| format!("nothing {number}")).collect();
    assert_eq!(messages, expected);
    assert!(
        sink.heads()
            .iter()
            .all(|head| head.starts_with("POST /in?key=secret ") && head.contains("x-ndjson"))
    );
    process.stop();
}

#[test]
fn a_batch_is_answered_after_its_delivery_and_counted_once_however_often_it_comes() {
    let sink = Sink::start();
    sink.answers(|_, _| sink::answer("500 Internal Server Error", "out of order"));
    let mut process = start(&sink, &["--request-timeout", "300ms"]);
    let (input, admin) = (process.address("input"), process.address("admin"));
    let batch = refusals(0..60);
    for _ in 0..3 {
        let answer = post(input, &[], batch.as_bytes());
        assert_eq!(answer.status, 503);
        assert!(
            answer.head.to_lowercase().contains("retry-after: "),
            "{answer:?}"
        );
        let why = "it answers with an error; send the same bytes again";
        assert!(answer.body.contains(why), "{answer:?}");
    }
    let said = process.said("tried again");
    assert!(
        said.contains("500") && said.contains("out of order") && !said.contains("secret"),
        "{said}"
    );
    assert_eq!(get(admin, "/readyz").status, 503);

    sink.answers(|_, _| sink::ok());
    until("an answer of 204", || {
        post(input, &[], batch.as_bytes()).status == 204
    });
    process.said("takes what it is given again");
    assert_eq!(get(admin, "/readyz").status, 200);
    let lines = sink.lines();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("flood-start"))
            .count(),
        1
    );
    assert_eq!(
        lines.iter().filter(|line| line.contains("serial0")).count(),
        1
    );
    until("statistics", || {
        metric(admin, "maxconn_records_total") == 60
    });
    assert!(metric(admin, "maxconn_repeated_batches_total") >= 3);
    // Acknowledged, it is over: the same bytes are another batch.
    assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
    until("statistics", || {
        metric(admin, "maxconn_records_total") == 120
    });
    process.stop();
}

#[test]
fn a_sender_whose_connection_broke_finds_its_batch_again() {
    let sink = Sink::start();
    sink.answers(|_, _| sink::answer("503 Service Unavailable", ""));
    let mut process = start(&sink, &[]);
    let (input, admin) = (process.address("input"), process.address("admin"));
    let batch = others(0..100);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{batch}",
        batch.len()
    );
    let mut stream = TcpStream::connect(input).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    until("a first try", || !sink.heads().is_empty());
    drop(stream);
    sink.answers(|_, _| sink::ok());
    until("the delivery", || sink.lines().len() == 100);
    until("a 204 for the repetition", || {
        post(input, &[], batch.as_bytes()).status == 204
            && metric(admin, "maxconn_repeated_batches_total") == 1
    });
    process.stop();
}

#[test]
fn what_the_next_hop_refuses_for_good_is_set_aside_alone() {
    let folder = folder("dead");
    let dead = folder.join("dead.ndjson");
    let sink = Sink::start();
    sink.answers(|_, body| {
        let poisoned = String::from_utf8_lossy(body).contains("nothing 77\"");
        match (poisoned, body.len() > 1000) {
            (_, true) => sink::answer("413 Payload Too Large", ""),
            (true, _) => sink::answer("400 Bad Request", "a poisoned document"),
            _ => sink::ok(),
        }
    });
    let mut process = start(&sink, &["--dead-letter", dead.to_str().unwrap()]);
    let answer = post(process.address("input"), &[], others(0..200).as_bytes());
    assert_eq!(answer.status, 204);
    let mut expected: Vec<String> = others(0..200).lines().map(str::to_string).collect();
    let poison = expected.remove(77);
    assert_eq!(sink.lines(), expected);
    let letter: serde_json::Value = serde_json::from_slice(&fs::read(&dead).unwrap()).unwrap();
    assert_eq!(letter["document"], poison);
    assert!(
        letter["reason"]
            .as_str()
            .unwrap()
            .contains("a poisoned document")
    );
    assert_eq!(
        metric(process.address("admin"), "maxconn_dead_letters_total"),
        1
    );
    process.stop();
}

#[test]
fn tokens_are_asked_for_and_given_and_never_shown() {
    let folder = folder("tokens");
    let (ours, theirs) = (folder.join("ours"), folder.join("theirs"));
    fs::write(&ours, "open-sesame\n").unwrap();
    fs::write(&theirs, "shibboleth\n").unwrap();
    let sink = Sink::start();
    sink.answers(
        |head, _| match head.contains("authorization: Bearer shibboleth") {
            true => sink::ok(),
            false => sink::answer("401 Unauthorized", ""),
        },
    );
    let tokens = [
        "--input-token",
        ours.to_str().unwrap(),
        "--output-token",
        theirs.to_str().unwrap(),
    ];
    let mut process = start(&sink, &tokens);
    let input = process.address("input");
    for header in [
        &[][..],
        &["Authorization: Bearer open"],
        &["Authorization: Basic open-sesame"],
    ] {
        assert_eq!(post(input, header, b"x\n").status, 401, "{header:?}");
    }
    assert!(sink.heads().is_empty());
    assert_eq!(
        post(input, &["Authorization: Bearer open-sesame"], b"x\n").status,
        204
    );
    // Wrong ones are told of, by where they should be right.
    sink.answers(|_, _| sink::answer("401 Unauthorized", ""));
    let headers = "Host: x\r\nAuthorization: Bearer open-sesame\r\nContent-Length: 2";
    let mut stream = TcpStream::connect(input).unwrap();
    write!(stream, "POST / HTTP/1.1\r\n{headers}\r\n\r\ny\n").unwrap();
    let said = process.said("answers 401");
    assert!(
        said.contains("--output-token") && !said.contains("shibboleth"),
        "{said}"
    );
    sink.answers(|_, _| sink::ok());
    assert_eq!(answer(&mut BufReader::new(stream)).status, 204);
    process.stop();
}

#[test]
fn the_next_hop_may_come_later_close_connections_and_answer_nothing() {
    let (sink, again) = (Sink::start(), Sink::start());
    let mut process = start(&sink, &[]);
    let input = process.address("input");
    let calls = std::sync::atomic::AtomicU32::new(0);
    // Closes the connection without an answer, every second time.
    sink.answers(
        move |_, _| match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 {
            0 => String::new(),
            _ => sink::ok(),
        },
    );
    for number in 0..5 {
        assert_eq!(
            post(input, &[], others(number..number + 1).as_bytes()).status,
            204
        );
    }
    assert_eq!(sink.lines().concat(), others(0..5).replace('\n', ""));
    process.stop();
    drop(again);
}

#[test]
fn a_stop_answers_the_requests_that_were_begun() {
    let sink = Sink::start();
    sink.answers(|_, _| sink::answer("503 Service Unavailable", ""));
    let mut process = start(&sink, &[]);
    let input = process.address("input");
    let mut stream = TcpStream::connect(input).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx\n"
    )
    .unwrap();
    until("a first try", || !sink.heads().is_empty());
    process.signal("TERM");
    until("no new connections", || TcpStream::connect(input).is_err());
    sink.answers(|_, _| sink::ok());
    assert_eq!(answer(&mut BufReader::new(stream)).status, 204);
    assert_eq!(process.wait().code(), Some(0));
    assert_eq!(sink.lines(), [r#"{"message":"x"}"#]);
}

#[test]
fn a_compressed_body_that_no_header_tells_of_is_refused_by_name() {
    let mut process = Process::start(&["--input", "http://127.0.0.1:0"]);
    let input = process.address("input");
    let gzip = gzip(others(0..1).as_bytes(), flate2::Compression::fast());
    let zstd = ruzstd::encoding::compress_to_vec(
        others(1..2).as_bytes(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    for (name, body) in [("gzip", gzip), ("zstd", zstd)] {
        let header = format!("Content-Encoding: {name}");
        for kind in ["text/plain", "application/json", "application/x-ndjson"] {
            let refused = post(input, &[&format!("Content-Type: {kind}")], &body);
            assert_eq!(refused.status, 415, "{kind}");
            let said = refused.body;
            assert!(said.contains(&header), "{said}");
        }
        assert_eq!(post(input, &[&header], &body).status, 204);
    }
    for number in 0..2 {
        assert_eq!(process.document()["message"], format!("nothing {number}"));
    }
}

#[test]
fn an_input_for_everybody_is_told_of() {
    let mut process = Process::start(&["--input", "http://0.0.0.0:0"]);
    process.said("takes records from everybody");
    process.stop();
    let token = folder("everybody").join("token");
    std::fs::write(&token, "a-token-of-some-length\n").unwrap();
    let token = token.to_str().unwrap();
    for arguments in [
        &["--input", "http://0.0.0.0:0", "--input-token", token][..],
        &["--input", "http://127.0.0.1:0"],
        &["--input", "http://[::1]:0"],
    ] {
        let mut process = Process::start(arguments);
        process.address("input");
        process.stop();
        assert!(!process.all_said().contains("everybody"), "{arguments:?}");
    }
}
