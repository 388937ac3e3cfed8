//! Reads one table of the configuration: its keys are known and its values have the right type, or an error names the
//! place. By hand, for serde's derived errors know neither place nor mend.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::error::{Fault, Type};
use super::{ConfigError, Problem, limits, units};
use crate::json::value::Value;
use crate::sentence::Part::{Number, Quoted, Text};
use crate::sentence::say;

/// A table whose keys are all known.
pub(super) struct Table<'a> {
    entries: &'a [(Cow<'a, str>, Value<'a>)],
    path: String,
}

impl<'a> Table<'a> {
    /// `value` as a table at `path`; a key that is not in `keys` is an error.
    pub fn new(
        value: &'a Value<'a>,
        path: String,
        keys: &'static [&'static str],
    ) -> Result<Table<'a>, Fault> {
        let Value::Table(entries) = value else {
            let found = type_of(value);
            return Err(ConfigError::at(path, Problem::NoTable { found, keys }));
        };
        let table = Table { entries, path };
        for (key, _) in entries {
            if !keys.contains(&key.as_ref()) {
                let near = nearest(key, keys);
                return Err(table.error(key, Problem::UnknownKey { near, keys }));
            }
        }
        Ok(table)
    }

    /// An entry of the list `list` of tables.
    #[inline(never)]
    pub fn entry(
        value: &'a Value<'a>,
        list: &str,
        index: usize,
        keys: &'static [&'static str],
    ) -> Result<Table<'a>, Fault> {
        Table::new(value, element(list, index), keys)
    }

    /// Where `key` is, for an error.
    pub fn place(&self, key: &str) -> String {
        let bare = key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let key = if bare && !key.is_empty() && key.len() <= 64 {
            Text(key)
        } else {
            Quoted(key)
        };
        let template = if self.path.is_empty() { "%1" } else { "%0.%1" };
        say(template, &[Text(&self.path), key])
    }

    /// An error at `key`.
    #[inline(never)]
    pub fn error(&self, key: &str, problem: Problem) -> Fault {
        ConfigError::at(self.place(key), problem)
    }

    /// An error at `key`, which is of another type than it should be.
    #[inline(never)]
    fn wrong_type(&self, key: &'static str, value: &Value<'_>, expected: Type) -> Fault {
        let found = type_of(value);
        self.error(
            key,
            Problem::WrongType {
                found,
                expected,
                key,
            },
        )
    }

    /// Whether the key is written at all.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The first of two keys if it is written, else the other: the one to look at, where each may be a default.
    pub fn written(&self, key: &'static str, other: &'static str) -> &'static str {
        if self.has(key) { key } else { other }
    }

    /// The raw value.
    #[inline(never)]
    pub fn value(&self, key: &str) -> Option<&'a Value<'a>> {
        Value::member(self.entries, key)
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Result<Option<&'a str>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(key, other, Type::Text)),
        }
    }

    /// A text that must be there.
    #[inline(never)]
    pub fn required_text(
        &self,
        key: &'static str,
        example: &'static str,
    ) -> Result<&'a str, Fault> {
        let missing = || self.error(key, Problem::Missing { key, example });
        self.text(key)?.ok_or_else(missing)
    }

    /// A text of a length in bytes.
    #[inline(never)]
    pub fn bounded_text(
        &self,
        key: &'static str,
        bytes: RangeInclusive<usize>,
    ) -> Result<Option<&'a str>, Fault> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        check_length(text, bytes).map_err(|problem| self.error(key, problem))?;
        Ok(Some(text))
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &'static str) -> Result<Option<bool>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.wrong_type(key, other, Type::Flag)),
        }
    }

    /// A whole number in `bounds`.
    #[inline(never)]
    pub fn integer(
        &self,
        key: &'static str,
        bounds: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Fault> {
        let Some(written) = self.value(key) else {
            return Ok(None);
        };
        let (least, most) = (*bounds.start(), *bounds.end());
        let value = written.as_u64();
        if value.is_some_and(|value| bounds.contains(&value)) {
            return Ok(value);
        }
        Err(self.error(
            key,
            match type_of(written) {
                Type::Number => Problem::Integer { value, least, most },
                found => Problem::NoNumber { found, least, most },
            },
        ))
    }

    /// A duration in `bounds`, in ms. With `or_zero`, nought is allowed besides.
    #[inline(never)]
    pub fn duration_ms(
        &self,
        key: &'static str,
        bounds: RangeInclusive<i64>,
        or_zero: bool,
    ) -> Result<Option<i64>, Fault> {
        let text = match self.value(key) {
            None => return Ok(None),
            Some(Value::Text(text)) => text,
            Some(value @ Value::Number(_)) => {
                // The number itself is quoted back only where it is a whole one that may be meant.
                let number = value.as_u64().filter(|n| *n < 100_000).unwrap_or(5);
                return Err(self.error(key, Problem::NoUnit { number }));
            }
            Some(other) => return Err(self.wrong_type(key, other, Type::Duration)),
        };
        let ms = units::parse_duration(text).map_err(|problem| self.error(key, problem))?;
        if bounds.contains(&ms) || (or_zero && ms == 0) {
            return Ok(Some(ms));
        }
        let (least_ms, most_ms) = (*bounds.start(), *bounds.end());
        Err(self.error(
            key,
            Problem::Duration {
                ms,
                least_ms,
                most_ms,
                or_zero,
            },
        ))
    }

    /// A list of at most `most` values.
    #[inline(never)]
    pub fn list(&self, key: &'static str, most: usize) -> Result<Option<&'a [Value<'a>]>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::List(list)) if list.len() <= most => Ok(Some(list)),
            Some(Value::List(list)) => {
                let count = list.len();
                Err(self.error(key, Problem::TooMany { count, most }))
            }
            Some(other) => Err(self.wrong_type(key, other, Type::List)),
        }
    }

    /// A list of texts; whether it is there. Each is handed to `read`, which says what is wrong with it, and whether it
    /// is none of those before it.
    #[inline(never)]
    pub fn entries(
        &self,
        key: &'static str,
        least: usize,
        most: usize,
        read: &mut dyn FnMut(&str) -> Result<bool, Problem>,
    ) -> Result<bool, Fault> {
        let Some(list) = self.list(key, most)? else {
            return Ok(false);
        };
        if list.len() < least {
            return Err(self.error(key, Problem::EmptyList));
        }
        for (index, value) in list.iter().enumerate() {
            let problem = match value {
                Value::Text(text) => match read(text) {
                    Ok(true) => continue,
                    Ok(false) => Problem::Twice(text.to_string()),
                    Err(problem) => problem,
                },
                other => Problem::WrongType {
                    found: type_of(other),
                    expected: Type::Text,
                    key,
                },
            };
            return Err(ConfigError::at(element(&self.place(key), index), problem));
        }
        Ok(true)
    }

    /// The number of one of a few words.
    pub fn choice(
        &self,
        key: &'static str,
        words: &'static [&'static str],
    ) -> Result<Option<usize>, Fault> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let picked = pick(text, words).map_err(|problem| self.error(key, problem))?;
        Ok(Some(picked))
    }

    /// The name of this table's thing: `[a-z0-9._-]`, so that it needs no quoting anywhere it goes; none of those
    /// before it.
    pub fn name(
        &self,
        example: &'static str,
        list: &'static str,
        mut before: impl Iterator<Item = &'a str>,
    ) -> Result<&'a str, Fault> {
        let name = self.required_text("name", example)?;
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if name.is_empty() || name.len() > limits::NAME_BYTES_MAX || !name.bytes().all(fits) {
            return Err(self.error("name", Problem::Name(name.to_string())));
        }
        match before.position(|earlier| earlier == name) {
            None => Ok(name),
            Some(first) => {
                let name = name.to_string();
                Err(self.error("name", Problem::NameTaken { name, list, first }))
            }
        }
    }
}

/// Where an element of a list is, for an error.
fn element(list: &str, index: usize) -> String {
    say("%0[%1]", &[Text(list), Number(index as u64)])
}

/// Whether a text has a length in `bytes`.
pub(super) fn check_length(text: &str, bytes: RangeInclusive<usize>) -> Result<(), Problem> {
    if bytes.contains(&text.len()) {
        return Ok(());
    }
    Err(Problem::Length {
        bytes: text.len(),
        least: *bytes.start(),
        most: *bytes.end(),
    })
}

/// The number of the word that is `text`.
#[inline(never)]
pub(super) fn pick(text: &str, words: &'static [&'static str]) -> Result<usize, Problem> {
    let position = words.iter().position(|word| *word == text);
    position.ok_or_else(|| Problem::UnknownWord {
        word: text.to_string(),
        near: nearest(text, words),
        words,
    })
}

/// Adds a value to a list; whether it is none of those in it.
pub(super) fn add<T: PartialEq>(list: &mut Vec<T>, value: T) -> bool {
    let is_new = !list.contains(&value);
    list.push(value);
    is_new
}

fn type_of(value: &Value<'_>) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Flag,
        Value::Number(_) => Type::Number,
        Value::Text(_) => Type::Text,
        Value::List(_) => Type::List,
        Value::Table(_) => Type::Table,
    }
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
