//! `maxconn replay` as people run it: the binary, files, pipes and exit codes.

mod clear;
mod input;
mod interrupt;
mod servers;
mod story;
mod summary;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use test_support::command::{self, Folder, Process, Ran, program, run};
use test_support::data::{self, FLOOD};
use test_support::lacks;

const BACKGROUND: &str = "testdata/dovecot/13_background.log";

/// Replays files of the repository.
fn replay(arguments: &str) -> Ran {
    run(&data::path(""), &format!("replay {arguments}"))
}

/// Replays standard input.
fn replay_stdin(arguments: &str, input: impl AsRef<[u8]>) -> Ran {
    let arguments = format!("replay {arguments}");
    command::run_on(Path::new("/"), &arguments, input.as_ref())
}

fn messages(ran: &Ran) -> Vec<String> {
    let documents = ran.documents();
    let message = |it: &Value| it["message"].as_str().unwrap().to_string();
    documents.iter().map(message).collect()
}

#[test]
fn a_flood_becomes_a_few_alerts_and_a_summary_that_a_person_can_read() {
    let ran = replay(&format!("--only alerts {FLOOD}"));
    let alerts = ran.documents();
    let last = alerts.last().unwrap();
    assert_eq!(last["event"]["action"], "connection-limit-flood-end");
    assert_eq!(last["maxconn"]["flood"]["count"], 7500);
    assert!(alerts.len() < 10 && alerts.iter().all(|alert| alert["event"]["kind"] == "alert"));
    for part in [
        "1 flood in 7,514 records: 7,500 refused",
        "alice@example.org from 127.0.0.1",
        "what to do:",
    ] {
        ran.is(0, part);
    }
    assert!(!ran.stderr.contains('\x1b'), "colours without a terminal");
}

#[test]
fn parts_of_the_output_are_exactly_those_parts() {
    let run = |arguments: &str| {
        let file = "testdata/dovecot/01_one_user_one_ip_50ps-info.log";
        let ran = replay(&format!("{arguments} --summary none {file}"));
        assert_eq!(ran.stderr, "");
        ran.documents()
    };
    let all = run("");
    let kept = |kinds: &[&str]| {
        let is_kept = |it: &&Value| kinds.iter().any(|kind| it["event"]["kind"] == *kind);
        all.iter().filter(is_kept).cloned().collect::<Vec<_>>()
    };
    assert_eq!(run("--only alerts"), kept(&["alert"]));
    assert_eq!(run("--only events"), kept(&["event"]));
    assert_eq!(run("--only changed"), kept(&["alert", "event"]));
    assert!(run("--quiet").is_empty());
    let with_statistics = run("--only alerts --statistics");
    let last = with_statistics.last().unwrap();
    assert_eq!(last["event"]["dataset"], "maxconn.statistics");
    let passed = last["maxconn"]["statistics"]["passed"].as_u64().unwrap();
    assert_eq!(all.len(), passed as usize + kept(&["alert"]).len());
}

#[test]
fn json_records_without_an_event_come_out_byte_for_byte() {
    let whole = "{\"b\" : 1e400, \"message\":\"\\u00e4\"}\n{}\n  {\"message\":\"Jan  5 00:00:01 a x: y\"}\n";
    let ran = replay_stdin("--summary none -", format!("{whole}not json\n"));
    let wrapped = "{\"message\":\"not json\",\"log\":{\"offset\":76}}\n";
    assert_eq!(ran.stdout, format!("{whole}{wrapped}"));
    let text = replay_stdin("--summary none --format text", "{\"a\":1}\n");
    let wrapped = "{\"message\":\"{\\\"a\\\":1}\",\"log\":{\"offset\":0}}\n";
    assert_eq!(text.stdout, wrapped);
}

#[test]
fn blank_lines_are_no_records_and_move_no_offset() {
    let input = "\n \r\nfirst\n\n\t\n second\n\r\n{\"message\":\"third\"}\n\n\n";
    let expected = "{\"message\":\"first\",\"log\":{\"offset\":4}}\n\
                    {\"message\":\" second\",\"log\":{\"offset\":13}}\n\
                    {\"message\":\"third\"}\n";
    let ran = replay_stdin("--summary json -", input);
    assert_eq!(ran.stdout, expected);
    assert_eq!(ran.summary()["statistics"]["records"], 3);
    // Of several files the times are asked for, line by line.
    let folder = Folder::new();
    for name in ["one", "two"] {
        let line = format!("\n\nJan  5 00:00:01 a x: {name}\n\n");
        folder.write(name, line.repeat(1000));
    }
    let documents = run(&folder, "replay --summary none --year 2026 one two").documents();
    assert_eq!(documents.len(), 2000);
    for (number, document) in documents.iter().take(1000).enumerate() {
        assert_eq!(document["log"]["offset"], 2 + 28 * number);
    }
    let bomb = replay_stdin("--summary none", "\n".repeat(8 << 20));
    assert_eq!(bomb.stdout, "");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let files = [BACKGROUND; 200];
    let mut command = Command::new(program());
    let command = command.arg("replay").args(files);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.current_dir(data::path("")).spawn().unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn a_live_stream_is_answered_before_it_ends() {
    let mut process = Process::at(Path::new("/"), "replay --summary none -");
    for word in ["one line", "two lines"] {
        process.write(&format!("{word}\n"));
        assert_eq!(process.document()["message"], word);
    }
    drop(process.stdin.take());
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn what_is_wrong_is_said_in_a_sentence_and_an_exit_code() {
    let folder = Folder::new();
    folder.write("wrong.toml", "max_kyes = 5\n");
    folder.write("not.wasm", "no wasm");
    let table = "
        1 | replay no-such-file               | maxconn: cannot read no-such-file: No such file or directory
        1 | replay .                          | it is a folder; name the files in it
        2 | replay - -                        | standard input can be read once only
        2 | replay --only nothing -           | invalid value 'nothing'
        2 | replay --config wrong.toml -      | max_keys
        1 | replay --plugin not.wasm -        | not.wasm is not a wasm module
        1 | replay --plugin no.wasm -         | cannot read the plugin no.wasm
        2 | config check wrong.toml           | max_keys
        2 | bench --seconds 0                 | --seconds must be more than 0
        2 |                                   | Usage:";
    command::run_rows(&folder, table, |_| ());
}

#[test]
fn no_flood_is_said_plainly() {
    let said = replay(&format!("--quiet {BACKGROUND}")).stderr;
    let sentence = "No flood found in 445 records: none of them says";
    assert!(said.starts_with(sentence), "{said}");
}

#[test]
fn events_that_no_rule_counts_and_files_that_are_named_twice_are_told_of() {
    let folder = Folder::new();
    let pattern = "[[pattern]]\nname = \"myapp\"\ncontains = \"too many connections for role\"\n\
                   regex = 'for role \"(?<user>[^\"]+)\"'\nlimit = \"role_connection_limit\"\nscope = \"user\"\n";
    folder.write("maxconn.toml", pattern);
    let line = "Jan  5 00:00:01 db postgres: FATAL: too many connections for role \"a\"\n";
    folder.write("pg.log", line.repeat(5));
    let arguments = "replay --quiet --config maxconn.toml";
    let said = |files: &str| run(&folder, &format!("{arguments} {files}"));
    let once = said("pg.log");
    for part in [
        "5 refused connections, which no rule counts; see below.",
        "Note: the pattern myapp finds events of scope user, and no rule counts those",
    ] {
        once.is(0, part);
    }
    lacks(&once.stderr, &["too few", "twice"]);
    said("pg.log ./pg.log").is(0, "pg.log is named twice");
    // One that finds nothing is of no interest.
    let nothing = said(data::path(BACKGROUND).to_str().unwrap());
    assert!(!nothing.stderr.contains("myapp"), "{nothing:?}");
}

#[test]
fn no_mean_rate_is_above_the_busiest_second() {
    let folder = Folder::new();
    let generated = run(&folder, "generate --lines 300").stdout;
    for (times, rates) in [
        (1, "50.0 a second over that time"),
        (4, "200.0 a second over that time"),
    ] {
        folder.write("g.log", generated.repeat(times));
        run(&folder, "replay --quiet g.log").is(0, rates);
    }
}
