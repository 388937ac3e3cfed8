//! What is read: files in every form, whole or damaged, one or several.

use std::fs;
use std::io::Write;

use flate2::Compression;
use test_support::command::{Folder, run};
use test_support::data::{self, FLOOD};
use test_support::http::gzip;
use test_support::lacks;

use crate::{messages, replay, replay_stdin};

fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn every_compression_gives_the_same_whatever_the_file_is_called() {
    let folder = Folder::new();
    let plain = data::read(FLOOD);
    let (first, second) = plain.split_at(plain.len() / 2);
    // Two members in one file, as log rotation and `cat a.gz b.gz` make them.
    let gzip = [first, second]
        .map(|part| gzip(part, Compression::fast()))
        .concat();
    // A frame, one to be skipped, and another frame.
    let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    let zstd = [zstd(first), skipped, zstd(second)].concat();
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    xz.write_all(&plain).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&plain).unwrap();

    let replay = |bytes: &[u8]| {
        folder.write("mail.log", bytes);
        let ran = run(&folder, "replay --summary none --year 2026 mail.log");
        assert_eq!(ran.is(0, "").stderr, "");
        ran.stdout
    };
    let expected = replay(&plain);
    for (name, bytes) in [
        ("gzip", gzip),
        ("zstd", zstd),
        ("xz", xz.finish().unwrap()),
        ("bzip2", bzip2.finish().unwrap()),
    ] {
        let is_same = replay(&bytes) == expected;
        assert!(is_same, "{name} gives other output than plain text");
    }
}

#[test]
fn a_damaged_file_is_named_and_what_came_before_counts() {
    let folder = Folder::new();
    let whole = fs::read(data::path(FLOOD)).unwrap();
    folder.write("cut.gz", &whole[..whole.len() / 2]);
    let ran = run(&folder, "replay --only alerts cut.gz");
    let alerts = ran
        .is(1, "cut.gz: ")
        .is(1, "what came before counts")
        .documents();
    let count = &alerts.last().unwrap()["maxconn"]["flood"]["count"];
    assert!(count.as_u64().unwrap() > 1000);
}

#[test]
fn a_cut_zstd_file_is_said_to_be_cut() {
    let folder = Folder::new();
    let whole = zstd(&data::read(FLOOD));
    folder.write("cut.zst", &whole[..whole.len() / 2]);
    let ran = run(&folder, "replay --quiet --summary none cut.zst");
    lacks(&ran.is(1, "it is cut off or damaged").stderr, &["{"]);
}

#[test]
fn a_byte_order_mark_hides_no_event() {
    let line =
        "imap-login: Maximum number of connections from user+IP exceeded: user=<a>, rip=192.0.2.7";
    let json = format!("{{\"message\":\"{line}\"}}\n");
    for (rest, hidden) in [(line, "\u{feff}"), (json.as_str(), "")] {
        let found = replay_stdin("--summary none", format!("\u{feff}{rest}")).documents();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["message"], format!("{hidden}{line}"));
        assert_eq!(found[0]["user"]["name"], "a");
    }
}

#[test]
fn files_are_merged_by_the_time_of_their_lines() {
    let folder = Folder::new();
    let one = "before any time\nJan  5 00:00:02 a x: 1\n goes on\nJan  5 00:00:04 a x: 2\n";
    folder.write("one", one);
    let two = "Jan  5 00:00:01 b x: 3\nJan  5 00:00:02 b x: 4\nJan  5 00:00:09 b x: 5";
    folder.write("two", two);
    let arguments = "replay --summary none --year 2026";
    let merged = |files| run(&folder, &format!("{arguments} {files}"));
    let ran = merged("one two");
    let expected = [
        "Jan  5 00:00:01 b x: 3",
        "before any time",
        "Jan  5 00:00:02 a x: 1",
        " goes on",
        "Jan  5 00:00:02 b x: 4",
        "Jan  5 00:00:04 a x: 2",
        "Jan  5 00:00:09 b x: 5",
    ];
    assert_eq!(messages(&ran), expected);
    for document in ran.documents() {
        let bytes = folder.read(document["log"]["file"]["path"].as_str().unwrap());
        let rest = &bytes[document["log"]["offset"].as_u64().unwrap() as usize..];
        assert!(rest.starts_with(document["message"].as_str().unwrap().as_bytes()));
    }
    // At equal times the file that was named first goes first.
    let turned = messages(&merged("two one"));
    assert_eq!(turned[1..3], ["Jan  5 00:00:02 b x: 4", "before any time"]);
}

#[test]
fn a_rotated_set_gives_what_the_whole_file_gives() {
    let folder = Folder::new();
    let plain = data::text(FLOOD);
    let lines: Vec<&str> = plain.split_inclusive('\n').collect();
    // Cut between two seconds: within one the order of files decides, not that of lines.
    let is_cut = |at: &usize| lines[*at][..15] != lines[at - 1][..15];
    let cut = |from: usize| (from..).find(is_cut).unwrap();
    let (a, b) = (cut(2000), cut(5000));
    folder.write("mail.log.2", lines[..a].concat());
    folder.write("mail.log.1", lines[a..b].concat());
    folder.write("mail.log", lines[b..].concat());
    let arguments = "--summary json --only alerts --year 2026";
    let files = "mail.log mail.log.2 mail.log.1";
    let merged = run(&folder, &format!("replay {arguments} {files}"));
    let whole = replay_stdin(&format!("{arguments} -"), &plain);
    assert_eq!(merged.stdout, whole.stdout);
    assert_eq!(merged.summary()["floods"], whole.summary()["floods"]);
}

#[test]
fn a_file_without_times_makes_no_other_line_late() {
    let files = format!("testdata/dovecot/11_file_nots.log {FLOOD}");
    let summary = replay(&format!("--quiet --summary json {files}")).summary();
    let statistics = &summary["statistics"];
    assert_eq!(statistics["late"], 0);
    assert_eq!(statistics["untimed"], 42);
}

#[test]
fn journald_records_are_read() {
    let file = "testdata/dovecot/15_journald_json_real.jsonl";
    let summary = replay(&format!("--only alerts --summary json {file}")).summary();
    let events = &summary["statistics"]["events"];
    assert_eq!(events["mail_max_userip_connections"], 715);
    assert_eq!(summary["floods"][0]["host"], "vm");
}

#[test]
fn a_line_without_end_is_cut_and_counted_and_nothing_of_it_is_lost() {
    let long = "x".repeat((5 << 20) - 6);
    let ran = replay_stdin("--summary json -", format!("first\n{long}\nlast\n"));
    assert_eq!(ran.summary()["input"]["cut_lines"], 1);
    let pieces = messages(&ran);
    let [first, pieces @ .., last] = &pieces[..] else {
        panic!("{} pieces", pieces.len());
    };
    assert_eq!((first.as_str(), last.as_str()), ("first", "last"));
    assert_eq!(pieces.iter().map(String::len).max(), Some(1 << 20));
    assert!(pieces.concat() == long);
}

/// What stores, shippers and `journalctl` write around records: each form is the same event at the same time.
#[test]
fn records_are_taken_out_of_what_is_around_them() {
    let text = "imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): \
                user=<alice@example.org>, method=PLAIN, rip=203.0.113.7, lip=192.0.2.2, TLS, session=<T5eqHeNgpOB/AAAB>";
    let journal = format!(
        r#"{{"__REALTIME_TIMESTAMP":"1794856435123456","_HOSTNAME":"mail","MESSAGE":"{text}"}}"#
    );
    let pretty = journal.replace(",\"", ",\n\t\"");
    let pretty = pretty.replace('{', "{\n\t").replace('}', "\n}");
    let cloudwatch = format!(r#"{{"id":"1","timestamp":1794856435123,"message":"{text}"}}"#);
    let otlp =
        format!(r#"{{"timeUnixNano":"1794856435123456789","body":{{"stringValue":"{text}"}}}}"#);
    let export = format!("__CURSOR=s=1\n__REALTIME_TIMESTAMP=1794856435123456\nMESSAGE={text}\n\n");
    let verbose = format!("Mon 2026-11-16 19:13:55.123456 UTC [s=1;i=2]\n    MESSAGE={text}\n");
    let events = format!(r#"{{"logGroup":"mail","logEvents":[{cloudwatch},{cloudwatch}]}}"#);
    let logs =
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{otlp},{otlp}]}}]}}]}}"#);
    let fluentd = format!("2026-11-16T19:13:55.123Z\tmail.info\t{{\"message\":\"{text}\"}}\n");
    for (form, input) in [
        ("array", format!("[{journal},{journal}]")),
        ("array over lines", format!("[\n{pretty},\n{pretty}\n]\n")),
        ("json-pretty", format!("{pretty}\n{pretty}\n")),
        ("json-seq", format!("\u{1e}{journal}\n\u{1e}{journal}\n")),
        ("json-sse", format!("data: {journal}\n\n").repeat(2)),
        ("export", export.repeat(2)),
        ("verbose", verbose.repeat(2)),
        ("CloudWatch", events),
        ("OTLP", logs),
        ("Fluentd", fluentd.repeat(2)),
    ] {
        let ran = replay_stdin("--only events --timezone UTC -", input);
        ran.is(0, "2 records");
        let events = ran.documents();
        assert_eq!(events.len(), 2, "{form}: {}", ran.stdout);
        for event in events {
            assert_eq!(event["user"]["name"], "alice@example.org", "{form}");
            let time = event["@timestamp"].as_str().unwrap_or_default();
            let is_right = time.starts_with("2026-11-16T19:13:55.123");
            assert!(is_right, "{form}: {event}");
        }
    }
}
