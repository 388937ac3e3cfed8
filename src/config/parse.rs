//! Reads a valid [`Config`] from JSON, or says what is wrong with it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::error::Fault;
use super::table::{Table, add, check_length, pick};
use super::{Config, ConfigError, PATTERNS, Problem, limits, patterns, rules, units};
use crate::json::scan::Malformed;
use crate::json::value::Value;
use crate::recognisers::SERVER_NAMES;
use crate::time::TimeZone;

/// The keys of the whole document, in the order in which people write them.
pub const KEYS: [&str; 13] = [
    "message_keys",
    "time_keys",
    "servers",
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
    ///
    /// # Errors
    /// See [`Problem`]. Whether a pattern's expression compiles is found out by [`Engine::new`](crate::engine::Engine::new).
    pub fn parse(json: &[u8], defaults: Config) -> Result<Config, ConfigError> {
        Config::read(json, defaults).map_err(|fault| *fault)
    }

    fn read(json: &[u8], mut config: Config) -> Result<Config, Fault> {
        if json.trim_ascii().is_empty() {
            return Ok(config);
        }
        let whole = |problem| ConfigError::at(String::new(), problem);
        let bytes = json.len();
        if bytes > limits::CONFIG_BYTES_MAX {
            return Err(whole(Problem::TooLong { bytes }));
        }
        let value = Value::parse(json).map_err(|Malformed { at }| {
            let before = json.get(..at).unwrap_or_default();
            let lines = before.split(|&byte| byte == b'\n');
            let (line, column) = lines.fold((0, 0), |(line, _), text| (line + 1, text.len() + 1));
            whole(Problem::NotJson { line, column })
        })?;
        let table = Table::new(&value, String::new(), &KEYS)?;
        config.change(&table)?;
        Ok(config)
    }

    /// Sets what `table` gives.
    fn change(&mut self, table: &Table<'_>) -> Result<(), Fault> {
        for (name, known) in [
            ("message_keys", &mut self.message_keys),
            ("time_keys", &mut self.time_keys),
        ] {
            let mut keys = Vec::new();
            let mut key = |text: &str| Ok(add(&mut keys, record_key(text)?));
            if table.entries(name, 1, limits::RECORD_KEYS_MAX, &mut key)? {
                *known = keys;
            }
        }
        let mut picked = Vec::new();
        let mut server = |text: &str| Ok(add(&mut picked, pick(text, &SERVER_NAMES)?));
        if table.entries("servers", 1, SERVER_NAMES.len(), &mut server)? {
            // In the order in which they are asked, whatever the order here.
            let named = SERVER_NAMES.iter().enumerate();
            let chosen = named.filter(|(number, _)| picked.contains(number));
            self.servers = chosen.map(|(_, name)| *name).collect();
        }
        if let Some(text) = table.text("timezone")? {
            self.timezone = timezone(text).map_err(|problem| table.error("timezone", problem))?;
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
            let (floods, keys) = (self.max_floods, self.max_keys);
            let key = table.written("max_floods", "max_keys");
            return Err(table.error(key, Problem::FloodsAboveKeys { floods, keys }));
        }
        if let Some(ms) =
            table.duration_ms("statistics_every", limits::STATISTICS_EVERY_MS, true)?
        {
            self.statistics_every_ms = ms;
        }
        let mut networks = Vec::new();
        let mut network = |text: &str| Ok(add(&mut networks, units::parse_network(text)?));
        if table.entries(
            "trusted_networks",
            0,
            limits::TRUSTED_NETWORKS_MAX,
            &mut network,
        )? {
            self.trusted_networks = networks;
        }
        if let Some(key) = table.bounded_text("redact_key", limits::REDACT_KEY_BYTES)? {
            self.redact_key = Some(key.to_string());
        }
        if let Some(tag) = table.bounded_text("tick_tag", limits::TICK_TAG_BYTES)? {
            if !tag.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(table.error("tick_tag", Problem::Tag(tag.to_string())));
            }
            self.tick_tag = tag.to_string();
        }
        if let Some(list) = table.list("rule", limits::RULES_MAX)? {
            self.rules = rules::read(list, core::mem::take(&mut self.rules))?;
        }
        if let Some(list) = table.list("pattern", limits::PATTERNS_MAX)? {
            self.patterns = patterns::read(list)?;
        }
        // One for servers that are not looked for would cost, and count nothing.
        let servers = &self.servers;
        let counts = |name: &&'static str| *name == PATTERNS || servers.contains(name);
        self.rules.retain(|rule| rule.servers.iter().any(counts));
        Ok(())
    }
}

/// A key that may hold the message. Records are searched raw, so it must look the same in all of them.
fn record_key(text: &str) -> Result<String, Problem> {
    check_length(text, 1..=limits::RECORD_KEY_BYTES_MAX)?;
    let mut before = b'.';
    let mut bytes = text.bytes().chain([b'.']);
    if bytes.any(|byte| core::mem::replace(&mut before, byte) == b'.' && byte == b'.') {
        return Err(Problem::EmptyName);
    }
    match units::escapable(text) {
        Some(character) => Err(Problem::EscapableKey(character)),
        None => Ok(text.to_string()),
    }
}

fn timezone(text: &str) -> Result<TimeZone, Problem> {
    let in_name = |b: u8| b.is_ascii_alphanumeric() || b"/_+-".contains(&b);
    TimeZone::parse(text).ok_or_else(|| {
        if text.contains('/') && text.bytes().all(in_name) {
            Problem::TimeZoneName(text.to_string())
        } else {
            Problem::TimeZone(text.to_string())
        }
    })
}
