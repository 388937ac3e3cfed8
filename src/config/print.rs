//! The effective configuration, spelled out: what `config print` shows and what is baked into guests.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::units::{duration_text, network_text};
use super::{Config, Pattern, Policy, Rule};

impl Config {
    /// Every key with its value, as JSON. [`Config::parse`] makes the same configuration of it, whatever
    /// built-in rules its defaults have switched off here: those are named as not enabled.
    pub fn to_json(&self) -> String {
        self.to_value().to_string()
    }

    fn to_value(&self) -> Value {
        let mut top = Map::new();
        let mut set = |key: &str, value: Value| top.insert(key.to_string(), value);
        set("message_keys", json!(self.message_keys));
        set("timezone", json!(self.timezone.to_string()));
        set(
            "allowed_lateness",
            json!(duration_text(self.allowed_lateness_ms)),
        );
        set("max_keys", json!(self.max_keys));
        set("max_floods", json!(self.max_floods));
        set(
            "statistics_every",
            json!(duration_text(self.statistics_every_ms)),
        );
        let networks: Vec<String> = self.trusted_networks.iter().map(network_text).collect();
        set("trusted_networks", json!(networks));
        if let Some(key) = &self.redact_key {
            set("redact_key", json!(key));
        }
        set("tick_tag", json!(self.tick_tag));
        let switched_off = Config::default()
            .rules
            .into_iter()
            .filter(|built_in| self.rules.iter().all(|rule| rule.name != built_in.name))
            .map(|built_in| json!({ "name": built_in.name, "enabled": false }));
        set(
            "rule",
            self.rules
                .iter()
                .map(rule_value)
                .chain(switched_off)
                .collect(),
        );
        set("pattern", self.patterns.iter().map(pattern_value).collect());
        Value::Object(top)
    }
}

fn rule_value(rule: &Rule) -> Value {
    let names = |names: Vec<&str>| json!(names);
    let mut table = json!({
        "name": rule.name,
        "scope": names(rule.scope.iter().map(|scope| scope.name()).collect()),
        "key": names(rule.key.iter().map(|field| field.name()).collect()),
        "threshold": rule.threshold,
        "within": duration_text(rule.within_ms),
        "quiet": duration_text(rule.quiet_ms),
        "update_every": duration_text(rule.update_every_ms),
        "update_max": duration_text(rule.update_max_ms),
        "policy": policy_name(rule.policy),
    });
    let mut set = |key: &str, value: Value| {
        if let Value::Object(table) = &mut table {
            table.insert(key.to_string(), value);
        }
    };
    if let Some(distinct) = rule.distinct {
        set(
            "distinct",
            json!({ "field": distinct.field.name(), "at_least": distinct.at_least }),
        );
    }
    if rule.policy == Policy::Sample {
        set("sample_every", json!(rule.sample_every));
    }
    table
}

fn pattern_value(pattern: &Pattern) -> Value {
    json!({
        "name": pattern.name,
        "contains": pattern.contains,
        "regex": pattern.regex,
        "limit": pattern.limit,
        "scope": pattern.scope.name(),
    })
}

fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::Pass => "pass",
        Policy::Suppress => "suppress",
        Policy::Sample => "sample",
    }
}
