//! What a server's log must come out as.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use host_test::Error;
use serde_json::Value;

use crate::maxconn;

/// The fields that are compared: all that a driver can know. Which of them an event has is compared, too.
const FIELDS: [&str; 16] = [
    "event.module",
    "maxconn.limit.name",
    "maxconn.limit.scope",
    "maxconn.limit.stage",
    "maxconn.limit.value",
    "user.name",
    "source.ip",
    "source.port",
    "service.name",
    "maxconn.database",
    "maxconn.vhost",
    "maxconn.zone",
    "maxconn.frontend",
    "maxconn.backend",
    "maxconn.termination_state",
    "http.response.status_code",
];

/// A refusal, by the fields of its event.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal(BTreeMap<&'static str, String>);

impl Refusal {
    /// One of a server's limit; a stage that cannot be told is empty.
    pub fn of(server: &str, limit: &str, scope: &str, stage: &str) -> Refusal {
        let refusal = Refusal(BTreeMap::new())
            .with("event.module", server)
            .with("maxconn.limit.name", limit)
            .with("maxconn.limit.scope", scope);
        if stage.is_empty() {
            return refusal;
        }
        refusal.with("maxconn.limit.stage", stage)
    }

    /// With one more field.
    pub fn with(mut self, field: &'static str, value: impl ToString) -> Refusal {
        self.0.insert(field, value.to_string());
        self
    }

    /// With the address and port of a client.
    pub fn from(self, client: SocketAddr) -> Refusal {
        self.with("source.ip", client.ip())
            .with("source.port", client.port())
    }

    fn is_of(&self, limit: &str) -> bool {
        self.0
            .get("maxconn.limit.name")
            .is_some_and(|it| it == limit)
    }

    /// What an event tells.
    fn told(event: &Value) -> Refusal {
        let value = |field: &'static str| {
            let place = format!("/{}", field.replace('.', "/"));
            let text = match event.pointer(&place)? {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Some((field, text))
        };
        Refusal(FIELDS.into_iter().filter_map(value).collect())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A log, and what its server's clients met.
pub struct Log {
    /// Which it is of the server's.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// All refusals.
    pub refusals: Vec<Refusal>,
    /// Whether each of them is in it; else as few as the server likes.
    pub has_each: bool,
    /// Whether how many they were is in it, too.
    pub has_total: bool,
    /// The floods that the built-in rules find: the rule, and its limit's refusals.
    pub floods: Vec<(&'static str, usize)>,
}

impl Log {
    /// One with each refusal and without a total; rules find a flood in the refusals of a limit.
    pub fn new(
        name: &'static str,
        path: PathBuf,
        refusals: Vec<Refusal>,
        rules: &[(&'static str, &str)],
    ) -> Log {
        let of = |limit| refusals.iter().filter(|it| it.is_of(limit)).count();
        Log {
            floods: rules
                .iter()
                .map(|(rule, limit)| (*rule, of(limit)))
                .collect(),
            name,
            path,
            refusals,
            has_each: true,
            has_total: false,
        }
    }

    /// Reads the log with the command and compares.
    pub fn held(&self) -> Result<String, Error> {
        let (events, floods) = (self.events_held()?, self.floods_held()?);
        Ok(format!("{}: {events}{floods}", self.name))
    }

    fn events_held(&self) -> Result<String, Error> {
        let events = self.replayed(&["--policy", "pass", "--only", "events"])?;
        let (totals, events): (Vec<&Value>, Vec<&Value>) = events
            .iter()
            .partition(|event| event["maxconn"]["event"]["class"] == "summary");
        let mut told: Vec<Refusal> = events.into_iter().map(Refusal::told).collect();
        let mut met = self.refusals.clone();
        told.sort();
        met.sort();
        let (count, all) = (told.len(), met.len());
        let fits = if self.has_each {
            told == met
        } else {
            !told.is_empty() && told.iter().all(|it| met.contains(it))
        };
        if !fits {
            let difference = difference(&told, &met);
            return Err(format!("{count} events for {all} refusals: {difference}").into());
        }
        // That refusals begin has no count.
        let counts = totals.iter().map(|it| &it["maxconn"]["event"]["count"]);
        let counts: Vec<u64> = counts.filter_map(Value::as_u64).collect();
        let total = self.has_total.then_some(all as u64);
        if counts != Vec::from_iter(total) {
            return Err(format!("totals of {counts:?} for {all} refusals").into());
        }
        Ok(format!("{count} of {all}"))
    }

    fn floods_held(&self) -> Result<String, Error> {
        let alerts = self.replayed(&["--only", "alerts"])?;
        let is_end = |it: &&Value| it["event"]["action"] == "connection-limit-flood-end";
        let ends = alerts.iter().filter(is_end);
        let mut found: Vec<(&str, usize)> = ends
            .map(|end| {
                let count = end["maxconn"]["flood"]["count"].as_u64().unwrap_or(0);
                (end["rule"]["name"].as_str().unwrap_or(""), count as usize)
            })
            .collect();
        found.sort();
        let mut floods = self.floods.clone();
        floods.sort();
        if found != floods {
            return Err(format!("the floods {found:?} instead of {floods:?}").into());
        }
        let told = floods
            .iter()
            .map(|(rule, count)| format!(", {rule} {count}"));
        Ok(told.collect())
    }

    fn replayed(&self, more: &[&str]) -> Result<Vec<Value>, Error> {
        let replay = ["replay", "--summary", "none", &self.path.to_string_lossy()];
        maxconn::documents(&[&replay, more].concat())
    }
}

/// The first event that was no refusal, and the first refusal that is no event.
fn difference(told: &[Refusal], met: &[Refusal]) -> String {
    let lacks = |these: &[Refusal], those: &[Refusal]| {
        let mut rest = those.to_vec();
        these
            .iter()
            .find(|it| match rest.iter().position(|other| other == *it) {
                Some(place) => {
                    rest.swap_remove(place);
                    false
                }
                None => true,
            })
            .cloned()
    };
    format!(
        "only told {:?}, only met {:?}",
        lacks(told, met),
        lacks(met, told)
    )
}
