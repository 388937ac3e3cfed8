//! The incident behind the project, shortened, and one line of another time before, within or behind it: it hides nothing.

use std::process::Stdio;

use crate::{documents, maxconn, replay_stdin};

/// A quarter of an hour, fifty a second.
const LINES: usize = 45_000;
const START: &str = "2026-03-29T12:00:00Z";
/// What of the line is another's or of another time.
const REFUSAL: &str = "mail dovecot: imap-login: Maximum number of connections from user+IP exceeded \
    (mail_max_userip_connections=10): user=<bob>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1";

fn story() -> String {
    let lines = LINES.to_string();
    let arguments = [
        "generate", "--cause", "story", "--lines", &lines, "--start", START,
    ];
    let output = maxconn(&arguments).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// How many refusals the ends tell of, and how many alerts there are.
fn told(log: &str) -> (u64, usize) {
    let arguments = ["--only", "alerts", "--summary", "none", "--year", "2026"];
    let alerts = documents(&replay_stdin(&arguments, log.as_bytes()).stdout);
    let ends = alerts
        .iter()
        .filter(|it| it["maxconn"]["flood"]["state"] == "end");
    let counts = ends.map(|it| it["maxconn"]["flood"]["count"].as_u64().unwrap());
    (counts.sum(), alerts.len())
}

#[test]
fn one_line_of_another_time_hides_nothing_of_the_story() {
    let story = story();
    let count = LINES as u64;
    let (counted, alerts) = told(&story);
    assert_eq!(counted, count);
    let middle = story.len() / 2;
    let middle = middle + story[middle..].find('\n').unwrap() + 1;
    for (place, at) in [("before", 0), ("within", middle), ("behind", story.len())] {
        // A year and days away, an hour when summer time begins or ends, and within.
        for (time, is_ahead) in [
            ("Jan  1 00:00:00", false),
            ("Mar 28 12:00:00", false),
            ("Mar 29 11:00:00", false),
            ("Mar 29 12:10:00", false),
            ("Mar 29 13:00:00", true),
            ("Mar 30 12:00:00", true),
            ("Dec 31 23:59:59", true),
        ] {
            for user in ["bob", "eve"] {
                let stray = format!("{time} {}\n", REFUSAL.replace("bob", user));
                let log = [&story[..at], &stray, &story[at..]].concat();
                // It counts where the flood is open and has been there, or is about to.
                let counts = user == "bob" && place != "before" && !is_ahead;
                let (told, strayed) = told(&log);
                assert_eq!(told, count + u64::from(counts), "{place}: {stray}");
                assert!(strayed <= alerts + 4, "{strayed} alerts, {place}: {stray}");
            }
        }
    }
}
