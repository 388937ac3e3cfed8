//! A report of documents as the plugin writes them: what it says of a flood, and of a load beside it.

use std::fmt::Write as _;

use maxconn_core::engine::Kind;
use maxconn_report::written::Flood;
use maxconn_report::zone::Zone;
use maxconn_report::{Known, Options, Report, Written, html};
use serde_json::{Value, json};

const START: i64 = 1_798_761_600_000;
const MINUTE: i64 = 60_000;
/// A day.
const MINUTES: i64 = 1_440;

fn time(time_ms: i64) -> String {
    let (time, _) = Zone::default().show_ms(time_ms);
    format!("{}.000Z", time.replace(' ', "T"))
}

/// A minute's document.
fn minute(at: i64, count: u64) -> String {
    let document = json!({
        "@timestamp": time(START + at * MINUTE),
        "event": {"kind": "metric", "action": "connection-limit-statistics", "module": "dovecot"},
        "host": {"name": "mail"},
        "maxconn": {
            "limit": {"name": "mail_max_userip_connections"},
            "refusals": {"count": count, "passed": 0, "suppressed": count, "suppressed_bytes": count * 170},
        },
    });
    format!("{document}\n")
}

/// An alert of a flood over whole minutes.
fn alert(user: &str, state: &str, at: i64, first: i64, count: u64) -> String {
    let document = json!({
        "@timestamp": time(START + at * MINUTE),
        "message": "not read",
        "event": {
            "kind": "alert", "module": "dovecot", "severity": 73,
            "start": time(START + first * MINUTE), "end": time(START + at * MINUTE),
            "duration": (at - first) * 60_000_000_000_i64,
        },
        "rule": {"name": "userip"},
        "user": {"name": user}, "source": {"ip": "192.0.2.7"}, "host": {"name": "mail"},
        "service": {"type": "dovecot", "name": "imap-login"},
        "maxconn": {
            "limit": {"name": "mail_max_userip_connections", "value": 10, "scope": "user+ip", "stage": "after-auth"},
            "flood": {
                "id": format!("{:032x}", first), "state": state, "key": format!("imap-login {user} 192.0.2.7"),
                "count": count, "passed": 0, "suppressed": count, "suppressed_bytes": count * 170,
                "rate": {"mean": 50.0, "peak": 50.0, "current": 50.0},
                "distinct": {"users": 1, "ips": 1, "hosts": 1, "sessions": 0},
                "cause": {
                    "hint": "retry-storm", "evidence": "1 user, 1 address, 50.0/s",
                    "advice": "The password is right: find the device. Raising the limit ends the refusals only.",
                },
                "sample": format!("imap-login: user=<{user}>"),
                "end_reason": "quiet",
            },
        },
    });
    format!("{document}\n")
}

/// A day with a flood in the minutes `flood`, of so many refusals in each.
fn report(user: &str, flood: std::ops::Range<i64>, count: impl Fn(i64) -> u64) -> Report {
    let mut report = Report::new(Options {
        disk_free_bytes: Some(20_000_000_000),
        ..Options::default()
    });
    let mut total = 0;
    for at in flood.clone() {
        total += count(at);
        let state = if at == flood.start {
            "start"
        } else {
            "ongoing"
        };
        let alert = alert(user, state, at + 1, flood.start, total);
        report.push(Kind::Alert, alert.as_bytes());
        report.push(Kind::Statistics, minute(at, count(at)).as_bytes());
    }
    if !flood.is_empty() {
        let end = alert(user, "end", flood.end, flood.start, total);
        report.push(Kind::Alert, end.as_bytes());
    }
    report
}

fn finish(report: Report) -> Written {
    report.finish(Known {
        period_ms: Some((START, START + MINUTES * MINUTE)),
        ..Known::default()
    })
}

fn uneven(at: i64) -> u64 {
    2_000 + (at * 104_729 % 2_000).unsigned_abs()
}

fn noise(at: i64) -> f64 {
    (at * 7_919 % 1_000) as f64 / 1_000.0
}

/// Lines of a load, one every `step` minutes.
fn load(step: i64, value: impl Fn(i64) -> f64) -> String {
    let mut lines = String::from("time,load\n");
    for at in (0..MINUTES).step_by(usize::try_from(step).unwrap()) {
        let _ = writeln!(lines, "{},{}", time(START + at * MINUTE), value(at));
    }
    lines
}

#[test]
fn the_flood_is_told_with_its_curve_and_what_to_do() {
    let written = finish(report("bob", 300..900, |_| 3_000));
    assert_eq!(
        written.verdict,
        [
            "bob from 192.0.2.7 on mail was refused 1,800,000 times by imap-login (mail_max_userip_connections=10), \
             from 2027-01-01 05:00:00 until 2027-01-01 15:00:00 UTC, 50.0 a second: a retry storm.",
            "The password is right: find the device.",
        ]
    );
    let [flood]: &[Flood; 1] = written.floods.as_slice().try_into().unwrap();
    assert_eq!(flood.curve.counts.iter().sum::<u64>(), 1_800_000);
    assert_eq!(flood.hours.iter().sum::<u64>(), 1_800_000);
    // The first of January of 2027 is a Friday.
    assert_eq!(flood.weekdays, [0, 0, 0, 0, 1_800_000, 0, 0]);
    assert_eq!(flood.hours[5..15], [180_000; 10]);
    let regularity = flood.regularity.as_ref().unwrap();
    assert_eq!(
        (regularity.mean_per_minute, regularity.deviation),
        (3_000.0, 0.0)
    );
    assert_eq!(flood.run_now[0], "doveadm who -1 bob");
    assert_eq!(flood.run_now[2], "doveadm kick bob 192.0.2.7");
    let timeline = &written.timeline;
    assert_eq!((timeline.start, timeline.step_s), (START, 60));
    assert_eq!(timeline.counts[299..301], [0, 3_000]);
    assert_eq!(timeline.counts.iter().sum::<u64>(), written.input.refusals);
    assert_eq!(timeline.bytes.as_ref().unwrap()[300], 513_000);
    for list in [
        &written.top.users,
        &written.top.networks,
        &written.top.hosts,
    ] {
        assert_eq!(list[0].count, 1_800_000);
    }
    assert_eq!(written.top.networks[0].name, "192.0.2.0/24");
    // 171 bytes a line: 308 MB in ten hours.
    let disk = written.disk.unwrap();
    assert_eq!(disk.bytes_per_day, 738_720_000.0);
    let said = disk.sentence;
    let lasts = "the 20.0 GB that are free last 27 d 1 h";
    assert!(said.contains(lasts), "{said}");
}

#[track_caller]
fn is_near(what: &str, found: Option<f64>, expected: f64) {
    let found = found.expect(what);
    assert!((found - expected).abs() < 0.02, "{what}: {found}");
}

/// The figures were computed apart from this program, by Python's `statistics.correlation` on the same series.
#[test]
fn a_load_is_set_beside_the_refusals() {
    let is_flood = |at: i64| (300..900).contains(&at);
    let refused = |at: i64| if is_flood(at) { uneven(at) as f64 } else { 0.0 };
    let followed = |at: i64| 0.5 + refused(at) / 1_000.0 + 3.0 * noise(at);
    let lagging = |at: i64| 0.5 + refused(at - 5) / 1_000.0 + 0.5 * noise(at);
    for (what, load, correlation, lag_s, lag_correlation, says) in [
        (
            "it follows",
            load(1, followed),
            0.868_06,
            0,
            0.868_06,
            "goes closely with the refusals: correlation 0.87, over 1440",
        ),
        (
            "five minutes later",
            load(1, lagging),
            0.928_32,
            300,
            0.995_56,
            "fits best where the load comes 5 min later: correlation 1.00",
        ),
        (
            "nothing",
            load(1, noise),
            -0.012_14,
            0,
            -0.012_14,
            "does not go with the refusals: correlation -0.01",
        ),
    ] {
        let mut report = report("bob", 300..900, uneven);
        report.load(load.as_bytes()).unwrap();
        let load = finish(report).load.unwrap();
        let together = load.together;
        is_near(what, together.correlation, correlation);
        is_near(what, together.lag_correlation, lag_correlation);
        assert_eq!(together.lag_s, Some(lag_s), "{what}");
        let is_said = together.sentences.iter().any(|it| it.contains(says));
        assert!(is_said, "{what}: {together:?}");
        assert_eq!(load.times.len(), 1_440);
    }
    // Means of ten minutes, as sar has them of the processors.
    let mut sar = String::from("# hostname;interval;timestamp;CPU;%idle\n");
    for at in (0..MINUTES).step_by(10) {
        let mean = (at..at + 10).map(followed).sum::<f64>() / 10.0;
        let _ = writeln!(
            sar,
            "mail;600;{};-1;{}",
            time(START + (at + 10) * MINUTE),
            100.0 - mean
        );
    }
    let mut report = report("bob", 300..900, uneven);
    report.load(sar.as_bytes()).unwrap();
    let together = finish(report).load.unwrap().together;
    is_near("means", together.correlation, 0.991_79);
    assert_eq!((together.step_s, together.points), (600, 144));
    assert_eq!(together.high_share, Some(1.0));
    is_near("floods", together.flood_share, 600.0 / 1_440.0);
}

#[test]
fn a_log_that_is_all_flood_is_set_beside_the_time_around_it() {
    let mut report = report("bob", 300..900, |_| 3_000);
    let refused = |at: i64| if (300..900).contains(&at) { 3.0 } else { 0.0 };
    let load = load(1, |at| 0.5 + refused(at) + 3.0 * noise(at));
    report.load(load.as_bytes()).unwrap();
    let written = report.finish(Known {
        period_ms: Some((START + 300 * MINUTE, START + 900 * MINUTE - 1_000)),
        ..Known::default()
    });
    let together = written.load.unwrap().together;
    is_near("all flood", together.correlation, 0.862_64);
    let caveat = together.caveat.unwrap();
    let begin = "The logs tell of the time from 2027-01-01 05:00:00 until";
    assert!(caveat.starts_with(begin), "{caveat}");
    assert!(caveat.contains("say no more than about"), "{caveat}");
}

#[test]
fn little_is_said_to_be_little() {
    for (lines, says, caveat) in [
        (
            load(60, |at| at as f64),
            "over 24 points of 1 h",
            "24 points are few: this may be chance.",
        ),
        (
            "2020-01-01T00:00:00Z,1\n2020-01-01T00:01:00Z,2\n".to_string(),
            "The load has no point in the time of the logs, from 2027-01-01 00:00:00 until 2027-01-02 00:00:00 UTC.",
            "another zone",
        ),
        (
            load(1, |_| 1.0),
            "The load is the same all the time: nothing can be compared.",
            "",
        ),
    ] {
        let mut report = report("bob", 300..900, uneven);
        report.load(lines.as_bytes()).unwrap();
        let together = finish(report).load.unwrap().together;
        assert!(together.sentences[0].contains(says), "{together:?}");
        let is_caveat = together.caveat.unwrap_or_default().contains(caveat);
        assert!(is_caveat, "{caveat}");
    }
    let mut none = report("bob", 0..0, uneven);
    none.load(load(1, noise).as_bytes()).unwrap();
    let together = finish(none).load.unwrap().together;
    assert_eq!(together.correlation, None);
    let sentence = "The refusals are as many all the time: nothing can be compared.";
    assert_eq!(together.sentences, [sentence]);
}

#[test]
fn a_hostile_name_is_a_name_everywhere() {
    for name in [
        "</script><img src=x onerror=alert(1)>",
        "a\u{2028}b\u{2029}",
        "\"'`$(reboot)",
        "'; reboot; '",
        "-rf",
        "*",
        "0.0.0.0/0",
        "a\nb",
    ] {
        let written = finish(report(name, 300..400, |_| 3_000));
        let json = written.to_json(1 << 20).unwrap();
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["top"]["users"][0]["name"], name);
        let page = html::page(&json);
        let (_, data) = page.split_once("id=\"report\">").unwrap();
        let (data, _) = data.split_once("</script>").unwrap();
        let is_inert = !data.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
        assert!(is_inert, "{name:?}");
        assert_eq!(serde_json::from_str::<Value>(data).unwrap(), read);
        let flood = &written.floods[0];
        // A command has the name as one word, or there is none with a name.
        for command in flood.run_now.iter().filter(|it| !it.starts_with('#')) {
            assert!(!command.contains(char::is_control), "{command:?}");
            let words = maxconn_report::run_now::words(command).unwrap();
            assert!(words.len() <= 4, "{command:?}");
            let is_known = |word: &String| {
                word == name
                    || ["doveadm", "who", "kick", "-1", "192.0.2.7"].contains(&word.as_str())
            };
            assert!(words.iter().all(is_known), "{command:?}");
        }
    }
}

#[test]
fn the_largest_reports_fit_into_what_is_asked() {
    let mut report = Report::new(Options::default());
    for number in 0..1_000_i64 {
        let user = format!("{number}{}", "x".repeat(250));
        let [start, end] = [("start", 30), ("end", 3_000)].map(|(state, count)| {
            alert(
                &user,
                state,
                1_000 + number + count / 60,
                1_000 + number,
                count.unsigned_abs(),
            )
        });
        report.push(Kind::Alert, start.as_bytes());
        report.push(Kind::Alert, end.as_bytes());
        report.push(Kind::Statistics, minute(1_000 + number, 3_000).as_bytes());
    }
    let written = report.finish(Known::default());
    assert_eq!((written.floods.len(), written.floods_more), (200, 800));
    let all = written.to_json(usize::MAX).unwrap().len();
    let most = all / 3;
    let json = written.to_json(most).unwrap();
    assert!(json.len() <= most, "{} of {all}", json.len());
    let read: Value = serde_json::from_str(&json).unwrap();
    let told = read["floods"].as_array().unwrap().len() as u64;
    assert!(told > 10);
    assert_eq!(
        read["floods_count"],
        told + read["floods_more"].as_u64().unwrap()
    );
}

/// Before anybody is known an alert names a user as claimed alone, and events of the same flood name that one, too.
#[test]
fn a_claimed_name_is_counted_as_that_of_events_is() {
    let mut report = Report::new(Options::default());
    for (state, at) in [("start", 1), ("end", 2)] {
        let mut alert: Value = serde_json::from_str(&alert("web", state, at, 0, 108)).unwrap();
        alert["related"] = json!({"user": ["web"]});
        alert["maxconn"]["limit"]["stage"] = json!("before-auth");
        alert.as_object_mut().unwrap().remove("user");
        report.push(Kind::Alert, format!("{alert}\n").as_bytes());
    }
    let users = finish(report).top.users;
    let users = users.iter().map(|it| (it.name.as_str(), it.count));
    assert_eq!(users.collect::<Vec<_>>(), [("web", 108)]);
}
