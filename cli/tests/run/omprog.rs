//! The protocol of rsyslog's `omprog` with `confirmMessages="on"`, as its documentation has it.

use test_support::command::{Folder, Process};
use test_support::http::Sink;
use test_support::refusal::{each_second, others};
use test_support::until;

use crate::STATE;

/// Starts it, and reads what it says first.
fn start(sink: &Sink, confirm: &str) -> Process {
    start_at(&Folder::new(), sink, confirm, "")
}

fn start_at(folder: &Folder, sink: &Sink, confirm: &str, more: &str) -> Process {
    let usual = "--request-timeout 300ms --admin :0";
    let url = sink.url();
    let arguments = format!("run {usual} --confirm {confirm} --output {url} {more}");
    let process = Process::at(folder, &arguments);
    assert_eq!(process.line(), "OK");
    process
}

const NOT_TAKEN: &str = "the next hop does not take records";

fn with_newlines(lines: &str) -> Vec<&str> {
    lines.split_inclusive('\n').collect()
}

/// Sends lines as a transaction; the last answer.
fn transaction(process: &mut Process, lines: &str) -> String {
    process.write(&format!("BEGIN TRANSACTION\n{lines}COMMIT TRANSACTION\n"));
    let answers = lines.lines().count() + 2;
    (0..answers).map(|_| process.line()).last().unwrap()
}

#[test]
fn every_message_is_answered_once_it_was_delivered() {
    let sink = Sink::start();
    let mut process = start(&sink, "messages");
    for number in 0..3 {
        process.write(&others(number..number + 1));
        assert_eq!(process.line(), "OK");
        assert_eq!(sink.lines().len(), number as usize + 1);
    }
    // rsyslog sends a message again that was not answered with OK; it is delivered once.
    sink.says(500);
    process.write(&others(3..4));
    assert_eq!(process.line(), NOT_TAKEN);
    sink.says(200);
    let mut answer = String::new();
    while answer != "OK" {
        process.write(&others(3..4));
        answer = process.line();
    }
    assert_eq!(sink.lines().concat(), others(0..4).replace('\n', ""));
    // A message that is equal to the one before is another one.
    process.write(&others(3..4));
    assert_eq!(process.line(), "OK");
    assert_eq!(sink.lines().len(), 5);
    // The end of the input ends it, as rsyslog does on its own end.
    drop(process.stdin.take());
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_transaction_is_answered_as_a_whole_and_comes_again_as_a_whole() {
    let sink = Sink::start();
    let mut process = start(&sink, "transactions");
    // Longer than what is handed over at once.
    let long: Vec<String> = (0..3)
        .map(|number| format!("{number}{}", "x".repeat(600_000)))
        .collect();
    let send = |process: &mut Process| {
        process.write("BEGIN TRANSACTION\n");
        assert_eq!(process.line(), "OK");
        for line in &long {
            process.write(&format!("{line}\n"));
            assert_eq!(process.line(), "DEFER_COMMIT");
        }
        process.write("COMMIT TRANSACTION\n");
        process.line()
    };
    sink.says(500);
    assert_eq!(send(&mut process), NOT_TAKEN);
    sink.says(200);
    while send(&mut process) != "OK" {}
    assert_eq!(sink.lines().len(), 3);
    assert!(process.metric("maxconn_repeated_batches_total") >= 2);
    process.stop();
}

#[test]
fn what_comes_again_in_other_transactions_is_known_line_by_line() {
    let sink = Sink::start();
    let mut process = start(&sink, "transactions");
    sink.says(500);
    // Two lines are equal: they are two.
    let all = others(0..20) + &others(0..1);
    assert_ne!(transaction(&mut process, &all), "OK");
    sink.says(200);
    let (single, rest) = all.split_at(with_newlines(&all)[..3].concat().len());
    for line in with_newlines(single) {
        while transaction(&mut process, line) != "OK" {}
    }
    let rest = rest.to_string() + &others(20..21);
    assert_eq!(transaction(&mut process, &rest), "OK");
    let expected = all + &others(20..21);
    assert_eq!(sink.lines().concat(), expected.replace('\n', ""));
    process.stop();
}

#[test]
fn lines_that_come_again_after_a_crash_are_as_many_and_as_they_were() {
    let (folder, sink) = (Folder::new(), Sink::start());
    sink.says(500);
    let mut process = start_at(&folder, &sink, "transactions", STATE);
    // Two lines are equal, and the last ones are held back by the flood that the others opened.
    let all = others(0..5) + &others(0..1) + &each_second(0..40);
    assert_ne!(transaction(&mut process, &all), "OK");
    until("a state with the alert in it", || {
        folder.holds("kept.state", "flood-start")
    });
    process.kill();
    sink.says(200);
    let mut process = start_at(&folder, &sink, "transactions", STATE);
    for lines in with_newlines(&all).chunks(7) {
        assert_eq!(transaction(&mut process, &lines.concat()), "OK");
    }
    for (words, count) in [
        ("nothing 0\"", 2),
        ("nothing ", 6),
        ("connection-limit-exceeded", 29),
        ("flood-start", 1),
    ] {
        assert_eq!(sink.count(words), count, "{words}");
    }
    process.until_metric("maxconn_records_total", 46);
    process.stop();
}

#[test]
fn answers_do_not_mix_with_records() {
    for (arguments, words) in [
        ("--confirm messages", "name another --output"),
        ("--confirm messages --input tcp://:0", "leave it out"),
    ] {
        Process::start(arguments).end().is(2, words);
    }
}

#[test]
fn blank_and_long_lines_and_large_transactions_are_answered_and_bounded() {
    let sink = Sink::start();
    let mut process = start(&sink, "messages");
    process.write("\n \t\r\n");
    assert_eq!([process.line(), process.line()], ["OK", "OK"]);
    // In pieces, and answered once.
    let long = "x".repeat((2 << 20) + 5);
    process.write(&format!("{long}\nend\n"));
    assert_eq!([process.line(), process.line()], ["OK", "OK"]);
    let texts = |sink: &Sink| -> Vec<String> {
        let record = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let text = |line| record(line)["message"].as_str().unwrap().to_string();
        sink.lines().iter().map(text).collect()
    };
    let pieces = texts(&sink);
    assert_eq!(pieces.concat(), long + "end");
    let lengths: Vec<usize> = pieces.iter().map(String::len).collect();
    assert_eq!(lengths, [1 << 20, 1 << 20, 5, 3]);
    assert_eq!(process.metric("maxconn_cut_lines_total"), 1);

    // More than are remembered; the next one is another matter.
    let mut process = start(&sink, "transactions");
    let answer = transaction(&mut process, &"x\n".repeat(16 * 1024 + 1));
    assert!(answer.contains("queue.dequeueBatchSize"), "{answer}");
    assert_eq!(transaction(&mut process, "y\n"), "OK");
    assert!(texts(&sink).contains(&"y".to_string()));
}
