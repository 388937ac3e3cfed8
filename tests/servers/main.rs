//! The real logs in `testdata/servers`, line by line: every expected event with its fields, and no other line taken for one; the
//! same in every framing that a line can come in; and the normal lines of other programs.

mod framings;
mod normal;

use std::collections::BTreeMap;
use std::fs::read_dir;
use std::net::IpAddr;

use maxconn_core::config::{Config, Rule};
use maxconn_core::event::{Class, Detail, Event};
use maxconn_core::head;
use maxconn_core::recognisers::{Entry, READINGS_MAX, SERVERS, Said};
use maxconn_core::record::{Record, read_json};
use serde_json::Value;
use test_support::data;

const FOLDER: &str = "testdata/servers";
const NOW_MS: i64 = 1_795_900_000_000;

/// A line as the engine reads it.
fn read<'a>(line: &'a [u8], config: &Config) -> Option<Record<'a>> {
    if line.first() == Some(&b'{') {
        return read_json(line, config.keys(), &config.timezone);
    }
    Some(Record {
        message: Some(String::from_utf8_lossy(line)),
        ..Record::default()
    })
}

/// The event of a record, and what else takes it for one of its own.
fn events<'a>(line: &'a [u8], record: &'a Record<'_>, config: &Config) -> Vec<Event<'a>> {
    let Some(message) = record.message.as_deref() else {
        return Vec::new();
    };
    let json = (line.first() == Some(&b'{')).then_some(line);
    let body = head::parse(message, &config.timezone, Some(NOW_MS)).body;
    let said = Said::text(message, body).within(json, &record.unescaped);
    let readings = std::iter::successors(Some(said), Said::other).take(1 + READINGS_MAX);
    readings
        .flat_map(|said| {
            let events = SERVERS.iter().map(move |server| server.recognise(&said));
            events.flatten().collect::<Vec<_>>()
        })
        .collect()
}

/// What a field of a row is of an event, as text.
fn field(event: &Event<'_>, name: &str) -> Option<String> {
    let detail = |detail| event.details.get(detail).map(str::to_string);
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    match name {
        "server" => Some(event.module.to_string()),
        "limit" => Some(event.limit.to_string()),
        "scope" => Some(event.scope.name().to_string()),
        "value" => number(event.limit_value),
        "count" if event.class == Class::Summary => number(Some(u64::from(event.count))),
        "count" => number(event.limit_current),
        "user" => event.user.map(str::to_string),
        "service" => event.service.map(str::to_string),
        "ip" => event.source.map(|source| source.ip.to_string()),
        "port" => {
            let port = event.source.and_then(|source| source.port);
            port.map(|port| port.to_string())
                .or_else(|| detail(Detail::Port))
        }
        "host" => detail(Detail::Host),
        "database" => detail(Detail::Database),
        "vhost" => detail(Detail::Vhost),
        "zone" => detail(Detail::Zone),
        "frontend" => detail(Detail::Frontend),
        "backend" => detail(Detail::Backend),
        "state" => detail(Detail::State),
        "status" => detail(Detail::Status),
        "code" => detail(Detail::Code),
        _ => panic!("{name}"),
    }
}

fn is_same(name: &str, found: Option<&str>, wanted: &Value) -> bool {
    let wanted = wanted
        .as_str()
        .map_or_else(|| wanted.to_string(), str::to_string);
    let ip = |text: &str| text.parse::<IpAddr>().ok();
    match name {
        "ip" => found.is_some_and(|found| ip(found).is_some() && ip(found) == ip(&wanted)),
        _ => found == Some(&wanted),
    }
}

/// What is wrong with an event.
fn faults(event: &Event<'_>, row: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let is_ambiguous = row["class"] == "ambiguous";
    let optional = row["optional"].as_object().cloned().unwrap_or_default();
    for (name, wanted) in row.as_object().expect("a row") {
        if matches!(
            &**name,
            "file" | "line" | "class" | "optional" | "note" | "stage" | "dry_run"
        ) {
            continue;
        }
        let found = field(event, name);
        if !is_same(name, found.as_deref(), wanted) {
            faults.push(format!("{name} is {found:?}, not {wanted}"));
        }
    }
    for (name, wanted) in &optional {
        let found = field(event, name);
        if found.is_some() && !is_same(name, found.as_deref(), wanted) {
            faults.push(format!("{name} is {found:?}, not {wanted} or nothing"));
        }
    }
    for name in ["user", "ip"] {
        let is_there = row.get(name).is_some() || optional.contains_key(name) || is_ambiguous;
        if !is_there && let Some(found) = field(event, name) {
            faults.push(format!("{name} is {found:?}, and the line has none"));
        }
    }
    let class = match (row["class"].as_str(), row["dry_run"].as_bool()) {
        (_, Some(true)) => "warning",
        (None | Some("ambiguous"), _) => "refusal",
        (Some(class), _) => class,
    };
    if event.class.name() != class {
        faults.push(format!("class is {}, not {class}", event.class.name()));
    }
    faults
}

fn files(folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in read_dir(data::path(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().expect("a type").is_dir() {
            true => files.extend(self::files(&name)),
            false if name.ends_with(".log.gz") => files.push(name),
            false => {}
        }
    }
    files.sort();
    files
}

/// The rows of what is expected, by file and line.
fn expected() -> BTreeMap<(String, usize), Value> {
    let mut expected = BTreeMap::new();
    for line in data::text(&format!("{FOLDER}/expected.jsonl.gz")).lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let file = row["file"].as_str().expect("a file").to_string();
        let line = row["line"].as_u64().expect("a line") as usize;
        expected.insert((file, line), row);
    }
    assert_eq!(expected.len(), 3_594);
    expected
}

/// All lines of all files, each with the name of its file and its number.
fn lines(folder: &str) -> Vec<(String, usize, Vec<u8>)> {
    let mut lines = Vec::new();
    for path in files(folder) {
        let file = path.strip_prefix(folder).expect("in the folder");
        let file = file.trim_start_matches('/').trim_end_matches(".gz");
        for (index, line) in data::read(&path).split(|byte| *byte == b'\n').enumerate() {
            lines.push((file.to_string(), index + 1, line.to_vec()));
        }
    }
    lines
}

#[test]
fn every_expected_line_field_by_field_and_no_other() {
    let config = Config::default();
    let mut expected = expected();
    let mut wrong = Vec::new();
    for (file, line_number, line) in &lines(FOLDER) {
        let text = String::from_utf8_lossy(line);
        let text = text.chars().take(300).collect::<String>();
        let record = read(line, &config);
        let events = record
            .as_ref()
            .map(|record| events(line, record, &config))
            .unwrap_or_default();
        let row = expected.remove(&(file.clone(), *line_number));
        let place = format!("{file}:{line_number}");
        if let [_, other, ..] = &*events {
            wrong.push(format!("{place}: is {}'s, too: {text}", other.module));
        }
        match (events.first(), row) {
            (Some(event), Some(row)) => {
                let faults = faults(event, &row);
                if !faults.is_empty() {
                    wrong.push(format!("{place}: {}: {text}", faults.join(", ")));
                }
                let server = SERVERS.iter().find(|server| server.name == event.module);
                let server = server.expect("a server");
                let mark = server
                    .mark
                    .map(|mark| String::from_utf8_lossy(&mark).into_owned());
                let needles = server.needles.iter().copied();
                let mut needles = needles.map(str::to_string).chain(mark);
                if !needles.any(|needle| {
                    let line = String::from_utf8_lossy(line);
                    line.contains(&needle)
                }) {
                    wrong.push(format!("{place}: no needle: {text}"));
                }
            }
            (Some(event), None) => {
                wrong.push(format!("{place}: is no event of {}: {text}", event.module));
            }
            (None, Some(row)) if row["class"] != "ambiguous" => {
                wrong.push(format!(
                    "{place}: missed {} {}: {text}",
                    row["server"], row["limit"]
                ));
            }
            (None, _) => {}
        }
    }
    assert!(expected.is_empty());
    let count = wrong.len();
    wrong.truncate(60);
    assert!(wrong.is_empty(), "{count} are wrong:\n{}", wrong.join("\n"));
}

#[test]
fn no_line_of_the_first_server_is_another_s() {
    let config = Config::default();
    let (mut lines, mut events_of_its_own) = (0, 0);
    for entry in read_dir(data::path("testdata/dovecot")).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        if name == "expected.jsonl" || name.ends_with(".md") {
            continue;
        }
        for line in data::read(&format!("testdata/dovecot/{name}")).split(|byte| *byte == b'\n') {
            lines += 1;
            let Some(record) = read(line, &config) else {
                continue;
            };
            for event in events(line, &record, &config) {
                let text = String::from_utf8_lossy(line);
                assert_eq!(event.module, SERVERS[0].name, "{name}: {text}");
                events_of_its_own += 1;
            }
        }
    }
    assert!(
        lines > 18_000 && events_of_its_own > 14_000,
        "{lines}, {events_of_its_own}"
    );
}

/// What no log in `testdata/servers` has.
#[test]
fn what_was_not_driven_is_read_by_its_words() {
    let config = Config::default();
    let table = data::text("testdata/undriven_lines.txt");
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let cells: Vec<&str> = row.splitn(4, " | ").collect();
        let [server, limit, fields, line] = *cells else {
            panic!("four cells: {row}")
        };
        let record = read(line.as_bytes(), &config).expect(line);
        let events = events(line.as_bytes(), &record, &config);
        let told = events.iter().map(|event| (event.module, event.limit));
        let expected = (limit != "-").then_some((server, limit));
        assert_eq!(told.collect::<Vec<_>>(), Vec::from_iter(expected), "{line}");
        let fields: Vec<&str> = fields.split(' ').collect();
        for (event, pair) in events.iter().zip([fields.chunks_exact(2)]) {
            for pair in pair {
                let found = field(event, pair[0]);
                assert_eq!(found.as_deref(), Some(pair[1]), "{}: {line}", pair[0]);
            }
        }
    }
}

#[test]
fn every_limit_is_counted_by_one_built_in_rule() {
    let rules = Config::default().rules;
    for server in SERVERS {
        for limit in server.limits {
            let counts = |rule: &&Rule| {
                rule.distinct.is_none()
                    && rule.servers.contains(&server.name)
                    && rule.scope.contains(&limit.scope)
            };
            let names = rules.iter().filter(counts).map(|rule| rule.name.as_str());
            let names: Vec<&str> = names.collect();
            assert_eq!(names.len(), 1, "{} {}: {names:?}", server.name, limit.name);
        }
        for name in server.rules {
            assert!(rules.iter().any(|rule| rule.name == *name), "{name}");
        }
    }
}

#[test]
fn another_program_s_log_of_a_client_s_words_is_no_event() {
    let config = Config::default();
    for words in [
        "drop connection #3 from [192.0.2.66]:7 on [198.51.100.1]:22 past MaxStartups",
        "Maxstartups logging rate-limited: additional 4000000 connections dropped",
        "Connection from [192.0.2.66]:7 refused: too many connections",
        "echo.socket: Too many incoming connections (64), dropping connection.",
    ] {
        let line = |tag: &str| format!("Nov 28 17:00:00 srv1 {tag}[7]: {words}");
        let is_event = |tag: &str| {
            let line = line(tag);
            let record = read(line.as_bytes(), &config).expect("it is text");
            !events(line.as_bytes(), &record, &config).is_empty()
        };
        let own = ["sshd", "exim", "systemd"];
        assert!(own.into_iter().any(is_event), "{words}");
        assert!(!is_event("app"), "{words}");
    }
}
