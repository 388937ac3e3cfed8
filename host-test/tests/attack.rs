//! An attack on the table: a million keys of one event each, and one real flood among them.

use host_test::case::stamp;
use host_test::embed::EmbedGuest;
use host_test::run::{ALERT, Piece};
use host_test::wasm::Runtime;
use host_test::{Error, guest};
use serde_json::Value;
use test_support::refusal;

/// 2026-01-11T12:00:00Z.
const START_MS: i64 = 1_768_132_800_000;
const KEYS: u32 = 1_000_000;
/// Of so many lines one is the flood's.
const FLOOD_EVERY: u32 = 1_000;
const BATCH: u32 = 5_000;
/// What BENCHMARKS.md says of memory under attack.
const MEMORY_MAX_BYTES: usize = 4 << 20;

/// Line `n`: a millisecond after the one before.
fn line(n: u32) -> String {
    let time = stamp(START_MS + i64::from(n));
    if n.is_multiple_of(FLOOD_EVERY) {
        return refusal::line(&time, "victim", "192.0.2.1");
    }
    let [_, a, b, c] = n.to_be_bytes();
    let user = format!("u{n:x}\\\"{{}},rip=1.2.3.4");
    refusal::line(&time, &user, &format!("10.{a}.{b}.{c}"))
}

#[test]
fn one_flood_among_a_million_keys_is_found_and_counted_in_bounded_memory() -> Result<(), Error> {
    let mut guest = EmbedGuest::new(&guest("embed")?, Runtime::Wasmtime, Some("{}"))?;
    let mut pieces = Vec::new();
    for first in (0..KEYS).step_by(BATCH as usize) {
        let lines: String = (first..first + BATCH).map(line).collect();
        guest.push_all(lines.as_bytes(), None, &mut pieces)?;
        pieces.retain(|piece: &Piece| piece.kind == ALERT);
    }
    guest.finish_all(&mut pieces)?;
    let (mut starts, mut total) = (0, 0);
    for piece in pieces.iter().filter(|piece| piece.kind == ALERT) {
        let alert: Value = serde_json::from_str(&piece.text)?;
        assert_eq!(alert["source"]["ip"], "192.0.2.1", "{alert}");
        match alert["event"]["action"].as_str() {
            Some("connection-limit-flood-start") => starts += 1,
            Some("connection-limit-flood-end") => {
                total += alert["maxconn"]["flood"]["count"].as_u64().unwrap_or(0);
            }
            _ => {}
        }
    }
    assert_eq!((starts, total), (1, u64::from(KEYS / FLOOD_EVERY)));
    let memory = guest.memory_bytes();
    assert!(memory <= MEMORY_MAX_BYTES, "{memory} bytes of memory");
    Ok(())
}
