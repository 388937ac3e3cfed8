//! Senders that say nothing, that have said all, and that are more than there are file descriptors.

use std::fs;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::process::{Process, answer, folder, get, metric, others, post, until};
use crate::sink::{self, Sink};

/// Whether the system is going to ask a sender that says nothing whether it is there, in Linux's table of connections.
fn is_asked(server: SocketAddr, sender: &TcpStream) -> bool {
    let ports = [server, sender.local_addr().unwrap()].map(|it| format!(":{:04X}", it.port()));
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        matches!(&columns[..], [_, local, remote, _, _, timer, ..]
            if local.ends_with(&ports[0]) && remote.ends_with(&ports[1]) && timer.starts_with("02:"))
    })
}

#[test]
fn silent_senders_of_lines_make_room_for_others() {
    let folder = folder("silent");
    let unix = folder.join("socket");
    let sink = Sink::start();
    let input = format!("unix:{}", unix.display());
    let inputs = ["--input", "tcp://127.0.0.1:0", "--input", &input];
    let mut process = Process::http(&sink.url(), &inputs);
    let (tcp, admin) = (process.input("tcp"), process.address("admin"));
    let asked = TcpStream::connect(tcp).unwrap();
    until("a look whether it is there", || is_asked(tcp, &asked));
    // A sender of lines, then 300 that have sent one and then say nothing: the first is the oldest.
    let mut first = TcpStream::connect(tcp).unwrap();
    let (mut silent, mut silent_unix) = (Vec::new(), Vec::new());
    for number in 0..300 {
        first.write_all(others(0..1).as_bytes()).unwrap();
        let mut stream = TcpStream::connect(tcp).unwrap();
        stream
            .write_all(others(number..number + 1).as_bytes())
            .unwrap();
        silent.push(stream);
        let mut stream = UnixStream::connect(&unix).unwrap();
        stream
            .write_all(others(number..number + 1).as_bytes())
            .unwrap();
        silent_unix.push(stream);
    }
    // Everybody has been heard, the last ones too.
    until("all lines", || sink.lines().len() >= 900);
    assert!(metric(admin, "maxconn_idle_connections_total") >= 2 * 44);
    process.said("connections; one that said nothing for");
    process.stop();
}

#[test]
fn a_sender_that_has_said_all_gets_its_answer_and_one_that_is_gone_is_not_counted_twice() {
    let sink = Sink::start();
    let is_up = Arc::new(AtomicBool::new(false));
    let up = Arc::clone(&is_up);
    sink.answers(move |_, _| match up.load(Ordering::Relaxed) {
        true => sink::ok(),
        false => sink::answer("503 Service Unavailable", ""),
    });
    let mut process = Process::http(&sink.url(), &[]);
    let (input, admin) = (process.address("input"), process.address("admin"));
    let request = |body: &str| {
        let length = body.len();
        let mut stream = TcpStream::connect(input).unwrap();
        let request =
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream
    };
    let half_closed = request(&others(0..1));
    drop(request(&others(1..2)));
    until("a first try", || !sink.heads().is_empty());
    // The same bytes while their first sender seems to wait: they are the same batch.
    let again = std::thread::spawn(move || post(input, &[], others(1..2).as_bytes()).status);
    until("a repetition", || {
        metric(admin, "maxconn_repeated_batches_total") == 1
    });
    is_up.store(true, Ordering::Relaxed);
    assert_eq!(answer(&mut BufReader::new(half_closed)).status, 204);
    assert_eq!(again.join().unwrap(), 204);
    let mut lines = sink.lines();
    lines.sort_unstable();
    assert_eq!(lines.concat(), others(0..2).replace('\n', ""));
    process.stop();
}

#[test]
fn with_few_file_descriptors_state_output_and_admin_come_first() {
    let state = folder("descriptors").join("state");
    let sink = Sink::start();
    let arguments = format!(
        "ulimit -n 80; exec {} run --input http://127.0.0.1:0 --input tcp://127.0.0.1:0 --admin :0 --output {} \
         --state {} --state-interval 20ms",
        env!("CARGO_BIN_EXE_maxconn"),
        sink.url(),
        state.display()
    );
    let mut process = Process::of(Command::new("sh").args(["-c", &arguments]));
    process.said("there are 80 file descriptors");
    let (tcp, http) = (process.input("tcp"), process.input("http"));
    let admin = process.address("admin");
    // Far more senders than descriptors, at both addresses, and then one that has something to say.
    let senders: Vec<TcpStream> = (0..200)
        .map(|number| TcpStream::connect([tcp, http][number % 2]).unwrap())
        .collect();
    assert_eq!(post(http, &[], others(0..1).as_bytes()).status, 204);
    assert_eq!(get(admin, "/readyz").status, 200);
    assert_eq!(metric(admin, "maxconn_state_write_failures_total"), 0);
    assert_eq!(metric(admin, "maxconn_accept_failures_total"), 0);
    assert!(metric(admin, "maxconn_idle_connections_total") > 0);
    drop(senders);
    process.stop();
}
