//! Rounds in which every peer does the same work once, in turn, so that whatever else the machine does
//! in the meantime hits all of them alike.

use std::hint::black_box;
use std::time::Instant;

use crate::Error;
use crate::input::{ENRICHED, NORMAL, SUPPRESSED, Workload};
use crate::peers::{self, Peer};
use crate::report::{Row, Target, median, number};

/// The ratios that maxconn's guest is held to: under which workload, than whom, and at least how many times as fast. They
/// stand for records a second on a machine not known.
const WANTED: [(&str, &str, f64); 6] = [
    (NORMAL, peers::ROUND_TRIP, 2.3),
    (SUPPRESSED, peers::ROUND_TRIP, 0.9),
    (ENRICHED, peers::ROUND_TRIP, 0.5),
    (NORMAL, peers::VRL, 8.0),
    (SUPPRESSED, peers::VRL, 5.0),
    (ENRICHED, peers::VRL, 5.0),
];

/// Runs everything, prints a table for each workload, and gives the ratios with their targets.
pub fn measure(rounds: usize, records: usize) -> Result<Vec<Row>, Error> {
    let mut peers = peers::all()?;
    let mut rows = Vec::new();
    for workload in [
        Workload::normal(records),
        Workload::suppressed(records),
        Workload::enriched(records),
    ] {
        for peer in peers.iter_mut().filter(|peer| peer.does_the_work()) {
            peers::check(peer.as_mut(), &workload)?;
        }
        let seconds = run(&mut peers, &workload, rounds)?;
        println!("{}", table(&peers, &workload, &seconds));
        let of = |name: &str| {
            let mut named = peers.iter().zip(&seconds);
            named
                .find(|(peer, _)| peer.name() == name)
                .map(|(_, times)| times)
        };
        for (name, than, at_least) in WANTED {
            if let (true, Some(ours), Some(theirs)) =
                (name == workload.name, of(peers::GUEST), of(than))
            {
                let what = format!("{name}: {} ÷ {than}", peers::GUEST);
                let target = Target::AtLeast(at_least);
                rows.push(Row::new(what, ratio(ours, theirs), " ×", target));
            }
        }
    }
    Ok(rows)
}

/// Seconds by peer and round. The first round warms caches and is not kept.
fn run(
    peers: &mut [Box<dyn Peer>],
    workload: &Workload,
    rounds: usize,
) -> Result<Vec<Vec<f64>>, Error> {
    let mut seconds = vec![Vec::with_capacity(rounds); peers.len()];
    let mut out = Vec::new();
    for round in 0..=rounds {
        for (peer, seconds) in peers.iter_mut().zip(&mut seconds) {
            peer.start(workload)?;
            let started = Instant::now();
            for batch in &workload.batches {
                out.clear();
                peer.run(batch, &mut out)?;
                black_box(&out);
            }
            if round > 0 {
                seconds.push(started.elapsed().as_secs_f64());
            }
        }
    }
    Ok(seconds)
}

/// How many times as fast `who` is as `than`: the median over rounds, in each of which they were neighbours.
fn ratio(who: &[f64], than: &[f64]) -> f64 {
    let mut ratios: Vec<f64> = who.iter().zip(than).map(|(who, than)| than / who).collect();
    median(&mut ratios)
}

fn table(peers: &[Box<dyn Peer>], workload: &Workload, seconds: &[Vec<f64>]) -> String {
    let yardstick = seconds.first().map_or(&[][..], Vec::as_slice);
    let mut table = format!(
        "**{}**: {} records of {} bytes on average\n\n| | records/s | MB/s | ÷ round trip |\n|---|---:|---:|---:|\n",
        workload.name,
        number(workload.records as f64),
        workload.bytes() / workload.records
    );
    for (peer, times) in peers.iter().zip(seconds) {
        let time = median(&mut times.clone());
        let records = number((workload.records as f64 / time / 1000.0).round() * 1000.0);
        let megabytes = number((workload.bytes() as f64 / time / 1e6).round());
        table += &format!(
            "| {} | {records} | {megabytes} | {:.2} × |\n",
            peer.name(),
            ratio(times, yardstick)
        );
    }
    table
}
