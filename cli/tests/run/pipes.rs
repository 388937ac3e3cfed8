//! Standard input and output, signals, and a plugin that traps.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use test_support::command::{Folder, Process, Ran, run_rows};
use test_support::data;
use test_support::http::{get, gzip};
use test_support::refusal::{each_second, others};
use test_support::{contains, lacks, until};

#[test]
fn what_is_piped_in_comes_out_at_once_and_a_flood_becomes_alerts() {
    let mut process = Process::start("");
    process.write(&["\u{feff}", &others(0..2)].concat());
    // Before anything else is written: nothing waits for a buffer to fill.
    assert_eq!(process.document()["message"], "nothing 0");
    assert_eq!(process.document()["message"], "nothing 1");
    process.write(&each_second(0..60));
    drop(process.stdin.take());
    let documents = process.rest();
    assert_eq!(process.wait().code(), Some(0));
    let actions = documents.iter().map(|it| it["event"]["action"].as_str());
    let alerts: Vec<_> = actions
        .flatten()
        .filter(|it| it.contains("flood"))
        .collect();
    let expected = ["connection-limit-flood-start", "connection-limit-flood-end"];
    assert_eq!(alerts, expected);
    let flood = &documents.last().unwrap()["maxconn"]["flood"];
    assert_eq!(flood["count"], 60);
    assert_eq!(flood["end_reason"], "shutdown");
    assert_eq!(flood["passed"], documents.len() - 2);
}

#[test]
fn compressed_standard_input_is_told_of() {
    let mut process = Process::start("");
    let body = gzip(others(0..2).as_bytes(), Compression::fast());
    process.stdin.as_mut().unwrap().write_all(&body).unwrap();
    drop(process.stdin.take());
    process.said("standard input is compressed by gzip");
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_request_to_terminate_delivers_what_was_taken_and_ends_well() {
    let mut process = Process::start("--only alerts");
    process.write(&each_second(0..60));
    assert_eq!(process.document()["maxconn"]["flood"]["state"], "start");
    process.stop();
    let rest = process.rest();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["maxconn"]["flood"]["end_reason"], "shutdown");
}

#[test]
fn time_goes_on_when_nothing_comes() {
    let folder = Folder::new();
    let rule = "[[rule]]\nname = \"userip\"\nthreshold = 3\nwithin = \"1s\"\nquiet = \"1s\"\n";
    folder.write("maxconn.toml", format!("allowed_lateness = \"0s\"\n{rule}"));
    let mut process = Process::at(&folder, "run --only alerts --config maxconn.toml");
    process.write(&each_second(5..6).repeat(5));
    assert_eq!(process.document()["maxconn"]["flood"]["state"], "start");
    let end = process.document();
    assert_eq!(end["maxconn"]["flood"]["end_reason"], "quiet");
    assert_eq!(end["maxconn"]["flood"]["count"], 5);
    process.stop();
}

#[test]
fn the_configuration_is_read_again_and_a_wrong_one_changes_nothing() {
    let folder = Folder::new();
    folder.write("maxconn.toml", "");
    let arguments = "run --only alerts --admin :0 --config maxconn.toml";
    let mut process = Process::at(&folder, arguments);
    process.write(&each_second(0..40));
    assert_eq!(process.document()["maxconn"]["flood"]["state"], "start");

    let rule = "[[rule]]\nname = \"userip\"\n";
    folder.write("maxconn.toml", format!("{rule}quiet = \"1s\"\n"));
    process.signal("HUP");
    let said = process.said("stays as it was");
    assert!(said.contains("maxconn.toml"), "{said}");
    assert_eq!(process.metric("maxconn_reload_failures_total"), 1);

    // The flood is still open: its events count, and no second start comes.
    folder.write("maxconn.toml", format!("{rule}policy = \"pass\"\n"));
    process.signal("HUP");
    process.said("was read again");
    process.write(&each_second(40..50));
    // The end of the input ends it; a signal could come before the last lines are read.
    drop(process.stdin.take());
    assert_eq!(process.wait().code(), Some(0));
    let rest = process.rest();
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0]["maxconn"]["flood"]["count"], 50);
}

#[test]
fn a_pipe_that_nobody_reads_ends_it_quietly() {
    let mut process = Process::start("");
    process.close_stdout();
    // The first write may still find the reader there.
    until("its end", || {
        let stdin = process.stdin.as_mut().unwrap();
        stdin.write_all(b"x\n").is_err()
    });
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_guest_that_traps_is_replaced_and_the_lines_go_on() {
    let folder = Folder::new();
    let traps = wat::parse_file(data::path("testdata/plugins/traps.wat"));
    folder.write("traps.wasm", traps.unwrap());
    folder.write("none.toml", "");
    let guest = "--plugin traps.wasm";
    let more = "--admin :0 --config none.toml";
    let mut process = Process::at(&folder, &format!("run {guest} {more}"));
    for (line, count) in [
        ("one\n", Some("1")),
        ("boom\n", None),
        ("two\n", Some("2")),
        // From here on the next guest goes on from a snapshot, and what was pushed since.
        ("", None),
        ("three\n", Some("3")),
        ("boom\n", None),
        ("four\n", Some("4")),
    ] {
        if line.is_empty() {
            process.signal("HUP");
            process.said("was read again");
            continue;
        }
        process.write(line);
        // What no guest takes, or passes as no guest should, still becomes a record.
        assert_eq!(process.document()["message"], line.trim());
        if let Some(count) = count {
            assert_eq!(process.document()["count"], count);
        }
    }
    process.said("failed in maxconn_push");
    // Of lines that come together only the one is lost that no guest takes.
    process.write("five\nsix\nboom\nseven\n");
    for expected in ["five", "six", "5", "boom", "seven", "6"] {
        let document = process.document();
        let said = document.get("message").or(document.get("count"));
        assert_eq!(said, Some(&expected.into()));
    }
    // Twice each `boom` alone; before that what the third was in, and the half.
    assert_eq!(process.metric("maxconn_guest_restarts_total"), 8);
    assert_eq!(process.metric("maxconn_bypassed_bytes_total"), 15);
    assert_eq!(get(process.address("admin"), "/healthz").status, 200);
    process.stop();

    // Where names are redacted nobody knows which are in such lines: only their size goes on.
    folder.write("redacting.toml", "redact_key = \"0123456789abcdef\"");
    let mut process = Process::at(&folder, &format!("run {guest} --config redacting.toml"));
    process.write("one\n");
    assert_eq!(process.document()["message"], "one");
    assert_eq!(process.document()["count"], "1");
    process.write("boom\n");
    let withheld = process.line();
    contains(&withheld, &["4 bytes is withheld"]);
    lacks(&withheld, &["boom"]);
    process.stop();
}

#[test]
fn wrong_command_lines_are_told_with_a_mend() {
    let table = "
        2 | run --input carrier-pigeon                              | write stdin
        2 | run --input stdin --input -                             | given twice
        2 | run --output http://user:pass@127.0.0.1/                | put the secret into a file
        2 | run --output-token x                                    | leave it out
        2 | run --input-token x                                     | leave it out
        2 | run --grace soon                                        | write it like
        2 | run --admin 127.0.0.1                                   | write it like
        2 | run --output http://127.0.0.1:1 --output-token /nowhere | /nowhere";
    let check = |ran: &Ran| assert!(!ran.stderr.contains("pass@"), "{ran:?}");
    run_rows(Path::new("/"), table, check);
}
