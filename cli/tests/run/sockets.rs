//! Lines on connections, in and out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use test_support::command::{Folder, Process};
use test_support::http::send;
use test_support::refusal::{each_second, others};
use test_support::{PATIENCE, until};

/// The lines of every connection to a listener, as they come.
fn lines(listener: TcpListener) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            let lines = BufReader::new(stream.unwrap()).lines();
            thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    sender.send(line).unwrap();
                }
            });
        }
    });
    receiver
}

/// A connection, which comes in time or the test has failed.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    until("a connection", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let (stream, _) = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(PATIENCE).unwrap()
}

/// A next hop by TCP, and the option for it.
fn next_hop() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = format!("--output tcp://{}", listener.local_addr().unwrap());
    (listener, output)
}

#[test]
fn lines_come_and_go_by_tcp() {
    let (listener, output) = next_hop();
    let taken = lines(listener);
    let mut process = Process::start(&format!("--input tcp://127.0.0.1:0 {output}"));
    let input = process.address("input");
    // A line in pieces, with another connection's between them.
    let mut first = send(input, "{\"message\":\"no");
    let mut second = send(input, others(1..2));
    assert_eq!(next(&taken), others(1..2).trim());
    first.write_all(b"thing 0\"}\n").unwrap();
    assert_eq!(next(&taken), others(0..1).trim());
    // The last line needs no newline.
    first.write_all(b"the end").unwrap();
    drop(first);
    assert_eq!(next(&taken), r#"{"message":"the end"}"#);
    second.write_all(each_second(0..60).as_bytes()).unwrap();
    drop(second);
    until("the start of the flood", || {
        next(&taken).contains("flood-start")
    });
    process.stop();
    until("its end", || next(&taken).contains("flood-end"));
}

#[test]
fn lines_come_and_go_by_unix_sockets() {
    let folder = Folder::new();
    let (from, listener) = (
        folder.join("from"),
        UnixListener::bind(folder.join("to")).unwrap(),
    );
    let start = || Process::at(&folder, "run --input unix:from --output unix:to");
    for _ in 0..2 {
        let mut process = start();
        process.said("input at unix:");
        start().end().is(1, "another process listens");
        let mut stream = UnixStream::connect(&from).unwrap();
        stream.write_all(others(0..1000).as_bytes()).unwrap();
        drop(stream);
        let (mut taken, _) = listener.accept().unwrap();
        let mut text = vec![0; others(0..1000).len()];
        taken.read_exact(&mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), others(0..1000));
        // The socket that it leaves behind is no hindrance.
        process.kill();
        assert!(from.exists());
    }
    let mut process = Process::at(&folder, "run --input unix:from");
    process.said("input at unix:");
    process.stop();
    assert!(!from.exists());
    // What is no socket is never removed.
    folder.write("from", "precious");
    Process::at(&folder, "run --input unix:from")
        .end()
        .is(1, "");
    assert_eq!(folder.read("from"), b"precious");
}

#[test]
fn a_next_hop_that_closes_its_connection_gets_the_rest_on_the_next() {
    let (listener, output) = next_hop();
    let mut process = Process::start(&output);
    for number in 0..5 {
        process.write(&others(number..number + 1));
        let mut line = String::new();
        // Dropped with the reader: closed.
        let read = BufReader::new(accept(&listener)).read_line(&mut line);
        read.unwrap();
        assert_eq!(line, others(number..number + 1));
    }
    process.stop();
}

#[test]
fn a_line_without_an_end_does_not_fill_the_memory() {
    let mut process = Process::start("--input tcp://127.0.0.1:0");
    let mut stream = send(process.address("input"), "xxxx");
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        stream.write_all(&piece).unwrap();
        assert!(process.line().len() >= 1 << 20);
    }
    let memory = process.memory_bytes();
    assert!(memory < 64 << 20, "{memory} bytes");
    drop(stream);
    process.stop();
}
