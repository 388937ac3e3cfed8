//! `docs/maxconn.schema.json` has every key, word and bound of the configuration, and every field that an event may be given.
//! The tests of the npm package hold documents against it.

use std::ops::RangeInclusive;

use maxconn_core::config::limits;
use maxconn_core::config::{Config, KEYS, KeyField, PATTERN_KEYS, Policy, RULE_KEYS};
use maxconn_core::event::{Class, Scope, Stage};
use maxconn_core::recognisers::{Hint, SERVER_NAMES};
use serde_json::Value;

fn schema() -> Value {
    serde_json::from_str(include_str!("../docs/maxconn.schema.json")).expect("JSON")
}

/// What is at a place, which is there.
#[track_caller]
fn at<'a>(schema: &'a Value, pointer: &str) -> &'a Value {
    let found = schema.pointer(pointer);
    found.unwrap_or_else(|| panic!("nothing at {pointer}"))
}

#[track_caller]
fn assert_keys(schema: &Value, pointer: &str, keys: &[&str]) {
    let properties = at(schema, pointer).as_object().expect("a table");
    let mut known: Vec<&str> = properties.keys().map(String::as_str).collect();
    let mut keys = keys.to_vec();
    known.sort_unstable();
    keys.sort_unstable();
    assert_eq!(known, keys, "{pointer}");
}

#[test]
fn it_has_the_keys_of_the_configuration() {
    let schema = schema();
    assert_keys(&schema, "/properties", &KEYS);
    assert_keys(&schema, "/definitions/Rule/properties", &RULE_KEYS);
    assert_keys(&schema, "/definitions/Pattern/properties", &PATTERN_KEYS);
}

#[test]
fn it_has_the_words() {
    let schema = schema();
    let flood = "/definitions/Alert/properties/maxconn/properties/flood/properties";
    for (pointer, words) in [
        ("/definitions/Server", &SERVER_NAMES[..]),
        ("/definitions/Scope", Scope::NAMES),
        ("/definitions/Class", Class::NAMES),
        ("/definitions/Stage", Stage::NAMES),
        ("/definitions/KeyField", KeyField::NAMES),
        ("/definitions/Rule/properties/policy", Policy::NAMES),
        (&format!("{flood}/cause/properties/hint"), Hint::NAMES),
    ] {
        let known = at(&schema, &format!("{pointer}/enum"));
        assert_eq!(known, &Value::from(words), "{pointer}");
    }
}

/// Where `max_keys` of a configuration or `Rule.threshold` is.
fn pointer(path: &str) -> String {
    let is_definition = path.starts_with(char::is_uppercase);
    let begin = if is_definition {
        "definitions"
    } else {
        "properties"
    };
    format!("/{begin}/{}", path.replace('.', "/properties/"))
}

#[test]
fn it_has_the_bounds() {
    let schema = schema();
    for (path, bounds) in [
        ("max_keys", limits::KEYS),
        ("max_floods", limits::FLOODS),
        ("Rule.threshold", limits::THRESHOLD),
        ("Rule.sample_every", limits::SAMPLE_EVERY),
        ("Rule.distinct.at_least", limits::DISTINCT_AT_LEAST),
    ] {
        let pointer = pointer(path);
        let number = |key| at(&schema, &format!("{pointer}/{key}")).as_u64();
        let known = number("minimum").zip(number("maximum"));
        let known = known.map(|(least, most)| RangeInclusive::new(least, most));
        assert_eq!(known, Some(bounds), "{path}");
    }
    for (path, most) in [
        ("message_keys/maxItems", limits::RECORD_KEYS_MAX),
        ("time_keys/maxItems", limits::RECORD_KEYS_MAX),
        ("message_keys/items/maxLength", limits::RECORD_KEY_BYTES_MAX),
        ("trusted_networks/maxItems", limits::TRUSTED_NETWORKS_MAX),
        ("redact_key/maxLength", *limits::REDACT_KEY_BYTES.end()),
        ("rule/maxItems", limits::RULES_MAX),
        ("pattern/maxItems", limits::PATTERNS_MAX),
        ("Pattern.contains/maxLength", *limits::CONTAINS_BYTES.end()),
        ("Pattern.regex/maxLength", *limits::REGEX_BYTES.end()),
    ] {
        assert_eq!(at(&schema, &pointer(path)), most, "{path}");
    }
}

/// A rule of one's own has those of a rule.
#[test]
fn it_has_the_defaults() {
    let schema = schema();
    let own = br#"{"rule": [{"name": "own", "policy": "sample"}]}"#;
    let config = Config::parse(own, Config::default()).expect("a valid one");
    let effective: Value = serde_json::from_str(&config.to_json()).expect("JSON");
    let own = effective["rule"].as_array().expect("rules");
    let own = own.iter().find(|rule| rule["name"] == "own");
    let mut count = 0;
    for (pointer, effective) in [
        ("/properties", &effective),
        ("/definitions/Rule/properties", own.expect("it")),
    ] {
        for (key, property) in at(&schema, pointer).as_object().expect("a table") {
            // Chosen above, for else there is no `sample_every`; printed only where it is false.
            if ["policy", "enabled"].contains(&key.as_str()) {
                continue;
            }
            if let Some(default) = property.get("default") {
                assert_eq!(&effective[key], default, "{pointer}/{key}");
                count += 1;
            }
        }
    }
    assert!(count > 15, "{count} defaults");
}

#[test]
fn it_has_the_fields_of_events() {
    let mut known = Vec::new();
    let schema = schema();
    leaves("", at(&schema, "/definitions/EnrichedEvent"), &mut known);
    let mut fields: Vec<String> = maxconn_core::enrich::paths().collect();
    known.sort();
    fields.sort();
    assert_eq!(known, fields);
}

/// The paths of all properties that have none themselves.
fn leaves(path: &str, schema: &Value, into: &mut Vec<String>) {
    match schema["properties"].as_object() {
        None => into.push(path.to_string()),
        Some(properties) => {
            for (key, inner) in properties {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{key}"), inner, into);
            }
        }
    }
}
