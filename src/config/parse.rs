//! From JSON to a valid [`Config`], or a sentence that says what to mend.

use alloc::format;
use alloc::string::{String, ToString};

use serde_json::Value;

use super::error::quoted;
use super::table::Table;
use super::{Config, ConfigError, limits, patterns, rules, units};
use crate::time::TimeZone;

/// The keys of the whole document, in the order in which people write them.
pub const KEYS: [&str; 11] = [
    "message_keys",
    "timezone",
    "allowed_lateness",
    "max_keys",
    "max_floods",
    "statistics_every",
    "trusted_networks",
    "redact_key",
    "tick_tag",
    "rule",
    "pattern",
];

impl Config {
    /// Parses the JSON form. What is not in it stays as in `defaults` (each guest's own). Nothing but
    /// white space is no configuration: the defaults.
    pub fn parse(json: &[u8], defaults: &Config) -> Result<Config, ConfigError> {
        if json.trim_ascii().is_empty() {
            return Ok(defaults.clone());
        }
        if json.len() > limits::CONFIG_BYTES_MAX {
            return Err(ConfigError::new(
                "",
                format!("the configuration has {} bytes", json.len()),
                format!("keep it to {} bytes", limits::CONFIG_BYTES_MAX),
            ));
        }
        let value: Value = json_value(json).map_err(|error| {
            ConfigError::new(
                "",
                format!("this is not JSON: {error}"),
                "write one JSON object",
            )
        })?;
        let table = Table::new(&value, String::new(), &KEYS)?;
        let mut config = defaults.clone();
        config.change(&table)?;
        Ok(config)
    }

    /// Sets what `table` gives.
    fn change(&mut self, table: &Table<'_>) -> Result<(), ConfigError> {
        if let Some(keys) =
            table.list_of("message_keys", 1, limits::MESSAGE_KEYS_MAX, message_key)?
        {
            self.message_keys = keys;
        }
        if let Some(text) = table.text("timezone")? {
            self.timezone =
                timezone(text).map_err(|(problem, mend)| table.error("timezone", problem, mend))?;
        }
        if let Some(ms) =
            table.duration_ms("allowed_lateness", limits::ALLOWED_LATENESS_MS, false)?
        {
            self.allowed_lateness_ms = ms;
        }
        if let Some(keys) = table.integer("max_keys", limits::KEYS)? {
            self.max_keys = usize::try_from(keys).unwrap_or(usize::MAX);
        }
        if let Some(floods) = table.integer("max_floods", limits::FLOODS)? {
            self.max_floods = usize::try_from(floods).unwrap_or(usize::MAX);
        }
        if self.max_floods > self.max_keys {
            // The key that somebody wrote is the one to look at; the other may be a default.
            let written = if table.has("max_floods") {
                "max_floods"
            } else {
                "max_keys"
            };
            let problem = format!(
                "`max_floods` ({}) is above `max_keys` ({})",
                self.max_floods, self.max_keys
            );
            let mend = format!("set `max_floods` to {} or less", self.max_keys);
            return Err(table.error(written, problem, mend));
        }
        if let Some(ms) =
            table.duration_ms("statistics_every", limits::STATISTICS_EVERY_MS, true)?
        {
            self.statistics_every_ms = ms;
        }
        let networks = table.list_of(
            "trusted_networks",
            0,
            limits::TRUSTED_NETWORKS_MAX,
            units::parse_network,
        )?;
        if let Some(networks) = networks {
            self.trusted_networks = networks;
        }
        if let Some(key) = table.bounded_text("redact_key", limits::REDACT_KEY_BYTES)? {
            self.redact_key = Some(key.to_string());
        }
        if let Some(tag) = table.bounded_text("tick_tag", limits::TICK_TAG_BYTES)? {
            if !tag.bytes().all(|b| b.is_ascii_graphic()) {
                let problem = format!("{} is no tag", quoted(tag));
                return Err(table.error(
                    "tick_tag",
                    problem,
                    "use ASCII characters without blanks",
                ));
            }
            self.tick_tag = tag.to_string();
        }
        if let Some(list) = table.list("rule", limits::RULES_MAX)? {
            self.rules = rules::read(list, &self.rules)?;
        }
        if let Some(list) = table.list("pattern", limits::PATTERNS_MAX)? {
            self.patterns = patterns::read(list)?;
        }
        Ok(())
    }
}

/// A document as a tree of values. For whoever builds on this crate too, so that a guest holds but one
/// copy of the code.
///
/// # Errors
/// What makes it no JSON.
#[inline(never)]
pub fn json_value(json: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(json)
}

/// A key that may hold the message. Records are searched raw, so it must look the same in all of them.
fn message_key(text: &str) -> Result<String, (String, String)> {
    if text.is_empty() || text.len() > limits::MESSAGE_KEY_BYTES_MAX {
        let mend = format!("write 1 to {} bytes", limits::MESSAGE_KEY_BYTES_MAX);
        return Err((format!("it has {} bytes", text.len()), mend));
    }
    if let Some(character) = units::escapable(text) {
        let mut buffer = [0; 4];
        let character = quoted(character.encode_utf8(&mut buffer));
        let problem =
            format!("encoders of JSON may escape {character}, so the key would not be found");
        return Err((problem, "let the shipper rename that key".to_string()));
    }
    Ok(text.to_string())
}

fn timezone(text: &str) -> Result<TimeZone, (String, String)> {
    if let Some(zone) = TimeZone::parse(text) {
        return Ok(zone);
    }
    if text.contains('/')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b))
    {
        let problem = format!(
            "{} is a name that only a time zone database knows",
            quoted(text)
        );
        let mend = "let the `maxconn` command read the configuration, which resolves names, or write a \
                    POSIX TZ string, e.g. \"CET-1CEST,M3.5.0,M10.5.0/3\"";
        return Err((problem, mend.to_string()));
    }
    let mend = "write \"UTC\", an offset as \"+02:00\", or a POSIX TZ string";
    Err((
        format!("{} is no time zone", quoted(text)),
        mend.to_string(),
    ))
}
