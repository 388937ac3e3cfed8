//! The real logs in `testdata/dovecot`, line by line: every user+IP refusal with its fields, no other
//! line taken for one, and the limits of services.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, read_dir, read_to_string};
use std::io::Read;
use std::path::PathBuf;

use maxconn_core::event::{Event, Scope, Security};
use maxconn_core::head;
use maxconn_core::recognisers::{SERVERS, recognise};
use maxconn_core::time::TimeZone;
use serde_json::Value;

/// Refusals that `expected.jsonl` leaves out: whole files, or single lines of a file.
const BEYOND_EXPECTED: [(&str, &[usize], usize); 3] = [
    // A longer flood, of which the README of the logs gives the number.
    ("14_flood_servicecount0.log.gz", &[], 7_500),
    // Elements before the cause.
    ("11_file_oldfmt.log", &[], 42),
    // A syslog line in a syslog line.
    ("20_synthetic_other_versions.log", &[28], 1),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/dovecot")
}

/// The messages of a file, one for each line, as a host would hand them over.
fn messages(name: &str) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut file = File::open(folder().join(name)).expect(name);
    match name.ends_with(".gz") {
        true => flate2::read::GzDecoder::new(file).read_to_end(&mut bytes),
        false => file.read_to_end(&mut bytes),
    }
    .expect(name);
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
            let bytes: Vec<u8> = bytes
                .iter()
                .filter_map(|byte| byte.as_u64())
                .map(|byte| byte as u8)
                .collect();
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
    let mut names: Vec<String> = read_dir(folder())
        .expect("testdata")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name != "expected.jsonl" && !name.ends_with(".md"))
        .collect();
    names.sort();
    names
}

fn expected() -> HashMap<(String, usize), Value> {
    let text = read_to_string(folder().join("expected.jsonl")).expect("expected.jsonl");
    let values = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    values
        .map(|value| {
            (
                (
                    value["file"].as_str().unwrap_or("").to_string(),
                    value["line"].as_u64().unwrap_or(0) as usize,
                ),
                value,
            )
        })
        .collect()
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
    let same = |name: &str, ip: Option<std::net::IpAddr>| {
        let written = like[name].as_str().map(str::to_string);
        if written.as_ref().and_then(|written| written.parse().ok()) == ip {
            written
        } else {
            ip.map(|ip| ip.to_string())
        }
    };
    add("rip", same("rip", event.source.map(|source| source.ip)));
    add(
        "lip",
        same("lip", event.destination.map(|destination| destination.ip)),
    );
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
    add("session", owned(event.session));
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
    let events: Vec<Event<'_>> = messages
        .iter()
        .filter_map(|message| event(message))
        .collect();
    assert!(
        events
            .iter()
            .all(|event| event.limit_value == Some(3) && event.user.is_some())
    );
    assert!(
        events
            .iter()
            .all(|event| event.source.is_some() && event.destination.is_some())
    );
    assert_eq!(
        events
            .iter()
            .filter(|event| event.service == Some("pop3-login"))
            .count(),
        6
    );
}

/// Events of a file: limit, scope, service, the number the lines give, how many lines.
type Counted<'a> = (&'a str, &'a str, &'a str, Option<u64>, usize);

/// Counted by hand in the files.
const SERVICE_LIMITS: [(&str, &[Counted<'static>]); 13] = [
    (
        "12_anvil_stopped.log",
        &[("anvil_query_timeout", "service", "anvil", None, 1)],
    ),
    (
        "12_imap_process_limit.log",
        &[
            ("process_limit", "process", "imap", None, 2),
            ("process_limit", "process", "imap", Some(3), 2),
        ],
    ),
    ("12_lmtp_concurrency.log", &[]),
    (
        "12_login_client_limit.log",
        &[
            ("client_limit", "service", "imap-login", Some(4), 1),
            ("connection_queue", "service", "imap-login", None, 5),
        ],
    ),
    (
        "12_login_process_limit.log",
        &[
            ("connection_queue", "service", "imap-login", None, 3),
            ("process_limit", "process", "imap-login", Some(3), 1),
        ],
    ),
    (
        "12_pop3_process_limit.log",
        &[("client_limit", "service", "pop3", Some(1), 2)],
    ),
    (
        "12_pop3login_process_limit.log",
        &[
            ("client_limit", "service", "pop3-login", Some(1), 1),
            ("connection_queue", "service", "pop3-login", None, 2),
        ],
    ),
    (
        "12_startup_fd.log",
        &[
            ("client_limit", "service", "anvil", Some(10), 1),
            ("client_limit", "service", "auth", Some(10), 1),
        ],
    ),
    (
        "12_startup_warn.log",
        &[
            ("client_limit", "service", "anvil", Some(10), 2),
            ("client_limit", "service", "auth", Some(10), 2),
        ],
    ),
    ("12_vsz.log", &[]),
    (
        "21_real_2.3.13_limits.log",
        &[
            ("client_limit", "service", "imap-login", Some(4), 1),
            ("connection_queue", "service", "imap-login", None, 4),
            ("process_limit", "process", "imap", None, 2),
            ("process_limit", "process", "imap", Some(3), 1),
        ],
    ),
    (
        "21_real_2.4.1_imap_process_limit.log",
        &[
            ("client_limit", "service", "pop3", Some(1), 1),
            ("process_limit", "process", "imap", None, 2),
            ("process_limit", "process", "imap", Some(3), 1),
        ],
    ),
    (
        "21_real_2.4.1_login_client_limit.log",
        &[
            ("client_limit", "service", "imap-login", Some(4), 1),
            ("client_limit", "service", "pop3-login", Some(1), 1),
            ("connection_queue", "service", "imap-login", None, 4),
            ("connection_queue", "service", "pop3-login", None, 2),
        ],
    ),
];

#[test]
fn limits_of_services_by_limit_scope_service_and_number() {
    for (file, expected) in SERVICE_LIMITS {
        let messages = messages(file);
        let mut counts: BTreeMap<(&str, &str, &str, Option<u64>), usize> = BTreeMap::new();
        for event in messages.iter().filter_map(|message| event(message)) {
            let service = event.service.unwrap_or("");
            let key = (event.limit, event.scope.name(), service, event.limit_value);
            *counts.entry(key).or_default() += 1;
        }
        let counts: Vec<Counted<'_>> = counts
            .into_iter()
            .map(|((limit, scope, service, value), count)| (limit, scope, service, value, count))
            .collect();
        assert_eq!(counts, expected, "{file}");
    }
    let messages = messages("20_synthetic_other_versions.log");
    let services = messages.iter().filter_map(|message| event(message));
    assert_eq!(
        services
            .filter(|event| event.scope != Scope::UserIp)
            .count(),
        8
    );
}

#[test]
fn every_event_contains_a_needle() {
    let long_enough = |needle: &&str| {
        needle.len() >= 12
            && needle
                .bytes()
                .all(|byte| byte == b' ' || byte.is_ascii_alphanumeric())
    };
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
