//! What is read: files in every form, whole or damaged, one or several.

use std::fs;
use std::io::Write;

use crate::{
    FLOOD, documents, folder, gunzipped, messages, replay, replay_stdin, summary, testdata,
};

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
