//! An attack on the table: a million keys of one event each, and one real flood among them.

use std::fs;

use guest_build::Features;
use host_test::Error;
use host_test::embed::Guest;
use host_test::run::Piece;
use host_test::wasm::Runtime;
use maxconn_core::time::write_rfc3339_ms;
use serde_json::Value;

/// 2026-01-11T12:00:00Z.
const START_MS: i64 = 1_768_132_800_000;
const KEYS: u32 = 1_000_000;
/// Of so many lines one is the flood's.
const FLOOD_EVERY: u32 = 1_000;
const BATCH: u32 = 5_000;
/// What BENCHMARKS.md says of memory under attack.
const MEMORY_MAX_BYTES: usize = 4 << 20;
const ALERT: u32 = 3;

/// Line `n`: a millisecond after the one before.
fn line(n: u32, text: &mut String) {
    let mut stamp = Vec::new();
    write_rfc3339_ms(START_MS + i64::from(n), &mut stamp);
    *text += &String::from_utf8_lossy(&stamp);
    let (user, address) = if n.is_multiple_of(FLOOD_EVERY) {
        ("victim".to_string(), "192.0.2.1".to_string())
    } else {
        let [_, a, b, c] = n.to_be_bytes();
        (
            format!("u{n:x}\\\"{{}},rip=1.2.3.4"),
            format!("10.{a}.{b}.{c}"),
        )
    };
    *text += &format!(
        " mail dovecot: imap-login: Info: Maximum number of connections from user+IP exceeded \
         (mail_max_userip_connections=10): user=<{user}>, method=PLAIN, rip={address}, lip=192.0.2.2\n"
    );
}

#[test]
fn one_flood_among_a_million_keys_is_found_and_counted_in_bounded_memory() -> Result<(), Error> {
    let wasm = fs::read(guest_build::try_build("embed", Features::default())?)?;
    let mut guest = Guest::new(&wasm, Runtime::Wasmtime, Some("{}"))?;
    let mut pieces = Vec::new();
    for first in (0..KEYS).step_by(BATCH as usize) {
        let mut lines = String::new();
        (first..first + BATCH).for_each(|n| line(n, &mut lines));
        guest.input(lines.as_bytes())?;
        let mut done = 0;
        while done < lines.len() {
            let consumed = guest.push(done, lines.len() - done, -1)?;
            guest.gather(
                lines.as_bytes().get(done..).unwrap_or_default(),
                &mut pieces,
            )?;
            done += consumed;
        }
        pieces.retain(|piece: &Piece| piece.kind == ALERT);
    }
    while guest.finish()? {
        guest.gather(&[], &mut pieces)?;
    }
    guest.gather(&[], &mut pieces)?;
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
