//! Every sum that a panel shows is what the log says, and what the ends of floods say.

use std::collections::BTreeMap;

use host_test::Error;
use serde_json::Value;

use super::search::{Search, leaves, of, value};
use super::{Filled, always, ask, at};
use crate::stores::client::Client;

/// Charts over time are right whatever they are divided into.
const INTERVALS: [&str; 4] = ["1m", "7m", "1h", "1d"];

/// Every sum is what the log says.
pub fn check(client: &Client, objects: &[Value], filled: &Filled) -> Result<(), Error> {
    let refusals: u64 = filled.lines.values().sum();
    let events = filled.of_action("connection-limit-exceeded");
    let passed: u64 = events
        .map(|it| at(it, "maxconn.event.count").as_u64().unwrap_or(1))
        .sum();
    let alerts = filled
        .documents
        .iter()
        .filter(|it| it["event"]["kind"] == "alert")
        .count();
    let (mut summed, mut tables) = (0, 0);
    for object in objects {
        for interval in INTERVALS {
            let Some(search) = of(object, &always(interval))? else {
                continue;
            };
            let answer = ask(client, filled.namespace, &search)?;
            let leaves = leaves(&answer, &search);
            for metric in &search.metrics {
                let total: f64 = leaves.iter().map(|(_, it)| value(it, metric)).sum();
                let expected = match (metric.field.as_str(), metric.kind.as_str()) {
                    // Some have no host.
                    _ if search.buckets.iter().any(|it| it == "host.name") => continue,
                    ("maxconn.refusals.count", _) => refusals as f64,
                    ("maxconn.refusals.passed", _) => passed as f64,
                    ("maxconn.refusals.suppressed", _) => (refusals - passed) as f64,
                    ("", "count")
                        if search
                            .buckets
                            .iter()
                            .any(|it| it == "maxconn.flood.cause.hint") =>
                    {
                        filled.ends().count() as f64
                    }
                    ("", "count")
                        if search.buckets.iter().any(|it| it == "maxconn.flood.state") =>
                    {
                        alerts as f64
                    }
                    _ => continue,
                };
                summed += 1;
                if total != expected {
                    let Search { title, .. } = &search;
                    return Err(format!(
                        "{title}: {} adds up to {total} in place of {expected} by {interval}",
                        metric.field
                    )
                    .into());
                }
            }
            tables += floods(&search, &leaves, filled)?;
            servers(&search, &leaves, filled)?;
        }
    }
    if summed < 20 || tables < 4 {
        return Err(format!("only {summed} sums and {tables} tables were looked at").into());
    }
    Ok(())
}

/// Rows of a rule and of something else: each is the sum of the floods that have both, as their ends count them. And rows of
/// floods, whose counts are those of their ends.
fn floods(
    search: &Search,
    leaves: &[(Vec<String>, &Value)],
    filled: &Filled,
) -> Result<usize, Error> {
    let mut looked_at = 0;
    for metric in &search.metrics {
        let name = metric.field.strip_prefix("maxconn.flood.increase.");
        let is_total = metric.kind == "max" && metric.field == "maxconn.flood.count";
        let name = match name {
            Some(name) => name,
            None if is_total => "count",
            None => continue,
        };
        for (keys, bucket) in leaves {
            let is_of = |end: &&Value| {
                let mut pairs = search.buckets.iter().zip(keys);
                pairs.all(|(field, key)| at(end, field).as_str() == Some(key))
            };
            let field = format!("maxconn.flood.{name}");
            let ends = filled.ends().filter(is_of);
            let expected: u64 = ends.filter_map(|it| at(it, &field).as_u64()).sum();
            let found = value(bucket, metric);
            if found != expected as f64 || expected == 0 && name == "count" {
                let Search { title, .. } = search;
                return Err(format!(
                    "{title}: {} of {keys:?} is {found} in place of {expected}",
                    metric.field
                )
                .into());
            }
            looked_at += 1;
        }
    }
    Ok(usize::from(looked_at > 0))
}

/// Rows of servers: each has as many refusals as there are lines.
fn servers(
    search: &Search,
    leaves: &[(Vec<String>, &Value)],
    filled: &Filled,
) -> Result<(), Error> {
    if search.buckets.first().is_none_or(|it| it != "event.module") {
        return Ok(());
    }
    let mut found = BTreeMap::<String, u64>::new();
    let metric = &search.metrics[0];
    for (keys, bucket) in leaves {
        *found.entry(keys[0].clone()).or_default() += value(bucket, metric) as u64;
    }
    match found == filled.lines {
        true => Ok(()),
        false => Err(format!("{}: {found:?} in place of {:?}", search.title, filled.lines).into()),
    }
}
