//! `maxconn replay` as people run it: the binary, files, pipes and exit codes.

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
fn every_compression_gives_the_same_whatever_the_file_is_called() {
    let folder = folder("compression");
    let plain = gunzipped(FLOOD);
    let half = plain.len() / 2;
    // Two members in one file, as log rotation and `cat a.gz b.gz` make them.
    let mut gzip = Vec::new();
    for part in [&plain[..half], &plain[half..]] {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        gzip.extend(encoder.finish().unwrap());
    }
    // A frame, one to be skipped, and another frame.
    let zstd = |part: &[u8]| {
        ruzstd::encoding::compress_to_vec(part, ruzstd::encoding::CompressionLevel::Fastest)
    };
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let zstd = [zstd(&plain[..half]), skipped, zstd(&plain[half..])].concat();
    let mut xz =
        lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    xz.write_all(&plain).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&plain).unwrap();

    let file = folder.join("mail.log");
    let arguments = ["--summary", "none", "--year", "2026"];
    let mut expected = None;
    for (name, bytes) in [
        ("plain", plain),
        ("gzip", gzip),
        ("zstd", zstd),
        ("xz", xz.finish().unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
    ] {
        fs::write(&file, bytes).unwrap();
        let output = replay(&arguments, std::slice::from_ref(&file));
        assert_eq!(
            (output.status.code(), output.stderr.is_empty()),
            (Some(0), true),
            "{name}"
        );
        let expected = expected.get_or_insert_with(|| output.stdout.clone());
        assert!(
            output.stdout == *expected,
            "{name} gives other output than plain text"
        );
    }
}

#[test]
fn a_damaged_file_is_named_and_what_came_before_counts() {
    let file = folder("damaged").join("cut.gz");
    let whole = fs::read(testdata(FLOOD)).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let output = replay(&["--only", "alerts"], std::slice::from_ref(&file));
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("cut.gz: ") && text.contains("what came before counts"),
        "{text}"
    );
    let alerts = documents(&output.stdout);
    assert!(
        alerts.last().unwrap()["maxconn"]["flood"]["count"]
            .as_u64()
            .unwrap()
            > 1000
    );
}

#[test]
fn a_cut_zstd_file_is_said_to_be_cut() {
    let plain = gunzipped(FLOOD);
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    let whole = ruzstd::encoding::compress_to_vec(&plain[..], level);
    let file = folder("cut").join("cut.zst");
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let output = replay(&["--quiet", "--summary", "none"], &[file]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("it is cut off or damaged") && !said.contains('{'),
        "{said}"
    );
}

#[test]
fn a_byte_order_mark_hides_no_event() {
    let line =
        "imap-login: Maximum number of connections from user+IP exceeded: user=<a>, rip=192.0.2.7";
    let json = format!("{{\"message\":\"{line}\"}}\n");
    for (rest, hidden) in [(line, "\u{feff}"), (json.as_str(), "")] {
        let input = format!("\u{feff}{rest}");
        let output = replay_stdin(&["--summary", "none"], input.as_bytes());
        let found = documents(&output.stdout);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["message"], format!("{hidden}{line}"));
        assert_eq!(found[0]["user"]["name"], "a");
    }
}

#[test]
fn files_are_merged_by_the_time_of_their_lines() {
    let folder = folder("merge");
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let one = write(
        "one",
        "before any time\nJan  5 00:00:02 a x: 1\n goes on\nJan  5 00:00:04 a x: 2\n",
    );
    let two = write(
        "two",
        "Jan  5 00:00:01 b x: 3\nJan  5 00:00:02 b x: 4\nJan  5 00:00:09 b x: 5",
    );
    let output = replay(
        &["--summary", "none", "--year", "2026"],
        &[one.clone(), two.clone()],
    );
    let expected = [
        "Jan  5 00:00:01 b x: 3",
        "before any time",
        "Jan  5 00:00:02 a x: 1",
        " goes on",
        "Jan  5 00:00:02 b x: 4",
        "Jan  5 00:00:04 a x: 2",
        "Jan  5 00:00:09 b x: 5",
    ];
    assert_eq!(messages(&output), expected);
    for document in documents(&output.stdout) {
        let path = document["log"]["file"]["path"].as_str().unwrap();
        let bytes = fs::read(path).unwrap();
        let rest = &bytes[document["log"]["offset"].as_u64().unwrap() as usize..];
        assert!(rest.starts_with(document["message"].as_str().unwrap().as_bytes()));
    }
    // At equal times the file that was named first goes first.
    let turned = messages(&replay(
        &["--summary", "none", "--year", "2026"],
        &[two, one],
    ));
    assert_eq!(turned[1..3], ["Jan  5 00:00:02 b x: 4", "before any time"]);
}

#[test]
fn a_rotated_set_gives_what_the_whole_file_gives() {
    let folder = folder("rotated");
    let plain = gunzipped(FLOOD);
    let lines: Vec<&[u8]> = plain.split_inclusive(|byte| *byte == b'\n').collect();
    let part = |name: &str, from: usize, to: usize| {
        let file = folder.join(name);
        fs::write(&file, lines[from..to].concat()).unwrap();
        file
    };
    // Cut between two seconds: within one the order of files decides, not that of lines.
    let second = |at: usize| lines[at][..15].to_vec();
    let cut = |from: usize| (from..).find(|&at| second(at) != second(at - 1)).unwrap();
    let (a, b) = (cut(2000), cut(5000));
    let files = [
        part("mail.log", b, lines.len()),
        part("mail.log.2", 0, a),
        part("mail.log.1", a, b),
    ];
    let merged = replay(
        &["--summary", "json", "--only", "alerts", "--year", "2026"],
        &files,
    );
    let whole = replay_stdin(
        &[
            "--summary",
            "json",
            "--only",
            "alerts",
            "--year",
            "2026",
            "-",
        ],
        &plain,
    );
    assert_eq!(
        String::from_utf8_lossy(&merged.stdout),
        String::from_utf8_lossy(&whole.stdout)
    );
    assert_eq!(summary(&merged)["floods"], summary(&whole)["floods"]);
}

#[test]
fn a_file_without_times_makes_no_other_line_late() {
    let files = [testdata("11_file_nots.log"), testdata(FLOOD)];
    let output = replay(&["--quiet", "--summary", "json"], &files);
    let statistics = summary(&output)["statistics"].clone();
    assert_eq!(
        (&statistics["late"], &statistics["timeless"]),
        (&0.into(), &42.into())
    );
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
fn journald_records_are_read() {
    let output = replay(
        &["--only", "alerts", "--summary", "json"],
        &[testdata("15_journald_json_real.jsonl")],
    );
    let summary = summary(&output);
    assert_eq!(
        summary["statistics"]["events"]["mail_max_userip_connections"],
        715
    );
    assert_eq!(summary["floods"][0]["host"]["name"], "vm");
}

#[test]
fn a_line_without_end_is_cut_and_counted_and_nothing_of_it_is_lost() {
    let mut input = b"first\n".to_vec();
    input.resize(5 << 20, b'x');
    input.extend_from_slice(b"\nlast\n");
    let output = replay_stdin(&["--summary", "json", "-"], &input);
    assert_eq!(summary(&output)["cut_lines"], 1);
    let pieces = messages(&output);
    assert_eq!(
        (
            pieces.first().unwrap().as_str(),
            pieces.last().unwrap().as_str()
        ),
        ("first", "last")
    );
    let longest = pieces.iter().map(String::len).max().unwrap();
    assert_eq!(
        (longest, pieces[1..pieces.len() - 1].concat().len()),
        (1 << 20, (5 << 20) - 6)
    );
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
        "No flood found in 3 records: none of them could be read as a refused connection, see below.",
        "Note: 3 records hold the text `Maximum number of connections`, could not be read",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
