//! The incident behind the project, shortened, and one line of another time before, within or behind it: it hides nothing.

use std::path::Path;

use test_support::refusal;

use crate::{replay_stdin, run};

/// A quarter of an hour, fifty a second.
const LINES: usize = 45_000;
const START: &str = "2026-03-29T12:00:00Z";

fn story() -> String {
    let arguments = format!("generate --cause story --lines {LINES} --start {START}");
    run(Path::new("/"), &arguments).stdout
}

/// How many refusals the ends tell of, and how many alerts there are.
fn told(log: &str) -> (u64, usize) {
    let alerts = replay_stdin("--only alerts --summary none --year 2026", log).documents();
    let floods = alerts.iter().map(|it| &it["maxconn"]["flood"]);
    let ends = floods.filter(|it| it["state"] == "end");
    (
        ends.map(|it| it["count"].as_u64().unwrap()).sum(),
        alerts.len(),
    )
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
                let stray = refusal::line(time, user, "192.0.2.7");
                let log = [&story[..at], stray.as_str(), &story[at..]].concat();
                // It counts where the flood is open and has been there, or is about to.
                let counts = user == "bob" && place != "before" && !is_ahead;
                let (told, strayed) = told(&log);
                assert_eq!(told, count + u64::from(counts), "{place}: {stray}");
                assert!(strayed <= alerts + 4, "{strayed} alerts, {place}: {stray}");
            }
        }
    }
}
