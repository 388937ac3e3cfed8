//! What hostile or broken senders run into.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::Compression;

use crate::process::{Process, answer, ask, folder, get, gzip, metric, post, refusals, until};
use crate::sink::{self, Sink};

#[test]
fn what_looks_like_json_and_is_none_goes_on_as_text_and_is_counted() {
    let sink = Sink::start();
    let mut process = Process::http(&sink.url(), &[]);
    let (input, admin) = (process.address("input"), process.address("admin"));
    let fine = "{ \"message\" : \"fine\" }\n";
    let needle = "{\"message\":\"Maximum number of connections from user+IP exceeded\n";
    // Longer than a line may be: it comes in pieces elsewhere, here it only is too deep.
    let deep = format!("{}{}\n", "{\"a\":".repeat(200), "}".repeat(200));
    let body = ["{\"mess\n", fine, needle, &deep, fine].concat();
    assert_eq!(post(input, &[], body.as_bytes()).status, 204);
    let lines = sink.lines();
    assert_eq!(lines.len(), 5);
    for (line, came) in lines.iter().zip(body.lines()) {
        let document: serde_json::Value = serde_json::from_str(line).unwrap();
        if came == fine.trim_end() {
            assert_eq!(line, came);
        } else {
            assert_eq!(document["message"], came);
        }
    }
    assert_eq!(metric(admin, "maxconn_malformed_records_total"), 3);
    // Where such records are not wanted the guest still counts those that it reads.
    let mut process = Process::http("stdout", &["--only", "alerts"]);
    let (input, admin) = (process.address("input"), process.address("admin"));
    assert_eq!(post(input, &[], body.as_bytes()).status, 204);
    until("the guest's count", || {
        metric(admin, "maxconn_malformed_records_total") == 1
    });
}

#[test]
fn pieces_of_a_line_that_is_too_long_are_records() {
    let mut process = Process::start(&[]);
    let long = format!("{{\"message\":\"{}\"}}\n", "x".repeat(3 << 20));
    process.write(&long);
    drop(process.stdin.take());
    let pieces: Vec<String> = process
        .rest()
        .iter()
        .map(|it| it["message"].as_str().unwrap().to_string())
        .collect();
    assert!(pieces.len() >= 3);
    assert_eq!(pieces.concat(), long.trim_end());
}

#[test]
fn lines_of_any_length_are_answered_undo_no_detection_and_show_no_name() {
    let config = folder("lengths").join("redacting.toml");
    fs::write(&config, "redact_key = \"0123456789abcdef\"").unwrap();
    let sink = Sink::start();
    let config = ["--config", config.to_str().unwrap()];
    let mut process = Process::http(&sink.url(), &config);
    let (input, admin) = (process.address("input"), process.address("admin"));
    let refusal = refusals(0..1).replace("alice", "hidden");
    let refusal = refusal.trim_end();
    let mut long = Vec::new();
    for bytes in [300_000, (1 << 20) + 1, 3 << 20] {
        for fill in ["x", "\x01", "\\u0001"] {
            let fill = fill.repeat(bytes / fill.len());
            long.push(format!("{refusal}{fill}\n"));
            if !fill.starts_with('\x01') {
                long.push(format!(
                    "{{\"message\":\"{refusal}\",\"fill\":\"{fill}\"}}\n"
                ));
                long.push(format!(
                    "{{\"fill\":\"{fill}\",\"message\":\"{refusal}\"}}\n"
                ));
            }
        }
    }
    // One after each ten refusals of an honest user.
    for (number, body) in long.iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        let refusals = refusals(10 * number..10 * number + 10);
        assert_eq!(post(input, &[], refusals.as_bytes()).status, 204);
        assert_eq!(post(input, &[], body.as_bytes()).status, 204);
    }
    let lines = sink.lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("connection-limit-flood-start"))
    );
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with('{') && line.len() < 8 << 20)
    );
    assert!(!lines.iter().any(|line| line.contains("hidden")));
    let withheld = lines.iter().filter(|line| line.contains("withheld"));
    assert_eq!(withheld.count(), long.len());
    assert_eq!(metric(admin, "maxconn_guest_restarts_total"), 0);
    assert!(metric(admin, "maxconn_cut_lines_total") > 0);
    process.stop();
}

#[test]
fn connections_that_do_nothing_make_room_for_senders() {
    let sink = Sink::start();
    let mut process = Process::http(&sink.url(), &[]);
    let (input, admin) = (process.address("input"), process.address("admin"));
    // One that waits for its delivery is older than all of them, and is kept.
    sink.answers(|_, _| sink::answer("503 Service Unavailable", ""));
    let mut waiting = TcpStream::connect(input).unwrap();
    let request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx\n";
    waiting.write_all(request).unwrap();
    until("a first try", || !sink.heads().is_empty());
    let mut idle = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(input).unwrap();
        // Some have begun to say something.
        stream.write_all(&request[..number % 3 * 20]).unwrap();
        idle.push(stream);
    }
    let begun = Instant::now();
    assert_eq!(get(input, "/").status, 405);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    assert!(metric(admin, "maxconn_connections") >= 250);
    assert!(metric(admin, "maxconn_idle_connections_total") >= 44);
    sink.answers(|_, _| sink::ok());
    assert_eq!(answer(&mut BufReader::new(waiting)).status, 204);
    process.stop();
}

#[test]
fn everything_that_is_too_much_is_refused_and_the_rest_goes_on() {
    let sink = Sink::start();
    let mut process = Process::http(&sink.url(), &["--request-timeout", "500ms"]);
    let input = process.address("input");
    let chunk = |size: usize| {
        [
            format!("{size:x}\r\n").as_bytes(),
            &vec![b'x'; size],
            b"\r\n",
        ]
        .concat()
    };
    let chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();

    // Announced and not announced.
    let announced = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n";
    assert_eq!(ask(input, announced).status, 413);
    let huge = [chunked.clone(), chunk(1 << 20).repeat(9)].concat();
    assert_eq!(ask(input, &huge).status, 413);
    // A bomb: 64 MiB in some kilobytes.
    let bomb = gzip(&vec![b'x'; 64 << 20], Compression::best());
    assert_eq!(post(input, &["Content-Encoding: gzip"], &bomb).status, 413);
    // Slow: a body that does not come.
    let mut slow = TcpStream::connect(input).unwrap();
    slow.write_all(&[chunked, chunk(10)].concat()).unwrap();
    assert_eq!(answer(&mut BufReader::new(slow)).status, 408);
    // Floods of headers, by number and by size.
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(post(input, &many, b"x\n").status, 431);
    // Of which every connection may have one that does not end.
    let long = format!("X: {}", "x".repeat(17 * 1024));
    assert_eq!(post(input, &[&long], b"x\n").status, 431);
    // Broken and foreign things.
    let json = ["Content-Type: application/json"];
    let broken = post(input, &json, br#"[{"a":1},{"b":]"#);
    assert_eq!(
        (broken.status, broken.body.contains("at byte 14")),
        (400, true),
        "{broken:?}"
    );
    assert_eq!(
        post(input, &["Content-Type: application/msgpack"], b"x").status,
        415
    );
    assert_eq!(post(input, &["Content-Encoding: br"], b"x").status, 415);
    assert_eq!(post(input, &["Content-Encoding: gzip"], b"x").status, 400);
    assert_eq!(get(input, "/").status, 405);
    assert_eq!(ask(input, b"\x16\x03\x01 hello").status, 400);

    assert!(sink.lines().is_empty());
    assert_eq!(post(input, &[], b"still here\n").status, 204);
    assert_eq!(sink.lines().len(), 1);
    let memory = process.memory_bytes();
    assert!(memory < 96 << 20, "{memory} bytes");
    process.stop();
}
