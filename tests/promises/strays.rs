//! The promise of one stray record, and what wrong clocks do: contract §4.1 and §4.3.

use maxconn_core::config::{Config, Policy};
use maxconn_core::engine::{Engine, Output, Verdict};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;

use crate::model::{Model, Told, told};
use crate::stream::{BEGIN_MS, Sighted, Stream, counted, stream};
use crate::{any_policy, cases, documents, keyed_alerts, push, run, small};

/// A record of any time: near the stream's, or far from it on either side.
fn any_time() -> impl Strategy<Value = i64> {
    let from_begin_ms = prop_oneof![
        4 => -100_000_i64..2_000_000,
        1 => Just(86_400_000_i64),
        1 => Just(-86_400_000_i64),
        1 => -100_000_000_000_i64..100_000_000_000,
    ];
    from_begin_ms.prop_map(|offset_ms| BEGIN_MS + offset_ms)
}

fn any_stray() -> impl Strategy<Value = (prop::sample::Index, Sighted)> {
    (any::<prop::sample::Index>(), any_time(), 0_u32..4, 0_u32..2).prop_map(
        |(at, time_ms, user, ip)| {
            let user = format!("user{user}");
            (
                at,
                Sighted::after(time_ms - BEGIN_MS, &user, 0x33_6401 + ip),
            )
        },
    )
}

/// A stream in order within the lateness.
fn in_order(max_len: usize) -> impl Strategy<Value = Stream> {
    (stream(max_len, 3), prop::collection::vec(0..max_len, 0..40))
        .prop_map(|(stream, swaps)| stream.reordered(&swaps, Config::default().allowed_lateness_ms))
}

/// Runs of a few keys, each by the clock of one of many that disagree.
fn torn() -> impl Strategy<Value = Stream> {
    let clock_ms = prop_oneof![
        4 => Just(0_i64),
        4 => prop::sample::select(vec![20_000_i64, 45_000, 90_000, 3_600_000, 86_400_000]),
        4 => prop::sample::select(vec![-20_000_i64, -45_000, -90_000, -3_600_000, -86_400_000]),
    ];
    let step_ms = prop_oneof![4 => 0_i64..1_500, 1 => Just(0_i64), 1 => 5_000_i64..30_000];
    let pause_ms = prop_oneof![4 => Just(0_i64), 1 => 10_000_i64..100_000];
    let run = (
        clock_ms,
        pause_ms,
        prop::collection::vec(step_ms, 1..14),
        0_u32..6,
    );
    prop::collection::vec(run, 1..16).prop_map(|runs| {
        let (mut after_ms, mut events) = (0, Vec::new());
        for (clock_ms, pause_ms, steps_ms, user) in runs {
            after_ms += pause_ms;
            // Most runs are of one key.
            let user = format!("user{}", user.saturating_sub(4));
            for step_ms in steps_ms {
                after_ms += step_ms;
                let event = Sighted::after(after_ms + clock_ms, &user, 0x33_6401);
                events.push(Some(event));
            }
        }
        Stream(events)
    })
}

/// The alerts about everybody but one key.
fn others(alerts: &[Value], key: &str) -> Vec<Value> {
    let mut others: Vec<Value> = alerts.to_vec();
    others.retain(|alert| alert["maxconn"]["flood"]["key"] != key);
    // In each key's order.
    others.sort_by_key(|alert| alert["maxconn"]["flood"]["key"].to_string());
    others
}

/// The events of a stream, newest last.
fn events(stream: &Stream) -> Vec<Sighted> {
    stream.0.iter().flatten().cloned().collect()
}

/// Each flood without the stray has a flood with it that opens with it, at most one event later, and counts the rest.
fn keeps_its_floods(
    config: &Config,
    key: &str,
    own: &[i64],
    without: &[Told],
    with: &[Told],
) -> Result<(), TestCaseError> {
    let threshold = u64::from(config.rules[0].threshold);
    for flood in without.iter().filter(|flood| flood.key == key) {
        // The first event after the crossing one; where several have its time, any of them.
        let later = own
            .iter()
            .copied()
            .filter(|time| *time > flood.opened_ms)
            .min();
        let latest_ms = later.unwrap_or(i64::MAX);
        let told = with.iter().find(|told| {
            told.key == key && told.opened_ms <= latest_ms && told.end_ms >= flood.opened_ms
        });
        match told {
            Some(told) => prop_assert!(
                told.count + 1 >= flood.count,
                "{told:?} lacks events of {flood:?}"
            ),
            None => prop_assert!(
                flood.count <= threshold,
                "{flood:?} is not told, but {with:?}"
            ),
        }
    }
    let (before, after) = (without.len(), with.len());
    prop_assert!(
        after <= before + 1,
        "{after} floods in the place of {before}"
    );
    Ok(())
}

proptest! {
    #![proptest_config(cases(1_000))]

    /// Promise 8, one stray record: others' alerts are the same, byte for byte, and its own key's floods are told.
    #[test]
    fn one_stray_record_hides_nothing(
        stream in in_order(200),
        (at, stray) in any_stray(),
        policy in any_policy(),
    ) {
        let config = small(policy);
        let stream = stream.closed();
        let mut strayed = stream.clone();
        // Not behind the events that close the stream: what they end depends on nobody's clock.
        strayed.0.insert(at.index(stream.0.len() - 3), Some(stray.clone()));
        let without = run(&config, &stream.lines(), &[]).0.alerts();
        let with = run(&config, &strayed.lines(), &[]).0.alerts();
        let key = stray.key();
        prop_assert_eq!(others(&without, &key), others(&with, &key));
        let own = stream.times(&stray.user, stray.ip);
        keeps_its_floods(&config, &key, &own, &told(&without), &told(&with))?;
    }

    /// Whatever the times: what is told is what the text says, natively and by the keyed calls.
    #[test]
    fn what_is_told_is_what_the_text_says(
        stream in counted(in_order(200)),
        strays in prop::collection::vec((any_stray(), 1_u32..8), 0..4),
        shift in prop::option::of((any::<prop::sample::Index>(), any_time())),
        policy in any_policy(),
    ) {
        let config = small(policy);
        let mut strayed = stream.clone();
        for ((at, stray), count) in &strays {
            let stray = Sighted { count: *count, ..stray.clone() };
            strayed.0.insert(at.index(strayed.0.len() + 1), Some(stray));
        }
        if let Some((at, time_ms)) = shift {
            let from = at.index(strayed.0.len() + 1);
            strayed.shift(from..strayed.0.len(), time_ms - BEGIN_MS);
        }
        let alerts = run(&config, &strayed.terse_lines(), &[]).0.alerts();
        prop_assert_eq!(Model::run(&config, &events(&strayed)), told(&alerts));
    }

    /// The same of clocks that disagree all the time.
    #[test]
    fn what_is_told_of_torn_time_is_what_the_text_says(stream in counted(torn()), policy in any_policy()) {
        let config = small(policy);
        let alerts = run(&config, &stream.terse_lines(), &[]).0.alerts();
        prop_assert_eq!(Model::run(&config, &events(&stream)), told(&alerts));
    }

    /// Keyed engines tell the same of a stream with one stray as the table does, but for a flood that a late stray opens of
    /// refusals which they have forgotten.
    #[test]
    fn keyed_engines_are_not_led_astray(
        stream in counted(in_order(120)),
        (at, stray) in any_stray(),
    ) {
        let config = small(Policy::Suppress);
        let mut strayed = stream.closed();
        strayed.0.insert(at.index(strayed.0.len() - 3), Some(stray.clone()));
        let keyed = told(&documents(&keyed_alerts(&config, &strayed.lines())));
        let mut model = Model::run(&config, &events(&strayed));
        model.retain(|flood| {
            let holds_stray = (flood.start_ms..=flood.end_ms).contains(&stray.time_ms);
            keyed.contains(flood) || !(flood.key == stray.key() && holds_stray)
        });
        prop_assert_eq!(model, keyed);
    }

    /// Any part shifted by a constant, by a clock that was set or by summer time: every run of twice the threshold has
    /// some in a flood.
    #[test]
    fn a_shift_hides_no_flood(
        stream in in_order(200),
        (from, to) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        shift_ms in prop_oneof![
            Just(3_600_000_i64), Just(-3_600_000_i64), Just(86_400_000_i64),
            -200_000_i64..200_000, -100_000_000_000_i64..100_000_000_000,
        ],
    ) {
        let config = small(Policy::Suppress);
        let (from, to) = (from.index(stream.0.len() + 1), to.index(stream.0.len() + 1));
        let mut shifted = stream.clone();
        shifted.shift(from.min(to)..from.max(to), shift_ms);
        let mut engine = Engine::new(config.clone()).unwrap();
        let mut out = Output::default();
        let is_held: Vec<bool> = shifted.lines().iter().map(|line| {
            push(&mut engine, line, &mut out) == Verdict::Suppressed
        }).collect();
        let run_len = 2 * config.rules[0].threshold as usize;
        for key in stream.keys() {
            let own: Vec<usize> = (0..stream.0.len())
                .filter(|&at| stream.0[at].as_ref().is_some_and(|event| event.key() == key))
                .collect();
            for window in own.windows(run_len) {
                let times = window.iter().map(|&at| stream.0[at].as_ref().unwrap().time_ms);
                let (first, last) = (times.clone().min().unwrap(), times.max().unwrap());
                if last - first < config.rules[0].within_ms {
                    prop_assert!(window.iter().any(|&at| is_held[at]), "{:?}", window);
                }
            }
        }
    }
}
