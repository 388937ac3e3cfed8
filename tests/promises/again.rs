//! One record after the other that differs in no more than its time and its session is counted without being read. What comes
//! of it must be what comes of records that are read, each by an engine that was just restored and remembers no line.

use maxconn_core::config::{Config, Distinct, KeyField, Policy};
use maxconn_core::engine::{Engine, Format, Kind, Output, Source, Want};
use maxconn_core::event::{Class, Scope};
use proptest::prelude::*;
use test_support::refusal;

use super::stream::{BEGIN_MS, json_source};
use super::{any_policy, cases, small};

/// Three engines that get the same records, and must say and know the same: one by one, in batches, and one that is restored
/// before each record.
struct Three {
    config: Config,
    single: Engine,
    batch: Engine,
    anew: Engine,
    outs: [Output; 3],
}

impl Three {
    fn new(config: Config) -> Three {
        let engine = || Engine::new(config.clone()).unwrap();
        let out = || Output {
            want: Want {
                records: false,
                enriched: false,
                ..Output::default().want
            },
            ..Output::default()
        };
        Three {
            single: engine(),
            batch: engine(),
            anew: engine(),
            outs: [out(), out(), out()],
            config,
        }
    }

    /// The same record so many times over.
    fn push(&mut self, source: &Source, line: &str, host_ms: Option<i64>, times: usize) {
        let record = line.trim_end().as_bytes();
        let [of_single, of_batch, of_anew] = &mut self.outs;
        for _ in 0..times {
            let verdict = self.single.push(source, record, host_ms, None, of_single);
            let snapshot = self.anew.snapshot();
            self.anew = Engine::new(self.config.clone()).unwrap();
            self.anew.restore(&snapshot, of_anew).unwrap();
            let expected = self.anew.push(source, record, host_ms, None, of_anew);
            assert_eq!(verdict, expected);
            if host_ms.is_some() {
                self.batch.push(source, record, host_ms, None, of_batch);
            }
        }
        if host_ms.is_none() {
            let lines = line.repeat(times);
            self.batch
                .push_lines(source, lines.as_bytes(), None, of_batch);
        }
        self.agree();
    }

    fn tick(&mut self, now_ms: i64) {
        let engines = [&mut self.single, &mut self.batch, &mut self.anew];
        for (engine, out) in engines.into_iter().zip(&mut self.outs) {
            engine.tick(now_ms, out);
        }
        self.agree();
    }

    fn agree(&mut self) {
        let [of_single, of_batch, of_anew] = self.outs.each_mut().map(said);
        assert_eq!(of_single, of_anew, "record by record");
        assert_eq!(of_batch, of_anew, "in batches");
        let known = self.anew.snapshot();
        assert!(self.single.snapshot() == known, "known record by record");
        assert!(self.batch.snapshot() == known, "known in batches");
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
    // As often as that in succession: 64 of them may set a clock back.
    let times = prop_oneof![12 => Just(1_usize), 8 => 2_usize..12, 1 => 60_usize..70];
    (step_ms, next, times)
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
            let message = format!("{message}, session=<{session:08}>");
            (message, now_ms, *time_is)
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
        // The last two have slots that end elsewhere than the spans of 10 s do by which an even flood is known.
        within_ms in prop_oneof![Just(16_000_i64), Just(160_000_i64), Just(60_000_i64), Just(61_001_i64)],
        max_floods in prop_oneof![Just(1_u32), Just(1_000_u32)],
        origin in prop_oneof![Just(Origin::File), Just(Origin::Live), Just(Origin::Clocked)],
        // Now, or when the year 9999 ends.
        begin_ms in prop_oneof![8 => Just(BEGIN_MS), 1 => Just(253_402_300_780_000)],
    ) {
        let mut config = small(policies.0);
        config.rules[0].within_ms = within_ms;
        config.statistics_every_ms = every_ms;
        config.max_floods = max_floods as usize;
        three_rules(&mut config, thresholds);
        config.rules[1].policy = policies.1;
        let mut three = Three::new(config);
        let mut now_ms = begin_ms;
        for (step_ms, next, times) in &all {
            now_ms += step_ms;
            if let Next::Tick(ahead_ms) = next {
                three.tick(now_ms);
                three.tick(now_ms + ahead_ms);
            } else {
                let (line, host_ms) = record(next, now_ms);
                three.push(&source(origin, now_ms), &line, host_ms, *times);
            }
        }
    }
}

/// A refusal some time after the beginning.
fn after(after_ms: i64, user: &str) -> String {
    refusal::json(BEGIN_MS + after_ms, user, "198.51.100.1")
}

#[test]
fn records_far_before_the_time_are_counted_after_it_went_back() {
    let mut three = Three::new(small(Policy::Suppress));
    for (after_ms, user) in [
        (10_000_000, "t"),
        (10_000_001, "t2"),
        (5_000_000, "x"),
        (5_000_001, "y"),
    ] {
        three.push(&json_source(), &after(after_ms, user), None, 1);
    }
    // The 62nd takes it there, and is far before it itself.
    for times in [62, 1, 62] {
        three.push(&json_source(), &after(0, "u"), None, times);
    }
}

#[test]
fn records_that_tear_the_time_do_so_in_batches() {
    let mut config = small(Policy::Suppress);
    config.rules[0].threshold = 1;
    let mut three = Three::new(config);
    let now_ms = 2_250_000;
    for (clock_ms, after_ms, user, times) in [
        (0, 0, "a", 1),
        (0, 1, "a", 1),
        (now_ms, 2 * now_ms, "f", 1),
        // Ahead of the clock, and so of no time.
        (now_ms, now_ms + 864_000_000, "u", 1),
        (now_ms, now_ms, "u", 3),
    ] {
        let source = source(Origin::Clocked, BEGIN_MS + clock_ms);
        three.push(&source, &after(after_ms, user), None, times);
    }
}

#[test]
fn a_flood_that_may_not_open_is_refused_at_every_record_however_many() {
    let mut config = small(Policy::Suppress);
    three_rules(&mut config, [5, 5]);
    (config.rules[0].threshold, config.rules[1].policy) = (1, Policy::Pass);
    config.max_floods = 1;
    let mut three = Three::new(config);
    three.push(&json_source(), &after(0, "u"), None, 1);
    // As many as a window can count.
    let before = "\"message\":\"message repeated 1000000 times: [ ";
    let repeated = after(0, "u").replace("\"message\":\"", before);
    three.push(
        &json_source(),
        &repeated.replace("\"}", "]\"}"),
        None,
        4_300,
    );
    three.push(&json_source(), &after(0, "u"), None, 6);
}

#[test]
fn one_host_of_many_is_counted_under_its_name_as_soon_as_there_is_room() {
    let mut config = small(Policy::Suppress);
    config.statistics_every_ms = 7_000;
    let begin_ms = BEGIN_MS - BEGIN_MS.rem_euclid(7_000);
    let line = |after_ms: i64, host: &str, user: &str| {
        let host = format!("{{\"host\":{{\"name\":\"{host}\"}},");
        refusal::json(begin_ms + after_ms, user, "198.51.100.1").replacen('{', &host, 1)
    };
    for ticks in [false, true] {
        let mut three = Three::new(config.clone());
        for number in 0..90 {
            three.push(
                &json_source(),
                &line(10, &format!("host{number}"), "v"),
                None,
                1,
            );
        }
        three.push(&json_source(), &line(200, "mine", "u"), None, 8);
        let after_ms = match ticks {
            true => [208, 209],
            false => [7_001, 7_002],
        };
        if ticks {
            three.tick(begin_ms);
            three.tick(begin_ms + 7_500);
        }
        for after_ms in after_ms {
            three.push(&json_source(), &line(after_ms, "mine", "u"), None, 3);
        }
    }
}

#[test]
fn warnings_are_counted_as_refusals_nowhere() {
    let mut config = small(Policy::Suppress);
    config.statistics_every_ms = 7_000;
    let rule = &mut config.rules[0];
    (rule.class, rule.servers) = (vec![Class::Warning], vec!["nginx"]);
    (rule.scope, rule.key) = (vec![Scope::Process], vec![KeyField::Limit]);
    let mut three = Three::new(config);
    let refused = "2023/11/14 22:13:20 [alert] 24#24: 512 worker_connections are not enough\n";
    let warned = "2023/11/14 22:13:20 [warn] 24#24: 512 worker_connections are not enough, reusing connections\n";
    for (line, times) in [(refused, 1), (warned, 3), (warned, 10)] {
        three.push(&Source::default(), line, None, times);
    }
}
