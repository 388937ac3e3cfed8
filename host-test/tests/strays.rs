//! Streams with wrong clocks in them, through the embed guest: what it says is what the core says, in batches and by the
//! keyed calls. What the core must say of them is held by its own properties.

use std::fs;

use guest_build::Features;
use host_test::Error;
use host_test::embed::{self, Guest};
use host_test::run::{Batches, Piece};
use host_test::wasm::Runtime;
use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Format, KeyedInput, Output, Source};

const STREAMS: u64 = 1_000;
const CONFIG: &str = r#"{"rule":[{"name":"userip","threshold":5,"within":"16s","quiet":"40s","update_every":"10s","update_max":"1m"},
    {"name":"many-users-one-ip","threshold":5,"within":"16s","quiet":"40s","distinct":{"field":"user","at_least":3}}]}"#;
const ALERT: u32 = 3;

/// xorshift64: all that is needed is that it never changes.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Bursts and pauses of a few users; a record in forty has another clock, and one in a hundred sets everybody's.
fn stream(seed: u64) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut time_ms, mut lines) = (1_700_000_000_000_i64, String::new());
    let far = |random: &mut Random| {
        let hours = [-24, -1, 1, 24][random.below(4) as usize] * 3_600_000;
        hours + random.below(200_000) as i64 - 100_000
    };
    for number in 0..150 {
        time_ms += match random.below(12) {
            0 => 40_000,
            1 => random.below(90_000) as i64,
            2 => 0,
            _ => random.below(1_500) as i64,
        };
        if random.below(100) == 0 {
            time_ms += far(&mut random);
        }
        let stray_ms = if random.below(40) == 0 {
            far(&mut random)
        } else {
            0
        };
        let (user, ip) = (random.below(3), random.below(2));
        lines += &format!(
            "{{\"@timestamp\":{},\"message\":\"imap-login: Disconnected: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<user{user}>, method=PLAIN, rip=198.51.100.{ip}, lip=192.0.2.1, session=<s{number}>\"}}\n",
            time_ms + stray_ms
        );
    }
    lines
}

fn native(engine: &mut Engine, lines: &str) -> Vec<String> {
    let (mut out, mut pieces) = (Output::default(), Vec::new());
    let source = Source::default();
    let mut done = 0;
    while done < lines.len() {
        let rest = lines.as_bytes().get(done..).unwrap_or_default();
        done += engine.push_lines(&source, rest, None, &mut out);
        host_test::native::gather(&mut out, rest, &mut pieces);
    }
    while !engine.finish(None, &mut out) {
        host_test::native::gather(&mut out, &[], &mut pieces);
    }
    host_test::native::gather(&mut out, &[], &mut pieces);
    alerts(pieces)
}

fn alerts(mut pieces: Vec<Piece>) -> Vec<String> {
    pieces.retain(|piece| piece.kind == ALERT);
    pieces.into_iter().map(|piece| piece.text).collect()
}

#[test]
fn the_guest_says_of_strays_what_the_core_says() -> Result<(), Error> {
    let wasm = fs::read(guest_build::try_build("embed", Features::default())?)?;
    let mut guest = Guest::new(&wasm, Runtime::Wasmtime, Some(CONFIG))?;
    let empty = guest.snapshot()?;
    let config = || Config::parse(CONFIG.as_bytes(), Config::default());
    let keyed = Engine::new(config().map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())?;
    let mut told = 0;
    for seed in 1..=STREAMS {
        let lines = stream(seed);
        let mut engine = Engine::new(config().map_err(|error| error.to_string())?)
            .map_err(|error| error.to_string())?;
        let expected = native(&mut engine, &lines);
        told += expected.len();

        guest.restore(&empty)?;
        let mut pieces = Vec::new();
        for batch in Batches::Random(seed).cut(&lines) {
            guest.input(batch.as_bytes())?;
            let mut done = 0;
            while done < batch.len() {
                done += guest.push(done, batch.len() - done, -1)?;
                guest.gather(batch.as_bytes(), &mut pieces)?;
            }
        }
        while guest.finish()? {
            guest.gather(&[], &mut pieces)?;
        }
        guest.gather(&[], &mut pieces)?;
        assert_eq!(expected, alerts(pieces), "stream {seed}");

        if seed % 10 == 0 {
            keyed_calls(&keyed, &mut guest, &lines)?;
        }
    }
    assert!(told > STREAMS as usize, "only {told} alerts");
    Ok(())
}

/// Every answer of the keyed calls is the core's, to the byte.
fn keyed_calls(engine: &Engine, guest: &mut Guest, lines: &str) -> Result<(), Error> {
    use std::collections::BTreeMap;
    let mut states: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let source = Source {
        format: Format::Auto,
        ..Source::default()
    };
    for line in lines.lines() {
        let event = engine
            .classify(&source, line.as_bytes(), None)
            .ok_or("a line without an event")?;
        assert_eq!(event.event, guest.classify(line.as_bytes())?);
        for (rule, key) in &event.keys {
            let state = states.entry(key.clone()).or_default();
            let input = KeyedInput::Event(&event.event);
            let step = engine
                .step(*rule, state, input)
                .map_err(|error| error.to_string())?;
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
    let wasm = fs::read(guest_build::try_build("embed", Features::default())?)?;
    let mut guest = Guest::new(&wasm, Runtime::Wasmtime, None)?;
    let mut random = Random(7);
    for round in 0..60_i64 {
        for first in (0..5_000).step_by(1_000) {
            let mut lines = String::new();
            for user in first..first + 1_000 {
                let day = [0, 86_400_000, -86_400_000][random.below(3) as usize];
                let time_ms = 1_700_000_000_000_i64 + round * 3_750 + day;
                lines += &format!(
                    "{{\"@timestamp\":{time_ms},\"message\":\"imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<u{user}>, method=PLAIN, rip=10.0.{}.{}, lip=192.0.2.1\"}}\n",
                    user / 250,
                    user % 250
                );
            }
            guest.input(lines.as_bytes())?;
            let mut done = 0;
            while done < lines.len() {
                done += guest.push(done, lines.len() - done, -1)?;
                guest.gather(lines.as_bytes(), &mut Vec::new())?;
            }
        }
    }
    let memory = guest.memory_bytes();
    assert!(memory <= MEMORY_MAX_BYTES, "{memory} bytes of memory");
    Ok(())
}
