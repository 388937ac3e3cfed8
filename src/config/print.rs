//! Writes the effective configuration, spelled out: what `config print` shows and what is baked into guests.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::units::network_text;
use super::{Config, Pattern, Policy, Rule};
use crate::json::write::Writer;
use crate::text::duration_text;

impl Config {
    /// Every key with its value, as JSON. [`Config::parse`] makes the same configuration of it, whatever
    /// built-in rules its defaults have switched off here: those are named as not enabled.
    pub fn to_json(&self) -> String {
        let mut out = Vec::new();
        let mut json = Writer::new(&mut out);
        json.begin_object();
        texts(&mut json, "message_keys", self.message_keys.iter());
        texts(&mut json, "time_keys", self.time_keys.iter());
        texts(&mut json, "servers", self.servers.iter());
        text(&mut json, "timezone", &self.timezone.to_string());
        duration(&mut json, "allowed_lateness", self.allowed_lateness_ms);
        number(&mut json, "max_keys", self.max_keys as u64);
        number(&mut json, "max_floods", self.max_floods as u64);
        duration(&mut json, "statistics_every", self.statistics_every_ms);
        let networks = self.trusted_networks.iter().map(network_text);
        texts(&mut json, "trusted_networks", networks);
        if let Some(key) = &self.redact_key {
            text(&mut json, "redact_key", key);
        }
        text(&mut json, "tick_tag", &self.tick_tag);
        json.key("rule");
        json.begin_array();
        for rule in &self.rules {
            write_rule(&mut json, rule);
        }
        for built_in in Config::default().rules {
            if self.rules.iter().all(|rule| rule.name != built_in.name) {
                json.begin_object();
                text(&mut json, "name", &built_in.name);
                json.key("enabled");
                json.bool(false);
                json.end_object();
            }
        }
        json.end_array();
        json.key("pattern");
        json.begin_array();
        for pattern in &self.patterns {
            write_pattern(&mut json, pattern);
        }
        json.end_array();
        json.end_object();
        String::from_utf8(out).unwrap_or_default()
    }
}

fn write_rule(json: &mut Writer<'_>, rule: &Rule) {
    json.begin_object();
    text(json, "name", &rule.name);
    texts(json, "servers", rule.servers.iter());
    texts(json, "scope", rule.scope.iter().map(|scope| scope.name()));
    texts(json, "class", rule.class.iter().map(|class| class.name()));
    texts(json, "key", rule.key.iter().map(|field| field.name()));
    json.key("missing_bucket");
    json.bool(rule.missing_bucket);
    number(json, "threshold", u64::from(rule.threshold));
    duration(json, "within", rule.within_ms);
    if let Some(distinct) = rule.distinct {
        json.key("distinct");
        json.begin_object();
        text(json, "field", distinct.field.name());
        number(json, "at_least", u64::from(distinct.at_least));
        json.end_object();
    }
    duration(json, "quiet", rule.quiet_ms);
    duration(json, "update_every", rule.update_every_ms);
    duration(json, "update_max", rule.update_max_ms);
    text(json, "policy", rule.policy.name());
    if rule.policy == Policy::Sample {
        number(json, "sample_every", u64::from(rule.sample_every));
    }
    json.end_object();
}

fn write_pattern(json: &mut Writer<'_>, pattern: &Pattern) {
    json.begin_object();
    text(json, "name", &pattern.name);
    text(json, "contains", &pattern.contains);
    text(json, "regex", &pattern.regex);
    text(json, "limit", &pattern.limit);
    text(json, "scope", pattern.scope.name());
    json.end_object();
}

fn text(json: &mut Writer<'_>, key: &str, value: &str) {
    json.key(key);
    json.string(value);
}

fn texts(json: &mut Writer<'_>, key: &str, values: impl Iterator<Item = impl AsRef<str>>) {
    json.key(key);
    json.begin_array();
    for value in values {
        json.string(value.as_ref());
    }
    json.end_array();
}

fn number(json: &mut Writer<'_>, key: &str, value: u64) {
    json.key(key);
    json.uint(value);
}

fn duration(json: &mut Writer<'_>, key: &str, ms: i64) {
    text(json, key, &duration_text(ms));
}
