//! Refusals outside of floods: who is refused all the time, but never often enough at a time for a flood.
//!
//! They are counted from the enriched events that pass without a flood of theirs. What passed before a flood opened is the
//! flood's, and is taken away again when its start is told.

use std::net::IpAddr;

use maxconn_core::config::Network;
use maxconn_core::detector::cause::{FOLDERS, MANY, MIN_PAUSE_S, advise, own_address};
use maxconn_core::recognisers::Hint;
use serde_json::Value;

use crate::event::{Client, Event};
use crate::top::{Counted, Ranked, Top};

/// A client that was refused less often is told of only where nothing else is.
pub const MANY_REFUSALS: u64 = 30;
/// Pauses are even that deviate by no more than this share of their mean.
const EVEN: f64 = 0.5;
/// So many bursts are no accident.
const MIN_BURSTS: u64 = 4;

/// What else is known of a client.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The first and the last time, in ms since the Unix epoch.
    pub times_ms: Option<(i64, i64)>,
    /// Of the pauses between two refusals, in s: how many, their mean, and the sum of the squares of what they differ by.
    pauses: (f64, f64, f64),
    /// Refusals came in so many bursts, and this is the sum of the pauses before them, in s.
    bursts: (u64, f64),
    /// A bit for each of the day's hours.
    hours: u32,
    /// Whether any came from another than the server's own address.
    is_other: bool,
    scope: String,
}

/// A likely cause, as a flood's alerts have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What it is.
    pub hint: Hint,
    /// The figures that speak for it.
    pub evidence: String,
    /// What to do.
    pub advice: String,
}

/// What was gathered; bounded, whatever the number of events.
#[derive(Clone, Debug, Default)]
pub struct Steady {
    trusted: Vec<Network>,
    clients: Top<Client, Facts>,
}

impl Steady {
    /// Nothing yet. These networks are our own.
    pub fn new(trusted: Vec<Network>) -> Steady {
        Steady {
            trusted,
            ..Steady::default()
        }
    }

    /// Notes an event, unless it is a flood's.
    pub fn event(&mut self, event: &Event) {
        if event.is_of_flood {
            return;
        }
        let Event { client, times, .. } = event;
        let facts = self.clients.add(client.clone(), *times);
        facts.see(event.time_ms, *times);
        facts.is_other |= !event.is_local;
        if facts.scope.is_empty() {
            facts.scope.clone_from(&event.scope);
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
        self.clients.take(before, is_meant);
    }

    /// The clients that were refused most.
    pub fn clients(&self) -> Ranked<'_, Client, Facts> {
        self.clients.ranked()
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
        let (pauses, pause_sum_s) = facts.bursts;
        // Of all that came: what floods took away came in bursts, too.
        let size = (facts.pauses.0 + 1.0) / (pauses + 1) as f64;
        if pauses + 1 >= MIN_BURSTS && FOLDERS.contains(&size) {
            return (
                Hint::ManyFolders,
                format!(
                    "{} bursts of about {size:.0} attempts, {:.0} s apart",
                    pauses + 1,
                    pause_sum_s / pauses as f64
                ),
            );
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
            _ => (Hint::Unknown, "no cause stands out".to_string()),
        }
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
        let silence_s = (time_ms - last_ms).max(0) as f64 / 1_000.0;
        if silence_s >= MIN_PAUSE_S {
            self.bursts.0 += 1;
            self.bursts.1 += silence_s;
        }
        // Welford's sums; of repeats only that they lie within the pause is known.
        let pause_s = silence_s / times.max(1) as f64;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The cause of a client's refusals at these times, in s.
    fn cause(times_s: impl Iterator<Item = i64>) -> Cause {
        let mut steady = Steady::default();
        for time_s in times_s {
            steady.event(&Event {
                client: Client {
                    user: "bob".to_string(),
                    ip: "198.51.100.7".to_string(),
                    ..Client::default()
                },
                time_ms: Some(time_s * 1_000),
                times: 1,
                scope: "user+ip".to_string(),
                ..Event::default()
            });
        }
        let (client, counted) = steady.clients()[0];
        steady.cause(client, counted)
    }

    #[test]
    fn pauses_tell_folders_from_retries() {
        // Twelve folders every ten minutes; one try every 25 s, and every 7 s; a few.
        let folders = (0..20).flat_map(|burst| (0..12).map(move |folder| burst * 600 + folder / 4));
        let folders = cause(folders);
        assert_eq!(folders.hint, Hint::ManyFolders);
        assert_eq!(
            folders.evidence,
            "20 bursts of about 12 attempts, 598 s apart"
        );
        for pause_s in [25, 7] {
            let retries = cause((0..200).map(|number| number * pause_s));
            assert_eq!(retries.hint, Hint::RetryStorm, "{pause_s}");
        }
        assert_eq!(cause(0..9).hint, Hint::Unknown);
    }
}
