//! Writes into the rules that are in force: those that are written, and the built-in ones that are not.

use maxconn_core::config::Config;
use serde_json::{Map, Value, json};

/// Writes into every rule of a configuration, which means `effective`.
pub fn in_rules(written: &mut Value, effective: &Config, write: impl Fn(&mut Map<String, Value>)) {
    let mut rules = match written["rule"].take() {
        Value::Array(rules) => rules,
        _ => Vec::new(),
    };
    for rule in &effective.rules {
        if !rules.iter().any(|known| known["name"] == *rule.name) {
            rules.push(json!({"name": rule.name}));
        }
    }
    rules
        .iter_mut()
        .filter_map(Value::as_object_mut)
        .for_each(write);
    written["rule"] = Value::Array(rules);
}

/// Has statistics and an alert of each open flood written every minute, so that they are curves.
pub fn every_minute(written: &mut Value, effective: &Config) {
    in_rules(written, effective, |rule| {
        for key in ["update_every", "update_max"] {
            rule.insert(key.to_string(), Value::from("1m"));
        }
    });
    refusals_every_minute(written);
}

/// Has refusals counted minute by minute.
pub fn refusals_every_minute(written: &mut Value) {
    written["statistics_every"] = Value::from("1m");
}
