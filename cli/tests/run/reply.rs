//! `--output reply`: the answer to a post is its output.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::thread;

use serde_json::Value;
use test_support::command::{Folder, Process, run_rows};
use test_support::http::{Answer, post, request, send};
use test_support::refusal::{each_second, line, others};
use test_support::until;

use crate::STATE;

const NDJSON: &str = "Content-Type: application/x-ndjson";
const JSON: &str = "Content-Type: application/json";

fn start() -> Process {
    Process::http("reply", "")
}

fn documents(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let lines = answer.body.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// How many of the documents are what, by their action.
fn count(documents: &[Value], action: &str) -> usize {
    let is_it = |it: &&Value| it["event"]["action"] == action;
    documents.iter().filter(is_it).count()
}

const EVENT: &str = "connection-limit-exceeded";
const START: &str = "connection-limit-flood-start";
const END: &str = "connection-limit-flood-end";

#[test]
fn an_answer_is_what_became_of_the_body_in_order() {
    let mut process = start();
    let input = process.address("input");
    let body = [others(0..1), each_second(0..40), others(1..2)].concat();
    let answer = post(input, &[NDJSON], &body);
    assert!(answer.head.contains("application/x-ndjson"), "{answer:?}");
    let told = documents(&answer);
    assert_eq!(told.len(), 32);
    assert_eq!((count(&told, EVENT), count(&told, START)), (29, 1));
    assert_eq!(told[0]["message"], "nothing 0");
    assert_eq!(told[30]["event"]["action"], START);
    assert_eq!(told[31]["message"], "nothing 1");
    // The flood goes on over bodies: nothing of it is left.
    let answer = post(input, &[NDJSON], each_second(40..50));
    assert_eq!(documents(&answer).len(), 0);
    // As it came.
    let answer = post(input, &[JSON], r#"[{"message":"a"},{"message":"b"}]"#);
    assert!(answer.head.contains("application/json"), "{answer:?}");
    assert_eq!(answer.body, r#"[{"message":"a"},{"message":"b"}]"#);
    assert_eq!(post(input, &[JSON], "[]").body, "[]");
    assert_eq!(post(input, &[NDJSON], "").status, 200);
    // Equal bytes are other records after an answer.
    for _ in 0..3 {
        assert_eq!(documents(&post(input, &[NDJSON], others(5..6))).len(), 1);
    }
    assert_eq!(process.metric("maxconn_repeated_batches_total"), 0);
    process.stop();
}

#[test]
fn what_becomes_due_between_posts_leaves_with_the_next_answer() {
    let folder = Folder::new();
    folder.write(
        "maxconn.toml",
        "allowed_lateness = \"0s\"\n[[rule]]\nname = \"userip\"\nthreshold = 3\nwithin = \"1s\"\nquiet = \"1s\"\nupdate_every = \"1s\"\n",
    );
    let mut process = Process::http_at(&folder, "reply", "--config maxconn.toml");
    let input = process.address("input");
    let flood = line("2026-01-01T12:00:00.000Z", "alice", "203.0.113.7").repeat(9);
    let told = documents(&post(input, &[NDJSON], flood));
    assert_eq!(count(&told, START), 1);
    let mut ends = 0;
    until("an end", || {
        let told = documents(&post(input, &[NDJSON], others(0..1)));
        // In front of the record that came after it.
        if count(&told, END) == 1 {
            assert_eq!((told.len(), &told[1]["message"]), (2, &"nothing 0".into()));
        }
        ends += count(&told, END);
        ends == 1
    });
    process.stop();
}

#[test]
fn an_alert_that_waits_for_an_answer_holds_no_post_up() {
    let folder = Folder::new();
    folder.write(
        "maxconn.toml",
        "allowed_lateness = \"0s\"\n[[rule]]\nname = \"userip\"\nthreshold = 3\nwithin = \"1s\"\nquiet = \"1s\"\n",
    );
    let mut process = Process::http_at(&folder, "reply", "--config maxconn.toml");
    let input = process.address("input");
    let flood = line("2026-01-01T12:00:00.000Z", "alice", "203.0.113.7").repeat(9);
    assert_eq!(count(&documents(&post(input, &[NDJSON], flood)), START), 1);
    until("an end", || {
        process.figure("maxconn_alerts_total{state=\"end\"}") == Some(1)
    });
    // The longest line: as much as may become of it is all the room that there is.
    let longest = "x".repeat((1 << 20) - 1);
    let told = documents(&post(input, &[NDJSON], longest + "\n"));
    assert_eq!((told.len(), count(&told, END)), (2, 1));
    process.stop();
}

/// More than a socket's buffers take.
fn large(seconds: std::ops::Range<u32>) -> String {
    [each_second(seconds), others(0..200_000)].concat()
}

/// Posts a body, sees the answer begin and closes the connection with the rest unread.
fn break_answer(input: SocketAddr, body: &str) {
    let stream = send(input, request(&[NDJSON], body.as_bytes()));
    let mut begin = [0];
    assert_eq!(stream.peek(&mut begin).unwrap(), 1);
}

#[test]
fn an_answer_that_was_not_written_is_given_again_and_counted_once() {
    let mut process = start();
    let input = process.address("input");
    for round in 0..3 {
        let body = large(round * 100..round * 100 + 40);
        break_answer(input, &body);
        // It is kept once the connection is known to be broken: until then the same bytes would be other records.
        until("a broken connection", || {
            process.metric("maxconn_connections") <= 1
        });
        let told = documents(&post(input, &[NDJSON], &body));
        let expected = if round == 0 { (29, 1) } else { (0, 0) };
        let counts = (count(&told, EVENT), count(&told, START));
        assert_eq!(counts, expected, "{round}");
        let is_other = |it: &&Value| it.get("event").is_none();
        assert_eq!(told.iter().filter(is_other).count(), 200_000);
        assert!(process.metric("maxconn_repeated_batches_total") > 0);
    }
    let name = "maxconn_events_total{limit=\"mail_max_userip_connections\"}";
    until("a hundred and twenty refusals", || {
        process.figure(name) == Some(120)
    });
    process.stop();
}

#[test]
fn an_alert_whose_answer_was_not_written_outlives_the_process() {
    for is_killed in [true, false] {
        let folder = Folder::new();
        let mut process = Process::http_at(&folder, "reply", STATE);
        let body = large(0..40);
        let input = process.address("input");
        let stream = send(input, request(&[NDJSON], body.as_bytes()));
        assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
        until("a state with the alert in it", || {
            folder.holds("kept.state", "flood-start")
        });
        if is_killed {
            process.kill();
            drop(stream);
        } else {
            drop(stream);
            process.stop();
        }
        let mut process = Process::http_at(&folder, "reply", STATE);
        let told = documents(&post(process.address("input"), &[NDJSON], &body));
        assert_eq!((count(&told, START), count(&told, EVENT)), (1, 29));
        assert_eq!(told.len(), 200_030);
        until("a state without it", || {
            !folder.holds("kept.state", "flood-start")
        });
        process.stop();
    }
}

/// Many senders at once, of whom some break off in the midst of their bodies and come again: every record is in one answer,
/// every refusal is counted once.
#[test]
fn ten_thousand_random_batches_come_back_whole_and_are_counted_once() {
    const SENDERS: u32 = 4;
    const BATCHES: u32 = 2_500;
    let mut process = start();
    let input = process.address("input");
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| thread::spawn(move || sends(input, sender, BATCHES)))
        .collect();
    let (mut refusals, mut held_back) = (0, 0);
    for sender in senders {
        let (sent, told) = sender.join().unwrap();
        refusals += sent;
        held_back += sent - told;
    }
    let name = "maxconn_events_total{limit=\"mail_max_userip_connections\"}";
    until("all refusals", || process.figure(name) == Some(refusals));
    let held = "maxconn_suppressed_events_total";
    until("all that was held back", || {
        process.figure(held) == Some(held_back)
    });
    process.stop();
}

/// Sends batches of others' lines and of one user's refusals; how many of these were sent and came back.
fn sends(input: SocketAddr, sender: u32, batches: u32) -> (u64, u64) {
    // The same numbers in each run, and others for each sender.
    let chance = |batch: u32, of: u32| {
        (batch ^ sender << 24).wrapping_mul(0x9E37_79B1) >> 16 & 0xffff & (of - 1)
    };
    let (mut sent, mut told) = (0, 0);
    for batch in 0..batches {
        let number = (sender * batches + batch) * 10;
        let (minute, second) = (batch / 60 % 60, batch % 60);
        let time = format!("2026-01-01T12:{minute:02}:{second:02}.000Z");
        let refusals = chance(batch, 4);
        let refused =
            line(&time, &format!("user{sender}"), "203.0.113.7").repeat(refusals as usize);
        let body = [others(number..number + 2), refused].concat();
        if chance(batch ^ 0xffff, 16) == 0 {
            // It breaks in its body: nothing of it is taken.
            let bytes = request(&[NDJSON], body.as_bytes());
            let mut stream = TcpStream::connect(input).unwrap();
            stream.write_all(&bytes[..bytes.len() - 1]).unwrap();
        }
        let documents = documents(&post(input, &[NDJSON], &body));
        let messages = documents.iter().filter_map(|it| it["message"].as_str());
        let own = messages.filter(|it| it.starts_with("nothing"));
        assert_eq!(own.count(), 2, "{batch}");
        sent += u64::from(refusals);
        told += count(&documents, EVENT) as u64;
    }
    (sent, told)
}

#[test]
fn what_does_not_answer_posts_is_refused() {
    let table = "
        2 | run --output reply                                    | stdin posts nothing; give http(s):// inputs alone
        2 | run --input http://:0 --input tcp://:0 --output reply | tcp://127.0.0.1:0 posts nothing
        2 | replay --output reply x.log                           | --output reply is for `maxconn run`
        2 | run --input http://:0 --output reply --dead-letter x  | --dead-letter is for http outputs";
    run_rows(&Folder::new(), table, |_| ());
}
