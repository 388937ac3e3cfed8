//! What hostile or broken senders run into.

use std::time::{Duration, Instant};

use flate2::Compression;
use serde_json::Value;
use test_support::command::{Folder, Process};
use test_support::http::{Sink, answer, ask, get, gzip, post, request, send};
use test_support::refusal::{each_second, message};
use test_support::until;

#[test]
fn what_looks_like_json_and_is_none_goes_on_as_text_and_is_counted() {
    let sink = Sink::start();
    let process = Process::http(&sink.url(), "");
    let fine = "{ \"message\" : \"fine\" }\n";
    let needle = "{\"message\":\"Maximum number of connections from user+IP exceeded\n";
    // Longer than a line may be: it comes in pieces elsewhere, here it only is too deep.
    let deep = format!("{}{}\n", "{\"a\":".repeat(200), "}".repeat(200));
    let body = ["{\"mess\n", fine, needle, &deep, fine].concat();
    assert_eq!(process.post(&body), 204);
    let lines = sink.lines();
    assert_eq!(lines.len(), 5);
    for (line, came) in lines.iter().zip(body.lines()) {
        let document: Value = serde_json::from_str(line).unwrap();
        if came == fine.trim_end() {
            assert_eq!(line, came);
        } else {
            assert_eq!(document["message"], came);
        }
    }
    assert_eq!(process.metric("maxconn_malformed_records_total"), 3);
    // Where such records are not wanted the guest still counts those that it reads.
    let process = Process::http("stdout", "--only alerts");
    assert_eq!(process.post(&body), 204);
    process.until_metric("maxconn_malformed_records_total", 1);
}

#[test]
fn pieces_of_a_line_that_is_too_long_are_records() {
    let mut process = Process::start("");
    let long = format!("{{\"message\":\"{}\"}}\n", "x".repeat(3 << 20));
    process.write(&long);
    drop(process.stdin.take());
    let pieces = process.rest();
    assert!(pieces.len() >= 3);
    let pieces = pieces.iter().map(|it| it["message"].as_str().unwrap());
    assert_eq!(pieces.collect::<String>(), long.trim_end());
}

#[test]
fn lines_of_any_length_are_answered_undo_no_detection_and_show_no_name() {
    let (folder, sink) = (Folder::new(), Sink::start());
    folder.write("maxconn.toml", "redact_key = \"0123456789abcdef\"");
    let mut process = Process::http_at(&folder, &sink.url(), "--config maxconn.toml");
    let said = message("hidden", "192.0.2.7");
    let refusal = format!("Jan  5 00:00:00 mail dovecot: {said}");
    let mut long = Vec::new();
    for bytes in [300_000, (1 << 20) + 1, 3 << 20] {
        for fill in ["x", "\x01", "\\u0001"] {
            let fill = fill.repeat(bytes / fill.len());
            long.push(format!("{refusal}{fill}\n"));
            if !fill.starts_with('\x01') {
                let [message, fill] = [("message", &refusal), ("fill", &fill)]
                    .map(|(key, value)| format!("\"{key}\":\"{value}\""));
                long.push(format!("{{{message},{fill}}}\n"));
                long.push(format!("{{{fill},{message}}}\n"));
            }
        }
    }
    // One after each ten refusals of an honest user.
    for (number, body) in (0..).step_by(10).zip(&long) {
        assert_eq!(process.post(each_second(number..number + 10)), 204);
        assert_eq!(process.post(body), 204);
    }
    assert!(sink.count("connection-limit-flood-start") > 0);
    for line in sink.lines() {
        assert!(line.starts_with('{') && line.len() < 8 << 20);
    }
    assert_eq!(sink.count("hidden"), 0);
    assert_eq!(sink.count("withheld"), long.len());
    assert_eq!(process.metric("maxconn_guest_restarts_total"), 0);
    assert!(process.metric("maxconn_cut_lines_total") > 0);
    process.stop();
}

#[test]
fn connections_that_do_nothing_make_room_for_senders() {
    let sink = Sink::start();
    let mut process = Process::http(&sink.url(), "");
    let input = process.address("input");
    // One that waits for its delivery is older than all of them, and is kept.
    sink.says(503);
    let request = request(&[], b"x\n");
    let waiting = send(input, &request);
    until("a first try", || !sink.heads().is_empty());
    // Some have begun to say something.
    let idle = (0..300).map(|number| send(input, &request[..number % 3 * 20]));
    let idle: Vec<_> = idle.collect();
    let begun = Instant::now();
    assert_eq!(get(input, "/").status, 405);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(process.metric("maxconn_connections") >= 250);
    assert!(process.metric("maxconn_idle_connections_total") >= 44);
    sink.says(200);
    assert_eq!(answer(waiting).status, 204);
    drop(idle);
    process.stop();
}

#[test]
fn everything_that_is_too_much_is_refused_and_the_rest_goes_on() {
    let sink = Sink::start();
    let mut process = Process::http(&sink.url(), "--request-timeout 500ms");
    let input = process.address("input");
    let chunk = |size: usize| format!("{size:x}\r\n{}\r\n", "x".repeat(size));
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

    // Announced and not announced.
    let announced = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(ask(input, announced).status, 413);
    let huge = format!("{chunked}{}", chunk(1 << 20).repeat(9));
    assert_eq!(ask(input, huge).status, 413);
    // Slow: a body that does not come.
    assert_eq!(ask(input, format!("{chunked}{}", chunk(10))).status, 408);
    // Floods of headers, by number and by size. Of which every connection may have one that does not end.
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let long = format!("X: {}", "x".repeat(17 * 1024));
    // A bomb: 64 MiB in some kilobytes.
    let bomb = gzip(&vec![b'x'; 64 << 20], Compression::best());
    let gzipped = "Content-Encoding: gzip";
    // Broken and foreign things behind them.
    for (headers, body, status) in [
        (&[gzipped][..], &bomb[..], 413),
        (&many, b"x\n", 431),
        (&[&long], b"x\n", 431),
        (&["Content-Type: application/msgpack"], b"x", 415),
        (&["Content-Encoding: br"], b"x", 415),
        (&[gzipped], b"x", 400),
    ] {
        assert_eq!(post(input, headers, body).status, status, "{headers:?}");
    }
    let json = ["Content-Type: application/json"];
    let broken = post(input, &json, r#"[{"a":1},{"b":]"#);
    let is_told = broken.body.contains("at byte 14");
    assert_eq!((broken.status, is_told), (400, true), "{broken:?}");
    assert_eq!(get(input, "/").status, 405);
    assert_eq!(ask(input, b"\x16\x03\x01 hello").status, 400);

    assert!(sink.lines().is_empty());
    assert_eq!(process.post("still here\n"), 204);
    assert_eq!(sink.lines().len(), 1);
    let memory = process.memory_bytes();
    assert!(memory < 96 << 20, "{memory} bytes");
    process.stop();
}
