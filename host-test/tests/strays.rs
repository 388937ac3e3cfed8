//! Streams with wrong clocks in them, through the embed guest: what it says is what the core says, in batches and by the
//! keyed calls. What the core must say of them is held by its own properties.

use std::collections::BTreeMap;

use fastrand::Rng;
use host_test::embed::{self, EmbedGuest};
use host_test::native::{drain, push_all};
use host_test::run::{ALERT, Batches, Piece};
use host_test::wasm::Runtime;
use host_test::{Error, guest};
use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, KeyedInput, Source};
use test_support::refusal;

const STREAMS: u64 = 1_000;
const CONFIG: &str = r#"{"rule":[{"name":"userip","threshold":5,"within":"16s","quiet":"40s","update_every":"10s","update_max":"1m"},
    {"name":"many-users-one-ip","threshold":5,"within":"16s","quiet":"40s","distinct":{"field":"user","at_least":3}}]}"#;
/// Bursts and pauses of a few users; a record in forty has another clock, and one in a hundred sets everybody's.
fn stream(seed: u64) -> String {
    let mut random = Rng::with_seed(seed);
    let (mut time_ms, mut lines) = (1_700_000_000_000_i64, String::new());
    let far = |random: &mut Rng| {
        let hours = [-24, -1, 1, 24][random.usize(..4)] * 3_600_000;
        hours + random.i64(-100_000..100_000)
    };
    for _ in 0..150 {
        time_ms += match random.u8(..12) {
            0 => 40_000,
            1 => random.i64(0..90_000),
            2 => 0,
            _ => random.i64(0..1_500),
        };
        if random.u8(..100) == 0 {
            time_ms += far(&mut random);
        }
        let is_stray = random.u8(..40) == 0;
        let stray_ms = if is_stray { far(&mut random) } else { 0 };
        let user = format!("user{}", random.u8(..3));
        let ip = format!("198.51.100.{}", random.u8(..2));
        lines += &refusal::json(time_ms + stray_ms, &user, &ip);
    }
    lines
}

fn engine() -> Result<Engine, Error> {
    let config = Config::parse(CONFIG.as_bytes(), Config::default());
    let engine = config.and_then(Engine::new);
    Ok(engine.map_err(|error| error.to_string())?)
}

fn native(lines: &str) -> Result<Vec<String>, Error> {
    let (mut engine, mut pieces) = (engine()?, Vec::new());
    let source = Source::default();
    push_all(&mut engine, &source, lines.as_bytes(), None, &mut pieces);
    drain(|out| engine.finish(None, out), &mut pieces);
    Ok(alerts(pieces))
}

fn alerts(mut pieces: Vec<Piece>) -> Vec<String> {
    pieces.retain(|piece| piece.kind == ALERT);
    pieces.into_iter().map(|piece| piece.text).collect()
}

#[test]
fn the_guest_says_of_strays_what_the_core_says() -> Result<(), Error> {
    let mut guest = EmbedGuest::new(&guest("embed")?, Runtime::Wasmtime, Some(CONFIG))?;
    let empty = guest.snapshot()?;
    let keyed = engine()?;
    let mut told = 0;
    for seed in 1..=STREAMS {
        let lines = stream(seed);
        let expected = native(&lines)?;
        told += expected.len();

        guest.restore(&empty)?;
        let mut pieces = Vec::new();
        for batch in Batches::Random(Rng::with_seed(seed)).cut(&lines) {
            guest.push_all(batch.as_bytes(), None, &mut pieces)?;
        }
        guest.finish_all(&mut pieces)?;
        assert_eq!(expected, alerts(pieces), "stream {seed}");

        if seed % 10 == 0 {
            keyed_calls(&keyed, &mut guest, &lines)?;
        }
    }
    assert!(told > STREAMS as usize, "only {told} alerts");
    Ok(())
}

/// Every answer of the keyed calls is the core's, to the byte.
fn keyed_calls(engine: &Engine, guest: &mut EmbedGuest, lines: &str) -> Result<(), Error> {
    let mut states: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let source = Source::default();
    for line in lines.lines() {
        let event = engine.classify(&source, line.as_bytes(), None);
        let event = event.ok_or("a line without an event")?;
        assert_eq!(event.event, guest.classify(line.as_bytes())?);
        for (rule, key) in &event.keys {
            let state = states.entry(key.clone()).or_default();
            let input = KeyedInput::Event(&event.event);
            let step = engine.step(*rule, state, input);
            let step = step.map_err(|error| error.to_string())?;
            assert_eq!(embed::answer(&step), guest.step(*rule, state, input)?);
            *state = step.state;
        }
    }
    Ok(())
}

/// Keys that an attacker feeds by ever other clocks keep two windows each, and no more.
#[test]
fn strays_of_ten_thousand_keys_stay_in_bounded_memory() -> Result<(), Error> {
    /// What BENCHMARKS.md says of memory where every key has two windows with all slots that a key without a flood can have.
    const MEMORY_MAX_BYTES: usize = 16 << 20;
    let mut guest = EmbedGuest::new(&guest("embed")?, Runtime::Wasmtime, None)?;
    let mut random = Rng::with_seed(7);
    for round in 0..60_i64 {
        for first in (0..5_000).step_by(1_000) {
            let line = |user: i32| {
                let day_ms = [0, 86_400_000, -86_400_000][random.usize(..3)];
                let time_ms = 1_700_000_000_000_i64 + round * 3_750 + day_ms;
                let ip = format!("10.0.{}.{}", user / 250, user % 250);
                refusal::json(time_ms, &format!("u{user}"), &ip)
            };
            let lines: String = (first..first + 1_000).map(line).collect();
            guest.push_all(lines.as_bytes(), None, &mut Vec::new())?;
        }
    }
    let memory = guest.memory_bytes();
    assert!(memory <= MEMORY_MAX_BYTES, "{memory} bytes of memory");
    Ok(())
}
