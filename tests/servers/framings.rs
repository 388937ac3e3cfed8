//! Each line that is an event, in every framing that it can come in: what is read is the same.

use std::collections::BTreeMap;

use maxconn_core::config::Config;
use maxconn_core::event::{Detail, Endpoint, Event};
use maxconn_core::head::outer;
use maxconn_core::recognisers::SERVERS;
use regex_lite::Regex;
use serde_json::{Value, json};

use super::{FOLDER, events, expected, lines, read};

/// What a program writes, and its name if that is known.
struct Line {
    text: String,
    tag: Option<String>,
    /// It came through syslog or the journal, so that its text has no head of its own.
    is_bare: bool,
}

/// Takes the framing of a fixture away.
fn unframed(line: &str, file: &str) -> Line {
    if file.contains("journald-json") {
        let record: Value = serde_json::from_str(line).expect("JSON");
        let text = |key: &str| record[key].as_str().map(str::to_string);
        return Line {
            text: text("MESSAGE").expect("a message"),
            tag: text("SYSLOG_IDENTIFIER"),
            is_bare: true,
        };
    }
    let outer = outer(line, false);
    Line {
        text: outer.text.to_string(),
        tag: outer.tag.map(str::to_string),
        is_bare: outer.host.is_some(),
    }
}

/// The line in every framing where it may come, each with its name.
fn framed(line: &Line, server: &str) -> Vec<(&'static str, String)> {
    let Line { text, tag, is_bare } = line;
    let known = SERVERS.iter().find(|known| known.name == server);
    let program = known.map_or("", |known| known.program);
    let own = if program.is_empty() { server } else { program };
    let tag = tag.as_deref().unwrap_or(own);
    let mut all = vec![
        ("RFC 3164", format!("<27>Nov 28 17:00:00 srv1 {tag}[7]: {text}")),
        ("file of rsyslog", format!("Nov  8 17:00:00 srv1 {tag}[7]: {text}")),
        ("ISO", format!("2026-11-28T17:00:00.123456+00:00 srv1 {tag}[7]: {text}")),
        ("journalctl -o short-full", format!("Sat 2026-11-28 17:00:00 UTC srv1 {tag}[7]: {text}")),
        ("RFC 5424", format!("<27>1 2026-11-28T17:00:00.123Z srv1 {tag} 7 - - {text}")),
        ("RFC 5424 with data", format!("<27>1 2026-11-28T17:00:00Z srv1 {tag} - id [a@1 b=\"]\"] \u{feff}{text}")),
        ("without a host", format!("<27>Nov 28 17:00:00 {tag}[7]: {text}")),
        ("BusyBox", format!("Nov 28 17:00:00 srv1 daemon.err {tag}[7]: {text}")),
        ("journald", json!({"__REALTIME_TIMESTAMP": "1795885200000000", "_HOSTNAME": "srv1", "SYSLOG_IDENTIFIER": tag, "_COMM": "x", "MESSAGE": text}).to_string()),
        ("parser of Fluent Bit", json!({"pri": "27", "time": "Nov 28 17:00:00", "host": "srv1", "ident": tag, "pid": "7", "message": text}).to_string()),
        ("a parser that leaves the tag", json!({"hostname": "srv1", "message": format!("{tag}[7]: {text}")}).to_string()),
        ("Filebeat", json!({"@timestamp": "2026-11-28T17:00:00Z", "log": {"syslog": {"appname": tag}}, "message": text}).to_string()),
        ("Logstash", json!({"@timestamp": "2026-11-28T17:00:00Z", "process": {"name": tag}, "message": text}).to_string()),
        ("Vector", json!({"timestamp": "2026-11-28T17:00:00Z", "appname": tag, "hostname": "srv1", "message": text}).to_string()),
    ];
    if server != "kernel" && !is_bare {
        all.extend([
            ("alone", text.clone()),
            ("Docker", json!({"log": format!("{text}\n"), "stream": "stderr", "time": "2026-11-28T17:00:00.123456789Z"}).to_string()),
            ("Docker Compose", format!("db_server-1     | {text}")),
            ("CRI", format!("2026-11-28T17:00:00.123456789Z stderr F {text}")),
            ("CRI with an offset", format!("2026-11-28T17:00:00.123456789+01:00 stdout F {text}")),
            ("kubectl --prefix", format!("[pod/db-0/server] {text}")),
            ("a record", json!({"message": text}).to_string()),
        ]);
    }
    all
}

/// What an event says: its texts, its numbers, where the client came from and went to, and how often.
type Told<'e> = (
    Vec<Option<&'e str>>,
    [Option<u64>; 2],
    [Option<Endpoint>; 2],
    u32,
);

/// What an event says, but for the service that is a program's name.
fn said<'e>(event: &'e Event<'_>) -> Told<'e> {
    let detail = |detail| event.details.get(detail);
    let details = [
        Detail::Host,
        Detail::Port,
        Detail::Database,
        Detail::Vhost,
        Detail::Zone,
        Detail::Frontend,
        Detail::Backend,
        Detail::State,
        Detail::Status,
        Detail::Code,
    ];
    let is_program = matches!(event.module, "courier" | "open-files");
    let mut texts = vec![
        Some(event.module),
        Some(event.limit),
        Some(event.scope.name()),
        Some(event.class.name()),
        event.user,
        event.service.filter(|_| !is_program),
    ];
    texts.extend(details.map(detail));
    let numbers = [event.limit_value, event.limit_current];
    (
        texts,
        numbers,
        [event.source, event.destination],
        event.count,
    )
}

/// Every line that is an event: its place, its server and its bytes.
fn event_lines() -> impl Iterator<Item = (String, String, Vec<u8>)> {
    let expected = expected();
    lines(FOLDER)
        .into_iter()
        .filter_map(move |(file, number, line)| {
            let place = format!("{file}:{number}");
            let row = expected.get(&(file, number))?;
            let server = row["server"].as_str()?.to_string();
            // A name with a line feed: what is left of it is on another line.
            (row["class"] != "ambiguous").then_some((place, server, line))
        })
}

#[test]
fn what_a_host_searches_for_lets_all_messages_through() {
    let regexes = SERVERS.iter().map(|server| {
        let regexes = server.prefilter.iter().map(|it| Regex::new(it).expect(it));
        (server.name, regexes.collect::<Vec<_>>())
    });
    let regexes: BTreeMap<&str, Vec<Regex>> = regexes.collect();
    let mut checked = 0;
    for (place, server, line) in event_lines() {
        let regexes = &regexes[server.as_str()];
        let text = String::from_utf8_lossy(&line);
        let is_let_through = regexes.iter().any(|regex| regex.is_match(&text));
        // Without expressions the needles are searched for.
        assert!(regexes.is_empty() || is_let_through, "{place}: {text}");
        checked += usize::from(is_let_through);
    }
    assert!(checked > 3_000, "{checked}");
}

/// Whether it would be looked at at all.
fn has_needle(line: &str, event: &Event<'_>) -> bool {
    let server = SERVERS.iter().find(|server| server.name == event.module);
    let server = server.expect("a server");
    let mark = server.mark.map(|mark| mark.map(char::from));
    let mut needles = server.needles.iter();
    needles.any(|needle| line.contains(needle))
        || mark.is_some_and(|[a, b]| line.contains(&format!("{a}{b}")))
}

#[test]
fn a_line_says_the_same_in_every_framing() {
    let config = Config::default();
    let (mut checked, mut wrong) = (0, Vec::new());
    for (place, server, line) in event_lines() {
        let record = read(&line, &config).expect("a record");
        let own = events(&line, &record, &config);
        let own = own.first().expect("an event");
        let text = String::from_utf8_lossy(&line);
        let line = unframed(&text, &place);
        for (framing, framed) in framed(&line, &server) {
            let record = read(framed.as_bytes(), &config).expect("a record");
            let events = events(framed.as_bytes(), &record, &config);
            checked += 1;
            match &*events {
                [event] if said(event) == said(own) && has_needle(&framed, event) => {}
                events => wrong.push(format!("{place} as {framing}: {events:?}: {framed}")),
            }
        }
    }
    assert!(checked > 40_000, "{checked}");
    let count = wrong.len();
    wrong.truncate(8);
    assert!(
        wrong.is_empty(),
        "{count} of {checked} are wrong:\n{}",
        wrong.join("\n")
    );
}
