//! Both sides of HTTP/1.1 with blocking sockets, down to the bytes: tests send halves of requests, read raw heads and
//! close connections in the midst of them, which no client or server of a library does.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::{Compression, write::GzEncoder};

use crate::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its first line and its headers.
    pub head: String,
    /// Its body.
    pub body: String,
}

/// A compressed body.
pub fn gzip(body: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder.write_all(body).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// A request with a body; `headers` are whole lines.
pub fn request(headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// Posts a body.
pub fn post(address: SocketAddr, headers: &[&str], body: impl AsRef<[u8]>) -> Answer {
    ask(address, request(headers, body.as_ref()))
}

/// Gets a path.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

/// Sends bytes and reads one answer.
pub fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    answer(send(address, request))
}

/// Sends bytes on a connection that stays open.
pub fn send(address: SocketAddr, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    // The other side may answer before it has read everything.
    let _ = stream.write_all(bytes.as_ref());
    stream
}

/// Reads one answer.
pub fn answer(stream: TcpStream) -> Answer {
    let (head, body) = message(&mut BufReader::new(stream)).expect("an answer");
    let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status: {head}")),
        head,
        body: String::from_utf8(body).expect("text"),
    }
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
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

/// An answer as it is sent. Nothing at all closes the connection.
pub fn reply(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} -\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// What is answered to a head and a body.
pub type Judge = Arc<dyn Fn(&str, &[u8]) -> String + Send + Sync>;

/// A next hop on loopback that does as it is told, and keeps what is posted to it and answered with 2xx.
#[derive(Clone)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<u8>>>,
    heads: Arc<Mutex<Vec<String>>>,
    judge: Arc<Mutex<Judge>>,
}

impl Sink {
    /// One that takes everything.
    pub fn start() -> Sink {
        Sink::judging(|_, _| reply(200, ""))
    }

    /// One that answers like this.
    pub fn judging(judge: impl Fn(&str, &[u8]) -> String + Send + Sync + 'static) -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let sink = Sink {
            address: listener.local_addr().expect("it listens"),
            taken: Arc::default(),
            heads: Arc::default(),
            judge: Arc::new(Mutex::new(Arc::new(judge))),
        };
        let server = sink.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        sink
    }

    /// From now on it answers like this.
    pub fn answers(&self, judge: impl Fn(&str, &[u8]) -> String + Send + Sync + 'static) {
        *self.lock(&self.judge) = Arc::new(judge);
    }

    /// From now on it answers everything with this status.
    pub fn says(&self, status: u16) {
        self.answers(move |_, _| reply(status, ""));
    }

    /// What it answers now.
    pub fn judge(&self) -> Judge {
        Arc::clone(&self.lock(&self.judge))
    }

    /// Its address with a secret in it.
    pub fn url(&self) -> String {
        format!("http://{}/in?key=secret", self.address)
    }

    /// All lines that it took.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.lock(&self.taken).clone()).expect("text");
        text.lines().map(str::to_string).collect()
    }

    /// How many of them have this in them.
    pub fn count(&self, words: &str) -> usize {
        self.lines().iter().filter(|it| it.contains(words)).count()
    }

    /// The heads of all requests.
    pub fn heads(&self) -> Vec<String> {
        self.lock(&self.heads).clone()
    }

    fn lock<'a, T>(&self, of: &'a Mutex<T>) -> std::sync::MutexGuard<'a, T> {
        of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a connection"));
        while let Some((head, body)) = message(&mut reader) {
            let answer = self.judge()(&head, &body);
            self.lock(&self.heads).push(head);
            if answer.starts_with("HTTP/1.1 2") {
                self.lock(&self.taken).extend_from_slice(&body);
            }
            // In one piece: two small ones would wait for each other, 40 ms each time.
            if stream.write_all(answer.as_bytes()).is_err() || answer.is_empty() {
                return;
            }
        }
    }
}
