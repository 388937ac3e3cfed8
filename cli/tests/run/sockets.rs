//! Lines on connections, in and out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::process::{PATIENCE, Process, folder, others, refusals, until};

/// The lines of every connection to a listener, as they come.
fn lines(listener: TcpListener) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            thread::spawn(move || {
                for line in BufReader::new(stream.unwrap())
                    .lines()
                    .map_while(Result::ok)
                {
                    sender.send(line).unwrap();
                }
            });
        }
    });
    receiver
}

/// A connection, which comes in time or the test has failed.
fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    listener.set_nonblocking(true).unwrap();
    let mut accepted = None;
    until("a connection", || {
        accepted = listener.accept().ok();
        accepted.is_some()
    });
    let accepted = accepted.unwrap();
    accepted.0.set_nonblocking(false).unwrap();
    accepted.0.set_read_timeout(Some(PATIENCE)).unwrap();
    accepted
}

fn next(lines: &Receiver<String>) -> String {
    lines.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn lines_come_and_go_by_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = format!("tcp://{}", listener.local_addr().unwrap());
    let taken = lines(listener);
    let mut process = Process::start(&["--input", "tcp://127.0.0.1:0", "--output", &output]);
    let input = process.address("input");
    let mut first = TcpStream::connect(input).unwrap();
    let mut second = TcpStream::connect(input).unwrap();
    // A line in pieces, with another connection's between them.
    first.write_all(b"{\"message\":\"no").unwrap();
    second.write_all(others(1..2).as_bytes()).unwrap();
    assert_eq!(next(&taken), others(1..2).trim());
    first.write_all(b"thing 0\"}\n").unwrap();
    assert_eq!(next(&taken), others(0..1).trim());
    // The last line needs no newline.
    first.write_all(b"the end").unwrap();
    drop(first);
    assert_eq!(next(&taken), r#"{"message":"the end"}"#);
    second.write_all(refusals(0..60).as_bytes()).unwrap();
    drop(second);
    until("the start of the flood", || {
        next(&taken).contains("flood-start")
    });
    process.stop();
    until("its end", || next(&taken).contains("flood-end"));
}

#[test]
fn lines_come_and_go_by_unix_sockets() {
    let folder = folder("sockets");
    let (from, to) = (folder.join("from"), folder.join("to"));
    let listener = UnixListener::bind(&to).unwrap();
    let input = format!("unix:{}", from.display());
    let output = format!("unix:{}", to.display());
    for _ in 0..2 {
        let mut process = Process::start(&["--input", &input, "--output", &output]);
        process.said("input at unix:");
        let mut second = Process::start(&["--input", &input, "--output", &output]);
        assert_eq!(second.wait().code(), Some(1));
        second.said("another process listens");
        let mut stream = UnixStream::connect(&from).unwrap();
        stream.write_all(others(0..1000).as_bytes()).unwrap();
        drop(stream);
        let (taken, _) = listener.accept().unwrap();
        let mut text = vec![0; others(0..1000).len()];
        { &taken }.read_exact(&mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), others(0..1000));
        // The socket that it leaves behind is no hindrance.
        process.kill();
        assert!(from.exists());
    }
    let mut process = Process::start(&["--input", &input]);
    process.said("input at unix:");
    process.stop();
    assert!(!from.exists());
    // What is no socket is never removed.
    std::fs::write(&from, "precious").unwrap();
    let mut process = Process::start(&["--input", &input]);
    assert_eq!(process.wait().code(), Some(1));
    assert_eq!(std::fs::read_to_string(&from).unwrap(), "precious");
}

#[test]
fn a_next_hop_that_closes_its_connection_gets_the_rest_on_the_next() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = format!("tcp://{}", listener.local_addr().unwrap());
    let mut process = Process::start(&["--output", &output]);
    for number in 0..5 {
        process.write(&others(number..number + 1));
        let (stream, _) = accept(&listener);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, others(number..number + 1));
        // Dropped here: closed.
    }
    process.stop();
}

#[test]
fn a_line_without_an_end_does_not_fill_the_memory() {
    let mut process = Process::start(&["--input", "tcp://127.0.0.1:0"]);
    let mut stream = TcpStream::connect(process.address("input")).unwrap();
    let piece = vec![b'x'; 1 << 20];
    stream.write_all(b"xxxx").unwrap();
    for _ in 0..64 {
        stream.write_all(&piece).unwrap();
        assert!(process.line().len() >= 1 << 20);
    }
    let memory = process.memory_bytes();
    assert!(memory < 64 << 20, "{memory} bytes");
    drop(stream);
    process.stop();
}
