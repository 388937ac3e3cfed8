//! The protocol of rsyslog's `omprog` with `confirmMessages="on"`, as its documentation has it.

use std::fs;

use crate::process::{Process, folder, metric, others, refusals, until};
use crate::sink::{self, Sink};

fn start(sink: &Sink, confirm: &str) -> Process {
    let mut process = start_with(sink, confirm, &[]);
    assert_eq!(process.line(), "OK");
    process
}

fn start_with(sink: &Sink, confirm: &str, more: &[&str]) -> Process {
    let url = sink.url();
    let patience = ["--request-timeout", "300ms", "--admin", ":0"];
    let arguments = ["--confirm", confirm, "--output", &url];
    Process::start(&[&arguments[..], &patience, more].concat())
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
    sink.answers(|_, _| sink::answer("500 Internal Server Error", ""));
    process.write(&others(3..4));
    assert_eq!(process.line(), "the next hop does not take records");
    sink.answers(|_, _| sink::ok());
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
    sink.answers(|_, _| sink::answer("500 Internal Server Error", ""));
    assert_eq!(send(&mut process), "the next hop does not take records");
    sink.answers(|_, _| sink::ok());
    while send(&mut process) != "OK" {}
    assert_eq!(sink.lines().len(), 3);
    assert!(metric(process.address("admin"), "maxconn_repeated_batches_total") >= 2);
    process.stop();
}

#[test]
fn what_comes_again_in_other_transactions_is_known_line_by_line() {
    let sink = Sink::start();
    let mut process = start(&sink, "transactions");
    sink.answers(|_, _| sink::answer("500 Internal Server Error", ""));
    // Two lines are equal: they are two.
    let all = others(0..20) + &others(0..1);
    assert_ne!(transaction(&mut process, &all), "OK");
    sink.answers(|_, _| sink::ok());
    let single: Vec<String> = all
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    for line in &single {
        while transaction(&mut process, line) != "OK" {}
    }
    let rest: String = all
        .lines()
        .skip(3)
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(transaction(&mut process, &(rest + &others(20..21))), "OK");
    let expected = all + &others(20..21);
    assert_eq!(sink.lines().concat(), expected.replace('\n', ""));
    process.stop();
}

#[test]
fn lines_that_come_again_after_a_crash_are_as_many_and_as_they_were() {
    let state = folder("omprog").join("state");
    let sink = Sink::start();
    sink.answers(|_, _| sink::answer("500 Internal Server Error", ""));
    let more = [
        "--state",
        state.to_str().unwrap(),
        "--state-interval",
        "20ms",
    ];
    let mut process = start_with(&sink, "transactions", &more);
    assert_eq!(process.line(), "OK");
    // Two lines are equal, and the last ones are held back by the flood that the others opened.
    let all = others(0..5) + &others(0..1) + &refusals(0..40);
    assert_ne!(transaction(&mut process, &all), "OK");
    until("a state with the alert in it", || {
        fs::read(&state).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains("flood-start"))
    });
    process.kill();
    sink.answers(|_, _| sink::ok());
    let mut process = start_with(&sink, "transactions", &more);
    assert_eq!(process.line(), "OK");
    let lines: Vec<String> = all.lines().map(|line| format!("{line}\n")).collect();
    for lines in lines.chunks(7) {
        assert_eq!(transaction(&mut process, &lines.concat()), "OK");
    }
    let taken = sink.lines();
    let count = |words: &str| taken.iter().filter(|line| line.contains(words)).count();
    assert_eq!(count("nothing 0\""), 2);
    assert_eq!(count("nothing "), 6);
    assert_eq!(count("connection-limit-exceeded"), 29);
    assert_eq!(count("flood-start"), 1);
    let admin = process.address("admin");
    until("statistics", || {
        metric(admin, "maxconn_records_total") == 46
    });
    process.stop();
}

#[test]
fn answers_do_not_mix_with_records() {
    for (arguments, words) in [
        (&["--confirm", "messages"][..], "name another --output"),
        (
            &["--confirm", "messages", "--input", "tcp://:0"],
            "leave it out",
        ),
    ] {
        let mut process = Process::start(arguments);
        assert_eq!(process.wait().code(), Some(2));
        process.said(words);
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
        let lines = sink.lines();
        let text = |line: &String| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["message"].as_str().unwrap().to_string()
        };
        lines.iter().map(text).collect()
    };
    let pieces = texts(&sink);
    assert_eq!(pieces.concat(), long + "end");
    let lengths: Vec<usize> = pieces.iter().map(String::len).collect();
    assert_eq!(lengths, [1 << 20, 1 << 20, 5, 3]);
    let admin = process.address("admin");
    assert_eq!(metric(admin, "maxconn_cut_lines_total"), 1);

    // More than are remembered; the next one is another matter.
    let mut process = start(&sink, "transactions");
    let answer = transaction(&mut process, &"x\n".repeat(16 * 1024 + 1));
    assert!(answer.contains("queue.dequeueBatchSize"), "{answer}");
    assert_eq!(transaction(&mut process, "y\n"), "OK");
    assert!(texts(&sink).contains(&"y".to_string()));
}
