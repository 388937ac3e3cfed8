//! What stands for Elasticsearch where it is not the point: it takes bulks, and keeps each document once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::read::GzDecoder;
use host_test::Error;
use serde_json::{Value, json};

/// Documents by stream and id.
type Documents = BTreeMap<(String, String), Value>;

/// A server on loopback that goes on until the process ends.
pub struct Sink {
    /// Where it listens.
    pub port: u16,
    documents: Arc<Mutex<Documents>>,
}

impl Sink {
    /// Starts one.
    ///
    /// # Errors
    /// There is no port.
    pub fn start() -> Result<Sink, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let sink = Sink {
            port: listener.local_addr()?.port(),
            documents: Arc::default(),
        };
        let documents = Arc::clone(&sink.documents);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let documents = Arc::clone(&documents);
                // A connection that breaks, as those of killed processes do, is nobody's fault.
                thread::spawn(move || serve(&stream, &documents));
            }
        });
        Ok(sink)
    }

    /// All documents.
    pub fn documents(&self) -> Vec<Value> {
        let documents = self.documents.lock();
        let documents = documents.unwrap_or_else(PoisonError::into_inner);
        documents.values().cloned().collect()
    }
}

fn serve(mut stream: &TcpStream, documents: &Mutex<Documents>) -> Result<(), Error> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![0; length.unwrap_or("0").trim().parse()?];
        reader.read_exact(&mut body)?;
        let mut text = String::new();
        if head.contains("content-encoding: gzip") {
            GzDecoder::new(&body[..]).read_to_string(&mut text)?;
        } else {
            text = String::from_utf8(body)?;
        }
        let answer = bulk(&text, documents)?.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        // In one piece: two small ones would wait for each other, 40 ms each time.
        stream.write_all((head + &answer).as_bytes())?;
    }
}

/// Creates what is not there.
fn bulk(text: &str, documents: &Mutex<Documents>) -> Result<Value, Error> {
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    let mut documents = documents.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut items, mut errors) = (Vec::new(), false);
    for pair in lines?.chunks_exact(2) {
        let place = |key: &str| pair[0]["create"][key].as_str().unwrap_or("").to_string();
        let place = (place("_index"), place("_id"));
        let is_new = !documents.contains_key(&place);
        let status = if is_new { 201 } else { 409 };
        let error = json!({"type": "version_conflict_engine_exception", "reason": "exists"});
        items.push(json!({"create": {"status": status, "error": error}}));
        errors |= !is_new;
        if is_new {
            documents.insert(place, pair[1].clone());
        }
    }
    Ok(json!({"errors": errors, "items": items}))
}
