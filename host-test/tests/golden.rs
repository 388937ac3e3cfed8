//! Surfaces, sizes and costs of the guests. `UPDATE=1` rewrites the golden files: read the difference.

use std::fs;

use guest_build::Features;
use host_test::bento::{ALL_PAGES, Message, Processor};
use host_test::case::testdata;
use host_test::fluent_bit::Filter;
use host_test::redpanda::{self, BROKER_PAGES, Host, Model, Record};
use host_test::surface::surface;
use host_test::wasi::{self, Wasi};
use host_test::wasm::Runtime;
use host_test::{Error, embed};
use maxconn_core::config::Config;
use maxconn_core::engine::Engine;
use serde_json::json;
use test_support::data::is_golden;
use test_support::refusal;
use wasmparser::{Validator, WasmFeatures};

/// How far a figure may move before somebody must look, in percent.
const DRIFT_PERCENT: u64 = 3;

fn module(name: &str, patterns: bool) -> Result<Vec<u8>, Error> {
    let path = guest_build::try_build(name, Features { patterns })?;
    Ok(fs::read(path)?)
}

#[test]
fn surfaces_are_as_agreed() -> Result<(), Error> {
    for name in guest_build::GUESTS {
        let actual = surface(&module(name, true)?)?;
        is_golden(&format!("surface-{name}.txt"), &actual);
    }
    Ok(())
}

#[test]
fn guests_hold_no_instruction_that_hosts_refuse() -> Result<(), Error> {
    let features = WasmFeatures::WASM2.difference(WasmFeatures::SIMD);
    for name in guest_build::GUESTS {
        for patterns in [true, false] {
            Validator::new_with_features(features).validate_all(&module(name, patterns)?)?;
        }
    }
    Ok(())
}

/// Sizes are held to what they were, so that none grows unseen. What they should be is in BENCHMARKS.md.
#[test]
fn guests_stay_small() -> Result<(), Error> {
    let mut actual = String::new();
    for name in guest_build::GUESTS {
        let (with, without) = (module(name, true)?.len(), module(name, false)?.len());
        actual += &format!(
            "[{name}]\nwith_patterns_bytes = {with}\nwithout_patterns_bytes = {without}\n\n"
        );
    }
    hold("size.toml", &actual)
}

/// What the Fluent Bit guest says of itself: alerts and statistics, each with its route as the first key.
#[test]
fn documents_of_fluent_bit_are_as_agreed() -> Result<(), Error> {
    let config = r#"{"statistics_every":"1m","rule":[{"name":"userip","threshold":3}]}"#;
    let wasm = module("fluent-bit", true)?;
    let mut filter = Filter::new(&wasm, Runtime::Wasmtime, Some(config))?;
    let mut said = Vec::new();
    for (number, event) in events(0).iter().take(5).enumerate() {
        let time_ms = TIME_MS + number as i64 * 30_000;
        said.extend(filter.filter(b"mail", time_ms, event.as_bytes())?);
    }
    for seconds in [130, 200, 600, 600, 600] {
        said.extend(filter.filter(b"maxconn.tick", TIME_MS + seconds * 1_000, b"{}")?);
    }
    said.retain(|text| text.contains(r#""maxconn_route":"#));
    // The memory is the instance's.
    let memory = regex_lite::Regex::new(r#""memory[^,}]*"#)?;
    let said = said.join("\n") + "\n";
    let actual = memory.replace_all(&said, r#""memory":0"#);
    is_golden("fluent-bit-documents.ndjson", &actual);
    Ok(())
}

const PLAIN: &str = r#"{"log":"Jan 11 12:00:00 mail dovecot: imap(alice@example.org)<4711><T5eqHeNgpOB/AAAB>: Disconnected: Logged out in=512 out=4096 deleted=0 expunged=0 trashed=0 hdr_count=3 hdr_bytes=981 body_count=12 body_bytes=1048576"}"#;
const TIME_MS: i64 = 1_768_132_800_000;
/// How many records a measurement takes, in one batch where the host has batches.
const BATCH: usize = 100;

/// The events of a flood.
fn events(first: usize) -> Vec<String> {
    let event = |n: usize| event(n, "alice@example.org", "203.0.113.7");
    (first..first + BATCH).map(event).collect()
}

/// An event with its own session, as Dovecot has written them since 2.1.
fn event(n: usize, user: &str, ip: &str) -> String {
    let line = refusal::line("Jan 11 12:00:00", user, ip);
    let (line, session) = (line.trim_end(), 1_000_000_000 + n);
    format!(r#"{{"log":"{line}, TLS, session=<{session}AAAAAA>"}}"#)
}

/// Fuel of a record without an event, of an enriched one and of one held back, each when all is warm.
fn costs(mut push: impl FnMut(&[String]) -> Result<u64, Error>) -> Result<[u64; 3], Error> {
    let plain = vec![PLAIN.to_string(); BATCH];
    push(&plain)?;
    let plain = push(&plain)? / BATCH as u64;
    // The first 29 events go on; of them the last twenty are measured.
    let mut warm = events(0);
    warm.truncate(29);
    let measured = warm.split_off(9);
    push(&warm)?;
    let enriched = push(&measured)? / measured.len() as u64;
    push(&events(100))?;
    let suppressed = push(&events(200))? / BATCH as u64;
    Ok([plain, enriched, suppressed])
}

/// The same of the WASI guest, which runs from start to end: what more records cost more.
fn wasi_costs() -> Result<[u64; 3], Error> {
    let wasm = module("wasi", true)?;
    let fuel = |records: &[String]| -> Result<u64, Error> {
        let stdin = vec![((records.join("\n") + "\n").into_bytes(), TIME_MS)];
        let given = Wasi::new(&["--format=json"], stdin);
        Ok(wasi::run(&wasm, Runtime::Wasmtime, given)?.1)
    };
    let between = |from: u64, to: u64, records: usize| (to - from) / records as u64;
    let plain = vec![PLAIN.to_string(); BATCH];
    let (one, two) = (fuel(&plain)?, fuel(&[plain.clone(), plain].concat())?);
    let many = [events(0), events(100), events(200)].concat();
    let cost = |count: usize| fuel(many.get(..count).unwrap_or_default());
    let (nine, enriched) = (cost(9)?, cost(29)?);
    let (opened, suppressed) = (cost(100)?, cost(300)?);
    let plain = between(one, two, BATCH);
    let (enriched, suppressed) = (
        between(nine, enriched, 20),
        between(opened, suppressed, 200),
    );
    Ok([plain, enriched, suppressed])
}

/// One server that is looked for: what a mail server's own module is baked with.
const ONE_SERVER: &str = r#"{"servers":["dovecot"]}"#;

#[test]
fn fuel_stays_within_its_budget() -> Result<(), Error> {
    assert_eq!(PLAIN.len(), 219);
    let (embed, fluent_bit) = (embed_costs(None)?, fluent_bit_costs(None)?);
    let (redpanda, wasi) = (redpanda_costs()?, wasi_costs()?);
    // These work on one record at a time, where embed gets batches.
    for [plain, ..] in [redpanda, wasi] {
        assert!(plain <= 2 * embed[0], "{plain}, embed {}", embed[0]);
    }
    let mut actual = String::new();
    for (name, [plain, enriched, suppressed]) in [
        ("embed", embed),
        ("embed-one-server", embed_costs(Some(ONE_SERVER))?),
        ("fluent-bit", fluent_bit),
        ("fluent-bit-one-server", fluent_bit_costs(Some(ONE_SERVER))?),
        ("redpanda", redpanda),
        ("wasi", wasi),
    ] {
        actual += &format!(
            "[{name}]\nrecord_without_event = {plain}\nenriched_event = {enriched}\nsuppressed_event = {suppressed}\n\n"
        );
    }
    let [plain, enriched, _] = bento_costs()?;
    actual += &format!("[bento]\nrecord_without_event = {plain}\nenriched_event = {enriched}\n\n");
    for users in [2, 20] {
        let suppressed = fluent_bit_cost_in_turn(users)?;
        actual +=
            &format!("[fluent-bit-{users}-users-in-turn]\nsuppressed_event = {suppressed}\n\n");
    }
    hold("fuel.toml", &actual)
}

/// Here nothing is held back.
fn bento_costs() -> Result<[u64; 3], Error> {
    let mut processor =
        Processor::new(&module("bento", true)?, Runtime::Wasmtime, ALL_PAGES, None)?;
    costs(|records| {
        let before = processor.fuel();
        for record in records {
            let bytes = record.clone().into_bytes();
            processor.process(Message {
                bytes,
                ..Message::default()
            })?;
        }
        Ok(processor.fuel() - before)
    })
}

fn fluent_bit_costs(config: Option<&str>) -> Result<[u64; 3], Error> {
    let mut filter = Filter::new(&module("fluent-bit", true)?, Runtime::Wasmtime, config)?;
    costs(|records| {
        let before = filter.fuel();
        for record in records {
            filter.filter(b"mail", TIME_MS, record.as_bytes())?;
        }
        Ok(filter.fuel() - before)
    })
}

/// Fuel of an event that is held back where so many users' floods take turns.
fn fluent_bit_cost_in_turn(users: usize) -> Result<u64, Error> {
    let wasm = module("fluent-bit", true)?;
    let mut filter = Filter::new(&wasm, Runtime::Wasmtime, Some(ONE_SERVER))?;
    let mut push = |numbers: std::ops::Range<usize>| -> Result<u64, Error> {
        let before = filter.fuel();
        for n in numbers {
            let (user, ip) = (
                format!("user{}", n % users),
                format!("203.0.113.{}", n % users),
            );
            filter.filter(b"mail", TIME_MS, event(n, &user, &ip).as_bytes())?;
        }
        Ok(filter.fuel() - before)
    };
    let (opened, measured) = (50 * users, 20 * users);
    push(0..opened)?;
    Ok(push(opened..opened + measured)? / measured as u64)
}

fn embed_costs(config: Option<&str>) -> Result<[u64; 3], Error> {
    let mut guest = embed::EmbedGuest::new(&module("embed", true)?, Runtime::Wasmtime, config)?;
    // A host that ships JSON says so: no line has to be looked at for what it is.
    guest.source(r#"{"format":"json"}"#)?;
    costs(|records| {
        let mut batch = records.join("\n").into_bytes();
        batch.push(b'\n');
        guest.input(&batch)?;
        let before = guest.fuel();
        guest.push(0, batch.len(), -1)?;
        Ok(guest.fuel() - before)
    })
}

/// The program runs until there are no more records, so the cost of some is what it costs to have them too.
fn redpanda_costs() -> Result<[u64; 3], Error> {
    let module = module("redpanda", true)?;
    let (mut batches, mut spent) = (Vec::new(), 0);
    costs(|records| {
        let record = |value: &String| Record {
            key: Some(b"mail1".to_vec()),
            value: Some(value.clone().into_bytes()),
            headers: Vec::new(),
            time_ms: TIME_MS,
        };
        batches.push(records.iter().map(record).collect::<Vec<Record>>());
        let source = Box::new(batches.clone().into_iter());
        let host = Host::new(Model::Broker, &[], &[], source);
        let outcome = redpanda::run(&module, Runtime::Wasmtime, BROKER_PAGES, None, host)?;
        outcome.result?;
        let before = std::mem::replace(&mut spent, outcome.fuel);
        Ok(spent - before)
    })
}

/// As long as a record may be that is read for an event, in bytes.
const RECORD_BYTES: usize = 256 * 1024;
/// No record costs more, whatever the patterns: about a quarter of a second under wasmtime.
const RECORD_FUEL_MAX: u64 = 1_000_000_000;
/// What the patterns below look for.
const CONTAINS: &str = "too many";

/// Expressions that are as bad as they get, and what the longest records are filled with for each.
fn worst_expressions() -> [(&'static str, String, &'static str); 7] {
    [
        ("optional", "(?:a?){100}b".to_string(), "a"),
        ("classes", "(?:[a-z]?){400}[0-9]".to_string(), "a"),
        ("anything", ".*".repeat(200), "a"),
        ("stars", "a*".repeat(300) + "b", "a"),
        ("groups", "()".repeat(30) + "(?:a?){100}b", "a"),
        // Small ones, as many as there may be: each looks for its text in all of the record.
        ("many", "a+b".to_string(), "a"),
        ("characters", "[^b]*b".to_string(), "ä"),
    ]
}

/// How many patterns of that expression are accepted, and the fuel of one record that all of them search.
fn pattern_fuel(wasm: &[u8], regex: &str, fill: &str) -> Result<(usize, u64), Error> {
    let config = |count: usize| {
        let pattern = |number: usize| {
            let name = format!("p{number}");
            json!({"name": name, "contains": CONTAINS, "regex": regex, "limit": "x", "scope": "user"})
        };
        json!({"pattern": (0..count).map(pattern).collect::<Vec<_>>()}).to_string()
    };
    let is_accepted = |count: &usize| {
        let config = Config::parse(config(*count).as_bytes(), Config::default());
        config.is_ok_and(|config| Engine::new(config).is_ok())
    };
    let count = (1..=64).rev().find(is_accepted);
    let count = count.ok_or("not even one is accepted")?;
    let mut guest = embed::EmbedGuest::new(wasm, Runtime::Wasmtime, Some(&config(count)))?;
    let half = fill.repeat((RECORD_BYTES - CONTAINS.len()) / 2 / fill.len());
    let line = format!("{half}{CONTAINS}{half}\n");
    guest.input(line.as_bytes())?;
    let before = guest.fuel();
    guest.push(0, line.len(), -1)?;
    Ok((count, guest.fuel() - before))
}

#[test]
fn the_worst_patterns_and_the_longest_records_stay_within_their_budget() -> Result<(), Error> {
    let wasm = module("embed", true)?;
    let mut actual = String::new();
    for (name, regex, fill) in worst_expressions() {
        let (count, fuel) = pattern_fuel(&wasm, &regex, fill)?;
        assert!(fuel <= RECORD_FUEL_MAX, "{name}: {fuel}");
        actual += &format!("[{name}]\naccepted = {count}\nrecord = {fuel}\n\n");
    }
    hold("patterns.toml", &actual)
}

/// Holds figures against the golden ones: what grows fails, what shrinks is told.
fn hold(file: &str, actual: &str) -> Result<(), Error> {
    let path = testdata().join("golden").join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, actual)?;
    }
    let budget: toml::Table = fs::read_to_string(&path)?.parse()?;
    let measured: toml::Table = actual.parse()?;
    for (guest, values) in &measured {
        for (what, value) in values.as_table().into_iter().flatten() {
            let then = budget.get(guest).and_then(|budget| budget.get(what));
            let number = |value: &toml::Value| value.as_integer().unwrap_or(0).unsigned_abs();
            let (now, then) = (number(value), then.map_or(0, number));
            assert!(
                now * 100 <= then * (100 + DRIFT_PERCENT),
                "{guest}, {what}: {now}, {then} budgeted; spend less, or say why with UPDATE=1"
            );
            if now * 100 < then * (100 - DRIFT_PERCENT) {
                println!("{guest}, {what}: {now}, {then} budgeted; write it down with UPDATE=1");
            }
        }
    }
    Ok(())
}
