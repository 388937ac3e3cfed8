//! Refusals outside of floods: who is refused all the time, but never often enough at a time for a flood.
//!
//! They are counted from the enriched events that pass without a flood of theirs. What passed before a flood opened is the
//! flood's, and is taken away again when its start is told.

use std::borrow::Cow;
use std::net::IpAddr;

use maxconn_core::config::Network;
use maxconn_core::detector::cause::{MANY, advise, own_address};
use maxconn_core::recognisers::Hint;
use maxconn_core::record::read_stamp;
use maxconn_core::time::TimeZone;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::top::{Counted, Ranked, Top};

/// So many bytes of a name are kept.
const NAME_BYTES_MAX: usize = 255;
/// So many of each are told of.
pub(super) const TOLD_MAX: usize = 5;
/// A client that was refused less often is told of only where nothing else is.
pub(super) const MANY_REFUSALS: u64 = 30;
/// Pauses are even that deviate by no more than this share of their mean.
const EVEN: f64 = 0.5;

/// Who was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Client {
    /// Its name, or the hash of it.
    pub user: String,
    pub ip: String,
    pub service: String,
    pub limit: String,
    pub module: String,
}

/// What else is known of a client.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// The first and the last time, in ms since the Unix epoch.
    pub times_ms: Option<(i64, i64)>,
    /// Of the pauses between two refusals, in s: how many, their mean, and the sum of the squares of what they differ by.
    pauses: (f64, f64, f64),
    /// A bit for each of the day's hours.
    hours: u32,
    /// Whether any came from another than the server's own address.
    is_other: bool,
    scope: String,
}

/// A likely cause, as a flood's alerts have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    pub hint: Hint,
    pub evidence: String,
    pub advice: String,
}

/// What was gathered; bounded, whatever the number of events.
#[derive(Debug, Default)]
pub(super) struct Steady {
    trusted: Vec<Network>,
    clients: Top<Client, Facts>,
    users: Top<String, ()>,
    addresses: Top<String, ()>,
    services: Top<String, ()>,
    count: u64,
}

/// What is read of an enriched event. Its groups are looked into only as far as they are what we write: a record may have
/// others of these names.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp", borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    destination: Option<&'a RawValue>,
    #[serde(borrow)]
    service: Option<&'a RawValue>,
    #[serde(borrow)]
    maxconn: Option<&'a RawValue>,
}

/// The members of a group that are of interest, whichever group it is.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Group<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    hash: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ip: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    module: Option<Cow<'a, str>>,
    #[serde(borrow)]
    scope: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    count: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Maxconn<'a> {
    #[serde(borrow)]
    limit: Group<'a>,
    #[serde(borrow)]
    flood: Option<Group<'a>>,
    #[serde(borrow)]
    event: Group<'a>,
}

fn read<'a, T: Default + Deserialize<'a>>(raw: Option<&'a RawValue>) -> T {
    let value = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    value.unwrap_or_default()
}

/// A name as it is kept.
fn kept(name: Option<Cow<'_, str>>) -> String {
    let mut name = name.unwrap_or_default().into_owned();
    let end = (0..=NAME_BYTES_MAX)
        .rev()
        .find(|end| name.is_char_boundary(*end));
    name.truncate(end.unwrap_or(0));
    name
}

impl Steady {
    /// Nothing yet. These networks are our own.
    pub fn new(trusted: Vec<Network>) -> Steady {
        Steady {
            trusted,
            ..Steady::default()
        }
    }

    /// Notes an enriched event, unless it is a flood's.
    pub fn event(&mut self, document: &[u8]) {
        let Ok(document) = serde_json::from_slice::<Document<'_>>(document) else {
            self.count += 1;
            return;
        };
        let maxconn: Maxconn<'_> = read(document.maxconn);
        if maxconn.flood.is_some_and(|flood| flood.id.is_some()) {
            return;
        }
        let times = maxconn.event.count.unwrap_or(1);
        self.count += times;
        let [event, user, source, destination, service] = [
            document.event,
            document.user,
            document.source,
            document.destination,
            document.service,
        ]
        .map(read::<Group<'_>>);
        let is_local = source.ip.is_some() && source.ip == destination.ip;
        let client = Client {
            user: kept(user.hash.or(user.name)),
            ip: kept(source.ip),
            service: kept(service.name),
            limit: kept(maxconn.limit.name.or(event.code)),
            module: kept(event.module),
        };
        for (top, name) in [
            (&mut self.users, &client.user),
            (&mut self.addresses, &client.ip),
            (&mut self.services, &client.service),
        ] {
            if !name.is_empty() {
                top.add(name.clone(), times);
            }
        }
        let time = document
            .time
            .map(|raw| raw.get().trim_matches('"').as_bytes());
        let time_ms = time.and_then(|time| read_stamp(time, &TimeZone::utc()));
        let facts = self.clients.add(client, times);
        facts.see(time_ms, times);
        facts.is_other |= !is_local;
        if facts.scope.is_empty() {
            facts.scope = kept(maxconn.limit.scope);
        }
    }

    /// Takes away what a flood, whose `start` this is, has counted before it was known to be one.
    pub fn flood(&mut self, start: &Value) {
        let text = |pointer: &str| start.pointer(pointer).and_then(Value::as_str);
        let count = start
            .pointer("/maxconn/flood/count")
            .and_then(Value::as_u64);
        let before = count.unwrap_or(0).saturating_sub(1);
        let user = text("/user/name").or(text("/user/hash"));
        let (ip, service) = (text("/source/ip"), text("/service/name"));
        let limit = text("/maxconn/limit/name").unwrap_or_default();
        let is_of = |own: Option<&str>, name: &str| own.is_none_or(|own| own == name);
        let is_meant = |client: &Client| {
            is_of(user, &client.user)
                && is_of(ip, &client.ip)
                && is_of(service, &client.service)
                && client.limit == limit
        };
        self.clients.take(before, is_meant, |client, times| {
            self.users.take_of(&client.user, times);
            self.addresses.take_of(&client.ip, times);
            self.services.take_of(&client.service, times);
            self.count = self.count.saturating_sub(times);
        });
    }

    /// How many refusals there were outside of floods.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The clients that were refused most.
    pub fn clients(&self) -> Ranked<'_, Client, Facts> {
        self.clients.ranked()
    }

    /// What the tops are of, and the tops.
    pub fn tops(&self) -> [(&'static str, Ranked<'_, String, ()>); 3] {
        [
            ("users", self.users.ranked()),
            ("addresses", self.addresses.ranked()),
            ("services", self.services.ranked()),
        ]
    }

    /// The likely cause of a client's refusals.
    pub fn cause(&self, client: &Client, counted: &Counted<Facts>) -> Cause {
        let (hint, evidence) = match counted.facts.scope.as_str() {
            "user+ip" => self.judge(client, counted),
            _ => (Hint::Unknown, String::new()),
        };
        let service = Some(client.service.as_str()).filter(|it| !it.is_empty());
        Cause {
            hint,
            evidence,
            advice: advise(&client.module, &client.limit, hint, service),
        }
    }

    fn judge(&self, client: &Client, counted: &Counted<Facts>) -> (Hint, String) {
        let facts = &counted.facts;
        let others = |is_same: &dyn Fn(&Client) -> bool| {
            let all = self.clients.ranked();
            all.iter().filter(|it| is_same(it.0)).count() as u64
        };
        let users = others(&|it| it.ip == client.ip && it.service == client.service);
        let ips = others(&|it| it.user == client.user && it.service == client.service);
        let ip = client.ip.parse::<IpAddr>().ok();
        if let Some(ip) = ip {
            let users_behind = match users {
                0 | 1 => "1 user".to_string(),
                many => format!("{many} users"),
            };
            if let Some(reason) = own_address(ip, !facts.is_other, &self.trusted) {
                return (
                    Hint::WebmailOrProxy,
                    format!("{users_behind} behind {ip}, {reason}"),
                );
            }
            if users >= MANY {
                return (
                    Hint::SharedAddress,
                    format!("{users_behind} behind the public address {ip}"),
                );
            }
        }
        if ips >= MANY && !client.user.is_empty() {
            return (Hint::ManyAddresses, format!("1 user from {ips} addresses"));
        }
        let hours = facts.hours.count_ones();
        match facts.evenness() {
            Some((mean_s, deviation)) if counted.count >= MANY_REFUSALS && deviation <= EVEN => (
                Hint::RetryStorm,
                format!(
                    "1 user, 1 address, again every {mean_s:.1} s (±{:.0} %), in {hours} of the day's 24 hours",
                    deviation * 100.0
                ),
            ),
            _ => (Hint::Unknown, "too few or too uneven for more".to_string()),
        }
    }

    /// What there is, for programs.
    pub fn to_json(&self) -> Value {
        let mut all = json!({"count": self.count});
        for (name, top) in self.tops() {
            let told = top.into_iter().take(TOLD_MAX);
            all[name] = told
                .map(|(name, counted)| json!({"name": name, "count": counted.count, "excess": counted.excess}))
                .collect();
        }
        let clients = self.clients();
        let told = clients.into_iter().take(TOLD_MAX);
        all["clients"] = told
            .map(|(client, counted)| {
                let cause = self.cause(client, counted);
                json!({
                    "user": client.user, "address": client.ip, "service": client.service, "limit": client.limit,
                    "count": counted.count, "excess": counted.excess,
                    "start_ms": counted.facts.times_ms.map(|it| it.0), "end_ms": counted.facts.times_ms.map(|it| it.1),
                    "cause": {"hint": cause.hint.name(), "evidence": cause.evidence, "advice": cause.advice},
                })
            })
            .collect();
        all
    }
}

impl Facts {
    fn see(&mut self, time_ms: Option<i64>, times: u64) {
        let Some(time_ms) = time_ms else { return };
        self.hours |= 1 << time_ms.div_euclid(3_600_000).rem_euclid(24);
        let Some((first_ms, last_ms)) = self.times_ms else {
            self.times_ms = Some((time_ms, time_ms));
            return;
        };
        // Welford's sums; of repeats only that they lie within the pause is known.
        let pause_s = (time_ms - last_ms).max(0) as f64 / 1_000.0 / times.max(1) as f64;
        let (count, mean, squares) = self.pauses;
        let count = count + times as f64;
        let differs = pause_s - mean;
        let mean = mean + differs * times as f64 / count;
        let squares = squares + differs * (pause_s - mean) * times as f64;
        self.pauses = (count, mean, squares);
        self.times_ms = Some((first_ms.min(time_ms), last_ms.max(time_ms)));
    }

    /// The mean pause in s, and by which share of it pauses deviate.
    pub fn evenness(&self) -> Option<(f64, f64)> {
        let (count, mean, squares) = self.pauses;
        (count >= 1.0 && mean > 0.0).then(|| (mean, (squares / count).sqrt() / mean))
    }
}
