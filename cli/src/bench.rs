//! `maxconn bench` measures how many records a second the plugin takes on this machine.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::generate::{Amount, Cause, Format, Generator, Spec};
use maxconn_host::{HostError, Plugin};

/// The records of one pass; each pass starts afresh, for time does not run backwards within one.
const RECORDS: u64 = 50_000;

/// About the bytes of a batch: what hosts hand over at once.
const BATCH_BYTES: usize = 128 * 1024;

/// What keeps floods from holding anything back.
const PASS: &str = r#"{"rule":[{"name":"userip","policy":"pass"}]}"#;

/// One kind of input: its name, what it is made of, how much of it are events (percent), and the configuration.
type Workload = (&'static str, Cause, Format, f64, &'static str);

/// In the order in which they are printed.
#[rustfmt::skip]
const WORKLOADS: [Workload; 5] = [
    ("JSON, no events", Cause::Normal, Format::Json, 0.0, "{}"),
    (NORMAL, Cause::Normal, Format::Json, 1.0, "{}"),
    ("JSON, a flood held back", Cause::RetryStorm, Format::Json, 100.0, "{}"),
    ("JSON, a flood enriched", Cause::RetryStorm, Format::Json, 100.0, PASS),
    ("text, 1 % events", Cause::Normal, Format::Rfc3164, 1.0, "{}"),
];

/// What a mail server's log is nearly always like.
const NORMAL: &str = "JSON, 1 % events";

/// Measures every workload, `seconds` in all, and writes a line for each.
///
/// # Errors
/// The plugin fails ([`HostError`]), or nobody takes what is written.
pub fn run(plugin: &Plugin, seconds: f64, out: &mut impl Write) -> Result<(), BenchError> {
    let share = Duration::try_from_secs_f64(seconds / WORKLOADS.len() as f64).unwrap_or_default();
    let mut normal = 0.0;
    writeln!(out, "{:<24} {:>12} {:>8}", "one core", "records/s", "MB/s")?;
    for workload in &WORKLOADS {
        let (name, ..) = workload;
        let (records, bytes) = measure(plugin, workload, share)?;
        if *name == NORMAL {
            normal = records;
        }
        let megabytes = bytes / 1e6;
        writeln!(out, "{name:<24} {records:>12.0} {megabytes:>8.0}")?;
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
    let (.., config) = workload;
    let batches = batches(workload);
    let bytes: usize = batches.iter().map(Vec::len).sum();
    let (started, mut best) = (Instant::now(), f64::INFINITY);
    loop {
        let mut instance = plugin.instantiate()?;
        instance.configure(config.as_bytes(), |_, _| {})?;
        let mut sent = Vec::with_capacity(2 * BATCH_BYTES);
        let pass = Instant::now();
        for batch in &batches {
            sent.clear();
            // The copy stands for what a host does with what it gets.
            instance.push(batch, None, |_, bytes| sent.extend_from_slice(bytes))?;
        }
        best = best.min(pass.elapsed().as_secs_f64());
        if started.elapsed() >= share {
            return Ok((RECORDS as f64 / best, bytes as f64 / best));
        }
    }
}

/// The records in batches of whole lines. Lone events are of so many users that none makes a flood.
fn batches(&(_, cause, format, events_percent, _): &Workload) -> Vec<Vec<u8>> {
    let mut generator = Generator::new(&Spec {
        amount: Amount::Lines(RECORDS),
        format,
        events_percent,
        users: 20_000,
        ..Spec::of(cause)
    });
    let (mut batches, mut batch) = (Vec::new(), Vec::new());
    while generator.next_line(&mut batch) {
        if batch.len() >= BATCH_BYTES {
            batches.push(std::mem::take(&mut batch));
        }
    }
    batches.push(batch);
    batches
}

/// Why a measurement ended early.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The plugin failed.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The figures can't be written.
    #[error("cannot write the figures: {0}")]
    Write(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use maxconn_host::Limits;

    #[test]
    fn every_workload_is_measured_in_a_line() {
        let plugin = crate::builtin::plugin(Limits::default()).expect("the built-in plugin");
        let mut out = Vec::new();
        run(&plugin, 0.0, &mut out).expect("figures");
        let text = String::from_utf8(out).expect("text");
        assert!(
            WORKLOADS.iter().all(|(name, ..)| text.contains(name)),
            "{text}"
        );
        assert_eq!(text.lines().count(), WORKLOADS.len() + 2, "{text}");
    }
}
