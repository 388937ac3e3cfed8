//! Normal lines of some thirty programs, made from a seed: none is an event. CI looks at some; `LINES=1000000 cargo test --release …
//! --test servers normal` at more.

use std::collections::BTreeSet;

use maxconn_core::config::Config;
use maxconn_core::recognisers::SERVERS;
use test_support::data::text;

use super::{events, read};

/// How many lines are looked at.
const LINES: usize = 50_000;

/// What people type, search for and name things by.
const WORDS: [&str; 40] = [
    "hello",
    "invoice 4711",
    "x y z",
    "l\u{e9}a",
    "too many connections",
    "Too many connections",
    "error 1040 too many connections",
    "sorry, too many clients already",
    "why does it say \"FATAL:  sorry, too many clients already\"",
    "max_user_connections",
    "User 'a' has exceeded the 'max_user_connections' resource",
    "remaining connection slots are reserved",
    "connection limit reached",
    "maximum active connections",
    "Maximum number of connections from user+IP exceeded",
    "server reached MaxRequestWorkers setting",
    "worker_connections are not enough",
    "limiting connections by zone",
    "max_children setting",
    "drop connection #7",
    "MaxStartups throttling",
    "Possible SYN flooding on port 80. Sending cookies.",
    "nf_conntrack: table full, dropping packet",
    "accept: Too many open files",
    "Too many open connections (2 of 2 for you)",
    "no more connections allowed (max_client_conn)",
    "client connections exceeded (max_user_client_connections)",
    "user connection limit (1) is reached",
    "Too many incoming connections (5), dropping connection.",
    "Max connections (2) exceeded for [data][data]",
    "HTTP session count exceeded 3 sessions.",
    "Client connection from 192.0.2.7 denied: max_connections exceeded.",
    "FAIL: echo service_limit from=192.0.2.7",
    "Connection refused (MaxClients 3)",
    "Connection refused: too many sessions.",
    "address already has the configured maximum of 2 connections.",
    "connection refused because too many open connections: 819",
    "Connection from [192.0.2.7] refused: too many connections",
    "Connection concurrency limit exceeded: 51 from h[192.0.2.7] for service smtp",
    " sQ-- 1/1/1/1/0 0/1 ",
];

/// Numbers that are the same each time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 29)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }
}

/// What stands for a field; `None` if that is no field.
fn value(field: &str, is_json: bool, chance: &mut Chance) -> Option<String> {
    let clock = format!(
        "{:02}:{:02}:{:02}",
        chance.below(24),
        chance.below(60),
        chance.below(60)
    );
    let ms = chance.below(1_000);
    Some(match field {
        "syslog" => format!("Nov 28 {clock} srv1"),
        "iso" => format!("2026-11-28T{clock}.{ms:03}456+00:00 srv1"),
        "iso_time" => format!("2026-11-28T{clock}.{ms:03}456"),
        "stamp" => format!("2026-11-28 {clock}.{ms:03}"),
        "nginx" => format!("2026/11/28 {clock}"),
        "apache" => format!("Sat Nov 28 {clock}.{ms:03}456 2026"),
        "clf" => format!("28/Nov/2026:{clock} +0000"),
        "epoch" => format!("{}", 1_795_800_000 + chance.below(86_400)),
        "n" => format!("{}", 1 + chance.below(99_999)),
        "port" => format!("{}", 1_024 + chance.below(60_000)),
        "code" => format!("{}", [200, 304, 404, 500, 503][chance.below(5) as usize]),
        "hex" => format!("{:08x}", chance.below(1 << 32)),
        "ip" => format!("192.0.2.{}", 1 + chance.below(254)),
        "host" => ["mail.example.org", "localhost", "a-1.example.net"][chance.below(3) as usize]
            .to_string(),
        "user" => {
            ["alice", "web", "root", "bob@example.org", "x-7"][chance.below(5) as usize].to_string()
        }
        "path" => ["index.php", "a/b.html", "shop"][chance.below(3) as usize].to_string(),
        "words" => {
            let words = WORDS[chance.below(WORDS.len() as u64) as usize];
            match is_json {
                true => words.replace('"', "\\\""),
                false => words.to_string(),
            }
        }
        _ => return None,
    })
}

fn filled(template: &str, chance: &mut Chance) -> String {
    let is_json =
        template.starts_with('{') && !template.starts_with("{s") && !template.starts_with("{i");
    let mut line = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        line.push_str(before);
        let field = behind.split_once('}');
        match field.and_then(|(field, behind)| Some((value(field, is_json, chance)?, behind))) {
            Some((value, behind)) => {
                line.push_str(&value);
                rest = behind;
            }
            None => {
                line.push('{');
                rest = behind;
            }
        }
    }
    line.push_str(rest);
    line
}

#[test]
fn normal_lines_are_no_events() {
    let config = Config::default();
    let table = text("testdata/normal_lines.txt");
    let rows = table
        .lines()
        .filter(|row| !row.is_empty() && !row.starts_with('#'));
    let templates: Vec<(&str, &str)> = rows
        .map(|row| row.split_once(" | ").expect("two cells"))
        .collect();
    let programs: BTreeSet<&str> = templates.iter().map(|(program, _)| *program).collect();
    assert!(programs.len() >= 20, "{programs:?}");
    let lines = std::env::var("LINES")
        .ok()
        .and_then(|lines| lines.parse().ok())
        .unwrap_or(LINES);
    let needles: Vec<&str> = SERVERS
        .iter()
        .flat_map(|server| server.needles)
        .copied()
        .collect();
    let mut chance = Chance(20_261_128);
    let mut searched = 0;
    for number in 0..lines {
        let (program, template) = templates[number % templates.len()];
        let line = filled(template, &mut chance);
        searched += usize::from(needles.iter().any(|needle| line.contains(needle)));
        let record = read(line.as_bytes(), &config).expect(&line);
        let events = events(line.as_bytes(), &record, &config);
        assert!(events.is_empty(), "{program}: {events:?}: {line}");
    }
    // Some speak of limits, or nothing would be said by this.
    assert!(searched * 5 > lines, "{searched} of {lines}");
}
