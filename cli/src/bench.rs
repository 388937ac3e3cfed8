//! `maxconn bench`: how many records a second the plugin takes on this machine.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::host::{HostError, Plugin};

/// The records of one pass; each pass starts afresh, for time does not run backwards within one.
const RECORDS: u64 = 50_000;

/// About the bytes of a batch: what hosts hand over at once.
const BATCH_BYTES: usize = 128 * 1024;

/// What keeps floods from holding anything back.
const PASS: &str = r#"{"rule":[{"name":"userip","policy":"pass"}]}"#;

/// One kind of input.
struct Workload {
    name: &'static str,
    json: bool,
    /// One record in so many is an event; 0: none is.
    event_every: u64,
    config: &'static str,
}

/// In the order in which they are printed.
const WORKLOADS: [Workload; 5] = [
    Workload {
        name: "JSON, no events",
        json: true,
        event_every: 0,
        config: "{}",
    },
    Workload {
        name: "JSON, 1 % events",
        json: true,
        event_every: 100,
        config: "{}",
    },
    Workload {
        name: "JSON, a flood held back",
        json: true,
        event_every: 1,
        config: "{}",
    },
    Workload {
        name: "JSON, a flood enriched",
        json: true,
        event_every: 1,
        config: PASS,
    },
    Workload {
        name: "text, 1 % events",
        json: false,
        event_every: 100,
        config: "{}",
    },
];

/// Measures every workload, `seconds` in all, and writes a line for each.
///
/// # Errors
/// The plugin fails ([`HostError`]), or nobody takes what is written.
pub fn run(plugin: &Plugin, seconds: f64, out: &mut impl Write) -> Result<(), BenchError> {
    let share = Duration::try_from_secs_f64(seconds / WORKLOADS.len() as f64).unwrap_or_default();
    let mut normal = 0.0;
    writeln!(out, "{:<24} {:>12} {:>8}", "one core", "records/s", "MB/s")?;
    for workload in &WORKLOADS {
        let (records_per_second, bytes_per_second) = measure(plugin, workload, share)?;
        if workload.event_every == 100 && workload.json {
            normal = records_per_second;
        }
        writeln!(
            out,
            "{:<24} {:>12.0} {:>8.0}",
            workload.name,
            records_per_second,
            bytes_per_second / 1e6
        )?;
    }
    writeln!(
        out,
        "A server that logs 1,000 lines a second keeps this machine's core busy for {:.3} % of the time.",
        100.0 * 1_000.0 / normal
    )?;
    Ok(())
}

/// Records and bytes a second: the best pass, for everything else a machine does only slows one down.
fn measure(plugin: &Plugin, workload: &Workload, share: Duration) -> Result<(f64, f64), HostError> {
    let batches = workload.batches();
    let bytes: usize = batches.iter().map(String::len).sum();
    let (started, mut best) = (Instant::now(), f64::INFINITY);
    loop {
        let mut instance = plugin.instantiate()?;
        instance.configure(workload.config.as_bytes(), |_, _| {})?;
        let mut sent = Vec::with_capacity(2 * BATCH_BYTES);
        let pass = Instant::now();
        for batch in &batches {
            sent.clear();
            // The copy stands for what a host does with what it gets.
            instance.push(batch.as_bytes(), None, |_, bytes| {
                sent.extend_from_slice(bytes)
            })?;
        }
        best = best.min(pass.elapsed().as_secs_f64());
        if started.elapsed() >= share {
            return Ok((RECORDS as f64 / best, bytes as f64 / best));
        }
    }
}

impl Workload {
    fn batches(&self) -> Vec<String> {
        let mut batches = vec![String::new()];
        for index in 0..RECORDS {
            if batches
                .last()
                .is_some_and(|batch| batch.len() >= BATCH_BYTES)
            {
                batches.push(String::new());
            }
            if let Some(batch) = batches.last_mut() {
                self.record(index, batch);
            }
        }
        batches
    }

    /// Appends record `index`, fifty a second. Lone events are from ever other users, a flood is from one.
    fn record(&self, index: u64, batch: &mut String) {
        let event = self.event_every > 0 && index % self.event_every == 0;
        let user = if self.event_every == 1 {
            7
        } else {
            index * 7_919 % 20_011
        };
        let (second, ms) = (index / 50, index % 50 * 20);
        let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
        let time = format_args!("2026-01-05T{hour:02}:{minute:02}:{second:02}.{ms:03}Z");
        let who = format_args!(
            "user=<u{user}@example.org>, method=PLAIN, rip=198.51.100.{}, lip=192.0.2.10",
            1 + user % 250
        );
        let (open, close) = if self.json {
            (r#"{"@timestamp":""#, r#""}"#)
        } else {
            ("", "")
        };
        let between = if self.json { r#"","message":""# } else { " " };
        // Writing to a string can't fail.
        let _ = if event {
            writeln!(
                batch,
                "{open}{time}{between}mail dovecot: imap-login: Maximum number of connections from user+IP \
                 exceeded (mail_max_userip_connections=10): {who}, TLS{close}"
            )
        } else {
            writeln!(
                batch,
                "{open}{time}{between}mail dovecot: imap-login: Login: {who}, mpid={}, TLS, \
                 session=<{index:011x}/AAAB>{close}",
                10_000 + index % 50_000
            )
        };
    }
}

/// Why a measurement ended early.
#[derive(Debug)]
pub enum BenchError {
    /// The plugin failed.
    Host(HostError),
    /// The figures can't be written.
    Write(io::Error),
}

impl From<HostError> for BenchError {
    fn from(error: HostError) -> BenchError {
        BenchError::Host(error)
    }
}

impl From<io::Error> for BenchError {
    fn from(error: io::Error) -> BenchError {
        BenchError::Write(error)
    }
}

impl std::fmt::Display for BenchError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BenchError::Host(error) => error.fmt(formatter),
            BenchError::Write(error) => write!(formatter, "cannot write the figures: {error}"),
        }
    }
}

impl std::error::Error for BenchError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Limits;

    #[test]
    fn every_workload_is_measured_in_a_line() {
        let plugin = Plugin::builtin(Limits::default()).expect("the built-in plugin");
        let mut out = Vec::new();
        run(&plugin, 0.0, &mut out).expect("figures");
        let text = String::from_utf8(out).expect("text");
        assert!(
            WORKLOADS
                .iter()
                .all(|workload| text.contains(workload.name)),
            "{text}"
        );
        assert_eq!(text.lines().count(), WORKLOADS.len() + 2, "{text}");
    }
}
