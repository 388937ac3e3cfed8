//! Reads configurations as people write them: turns TOML (or JSON) into the JSON that every guest parses, and shows the line
//! that is wrong.

pub mod bake;
mod place;
mod print;
mod zone;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use maxconn_core::config::limits::CONFIG_BYTES_MAX;
use maxconn_core::config::{Config, ConfigError, nearest};
use maxconn_core::event::Scope;
use maxconn_core::patterns;
use serde_json::{Map, Value};
use toml_edit::{Document, Item, TableLike};

/// A configuration that was read and found valid.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedConfig {
    /// What was written, as the guest parses it; what was not stays as in the guest's own defaults.
    pub json: String,
    /// What it means with the common defaults.
    pub effective: Config,
}

/// Why a configuration can't be used: a text of one or more lines for people, place and mend included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// Reads the configuration; without a path it is empty, which is the normal way to start.
pub fn load(path: Option<&Path>) -> Result<LoadedConfig, LoadError> {
    load_onto(path, &Config::default())
}

/// The same for a guest that has other defaults.
fn load_onto(path: Option<&Path>, defaults: &Config) -> Result<LoadedConfig, LoadError> {
    let Some(path) = path else {
        return Ok(LoadedConfig {
            json: "{}".to_string(),
            effective: defaults.clone(),
        });
    };
    let name = path.display().to_string();
    let text = read(path).map_err(|error| {
        let mend = "name a file with --config that can be read, in UTF-8";
        LoadError(format!(
            "cannot read the configuration {name}: {error}\nhelp: {mend}"
        ))
    })?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    if is_json {
        read_json(&name, &text, defaults)
    } else {
        read_toml(&name, &text, defaults)
    }
}

/// A file, of which no more is read than a configuration may have.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let most = CONFIG_BYTES_MAX as u64 + 1;
    let bytes = File::open(path)?.take(most).read_to_string(&mut text)?;
    if bytes > CONFIG_BYTES_MAX {
        let problem = format!("it has more than the {CONFIG_BYTES_MAX} bytes of a configuration");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(text)
}

/// A pattern whose events no rule counts, so that no flood of theirs is ever found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncounted {
    /// Its name.
    pub pattern: String,
    /// The limit that its events are of.
    pub limit: String,
    /// Their scope.
    pub scope: Scope,
}

impl fmt::Display for Uncounted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pattern, scope) = (&self.pattern, self.scope.name());
        write!(
            out,
            "the pattern {pattern} finds events of scope {scope}, and no rule counts those: they get fields and never an \
             alert; add a [[rule]] with scope = [\"{scope}\"] and a key"
        )
    }
}

/// The patterns whose events no rule counts.
pub fn uncounted(config: &Config) -> Vec<Uncounted> {
    let counted = |scope: &Scope| config.rules.iter().any(|rule| rule.scope.contains(scope));
    let patterns = config.patterns.iter();
    patterns
        .filter(|pattern| !counted(&pattern.scope))
        .map(|pattern| Uncounted {
            pattern: pattern.name.clone(),
            limit: pattern.limit.clone(),
            scope: pattern.scope,
        })
        .collect()
}

/// Rules of one's own whose names are nearly those of built-in ones, which they were perhaps to change: a sentence for
/// each.
fn nearly_built_in(config: &Config) -> Vec<String> {
    let built_in = Config::default().rules;
    let names: Vec<&str> = built_in.iter().map(|rule| rule.name.as_str()).collect();
    let own = config.rules.iter().map(|rule| rule.name.as_str());
    own.filter(|name| !names.contains(name))
        .filter_map(|name| {
            let near = nearest(name, &names)?;
            Some(format!(
                "the rule {name} is a new one, beside the built-in {near}; did you mean {near}?"
            ))
        })
        .collect()
}

/// `maxconn config check`: a line that says that all is well, and what is in it to no effect.
pub fn check(path: Option<&Path>) -> Result<String, LoadError> {
    let config = load(path)?.effective;
    let name = match path {
        Some(path) => path.display().to_string(),
        None => "no configuration, so the defaults".to_string(),
    };
    let count = |number: usize, what: &str| match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    };
    let mut said = format!(
        "{name}: fine: {}, {}",
        count(config.rules.len(), "rule"),
        count(config.patterns.len(), "pattern")
    );
    let uncounted = uncounted(&config);
    let warnings = uncounted.iter().map(Uncounted::to_string);
    for warning in warnings.chain(nearly_built_in(&config)) {
        said += "\nwarning: ";
        said += &warning;
    }
    Ok(said)
}

/// `maxconn config print`: the effective configuration as TOML, every key spelled out. It can be loaded
/// again; only a `redact_key` is left out, because what is printed gets pasted.
pub fn print(path: Option<&Path>) -> Result<String, LoadError> {
    Ok(print::toml(&load(path)?.effective))
}

/// The same of a text without a file: the configuration, and how it is printed.
pub(crate) fn read_text(text: &str, is_json: bool) -> Result<(Config, String), LoadError> {
    let read = if is_json { read_json } else { read_toml };
    let loaded = read("the configuration", text, &Config::default())?;
    let printed = print::toml(&loaded.effective);
    Ok((loaded.effective, printed))
}

fn read_toml(name: &str, text: &str, defaults: &Config) -> Result<LoadedConfig, LoadError> {
    let document = Document::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        LoadError(place::shown(
            name,
            text,
            span,
            error.message(),
            "see https://toml.io for how TOML is written",
        ))
    })?;
    finish(table_value(document.as_table()), defaults).map_err(|error| {
        let span = place::find(document.as_table(), &error.path);
        let problem = if error.path.is_empty() {
            error.problem.clone()
        } else {
            format!("{}: {}", error.path, error.problem)
        };
        match span {
            Some(span) => LoadError(place::shown(name, text, span, &problem, &error.mend)),
            None => LoadError(format!("{name}: {problem}\nhelp: {}", error.mend)),
        }
    })
}

fn read_json(name: &str, text: &str, defaults: &Config) -> Result<LoadedConfig, LoadError> {
    let value = match serde_json::from_str(text) {
        Ok(value) => value,
        // The core's own words for it, which carry line and column.
        Err(_) => Value::String(String::new()),
    };
    let result = match value {
        Value::Object(_) => finish(value, defaults),
        _ => Config::parse(text.as_bytes(), defaults.clone()).and_then(|effective| {
            patterns::compile(&effective.patterns)?;
            Ok(LoadedConfig {
                json: text.to_string(),
                effective,
            })
        }),
    };
    result.map_err(|error| {
        let place = if error.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", error.path)
        };
        LoadError(format!(
            "{name}: {place}{}\nhelp: {}",
            error.problem, error.mend
        ))
    })
}

/// Resolves the name of a time zone, then lets the core judge, patterns included.
fn finish(mut value: Value, defaults: &Config) -> Result<LoadedConfig, ConfigError> {
    if let Some(Value::String(name)) = value.get_mut("timezone") {
        *name = zone::resolve(name)?;
    }
    let json = value.to_string();
    let effective = Config::parse(json.as_bytes(), defaults.clone())?;
    patterns::compile(&effective.patterns)?;
    Ok(LoadedConfig { json, effective })
}

fn table_value(table: &dyn TableLike) -> Value {
    let entries = table.iter();
    let entries: Map<String, Value> = entries
        .map(|(key, item)| (key.to_string(), item_value(item)))
        .collect();
    Value::Object(entries)
}

fn item_value(item: &Item) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => plain_value(value),
        Item::Table(table) => table_value(table),
        Item::ArrayOfTables(tables) => tables.iter().map(|table| table_value(table)).collect(),
    }
}

fn plain_value(value: &toml_edit::Value) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::from(text.value().as_str()),
        toml_edit::Value::Integer(number) => Value::from(*number.value()),
        toml_edit::Value::Float(number) => Value::from(*number.value()),
        toml_edit::Value::Boolean(flag) => Value::from(*flag.value()),
        // No key takes a date; as text it is told what belongs there instead.
        toml_edit::Value::Datetime(date) => Value::from(date.value().to_string()),
        toml_edit::Value::Array(values) => values.iter().map(plain_value).collect(),
        toml_edit::Value::InlineTable(table) => table_value(table),
    }
}

#[cfg(test)]
mod tests;
