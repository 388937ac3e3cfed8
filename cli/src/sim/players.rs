//! Plays the senders and the next hop.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::oracle::{self, Record, Request};
use super::plan::Sender;
use super::store;
use super::stream::{self, End, Known, Link};
use super::with;
use super::world::World;
use crate::address::InputAddress;
use crate::run::input::confirming::digest;

/// Where the process listens, and the next hop.
pub const INPUT: &str = "127.0.0.1:1";
pub const NEXT_HOP: &str = "127.0.0.1:2";
/// Where alerts go besides.
pub const ELSEWHERE: &str = "127.0.0.1:3";

/// A message of HTTP.
struct Message {
    head: String,
    body: Vec<u8>,
}

/// Reads a message; `None` at the end of the connection.
async fn read(stream: &mut End, buffer: &mut Vec<u8>) -> io::Result<Option<Message>> {
    let head_bytes = loop {
        if let Some(at) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_bytes]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|it| it.strip_prefix("content-length:"));
    let length: usize = length.map_or(0, |it| it.trim().parse().unwrap());
    while buffer.len() < head_bytes + length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let rest = buffer.split_off(head_bytes + length);
    let body = buffer.split_off(head_bytes);
    *buffer = rest;
    Ok(Some(Message { head, body }))
}

/// What a sender has in hand; it outlives the process.
#[derive(Default)]
pub struct Hand {
    sent: usize,
    /// The batch that was not acknowledged yet.
    batch: Option<(usize, Vec<u8>)>,
    /// The connection it was sent on, and how much had been answered there before.
    attempt: Option<(Arc<Mutex<Link>>, usize)>,
}

impl Hand {
    /// An attempt is over; was it acknowledged without our hearing of it?
    fn look_back(&mut self) {
        let (Some((link, before)), Some((batch, _))) = (self.attempt.take(), &self.batch) else {
            return;
        };
        let link = link.lock().unwrap();
        let unheard = &link.answers[before.min(link.answers.len())..];
        let success = b"HTTP/1.1 204";
        let is_begun = !unheard.is_empty() && success.starts_with(unheard);
        if is_begun || memchr::memmem::find(unheard, success).is_some() {
            let name = &link.name;
            with(|world| {
                world.note(&format!("batch {batch}: its 204 is lost on {name}"));
                world.oracle.doubt(*batch);
            });
        }
    }
}

/// Sends all batches, each until it is acknowledged.
pub async fn send(number: usize, plan: Sender, hand: Arc<Mutex<Hand>>) {
    hand.lock().unwrap().look_back();
    let mut connection = None;
    loop {
        if hand.lock().unwrap().batch.is_none() {
            if hand.lock().unwrap().sent == plan.batches {
                return;
            }
            let pause_ms = with(|world| world.between(0, plan.pause_max_ms));
            sleep(Duration::from_millis(pause_ms)).await;
            let batch = make(number, &plan);
            let mut hand = hand.lock().unwrap();
            hand.batch = Some(batch);
            hand.sent += 1;
        }
        let result = attempt(&plan, &hand, &mut connection).await;
        if result.is_err() {
            connection = None;
        }
        if conclude(number, &plan, &mut hand.lock().unwrap(), result) {
            continue;
        }
        let pause_ms = with(|world| world.between(50, 3000));
        sleep(Duration::from_millis(pause_ms)).await;
    }
}

/// What follows from an answer; answers whether there is nothing to wait for.
fn conclude(number: usize, plan: &Sender, hand: &mut Hand, result: io::Result<u16>) -> bool {
    let Some((batch, _)) = &hand.batch else {
        return true;
    };
    let batch = *batch;
    with(|world| world.note(&format!("sender {number}: batch {batch}: {result:?}")));
    match result {
        Ok(204) => {
            hand.attempt = None;
            hand.batch = None;
            with(|world| oracle::acknowledged(world, batch));
            return true;
        }
        Ok(503 | 408) => hand.attempt = None,
        Ok(status) => with(|world| world.violate(format!("batch {batch} is answered {status}"))),
        Err(_) => hand.look_back(),
    }
    if plan.gives_up {
        with(|world| world.oracle.give_up(batch));
        hand.batch = None;
    }
    false
}

async fn attempt(
    plan: &Sender,
    hand: &Mutex<Hand>,
    connection: &mut Option<(End, Vec<u8>)>,
) -> io::Result<u16> {
    let (mut stream, mut buffer) = match connection.take() {
        Some(connection) => connection,
        None => (stream::call(INPUT, false).await?, Vec::new()),
    };
    let body = {
        let mut hand = hand.lock().unwrap();
        let before = stream.link.lock().unwrap().answers.len();
        hand.attempt = Some((Arc::clone(&stream.link), before));
        hand.batch.as_ref().map_or(Vec::new(), |it| it.1.clone())
    };
    let kind = if plan.is_text {
        "text/plain"
    } else {
        "application/x-ndjson"
    };
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let whole = async {
        // What is not taken any more may have been answered all the same.
        let written = match stream.write_all(head.as_bytes()).await {
            Ok(()) => stream.write_all(&body).await,
            Err(error) => Err(error),
        };
        let answer = read(&mut stream, &mut buffer).await;
        written.and(answer)
    };
    let answer = timeout(Duration::from_millis(plan.patience_ms), whole).await;
    let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    let answer = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = answer.head.get(9..12).and_then(|it| it.parse().ok());
    if !answer.head.contains("connection: close") {
        *connection = Some((stream, buffer));
    }
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A new batch: its number, and its lines.
fn make(sender: usize, plan: &Sender) -> (usize, Vec<u8>) {
    with(|world| {
        let count = world.between(1, plan.lines_max);
        let (now_ms, first) = (world.now_ms(), world.oracle.next_line());
        let time = jiff::Timestamp::from_millisecond(now_ms).unwrap();
        let padding = "x".repeat(plan.padding);
        let (mut records, mut text) = (Vec::new(), String::new());
        for number in 0..count as usize {
            let name = oracle::name(first + number);
            let record = if world.chance(world.plan.events_percent) {
                Record::Event(world.random.below(world.plan.keys))
            } else if world.chance(world.plan.poison_percent) {
                Record::Poison
            } else {
                Record::Other
            };
            records.push(record);
            let message = match record {
                Record::Event(key) => format!(
                    "imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): \
                     user=<user{key}>, method=PLAIN, rip=192.0.2.{key}, lip=192.0.2.200, session=<{name}>"
                ),
                Record::Poison => format!("imap-login: poison {name}"),
                Record::Other => format!("imap-login: nothing {name} {padding}"),
            };
            text += &match plan.is_text {
                true => format!("{time} mail dovecot: {message}\n"),
                false => {
                    format!("{{\"@timestamp\":\"{time}\",\"message\":\"dovecot: {message}\"}}\n")
                }
            };
        }
        let elapsed_ms = world.elapsed_ms();
        let input = InputAddress::Http(INPUT.to_string()).to_string();
        let name = digest(&input, &[text.as_bytes()]);
        let batch = world.oracle.sent(&records, name, elapsed_ms);
        world.note(&format!(
            "sender {sender}: batch {batch} is {count} lines from {}",
            oracle::name(first)
        ));
        (batch, text.into_bytes())
    })
}

/// Takes what is posted, as the weather is.
pub async fn next_hop(listener: stream::Listener, is_elsewhere: bool) {
    loop {
        let stream = listener.next().await;
        tokio::spawn(async move {
            // What goes wrong with a connection is the process's to notice.
            let _ = serve(stream, is_elsewhere).await;
        });
    }
}

async fn serve(mut stream: End, is_elsewhere: bool) -> io::Result<()> {
    let (mut buffer, mut bytes) = (Vec::new(), 0);
    while let Some(message) = read(&mut stream, &mut buffer).await? {
        let asked = stream.asked(bytes);
        bytes += message.head.len() + message.body.len();
        let (weather, is_store, roll) = with(|world| {
            (
                world.weather(),
                world.plan.is_store && !is_elsewhere,
                world.random.below(100),
            )
        });
        let body = match is_store {
            true => store::unpack(&message.body),
            false => String::from_utf8(message.body).unwrap(),
        };
        let busy = weather.busy_percent;
        let torn = busy + weather.torn_percent;
        let silent = torn + weather.silent_percent;
        let name = stream.link.lock().unwrap().name.clone();
        let note = |what: &str| {
            with(|world| world.note(&format!("next hop: {} bytes on {name}: {what}", body.len())));
        };
        if weather.refuses {
            note("breaks");
            stream.reset();
            return Ok(());
        }
        if roll < busy {
            note("503");
            answer(&mut stream, "503 Service Unavailable").await?;
            continue;
        }
        if body.contains("poison") && !is_store && !is_elsewhere {
            note("400");
            answer(&mut stream, "400 Bad Request").await?;
            continue;
        }
        if (torn..silent).contains(&roll) {
            note("says nothing");
            sleep(Duration::from_secs(75)).await;
            return Ok(());
        }
        let known = Known::default();
        let taken = with(|world| {
            if is_elsewhere {
                oracle::elsewhere::take(world, &body);
                String::new()
            } else if is_store {
                store::take(world, &body, asked, &known)
            } else {
                take(world, &body, asked, &known)
            }
        });
        if roll < torn {
            note("takes it, and breaks");
            stream.reset();
            return Ok(());
        }
        note("takes it");
        answer_with(&mut stream, "200 OK", &taken).await?;
        stream.mark(known);
    }
    Ok(())
}

/// Takes all documents, as they come.
fn take(world: &mut World, body: &str, asked: u64, known: &Known) -> String {
    let request = Request::add(world, asked, known);
    body.lines()
        .for_each(|document| oracle::take_document(world, document, request));
    "ok".to_string()
}

async fn answer(stream: &mut End, status: &str) -> io::Result<()> {
    answer_with(stream, status, "ok").await
}

async fn answer_with(stream: &mut End, status: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await
}
