//! The protocol of rsyslog's `omprog` with `confirmMessages="on"`, as its documentation has it.

use crate::process::{Process, metric, others};
use crate::sink::{self, Sink};

fn start(sink: &Sink, confirm: &str) -> Process {
    let url = sink.url();
    let patience = ["--request-timeout", "300ms", "--admin", ":0"];
    Process::start(&[&["--confirm", confirm, "--output", &url][..], &patience].concat())
}

#[test]
fn every_message_is_answered_once_it_was_delivered() {
    let sink = Sink::start();
    let mut process = start(&sink, "messages");
    assert_eq!(process.line(), "OK");
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
    assert_eq!(process.line(), "OK");
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
    assert_eq!(process.line(), "OK");
    let send = |process: &mut Process, lines: &str| {
        process.write(&format!("BEGIN TRANSACTION\n{lines}COMMIT TRANSACTION\n"));
        let answers = lines.lines().count() + 2;
        (0..answers).map(|_| process.line()).last().unwrap()
    };
    sink.answers(|_, _| sink::answer("500 Internal Server Error", ""));
    // Two lines are equal: they are two.
    let all = others(0..20) + &others(0..1);
    assert_ne!(send(&mut process, &all), "OK");
    sink.answers(|_, _| sink::ok());
    let single: Vec<String> = all
        .lines()
        .take(3)
        .map(|line| format!("{line}\n"))
        .collect();
    for line in &single {
        while send(&mut process, line) != "OK" {}
    }
    let rest: String = all
        .lines()
        .skip(3)
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(send(&mut process, &(rest + &others(20..21))), "OK");
    let expected = all + &others(20..21);
    assert_eq!(sink.lines().concat(), expected.replace('\n', ""));
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
