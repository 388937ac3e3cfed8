//! A detector that is slow and obviously right: it keeps every event and looks at all of them each time.

use maxconn_core::config::Rule;
use maxconn_core::time::{TimeZone, parse_rfc3339};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::Value;

use crate::model::Told;
use crate::stream::{Sighted, Stream};

/// Holds the alerts about every key against the key's events.
pub fn check(rule: &Rule, stream: &Stream, alerts: &[Value]) -> Result<(), TestCaseError> {
    let keys = stream.0.iter().flatten().map(|it| (it.user.clone(), it.ip));
    let mut keys: Vec<_> = keys.collect();
    keys.sort();
    keys.dedup();
    let mut told = 0;
    for (user, ip) in keys {
        let key = Sighted::after(0, &user, ip).key();
        let is_own = |it: &&Value| it["maxconn"]["flood"]["key"] == key.as_str();
        let own: Vec<_> = alerts.iter().filter(is_own).collect();
        told += own.len();
        check_key(rule, &stream.times(&user, ip), &floods(&own)?)?;
        check_updates(rule, &own)?;
    }
    prop_assert_eq!(told, alerts.len(), "an alert about nobody");
    Ok(())
}

/// A time in a document.
pub fn time_ms(value: &Value) -> i64 {
    let text = value.as_str().unwrap_or_default();
    let parsed = parse_rfc3339(text.as_bytes(), &TimeZone::utc());
    parsed.unwrap_or_else(|| panic!("not a time: {value}"))
}

fn floods(alerts: &[&Value]) -> Result<Vec<Told>, TestCaseError> {
    let mut floods = Vec::new();
    let mut opened_ms = None;
    let mut id = Value::Null;
    for (at, alert) in alerts.iter().enumerate() {
        let flood = &alert["maxconn"]["flood"];
        match flood["state"].as_str() {
            Some("start") => {
                prop_assert!(opened_ms.is_none(), "two starts without an end");
                opened_ms = Some(time_ms(&alert["@timestamp"]));
                id = flood["id"].clone();
            }
            Some("end") => {
                let opened_ms = opened_ms.take().expect("an end without a start");
                floods.push(Told::of_end(alert, opened_ms));
            }
            _ => {}
        }
        prop_assert_eq!(&flood["id"], &id, "alert {} has another id", at);
    }
    prop_assert!(opened_ms.is_none(), "a flood that never ends");
    Ok(floods)
}

/// Walks through the key's events; at each it is known whether a flood must, may or must not be open.
fn check_key(rule: &Rule, times: &[i64], told: &[Told]) -> Result<(), TestCaseError> {
    let mut told = told.iter();
    let mut at = 0;
    // Events before this one belong to floods that ended.
    let mut fresh = 0;
    while at < times.len() {
        let now_ms = times[at];
        let since = |span_ms: i64| {
            let is_within = |time_ms: &&i64| **time_ms > now_ms - span_ms;
            times[fresh..=at].iter().filter(is_within).count()
        };
        let must = since(rule.within_ms) >= rule.threshold as usize;
        let may = since(rule.within_ms * 17 / 16 + 1) >= rule.threshold as usize;
        let next = told.as_slice().first();
        // Equal times: the flood opened at one of the events of that time; the count says which.
        let opens = next.is_some_and(|flood| flood.opened_ms == now_ms) && may;
        if !opens {
            let held = since(rule.within_ms);
            prop_assert!(
                !must,
                "no flood at {now_ms} although the window holds {held}"
            );
            at += 1;
            continue;
        }
        if !must && times.get(at + 1) == Some(&now_ms) {
            at += 1;
            continue;
        }
        let flood = told.next().unwrap();
        let mut last = at;
        while times
            .get(last + 1)
            .is_some_and(|&next_ms| next_ms < times[last] + rule.quiet_ms)
        {
            last += 1;
        }
        let first = (fresh..=at)
            .find(|&event| times[event] >= flood.start_ms)
            .unwrap();
        prop_assert_eq!(times[first], flood.start_ms, "it starts at an event");
        prop_assert!(now_ms - flood.start_ms <= rule.within_ms * 17 / 16);
        let count = (last + 1 - first) as u64;
        prop_assert_eq!(flood.count, count, "every event from the first on");
        prop_assert_eq!(flood.end_ms, times[last]);
        if flood.reason == "quiet" {
            prop_assert_eq!(flood.ended_ms, times[last] + rule.quiet_ms);
        } else {
            let end = (flood.reason.as_str(), last + 1);
            prop_assert_eq!(end, ("end_of_input", times.len()));
        }
        at = last + 1;
        fresh = at;
    }
    prop_assert!(told.next().is_none(), "a flood where none may be");
    Ok(())
}

/// Updates come at `update_every` × 1, 3, 7 … after opening, the pause doubling up to `update_max`.
fn check_updates(rule: &Rule, alerts: &[&Value]) -> Result<(), TestCaseError> {
    let mut due = Vec::new();
    let mut told = 0;
    for alert in alerts {
        let flood = &alert["maxconn"]["flood"];
        let at_ms = time_ms(&alert["@timestamp"]);
        let count = flood["count"].as_u64().unwrap();
        match flood["state"].as_str() {
            Some("start") => {
                due.clear();
                let (mut pause_ms, mut next_ms) = (rule.update_every_ms, at_ms);
                for _ in 0..200 {
                    next_ms += pause_ms;
                    due.push(next_ms);
                    pause_ms = (pause_ms * 2).min(rule.update_max_ms);
                }
            }
            Some("ongoing") => {
                prop_assert!(due.contains(&at_ms), "an update at a time that is none");
                prop_assert!(count > told, "an update without news");
            }
            _ => {}
        }
        told = count;
    }
    Ok(())
}
