//! Reads a configuration as people write it: TOML becomes the JSON that every guest parses, and an error of a guest, which
//! names a path such as `rule[1].quiet`, the line that is wrong. It builds for the command and for browsers.
#![forbid(unsafe_code)]

mod excerpt;
mod rules;

use maxconn_core::config::ConfigError;
use serde_json::Value;
use toml_edit::{Document, Item};

pub use excerpt::Excerpt;
pub use rules::{every_minute, in_rules, refusals_every_minute};

/// A configuration in TOML.
#[derive(Debug)]
pub struct Written<'t> {
    text: &'t str,
    document: Document<&'t str>,
}

impl Written<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// It is no TOML: what is wrong, and where.
    pub fn parse(text: &str) -> Result<Written<'_>, (Box<Excerpt>, ConfigError)> {
        match Document::parse(text) {
            Ok(document) => Ok(Written { text, document }),
            Err(error) => {
                let mend = "see https://toml.io for how TOML is written";
                let place = Excerpt::of(text, error.span().unwrap_or_default());
                Err((place, ConfigError::new("", error.message(), mend)))
            }
        }
    }

    /// As JSON, which nobody has judged yet.
    pub fn json(&self) -> Value {
        json(self.document.as_item())
    }

    /// The line that a path is about, if it is about one.
    pub fn excerpt(&self, path: &str) -> Option<Box<Excerpt>> {
        let span = excerpt::find(self.document.as_item(), path)?;
        Some(Excerpt::of(self.text, span))
    }
}

fn json(item: &Item) -> Value {
    if let Some(table) = item.as_table_like() {
        return table.iter().map(|(key, item)| (key, json(item))).collect();
    }
    match item.as_value() {
        Some(toml_edit::Value::String(text)) => Value::from(text.value().as_str()),
        Some(toml_edit::Value::Integer(number)) => Value::from(*number.value()),
        Some(toml_edit::Value::Float(number)) => Value::from(*number.value()),
        Some(toml_edit::Value::Boolean(flag)) => Value::from(*flag.value()),
        // No key takes a date; as text it is told what belongs there instead.
        Some(toml_edit::Value::Datetime(date)) => Value::from(date.value().to_string()),
        // An array, of values or of tables.
        _ => (0..)
            .map_while(|at: usize| item.get(at))
            .map(json)
            .collect(),
    }
}
