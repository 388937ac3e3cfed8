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
mod table;
mod units;

pub use error::ConfigError;
pub use parse::KEYS;
pub use patterns::KEYS as PATTERN_KEYS;
pub use rules::KEYS as RULE_KEYS;
pub use table::nearest;

use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::event::Scope;
use crate::time::TimeZone;

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Which keys may hold the message, in order of preference.
    pub message_keys: Vec<String>,
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
    /// The scopes of events it applies to.
    pub scope: Vec<Scope>,
    /// The fields that make a key.
    pub key: Vec<KeyField>,
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

/// A field that can be part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyField {
    /// The service, e.g. `imap-login`.
    Service,
    /// The user name.
    User,
    /// The client's address.
    Ip,
    /// The client's network: /24 of IPv4, /64 of IPv6.
    Net,
    /// The host that logged the event.
    Host,
    /// The limit's name.
    Limit,
}

impl KeyField {
    /// The field's name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            KeyField::Service => "service",
            KeyField::User => "user",
            KeyField::Ip => "ip",
            KeyField::Net => "net",
            KeyField::Host => "host",
            KeyField::Limit => "limit",
        }
    }
    /// Every field.
    pub const ALL: [KeyField; 6] = [
        KeyField::Service,
        KeyField::User,
        KeyField::Ip,
        KeyField::Net,
        KeyField::Host,
        KeyField::Limit,
    ];
}

/// What happens to the events of an open flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They go on, enriched.
    Pass,
    /// They are held back.
    Suppress,
    /// One in [`Rule::sample_every`] goes on.
    Sample,
}

impl Policy {
    /// The policy's name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Policy::Pass => "pass",
            Policy::Suppress => "suppress",
            Policy::Sample => "sample",
        }
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
            scope: vec![Scope::UserIp],
            key: vec![KeyField::Service, KeyField::User, KeyField::Ip],
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
            message_keys: Vec::from(["message", "log", "MESSAGE", "msg"].map(String::from)),
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

/// The four rules that are there without being written, as far as they differ from any other: name, scope (if not
/// the usual one), key, what is counted, threshold and policy.
fn built_in_rules() -> Vec<Rule> {
    let service = &[Scope::Service, Scope::Process][..];
    let usual = Rule::default();
    [
        (
            "userip",
            &usual.scope[..],
            &usual.key[..],
            None,
            usual.threshold,
            usual.policy,
        ),
        (
            "many-users-one-ip",
            &usual.scope,
            &[KeyField::Ip],
            Some(KeyField::User),
            usual.threshold,
            Policy::Pass,
        ),
        (
            "one-user-many-ips",
            &usual.scope,
            &[KeyField::User],
            Some(KeyField::Ip),
            usual.threshold,
            Policy::Pass,
        ),
        (
            "service-limit",
            service,
            &[KeyField::Host, KeyField::Service, KeyField::Limit],
            None,
            3,
            Policy::Pass,
        ),
    ]
    .into_iter()
    .map(|(name, scope, key, counted, threshold, policy)| {
        let mut rule = Rule::default();
        rule.name.push_str(name);
        rule.scope = scope.to_vec();
        rule.key = key.to_vec();
        rule.distinct = counted.map(|field| Distinct {
            field,
            at_least: 10,
        });
        (rule.threshold, rule.policy) = (threshold, policy);
        rule
    })
    .collect()
}
