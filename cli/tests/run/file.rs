//! `--input file:`: a log is followed over rotation and truncation, and nothing is missing or counted twice, whenever the process is killed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use test_support::command::{Folder, Process};
use test_support::http::Sink;
use test_support::refusal::line;
use test_support::until;

use crate::STATE;

/// Lines with these serials, each another, and none of a refusal.
fn serials(numbers: std::ops::Range<u32>) -> String {
    numbers.fold(String::new(), |mut text, number| {
        let _ = writeln!(
            text,
            "Jan  5 00:00:00 mail postfix/qmgr: serial {number:06} removed"
        );
        text
    })
}

fn append(log: &Path, text: &str) {
    let file = OpenOptions::new().append(true).create(true).open(log);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn start(folder: &Folder, sink: &Sink) -> Process {
    let output = format!("--admin :0 --output {} {STATE}", sink.url());
    let process = Process::at(folder, &format!("run --input file:mail.log {output}"));
    process.said("maxconn run takes records");
    process
}

/// How often each serial arrived.
fn arrived(sink: &Sink) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for line in sink.lines() {
        if let Some((_, rest)) = line.split_once("serial ") {
            *all.entry(rest[..6].to_string()).or_insert(0) += 1;
        }
    }
    all
}

/// Holds that none has arrived twice.
#[track_caller]
fn each_once(sink: &Sink) {
    let arrived = arrived(sink);
    assert!(arrived.values().all(|times| *times == 1), "{arrived:?}");
}

/// A refusal in that second of an hour.
fn refusal(second: u32) -> String {
    let time = format!("Jan  5 00:{:02}:{:02}", second / 60, second % 60);
    line(&time, "bob", "192.0.2.7")
}

fn until_all(sink: &Sink, count: u32) {
    until("all lines", || arrived(sink).len() == count as usize);
}

/// As logrotate does it, with two old logs.
fn rotate(folder: &Folder) {
    for (old, new) in [("mail.log.1", "mail.log.2"), ("mail.log", "mail.log.1")] {
        if folder.join(old).exists() {
            fs::rename(folder.join(old), folder.join(new)).unwrap();
        }
    }
}

/// Where reading goes on, if somebody has told.
fn position(folder: &Folder) -> Option<Value> {
    let names = fs::read_dir(&**folder).unwrap().flatten();
    let path = names.map(|it| it.path()).find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("kept.state.position-") && !name.ends_with(".new")
    })?;
    Some(serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
}

fn until_begun(folder: &Folder) {
    until("a position", || position(folder).is_some());
}

#[test]
fn a_log_is_followed_from_its_end_over_rotation_and_truncation() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let log = folder.write("mail.log", serials(900_000..900_010));
    let mut process = start(&folder, &sink);
    until_begun(&folder);
    append(&log, &serials(0..10));
    until_all(&sink, 10);
    // A line that is not whole yet waits for its end.
    append(&log, "Jan  5 00:00:00 mail x: serial 000010");
    fs::rename(&log, folder.join("mail.log.1")).unwrap();
    append(&folder.join("mail.log.1"), " removed\n");
    append(&log, &serials(11..20));
    until_all(&sink, 20);
    // copytruncate.
    File::create(&log).unwrap();
    append(&log, &serials(20..25));
    until_all(&sink, 25);
    // Written beyond its old size before anybody looks, and another one rotated right behind it.
    File::create(&log).unwrap();
    append(&log, &serials(900_100..900_150));
    until("the others", || sink.count("serial 9001") == 50);
    File::create(&log).unwrap();
    append(&log, &serials(900_150..900_160));
    fs::rename(&log, folder.join("mail.log.1")).unwrap();
    append(&log, &serials(900_160..900_200));
    until("all others", || sink.count("serial 9001") == 100);
    process.stop();
    each_once(&sink);
    // Rotated while nobody looks: the rest of the old one comes first.
    append(&log, &serials(25..30));
    fs::rename(&log, folder.join("mail.log.1")).unwrap();
    append(&log, &serials(30..35));
    let mut process = start(&folder, &sink);
    until_all(&sink, 135);
    process.stop();
    each_once(&sink);
}

#[test]
fn whatever_rotation_did_meanwhile_each_line_comes_once() {
    for (what, meanwhile) in [
        (
            "renamed twice",
            &(|folder: &Folder, log: &Path| {
                rotate(folder);
                append(log, &serials(20..30));
                rotate(folder);
                append(log, &serials(30..40));
            }) as &dyn Fn(&Folder, &Path),
        ),
        ("renamed thrice, and the first is gone", &|folder, log| {
            rotate(folder);
            for first in [20, 25] {
                // A file system may know no more of the time.
                thread::sleep(Duration::from_millis(20));
                append(log, &serials(first..first + 5));
                rotate(folder);
            }
            append(log, &serials(30..35));
        }),
        ("copied and cut off", &|folder, log| {
            append(log, &serials(20..30));
            fs::copy(log, folder.join("mail.log-20260105")).unwrap();
            File::create(log).unwrap();
            append(log, &serials(30..40));
        }),
    ] {
        let (folder, sink) = (Folder::new(), Sink::start());
        let log = folder.write("mail.log", serials(900_000..900_010));
        // Another program's, and older ones.
        folder.write("mail.log.2", serials(900_010..900_020));
        folder.write("mail.log.old", serials(900_020..900_030));
        let mut process = start(&folder, &sink);
        until_begun(&folder);
        append(&log, &serials(10..20));
        until_all(&sink, 10);
        process.stop();
        meanwhile(&folder, &log);
        let mut process = start(&folder, &sink);
        let count = if what.ends_with("gone") { 25 } else { 30 };
        until_all(&sink, count);
        append(&log, &serials(40..41));
        until_all(&sink, count + 1);
        process.stop();
        each_once(&sink);
    }
}

#[test]
fn killed_twenty_times_nothing_is_missing_and_no_refusal_counts_twice() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let log = folder.write("mail.log", "");
    let mut process = start(&folder, &sink);
    until_begun(&folder);
    let (mut written, mut confirmed) = (0, BTreeMap::new());
    for round in 0..20_u32 {
        let refusals: String = (round * 5..round * 5 + 5).map(refusal).collect();
        append(&log, &serials(written..written + 30));
        append(&log, &refusals);
        written += 30;
        match round % 5 {
            // Whatever of the one before was read, it is not the last one now.
            1 | 2 => rotate(&folder),
            3 => {
                let there = fs::metadata(&log).unwrap();
                until("the end of the log", || {
                    position(&folder)
                        .is_some_and(|it| it["inode"] == there.ino() && it["offset"] == there.len())
                });
                confirmed = arrived(&sink);
                assert_eq!(confirmed.len(), written as usize);
            }
            _ => {}
        }
        process.kill();
        process = start(&folder, &sink);
    }
    append(&log, &serials(written..written + 1));
    until_all(&sink, written + 1);
    // Of the moment before a kill totals may lack something, as of every input: here is a flood that has it all behind it.
    let more: String = (200..260).map(refusal).collect();
    append(&log, &more);
    until("a flood", || sink.count("flood-start") > 0);
    // Time moves on the word of several.
    let later = (0..5).map(|second| line(&format!("Jan  5 03:00:{second:02}"), "kim", "192.0.2.8"));
    append(&log, &later.collect::<String>());
    until("its end", || sink.count("flood-end") > 0);
    process.stop();
    let lines = sink.lines();
    let ends = lines.iter().filter(|it| it.contains("flood-end"));
    let count = |end: &String| -> u64 {
        let end: Value = serde_json::from_str(end).unwrap();
        end["maxconn"]["flood"]["count"].as_u64().unwrap()
    };
    let counted: u64 = ends.map(count).sum();
    assert!((60..=160).contains(&counted), "{counted}");
    // Each kill may have come between the next hop's taking lines and its being noted.
    let arrived = arrived(&sink);
    for (serial, times) in confirmed {
        assert_eq!(arrived[&serial], times, "{serial}");
    }
}
