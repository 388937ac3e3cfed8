//! `pipelines/fluent-bit/fluent-bit.yaml`, exactly as users copy it, through the model of Fluent Bit.

use host_test::fluent_bit::pipeline::{Pipeline, Record, text};
use host_test::wasm::Runtime;
use host_test::{Error, guest};
use serde_json::Value;
use test_support::data::{self, FLOOD};
use test_support::refusal;

/// 2026-11-22T21:00:00Z, soon after the logs were written.
const NOW_MS: i64 = 1_795_381_200_000;

fn yaml() -> String {
    data::text("pipelines/fluent-bit/fluent-bit.yaml")
}

fn start() -> Result<Pipeline, Error> {
    Pipeline::start(&yaml(), &guest("fluent-bit")?, Runtime::Wasmtime)
}

/// Seconds without a record: floods end, and their alerts find slots.
fn wait(pipeline: &mut Pipeline, seconds: i64) -> Result<(), Error> {
    (1..=seconds).try_for_each(|second| pipeline.tick(NOW_MS + second * 1_000))
}

fn action(record: &Record) -> &str {
    let action = record.body.pointer("/event/action");
    action.and_then(Value::as_str).unwrap_or_default()
}

fn count(record: &Record, name: &str) -> u64 {
    let count = record.body.pointer(&format!("/maxconn/flood/{name}"));
    count.and_then(Value::as_u64).unwrap_or_default()
}

#[test]
fn a_real_flood_becomes_two_alerts_and_nothing_is_lost() -> Result<(), Error> {
    let (mut pipeline, log) = (start()?, data::text(FLOOD));
    let refusals = log.lines().filter(|line| line.contains(refusal::WORDS));
    let refusals = refusals.count() as u64;
    pipeline.tail("/var/log/dovecot.log", log.as_bytes(), NOW_MS)?;
    wait(&mut pipeline, 310)?;
    let (alerts, mail) = (pipeline.got("stdout", "alerts"), pipeline.got("es", "mail"));
    let actions: Vec<&str> = alerts.iter().map(|alert| action(alert)).collect();
    assert_eq!(actions.first(), Some(&"connection-limit-flood-start"));
    let is_end = |alert: &&&Record| action(alert) == "connection-limit-flood-end";
    let ends = || alerts.iter().filter(is_end);
    let total = |name: &str| ends().map(|end| count(end, name)).sum::<u64>();
    let suppressed = total("suppressed");
    assert_eq!(total("count"), refusals);
    assert_eq!(mail.len() as u64 + suppressed, log.lines().count() as u64);
    assert!(mail.len() < 100, "the flood is held back: {}", mail.len());
    for store in ["es", "opensearch"] {
        assert_eq!(pipeline.got(store, "alerts"), alerts, "{store}");
        assert_eq!(pipeline.got(store, "mail"), mail, "{store}");
    }
    Ok(())
}

#[test]
fn what_syslog_writes_is_parsed_and_enriched() -> Result<(), Error> {
    let mut pipeline = start()?;
    let log = data::read("testdata/dovecot/09_rsyslog_traditional_rfc3164.log");
    pipeline.tail("/var/log/mail.log", &log, NOW_MS)?;
    let mail = pipeline.got("es", "mail");
    let mut events = mail
        .iter()
        .filter(|it| action(it) == "connection-limit-exceeded");
    let event = events.next().ok_or("the log has an event")?;
    for (path, value) in [
        ("/hostname", "vm"),
        ("/service/name", "imap-login"),
        ("/log.file.path", "/var/log/mail.log"),
    ] {
        let found = event.body.pointer(path).and_then(Value::as_str);
        assert_eq!(found, Some(value), "{path} of {}", event.body);
    }
    assert!(event.body.pointer("/event/id").is_some(), "{}", event.body);
    assert!(event.body.get("@timestamp").is_none(), "outputs add theirs");
    // 2026-11-22T20:26:…Z: the line's own time, in the present year.
    assert!((1_795_379_160_000..1_795_379_220_000).contains(&event.time_ms));
    Ok(())
}

#[test]
fn a_hot_reload_forgets_floods_and_finds_them_anew() -> Result<(), Error> {
    let (mut pipeline, log) = (start()?, data::text(FLOOD));
    let middle = log.len() / 2 + log[log.len() / 2..].find('\n').unwrap_or(0) + 1;
    let (before, after) = log.split_at(middle);
    pipeline.tail("/var/log/dovecot.log", before.as_bytes(), NOW_MS)?;
    pipeline.reload(&guest("fluent-bit")?, Runtime::Wasmtime)?;
    pipeline.tail("/var/log/dovecot.log", after.as_bytes(), NOW_MS)?;
    let mut starts = pipeline.got("stdout", "alerts");
    starts.retain(|alert| action(alert) == "connection-limit-flood-start");
    assert_eq!(starts.len(), 2);
    Ok(())
}

#[test]
fn lines_that_no_parser_takes_go_on() -> Result<(), Error> {
    let mut pipeline = start()?;
    pipeline.tail("/var/log/mail.log", "über\n\u{0}\n\n".as_bytes(), NOW_MS)?;
    let mail = pipeline.got("es", "mail");
    let logs: Vec<_> = mail.iter().map(|record| &record.body["log"]).collect();
    assert_eq!(logs, ["über", "\u{0}", ""]);
    Ok(())
}

#[test]
fn outputs_are_as_the_stores_need_them() -> Result<(), Error> {
    let pipeline = start()?;
    let mut stores = 0;
    for output in &pipeline.outputs {
        if text(output, "name") == "stdout" {
            continue;
        }
        stores += 1;
        assert_eq!(text(output, "write_operation"), "create", "{output:?}");
        assert_eq!(text(output, "suppress_type_name"), "on", "{output:?}");
        if text(output, "match") == "alerts" {
            // The output always appends a time, and an alert has its @timestamp: twice the same field is a 400.
            assert_ne!(text(output, "time_key"), "@timestamp");
            assert_eq!(text(output, "id_key"), "$event['id']");
        }
    }
    assert_eq!(stores, 4);
    Ok(())
}

#[test]
fn the_model_takes_nothing_that_it_does_not_know() -> Result<(), Error> {
    let (yaml, wasm) = (yaml(), guest("fluent-bit")?);
    let both = "match_regex: '^(mail|maxconn\\.tick)$'\n      rule";
    for (from, to, sentence) in [
        (
            "event_format: json",
            "event_format: msgpack",
            "event_format json",
        ),
        ("rate: 1", "rat: 1", "input dummy: rat: not known here"),
        (both, "match_regex: '.*'\n      rule", "an endless loop"),
        (
            "name: es\n",
            "name: kafka\n",
            "output kafka: not known here",
        ),
    ] {
        let changed = yaml.replace(from, to);
        assert_ne!(changed, yaml, "{from}");
        let started = Pipeline::start(&changed, &wasm, Runtime::Wasmtime);
        let error = started.err().ok_or("it starts")?.to_string();
        assert!(error.contains(sentence), "{error}");
    }
    Ok(())
}
