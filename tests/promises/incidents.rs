//! Promises that one long stream shows better than many short ones.

use maxconn_core::config::{Config, Policy};
use maxconn_core::engine::{Engine, Kind, Output};
use serde_json::Value;

use crate::stream::Sighted;
use crate::{Run, ends, finish, push, push_all, run, small};

fn alerts(out: &Output) -> usize {
    let alerts = out.pieces(&[]).filter(|(kind, _)| *kind == Kind::Alert);
    alerts.count()
}

/// A server whose clock is behind: one flood, whatever the others' events say, and an end once it is over.
#[test]
fn a_flood_of_a_server_that_is_behind_is_one_flood() {
    let mut config = small(Policy::Suppress);
    config.allowed_lateness_ms = 300_000;
    for behind_s in [0, 299, 306, 400, 7_200] {
        let mut lines = Vec::new();
        let sighted = |time_s: i64, user| Sighted::after(time_s * 1_000, user, 0x33_6401);
        for time_s in 0..7_200 {
            if time_s % 120 == 0 {
                lines.push(sighted(time_s, "right").line());
            }
            if time_s < 3_600 {
                lines.push(sighted(time_s - behind_s, "behind").line());
            }
        }
        let (result, _) = run(&config, &lines, &[]);
        let ends = ends(&result);
        let alerts = result.alerts();
        let is_start = |alert: &&Value| alert["maxconn"]["flood"]["state"] == "start";
        let starts = alerts.iter().filter(is_start).count();
        assert_eq!((starts, ends.len()), (1, 1), "{behind_s} s behind");
        assert_eq!(ends[0]["count"], 3_600, "{behind_s} s behind");
        assert_eq!(ends[0]["end_reason"], "quiet", "{behind_s} s behind");
    }
}

/// A quiet live stream ends its floods by ticks; a backfill of old logs does not, however late the clock.
#[test]
fn ticks_end_what_is_quiet_and_nothing_else() {
    let mut engine = Engine::new(small(Policy::Suppress)).unwrap();
    let mut out = Output::default();
    for number in 0..20 {
        let event = Sighted::after(number - 100_000_000_000, "u", 1);
        push(&mut engine, &event.line(), &mut out);
    }
    out.clear();
    // The first tick only sets the clock, whatever it shows; then it takes `quiet` and the lateness.
    for tick_ms in [0, 10_000, 44_999] {
        engine.tick(1_800_000_000_000 + tick_ms, &mut out);
    }
    let told = (alerts(&out), engine.levels().floods);
    assert_eq!(told, (1, 1), "one update, no end");
    engine.tick(1_800_000_000_000 + 45_019, &mut out);
    assert_eq!((alerts(&out), engine.levels().floods), (2, 0));
}

/// Promises 5 and 7 together: millions of one-shot keys, and one flood among them that is told exactly.
#[test]
fn one_flood_among_a_million_one_shot_keys_is_exact() {
    let mut engine = Engine::new(Config::default()).unwrap();
    let mut out = Output::default();
    let (mut starts, mut total) = (0, 0);
    for number in 0..1_000_000_u32 {
        let (user, ip) = match number % 20 {
            0 => ("victim".to_string(), 1),
            _ => (format!("u{number}"), 2 + number),
        };
        let event = Sighted::after(number.into(), &user, ip);
        push(&mut engine, &event.line(), &mut out);
        starts += alerts(&out);
        out.clear();
    }
    let mut result = Run::default();
    engine.finish(None, &mut out);
    result.take(&[], &mut out);
    for flood in ends(&result) {
        assert!(flood["key"].as_str().unwrap().contains("victim"));
        total = flood["count"].as_u64().unwrap();
    }
    assert_eq!((total, result.alerts.len()), (50_000, 1));
    assert!(starts >= 1, "a start and updates");
    assert!(engine.levels().keys <= 11_000);
}

/// Whatever was kept under one redaction: under another no document shows a name in its old form.
#[test]
fn what_was_kept_tells_no_user_in_another_form() {
    let with_key = |key: Option<&str>| Config {
        redact_key: key.map(String::from),
        ..small(Policy::Suppress)
    };
    let lines = |from: i64| -> String {
        let line = |time_s| Sighted::after(time_s * 1_000, "alice", 1).line();
        (from..from + 20).map(line).collect()
    };
    let [one, two] = ["key-number-one-0000", "key-number-two-0000"].map(Some);
    let keys = [None, one, two];
    for (before, after) in [(0, 1), (1, 0), (1, 2), (1, 1), (0, 0)] {
        let (mut result, mut out) = (Run::default(), Output::default());
        let mut first = Engine::new(with_key(keys[before])).unwrap();
        push_all(&mut first, lines(0).as_bytes(), &mut out, &mut result);
        let shown = result.alerts()[0]["related"]["user"][0].clone();

        let mut next = Engine::new(with_key(keys[after])).unwrap();
        let mut results = [Run::default(), Run::default()];
        next.restore(&first.snapshot(), &mut out).unwrap();
        results[0].take(&[], &mut out);
        first.reconfigure(with_key(keys[after]), &mut out).unwrap();
        results[1].take(&[], &mut out);
        for (mut engine, mut result) in [next, first].into_iter().zip(results) {
            push_all(&mut engine, lines(20).as_bytes(), &mut out, &mut result);
            finish(&mut engine, &mut out, &mut result);
            let shown = shown.as_str().unwrap();
            let is_told = |alert: &Value| alert.to_string().contains(shown);
            assert_eq!(result.alerts().iter().any(is_told), before == after);
            let ends = ends(&result);
            let counts = ends.iter().filter_map(|end| end["count"].as_u64());
            assert_eq!(counts.sum::<u64>(), 40, "{before} to {after}");
        }
    }
}

/// One event would open two floods where there is room for one: the first rule's opens, and neither ends the other at
/// every event. What is held back is accounted for.
#[test]
fn two_floods_of_one_event_do_not_push_each_other_out() {
    let mut config = small(Policy::Suppress);
    config.max_floods = 1;
    let mut other = config.rules[0].clone();
    other.name = "other".to_string();
    other.threshold = 4;
    config.rules.push(other);
    let line = |number| Sighted::after(number, "u", 1).line();
    let lines: Vec<String> = (0..20).map(line).collect();
    let (result, engine) = run(&config, &lines, &[]);
    let ends = ends(&result);
    assert_eq!(
        (ends.len(), &ends[0]["end_reason"]),
        (1, &"end_of_input".into())
    );
    assert_eq!(ends[0]["suppressed"], engine.counters().suppressed);
    assert_eq!(engine.counters().suppressed, 17);
    assert_eq!(engine.counters().floods_refused, 16);
}
