//! What an Alertmanager is told. A real one is in `e2e/src/alertmanager.rs`.

use std::collections::BTreeSet;

use serde_json::Value;
use test_support::command::Folder;
use test_support::http::{Sink, reply};
use test_support::{contains, until};

use super::{HOSTILE, KEPT, figure, later, refusals, start};

/// All alerts that were posted, in order.
fn posted(sink: &Sink) -> Vec<Value> {
    // One array behind the other.
    let text = sink.lines().join("");
    let arrays = serde_json::Deserializer::from_str(&text).into_iter::<Vec<Value>>();
    arrays.flat_map(|it| it.expect("an array")).collect()
}

fn fires(alert: &Value) -> bool {
    let ends: jiff::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
    ends > jiff::Timestamp::now()
}

#[test]
fn a_flood_fires_over_a_crash_and_resolves_by_the_same_labels() {
    let (folder, sink) = (Folder::new(), Sink::start());
    let output = format!("alertmanager+http://{}/prefix/", sink.address);
    let again = |pause| {
        start(
            &folder,
            &format!("{KEPT} --alerts-resend {pause}"),
            &[&output],
        )
    };
    let mut process = again("1s");
    assert_eq!(process.post(refusals("bob", 0..5)), 204);
    until("it is told twice", || posted(&sink).len() >= 2);
    until("it is kept", || folder.holds("kept.state", "\"shown\""));
    // What is on its way when it dies may be taken yet: after two more nothing is.
    sink.says(503);
    let heads = sink.heads().len();
    until("two refused posts", || sink.heads().len() > heads + 1);
    process.kill();
    let before = posted(&sink).len();
    sink.says(200);
    // So rarely that it is told because of the start alone.
    let mut process = again("1h");
    until("it is told anew", || posted(&sink).len() > before);
    assert_eq!(posted(&sink).len(), before + 1);
    assert_eq!(process.post(later(60)), 204);
    until("the end", || posted(&sink).len() > before + 1);
    let alerts = posted(&sink);
    let (end, firing) = alerts.split_last().unwrap();
    assert!(firing.iter().all(fires) && !fires(end), "{alerts:?}");
    assert!(alerts.iter().all(|it| it["labels"] == end["labels"]));
    let labels = serde_json::json!({
        "alertname": "ConnectionLimitFlood", "severity": "warning", "server": "dovecot", "service": "imap-login", "user": "bob",
        "source": "192.0.2.7", "rule": "userip", "limit": "mail_max_userip_connections", "key": "imap-login|bob|192.0.2.7",
    });
    assert_eq!(end["labels"], labels);
    assert_eq!(end["startsAt"], "2026-01-01T00:00:00.000Z");
    let annotations = &end["annotations"];
    for (name, words) in [
        ("summary", "Flood ended: bob from 192.0.2.7"),
        ("cause", ""),
        ("advice", "doveadm"),
        ("count", "5"),
    ] {
        contains(annotations[name].as_str().unwrap(), &[words]);
    }
    for head in sink.heads() {
        let is_there = head.starts_with("POST /prefix/api/v2/alerts ");
        assert!(is_there, "{head}");
    }
    process.stop();
}

#[test]
fn no_name_makes_an_odd_label_and_an_alert_that_is_refused_holds_up_no_other() {
    let (folder, sink) = (Folder::new(), Sink::start());
    sink.answers(
        |_, body| match body.windows(8).any(|it| it == b"Bcc: vic") {
            true => reply(400, "{\"message\":\"odd\"}"),
            false => reply(200, ""),
        },
    );
    let output = format!("alertmanager+http://{}", sink.address);
    let arguments = "--output none --alerts-dead-letter dead.ndjson";
    let mut process = start(&folder, arguments, &[&output]);
    let batch: String = HOSTILE.iter().map(|name| refusals(name, 0..3)).collect();
    assert_eq!(process.post(batch), 204);
    let name = format!("{output}/");
    until("all are told or set aside", || {
        let told = figure(&process, "maxconn_alert_deliveries_total", &name);
        let dead = figure(&process, "maxconn_alert_dead_letters_total", &name);
        told + dead == process.metric("maxconn_open_floods") && dead >= 1
    });
    assert!(folder.holds("dead.ndjson", "400 Bad Request ({\\\"message"));
    let mut users = BTreeSet::new();
    for alert in posted(&sink) {
        for (name, value) in alert["labels"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            assert!((1..=255).contains(&value.len()), "{name}: {value}");
            assert!(!value.contains(char::is_control), "{name}: {value}");
        }
        users.insert(alert["labels"]["user"].as_str().unwrap().to_string());
    }
    assert!(users.len() >= 5, "{users:?}");
    process.stop();
}
