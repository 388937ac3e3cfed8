//! States of earlier versions: the format before is read, any other is refused by name (docs/contract.md §5.6).

use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Kind, Output, RestoreError, Source};
use serde_json::Value;
use test_support::refusal;

const SNAPSHOT: &[u8] = include_bytes!("../testdata/state/format-8.snapshot");
/// `testdata/state/config.toml` as guests get it.
const CONFIG: &str = r#"{"rule":[{"name":"userip","threshold":3},
    {"name":"one-user-many-ips","distinct":{"field":"ip","at_least":2},"threshold":3}]}"#;

fn engine() -> Engine {
    Engine::new(Config::parse(CONFIG.as_bytes(), Config::default()).unwrap()).unwrap()
}

/// A refusal so many seconds after 2026-01-01T12:00:00Z.
fn line(second: u32, user: &str, ip: &str) -> String {
    refusal::line(&format!("2026-01-01T12:00:{second:02}.000Z"), user, ip)
}

#[test]
fn the_format_before_goes_on_as_if_nothing_had_happened() {
    let mut engine = engine();
    let mut out = Output::default();
    engine.restore(SNAPSHOT, &mut out).unwrap();
    assert!(out.segments.is_empty());
    assert_eq!(engine.counters().records, 10);
    let lines = line(35, "alice", "203.0.113.7")
        + &line(36, "bob", "203.0.113.7")
        + &line(37, "carol", "203.0.113.9");
    engine.push_lines(&Source::default(), lines.as_bytes(), None, &mut out);
    engine.finish(None, &mut out);
    let alerts = out.pieces(&[]).filter(|(kind, _)| *kind == Kind::Alert);
    let told = alerts.map(|(_, alert)| {
        let alert: Value = serde_json::from_slice(alert).unwrap();
        let flood = &alert["maxconn"]["flood"];
        let [state, key] = ["state", "key"].map(|name| flood[name].as_str().unwrap());
        (format!("{state} {key}"), flood["count"].as_u64().unwrap())
    });
    let told: Vec<(String, u64)> = told.collect();
    let alice = "imap-login|alice|203.0.113.7";
    let bob = "imap-login|bob|203.0.113.7";
    // Windows, values seen and the open flood have all come along.
    assert_eq!(
        told,
        [
            (format!("start {bob}"), 3),
            ("start carol".to_string(), 3),
            (format!("end {alice}"), 6),
            (format!("end {bob}"), 3),
            ("end carol".to_string(), 3),
        ]
    );
}

#[test]
fn what_was_read_is_written_in_the_format_of_today() {
    let (mut first, mut second) = (engine(), engine());
    let mut out = Output::default();
    first.restore(SNAPSHOT, &mut out).unwrap();
    let today = first.snapshot();
    assert_eq!(today.get(4..8), Some(&9_u32.to_le_bytes()[..]));
    second.restore(&today, &mut out).unwrap();
    assert_eq!(today, second.snapshot());
}

#[test]
fn older_and_newer_formats_are_refused_by_name() {
    for format in [0_u32, 7, 10, u32::MAX] {
        let mut snapshot = SNAPSHOT.to_vec();
        snapshot[4..8].copy_from_slice(&format.to_le_bytes());
        let refused = engine().restore(&snapshot, &mut Output::default());
        assert_eq!(refused, Err(RestoreError::Format(format)));
        let sentence = refused.unwrap_err().to_string();
        let named = format!("the snapshot has state format {format}, this version reads 8 and 9; ");
        assert!(sentence.starts_with(&named), "{sentence}");
    }
}
