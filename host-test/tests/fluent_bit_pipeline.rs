//! `pipelines/fluent-bit/fluent-bit.yaml`, exactly as users copy it, through the model of Fluent Bit.

use std::fs;
use std::io::Read;

use flate2::read::GzDecoder;
use guest_build::Features;
use host_test::Error;
use host_test::case::testdata;
use host_test::fluent_bit::pipeline::{Pipeline, Record, text};
use host_test::wasm::Runtime;
use serde_json::Value;

/// 2026-11-22T21:00:00Z, soon after the logs were written.
const NOW_MS: i64 = 1_795_381_200_000;
const REFUSAL: &str = "Maximum number of connections from user+IP exceeded";

fn yaml() -> Result<String, Error> {
    let path = guest_build::workspace().join("pipelines/fluent-bit/fluent-bit.yaml");
    Ok(fs::read_to_string(path)?)
}

fn module() -> Result<Vec<u8>, Error> {
    let path = guest_build::try_build("fluent-bit", Features::default())?;
    Ok(fs::read(path)?)
}

fn start() -> Result<Pipeline, Error> {
    Pipeline::start(&yaml()?, &module()?, Runtime::Wasmtime)
}

fn flood() -> Result<String, Error> {
    let file = fs::File::open(testdata().join("dovecot/14_flood_servicecount0.log.gz"))?;
    let mut log = String::new();
    GzDecoder::new(file).read_to_string(&mut log)?;
    Ok(log)
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
    let (mut pipeline, log) = (start()?, flood()?);
    let refusals = log.lines().filter(|line| line.contains(REFUSAL)).count() as u64;
    pipeline.tail("/var/log/dovecot.log", log.as_bytes(), NOW_MS)?;
    wait(&mut pipeline, 310)?;
    let (alerts, mail) = (pipeline.got("stdout", "alerts"), pipeline.got("es", "mail"));
    let actions: Vec<&str> = alerts.iter().map(|alert| action(alert)).collect();
    assert_eq!(actions.first(), Some(&"connection-limit-flood-start"));
    let ends: Vec<_> = alerts
        .iter()
        .filter(|alert| action(alert) == "connection-limit-flood-end")
        .collect();
    let total: u64 = ends.iter().map(|end| count(end, "count")).sum();
    let suppressed: u64 = ends.iter().map(|end| count(end, "suppressed")).sum();
    assert_eq!(total, refusals);
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
    let log = fs::read(testdata().join("dovecot/09_rsyslog_traditional_rfc3164.log"))?;
    pipeline.tail("/var/log/mail.log", &log, NOW_MS)?;
    let mail = pipeline.got("es", "mail");
    let event = mail
        .iter()
        .find(|record| action(record) == "connection-limit-exceeded")
        .ok_or("the log has an event")?;
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
    let (mut pipeline, log) = (start()?, flood()?);
    let middle = log.len() / 2 + log[log.len() / 2..].find('\n').unwrap_or(0) + 1;
    let (before, after) = log.split_at(middle);
    pipeline.tail("/var/log/dovecot.log", before.as_bytes(), NOW_MS)?;
    pipeline.reload(&module()?, Runtime::Wasmtime)?;
    pipeline.tail("/var/log/dovecot.log", after.as_bytes(), NOW_MS)?;
    let starts = pipeline.got("stdout", "alerts");
    let starts = starts
        .iter()
        .filter(|alert| action(alert) == "connection-limit-flood-start");
    assert_eq!(starts.count(), 2);
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
    let (yaml, wasm) = (yaml()?, module()?);
    for (from, to, sentence) in [
        (
            "event_format: json",
            "event_format: msgpack",
            "event_format json",
        ),
        ("rate: 1", "rat: 1", "input dummy: rat: not known here"),
        (
            "match_regex: '^(mail|maxconn\\.tick)$'\n      rule",
            "match_regex: '.*'\n      rule",
            "an endless loop",
        ),
        (
            "name: es\n",
            "name: kafka\n",
            "output kafka: not known here",
        ),
    ] {
        let changed = yaml.replace(from, to);
        assert_ne!(changed, yaml, "{from}");
        let error = Pipeline::start(&changed, &wasm, Runtime::Wasmtime)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(error.contains(sentence), "{error}");
    }
    Ok(())
}
