//! Random streams through every guest: sums of increases are the floods' totals, and statistics are the truth of each period
//! (docs/contract.md §3.3, §3.4). What guests say is held against the core's words, and these against the streams.

use std::collections::BTreeMap;

use fastrand::Rng;
use host_test::case::{self, Case, Step};
use host_test::drivers::{DRIVERS, Driver};
use host_test::run::{ALERT, Batches, Piece, STATISTICS};
use host_test::wasm::Runtime;
use host_test::{Error, guest, native};
use maxconn_core::engine::{Format, Source};
use maxconn_core::time::{self, TimeZone};
use serde_json::Value;
use test_support::refusal;

/// So many streams one after the other are a case: a guest takes longer to start than to read one.
const STREAMS_OF_CASE: u64 = 250;
const CASES: u64 = 4;
const EVERY_MS: [i64; 4] = [1_000, 7_000, 60_000, 3_600_000];
const BEGIN_MS: i64 = 1_700_000_000_000;

/// Bursts and pauses of a few users, some of it late; and how many refusals each period has.
fn stream(
    random: &mut Rng,
    from_ms: i64,
    every_ms: i64,
    periods: &mut BTreeMap<i64, u64>,
) -> (String, i64) {
    let (mut time_ms, mut lines) = (from_ms, String::new());
    for _ in 0..random.usize(30..90) {
        time_ms += match random.u8(..12) {
            0 => 40_000,
            1 => random.i64(0..90_000),
            2 => 0,
            _ => random.i64(0..1_500),
        };
        let own_ms = if random.u8(..10) == 0 {
            time_ms - random.i64(0..20_000)
        } else {
            time_ms
        };
        let user = format!("user{}", random.u8(..3));
        lines += &refusal::json(own_ms, &user, "198.51.100.7");
        *periods
            .entry(own_ms - own_ms.rem_euclid(every_ms))
            .or_default() += 1;
    }
    (lines, time_ms + 1_000_000)
}

/// A case, and how many refusals each period has.
fn generated(number: u64) -> (Case, BTreeMap<i64, u64>) {
    let mut random = Rng::with_seed(number);
    let every_ms = EVERY_MS[number as usize % EVERY_MS.len()];
    let (mut lines, mut from_ms, mut periods) = (String::new(), BEGIN_MS, BTreeMap::new());
    for _ in 0..STREAMS_OF_CASE {
        let (more, after_ms) = stream(&mut random, from_ms, every_ms, &mut periods);
        lines += &more;
        from_ms = after_ms;
    }
    let policy =
        [r#""suppress""#, r#""pass""#, r#""sample","sample_every":3"#][number as usize % 3];
    let config = format!(
        r#"{{"statistics_every":"{every_ms}ms","rule":[{{"name":"userip","threshold":3,"within":"16s","quiet":"40s","update_every":"{}ms","update_max":"1m","policy":{policy}}}]}}"#,
        1_000 + random.u32(..9_000)
    );
    let case = Case {
        name: format!("increases-{number}"),
        why: String::new(),
        config: Some(config),
        is_baked: false,
        source: Source {
            format: Format::Json,
            ..Source::default()
        },
        has_offsets: false,
        steps: vec![Step::Lines(lines), Step::Finish(None)],
        expected: case::testdata(),
    };
    (case, periods)
}

fn numbers(of: &Value) -> [u64; 4] {
    ["count", "passed", "suppressed", "suppressed_bytes"].map(|name| of[name].as_u64().unwrap_or(0))
}

fn add(sums: &mut [u64; 4], more: [u64; 4]) {
    sums.iter_mut()
        .zip(more)
        .for_each(|(sum, more)| *sum += more);
}

fn start_ms(text: &str) -> i64 {
    time::parse_rfc3339(text.as_bytes(), &TimeZone::utc()).unwrap_or(0)
}

/// Holds what was said against what there was.
fn hold(pieces: &[Piece], periods: &BTreeMap<i64, u64>) -> Result<(), Error> {
    let mut floods = BTreeMap::<String, ([u64; 4], [u64; 4])>::new();
    let mut told = BTreeMap::<i64, u64>::new();
    for piece in pieces {
        let document: Value = serde_json::from_str(&piece.text)?;
        let flood = &document["maxconn"]["flood"];
        match piece.kind {
            ALERT => {
                let (sums, last) = floods.entry(flood["id"].to_string()).or_default();
                add(sums, numbers(&flood["increase"]));
                *last = numbers(flood);
            }
            STATISTICS if document["maxconn"].get("refusals").is_some() => {
                let start = document["@timestamp"].as_str().unwrap_or_default();
                let [count, passed, suppressed, _] = numbers(&document["maxconn"]["refusals"]);
                assert_eq!(count, passed + suppressed, "{document}");
                *told.entry(start_ms(start)).or_default() += count;
            }
            _ => {}
        }
    }
    assert!(floods.len() > 10, "there are floods");
    for (id, (sums, last)) in floods {
        assert_eq!(sums, last, "{id}");
    }
    let differs = |(start_ms, count): &(&i64, &u64)| told.get(start_ms) != Some(count);
    let differing: Vec<_> = periods.iter().filter(differs).take(5).collect();
    assert!(
        differing.is_empty(),
        "{differing:?}, but {:?}",
        differing
            .iter()
            .map(|(at, _)| told.get(at))
            .collect::<Vec<_>>()
    );
    assert_eq!(told.len(), periods.len());
    Ok(())
}

#[test]
fn sums_are_exact_through_every_guest() -> Result<(), Error> {
    for number in 0..CASES {
        let (case, periods) = generated(number);
        hold(&native::run(&case, &mut Batches::Whole)?, &periods)?;
        // Where few records are held back, what Fluent Bit's guest has to say finds too few slots.
        // What comes late is told otherwise by keyed engines, whose sums are those of the steps.
        let fits = |driver: &&Driver| match driver.name {
            "fluent-bit" => number % 2 == 0,
            "keyed" => false,
            _ => true,
        };
        for driver in DRIVERS.iter().filter(fits) {
            (driver.check)(&case, &guest(driver.guest)?, Runtime::Wasmtime)
                .map_err(|error| format!("{} {}: {error}", case.name, driver.name))?;
        }
    }
    Ok(())
}
