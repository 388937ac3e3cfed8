//! One table of the configuration: its keys are known, its values have the right type, or an error says
//! which place to mend. Serde's derived errors know neither place nor mend, hence by hand.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::ConfigError;
use super::error::quoted;
use super::units;

/// A table whose keys are all known.
pub(super) struct Table<'a> {
    entries: &'a Map<String, Value>,
    path: String,
}

impl<'a> Table<'a> {
    /// `value` as a table at `path`; a key that is not in `known` is an error.
    pub fn new(value: &'a Value, path: String, known: &[&str]) -> Result<Table<'a>, ConfigError> {
        let Value::Object(entries) = value else {
            return Err(ConfigError::new(
                path,
                format!("{}, but a table belongs here", kind(value)),
                format!("write key = value pairs, of the keys {}", listed(known)),
            ));
        };
        let table = Table { entries, path };
        for key in entries.keys() {
            if !known.contains(&key.as_str()) {
                let mend = match nearest(key, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("use one of {}", listed(known)),
                };
                return Err(table.error(key, "there is no such key", mend));
            }
        }
        Ok(table)
    }

    /// Where `key` is, for an error.
    pub fn place(&self, key: &str) -> String {
        let bare = key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let key = if bare && !key.is_empty() && key.len() <= 64 {
            key.to_string()
        } else {
            quoted(key)
        };
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// An error at `key`.
    pub fn error(
        &self,
        key: &str,
        problem: impl Into<String>,
        mend: impl Into<String>,
    ) -> ConfigError {
        ConfigError::new(self.place(key), problem, mend)
    }

    /// Whether the key is written at all.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The raw value.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.entries.get(key)
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.error(
                key,
                format!("{}, but a text belongs here", kind(other)),
                "write it in quotes",
            )),
        }
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &str, example: &str) -> Result<&'a str, ConfigError> {
        self.text(key)?.ok_or_else(|| {
            let mend = format!("write it, e.g. {key} = \"{example}\"");
            self.error(key, "this key is missing", mend)
        })
    }

    /// A text of a length in `bytes`.
    pub fn bounded_text(
        &self,
        key: &str,
        bytes: RangeInclusive<usize>,
    ) -> Result<Option<&'a str>, ConfigError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        if bytes.contains(&text.len()) {
            return Ok(Some(text));
        }
        Err(self.error(
            key,
            format!("it has {} bytes", text.len()),
            format!("write {} to {} bytes", bytes.start(), bytes.end()),
        ))
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.error(
                key,
                format!("{}, but true or false belongs here", kind(other)),
                "write true or false, without quotes",
            )),
        }
    }

    /// A whole number in `bounds`.
    pub fn integer(
        &self,
        key: &str,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let mend = || {
            format!(
                "write a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            )
        };
        match value {
            Value::Number(number) => match number.as_u64() {
                Some(number) if bounds.contains(&number) => Ok(Some(number)),
                Some(number) => {
                    let side = if number < *bounds.start() {
                        "small"
                    } else {
                        "large"
                    };
                    Err(self.error(key, format!("{number} is too {side}"), mend()))
                }
                None => Err(self.error(key, "it is negative or has a fraction", mend())),
            },
            other => {
                let problem = format!("{}, but a number belongs here", kind(other));
                Err(self.error(key, problem, mend()))
            }
        }
    }

    /// A duration in `bounds`, in ms. With `or_zero`, nought is allowed besides.
    pub fn duration_ms(
        &self,
        key: &str,
        bounds: RangeInclusive<i64>,
        or_zero: bool,
    ) -> Result<Option<i64>, ConfigError> {
        let text = match self.value(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => {
                // The number itself is quoted back only where it is a whole one: printing floats costs guests dear.
                let example = number.as_u64().filter(|n| *n < 100_000).unwrap_or(5);
                let mend = format!("write it with a unit and in quotes, e.g. \"{example}s\"");
                return Err(self.error(key, "a number has no unit", mend));
            }
            Some(other) => {
                let problem = format!("{}, but a duration belongs here", kind(other));
                return Err(self.error(key, problem, "write e.g. \"5s\""));
            }
        };
        let ms = units::parse_duration(text)
            .map_err(|mend| self.error(key, format!("{} is no duration", quoted(text)), mend))?;
        if bounds.contains(&ms) || (or_zero && ms == 0) {
            return Ok(Some(ms));
        }
        let side = if ms < *bounds.start() {
            "short"
        } else {
            "long"
        };
        let zero = if or_zero { ", or \"0s\" for never" } else { "" };
        Err(self.error(
            key,
            format!("{} is too {side}", units::duration_text(ms)),
            format!(
                "write {} to {}{zero}",
                units::duration_text(*bounds.start()),
                units::duration_text(*bounds.end())
            ),
        ))
    }

    /// A list of at most `most` values.
    pub fn list(&self, key: &str, most: usize) -> Result<Option<&'a [Value]>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Array(list)) if list.len() <= most => Ok(Some(list)),
            Some(Value::Array(list)) => Err(self.error(
                key,
                format!("{} entries are too many", list.len()),
                format!("write at most {most}"),
            )),
            Some(other) => {
                let mend = if other.is_object() {
                    format!("write [[{key}]], with two brackets")
                } else {
                    "put it in square brackets".to_string()
                };
                Err(self.error(
                    key,
                    format!("{}, but a list belongs here", kind(other)),
                    mend,
                ))
            }
        }
    }

    /// A list of texts, each read by `read`, which says what to mend; none twice.
    pub fn list_of<T: PartialEq>(
        &self,
        key: &str,
        least: usize,
        most: usize,
        read: impl Fn(&str) -> Result<T, (String, String)>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        let Some(list) = self.list(key, most)? else {
            return Ok(None);
        };
        if list.len() < least {
            return Err(self.error(
                key,
                "the list is empty",
                "write at least one entry or leave the key out",
            ));
        }
        let mut values = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let here = || format!("{}[{index}]", self.place(key));
            let Value::String(text) = value else {
                let problem = format!("{}, but a text belongs here", kind(value));
                return Err(ConfigError::new(here(), problem, "write it in quotes"));
            };
            let read =
                read(text).map_err(|(problem, mend)| ConfigError::new(here(), problem, mend))?;
            if values.contains(&read) {
                let problem = format!("{} is there twice", quoted(text));
                return Err(ConfigError::new(here(), problem, "remove one of them"));
            }
            values.push(read);
        }
        Ok(Some(values))
    }

    /// One of a few words; `what` says what they are.
    pub fn choice<T: Copy>(
        &self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        pick(text, choices)
            .map(Some)
            .map_err(|(problem, mend)| self.error(key, problem, mend))
    }

    /// The name of this table's thing: `[a-z0-9._-]`, so that it needs no quoting anywhere it goes.
    pub fn name(&self, key: &str, example: &str) -> Result<&'a str, ConfigError> {
        let name = self.required_text(key, example)?;
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if name.is_empty() || name.len() > super::limits::NAME_BYTES_MAX || !name.bytes().all(fits)
        {
            return Err(self.error(
                key,
                format!("{} is not a name", quoted(name)),
                format!(
                    "use 1 to {} of the characters a-z, 0-9, `.`, `_` and `-`",
                    super::limits::NAME_BYTES_MAX
                ),
            ));
        }
        Ok(name)
    }
}

/// The choice called `text`, or problem and mend.
pub(super) fn pick<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, (String, String)> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let mend = match nearest(text, &names) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("use one of {}", listed(&names)),
    };
    Err((format!("{} is not known here", quoted(text)), mend))
}

/// What sort of value this is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "this is null",
        Value::Bool(_) => "this is true or false",
        Value::Number(_) => "this is a number",
        Value::String(_) => "this is a text",
        Value::Array(_) => "this is a list",
        Value::Object(_) => "this is a table",
    }
}

fn listed(names: &[&str]) -> String {
    names.join(", ")
}

/// The known name that differs from `word` by the fewest letters, if it is near enough to be meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    let near_enough = |name: &str| name.len().max(word.len()).div_ceil(3);
    known
        .iter()
        .map(|name| (edits(word.as_bytes(), name.as_bytes()), *name))
        .filter(|(edits, name)| *edits <= near_enough(name))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, name)| name)
}

/// How many bytes must be inserted, removed or replaced to get from one word to the other.
fn edits(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to) {
            let best = (diagonal + usize::from(a != b))
                .min(*cell + 1)
                .min(left + 1);
            diagonal = *cell;
            *cell = best;
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
