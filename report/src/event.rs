//! Reads what we add to a record that holds an event.
//!
//! Groups are looked into only as far as they are what we write: a record may have others of these names.

use std::borrow::Cow;

use maxconn_core::record::read_stamp;
use maxconn_core::time::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// So many bytes of a name are kept.
const NAME_BYTES_MAX: usize = 255;

/// Who was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// Its name, or the hash of it.
    pub user: String,
    /// Its address.
    pub ip: String,
    /// The service.
    pub service: String,
    /// The limit's name.
    pub limit: String,
    /// The server.
    pub module: String,
}

/// An event that went on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Who was refused.
    pub client: Client,
    /// When, in ms since the Unix epoch.
    pub time_ms: Option<i64>,
    /// How many refusals it stands for.
    pub times: u64,
    /// What the limit is counted over.
    pub scope: String,
    /// Whether the client's address was the server's own.
    pub is_local: bool,
    /// Whether it was counted by a flood that is open.
    pub is_of_flood: bool,
    /// How long its line is, newline included, where it was a line of text.
    pub line_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp", borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
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
struct Group {
    name: Option<String>,
    hash: Option<String>,
    ip: Option<String>,
    code: Option<String>,
    module: Option<String>,
    scope: Option<String>,
    id: Option<String>,
    count: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Maxconn {
    limit: Group,
    flood: Option<Group>,
    event: Group,
}

fn read<T: Default + DeserializeOwned>(raw: Option<&RawValue>) -> T {
    let value = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
    value.unwrap_or_default()
}

/// A name as it is kept.
fn kept(name: Option<String>) -> String {
    let mut name = name.unwrap_or_default();
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    name
}

impl Event {
    /// The event of a record; `None` if it cannot be read.
    pub fn read(document: &[u8]) -> Option<Event> {
        let document = serde_json::from_slice::<Document<'_>>(document).ok()?;
        let maxconn: Maxconn = read(document.maxconn);
        let [event, user, source, destination, service] = [
            document.event,
            document.user,
            document.source,
            document.destination,
            document.service,
        ]
        .map(read::<Group>);
        let time = document
            .time
            .map(|raw| raw.get().trim_matches('"').as_bytes());
        let message: Option<Cow<'_, str>> = document
            .message
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        Some(Event {
            is_local: source.ip.is_some() && source.ip == destination.ip,
            client: Client {
                user: kept(user.hash.or(user.name)),
                ip: kept(source.ip),
                service: kept(service.name),
                limit: kept(maxconn.limit.name.or(event.code)),
                module: kept(event.module),
            },
            time_ms: time.and_then(|time| read_stamp(time, &TimeZone::utc())),
            times: maxconn.event.count.unwrap_or(1),
            scope: kept(maxconn.limit.scope),
            is_of_flood: maxconn.flood.is_some_and(|flood| flood.id.is_some()),
            line_bytes: message.map(|message| message.len() as u64 + 1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_record_has_of_its_own_is_no_more_than_a_text() {
        let document = r#"{"@timestamp":"2027-01-05T03:12:45.000Z","message":"abc","user":{"name":"bob"},
            "source":{"ip":"192.0.2.7"},"service":"x","destination":7,"event":{"module":"m","code":"c"},
            "maxconn":{"event":{"count":3},"limit":{"name":"l","scope":"user"},"flood":{"id":"f"}}}"#;
        let event = Event::read(document.as_bytes()).unwrap();
        assert_eq!(
            (event.client.user.as_str(), event.client.service.as_str()),
            ("bob", "")
        );
        assert_eq!((event.times, event.line_bytes), (3, Some(4)));
        assert!(event.is_of_flood && !event.is_local);
        assert_eq!(event.time_ms, Some(1_799_118_765_000));
        assert_eq!(Event::read(b"{\"message\":"), None);
        let long = format!(r#"{{"user":{{"name":"{}"}}}}"#, "ä".repeat(200));
        assert_eq!(Event::read(long.as_bytes()).unwrap().client.user.len(), 254);
    }
}
