//! Senders that say nothing, that have said all, and that are more than there are file descriptors.

use std::fs;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;

use test_support::command::{Folder, Process, program};
use test_support::http::{Sink, answer, get, post, request, send};
use test_support::refusal::others;
use test_support::until;

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
    let (folder, sink) = (Folder::new(), Sink::start());
    let inputs = "--input tcp://127.0.0.1:0 --input unix:socket";
    let mut process = Process::http_at(&folder, &sink.url(), inputs);
    let tcp = process.address("input at tcp");
    process.said("input at unix:");
    let asked = TcpStream::connect(tcp).unwrap();
    until("a look whether it is there", || is_asked(tcp, &asked));
    // A sender of lines, then 300 that have sent one and then say nothing: the first is the oldest.
    let mut first = TcpStream::connect(tcp).unwrap();
    let (mut silent, mut silent_unix) = (Vec::new(), Vec::new());
    for number in 0..300 {
        first.write_all(others(0..1).as_bytes()).unwrap();
        let line = others(number..number + 1);
        silent.push(send(tcp, &line));
        let mut stream = UnixStream::connect(folder.join("socket")).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        silent_unix.push(stream);
    }
    // Everybody has been heard, the last ones too.
    until("all lines", || sink.lines().len() >= 900);
    assert!(process.metric("maxconn_idle_connections_total") >= 2 * 44);
    process.said("connections; one that said nothing for");
    process.stop();
}

#[test]
fn a_sender_that_has_said_all_gets_its_answer_and_one_that_is_gone_is_not_counted_twice() {
    let sink = Sink::start();
    sink.says(503);
    let mut process = Process::http(&sink.url(), "");
    let input = process.address("input");
    let begun = |body: String| {
        let stream = send(input, request(&[], body.as_bytes()));
        stream.shutdown(Shutdown::Write).unwrap();
        stream
    };
    let half_closed = begun(others(0..1));
    drop(begun(others(1..2)));
    until("a first try", || !sink.heads().is_empty());
    // The same bytes while their first sender seems to wait: they are the same batch.
    let again = std::thread::spawn(move || post(input, &[], others(1..2)).status);
    process.until_metric("maxconn_repeated_batches_total", 1);
    sink.says(200);
    assert_eq!(answer(half_closed).status, 204);
    assert_eq!(again.join().unwrap(), 204);
    let mut lines = sink.lines();
    lines.sort_unstable();
    assert_eq!(lines.concat(), others(0..2).replace('\n', ""));
    process.stop();
}

#[test]
fn with_few_file_descriptors_state_output_and_admin_come_first() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let arguments = format!(
        "ulimit -n 80; exec {} run --input http://127.0.0.1:0 --input tcp://127.0.0.1:0 --admin :0 --output {} \
         --state state --state-interval 20ms",
        program().display(),
        sink.url()
    );
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &arguments]).current_dir(&*folder);
    let mut process = Process::of(shell);
    process.said("there are 80 file descriptors");
    let [tcp, http] = ["input at tcp", "input at http"].map(|it| process.address(it));
    // Far more senders than descriptors, at both addresses, and then one that has something to say.
    let senders = (0..200).map(|number| TcpStream::connect([tcp, http][number % 2]));
    let senders: Vec<_> = senders.map(Result::unwrap).collect();
    assert_eq!(post(http, &[], others(0..1)).status, 204);
    assert_eq!(get(process.address("admin"), "/readyz").status, 200);
    assert_eq!(process.metric("maxconn_state_write_failures_total"), 0);
    assert_eq!(process.metric("maxconn_accept_failures_total"), 0);
    assert!(process.metric("maxconn_idle_connections_total") > 0);
    drop(senders);
    process.stop();
}
