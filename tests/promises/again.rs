//! One record after the other that differs in no more than its time and its session is counted without being read. What comes
//! of it must be what comes of records that are read, each by an engine that was just restored and remembers no line.

use maxconn_core::config::{Config, Distinct, KeyField};
use maxconn_core::engine::{Engine, Format, Kind, Output, Source, Want};
use proptest::prelude::*;
use test_support::refusal;

use super::stream::BEGIN_MS;
use super::{any_policy, cases, small};

/// What happens next, some time after what was before.
#[derive(Clone, Debug)]
enum Next {
    /// A refusal of a user at an address, with a session.
    Refusal {
        user: u8,
        ip: u8,
        session: u8,
        time_is: TimeIs,
    },
    /// A refusal by a clock that is ahead: somebody else's, or the same one's.
    Ahead {
        ahead_ms: i64,
        is_other: bool,
    },
    /// One of another limit.
    OtherLimit(TimeIs),
    /// It says that the one before was repeated.
    Repeated(u8),
    Other,
    /// A clock ticks, twice.
    Tick(i64),
}

/// Where a record's time is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeIs {
    InIt,
    TheHosts,
    Unknown,
}

fn any_next() -> impl Strategy<Value = (i64, Next, usize)> {
    let step_ms = prop_oneof![
        8 => Just(0_i64),
        8 => 1_i64..400,
        4 => 400_i64..3_000,
        1 => Just(10_000_i64),
        1 => Just(-1_i64),
        1 => -30_000_i64..0,
        1 => 20_000_i64..200_000,
    ];
    // Mostly one user at one address.
    let user = prop_oneof![12 => Just(0_u8), 1 => 1_u8..3];
    let ip = prop_oneof![12 => Just(0_u8), 1 => 1_u8..3];
    let time_is = || prop_oneof![12 => Just(TimeIs::InIt), 1 => Just(TimeIs::TheHosts), 1 => Just(TimeIs::Unknown)];
    let refusal = (user, ip, 0_u8..20, time_is());
    let refusal = refusal.prop_map(|(user, ip, session, time_is)| Next::Refusal {
        user,
        ip,
        session,
        time_is,
    });
    let ahead_ms = || prop_oneof![1_i64..3_000, Just(40_000_i64), 30_000_i64..90_000];
    let next = prop_oneof![
        36 => refusal,
        2 => (ahead_ms(), any::<bool>()).prop_map(|(ahead_ms, is_other)| Next::Ahead { ahead_ms, is_other }),
        1 => time_is().prop_map(Next::OtherLimit),
        1 => (1_u8..4).prop_map(Next::Repeated),
        2 => Just(Next::Other),
        2 => prop_oneof![Just(0_i64), ahead_ms()].prop_map(Next::Tick),
    ];
    // As often as that in succession.
    (
        step_ms,
        next,
        prop_oneof![3 => Just(1_usize), 2 => 2_usize..12],
    )
}

/// The record, newline included, and its time if the host tells it.
fn record(next: &Next, now_ms: i64) -> (String, Option<i64>) {
    let (message, time_ms, time_is) = match next {
        Next::Refusal {
            user,
            ip,
            session,
            time_is,
        } => {
            let message = refusal::message(&format!("user{user}"), &format!("198.51.100.{ip}"));
            (
                format!("{message}, session=<{session:08}>"),
                now_ms,
                *time_is,
            )
        }
        Next::Ahead { ahead_ms, is_other } => {
            let user = if *is_other { "ahead" } else { "user0" };
            let message = refusal::message(user, "198.51.100.0");
            (message, now_ms + ahead_ms, TimeIs::InIt)
        }
        Next::OtherLimit(time_is) => {
            let message = "master: Warning: service(imap-login): process_limit (100) reached, client connections are being dropped";
            (message.to_string(), now_ms, *time_is)
        }
        Next::Repeated(times) => {
            let message = format!("mail last message repeated {times} times");
            (message, now_ms, TimeIs::InIt)
        }
        Next::Other | Next::Tick(_) => ("nothing".to_string(), now_ms, TimeIs::InIt),
    };
    let time = match time_is {
        TimeIs::InIt => format!("\"@timestamp\":{time_ms},"),
        TimeIs::TheHosts | TimeIs::Unknown => String::new(),
    };
    let line = format!("{{{time}\"message\":\"{message}\"}}\n");
    (line, (time_is == TimeIs::TheHosts).then_some(time_ms))
}

/// A file, or what comes in now, with a host's clock or without.
#[derive(Clone, Copy, Debug)]
enum Origin {
    File,
    Live,
    Clocked,
}

fn source(origin: Origin, now_ms: i64) -> Source {
    Source {
        format: Format::Json,
        reference_ms: matches!(origin, Origin::File).then_some(BEGIN_MS),
        clock_ms: matches!(origin, Origin::Clocked).then_some(now_ms),
        ..Source::default()
    }
}

/// What an engine wrote but for the records themselves, which some hosts write and some do not.
fn said(out: &mut Output) -> String {
    let pieces = out.pieces(&[]);
    let said = pieces.filter(|(kind, _)| matches!(kind, Kind::Alert | Kind::Statistics));
    let said = said.map(|(_, piece)| String::from_utf8_lossy(piece).into_owned());
    let said = said.collect();
    out.clear();
    said
}

fn quiet_output() -> Output {
    Output {
        want: Want {
            records: false,
            enriched: false,
            ..Output::default().want
        },
        ..Output::default()
    }
}

/// Two rules more: one of users, and one that wants several addresses.
fn three_rules(config: &mut Config, thresholds: [u32; 2]) {
    for (threshold, at_least) in thresholds.into_iter().zip([None, Some(2)]) {
        let mut rule = config.rules[0].clone();
        rule.name = format!("rule{}", config.rules.len());
        rule.key = vec![KeyField::User];
        rule.threshold = threshold;
        rule.distinct = at_least.map(|at_least| Distinct {
            field: KeyField::Ip,
            at_least,
        });
        config.rules.push(rule);
    }
}

proptest! {
    #![proptest_config(cases(160))]

    /// Promise 4: what was remembered of the records before changes nothing.
    #[test]
    fn what_is_counted_again_is_what_is_read_anew(
        all in prop::collection::vec(any_next(), 1..120),
        policies in (any_policy(), any_policy()),
        thresholds in [1_u32..20, 1_u32..20],
        every_ms in prop_oneof![Just(0_i64), Just(7_300_i64)],
        within_ms in prop_oneof![Just(16_000_i64), Just(160_000_i64)],
        origin in prop_oneof![Just(Origin::File), Just(Origin::Live), Just(Origin::Clocked)],
        // Now, or when the year 9999 ends.
        begin_ms in prop_oneof![8 => Just(BEGIN_MS), 1 => Just(253_402_300_780_000)],
    ) {
        let mut config = small(policies.0);
        config.rules[0].within_ms = within_ms;
        config.statistics_every_ms = every_ms;
        three_rules(&mut config, thresholds);
        config.rules[1].policy = policies.1;
        let [mut single, mut batch, mut anew] = [(); 3].map(|()| Engine::new(config.clone()).unwrap());
        let mut outs = [(); 3].map(|()| quiet_output());
        let mut now_ms = begin_ms;
        for (step_ms, next, times) in &all {
            now_ms += step_ms;
            let engines = [&mut single, &mut batch, &mut anew];
            if let Next::Tick(ahead_ms) = next {
                for (engine, out) in engines.into_iter().zip(&mut outs) {
                    engine.tick(now_ms, out);
                    engine.tick(now_ms + ahead_ms, out);
                }
            } else {
                let ((line, host_ms), source) = (record(next, now_ms), source(origin, now_ms));
                let [out_of_single, out_of_batch, out_of_anew] = &mut outs;
                for _ in 0..*times {
                    let record = line.trim_end().as_bytes();
                    let verdict = single.push(&source, record, host_ms, None, out_of_single);
                    let snapshot = anew.snapshot();
                    anew = Engine::new(config.clone()).unwrap();
                    anew.restore(&snapshot, out_of_anew).unwrap();
                    if host_ms.is_some() {
                        batch.push(&source, record, host_ms, None, out_of_batch);
                    }
                    prop_assert_eq!(verdict, anew.push(&source, record, host_ms, None, out_of_anew));
                }
                if host_ms.is_none() {
                    batch.push_lines(&source, line.repeat(*times).as_bytes(), None, out_of_batch);
                }
            }
            let [of_single, of_batch, of_anew] = outs.each_mut().map(said);
            prop_assert_eq!(&of_single, &of_anew);
            prop_assert_eq!(&of_batch, &of_anew);
            let snapshot = anew.snapshot();
            prop_assert!(single.snapshot() == snapshot, "record by record, {:?}", next);
            prop_assert!(batch.snapshot() == snapshot, "in batches, {:?}", next);
        }
    }
}
