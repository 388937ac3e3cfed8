//! A real `maxconn run`, its ends, and a client for its addresses.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// Far more than anything takes: a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Who may do what with a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A process; it is killed when it is dropped.
pub struct Process {
    child: Child,
    pub stdin: Option<ChildStdin>,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    pub fn start(arguments: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_maxconn"));
        Process::of(command.arg("run").args(arguments))
    }

    /// One that takes batches by HTTP, for a next hop, and shows its figures.
    pub fn http(output: &str, more: &[&str]) -> Process {
        let input = "http://127.0.0.1:0";
        let usual = ["--input", input, "--output", output, "--admin", ":0"];
        Process::start(&[&usual, more].concat())
    }

    pub fn of(command: &mut Command) -> Process {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Process {
            stdin: child.stdin.take(),
            stdout: lines(child.stdout.take().unwrap()),
            stderr: lines(child.stderr.take().unwrap()),
            said: Vec::new(),
            child,
        }
    }

    /// Writes to its standard input.
    pub fn write(&mut self, bytes: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes.as_bytes()).unwrap();
    }

    /// The next line of its standard output.
    pub fn line(&mut self) -> String {
        self.stdout.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!(
                "no line came; it said {:?}",
                self.stderr.try_iter().collect::<Vec<_>>()
            )
        })
    }

    pub fn document(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Everything else that it writes, until it ends.
    pub fn rest(&mut self) -> Vec<Value> {
        let lines = self.stdout.iter();
        lines
            .map(|line| serde_json::from_str(&line).unwrap())
            .collect()
    }

    /// Waits for a line on its standard error that has this in it.
    pub fn said(&mut self, words: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(words)) {
            return line.clone();
        }
        loop {
            let line = self.stderr.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("{words} is not in {:?}", self.said));
            self.said.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }

    /// All that it says on its standard error until it ends.
    pub fn all_said(&mut self) -> String {
        self.said.extend(self.stderr.iter());
        self.said.join("\n")
    }

    /// Where it listens: `input` or `admin`.
    pub fn address(&mut self, what: &str) -> SocketAddr {
        address(&self.said(&format!("{what} at ")))
    }

    /// Where its input listens that has this scheme, of several.
    pub fn input(&mut self, scheme: &str) -> SocketAddr {
        address(&self.said(&format!("input at {scheme}://")))
    }

    /// Nobody reads its standard output any more.
    pub fn close_stdout(&mut self) {
        self.stdout = channel().1;
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to stop and expects it to end well.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let status = self.wait();
        let said: Vec<String> = self.stderr.iter().collect();
        assert_eq!(status.code(), Some(0), "{said:?}");
    }

    /// How large it is, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address at the end of a line.
fn address(line: &str) -> SocketAddr {
    line.rsplit("://").next().unwrap().parse().unwrap()
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

pub fn gzip(body: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Posts a body; `headers` are whole lines.
pub fn post(address: SocketAddr, headers: &[&str], body: &[u8]) -> Answer {
    let mut head = format!(
        "POST / HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n",
        body.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    ask(address, &[(head + "\r\n").as_bytes(), body].concat())
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(
        address,
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes(),
    )
}

/// Sends bytes and reads one answer.
pub fn ask(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The other side may answer before it has read everything.
    let _ = stream.write_all(request);
    answer(&mut BufReader::new(stream))
}

pub fn answer(reader: &mut impl BufRead) -> Answer {
    let (head, body) = message(reader).expect("an answer");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = String::from_utf8(body).unwrap();
    Answer { status, head, body }
}

/// A head and a body of a known length; `None` at the end of the connection.
pub fn message(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// A figure that monitoring gets.
pub fn metric(address: SocketAddr, name: &str) -> u64 {
    let text = get(address, "/metrics").body;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
        .parse()
        .unwrap()
}

/// Waits until something holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come about");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A folder of a test's own, empty.
pub fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("run")
        .join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Refusals of one user, one each second from `second` on, with a serial number.
pub fn refusals(seconds: std::ops::Range<u32>) -> String {
    let line = |second: u32| {
        format!(
            "Jan  5 00:{:02}:{:02} mail dovecot: imap-login: Maximum number of connections from user+IP exceeded \
             (mail_max_userip_connections=10): user=<alice>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, \
             session=<serial{second}>\n",
            second / 60,
            second % 60
        )
    };
    seconds.map(line).collect()
}

/// Lines of a kind that carries no event.
pub fn others(numbers: std::ops::Range<u32>) -> String {
    numbers
        .map(|number| format!("{{\"message\":\"nothing {number}\"}}\n"))
        .collect()
}
