//! From JSON to a valid [`Config`], or a sentence that says what to mend.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::error::Fault;
use super::table::{Reason, Table, add};
use super::{Config, ConfigError, limits, patterns, rules, units};
use crate::json::scan::Malformed;
use crate::json::value::Value;
use crate::sentence::Part::{Number, Quoted, Text};
use crate::sentence::say;
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
    pub fn parse(json: &[u8], defaults: Config) -> Result<Config, ConfigError> {
        Config::read(json, defaults).map_err(|fault| *fault)
    }

    fn read(json: &[u8], mut config: Config) -> Result<Config, Fault> {
        if json.trim_ascii().is_empty() {
            return Ok(config);
        }
        if json.len() > limits::CONFIG_BYTES_MAX {
            let problem = [
                Text("the configuration has "),
                Number(json.len() as u64),
                Text(" bytes"),
            ];
            let most = Number(limits::CONFIG_BYTES_MAX as u64);
            let mend = [Text("keep it to "), most, Text(" bytes")];
            return Err(ConfigError::at(String::new(), &problem, &mend));
        }
        let value = Value::parse(json).map_err(|Malformed { at }| {
            let before = json.get(..at).unwrap_or_default();
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            let column = before
                .rsplit(|&byte| byte == b'\n')
                .next()
                .unwrap_or_default();
            let (line, column) = (Number(line as u64), Number(column.len() as u64 + 1));
            let problem = [
                Text("this is not JSON: it goes wrong at line "),
                line,
                Text(", column "),
                column,
            ];
            ConfigError::at(String::new(), &problem, &[Text("write one JSON object")])
        })?;
        let table = Table::new(&value, String::new(), &KEYS)?;
        config.change(&table)?;
        Ok(config)
    }

    /// Sets what `table` gives.
    fn change(&mut self, table: &Table<'_>) -> Result<(), Fault> {
        let mut keys = Vec::new();
        let mut key = |text: &str| Ok(add(&mut keys, message_key(text)?));
        if table.entries("message_keys", 1, limits::MESSAGE_KEYS_MAX, &mut key)? {
            self.message_keys = keys;
        }
        if let Some(text) = table.text("timezone")? {
            self.timezone = timezone(text).map_err(|(problem, mend)| {
                table.error("timezone", &[Text(&problem)], &[Text(&mend)])
            })?;
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
            let (floods, keys) = (Number(self.max_floods as u64), Number(self.max_keys as u64));
            let problem = [
                Text("`max_floods` ("),
                floods,
                Text(") is above `max_keys` ("),
                keys,
                Text(")"),
            ];
            let mend = [Text("set `max_floods` to "), keys, Text(" or less")];
            return Err(table.error(written, &problem, &mend));
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
                let problem = [Quoted(tag), Text(" is no tag")];
                let mend = [Text("use ASCII characters without blanks")];
                return Err(table.error("tick_tag", &problem, &mend));
            }
            self.tick_tag = tag.to_string();
        }
        if let Some(list) = table.list("rule", limits::RULES_MAX)? {
            self.rules = rules::read(list, core::mem::take(&mut self.rules))?;
        }
        if let Some(list) = table.list("pattern", limits::PATTERNS_MAX)? {
            self.patterns = patterns::read(list)?;
        }
        Ok(())
    }
}

/// A key that may hold the message. Records are searched raw, so it must look the same in all of them.
fn message_key(text: &str) -> Result<String, Reason> {
    if text.is_empty() || text.len() > limits::MESSAGE_KEY_BYTES_MAX {
        let most = Number(limits::MESSAGE_KEY_BYTES_MAX as u64);
        let problem = say(&[Text("it has "), Number(text.len() as u64), Text(" bytes")]);
        return Err((problem, say(&[Text("write 1 to "), most, Text(" bytes")])));
    }
    if let Some(character) = units::escapable(text) {
        let mut buffer = [0; 4];
        let character = Quoted(character.encode_utf8(&mut buffer));
        let problem = say(&[
            Text("encoders of JSON may escape "),
            character,
            Text(", so the key would not be found"),
        ]);
        return Err((problem, "let the shipper rename that key".to_string()));
    }
    Ok(text.to_string())
}

fn timezone(text: &str) -> Result<TimeZone, Reason> {
    if let Some(zone) = TimeZone::parse(text) {
        return Ok(zone);
    }
    if text.contains('/')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b))
    {
        let problem = say(&[
            Quoted(text),
            Text(" is a name that only a time zone database knows"),
        ]);
        let mend = "let the `maxconn` command read the configuration, which resolves names, or write a \
                    POSIX TZ string, e.g. \"CET-1CEST,M3.5.0,M10.5.0/3\"";
        return Err((problem, mend.to_string()));
    }
    let mend = "write \"UTC\", an offset as \"+02:00\", or a POSIX TZ string";
    Err((
        say(&[Quoted(text), Text(" is no time zone")]),
        mend.to_string(),
    ))
}
