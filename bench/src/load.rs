//! `maxconn run` between a sender and a next hop, both here and as cheap as they can be: two connections post batches
//! of 1,000 records, as many as come in ten minutes at the rate that it is held to.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use test_support::http::{message, reply, request};

use crate::Error;
use crate::command::memory_kib;
use crate::input::Workload;
use crate::report::{Row, Target};

/// The rate that it is held to, and ten minutes of it.
const RECORDS_PER_SECOND: f64 = 400_000.0;
const RECORDS: usize = 240_000_000;
const BATCH_RECORDS: usize = 1_000;
const CONNECTIONS: usize = 2;
/// What is sent, over and over: as long as a morning's log, so that floods come and go.
const DIFFERENT_RECORDS: usize = 200_000;
/// How long the command may take to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A child that is gone when this is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Posts a mail log with 1 % events.
pub fn measure(maxconn: &Path) -> Result<Vec<Row>, Error> {
    let batches = batches()?;
    let next_hop = TcpListener::bind("127.0.0.1:0")?;
    let output = format!("http://{}/", next_hop.local_addr()?);
    thread::spawn(move || swallow(&next_hop));
    // Free a moment ago, and nothing else here asks for ports.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let input = format!("http://{address}/");
    let mut command = Command::new(maxconn);
    let command = command.args(["run", "--input", &input, "--output", &output]);
    let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    let program = maxconn.display();
    let child =
        child.map_err(|error| format!("cannot run {program}: {error}; `make build` builds it"))?;
    let child = Running(child);
    let since = Instant::now();
    while TcpStream::connect(&address).is_err() {
        if since.elapsed() > START_LIMIT {
            return Err("`maxconn run` does not listen".into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    let status = format!("/proc/{}/status", child.0.id());
    let warm = RECORDS / 10;
    let first = post_all(&address, &batches, warm / BATCH_RECORDS)?;
    let warm_kib = memory_kib(&status, "VmRSS:").unwrap_or(0);
    let mut second = post_all(&address, &batches, (RECORDS - warm) / BATCH_RECORDS)?;
    let (last_kib, peak_kib) = (memory_kib(&status, "VmRSS:"), memory_kib(&status, "VmHWM:"));
    let mib = |kib: u64| kib as f64 / 1024.0;

    let seconds = first.seconds + second.seconds;
    let mut latencies = first.latencies_ms;
    latencies.append(&mut second.latencies_ms);
    latencies.sort_by(f64::total_cmp);
    let quantile = |percent: usize| latencies.get(latencies.len() * percent / 100).copied();
    let quantile = |percent| quantile(percent).unwrap_or(f64::NAN);
    let records = (latencies.len() * BATCH_RECORDS) as f64;
    let rate = RECORDS as f64 / seconds;
    let half = "a batch of 1,000, from request to answer: half of them within";
    let (peak, growth) = (
        peak_kib.unwrap_or(0),
        last_kib.unwrap_or(0).saturating_sub(warm_kib),
    );
    let enough = Target::AtLeast(RECORDS_PER_SECOND);
    Ok(Row::all([
        (
            "`maxconn run`, http to http: records",
            records,
            "",
            Target::None,
        ),
        ("`maxconn run`, http to http", rate, " records/s", enough),
        (half, quantile(50), " ms", Target::None),
        ("99 % of them within", quantile(99), " ms", Target::None),
        (
            "its largest memory",
            mib(peak),
            " MiB",
            Target::AtMost(64.0),
        ),
        (
            "growth over the last nine tenths",
            mib(growth),
            " MiB",
            Target::AtMost(1.0),
        ),
    ]))
}

/// The requests that are posted.
fn batches() -> Result<Vec<Vec<u8>>, Error> {
    let log = Workload::normal(DIFFERENT_RECORDS).batches.concat();
    let lines: Vec<&[u8]> = log.split_inclusive(|byte| *byte == b'\n').collect();
    let header = "content-type: application/x-ndjson";
    let batch = |lines: &[&[u8]]| request(&[header], &lines.concat());
    let batches: Vec<Vec<u8>> = lines.chunks(BATCH_RECORDS).map(batch).collect();
    if batches.is_empty() {
        return Err("there are no records".into());
    }
    Ok(batches)
}

struct Posted {
    seconds: f64,
    latencies_ms: Vec<f64>,
}

/// Posts so many batches over all connections, each of which waits for its answers.
fn post_all(address: &str, batches: &[Vec<u8>], count: usize) -> Result<Posted, Error> {
    let started = Instant::now();
    let latencies_ms = thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let own = batches.iter().cycle().skip(number).step_by(CONNECTIONS);
                scope.spawn(move || {
                    post(address, own.take(count / CONNECTIONS)).map_err(|error| error.to_string())
                })
            })
            .collect();
        let mut latencies_ms = Vec::with_capacity(count);
        for sender in senders {
            let own = sender.join().map_err(|_| "a sender ended".to_string())?;
            latencies_ms.extend(own?);
        }
        Ok::<_, String>(latencies_ms)
    })?;
    Ok(Posted {
        seconds: started.elapsed().as_secs_f64(),
        latencies_ms,
    })
}

fn post<'a>(address: &str, batches: impl Iterator<Item = &'a Vec<u8>>) -> Result<Vec<f64>, Error> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let mut answers = BufReader::new(connection.try_clone()?);
    let mut latencies_ms = Vec::new();
    for batch in batches {
        let started = Instant::now();
        connection.write_all(batch)?;
        let (head, _) = message(&mut answers).ok_or("no answer")?;
        if !head.starts_with("HTTP/1.1 204") {
            return Err(format!("answered {head}").into());
        }
        latencies_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(latencies_ms)
}

/// A next hop that takes everything and keeps nothing.
fn swallow(listener: &TcpListener) {
    let taken = reply(200, "");
    for mut connection in listener.incoming().flatten() {
        let taken = taken.clone();
        thread::spawn(move || {
            let Ok(requests) = connection.try_clone() else {
                return;
            };
            let mut requests = BufReader::with_capacity(1 << 18, requests);
            while message(&mut requests).is_some() {
                if connection.write_all(taken.as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}
