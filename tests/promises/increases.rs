//! What is charted: increases of floods, and what was refused in each period.

use std::collections::BTreeMap;

use maxconn_core::engine::Verdict;

use super::*;
use crate::reference::time_ms;

/// What was counted, by what it is counted for.
type Tallies<K> = BTreeMap<K, [u64; 4]>;

fn add<K: Ord>(tallies: &mut Tallies<K>, key: K, numbers: &Value) {
    let sums = tallies.entry(key).or_default();
    for (sum, name) in sums
        .iter_mut()
        .zip(["count", "passed", "suppressed", "suppressed_bytes"])
    {
        *sum += numbers[name].as_u64().unwrap();
    }
}

/// The increases of each flood, summed, and what each flood's end says.
fn floods(alerts: &[Value]) -> (Tallies<String>, Tallies<String>) {
    let (mut sums, mut ends) = (Tallies::new(), Tallies::new());
    for alert in alerts {
        let flood = &alert["maxconn"]["flood"];
        let id = flood["id"].as_str().unwrap().to_string();
        add(&mut sums, id.clone(), &flood["increase"]);
        if flood["state"] == "end" {
            add(&mut ends, id, flood);
        }
    }
    (sums, ends)
}

/// The statistics among what came out.
fn statistics(out: &mut Output) -> Vec<Vec<u8>> {
    let pieces = out.pieces(&[]);
    let statistics = pieces.filter(|(kind, _)| *kind == Kind::Statistics);
    let statistics = statistics.map(|(_, piece)| piece.to_vec()).collect();
    out.clear();
    statistics
}

/// What became of the refusals of each period, as the verdicts say.
fn truth(config: &Config, stream: &Stream) -> Tallies<i64> {
    let mut engine = Engine::new(config.clone()).unwrap();
    let mut out = Output::default();
    let mut tallies = Tallies::new();
    for (sighted, line) in stream.0.iter().zip(stream.lines()) {
        let record = line.trim_end();
        let verdict = push(&mut engine, record, &mut out);
        out.clear();
        let Some(sighted) = sighted else { continue };
        let every_ms = config.statistics_every_ms;
        let start_ms = sighted.time_ms - sighted.time_ms.rem_euclid(every_ms);
        let count = u64::from(sighted.count);
        let tally = match verdict {
            Verdict::Suppressed => [count, 0, count, record.len() as u64],
            _ => [count, count, 0, 0],
        };
        let sums: &mut [u64; 4] = tallies.entry(start_ms).or_default();
        sums.iter_mut()
            .zip(tally)
            .for_each(|(sum, more)| *sum += more);
    }
    tallies
}

/// The same, as the documents say.
fn told(documents: &[Vec<u8>]) -> Tallies<i64> {
    let mut tallies = Tallies::new();
    let mut ids = std::collections::BTreeSet::new();
    for document in super::documents(documents) {
        let Some(refusals) = document["maxconn"].get("refusals") else {
            continue;
        };
        assert_eq!(document["event"]["dataset"], "dovecot.maxconn");
        let id = document["event"]["id"].to_string();
        assert!(ids.insert(id), "{document}");
        add(&mut tallies, time_ms(&document["@timestamp"]), refusals);
    }
    tallies
}

fn any_every() -> impl Strategy<Value = i64> {
    prop_oneof![Just(1_000_i64), Just(7_000), Just(60_000), Just(3_600_000)]
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn increases_sum_to_the_flood(stream in counted(stream(200, 3)), policy in any_policy(), update_ms in 1_i64..30_000) {
        let mut config = small(policy);
        config.rules[0].update_every_ms = update_ms;
        let (result, _) = run(&config, &stream.lines(), &[]);
        let (sums, ends) = floods(&result.alerts());
        prop_assert_eq!(sums, ends);
    }

    #[test]
    fn increases_sum_to_the_flood_where_alerts_give_way(
        stream in counted(stream(400, 9)), max_floods in 1_usize..4, every in 1_usize..60, at in 0_usize..400,
    ) {
        let mut config = small(Policy::Suppress);
        config.max_floods = max_floods;
        config.rules[0].update_every_ms = 1_000;
        config.rules[0].update_max_ms = 1_000;
        let mut engine = Engine::new(config.clone()).unwrap();
        engine.queue_alerts();
        let mut out = Output::default();
        let mut alerts = Vec::new();
        for (number, line) in stream.lines().iter().enumerate() {
            push(&mut engine, line, &mut out);
            out.clear();
            if number % every == 0 {
                alerts.extend(engine.take_queued());
            }
            if number == at {
                let snapshot = engine.snapshot();
                engine = Engine::new(config.clone()).unwrap();
                engine.queue_alerts();
                engine.restore(&snapshot, &mut out).unwrap();
            }
        }
        prop_assert!(engine.finish(None, &mut out));
        alerts.extend(std::iter::from_fn(|| engine.take_queued()));
        let alerts: Vec<Vec<u8>> = alerts.into_iter().map(|(_, alert)| alert).collect();
        let (sums, ends) = floods(&documents(&alerts));
        prop_assert_eq!(sums, ends);
    }

    #[test]
    fn statistics_tell_the_truth_of_each_period(
        stream in counted(stream(200, 3)), policy in any_policy(), every_ms in any_every(), swaps in prop::collection::vec(0_usize..200, 0..40),
        at in 0_usize..200, queues in any::<bool>(),
    ) {
        let mut config = small(policy);
        config.statistics_every_ms = every_ms;
        let stream = stream.reordered(&swaps, i64::MAX / 2);
        let mut engine = Engine::new(config.clone()).unwrap();
        if queues {
            engine.queue_alerts();
        }
        let mut out = Output::default();
        let mut documents = Vec::new();
        let take = |engine: &mut Engine, out: &mut Output| {
            let queued = std::iter::from_fn(|| engine.take_queued()).filter(|(kind, _)| *kind == Kind::Statistics);
            statistics(out).into_iter().chain(queued.map(|(_, document)| document)).collect::<Vec<_>>()
        };
        for (number, line) in stream.lines().iter().enumerate() {
            push(&mut engine, line, &mut out);
            documents.extend(take(&mut engine, &mut out));
            if number == at {
                let snapshot = engine.snapshot();
                engine = Engine::new(config.clone()).unwrap();
                if queues {
                    engine.queue_alerts();
                }
                engine.restore(&snapshot, &mut out).unwrap();
            }
        }
        prop_assert!(engine.finish(None, &mut out));
        documents.extend(take(&mut engine, &mut out));
        prop_assert_eq!(told(&documents), truth(&config, &stream));
    }
}

#[test]
fn further_servers_limits_and_hosts_are_one() {
    let config = Config {
        statistics_every_ms: 60_000,
        ..Config::default()
    };
    let mut engine = Engine::new(config).unwrap();
    let mut out = Output::default();
    for host in 0..500 {
        let line = Sighted::after(host, "bob", 7).line();
        let line = line.replacen('{', &format!("{{\"host\":\"h{host}\","), 1);
        push(&mut engine, &line, &mut out);
    }
    assert!(engine.finish(None, &mut out));
    let documents = documents(&statistics(&mut out));
    let counts = documents
        .iter()
        .map(|it| it["maxconn"]["refusals"]["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 500);
    assert!(documents.len() <= 100, "{}", documents.len());
    let others = documents
        .iter()
        .filter(|it| it["maxconn"]["limit"]["name"] == "other");
    let others: Vec<&Value> = others.collect();
    assert_eq!(others.len(), 1);
    assert_eq!(others[0]["event"]["module"], "maxconn");
    assert_eq!(others[0]["maxconn"]["refusals"]["count"], 410);
}

#[test]
fn statistics_that_wait_outlast_another_redaction() {
    let config = |redact_key: Option<&str>| Config {
        statistics_every_ms: 60_000,
        redact_key: redact_key.map(String::from),
        ..Config::default()
    };
    let mut engine = Engine::new(config(None)).unwrap();
    engine.queue_alerts();
    let mut out = Output::default();
    for second in 0..240 {
        let line = Sighted::after(second * 1_000, "bob", 7).line();
        push(&mut engine, &line, &mut out);
    }
    engine
        .reconfigure(config(Some("0123456789abcdef0123456789abcdef")), &mut out)
        .unwrap();
    let queued = std::iter::from_fn(|| engine.take_queued());
    let statistics = queued.filter(|(kind, _)| *kind == Kind::Statistics);
    let minutes = told(&statistics.map(|(_, it)| it).collect::<Vec<_>>()).len();
    assert_eq!(minutes, 4, "all minutes but the one that goes on");
}
