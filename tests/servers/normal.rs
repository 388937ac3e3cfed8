//! Normal lines of some thirty programs, made from a seed: none is an event. CI looks at some; `LINES=1000000 cargo test --release …
//! --test servers normal` at more.

use std::collections::BTreeSet;

use maxconn_core::config::Config;
use maxconn_core::recognisers::SERVERS;
use test_support::data::text;

use super::{events, read};

/// How many lines are looked at.
const LINES: usize = 50_000;

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
fn value(field: &str, words: &[&str], is_json: bool, chance: &mut Chance) -> Option<String> {
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
            let words = words[chance.below(words.len() as u64) as usize];
            match is_json {
                true => words.replace('"', "\\\""),
                false => words.to_string(),
            }
        }
        _ => return None,
    })
}

fn filled(template: &str, words: &[&str], chance: &mut Chance) -> String {
    let is_json =
        template.starts_with('{') && !template.starts_with("{s") && !template.starts_with("{i");
    let mut line = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('{') {
        line.push_str(before);
        let field = behind.split_once('}');
        match field
            .and_then(|(field, behind)| Some((value(field, words, is_json, chance)?, behind)))
        {
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
    let (words, table) = table.split_once("\n# Templates").expect("both parts");
    let is_row = |row: &&str| !row.is_empty() && !row.starts_with('#');
    let words: Vec<&str> = words.lines().filter(is_row).collect();
    let rows = table.lines().skip(1).filter(is_row);
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
        let line = filled(template, &words, &mut chance);
        searched += usize::from(needles.iter().any(|needle| line.contains(needle)));
        let record = read(line.as_bytes(), &config).expect(&line);
        let events = events(line.as_bytes(), &record, &config);
        assert!(events.is_empty(), "{program}: {events:?}: {line}");
    }
    // Some speak of limits, or nothing would be said by this.
    assert!(searched * 5 > lines, "{searched} of {lines}");
}
