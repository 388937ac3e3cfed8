//! `maxconn replay` as people run it: the binary, files, pipes and exit codes.

mod input;
mod interrupt;
mod story;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A real flood: 7,500 refusals among 7,514 lines.
const FLOOD: &str = "14_flood_servicecount0.log.gz";

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/dovecot")
        .join(name)
}

/// A folder of a test's own.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn maxconn(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maxconn"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn replay(arguments: &[&str], files: &[PathBuf]) -> Output {
    maxconn(&["replay"])
        .args(arguments)
        .args(files)
        .output()
        .unwrap()
}

fn replay_stdin(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = maxconn(&["replay"])
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // On a thread of its own: the child may well answer before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn documents(output: &[u8]) -> Vec<Value> {
    let lines = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn messages(output: &Output) -> Vec<String> {
    documents(&output.stdout)
        .iter()
        .map(|document| document["message"].as_str().unwrap().to_string())
        .collect()
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stderr).unwrap()
}

fn gunzipped(name: &str) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(testdata(name)).unwrap())
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

#[test]
fn a_flood_becomes_a_few_alerts_and_a_summary_that_a_person_can_read() {
    let output = replay(&["--only", "alerts"], &[testdata(FLOOD)]);
    assert_eq!(output.status.code(), Some(0));
    let alerts = documents(&output.stdout);
    assert_eq!(
        alerts.last().unwrap()["event"]["action"],
        "connection-limit-flood-end"
    );
    assert_eq!(alerts.last().unwrap()["maxconn"]["flood"]["count"], 7500);
    assert!(alerts.len() < 10 && alerts.iter().all(|alert| alert["event"]["kind"] == "alert"));
    let text = String::from_utf8(output.stderr).unwrap();
    for part in [
        "1 flood in 7,514 records: 7,500 refused",
        "alice@example.org from 127.0.0.1",
        "what to do:",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains('\x1b'), "colours without a terminal");
}

#[test]
fn parts_of_the_output_are_exactly_those_parts() {
    let flood = [testdata("01_one_user_one_ip_50ps-info.log")];
    let run = |arguments: &[&str]| {
        let output = replay(&[arguments, &["--summary", "none"]].concat(), &flood);
        assert!(output.stderr.is_empty());
        documents(&output.stdout)
    };
    let is_alert = |document: &Value| document["event"]["kind"] == "alert";
    let is_event = |document: &Value| document["event"]["kind"] == "event";
    let all = run(&[]);
    let kept = |keep: &dyn Fn(&Value) -> bool| {
        all.iter()
            .filter(|document| keep(document))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(run(&["--only", "alerts"]), kept(&is_alert));
    assert_eq!(run(&["--only", "events"]), kept(&is_event));
    assert_eq!(
        run(&["--only", "changed"]),
        kept(&|document| is_alert(document) || is_event(document))
    );
    assert!(run(&["--quiet"]).is_empty());
    let with_statistics = run(&["--only", "alerts", "--statistics"]);
    assert_eq!(
        with_statistics.last().unwrap()["event"]["dataset"],
        "maxconn.statistics"
    );
    assert_eq!(all.len() as u64, {
        let statistics = &with_statistics.last().unwrap()["maxconn"]["statistics"];
        statistics["passed"].as_u64().unwrap() + kept(&is_alert).len() as u64
    });
}

#[test]
fn json_records_without_an_event_come_out_byte_for_byte() {
    let input = b"{\"b\" : 1e400, \"message\":\"\\u00e4\"}\n{}\n  {\"message\":\"Jan  5 00:00:01 a x: y\"}\nnot json\n";
    let output = replay_stdin(&["--summary", "none", "-"], input);
    let expected = [
        &input[..input.len() - 9],
        b"{\"message\":\"not json\",\"log\":{\"offset\":76}}\n",
    ]
    .concat();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&expected)
    );
    let text = replay_stdin(&["--summary", "none", "--format", "text"], b"{\"a\":1}\n");
    assert_eq!(
        text.stdout,
        b"{\"message\":\"{\\\"a\\\":1}\",\"log\":{\"offset\":0}}\n"
    );
}

#[test]
fn blank_lines_are_no_records_and_move_no_offset() {
    let input = b"\n \r\nfirst\n\n\t\n second\n\r\n{\"message\":\"third\"}\n\n\n";
    let expected = "{\"message\":\"first\",\"log\":{\"offset\":4}}\n\
                    {\"message\":\" second\",\"log\":{\"offset\":13}}\n\
                    {\"message\":\"third\"}\n";
    let output = replay_stdin(&["--summary", "json", "-"], input);
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert_eq!(summary(&output)["statistics"]["records"], 3);
    // Of several files the times are asked for, line by line.
    let folder = folder("blank");
    let files = ["one", "two"].map(|name| {
        let file = folder.join(name);
        let line = format!("\n\nJan  5 00:00:01 a x: {name}\n\n");
        fs::write(&file, line.repeat(1000)).unwrap();
        file
    });
    let output = replay(&["--summary", "none", "--year", "2026"], &files);
    let documents = documents(&output.stdout);
    assert_eq!(documents.len(), 2000);
    for (number, document) in documents.iter().take(1000).enumerate() {
        assert_eq!(document["log"]["offset"], 2 + 28 * number);
    }
    let bomb = replay_stdin(&["--summary", "none"], "\n".repeat(8 << 20).as_bytes());
    assert!(bomb.stdout.is_empty());
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let files = (0..200).map(|_| testdata("13_background.log"));
    let mut child = maxconn(&["replay"]).args(files).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    // The pipe is closed now.
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).as_ref()
        ),
        (Some(0), "")
    );
}

#[test]
fn a_live_stream_is_answered_before_it_ends() {
    let mut child = maxconn(&["replay", "--summary", "none", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for word in ["one line", "two lines"] {
        writeln!(stdin, "{word}").unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert!(answer.contains(word), "{answer}");
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_wrong_is_said_in_a_sentence_and_an_exit_code() {
    let folder = folder("wrong");
    let config = folder.join("wrong.toml");
    fs::write(&config, "max_kyes = 5\n").unwrap();
    let not_wasm = folder.join("not.wasm");
    fs::write(&not_wasm, "no wasm").unwrap();
    let (config, not_wasm) = (config.to_str().unwrap(), not_wasm.to_str().unwrap());
    for (arguments, code, sentence) in [
        (
            &["replay", "no-such-file"][..],
            1,
            "maxconn: cannot read no-such-file: No such file or directory",
        ),
        (
            &["replay", folder.to_str().unwrap()],
            1,
            "it is a folder; name the files in it",
        ),
        (
            &["replay", "-", "-"],
            2,
            "standard input can be read once only",
        ),
        (
            &["replay", "--only", "nothing", "-"],
            2,
            "invalid value 'nothing'",
        ),
        (&["replay", "--config", config, "-"], 2, "max_keys"),
        (
            &["replay", "--plugin", not_wasm, "-"],
            1,
            "not.wasm is not a wasm module",
        ),
        (
            &["replay", "--plugin", "no.wasm", "-"],
            1,
            "cannot read the plugin no.wasm",
        ),
        (&["config", "check", config], 2, "max_keys"),
        (
            &["bench", "--seconds", "0"],
            2,
            "--seconds must be more than 0",
        ),
        (&[], 2, "Usage:"),
    ] {
        let output = maxconn(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(sentence), "{arguments:?}: {text}");
    }
}

#[test]
fn no_flood_is_said_plainly() {
    let output = replay(&["--quiet"], &[testdata("13_background.log")]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with("No flood found in 445 records: none of them says"),
        "{text}"
    );
}

#[test]
fn a_refusal_that_cannot_be_read_is_told_of() {
    let log = folder("unrecognised").join("compose.log");
    let line = "dovecot-1  | imap-login: Maximum number of connections from user+IP exceeded\n";
    fs::write(&log, line.repeat(3)).unwrap();
    let text = String::from_utf8(replay(&["--quiet"], &[log]).stderr).unwrap();
    for part in [
        "No flood found in 3 records: none could be read as a refused connection, but see below.",
        "Note: 3 records hold the text `Maximum number of connections`, could not be read",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn events_that_no_rule_counts_and_files_that_are_named_twice_are_told_of() {
    let folder = folder("uncounted");
    let (config, log) = (folder.join("maxconn.toml"), folder.join("pg.log"));
    let pattern = "[[pattern]]\nname = \"postgresql\"\ncontains = \"too many connections for role\"\n\
                   regex = 'for role \"(?<user>[^\"]+)\"'\nlimit = \"role_connection_limit\"\nscope = \"user\"\n";
    fs::write(&config, pattern).unwrap();
    let line = "Jan  5 00:00:01 db postgres: FATAL: too many connections for role \"a\"\n";
    fs::write(&log, line.repeat(5)).unwrap();
    let config = config.to_str().unwrap();
    let said = |files: &[PathBuf]| {
        let output = replay(&["--quiet", "--config", config], files);
        String::from_utf8(output.stderr).unwrap()
    };
    let text = said(std::slice::from_ref(&log));
    for part in [
        "5 refused connections, which no rule counts; see below.",
        "Note: the pattern postgresql finds events of scope user, and no rule counts those",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(
        !text.contains("too few") && !text.contains("twice"),
        "{text}"
    );
    let text = said(&[log.clone(), folder.join("../uncounted/pg.log")]);
    assert!(text.contains("pg.log is named twice"), "{text}");
    // One that finds nothing is of no interest.
    let text = said(&[testdata("13_background.log")]);
    assert!(!text.contains("postgresql"), "{text}");
}

#[test]
fn no_mean_rate_is_above_the_busiest_second() {
    let log = folder("rates").join("g.log");
    let generated = maxconn(&["generate", "--lines", "300"]).output().unwrap();
    for (times, rates) in [
        (1, "50.0 a second, 50 in the busiest one"),
        (4, "200.0 a second, 200 in the busiest one"),
    ] {
        fs::write(&log, generated.stdout.repeat(times)).unwrap();
        let output = replay(&["--quiet"], std::slice::from_ref(&log));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(rates), "{text}");
    }
}
