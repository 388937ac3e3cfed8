//! The promises of the contract, each a property named after it.
//!
//! Streams of events are generated, run through the engine and held against [`reference`], a detector
//! that is slow and obviously right, and [`model`], which does by hand what the text says of time. Time is part of the input, so nothing here waits.

mod again;
mod incidents;
mod increases;
mod model;
mod reference;
mod strays;
mod stream;

use std::collections::BTreeMap;

use maxconn_core::config::{Config, Policy};
use maxconn_core::engine::{Engine, KeyedInput, Kind, Output, Source, Verdict};
use proptest::prelude::*;
use serde_json::Value;
use stream::{BEGIN_MS, Sighted, Stream, counted, json_source, stream};

/// A configuration with one rule and small numbers, so that short streams cross every edge.
fn small(policy: Policy) -> Config {
    let mut config = Config::default();
    config.rules.truncate(1);
    let rule = &mut config.rules[0];
    rule.threshold = 5;
    rule.within_ms = 16_000;
    rule.quiet_ms = 40_000;
    rule.update_every_ms = 10_000;
    rule.update_max_ms = 60_000;
    rule.policy = policy;
    rule.sample_every = 3;
    config
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(Policy::Suppress),
        Just(Policy::Pass),
        Just(Policy::Sample)
    ]
}

/// So many cases, or as many as PROPTEST_CASES says.
fn cases(number: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|text| text.parse().ok()).unwrap_or(number),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Everything that one run says: records that go on, and alerts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    passed: Vec<Vec<u8>>,
    alerts: Vec<Vec<u8>>,
    /// All of it, in order.
    bytes: Vec<u8>,
}

impl Run {
    fn take(&mut self, input: &[u8], out: &mut Output) {
        for (kind, piece) in out.pieces(input) {
            self.bytes.extend_from_slice(piece);
            match kind {
                Kind::Alert => self.alerts.push(piece.to_vec()),
                Kind::Passed => {
                    let lines = piece.split_inclusive(|&byte| byte == b'\n');
                    self.passed.extend(lines.map(<[u8]>::to_vec));
                }
                _ => self.passed.push(piece.to_vec()),
            }
        }
        out.clear();
    }

    fn alerts(&self) -> Vec<Value> {
        documents(&self.alerts)
    }
}

fn documents(alerts: &[Vec<u8>]) -> Vec<Value> {
    let alert = |alert: &Vec<u8>| serde_json::from_slice(alert).unwrap();
    alerts.iter().map(alert).collect()
}

/// Runs a whole stream in batches that end where `cuts` says (in lines).
fn run(config: &Config, lines: &[String], cuts: &[usize]) -> (Run, Engine) {
    let mut engine = Engine::new(config.clone()).unwrap();
    let mut result = Run::default();
    let mut out = Output::default();
    let mut from = 0;
    for to in cuts.iter().copied().chain([lines.len()]) {
        let to = to.clamp(from, lines.len());
        let batch = lines[from..to].concat();
        push_all(&mut engine, batch.as_bytes(), &mut out, &mut result);
        from = to;
    }
    finish(&mut engine, &mut out, &mut result);
    (result, engine)
}

fn finish(engine: &mut Engine, out: &mut Output, result: &mut Run) {
    while !engine.finish(None, out) {
        result.take(&[], out);
    }
    result.take(&[], out);
}

/// One record, as a host has it that has no batches.
fn push(engine: &mut Engine, line: &str, out: &mut Output) -> Verdict {
    engine.push(&json_source(), line.trim_end().as_bytes(), None, None, out)
}

fn push_all(engine: &mut Engine, batch: &[u8], out: &mut Output, result: &mut Run) {
    let mut at = 0;
    while at < batch.len() {
        let rest = &batch[at..];
        at += engine.push_lines(&json_source(), rest, Some(at as u64), out);
        result.take(rest, out);
    }
}

proptest! {
    #![proptest_config(cases(192))]

    /// Promise 1: records in = passed + suppressed + rejected; per flood count = passed + suppressed. What
    /// passes without an event passes byte for byte.
    #[test]
    fn nothing_is_lost_silently(stream in stream(200, 3), policy in any_policy()) {
        let lines = stream.lines();
        let (result, engine) = run(&small(policy), &lines, &[]);
        let counted = engine.counters();
        prop_assert_eq!(counted.records, lines.len() as u64);
        prop_assert_eq!(counted.records, counted.passed + counted.suppressed + counted.rejected);
        prop_assert_eq!(counted.passed, result.passed.len() as u64);
        for alert in result.alerts() {
            let flood = &alert["maxconn"]["flood"];
            let sum = flood["passed"].as_u64().unwrap() + flood["suppressed"].as_u64().unwrap();
            prop_assert_eq!(flood["count"].as_u64().unwrap(), sum);
        }
        for (line, sighted) in lines.iter().zip(&stream.0) {
            if sighted.is_none() {
                prop_assert!(result.passed.contains(&line.clone().into_bytes()));
            }
        }
        let ended: u64 = ends(&result).iter().map(|flood| flood["suppressed"].as_u64().unwrap()).sum();
        prop_assert_eq!(ended, counted.suppressed, "every event held back is in an end");
    }

    /// Promise 2: a flood opens at the latest at the event that makes `threshold` events in (t − within, t],
    /// and never when no span of within·17/16 holds as many.
    /// Promise 3: the `end` counts every event from the first of the opening window on.
    #[test]
    fn opening_is_bounded_and_totals_are_exact(stream in counted(stream(300, 3)), policy in any_policy()) {
        let config = small(policy);
        // Closed, for a flood after which one record came is over only on the word of others.
        let stream = stream.closed();
        let (result, _) = run(&config, &stream.terse_lines(), &[]);
        reference::check(&config.rules[0], &stream, &result.alerts())?;
    }

    /// A record that says that a message repeated stands for as many refusals, in every window and total: what is told is
    /// what is told of them one by one. Conservation stays per record, and a flood's sums count refusals.
    #[test]
    fn a_record_stands_for_as_many_refusals_as_it_says(stream in counted(stream(200, 3)), policy in any_policy()) {
        let config = small(policy);
        let (result, engine) = run(&config, &stream.terse_lines(), &[]);
        let expanded = run(&config, &stream.expanded().lines(), &[]).0;
        prop_assert_eq!(model::told(&result.alerts()), model::told(&expanded.alerts()));
        let counted = engine.counters();
        prop_assert_eq!(counted.records, stream.0.len() as u64);
        prop_assert_eq!(counted.records, counted.passed + counted.suppressed);
        let refusals: u64 = stream.0.iter().flatten().map(|sighted| u64::from(sighted.count)).sum();
        prop_assert_eq!(counted.events.iter().map(|(_, count)| count).sum::<u64>(), refusals);
        for flood in ends(&result) {
            let sum = flood["passed"].as_u64().unwrap() + flood["suppressed"].as_u64().unwrap();
            prop_assert_eq!(flood["count"].as_u64().unwrap(), sum);
        }
    }

    /// Promises 2 and 3 hold for everybody else, too, when one event comes from the future: a clock that was wrong
    /// once, a log that is read in its order though the clock was set back.
    #[test]
    fn an_event_from_the_future_harms_no_flood(
        stream in stream(300, 3),
        policy in any_policy(),
        ahead_ms in 0_i64..100_000_000_000,
    ) {
        let config = small(policy);
        let future = Sighted::after(ahead_ms, "future", 0x33_6401);
        let mut lines = stream.lines();
        lines.insert(0, future.line());
        let (result, _) = run(&config, &lines, &[]);
        reference::check(&config.rules[0], &stream, &result.alerts())?;
    }

    /// Promise 4: the same records give the same bytes whatever the batches.
    #[test]
    fn determinism_over_batches(
        stream in counted(stream(150, 3)),
        policy in any_policy(),
        mut cuts in prop::collection::vec(0_usize..150, 0..12),
    ) {
        cuts.sort_unstable();
        let config = small(policy);
        let lines = stream.terse_lines();
        let whole = run(&config, &lines, &[]).0;
        // The offset of a line in its file is part of its id: only alerts are compared byte for byte.
        let pieces = run(&config, &lines, &cuts).0;
        prop_assert_eq!(&whole.alerts, &pieces.alerts);
        prop_assert_eq!(whole.passed.len(), pieces.passed.len());
    }

    /// Promise 4: record by record says the same as in batches, also where lines repeat themselves.
    #[test]
    fn determinism_over_calls(
        stream in counted(stream(150, 3)),
        policy in any_policy(),
        times in prop::collection::vec(1_usize..9, 150),
        second_threshold in 1_u32..12,
    ) {
        let mut config = small(policy);
        let mut second = config.rules[0].clone();
        second.name = "second".into();
        second.key.truncate(2);
        second.threshold = second_threshold;
        second.policy = Policy::Pass;
        config.rules.push(second);
        let stream = stream.repeated(&times);
        let whole = run(&config, &stream.terse_lines(), &[]).0;
        let mut engine = Engine::new(config).unwrap();
        let (mut single, mut out) = (Run::default(), Output::default());
        for line in stream.terse_lines() {
            let verdict = push(&mut engine, &line, &mut out);
            single.take(&[], &mut out);
            if verdict == Verdict::Passed {
                single.passed.push(line.into_bytes());
            }
        }
        engine.finish(None, &mut out);
        single.take(&[], &mut out);
        prop_assert_eq!(whole.alerts, single.alerts);
        prop_assert_eq!(whole.passed.len(), single.passed.len());
    }

    /// Promise 4: keyed engines and the table agree to the byte when nothing is late.
    #[test]
    fn keyed_engines_and_the_table_agree(stream in counted(stream(200, 3)), policy in any_policy()) {
        let config = small(policy);
        let table = run(&config, &stream.lines(), &[]).0.alerts;
        prop_assert_eq!(sorted(table), sorted(keyed_alerts(&config, &stream.lines())));
    }

    /// Promise 4: ticks by a clock that runs like the events' only make alerts come earlier.
    #[test]
    fn ticks_of_an_honest_clock_change_nothing(
        stream in stream(200, 3),
        every_ms in 500_i64..30_000,
        ahead_ms in 0_i64..1_000_000,
    ) {
        let config = small(Policy::Suppress);
        let stream = stream.closed();
        let whole = run(&config, &stream.lines(), &[]).0;
        let mut engine = Engine::new(config).unwrap();
        let (mut ticked, mut out) = (Run::default(), Output::default());
        let mut tick_ms = BEGIN_MS;
        for (line, sighted) in stream.lines().iter().zip(&stream.0) {
            while sighted.as_ref().is_some_and(|sighted| tick_ms < sighted.time_ms) {
                engine.tick(tick_ms + ahead_ms, &mut out);
                tick_ms += every_ms;
            }
            push_all(&mut engine, line.as_bytes(), &mut out, &mut ticked);
        }
        engine.finish(None, &mut out);
        ticked.take(&[], &mut out);
        prop_assert_eq!(sorted(whole.alerts), sorted(ticked.alerts));
    }

    /// Promise 4: within the lateness, order does not matter for what is counted.
    #[test]
    fn reordering_within_the_lateness_loses_and_doubles_nothing(
        stream in stream(200, 3),
        swaps in prop::collection::vec(0_usize..200, 0..60),
    ) {
        let config = small(Policy::Suppress);
        let shuffled = stream.reordered(&swaps, config.allowed_lateness_ms);
        let (result, engine) = run(&config, &shuffled.lines(), &[]);
        let counted = engine.counters();
        prop_assert_eq!(counted.late, 0);
        prop_assert_eq!(counted.records, counted.passed + counted.suppressed);
        let ended: u64 = ends(&result).iter().map(|flood| flood["suppressed"].as_u64().unwrap()).sum();
        prop_assert_eq!(ended, counted.suppressed);
    }

    /// Promise 5: keys, floods and waiting alerts stay within their limits, starts and ends are never dropped,
    /// and what is counted stays whole.
    #[test]
    fn memory_is_bounded(stream in stream(400, 40), max_floods in 1_usize..4, max_keys in 4_usize..9) {
        let mut config = small(Policy::Suppress);
        config.max_keys = max_keys;
        config.max_floods = max_floods;
        let mut engine = Engine::new(config).unwrap();
        engine.queue_alerts();
        let mut out = Output::default();
        let mut alerts = Vec::new();
        for (number, line) in stream.lines().iter().enumerate() {
            push(&mut engine, line, &mut out);
            out.clear();
            let levels = engine.levels();
            prop_assert!(levels.floods <= max_floods as u64);
            prop_assert!(levels.keys <= (max_keys + max_floods) as u64);
            prop_assert!(levels.waiting <= 2 * max_floods as u64);
            if number % 7 == 0 {
                alerts.extend(engine.take_queued().map(|(_, alert)| alert));
            }
        }
        engine.finish(None, &mut out);
        alerts.extend(std::iter::from_fn(|| engine.take_queued()).map(|(_, alert)| alert));
        let alerts = documents(&alerts);
        let of_state = |state: &str| alerts.iter().filter(|alert| alert["maxconn"]["flood"]["state"] == state).count() as u64;
        let counted = &engine.counters().alerts;
        prop_assert_eq!((of_state("start"), of_state("end")), (counted.start, counted.end));
        prop_assert_eq!(counted.start, counted.end);
        prop_assert_eq!(of_state("ongoing") + counted.dropped, counted.ongoing);
    }

    /// Promise 6: restore after snapshot goes on as if nothing had happened.
    #[test]
    fn restart_changes_nothing(stream in counted(stream(200, 6)), at in 0_usize..200, policy in any_policy()) {
        let mut config = small(policy);
        config.max_keys = 4;
        let lines = stream.terse_lines();
        let whole = run(&config, &lines, &[at]).0;
        let (mut result, mut out) = (Run::default(), Output::default());
        let mut first = Engine::new(config.clone()).unwrap();
        let at = at.min(lines.len());
        push_all(&mut first, lines[..at].concat().as_bytes(), &mut out, &mut result);
        let mut second = Engine::new(config).unwrap();
        second.restore(&first.snapshot(), &mut out).unwrap();
        prop_assert_eq!(first.snapshot(), second.snapshot());
        push_all(&mut second, lines[at..].concat().as_bytes(), &mut out, &mut result);
        second.finish(None, &mut out);
        result.take(&[], &mut out);
        prop_assert_eq!(whole, result);
    }

    /// Promise 6: damage is refused by name and changes nothing.
    #[test]
    fn a_damaged_snapshot_is_refused(stream in stream(60, 3), at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let config = small(Policy::Suppress);
        let lines = stream.lines();
        let (mut engine, mut out) = (Engine::new(config.clone()).unwrap(), Output::default());
        push_all(&mut engine, lines.concat().as_bytes(), &mut out, &mut Run::default());
        let mut snapshot = engine.snapshot();
        let at = at.index(snapshot.len());
        snapshot[at] ^= 1 << bit;
        let before = engine.snapshot();
        prop_assert!(engine.restore(&snapshot, &mut out).is_err());
        prop_assert!(engine.restore(&snapshot[..at], &mut out).is_err());
        prop_assert_eq!(before, engine.snapshot());
    }

    /// Promise 7: any bytes at all are taken, conserved, and leave valid JSON.
    #[test]
    fn hostile_input_does_no_harm(
        pieces in prop::collection::vec(stream::hostile_piece(), 0..40),
        times in prop::collection::vec(any::<i64>(), 40),
    ) {
        let mut engine = Engine::new(small(Policy::Suppress)).unwrap();
        let (mut out, source) = (Output::default(), Source::default());
        for (piece, time_ms) in pieces.iter().zip(&times) {
            engine.push(&source, piece, Some(*time_ms), None, &mut out);
            engine.tick(*time_ms, &mut out);
            engine.push_lines(&source, piece, Some(u64::MAX / 2), &mut out);
            for (_, piece) in out.pieces(&[]).filter(|(kind, _)| *kind != Kind::Passed) {
                prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(piece).is_ok(), "{}", String::from_utf8_lossy(piece));
            }
            out.clear();
            let _ = engine.classify(&source, piece, Some(*time_ms));
            let _ = engine.step(0, piece, KeyedInput::Event(piece));
            let _ = engine.restore(piece, &mut out);
        }
        let counted = engine.counters();
        prop_assert_eq!(counted.records, counted.passed + counted.suppressed + counted.rejected);
    }
}

/// The `maxconn.flood` objects of all ends.
fn ends(result: &Run) -> Vec<Value> {
    let alerts = result.alerts().into_iter();
    let mut floods: Vec<Value> = alerts.map(|mut it| it["maxconn"]["flood"].take()).collect();
    floods.retain(|flood| flood["state"] == "end");
    floods
}

/// Alerts in another order are the same alerts. As text, so that people can read what differs.
fn sorted(alerts: Vec<Vec<u8>>) -> Vec<String> {
    let text = |alert: Vec<u8>| String::from_utf8(alert).unwrap();
    let mut texts: Vec<String> = alerts.into_iter().map(text).collect();
    texts.sort();
    texts
}

/// A keyed engine in miniature: a map of states, timers that fire by event time on the word of two records.
fn keyed_alerts(config: &Config, lines: &[String]) -> Vec<Vec<u8>> {
    let engine = Engine::new(config.clone()).unwrap();
    let mut states: BTreeMap<(u8, String), (Vec<u8>, Option<i64>)> = BTreeMap::new();
    let mut alerts = Vec::new();
    let lateness_ms = config.allowed_lateness_ms;
    let (mut newest_ms, mut confirmed_ms) = (i64::MIN, i64::MIN);
    for line in lines {
        let Some(event) = engine.classify(&json_source(), line.trim_end().as_bytes(), None) else {
            continue;
        };
        let time_ms = event.time_ms;
        if time_ms > newest_ms {
            (confirmed_ms, newest_ms) = (newest_ms, time_ms);
        } else if time_ms < newest_ms {
            confirmed_ms = confirmed_ms.max(time_ms);
        }
        let watermark_ms = confirmed_ms.saturating_sub(lateness_ms);
        let mut step = |rule, key: &mut (Vec<u8>, Option<i64>), input| {
            let step = engine.step(rule, &key.0, input).unwrap();
            alerts.push(step.alerts);
            *key = (step.state, step.timer_ms);
        };
        for ((rule, _), key) in &mut states {
            while let Some(due_ms) = key.1.filter(|due_ms| *due_ms <= watermark_ms) {
                step(*rule, key, KeyedInput::Timer(due_ms));
            }
        }
        for key in event.keys {
            let input = KeyedInput::Event(&event.event);
            step(key.0, states.entry(key.clone()).or_default(), input);
        }
    }
    let is_ahead = newest_ms.saturating_sub(confirmed_ms) > lateness_ms && confirmed_ms > i64::MIN;
    let end_ms = if is_ahead { confirmed_ms } else { newest_ms };
    for (key, (state, _)) in &states {
        let step = engine.step(key.0, state, KeyedInput::End(end_ms)).unwrap();
        alerts.push(step.alerts);
    }
    let alerts = alerts.concat();
    let alerts = alerts.split_inclusive(|&byte| byte == b'\n');
    alerts.map(<[u8]>::to_vec).collect()
}
