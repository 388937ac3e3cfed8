//! What senders may make of little is bounded, whatever it goes to: every attack on the memory, at once, against every
//! output that takes nothing, or slowly.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use test_support::command::{Folder, Process, program};
use test_support::http::{Sink, get, gzip, post, reply, send};

use crate::RECORDS;

/// What the process may have had at its peak, in bytes.
const PEAK_MAX_BYTES: u64 = 64 << 20;
/// As large as a body may be, in bytes.
const BODY_BYTES: usize = 8 << 20;
const REFUSAL: &str = "Jan  5 00:00:00 mail dovecot: imap-login: Maximum number of connections from user+IP exceeded \
                       (mail_max_userip_connections=10): method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, user=<";

fn filled(text: &str, bytes: usize) -> Vec<u8> {
    text.bytes().cycle().take(bytes).collect()
}

/// What becomes much more than it is: nothing and nearly nothing as often as it fits, and what becomes six times as
/// large, in lines of every length.
fn texts() -> [Vec<u8>; 6] {
    let line = "\x01".repeat(250_000) + "\n";
    ["\n", "{}\n", "x\n", "{}\nx\n", "\x01", &line].map(|text| filled(text, BODY_BYTES))
}

/// Headers and a body each.
fn attacks() -> Vec<(Vec<&'static str>, Vec<u8>)> {
    let (gzipped, json) = ("Content-Encoding: gzip", "Content-Type: application/json");
    let bomb = |text: &[u8]| (vec![gzipped], gzip(text, Compression::fast()));
    let refusals = |user: &str| filled(&format!("{REFUSAL}{user}>\n"), BODY_BYTES);
    let list = format!("{{\"event\":[0{}]}}\n", ",0".repeat(400_000));
    let newlines = filled("\n", BODY_BYTES - 10);
    let objects = filled("{},", BODY_BYTES - 6);
    let users = (0..50_000).flat_map(|user| format!("{REFUSAL}user{user}>\n").into_bytes());
    let stored = filled("{\"a\":1}\n", BODY_BYTES - 4096);
    let others = vec![
        (
            vec![gzipped, json],
            gzip(&filled("{}", BODY_BYTES), Compression::fast()),
        ),
        (vec![json], filled("[0,0,0,0", BODY_BYTES)),
        // Values that are far larger than their text, where a store's documents have their id.
        (vec![], filled(&list, BODY_BYTES)),
        // Records that are nearly nothing but newlines.
        (vec![json], [b"[{\"a\":1", &newlines[..], b"}]"].concat()),
        (vec![json], [&b"["[..], &objects, b"{}]"].concat()),
        (vec![], refusals(&"\x01".repeat(200_000))),
        (vec![], refusals(&"\x01".repeat(2 << 20))),
        // A name that is everywhere in its text, and names of which there are many.
        (vec![], refusals(&format!(".>{}", ".".repeat(200_000)))),
        (vec![], users.take(BODY_BYTES).collect()),
        // Bodies that are no smaller compressed.
        (vec![gzipped], gzip(&stored, Compression::none())),
    ];
    let bombs = texts();
    bombs.iter().map(|it| bomb(it)).chain(others).collect()
}

/// A connection whose other side need not read more than it has room for.
fn sender(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_millis(50));
    stream.set_write_timeout(patience).unwrap();
    stream
}

/// Starts it, lets everything come at once and twice, and looks at its peak.
fn attack(test: &str, mut command: Command, opened: impl FnOnce()) {
    let folder = Folder::new();
    folder.write("redacting.toml", "redact_key = \"0123456789abcdef\"");
    let arguments = "--input http://127.0.0.1:0 --input tcp://127.0.0.1:0 --admin :0 --request-timeout 1s \
                     --state state --config redacting.toml";
    let command = command.args(arguments.split_whitespace());
    let process = Process::of(command.current_dir(&*folder));
    opened();
    let [http, tcp] = ["input at http", "input at tcp"].map(|it| process.address(it));
    let admin = process.address("admin");
    // Heads that do not end, on many connections.
    let header = format!("x: {}\r\n", "y".repeat(200));
    let head = format!("POST / HTTP/1.1\r\n{}", header.repeat(35));
    let heads: Vec<TcpStream> = (0..150).map(|_| send(http, &head)).collect();
    // Lines that do not end, on many connections.
    let beginnings: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = sender(tcp);
            let _ = stream.write_all(&[b'x'; 300_000]);
            stream
        })
        .collect();
    thread::scope(|scope| {
        for text in texts().into_iter().cycle().take(12) {
            scope.spawn(move || sender(tcp).write_all(&text));
        }
        for (headers, body) in attacks().into_iter().cycle().take(2 * attacks().len()) {
            scope.spawn(move || {
                let status = post(http, &headers, &body).status;
                // On a machine that is busy some bodies do not come in time.
                assert!(matches!(status, 204 | 400 | 408 | 503), "{status}");
            });
        }
    });
    drop((heads, beginnings));
    assert_eq!(get(admin, "/healthz").status, 200);
    assert_eq!(process.metric("maxconn_guest_restarts_total"), 0);
    within_bounds(test, &process, PEAK_MAX_BYTES);
}

fn within_bounds(test: &str, process: &Process, max_bytes: u64) {
    let peak = process.memory_bytes();
    println!("{test}: at most {} KiB", peak >> 10);
    assert!(peak <= max_bytes, "{test}: {} KiB", peak >> 10);
}

fn command(output: &str) -> Command {
    let mut command = Command::new(program());
    command.args(["run", "--output", output]);
    command
}

/// Whole lines of many, each as long as it may be, that wait for room.
#[test]
fn with_many_senders_of_long_lines() {
    let sink = Sink::start();
    let mut command = command(&sink.url());
    let process = Process::of(command.args(["--input", "tcp://127.0.0.1:0"]));
    let tcp = process.address("input");
    let line = [&filled("x", 1_000_000)[..], b"\n"].concat();
    thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(tcp).unwrap();
                stream.write_all(&line).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                // It is closed once all was handed over.
                assert_eq!(stream.read(&mut [0]).unwrap(), 0);
            });
        }
    });
    within_bounds("memory-lines", &process, PEAK_MAX_BYTES);
}

/// What waits for room does so as the body that it came in, and not as a batch beside it.
#[test]
fn with_many_bodies_that_wait_for_room() {
    let sink = Sink::start();
    sink.says(503);
    let process = Process::http(&sink.url(), "--request-timeout 2s");
    let http = process.address("input");
    thread::scope(|scope| {
        for number in 0..12 {
            scope.spawn(move || post(http, &[], filled("x", 1_000_000 + number)));
        }
    });
    within_bounds("memory-bodies", &process, PEAK_MAX_BYTES * 9 / 16);
}

const NO_ERRORS: &str = "{\"errors\":false,\"items\":[]}";

/// Where a store's document has its id there may be any JSON, which is not made into values.
#[test]
fn with_a_store_and_long_lists_for_events() {
    let sink = Sink::judging(|_, _| reply(200, NO_ERRORS));
    let output = format!("elasticsearch+http://{}", sink.address);
    let process = Process::http(&output, &format!("--records-stream {RECORDS}"));
    let list = format!("{{\"event\":[0{}]}}\n", ",0".repeat(400_000));
    assert_eq!(process.post(&list), 204);
    within_bounds("memory-lists", &process, PEAK_MAX_BYTES * 3 / 8);
}

#[test]
fn with_a_pipe_that_nobody_reads() {
    let folder = Folder::new();
    let pipe = folder.pipe("pipe");
    let mut command = Command::new("sh");
    let script = format!(
        "exec {} run \"$@\" > {}",
        program().display(),
        pipe.display()
    );
    command.args(["-c", &script, "sh"]);
    let mut reader = None;
    attack("memory-stdout", command, || {
        reader = Some(File::open(&pipe).unwrap())
    });
}

#[test]
fn with_a_next_hop_that_is_away() {
    let sink = Sink::start();
    sink.says(503);
    attack("memory-http", command(&sink.url()), || {});
}

#[test]
fn with_a_connection_that_nobody_reads() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = format!("tcp://{}", listener.local_addr().unwrap());
    // The system accepts it; nobody takes it from there.
    attack("memory-tcp", command(&output), || {});
}

#[test]
fn with_a_store_that_is_slow_and_one_that_is_away() {
    for is_slow in [true, false] {
        let sink = Sink::judging(move |_, _| match is_slow {
            true => {
                thread::sleep(Duration::from_millis(20));
                reply(200, NO_ERRORS)
            }
            false => reply(503, ""),
        });
        let mut command = command(&format!("elasticsearch+http://{}", sink.address));
        command.args(["--records-stream", RECORDS]);
        attack("memory-store", command, || {});
    }
}
