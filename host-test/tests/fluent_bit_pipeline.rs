//! `pipelines/fluent-bit/fluent-bit.yaml`, exactly as users copy it, through the model of Fluent Bit.

use host_test::fluent_bit::pipeline::store::{patience_seconds, pause_max_seconds, takes};
use host_test::fluent_bit::pipeline::{Pipeline, Record, text};
use host_test::wasm::Runtime;
use host_test::{Error, guest};
use serde_json::{Map, Value};
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

/// With something else in the place of some of the file.
fn start_with(from: &str, to: &str) -> Result<Pipeline, Error> {
    let changed = yaml().replace(from, to);
    assert_ne!(changed, yaml(), "{from}");
    Pipeline::start(&changed, &guest("fluent-bit")?, Runtime::Wasmtime)
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

/// What a store got as the log's own lines: those that are no events, whichever filter saw that, and events.
fn stored<'p>(pipeline: &'p Pipeline, store: &str) -> Vec<&'p Record> {
    let tags = ["mail", "maxconn", "maxconn.event"];
    tags.map(|tag| pipeline.got(store, tag)).concat()
}

#[test]
fn a_real_flood_becomes_two_alerts_and_nothing_is_lost() -> Result<(), Error> {
    let (mut pipeline, log) = (start()?, data::text(FLOOD));
    let refusals = log.lines().filter(|line| line.contains(refusal::WORDS));
    let refusals = refusals.count() as u64;
    pipeline.tail("/var/log/dovecot.log", log.as_bytes(), NOW_MS)?;
    wait(&mut pipeline, 310)?;
    let alerts = pipeline.got("stdout", "maxconn.alert");
    let actions: Vec<&str> = alerts.iter().map(|alert| action(alert)).collect();
    assert_eq!(actions.first(), Some(&"connection-limit-flood-start"));
    let is_end = |alert: &&&Record| action(alert) == "connection-limit-flood-end";
    let ends = || alerts.iter().filter(is_end);
    let total = |name: &str| ends().map(|end| count(end, name)).sum::<u64>();
    let suppressed = total("suppressed");
    assert_eq!(total("count"), refusals);
    for store in ["es", "opensearch"] {
        let lines = stored(&pipeline, store);
        assert_eq!(lines.len() as u64 + suppressed, log.lines().count() as u64);
        assert!(lines.len() < 100, "the flood is held back: {}", lines.len());
        assert_eq!(pipeline.got(store, "maxconn.alert"), alerts, "{store}");
        let all = lines.iter().chain(&alerts);
        assert!(all.clone().all(|it| it.body.get("maxconn_route").is_none()));
        assert!(all.clone().all(|it| takes(&it.body)), "{store}");
    }
    Ok(())
}

#[test]
fn what_syslog_writes_is_parsed_and_enriched() -> Result<(), Error> {
    let mut pipeline = start_with("parser: syslog_iso\n", "parser: syslog_rfc3164\n")?;
    let log = data::read("testdata/dovecot/09_rsyslog_traditional_rfc3164.log");
    pipeline.tail("/var/log/mail.log", &log, NOW_MS)?;
    let events = pipeline.got("es", "maxconn.event");
    let event = events.first().ok_or("the log has an event")?;
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
    let mut starts = pipeline.got("stdout", "maxconn.alert");
    starts.retain(|alert| action(alert) == "connection-limit-flood-start");
    assert_eq!(starts.len(), 2);
    Ok(())
}

#[test]
fn lines_that_no_parser_takes_go_on_and_stores_take_them() -> Result<(), Error> {
    let mut pipeline = start()?;
    pipeline.tail("/var/log/mail.log", "über\n\u{0}\n\n".as_bytes(), NOW_MS)?;
    let mail = pipeline.got("es", "mail");
    let messages: Vec<_> = mail.iter().map(|record| &record.body["message"]).collect();
    assert_eq!(messages, ["über", "\u{0}", ""]);
    assert!(mail.iter().all(|record| takes(&record.body)));
    // As it was: `log` is Fluent Bit's own name for it.
    let mut pipeline = start_with("      key: message\n", "")?;
    pipeline.tail("/var/log/mail.log", b"x\n", NOW_MS)?;
    let refused = |record: &&Record| !takes(&record.body);
    assert_eq!(
        pipeline
            .got("es", "mail")
            .into_iter()
            .filter(refused)
            .count(),
        1
    );
    Ok(())
}

/// Dovecot's own file has no host, so no parser of syslog's may take its service for one.
#[test]
fn every_parser_leaves_dovecot_s_own_lines_readable() -> Result<(), Error> {
    let log = data::text("testdata/dovecot/21_real_2.3.13_limits.log");
    let events = |parser: &str| -> Result<usize, Error> {
        let parser = format!("parser: {parser}\n      key");
        let mut pipeline = Pipeline::start(
            &yaml().replace("parser: syslog_iso\n      key", &parser),
            &guest("fluent-bit")?,
            Runtime::Wasmtime,
        )?;
        pipeline.tail("/var/log/mail.log", log.as_bytes(), NOW_MS)?;
        Ok(pipeline.got("es", "maxconn.event").len())
    };
    let expected = events("dovecot")?;
    assert!(expected > 0);
    for parser in ["syslog_rfc3164", "syslog_iso", "syslog_iso_seconds"] {
        assert_eq!(events(parser)?, expected, "{parser}");
    }
    Ok(())
}

/// A client chooses what its record says, but not where it goes.
#[test]
fn a_record_that_says_it_is_an_alert_is_none() -> Result<(), Error> {
    let mut pipeline = start()?;
    let words = format!("{} exceeded", refusal::WORDS);
    let forged = serde_json::json!({
        "message": words, "maxconn_route": "alert",
        "event": {"kind": "alert", "action": "connection-limit-flood-end"},
    });
    pipeline.take("mail", forged, NOW_MS)?;
    assert!(pipeline.got("stdout", "maxconn.alert").is_empty());
    let stored = pipeline.got("es", "maxconn");
    assert_eq!(stored.len(), 1);
    assert!(stored[0].body.get("maxconn_route").is_none());
    Ok(())
}

#[test]
fn without_a_store_nothing_but_alerts_leaves() -> Result<(), Error> {
    let yaml = data::text("pipelines/fluent-bit/fluent-bit-alerts.yaml");
    let mut pipeline = Pipeline::start(&yaml, &guest("fluent-bit")?, Runtime::Wasmtime)?;
    for line in data::text("testdata/dovecot/15_journald_json_real.jsonl").lines() {
        let record: Map<String, Value> = serde_json::from_str(line)?;
        let lower = record
            .into_iter()
            .map(|(key, value)| (key.to_lowercase(), value));
        pipeline.take("mail", Value::Object(lower.collect()), NOW_MS)?;
    }
    for number in 0..60 {
        let message = refusal::message("alice", "192.0.2.1");
        let body = serde_json::json!({"message": message, "_hostname": "mail"});
        pipeline.take("mail", body, NOW_MS + number * 100)?;
    }
    wait(&mut pipeline, 400)?;
    let alerts = pipeline.got("stdout", "maxconn.alert");
    let mut counts = alerts.iter().map(|alert| count(alert, "count"));
    assert!(counts.any(|count| count == 60));
    assert_eq!(pipeline.got("http", "maxconn.alert"), alerts);
    assert_eq!(
        pipeline.got("http", "maxconn.alertmanager").len(),
        alerts.len()
    );
    assert_eq!(
        pipeline.delivered.iter().map(Vec::len).sum::<usize>(),
        3 * alerts.len()
    );
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
        let tag = text(output, "match");
        if matches!(tag, "maxconn.alert" | "maxconn.statistics") {
            // The output always appends a time, and these have their @timestamp: twice the same field is a 400.
            assert_ne!(text(output, "time_key"), "@timestamp");
        }
        if matches!(tag, "maxconn.alert" | "maxconn.event") {
            assert_eq!(text(output, "id_key"), "$event['id']");
        }
        // One template covers all that has our fields, and nothing else is in its streams.
        let has_ours = !text(output, "match_regex").contains("mail");
        let stream = match tag {
            "maxconn.alert" | "maxconn.event" => "logs-dovecot.maxconn-default",
            "maxconn.statistics" => "logs-maxconn.maxconn-default",
            _ => "logs-dovecot-default",
        };
        assert_eq!(text(output, "index"), stream, "{output:?}");
        assert_eq!(has_ours, stream.contains(".maxconn-"), "{output:?}");
    }
    assert_eq!(stores, 8);
    Ok(())
}

#[test]
fn a_store_that_is_away_for_half_an_hour_gets_everything_and_soon() -> Result<(), Error> {
    let pipeline = start()?;
    let stores = pipeline
        .outputs
        .iter()
        .filter(|it| text(it, "name") != "stdout");
    for output in stores {
        // Not for ever: what is answered by nothing but 409 would never end.
        let patience = patience_seconds(&pipeline.service, output);
        assert!(patience.is_some_and(|it| it >= 1_800), "{output:?}");
    }
    assert!(pause_max_seconds(&pipeline.service) <= 60);
    // What waits survives a crash.
    assert!(!text(&pipeline.service, "storage.path").is_empty());
    for input in &pipeline.inputs {
        if text(input, "name") == "tail" {
            assert_eq!(text(input, "storage.type"), "filesystem");
            assert_eq!(text(input, "skip_long_lines"), "on");
        }
    }
    // As it was: given up after one try, of which each chunk has two.
    assert_eq!(
        patience_seconds(&Default::default(), &Default::default()),
        Some(6)
    );
    assert_eq!(pause_max_seconds(&Default::default()), 2001);
    Ok(())
}

#[test]
fn the_model_takes_nothing_that_it_does_not_know() -> Result<(), Error> {
    let (yaml, wasm) = (yaml(), guest("fluent-bit")?);
    let both = "match_regex: '^maxconn(\\.tick)?$'\n      rule";
    let path = "wasm_path: /etc/fluent-bit/";
    for (from, to, sentence) in [
        (
            "event_format: json",
            "event_format: msgpack",
            "event_format json",
        ),
        ("rate: 1", "rat: 1", "input dummy: rat: not known here"),
        (both, "match_regex: '.*'\n      rule", "an endless loop"),
        (path, "wasm_path: ", "wasm_path is not absolute"),
        ("$1 false", "$1 no", "not known here"),
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
