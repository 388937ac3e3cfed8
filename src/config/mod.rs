//! The configuration: one schema for every host (docs/contract.md §6), its defaults and its limits.
//!
//! People write TOML; the command turns that into JSON and every guest parses the same JSON with
//! [`Config::parse`]. A value here is always a valid one: whoever holds a [`Config`] need not check.

pub mod baked;
mod error;
pub mod limits;
mod parse;
mod patterns;
mod print;
mod rules;
mod sentences;
mod table;
mod units;

pub use error::{ConfigError, Problem, Type};
pub use parse::KEYS;
pub use patterns::KEYS as PATTERN_KEYS;
pub use rules::KEYS as RULE_KEYS;
pub use table::nearest;

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::event::{Class, Detail, Scope};
use crate::json::value::Value;
use crate::recognisers::{SERVER_NAMES, SERVERS, Server};
use crate::record::Keys;
use crate::time::TimeZone;
use maxconn_records::named;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which keys may hold the message, in order of preference.
    pub message_keys: Vec<String>,
    /// Which keys may hold the time, in order of preference.
    pub time_keys: Vec<String>,
    /// The servers whose messages are recognised, in the order in which they are asked.
    pub servers: Vec<&'static str>,
    /// For times in the text that name no zone.
    pub timezone: TimeZone,
    /// How far behind the newest event of its key an event may be and still count.
    pub allowed_lateness_ms: i64,
    /// How many keys without an open flood are remembered, over all rules.
    pub max_keys: usize,
    /// How many floods may be open at once.
    pub max_floods: usize,
    /// How often statistics are written; 0: never.
    pub statistics_every_ms: i64,
    /// Networks of our own webmail and proxies.
    pub trusted_networks: Vec<Network>,
    /// If set, user names leave only as keyed hashes.
    pub redact_key: Option<String>,
    /// The tag of the records that are ticks (Fluent Bit).
    pub tick_tag: String,
    /// The rules, in order; disabled ones are not here.
    pub rules: Vec<Rule>,
    /// Limit messages of one's own.
    pub patterns: Vec<Pattern>,
}

/// One rule: which events it counts, under which key, and when that is a flood.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name: `rule.name` and `rule.id` of its alerts.
    pub name: String,
    /// The servers whose events it counts, and [`PATTERNS`] for those of patterns.
    pub servers: Vec<&'static str>,
    /// The scopes of events it applies to.
    pub scope: Vec<Scope>,
    /// What the messages that it counts are about.
    pub class: Vec<Class>,
    /// The fields that make a key.
    pub key: Vec<KeyField>,
    /// Whether an event counts that lacks a field of the key, together with the others that lack it.
    pub missing_bucket: bool,
    /// How many events of a key open a flood.
    pub threshold: u32,
    /// The time in which that many events must come, in ms.
    pub within_ms: i64,
    /// How many different values of a field they must have besides, if any.
    pub distinct: Option<Distinct>,
    /// How long no event must come for a flood to end, in ms.
    pub quiet_ms: i64,
    /// The pause before the first `ongoing` alert of an open flood, in ms; each later pause is twice as long.
    pub update_every_ms: i64,
    /// The longest of these pauses, in ms.
    pub update_max_ms: i64,
    /// What happens to the events of an open flood.
    pub policy: Policy,
    /// Under [`Policy::Sample`], one event in so many goes on.
    pub sample_every: u32,
}

/// How many different values a rule wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distinct {
    /// The field.
    pub field: KeyField,
    /// At least so many different values within the window.
    pub at_least: u16,
}

named! {
    /// A field that can be part of a key.
    #[derive(Hash)]
    pub enum KeyField {
        /// The service, e.g. `imap-login`.
        Service = "service",
        /// The user name.
        User = "user",
        /// The client's address.
        Ip = "ip",
        /// The client's network: /24 of IPv4, /64 of IPv6.
        Net = "net",
        /// The host that logged the event.
        Host = "host",
        /// The limit's name.
        Limit = "limit",
        /// The database.
        Database = "database",
        /// The virtual host.
        Vhost = "vhost",
        /// The zone.
        Zone = "zone",
        /// The frontend.
        Frontend = "frontend",
        /// The backend.
        Backend = "backend",
    }
}

impl KeyField {
    /// What few messages name, if it is that.
    pub fn detail(self) -> Option<Detail> {
        match self {
            KeyField::Database => Some(Detail::Database),
            KeyField::Vhost => Some(Detail::Vhost),
            KeyField::Zone => Some(Detail::Zone),
            KeyField::Frontend => Some(Detail::Frontend),
            KeyField::Backend => Some(Detail::Backend),
            _ => None,
        }
    }
}

/// Stands for all patterns of one's own among the servers of a rule.
pub const PATTERNS: &str = "patterns";
/// What the servers of a rule may be.
pub static RULE_SERVERS: [&str; SERVER_NAMES.len() + 1] = {
    let mut names = [PATTERNS; SERVER_NAMES.len() + 1];
    let mut number = 0;
    while number < SERVER_NAMES.len() {
        names[number] = SERVER_NAMES[number];
        number += 1;
    }
    names
};

named! {
    /// What happens to the events of an open flood.
    pub enum Policy {
        /// They are held back.
        Suppress = "suppress",
        /// One in [`Rule::sample_every`] goes on.
        Sample = "sample",
        /// They go on, enriched.
        Pass = "pass",
    }
}

/// A limit message of one's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// Its name: `event.module` of its events.
    pub name: String,
    /// The quick test: text that every such message contains.
    pub contains: String,
    /// A regex-lite expression; its groups `user`, `ip`, `service`, `session`, `value`, … are the fields.
    pub regex: String,
    /// The limit's name.
    pub limit: String,
    /// The limit's scope.
    pub scope: Scope,
}

/// An IP network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Any address of it.
    pub address: IpAddr,
    /// How many leading bits count.
    pub prefix: u8,
}

impl Network {
    /// Whether `ip` lies in this network. An IPv4-mapped IPv6 address counts as the IPv4 address it maps.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let canonical = |ip: IpAddr| ip.to_canonical();
        match (canonical(self.address), canonical(ip)) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let bits = 32 - u32::from(self.prefix.min(32));
                (u32::from(network) ^ u32::from(ip))
                    .checked_shr(bits)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let bits = 128 - u32::from(self.prefix.min(128));
                (u128::from(network) ^ u128::from(ip))
                    .checked_shr(bits)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

impl Default for Rule {
    /// What a rule is where its table in the configuration is silent.
    fn default() -> Rule {
        Rule {
            name: String::new(),
            servers: RULE_SERVERS.to_vec(),
            scope: vec![Scope::UserIp],
            class: vec![Class::Refusal, Class::Summary],
            key: vec![KeyField::Service, KeyField::User, KeyField::Ip],
            missing_bucket: false,
            threshold: 30,
            within_ms: 60_000,
            distinct: None,
            quiet_ms: 300_000,
            update_every_ms: 60_000,
            update_max_ms: 3_600_000,
            policy: Policy::Suppress,
            sample_every: 100,
        }
    }
}

impl Default for Config {
    /// No configuration at all: the normal way to start.
    fn default() -> Config {
        Config {
            message_keys: names(&MESSAGE_KEYS),
            time_keys: names(&TIME_KEYS),
            servers: SERVER_NAMES.to_vec(),
            timezone: TimeZone::utc(),
            allowed_lateness_ms: 5_000,
            max_keys: limits::MAX_KEYS as usize,
            max_floods: limits::MAX_FLOODS as usize,
            statistics_every_ms: 0,
            trusted_networks: Vec::new(),
            redact_key: None,
            tick_tag: "maxconn.tick".to_string(),
            rules: built_in_rules(),
            patterns: Vec::new(),
        }
    }
}

/// Where stores and shippers put the message. What wraps a record (`_source`, `result`, `jsonPayload`) needs no path.
const MESSAGE_KEYS: [&str; 15] = [
    "message",
    "log",
    "MESSAGE",
    "msg",
    "short_message",
    "line",
    "event",
    "body",
    "body.stringValue",
    "textPayload",
    "SyslogMessage",
    "full_log",
    "_raw",
    "event.original",
    "event.message",
];
/// Where they put the time.
const TIME_KEYS: [&str; 11] = [
    "@timestamp",
    "timestamp",
    "__REALTIME_TIMESTAMP",
    "time",
    "_time",
    "ts",
    "timeUnixNano",
    "ISODATE",
    "DATE",
    "timereported",
    "TimeGenerated",
];

#[inline(never)]
fn names(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| String::from(*text)).collect()
}

impl Config {
    /// Which members of a record hold its message and its time.
    pub fn keys(&self) -> Keys<'_> {
        Keys {
            message: &self.message_keys,
            time: &self.time_keys,
        }
    }
}

/// The rules that are there without being written, as one would write them. The first four count patterns, too.
/// Blanks would be in every guest.
const BUILT_IN_RULES: &[u8] = br#"[
{"name":"userip","missing_bucket":true,"servers":["patterns"]},
{"name":"many-users-one-ip","servers":["patterns"],"key":["ip"],"distinct":{"field":"user","at_least":10},
"policy":"pass"},
{"name":"one-user-many-ips","servers":["patterns"],"key":["user"],"distinct":{"field":"ip","at_least":10},
"policy":"pass"},
{"name":"service-limit","servers":["patterns"],"scope":["service","process"],"key":["host","service","limit"],
"threshold":3,"policy":"pass"},
{"name":"db-limit","scope":["global"],"key":["host","service","limit"],"missing_bucket":true,"threshold":10},
{"name":"db-role","scope":["user","database","vhost"],"key":["service","limit","user","database"],
"missing_bucket":true},
{"name":"client-limit","scope":["ip","zone","listener"],"key":["service","limit","net"],"missing_bucket":true},
{"name":"many-clients","scope":["ip"],"key":["host","limit"],"distinct":{"field":"ip","at_least":10},
"policy":"pass"},
{"name":"server-full","scope":["global","process","node"],"key":["host","service","limit"],
"missing_bucket":true,"threshold":10},
{"name":"service-full","scope":["service"],"key":["host","service","limit"],"threshold":10},
{"name":"queue-full","scope":["server"],"key":["host","frontend","backend"],"policy":"pass"},
{"name":"server-full-once","scope":["global"],"key":["host","limit"],"threshold":1,"policy":"pass"},
{"name":"said-once","scope":["service","pool","listener"],"key":["host","service","limit"],
"missing_bucket":true,"threshold":1,"policy":"pass"},
{"name":"ssh","scope":["global","ip"],"key":["host","limit"],"threshold":10,"policy":"sample","sample_every":10},
{"name":"ssh-many-clients","scope":["global"],"key":["host"],"distinct":{"field":"ip","at_least":10},
"policy":"pass"}
]"#;

fn built_in_rules() -> Vec<Rule> {
    let Ok(Value::List(list)) = Value::parse(BUILT_IN_RULES) else {
        return Vec::new();
    };
    let mut rules = rules::read(&list, Vec::new()).unwrap_or_default();
    for rule in &mut rules {
        // Each server says by which rules its events are counted.
        let names_it = |server: &&&Server| server.rules.contains(&rule.name.as_str());
        let servers = SERVERS.iter().filter(names_it).map(|server| server.name);
        let patterns = (rule.servers == [PATTERNS]).then_some(PATTERNS);
        rule.servers = servers.chain(patterns).collect();
    }
    rules
}
