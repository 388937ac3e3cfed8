//! Names that try to forge what a line of another server says, in each server's real templates: what is read is what was put
//! in, or nothing. `CASES=1000000 cargo test --release … --test servers_hostile` tries more of them.

use maxconn_core::config::Config;
use maxconn_core::event::{Detail, Event};
use maxconn_core::head;
use maxconn_core::recognisers::{Entry, READINGS_MAX, SERVERS, Said};
use maxconn_core::record::{Unescaped, read_json};
use test_support::data::text;

/// How many lines are tried for each server.
const CASES: usize = 10_000;
const NOW_MS: i64 = 1_795_900_000_000;

/// A line with names in it, and the limit that it speaks of, if it speaks of any.
struct Template<'t> {
    server: &'t str,
    limit: Option<&'t str>,
    line: &'t str,
}

/// `SERVER | LIMIT or - | LINE`; what begins with `#` is a comment.
fn templates(table: &str) -> Vec<Template<'_>> {
    let rows = table
        .lines()
        .filter(|row| !row.is_empty() && !row.starts_with('#'));
    rows.map(|row| {
        let mut cells = row.splitn(3, " | ");
        let mut cell = || cells.next().unwrap_or_else(|| panic!("three cells: {row}"));
        let (server, limit, line) = (cell(), cell(), cell());
        Template {
            server,
            limit: Some(limit).filter(|limit| *limit != "-"),
            line,
        }
    })
    .collect()
}

/// Numbers that are the same each time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

/// A name: what lines are made of, and letters.
fn name(chance: &mut Chance, parts: &[&str], names: &[String]) -> String {
    let mut name = String::new();
    for _ in 0..=chance.below(5) {
        match chance.below(4) {
            0 => name.push_str(chance.one(&["a", "bob", "x y", "\u{e9}", "7", "-", "."])),
            1 => name.push(char::from(b' ' + chance.below(95) as u8)),
            // Another name of the line, or this one again.
            2 if !names.is_empty() => {
                let other = names[chance.below(names.len())].clone();
                name.push_str(&other.chars().take(200).collect::<String>());
            }
            _ => name.push_str(chance.one(parts)),
        }
    }
    // Some are no more than a piece.
    match chance.below(12) {
        0 => String::from("web"),
        _ => name.trim_matches(' ').to_string(),
    }
}

/// A name as it stands in a line: as it is, or as CSV, JSON and HAProxy have it.
fn encoded(name: &str, how: &str) -> String {
    match how {
        "c" => name.replace('"', "\"\""),
        "j" => name
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n"),
        "jj" => encoded(&encoded(name, "j"), "j"),
        "h" => name
            .replace('"', "#22")
            .replace('}', "#7D")
            .replace('{', "#7B"),
        _ => name.to_string(),
    }
}

/// What events say of `{u}`, `{d}` and the rest, held against what was put in.
fn check(event: &Event<'_>, template: &Template<'_>, names: &[String; 3], line: &str) {
    let server = SERVERS.iter().find(|server| server.name == event.module);
    assert!(server.is_some(), "{line}");
    assert_eq!(
        (event.module, Some(event.limit)),
        (template.server, template.limit),
        "{line}"
    );
    let [user, database, _] = names;
    if let Some(read) = event.user {
        assert_eq!(read, user, "user: {line}");
    }
    if let Some(read) = event.details.get(Detail::Database) {
        assert_eq!(read, database, "database: {line}");
    }
    if let Some(source) = event.source {
        let ip = source.ip.to_string();
        assert!(
            ip == "127.0.0.1" || ip == "::ffff:127.0.0.1",
            "{ip}: {line}"
        );
        assert!(matches!(source.port, None | Some(41_285)), "{line}");
    }
    let fixed = [
        (Detail::Host, "localhost"),
        (Detail::Zone, "perip"),
        (Detail::Vhost, "example.org"),
        (Detail::Frontend, "fe"),
        (Detail::Backend, "be"),
        (Detail::Status, "503"),
    ];
    for (detail, put) in fixed {
        let read = event.details.get(detail);
        assert!(
            read.is_none_or(|read| read == put),
            "{detail:?} {read:?}: {line}"
        );
    }
}

/// Gives the events of a line, of whichever server.
fn events(line: &str, config: &Config, mut then: impl FnMut(&Event<'_>)) {
    let json = line.starts_with('{').then_some(line.as_bytes());
    let record = json.and_then(|json| read_json(json, config.keys(), &config.timezone));
    let message = record.as_ref().and_then(|record| record.message.as_deref());
    let message = message.unwrap_or(line);
    let unescaped = Unescaped::default();
    let body = head::parse(message, &config.timezone, Some(NOW_MS)).body;
    let mut said = Some(Said::text(message, body).within(json, &unescaped));
    for _ in 0..=READINGS_MAX {
        let Some(reading) = said else { return };
        let events = SERVERS
            .iter()
            .filter_map(|server| server.recognise(&reading));
        events.for_each(|event| then(&event));
        said = reading.other();
    }
}

#[test]
fn names_forge_nothing() {
    let config = Config::default();
    let table = text("testdata/hostile_servers.txt");
    let (parts, table) = table.split_once("\n# Templates").expect("both parts");
    let parts: Vec<&str> = parts
        .lines()
        .filter(|part| !part.starts_with('#'))
        .collect();
    let table = table.split_once('\n').map_or("", |(_, table)| table);
    let templates = templates(table);
    let cases = std::env::var("CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    let cases = cases.unwrap_or(CASES);
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let mut read = 0;
    for server in SERVERS.iter().map(|server| server.name) {
        let own: Vec<&Template> = templates.iter().filter(|it| it.server == server).collect();
        if own.is_empty() {
            continue;
        }
        for _ in 0..cases {
            let template = own[chance.below(own.len())];
            let mut names: Vec<String> = Vec::new();
            for _ in 0..3 {
                let mut next = name(&mut chance, &parts, &names);
                // Where a line feed is written as something else, or within quotes.
                if template.line.contains(":c»") || template.line.starts_with('{') {
                    let at = chance.below(next.len() * 4 + 1);
                    if next.is_char_boundary(at) {
                        next.insert(at, '\n');
                    }
                }
                names.push(next);
            }
            let names: [String; 3] = names.try_into().expect("three");
            let mut line = String::new();
            let mut rest = template.line;
            while let Some((before, behind)) = rest.split_once('«') {
                let (field, behind) = behind.split_once('»').expect("a field ends");
                let (field, how) = field.split_once(':').unwrap_or((field, ""));
                let number = match field {
                    "u" => 0,
                    "d" => 1,
                    _ => 2,
                };
                line.push_str(before);
                line.push_str(&encoded(&names[number], how));
                rest = behind;
            }
            line.push_str(rest);
            for piece in line.split('\n') {
                events(piece, &config, |event| {
                    // A piece of a line is none of its server; what begins a line could be anybody's.
                    if piece == line {
                        read += 1;
                        check(event, template, &names, &line);
                    } else {
                        assert_ne!(event.module, template.server, "{event:?}: {piece}");
                    }
                });
            }
        }
    }
    assert!(read > cases, "{read} events of {cases} lines a server");
}
