//! The real logs in `testdata/dovecot`, line by line: every user+IP refusal with its fields, no other
//! line taken for one, and the limits of services.

use std::collections::{BTreeMap, HashMap};
use std::fs::read_dir;

use maxconn_core::event::{Event, Scope, Security};
use maxconn_core::head;
use maxconn_core::recognisers::{SERVERS, recognise};
use maxconn_core::time::TimeZone;
use serde_json::Value;
use test_support::data;

/// Refusals that `expected.jsonl` leaves out: whole files, or single lines of a file.
const BEYOND_EXPECTED: [(&str, &[usize], usize); 3] = [
    // A longer flood, of which the README of the logs gives the number.
    ("14_flood_servicecount0.log.gz", &[], 7_500),
    // Elements before the cause.
    ("11_file_oldfmt.log", &[], 42),
    // A syslog line in a syslog line.
    ("20_synthetic_other_versions.log", &[28], 1),
];

/// The messages of a file, one for each line, as a host would hand them over.
fn messages(name: &str) -> Vec<String> {
    let bytes = data::read(&format!("testdata/dovecot/{name}"));
    let lines = bytes
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| message(line, name.ends_with(".jsonl")))
        .collect()
}

fn message(line: &[u8], is_journald: bool) -> String {
    if !is_journald {
        return String::from_utf8_lossy(line).into_owned();
    }
    let record: Value = serde_json::from_slice(line).expect("journald JSON");
    match &record["MESSAGE"] {
        Value::Array(bytes) => {
            let bytes = bytes.iter().filter_map(|byte| byte.as_u64());
            let bytes: Vec<u8> = bytes.map(|byte| byte as u8).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        message => message.as_str().unwrap_or_default().to_string(),
    }
}

fn event(message: &str) -> Option<Event<'_>> {
    let head = head::parse(message, &TimeZone::utc(), Some(1_795_379_175_354));
    recognise(message, head.body)
}

fn files() -> Vec<String> {
    let entries = read_dir(data::path("testdata/dovecot")).expect("testdata");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.retain(|name| name != "expected.jsonl" && !name.ends_with(".md"));
    names.sort();
    names
}

fn expected() -> HashMap<(String, usize), Value> {
    let text = data::text("testdata/dovecot/expected.jsonl");
    let placed = |line| {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let file = value["file"].as_str().unwrap_or("").to_string();
        ((file, value["line"].as_u64().unwrap_or(0) as usize), value)
    };
    text.lines().map(placed).collect()
}

/// `event` as an entry of `expected.jsonl`.
fn as_expected(event: &Event<'_>, file: &str, line: usize, like: &Value) -> Value {
    let mut entry = serde_json::json!({"file": file, "line": line, "service": event.service});
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            entry[name] = Value::String(value);
        }
    };
    let owned = |text: Option<&str>| text.map(str::to_string);
    add("limit", event.limit_value.map(|value| value.to_string()));
    add("user", owned(event.user));
    add("method", owned(event.auth_method));
    // Addresses are compared as addresses: one can be written in several ways.
    for (name, end) in [("rip", event.source), ("lip", event.destination)] {
        let (ip, written) = (end.map(|end| end.ip), like[name].as_str());
        let is_same = written.and_then(|written| written.parse().ok()) == ip;
        let ip = ip.map(|ip| ip.to_string());
        add(name, if is_same { owned(written) } else { ip });
    }
    let secured = match event.security {
        Security::None => None,
        Security::Secured => Some("secured".to_string()),
        Security::Tls {
            version: None,
            cipher: None,
        } => Some("TLS".to_string()),
        Security::Tls { version, cipher } => Some(format!(
            "TLS, TLSv{} with cipher {} (256/256 bits)",
            version.unwrap_or("?"),
            cipher.unwrap_or("?")
        )),
    };
    add("secured", secured);
    add("session", owned(event.session_text()));
    entry
}

#[test]
fn every_expected_line_field_by_field_and_no_other() {
    let mut expected = expected();
    assert_eq!(expected.len(), 6_576);
    let mut beyond: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for file in files() {
        for (index, message) in messages(&file).iter().enumerate() {
            let line = index + 1;
            let event = event(message).filter(|event| event.scope == Scope::UserIp);
            match (event, expected.remove(&(file.clone(), line))) {
                (Some(event), Some(value)) => {
                    assert_eq!(as_expected(&event, &file, line, &value), value, "{message}");
                    assert_eq!(event.limit, "mail_max_userip_connections");
                }
                (None, None) => {}
                (Some(_), None) => beyond.entry(file.clone()).or_default().push(line),
                (None, Some(_)) => panic!("{file}:{line} is missed: {message}"),
            }
        }
    }
    assert!(expected.is_empty());
    for (file, lines, count) in BEYOND_EXPECTED {
        let found = beyond.remove(file).unwrap_or_default();
        assert_eq!(found.len(), count, "{file}");
        assert!(lines.is_empty() || found == lines, "{file}: {found:?}");
    }
    assert!(beyond.is_empty(), "taken for refusals: {beyond:?}");
}

#[test]
fn elements_before_the_cause() {
    let messages = messages("11_file_oldfmt.log");
    let events = messages.iter().filter_map(|message| event(message));
    let mut services = Vec::new();
    for event in events {
        assert!(
            event.limit_value == Some(3) && event.user.is_some(),
            "{event:?}"
        );
        assert!(
            event.source.is_some() && event.destination.is_some(),
            "{event:?}"
        );
        services.extend(event.service.filter(|service| *service == "pop3-login"));
    }
    assert_eq!(services.len(), 6);
}

#[test]
fn limits_of_services_by_limit_scope_service_and_number() {
    let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    // Counted by hand: limit, scope, service, the number that the lines give, and how many lines.
    let table = data::text("testdata/service_limits.txt");
    for line in table.lines() {
        let (file, counted) = line.split_once(' ').expect("a file and what is in it");
        let all = expected.entry(file).or_default();
        all.extend(Some(counted).filter(|counted| *counted != "none"));
    }
    assert_eq!(expected.len(), 13);
    for (file, expected) in expected {
        let messages = messages(file);
        let mut counts: BTreeMap<(&str, &str, &str, Option<u64>), usize> = BTreeMap::new();
        for event in messages.iter().filter_map(|message| event(message)) {
            let service = event.service.unwrap_or("");
            let key = (event.limit, event.scope.name(), service, event.limit_value);
            *counts.entry(key).or_default() += 1;
        }
        let told = counts
            .into_iter()
            .map(|((limit, scope, service, value), count)| {
                let value = value.map_or("-".to_string(), |value| value.to_string());
                format!("{limit} {scope} {service} {value} {count}")
            });
        assert_eq!(told.collect::<Vec<String>>(), expected, "{file}");
    }
    let messages = messages("20_synthetic_other_versions.log");
    let services = messages.iter().filter_map(|message| event(message));
    let services = services.filter(|event| event.scope != Scope::UserIp);
    assert_eq!(services.count(), 8);
}

#[test]
fn every_event_contains_a_needle() {
    // What no JSON encoder escapes; a code in CSV and in JSON has both forms.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _,:#()[-".contains(&byte);
    let is_code = |needle: &str| needle.contains("53300");
    let long_enough =
        |needle: &&str| needle.len() >= 12 && (is_code(needle) || needle.bytes().all(is_plain));
    let needles = SERVERS.iter().flat_map(|server| server.needles);
    assert!(needles.clone().all(long_enough));
    for file in files() {
        for message in messages(&file) {
            let is_event = event(&message).is_some();
            let has_needle = needles.clone().any(|needle| message.contains(needle));
            assert!(!is_event || has_needle, "{message}");
        }
    }
}
