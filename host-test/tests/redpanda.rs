//! What the Redpanda guest owes to its hosts beyond what every case shows.

use fastrand::Rng;
use host_test::redpanda::{
    BROKER_PAGES, Batches, CONNECT_PAGES, Host, Model, Outcome, Record, run, state,
};
use host_test::wasm::Runtime;
use host_test::{Error, changed, guest};
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Value, json};
use test_support::{data, refusal};

const TIME_MS: i64 = 1_768_132_800_000;

fn text(user: &str, ip: &str) -> String {
    refusal::message(user, ip) + ", session=<T5eqHeNgpOB/AAAB>"
}

fn event(user: &str, ip: &str) -> Vec<u8> {
    text(user, ip).into_bytes()
}

fn alice() -> Vec<u8> {
    event("alice", "203.0.113.7")
}

fn record(value: Vec<u8>, time_ms: i64) -> Record {
    Record {
        value: Some(value),
        time_ms,
        ..Record::default()
    }
}

fn once(records: Vec<Record>) -> Batches {
    Box::new(std::iter::once(records))
}

/// The program over all records of a host.
fn ran(config: Option<&str>, host: Host) -> Result<Outcome, Error> {
    let pages = match host.model() {
        Model::Broker => BROKER_PAGES,
        Model::Connect => CONNECT_PAGES,
    };
    run(&guest("redpanda")?, Runtime::Wasmtime, pages, config, host)
}

fn broker(config: Option<&str>, batches: Batches) -> Result<Outcome, Error> {
    ran(config, Host::new(Model::Broker, &[], &[], batches))
}

fn connect(config: &str, records: Vec<Record>) -> Result<Outcome, Error> {
    ran(
        Some(config),
        Host::new(Model::Connect, &[], &[], once(records)),
    )
}

/// What an attacker who knows the table does, `rounds` times: floods whose names are as long as they are
/// kept, one-shot keys between them, and then silence, so that all floods end with one record.
fn attack(rounds: i64, has_hosts: bool) -> Batches {
    Box::new((0..rounds).flat_map(move |round| {
        let start_ms = TIME_MS + round * 1_000_000;
        (0..400).map(move |number| {
            let ip = format!("198.51.{}.{}", number / 250, number % 250);
            let long = |n| format!("{n:02}{}", "\u{1}".repeat(300));
            let users = (0..40).map(|n| text(&long(n), &ip));
            let other = |n| {
                (
                    format!("{round}-{number}-{n}"),
                    format!("2001:db8:{number:x}::{n:x}"),
                )
            };
            let others = (0..20).map(other).map(|(user, ip)| text(&user, &ip));
            let records = (0_i64..).zip(users.chain(others)).map(|(n, text)| {
                let mut value = json!({ "message": text });
                if has_hosts {
                    value["host"] = format!("{n:02}{}", "h".repeat(250)).into();
                }
                record(value.to_string().into_bytes(), start_ms + number + n)
            });
            records.collect()
        })
    }))
}

/// The alerts of a state.
fn count(outcome: &Outcome, wanted: &[u8]) -> usize {
    let written = outcome.host.written.iter();
    written
        .filter(|it| state(&it.record) == Some(wanted))
        .count()
}

/// What came of the records that went in, alerts aside.
fn values(outcome: &Outcome) -> Vec<Option<&[u8]>> {
    let records = outcome.host.written.iter().map(|written| &written.record);
    let others = records.filter(|record| state(record).is_none());
    others.map(|record| record.value.as_deref()).collect()
}

fn done(outcome: Outcome) -> Result<Outcome, Error> {
    match &outcome.result {
        Ok(()) => Ok(outcome),
        Err(trap) => Err(format!("{trap}: {}", outcome.host.said).into()),
    }
}

#[test]
fn an_attack_fits_in_the_memory_of_a_broker() -> Result<(), Error> {
    // With names of hosts as long, too, not even the table's own floods fit.
    for has_hosts in [false, true] {
        let outcome = done(broker(None, attack(3, has_hosts))?)?;
        let (starts, ends) = (count(&outcome, b"start"), count(&outcome, b"end"));
        // A flood for each of 400 addresses a round; those of the last round are still open.
        assert!(starts >= 1_200, "{starts} starts");
        let are_ended = (starts - 200..=starts).contains(&ends);
        assert!(are_ended, "{ends} ends of {starts}");
        let (memory, said) = (outcome.memory_bytes, outcome.host.said);
        println!("{memory} bytes, {starts} floods, {said}");
    }
    Ok(())
}

#[test]
fn hundreds_of_thousands_of_keys_do_not_push_a_flood_out() -> Result<(), Error> {
    let value = |batch: i64, n: i64| match n % 20 {
        0 => alice(),
        _ => event(
            &format!("{batch}.{n}"),
            &format!("2001:db8::{batch:x}:{n:x}"),
        ),
    };
    let one = move |batch, n| record(value(batch, n), TIME_MS + batch * 1_000 + n);
    let batch = move |batch| (0..1_000).map(|n| one(batch, n)).collect();
    let batches: Batches = Box::new((0..200_i64).map(batch));
    let outcome = done(broker(None, batches)?)?;
    assert_eq!((count(&outcome, b"start"), count(&outcome, b"end")), (1, 0));
    assert_eq!(outcome.host.said, "");
    assert!(outcome.memory_bytes < 1_700_000, "{}", outcome.memory_bytes);
    // Of alice's 10,000 the first 29 go on, and all of the others.
    assert_eq!(values(&outcome).len(), 190_000 + 29);
    Ok(())
}

fn large(kib: usize) -> Record {
    let text = "x".repeat(kib << 10);
    record(format!(r#"{{"message":"{text}"}}"#).into_bytes(), TIME_MS)
}

#[test]
fn large_records_pass_and_the_largest_end_the_floods() -> Result<(), Error> {
    let records = [20, 400, 1_000, 20].map(large).to_vec();
    let wanted: Vec<_> = records.iter().map(|record| record.value.clone()).collect();
    let outcome = done(broker(None, once(records))?)?;
    let passed = values(&outcome).into_iter();
    assert!(passed.eq(wanted.iter().map(Option::as_deref)));
    assert_eq!(outcome.host.said, "");

    // A full table must give way.
    let batches = attack(1, false).chain(once(vec![large(700)]));
    let outcome = done(broker(None, Box::new(batches))?)?;
    let last = values(&outcome).last().copied().flatten().map(<[u8]>::len);
    assert_eq!(last, large(700).value.map(|value| value.len()));
    assert_eq!(count(&outcome, b"start"), count(&outcome, b"end"));
    let said = outcome.host.said;
    assert!(said.contains("too small for a large record"), "{said}");

    let outcome = broker(None, once(vec![large(3_000)]))?;
    assert_eq!(outcome.host.exit, Some(1));
    let sentence = "maxconn: there is no memory for a record of up to 3072";
    let said = outcome.host.said;
    assert!(said.contains(sentence), "{said}");
    Ok(())
}

#[test]
fn a_large_event_is_recognised_where_there_is_room() -> Result<(), Error> {
    let text = text("alice", "203.0.113.7");
    let value = json!({ "message": text, "padding": "x".repeat(60 << 10) });
    let records = vec![record(value.to_string().into_bytes(), TIME_MS); 31];
    let outcome = done(broker(None, once(records))?)?;
    assert_eq!((values(&outcome).len(), count(&outcome, b"start")), (29, 1));
    Ok(())
}

#[test]
fn what_is_no_record_of_ours_passes_untouched() -> Result<(), Error> {
    let mut avro = vec![0, 0, 0, 0, 1, 0xd2, 2];
    avro.extend(alice());
    let array = [b"[{\"message\":\"", &event("a", "192.0.2.1")[..], b"\"}]"].concat();
    let lines = [event("a", "192.0.2.1"), event("b", "192.0.2.1")].join(&b'\n');
    let mut records: Vec<Record> = [avro, array, lines, Vec::new(), vec![0xff; 40]]
        .map(|value| record(value, TIME_MS))
        .to_vec();
    records.push(Record {
        key: Some(b"a tombstone".to_vec()),
        headers: vec![(b"maxconn-like".to_vec(), None)],
        ..Record::default()
    });
    for model in [Model::Broker, Model::Connect] {
        let host = Host::new(model, &[], &[], once(records.clone()));
        let outcome = done(ran(None, host)?)?;
        let written = outcome.host.written.into_iter();
        let written: Vec<Record> = written.map(|written| written.record).collect();
        let mut untimed = records.clone();
        untimed.iter_mut().for_each(|record| record.time_ms = 0);
        assert_eq!(written, untimed, "{model:?}");
    }
    Ok(())
}

#[test]
fn a_wrong_configuration_is_refused_at_the_start() -> Result<(), Error> {
    let large = r#"{"max_keys":10000,"max_floods":1000}"#;
    let no_key = "maxconn: the configuration in this module is wrong: max_keyz: there is no such key; did you mean \
                  `max_keys`?\n";
    let too_much = "maxconn: max_keys = 10000 and max_floods = 1000 may need";
    let one = || once(vec![record(Vec::new(), 0)]);
    for (config, sentence) in [(r#"{"max_keyz":1}"#, no_key), (large, too_much)] {
        for runtime in [Runtime::Wasmtime, Runtime::Wasmi] {
            let host = Host::new(Model::Broker, &[], &[], one());
            let module = guest("redpanda")?;
            let host = run(&module, runtime, BROKER_PAGES, Some(config), host)?.host;
            assert!(host.said.starts_with(sentence), "{}", host.said);
            assert_eq!((host.exit, host.written.len()), (Some(1), 0));
        }
    }
    // Connect has more memory, and no place for sentences.
    let one = || vec![record(Vec::new(), 0)];
    done(connect(large, one())?)?;
    let wrong = connect("{", one())?.host;
    assert_eq!((wrong.exit, wrong.said.as_str()), (Some(1), ""));
    Ok(())
}

#[test]
fn alerts_go_to_the_topic_that_the_deployment_names() -> Result<(), Error> {
    let flood = || once(vec![record(alice(), TIME_MS); 40]);
    let deploy = |variables: &[&str]| {
        let topics = ["other", "alerts"];
        ran(None, Host::new(Model::Broker, &topics, variables, flood()))
    };
    for (variables, topic) in [
        (&[][..], None),
        (&["MAXCONN_ALERT_TOPIC=alerts"], Some("alerts")),
    ] {
        let outcome = done(deploy(variables)?)?;
        assert_eq!(outcome.host.written.len(), 30);
        for written in &outcome.host.written {
            let wanted = state(&written.record).and(topic);
            assert_eq!(written.topic.as_deref(), wanted);
        }
        let alert = outcome.host.written.last().ok_or("nothing is written")?;
        let key = &b"imap-login|alice|203.0.113.7"[..];
        assert_eq!(alert.record.key.as_deref(), Some(key));
    }
    let refused = deploy(&["MAXCONN_ALERT_TOPIC=alert"])?;
    assert_eq!(
        refused.host.said,
        "maxconn: MAXCONN_ALERT_TOPIC is `alert`, but the output topics are `mail` `other` `alerts`; \
         name one of them, or deploy with one more --output-topic\n"
    );
    Ok(())
}

#[test]
fn no_bytes_trap() -> Result<(), Error> {
    let seed = br#"{"message":"imap-login: Maximum number of connections from user+IP exceeded: user=<a>, rip=192.0.2.1","x":[1.5e3,{"y":null}]}"#;
    let mut random = Rng::with_seed(3);
    let records = (0..20_000).map(|_| record(changed(seed, 4, &mut random), TIME_MS));
    let outcome = done(broker(Some(PASS), once(records.collect()))?)?;
    assert_eq!(values(&outcome).len(), 20_000);
    Ok(())
}

/// What the documentation says to bake for Connect.
const PASS: &str = r#"{"rule":[{"name":"userip","policy":"pass"}]}"#;

#[test]
fn as_documented_connect_loses_nothing_whatever_becomes_of_instances() -> Result<(), Error> {
    let text = data::text("testdata/cases/real-mix.ndjson");
    let lines = text
        .lines()
        .filter(|line| !line.contains("connection-limit"));
    let mut inputs: Vec<Vec<u8>> = lines.map(|line| line.as_bytes().to_vec()).collect();
    inputs.extend((0..500).map(|n| event(&format!("user{}", n % 3), "203.0.113.7")));
    let (mut rest, mut outputs, mut batch) = (inputs.as_slice(), Vec::new(), 1);
    while !rest.is_empty() {
        // Every few batches the pool throws the instance away, in the middle of a flood as well.
        let (now, later) = rest.split_at(rest.len().min(batch * 7 % 90 + 1));
        let records = now.iter().map(|value| record(value.clone(), TIME_MS));
        let outcome = done(connect(PASS, records.collect())?)?;
        assert_eq!(outcome.host.lost, 0);
        outputs.extend(values(&outcome).into_iter().flatten().map(<[u8]>::to_vec));
        (rest, batch) = (later, batch + 1);
    }
    assert_eq!(outputs.len(), inputs.len());
    let mut events = 0;
    for (input, output) in inputs.iter().zip(&outputs) {
        if input != output {
            let document: Value = serde_json::from_slice(output)?;
            let message = document["message"].as_str();
            assert_eq!(message.map(str::as_bytes), Some(&input[..]));
            events += 1;
        }
    }
    assert!(events >= 500, "{events} events");
    Ok(())
}

fn document(name: &str) -> String {
    data::text(&format!("pipelines/redpanda/{name}"))
}

#[test]
fn the_readme_shows_the_files_as_they_are() {
    let readme = document("README.md");
    for name in ["transform.yaml", "connect.toml", "connect.yaml"] {
        let language = name.rsplit('.').next().unwrap_or_default();
        let block = format!("```{language}\n{}```", document(name));
        assert!(readme.contains(&block), "README.md shows another {name}");
    }
}

#[test]
fn the_deployment_sends_alerts_to_its_second_topic() -> Result<(), Error> {
    let yaml = document("transform.yaml");
    let documents = Yaml::load_from_str(&yaml)?;
    let deployment = documents.first().ok_or("transform.yaml is empty")?;
    let text = |value: &Yaml<'_>| value.as_str().unwrap_or_default().to_string();
    let topics = deployment["output-topics"].as_vec().into_iter().flatten();
    let topics: Vec<String> = topics.map(text).collect();
    let variables = deployment["env"].as_mapping().into_iter().flatten();
    let variable = |(name, value)| format!("{}={}", text(name), text(value));
    let variables: Vec<String> = variables.map(variable).collect();
    let [topics, variables] =
        [&topics, &variables].map(|list| list.iter().map(String::as_str).collect::<Vec<&str>>());
    let flood = once(vec![record(alice(), TIME_MS); 30]);
    let further = topics.get(1..).unwrap_or_default();
    let host = Host::new(Model::Broker, further, &variables, flood);
    let outcome = done(ran(None, host)?)?;
    let alert = outcome.host.written.last().ok_or("nothing is written")?;
    assert_eq!(alert.topic.as_deref(), Some("mail-alerts"));
    Ok(())
}

#[test]
fn the_pipeline_for_connect_has_what_it_needs() -> Result<(), Error> {
    let table: toml::Table = document("connect.toml").parse()?;
    assert_eq!(serde_json::to_string(&table)?, PASS);
    let yaml = document("connect.yaml");
    let documents = Yaml::load_from_str(&yaml)?;
    let pipeline = documents.first().ok_or("connect.yaml is empty")?;
    let transform = &pipeline["pipeline"]["processors"][0]["redpanda_data_transform"];
    let pattern = |of: &str| transform[of]["include_patterns"][0].as_str();
    assert_eq!(pattern("output_metadata"), Some(".*"));
    // What comes in must not look like an alert of ours.
    assert_eq!(pattern("input_headers"), Some("^kafka_"));
    assert_eq!(transform["output_key"].as_str(), Some("kafka_key"));
    let cases = &pipeline["output"]["switch"]["cases"];
    let check = cases[0]["check"].as_str().unwrap_or_default();
    assert_eq!(check, r#"metadata("maxconn").or("").string() != """#);
    // The last case takes everything.
    assert!(cases[1].contains_mapping_key("output") && !cases[1].contains_mapping_key("check"));
    Ok(())
}
