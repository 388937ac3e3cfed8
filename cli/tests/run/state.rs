//! What a restart goes on from.

use std::fs;
use std::path::Path;

use crate::process::{Process, folder, get, metric, mode, others, post, refusals, until};
use crate::sink::{self, Sink};

fn start(state: &Path, sink: &Sink, more: &[&str]) -> Process {
    let state = state.to_str().unwrap();
    let kept = ["--state", state, "--state-interval", "20ms"];
    Process::http(&sink.url(), &[&kept, more].concat())
}

fn count(sink: &Sink, words: &str) -> usize {
    sink.lines()
        .iter()
        .filter(|line| line.contains(words))
        .count()
}

#[test]
fn a_stop_ends_no_flood_and_the_next_process_goes_on() {
    let state = folder("restart").join("state");
    let sink = Sink::start();
    for seconds in [0..40, 40..50, 50..60] {
        let mut process = start(&state, &sink, &[]);
        assert_eq!(
            post(process.address("input"), &[], refusals(seconds).as_bytes()).status,
            204
        );
        process.stop();
    }
    assert_eq!(
        (count(&sink, "flood-start"), count(&sink, "flood-end")),
        (1, 0)
    );
    let mut process = start(&state, &sink, &[]);
    assert_eq!(
        post(
            process.address("input"),
            &[],
            refusals(1800..1802).as_bytes()
        )
        .status,
        204
    );
    let lines = sink.lines();
    let end = lines
        .iter()
        .find(|line| line.contains("flood-end"))
        .unwrap();
    let end: serde_json::Value = serde_json::from_str(end).unwrap();
    assert_eq!(end["maxconn"]["flood"]["count"], 60);
    process.stop();
}

#[test]
fn killed_while_the_next_hop_is_down_nothing_is_missing_or_counted_twice() {
    let state = folder("killed").join("state");
    let sink = Sink::start();
    sink.answers(|_, _| sink::answer("503 Service Unavailable", ""));
    // A flood's start and other records, none delivered, all counted.
    let batch = refusals(0..40) + &others(0..10);
    let short = ["--request-timeout", "50ms"];
    let mut process = start(&state, &sink, &short);
    assert_eq!(
        post(process.address("input"), &[], batch.as_bytes()).status,
        503
    );
    until("a state with the alert in it", || {
        fs::read(&state).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("flood-start"))
    });
    process.kill();

    sink.answers(|_, _| sink::ok());
    let mut process = start(&state, &sink, &[]);
    process.said("did not end by itself");
    // The alert is there before the sender comes back, as it may never do.
    until("the alert", || count(&sink, "flood-start") == 1);
    let input = process.address("input");
    assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
    assert_eq!(count(&sink, "flood-start"), 1);
    assert_eq!(count(&sink, "nothing "), 10);
    let admin = process.address("admin");
    until("statistics", || {
        metric(admin, "maxconn_records_total") == 50
    });
    assert_eq!(
        metric(
            admin,
            "maxconn_events_total{limit=\"mail_max_userip_connections\"}"
        ),
        40
    );
    // Acknowledged: from now on the same bytes are another batch.
    assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
    until("statistics", || {
        metric(admin, "maxconn_records_total") == 100
    });
    process.stop();
}

#[test]
fn a_batch_that_opened_a_flood_and_comes_again_after_a_crash_has_the_verdicts_of_its_first_time() {
    let folder = folder("verdicts");
    let batch = refusals(0..40) + &others(0..10);
    let lines = |state: &Path, crash: bool| {
        let sink = Sink::start();
        let timeout = if crash { "50ms" } else { "30s" };
        let mut process = start(state, &sink, &["--request-timeout", timeout]);
        if crash {
            sink.answers(|_, _| sink::answer("503 Service Unavailable", ""));
            for _ in 0..2 {
                let answer = post(process.address("input"), &[], batch.as_bytes());
                assert_eq!(answer.status, 503);
            }
            until("a state with the alert in it", || {
                fs::read(state)
                    .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("flood-start"))
            });
            process.kill();
            sink.answers(|_, _| sink::ok());
            process = start(state, &sink, &["--request-timeout", "30s"]);
        }
        let (input, admin) = (process.address("input"), process.address("admin"));
        assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
        let repeated = metric(admin, "maxconn_repeated_batches_total");
        assert_eq!(repeated, u64::from(crash));
        process.stop();
        let mut lines: Vec<String> = sink
            .lines()
            .iter()
            .map(|line| {
                let mut document: serde_json::Value = serde_json::from_str(line).unwrap();
                let action = document["event"]["action"]
                    .as_str()
                    .unwrap_or("")
                    .to_string();
                // What comes again is told of the flood that is open by now.
                format!("{action} {}", document["message"].take())
            })
            .collect();
        lines.sort();
        lines
    };
    let expected = lines(&folder.join("whole"), false);
    assert_eq!(expected.len(), 29 + 1 + 10);
    assert_eq!(lines(&folder.join("crashed"), true), expected);
}

#[test]
fn a_flood_whose_start_was_told_is_kept_long_before_the_next_write_is_due() {
    let state = folder("alerted").join("state");
    let sink = Sink::start();
    let url = sink.url();
    let arguments = [
        "--input",
        "http://127.0.0.1:0",
        "--output",
        &url,
        "--state",
        state.to_str().unwrap(),
        "--state-interval",
        "1h",
    ];
    let mut process = Process::start(&arguments);
    let input = process.address("input");
    assert_eq!(post(input, &[], refusals(0..40).as_bytes()).status, 204);
    until("a state with the flood in it", || {
        fs::read(&state).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("alice"))
    });
    process.kill();
    let mut process = Process::start(&arguments);
    let input = process.address("input");
    assert_eq!(post(input, &[], refusals(40..80).as_bytes()).status, 204);
    assert_eq!(count(&sink, "flood-start"), 1);
    process.stop();
}

#[test]
fn a_killed_process_loses_no_record_whatever_the_moment() {
    let state = folder("moments").join("state");
    let sink = Sink::start();
    let mut serial = 0;
    let mut process = start(&state, &sink, &[]);
    for round in 0..6_u32 {
        let input = process.address("input");
        // As a shipper does: a batch is sent until it is acknowledged.
        for _ in 0..20 {
            let batch = others(serial..serial + 10);
            assert_eq!(post(input, &[], batch.as_bytes()).status, 204);
            serial += 10;
        }
        // One that is on the way when it is killed, sent again afterwards.
        let batch = others(serial..serial + 10);
        serial += 10;
        let (sender, text) = (input, batch.clone());
        let post_it = std::thread::spawn(move || {
            std::panic::catch_unwind(|| post(sender, &[], text.as_bytes()).status)
        });
        std::thread::sleep(std::time::Duration::from_micros(u64::from(round) * 300));
        process.kill();
        let answered = matches!(post_it.join().unwrap(), Ok(204));
        process = start(&state, &sink, &[]);
        if !answered {
            assert_eq!(
                post(process.address("input"), &[], batch.as_bytes()).status,
                204
            );
        }
    }
    for number in 0..serial {
        assert!(
            count(&sink, &format!("nothing {number}\"")) >= 1,
            "{number} is missing"
        );
    }
    process.stop();
}

#[test]
fn damaged_and_foreign_states_are_refused_by_name_and_can_be_set_aside() {
    let folder = folder("damaged");
    let state = folder.join("state");
    let sink = Sink::start();
    let mut process = start(&state, &sink, &[]);
    assert_eq!(
        post(process.address("input"), &[], refusals(0..40).as_bytes()).status,
        204
    );
    let mut second = start(&state, &sink, &[]);
    assert_eq!(second.wait().code(), Some(1));
    second.said("in use by another process");
    process.stop();

    assert_eq!(mode(&state), 0o600);
    let whole = fs::read(&state).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    for (bytes, words, code) in [
        (&damaged[..], "is damaged", 1),
        (b"MXRUNST1", "another version", 2),
        (b"{}", "is not one of `maxconn run`", 2),
    ] {
        fs::write(&state, bytes).unwrap();
        let mut process = start(&state, &sink, &[]);
        assert_eq!(process.wait().code(), Some(code));
        let said = process.said(words);
        assert!(
            said.contains(state.to_str().unwrap()) && said.contains("--state-reset"),
            "{said}"
        );
        assert_eq!(fs::read(&state).unwrap(), bytes, "it must not be touched");
    }
    let mut process = start(&state, &sink, &["--state-reset"]);
    process.said("was set aside");
    assert_eq!(
        post(process.address("input"), &[], refusals(0..1).as_bytes()).status,
        204
    );
    process.stop();
    let aside = fs::read_dir(&folder).unwrap().flatten();
    let aside: Vec<_> = aside
        .filter(|it| it.file_name().to_string_lossy().contains(".aside-"))
        .collect();
    assert_eq!(fs::read(aside[0].path()).unwrap(), b"{}");
}

#[test]
fn a_state_that_cannot_be_written_is_not_relied_on() {
    let folder = folder("unwritable");
    let state = folder.join("state");
    // Where it is written first there is something else.
    let new = folder.join("state.new");
    fs::create_dir(&new).unwrap();
    let sink = Sink::start();
    let mut process = start(&state, &sink, &[]);
    assert_eq!(process.wait().code(), Some(1));
    process.said("cannot write the state");
    fs::remove_dir(&new).unwrap();

    let mut process = start(&state, &sink, &[]);
    let (input, admin) = (process.address("input"), process.address("admin"));
    assert_eq!(get(admin, "/readyz").status, 200);
    // It may be writing just now.
    until("removed", || fs::remove_dir_all(&folder).is_ok());
    assert_eq!(post(input, &[], refusals(0..1).as_bytes()).status, 204);
    until("not ready", || {
        let answer = get(admin, "/readyz");
        answer.status == 503 && answer.body.contains("the state cannot be written")
    });
    fs::create_dir_all(&folder).unwrap();
    until("ready again", || get(admin, "/readyz").status == 200);
    process.stop();
}
