//! Records with serial numbers, so that one that is missing or there twice is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use host_test::Error;
use host_test::case::stamp;
use serde_json::{Value, json};
use test_support::refusal;

use crate::stores::client::Client;

/// Where the records without an event go.
pub const RECORDS: &str = "logs-planted-default";
/// Where events and alerts go.
pub const EVENTS: &str = "logs-dovecot.maxconn-planted";
/// As many serial numbers are told when something is wrong.
const TOLD_MAX: usize = 10;
/// The time of serial number 0: 2026-01-05T00:00:00Z.
const START_MS: i64 = 1_767_571_200_000;
/// The time between two records.
const EVERY_MS: i64 = 5;

/// Records to be sent.
pub struct Load {
    /// As they are posted.
    pub batches: Vec<String>,
    /// What has to be in the store, each once.
    pub serials: BTreeSet<u64>,
    /// What no store can take.
    pub poisoned: BTreeSet<u64>,
    /// Whose flood is in it.
    pub flooder: String,
    /// How many events the flood has.
    pub flood: u64,
}

impl Load {
    /// Records with these serial numbers, so many a batch. Each tenth is an event of a user of its own, another
    /// tenth one of the flood, which is held back.
    pub fn new(serials: Range<u64>, batch: usize, flooder: &str) -> Load {
        let mut load = Load {
            batches: Vec::new(),
            serials: BTreeSet::new(),
            poisoned: BTreeSet::new(),
            flooder: flooder.to_string(),
            flood: 0,
        };
        let serials: Vec<u64> = serials.collect();
        for serials in serials.chunks(batch) {
            let lines = serials.iter().map(|serial| load.line(*serial));
            let lines: Vec<String> = lines.collect();
            load.batches.push(lines.concat());
        }
        load
    }

    fn line(&mut self, serial: u64) -> String {
        match serial % 10 {
            3 => {
                self.serials.insert(serial);
                let user = format!("user{serial}@example.org");
                let [.., a, b, c] = serial.to_be_bytes();
                event(serial, &user, &format!("10.{a}.{b}.{c}"))
            }
            7 => {
                self.flood += 1;
                event(serial, &self.flooder, "192.0.2.66")
            }
            _ => {
                self.serials.insert(serial);
                let record =
                    json!({"@timestamp": instant(serial), "serial": serial, "message": "nothing"});
                format!("{record}\n")
            }
        }
    }

    /// Makes every record larger, by text that hardly gets smaller by compression.
    pub fn padded(mut self, bytes: usize) -> Load {
        let mut random = fastrand::Rng::with_seed(1);
        let mut text = || {
            (0..bytes)
                .map(|_| random.alphanumeric())
                .collect::<String>()
        };
        for batch in &mut self.batches {
            let pad = |line: &str| line.replacen('{', &format!("{{\"padding\":\"{}\",", text()), 1);
            *batch = batch.split_inclusive('\n').map(pad).collect();
        }
        self
    }

    /// Poisons a record without an event: its address is none.
    pub fn poison(&mut self, serial: u64) {
        let plain = format!("\"serial\":{serial}}}");
        let poisoned = format!("\"serial\":{serial},\"source\":{{\"ip\":\"nowhere\"}}}}");
        for batch in &mut self.batches {
            *batch = batch.replacen(&plain, &poisoned, 1);
        }
        self.serials.remove(&serial);
        self.poisoned.insert(serial);
    }

    /// How many records there are.
    pub fn sent(&self) -> usize {
        self.batches.iter().map(|batch| batch.lines().count()).sum()
    }

    /// Holds the store against it.
    pub fn check(&self, client: &Client) -> Result<String, Error> {
        let (first, last) = (self.serials.first(), self.serials.last());
        let ours = json!({"range": {"serial": {"gte": first, "lte": last}}});
        let mut stored = BTreeMap::<u64, u64>::new();
        for document in client.documents(RECORDS, &ours)? {
            let serial = document["serial"].as_u64().ok_or("no serial number")?;
            *stored.entry(serial).or_default() += 1;
        }
        let events = json!({"prefix": {"maxconn.session.id": "serial"}});
        for document in client.documents(EVENTS, &events)? {
            let session = document["maxconn"]["session"]["id"].as_str();
            let serial = session.and_then(|it| it.strip_prefix("serial")?.parse().ok());
            let serial = serial.ok_or("no serial number in the session")?;
            // Those of the flood that went on before it opened are looked at with its alerts.
            let is_ours = first <= Some(&serial) && Some(&serial) <= last;
            if is_ours && document["user"]["name"] != self.flooder.as_str() {
                *stored.entry(serial).or_default() += 1;
            }
        }
        let missing: Vec<_> = self
            .serials
            .iter()
            .filter(|it| !stored.contains_key(it))
            .collect();
        let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
        let strange = stored.keys().filter(|it| !self.serials.contains(it));
        let figures = format!(
            "sent {} (flood {}), stored {}, missing {}, duplicated {}",
            self.sent(),
            self.flood,
            stored.len(),
            missing.len(),
            twice.len()
        );
        if missing.is_empty() && twice.is_empty() && strange.count() == 0 {
            Ok(figures)
        } else {
            let missing: Vec<_> = missing.iter().take(TOLD_MAX).collect();
            let twice: Vec<_> = twice.iter().take(TOLD_MAX).collect();
            Err(format!("{figures}: missing {missing:?} …, duplicated {twice:?} …").into())
        }
    }
}

/// Lets a store take the records without an event; for events and alerts `maxconn setup` does.
pub fn put_template(client: &Client) -> Result<(), Error> {
    let template = json!({
        "index_patterns": ["logs-planted-*"],
        "data_stream": {},
        "template": {"mappings": {"dynamic": false, "properties": {
            "serial": {"type": "long"},
            "source": {"properties": {"ip": {"type": "ip"}}},
        }}},
    });
    client.must("PUT", "/_index_template/planted", &template)?;
    Ok(())
}

/// A refusal that says its serial number as its session.
fn event(serial: u64, user: &str, address: &str) -> String {
    let message = refusal::message(user, address) + &format!(", session=<serial{serial}>");
    let record = json!({"@timestamp": instant(serial), "message": message});
    format!("{record}\n")
}

/// Two events so much later than all others that their floods are over: time moves on the word of two.
pub fn later() -> String {
    let first = 86_400_000 / EVERY_MS.unsigned_abs();
    let events = [first, first + 1].map(|serial| event(serial, "later@example.org", "192.0.2.99"));
    events.concat()
}

fn instant(serial: u64) -> String {
    let after_ms = i64::try_from(serial).unwrap_or(0) * EVERY_MS;
    stamp(START_MS + after_ms)
}

/// What the alerts of a flood say.
pub struct Alerts {
    /// How many floods were told of.
    pub floods: usize,
    /// The sum of their ends.
    pub count: u64,
    /// How many of them went on.
    pub passed: u64,
}

impl Alerts {
    /// Those of one user.
    ///
    /// # Errors
    /// A flood without one start and one end, or whose totals do not agree.
    pub fn of(client: &Client, user: &str) -> Result<Alerts, Error> {
        let of_user = |kind: &str| json!({"bool": {"filter": [{"term": {"user.name": user}}, {"term": {"event.kind": kind}}]}});
        let mut floods = BTreeMap::<String, (usize, Vec<Value>)>::new();
        for alert in client.documents(EVENTS, &of_user("alert"))? {
            let flood = alert["maxconn"]["flood"].clone();
            let id = flood["id"].as_str().unwrap_or_default().to_string();
            let (starts, ends) = floods.entry(id).or_default();
            match flood["state"].as_str() {
                Some("start") => *starts += 1,
                Some("end") => ends.push(flood),
                _ => {}
            }
        }
        let mut alerts = Alerts {
            floods: floods.len(),
            count: 0,
            passed: 0,
        };
        for (starts, ends) in floods.values() {
            let ([end], 1) = (ends.as_slice(), starts) else {
                return Err(format!("{starts} starts and the ends {ends:?} of one flood").into());
            };
            let figure = |key: &str| end[key].as_u64().unwrap_or(0);
            if figure("passed") + figure("suppressed") != figure("count") {
                return Err(format!("the totals of {end} do not agree").into());
            }
            alerts.count += figure("count");
            alerts.passed += figure("passed");
        }
        Ok(alerts)
    }
}
