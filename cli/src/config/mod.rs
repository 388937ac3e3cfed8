//! Loads configurations from files, judges them, and says which line is wrong.

pub mod bake;
mod fluent_bit;
mod print;
pub(crate) mod zone;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use maxconn_config::{Written, every_minute, in_rules, refusals_every_minute};
use maxconn_core::config::limits::CONFIG_BYTES_MAX;
use maxconn_core::config::{Config, ConfigError, PATTERNS, Policy, nearest};
use maxconn_core::event::Scope;
use maxconn_core::patterns;
use maxconn_host::Plugin;
use serde_json::Value;

pub use maxconn_config::Excerpt;

/// A configuration that was read and found valid.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedConfig {
    /// What was written, as the guest parses it; what was not stays as in the guest's own defaults.
    pub json: String,
    /// What it means with the common defaults.
    pub effective: Config,
}

impl LoadedConfig {
    /// The zone that was written, if one was.
    pub fn timezone(&self) -> Option<String> {
        let written: Value = serde_json::from_str(&self.json).unwrap_or_default();
        Some(written.get("timezone")?.as_str()?.to_string())
    }

    /// The names of the patterns that may be in force in a plugin: those that are written, and those inside it.
    pub fn pattern_names(&self, plugin: &Plugin) -> Arc<[String]> {
        let written = self.effective.patterns.iter().map(|it| &it.name);
        plugin.patterns().iter().chain(written).cloned().collect()
    }

    /// Gives every rule the same policy.
    pub fn set_policy(&mut self, policy: Policy) {
        for rule in &mut self.effective.rules {
            rule.policy = policy;
        }
        self.rewrite(|written, effective| {
            in_rules(written, effective, |rule| {
                rule.insert("policy".to_string(), Value::from(policy.name()));
                if policy != Policy::Sample {
                    rule.remove("sample_every");
                }
            });
        });
    }

    /// Has statistics and an alert of each open flood written every minute.
    pub fn set_every_minute(&mut self) {
        self.rewrite(every_minute);
    }

    /// Has refusals counted minute by minute, unless statistics are asked for in steps of another length.
    pub fn set_counted_by_minute(&mut self) {
        self.rewrite(|written, _| refusals_every_minute(written));
    }

    fn rewrite(&mut self, change: impl Fn(&mut Value, &Config)) {
        let mut written: Value = serde_json::from_str(&self.json).unwrap_or_default();
        change(&mut written, &self.effective);
        self.json = written.to_string();
    }

    /// As the guest parses it, with another zone.
    pub fn json_in(&self, zone: &str) -> String {
        let mut written: Value = serde_json::from_str(&self.json).unwrap_or_default();
        written["timezone"] = Value::from(zone);
        written.to_string()
    }
}

/// Why a configuration can't be used, in one or more lines.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error(
        "cannot read the configuration {0}: {1}\nhelp: name a file with --config that can be read, in UTF-8"
    )]
    Read(String, io::Error),
    /// It is wrong, in this line.
    #[error("{}", wrong(.file, .excerpt.as_deref(), .error))]
    Wrong {
        /// The file's name.
        file: String,
        /// The line, if it is known.
        excerpt: Option<Box<Excerpt>>,
        /// What is wrong there.
        error: ConfigError,
    },
}

fn wrong(file: &str, excerpt: Option<&Excerpt>, error: &ConfigError) -> String {
    let (place, shown) = match excerpt {
        Some(it) => (format!(":{}:{}", it.line, it.column), it.shown.as_str()),
        None => (String::new(), ""),
    };
    let path = &error.path;
    let (problem, mend) = error.problem.say();
    let colon = if path.is_empty() { "" } else { ": " };
    format!("{file}{place}{colon}{path}: {problem}\n{shown}help: {mend}")
}

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
    let text = read(path).map_err(|error| LoadError::Read(name.clone(), error))?;
    match path.extension().is_some_and(|it| it == "json") {
        true => read_json(&name, &text, defaults),
        false => read_toml(&name, &text, defaults),
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
    let rules = config.rules.iter();
    let rules = rules.filter(|rule| rule.servers.contains(&PATTERNS));
    let counted = |scope: &Scope| rules.clone().any(|rule| rule.scope.contains(scope));
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

/// As what a configuration is printed.
#[derive(Clone, Copy, Debug)]
pub enum Form<'k> {
    /// TOML with every key spelled out. It can be loaded again; only a `redact_key` is left out, because what is
    /// printed gets pasted.
    Toml,
    /// The filter of Fluent Bit before the plugin's, for messages under this key.
    FluentBit(&'k str),
}

impl Form<'_> {
    fn of(self, config: &Config) -> String {
        match self {
            Form::Toml => print::toml(config),
            Form::FluentBit(key) => fluent_bit::prefilter(config, key),
        }
    }
}

/// `maxconn config print`: the effective configuration.
pub fn print(path: Option<&Path>, form: Form<'_>) -> Result<String, LoadError> {
    Ok(form.of(&load(path)?.effective))
}

/// The same of a text without a file: the configuration, and how it is printed.
pub(crate) fn read_text(text: &str, is_json: bool) -> Result<(Config, String), LoadError> {
    let read = if is_json { read_json } else { read_toml };
    let loaded = read("the configuration", text, &Config::default())?;
    let printed = print::toml(&loaded.effective);
    Ok((loaded.effective, printed))
}

fn read_toml(name: &str, text: &str, defaults: &Config) -> Result<LoadedConfig, LoadError> {
    let wrong = |excerpt, error| LoadError::Wrong {
        file: name.to_string(),
        excerpt,
        error,
    };
    let written = Written::parse(text).map_err(|(place, error)| wrong(Some(place), error))?;
    finish(written.json(), defaults).map_err(|error| wrong(written.excerpt(&error.path), error))
}

fn read_json(name: &str, text: &str, defaults: &Config) -> Result<LoadedConfig, LoadError> {
    let result = match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => finish(value, defaults),
        // The core's own words for it, which carry line and column.
        _ => judged(text.to_string(), defaults),
    };
    result.map_err(|error| LoadError::Wrong {
        file: name.to_string(),
        excerpt: None,
        error,
    })
}

/// Resolves the name of a time zone, then lets the core judge, patterns included.
fn finish(mut value: Value, defaults: &Config) -> Result<LoadedConfig, ConfigError> {
    if let Some(Value::String(name)) = value.get_mut("timezone") {
        *name = zone::resolve(name)?;
    }
    judged(value.to_string(), defaults)
}

fn judged(json: String, defaults: &Config) -> Result<LoadedConfig, ConfigError> {
    let effective = Config::parse(json.as_bytes(), defaults.clone())?;
    patterns::compile(&effective.patterns)?;
    Ok(LoadedConfig { json, effective })
}

#[cfg(test)]
mod tests;
