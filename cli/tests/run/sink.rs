//! A next hop that does as it is told.

use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::process::message;

/// What a sink got, and what it answers.
type Judge = Arc<dyn Fn(&str, &[u8]) -> String + Send + Sync>;

/// A server that keeps what is posted to it and answered with 2xx.
#[derive(Clone)]
pub struct Sink {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<u8>>>,
    heads: Arc<Mutex<Vec<String>>>,
    judge: Arc<Mutex<Judge>>,
}

impl Sink {
    /// One that takes everything.
    pub fn start() -> Sink {
        Sink::at("127.0.0.1:0".parse().unwrap())
    }

    /// The same at an address that is known before.
    pub fn at(address: SocketAddr) -> Sink {
        let listener = TcpListener::bind(address).unwrap();
        let sink = Sink {
            address: listener.local_addr().unwrap(),
            taken: Arc::default(),
            heads: Arc::default(),
            judge: Arc::new(Mutex::new(Arc::new(|_, _| ok()))),
        };
        let server = sink.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (server.clone(), stream.unwrap());
                thread::spawn(move || server.serve(&stream));
            }
        });
        sink
    }

    /// From now on it answers as the judge says of a head and a body.
    pub fn answers(&self, judge: impl Fn(&str, &[u8]) -> String + Send + Sync + 'static) {
        *self.judge.lock().unwrap() = Arc::new(judge);
    }

    /// The judge there is.
    pub fn judge(&self) -> Judge {
        Arc::clone(&self.judge.lock().unwrap())
    }

    pub fn url(&self) -> String {
        format!("http://{}/in?key=secret", self.address)
    }

    /// All lines that it took.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.taken.lock().unwrap().clone()).unwrap();
        text.lines().map(str::to_string).collect()
    }

    /// The heads of all requests.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Some((head, body)) = message(&mut reader) {
            let answer = self.judge()(&head, &body);
            self.heads.lock().unwrap().push(head);
            if answer.starts_with("HTTP/1.1 2") {
                self.taken.lock().unwrap().extend_from_slice(&body);
            }
            if stream.write_all(answer.as_bytes()).is_err() || answer.is_empty() {
                return;
            }
        }
    }
}

pub fn ok() -> String {
    answer("200 OK", "")
}

pub fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
