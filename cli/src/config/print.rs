//! Prints the effective configuration as TOML.

use maxconn_core::config::{Config, KEYS, PATTERN_KEYS, RULE_KEYS};
use serde_json::{Map, Value};
use toml_edit::InlineTable;

/// Every key in the order in which people write them.
pub(super) fn toml(config: &Config) -> String {
    let mut text = String::new();
    let Ok(Value::Object(top)) = serde_json::from_str(&config.to_json()) else {
        return text;
    };
    for key in KEYS {
        match (key, top.get(key)) {
            ("rule" | "pattern", _) | (_, None) => {}
            ("redact_key", Some(_)) => text.push_str("# redact_key is set, and not printed\n"),
            (_, Some(value)) => line(key, value, &mut text),
        }
    }
    for (name, keys) in [("rule", &RULE_KEYS[..]), ("pattern", &PATTERN_KEYS)] {
        for table in top
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            text.push_str(&format!("\n[[{name}]]\n"));
            let entries = keys.iter().filter_map(|key| Some((key, table.get(key)?)));
            entries.for_each(|(key, value)| line(key, value, &mut text));
        }
    }
    text
}

fn line(key: &str, value: &Value, text: &mut String) {
    if let Some(value) = toml_value(value) {
        text.push_str(&format!("{key} = {value}\n"));
    }
}

/// TOML has no null; nor has the effective configuration.
fn toml_value(value: &Value) -> Option<toml_edit::Value> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_i64()?.into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => values.iter().filter_map(toml_value).collect(),
        Value::Object(entries) => inline(entries).into(),
    })
}

fn inline(entries: &Map<String, Value>) -> InlineTable {
    // `distinct` is the one table in a table; `field` reads better before `at_least`.
    let entries = entries.iter().rev();
    entries
        .filter_map(|(key, value)| Some((key.as_str(), toml_value(value)?)))
        .collect()
}
