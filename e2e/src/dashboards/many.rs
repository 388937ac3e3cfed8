//! More floods than anybody looks at: 10,000, of which a few go on.

use std::time::Instant;

use host_test::Error;
use serde_json::{Value, json};

use super::search::of;
use super::{always, ask, put};
use crate::stores::client::Client;

const FLOODS: u32 = 10_000;
const OPEN: u32 = 10;
const NAMESPACE: &str = "many";
/// No search may take longer, in milliseconds: people would think that it hangs.
const SLOWEST_MAX: u128 = 5_000;

/// A document about a flood, a minute after the one before.
fn alert(flood: u32, state: &str) -> Value {
    let minute = flood % 60;
    let (day, hour) = (1 + flood / 60 / 24 % 28, flood / 60 % 24);
    let second = if state == "end" { 59 } else { 0 };
    let user = format!("user{}", flood % 997);
    let address = format!("198.51.{}.{}", flood / 250, flood % 250);
    let (count, increase) = if state == "end" { (100, 70) } else { (30, 30) };
    json!({
        "@timestamp": format!("2026-03-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z"),
        "message": "a flood",
        "event": {
            "kind": "alert", "action": format!("connection-limit-flood-{state}"), "module": "dovecot",
            "sequence": u32::from(state == "end"), "duration": 59_000_000_000_u64,
        },
        "rule": {"name": "userip"},
        "user": {"name": user}, "source": {"ip": address}, "related": {"ip": [address]},
        "maxconn": {"flood": {
            "id": format!("{flood:032x}"), "state": state, "key": format!("{user} {address}"), "count": count,
            "passed": 29, "suppressed": count - 29, "suppressed_bytes": count * 150, "cause": {"hint": "retry-storm"},
            "increase": {"count": increase, "passed": 0, "suppressed": increase, "suppressed_bytes": increase * 150},
        }},
    })
}

/// No search is refused or slow, and those that go on are counted. The slowest, in milliseconds.
pub fn check(client: &Client, objects: &[Value]) -> Result<u128, Error> {
    let stream = format!("logs-dovecot.maxconn-{NAMESPACE}");
    let starts = (0..FLOODS).map(|flood| alert(flood, "start").to_string());
    let ends = (OPEN..FLOODS).map(|flood| alert(flood, "end").to_string());
    put(client, &stream, &starts.chain(ends).collect::<Vec<_>>())?;
    let (mut slowest, mut open) = (0, None);
    for object in objects {
        let Some(search) = of(object, &always("1d"))? else {
            continue;
        };
        let begun = Instant::now();
        let answer = ask(client, NAMESPACE, &search)?;
        let took = begun.elapsed().as_millis();
        if took > SLOWEST_MAX {
            return Err(format!("{}: it takes {took} ms", search.title).into());
        }
        slowest = slowest.max(took);
        if object["id"] == "maxconn-overview-open" {
            let found = &answer["aggregations"];
            let floods = |it: &Value| it["floods"]["value"].as_u64();
            open = floods(found)
                .zip(floods(&found["ended"]))
                .map(|(all, ended)| all - ended);
        }
    }
    match open == Some(u64::from(OPEN)) {
        true => Ok(slowest),
        false => Err(format!("{OPEN} floods are open, and {open:?} are shown").into()),
    }
}
