//! One table of the configuration: its keys are known, its values have the right type, or an error says
//! which place to mend. Serde's derived errors know neither place nor mend, hence by hand.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::ConfigError;
use super::error::Fault;
use super::units;
use crate::json::value::Value;
use crate::sentence::Part::{Number, Quoted, Text};
use crate::sentence::{Part, say};

/// What is wrong with a text, and how to mend it.
pub(super) type Reason = (String, String);

/// A table whose keys are all known.
pub(super) struct Table<'a> {
    entries: &'a [(Cow<'a, str>, Value<'a>)],
    path: String,
}

impl<'a> Table<'a> {
    /// `value` as a table at `path`; a key that is not in `known` is an error.
    pub fn new(value: &'a Value<'a>, path: String, known: &[&str]) -> Result<Table<'a>, Fault> {
        let Value::Table(entries) = value else {
            return Err(ConfigError::at(
                path,
                &[Text(kind(value)), Text(", but a table belongs here")],
                &[
                    Text("write key = value pairs, of the keys "),
                    Text(&listed(known)),
                ],
            ));
        };
        let table = Table { entries, path };
        for (key, _) in entries {
            if !known.contains(&key.as_ref()) {
                let mend = match nearest(key, known) {
                    Some(near) => say(&[Text("did you mean `"), Text(near), Text("`?")]),
                    None => say(&[Text("use one of "), Text(&listed(known))]),
                };
                return Err(table.error(key, &[Text("there is no such key")], &[Text(&mend)]));
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
            say(&[Quoted(key)])
        };
        if self.path.is_empty() {
            key
        } else {
            say(&[Text(&self.path), Text("."), Text(&key)])
        }
    }

    /// An error at `key`.
    #[inline(never)]
    pub fn error(&self, key: &str, problem: &[Part<'_>], mend: &[Part<'_>]) -> Fault {
        ConfigError::at(self.place(key), problem, mend)
    }

    /// An error at `key`, which is of another type than it should be.
    #[inline(never)]
    fn wrong_type(&self, key: &str, value: &Value<'_>, belongs: &str, mend: &[Part<'_>]) -> Fault {
        let problem = [
            Text(kind(value)),
            Text(", but "),
            Text(belongs),
            Text(" belongs here"),
        ];
        self.error(key, &problem, mend)
    }

    /// Whether the key is written at all.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The raw value.
    #[inline(never)]
    pub fn value(&self, key: &str) -> Option<&'a Value<'a>> {
        Value::member(self.entries, key)
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => {
                Err(self.wrong_type(key, other, "a text", &[Text("write it in quotes")]))
            }
        }
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &str, example: &str) -> Result<&'a str, Fault> {
        if let Some(text) = self.text(key)? {
            return Ok(text);
        }
        let mend = [
            Text("write it, e.g. "),
            Text(key),
            Text(" = \""),
            Text(example),
            Text("\""),
        ];
        Err(self.error(key, &[Text("this key is missing")], &mend))
    }

    /// A text of a length in `bytes`.
    pub fn bounded_text(
        &self,
        key: &str,
        bytes: RangeInclusive<usize>,
    ) -> Result<Option<&'a str>, Fault> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        if bytes.contains(&text.len()) {
            return Ok(Some(text));
        }
        let problem = [Text("it has "), Number(text.len() as u64), Text(" bytes")];
        let (least, most) = (*bytes.start() as u64, *bytes.end() as u64);
        let mend = [
            Text("write "),
            Number(least),
            Text(" to "),
            Number(most),
            Text(" bytes"),
        ];
        Err(self.error(key, &problem, &mend))
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => {
                let mend = [Text("write true or false, without quotes")];
                Err(self.wrong_type(key, other, "true or false", &mend))
            }
        }
    }

    /// A whole number in `bounds`.
    #[inline(never)]
    pub fn integer(&self, key: &str, bounds: RangeInclusive<u64>) -> Result<Option<u64>, Fault> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let (least, most) = (*bounds.start(), *bounds.end());
        let mend = [
            Text("write a whole number from "),
            Number(least),
            Text(" to "),
            Number(most),
        ];
        if !matches!(value, Value::Number(_)) {
            return Err(self.wrong_type(key, value, "a number", &mend));
        }
        match value.as_u64() {
            Some(value) if bounds.contains(&value) => Ok(Some(value)),
            Some(value) => {
                let side = if value < least {
                    " is too small"
                } else {
                    " is too large"
                };
                Err(self.error(key, &[Number(value), Text(side)], &mend))
            }
            None => Err(self.error(key, &[Text("it is negative or has a fraction")], &mend)),
        }
    }

    /// A duration in `bounds`, in ms. With `or_zero`, nought is allowed besides.
    #[inline(never)]
    pub fn duration_ms(
        &self,
        key: &str,
        bounds: RangeInclusive<i64>,
        or_zero: bool,
    ) -> Result<Option<i64>, Fault> {
        let text = match self.value(key) {
            None => return Ok(None),
            Some(Value::Text(text)) => text,
            Some(value @ Value::Number(_)) => {
                // The number itself is quoted back only where it is a whole one that may be meant.
                let example = value.as_u64().filter(|n| *n < 100_000).unwrap_or(5);
                let mend = [
                    Text("write it with a unit and in quotes, e.g. \""),
                    Number(example),
                    Text("s\""),
                ];
                return Err(self.error(key, &[Text("a number has no unit")], &mend));
            }
            Some(other) => {
                return Err(self.wrong_type(
                    key,
                    other,
                    "a duration",
                    &[Text("write e.g. \"5s\"")],
                ));
            }
        };
        let ms = units::parse_duration(text).map_err(|mend| {
            self.error(key, &[Quoted(text), Text(" is no duration")], &[Text(mend)])
        })?;
        if bounds.contains(&ms) || (or_zero && ms == 0) {
            return Ok(Some(ms));
        }
        let side = if ms < *bounds.start() {
            " is too short"
        } else {
            " is too long"
        };
        let zero = if or_zero { ", or \"0s\" for never" } else { "" };
        let (least, most) = (
            units::duration_text(*bounds.start()),
            units::duration_text(*bounds.end()),
        );
        let mend = [
            Text("write "),
            Text(&least),
            Text(" to "),
            Text(&most),
            Text(zero),
        ];
        Err(self.error(key, &[Text(&units::duration_text(ms)), Text(side)], &mend))
    }

    /// A list of at most `most` values.
    #[inline(never)]
    pub fn list(&self, key: &str, most: usize) -> Result<Option<&'a [Value<'a>]>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::List(list)) if list.len() <= most => Ok(Some(list)),
            Some(Value::List(list)) => {
                let problem = [Number(list.len() as u64), Text(" entries are too many")];
                let mend = [Text("write at most "), Number(most as u64)];
                Err(self.error(key, &problem, &mend))
            }
            Some(other) => {
                let mend: &[Part<'_>] = if let Value::Table(_) = other {
                    &[Text("write [["), Text(key), Text("]], with two brackets")]
                } else {
                    &[Text("put it in square brackets")]
                };
                Err(self.wrong_type(key, other, "a list", mend))
            }
        }
    }

    /// A list of texts; whether it is there. Each is handed to `read`, which says what to mend, and whether it
    /// is none of those before it.
    #[inline(never)]
    pub fn entries(
        &self,
        key: &str,
        least: usize,
        most: usize,
        read: &mut dyn FnMut(&str) -> Result<bool, Reason>,
    ) -> Result<bool, Fault> {
        let Some(list) = self.list(key, most)? else {
            return Ok(false);
        };
        if list.len() < least {
            let mend = [Text("write at least one entry or leave the key out")];
            return Err(self.error(key, &[Text("the list is empty")], &mend));
        }
        for (index, value) in list.iter().enumerate() {
            let wrong: Result<(), Reason> = match value {
                Value::Text(text) => match read(text) {
                    Ok(true) => continue,
                    Ok(false) => Err((
                        say(&[Quoted(text), Text(" is there twice")]),
                        "remove one of them".to_string(),
                    )),
                    Err(reason) => Err(reason),
                },
                other => Err((
                    say(&[Text(kind(other)), Text(", but a text belongs here")]),
                    "write it in quotes".to_string(),
                )),
            };
            wrong.map_err(|(problem, mend)| {
                let place = say(&[
                    Text(&self.place(key)),
                    Text("["),
                    Number(index as u64),
                    Text("]"),
                ]);
                ConfigError::at(place, &[Text(&problem)], &[Text(&mend)])
            })?;
        }
        Ok(true)
    }

    /// The number of one of a few words.
    pub fn choice(&self, key: &str, words: &[&str]) -> Result<Option<usize>, Fault> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        pick(text, words)
            .map(Some)
            .map_err(|(problem, mend)| self.error(key, &[Text(&problem)], &[Text(&mend)]))
    }

    /// The name of this table's thing: `[a-z0-9._-]`, so that it needs no quoting anywhere it goes.
    pub fn name(&self, key: &str, example: &str) -> Result<&'a str, Fault> {
        let name = self.required_text(key, example)?;
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if !name.is_empty() && name.len() <= super::limits::NAME_BYTES_MAX && name.bytes().all(fits)
        {
            return Ok(name);
        }
        let problem = [Quoted(name), Text(" is not a name")];
        let mend = [
            Text("use 1 to "),
            Number(super::limits::NAME_BYTES_MAX as u64),
            Text(" of the characters a-z, 0-9, `.`, `_` and `-`"),
        ];
        Err(self.error(key, &problem, &mend))
    }
}

/// The number of the word that is `text`, or problem and mend.
#[inline(never)]
pub(super) fn pick(text: &str, words: &[&str]) -> Result<usize, Reason> {
    if let Some(number) = words.iter().position(|word| *word == text) {
        return Ok(number);
    }
    let mend = match nearest(text, words) {
        Some(near) => say(&[Text("did you mean \""), Text(near), Text("\"?")]),
        None => say(&[Text("use one of "), Text(&listed(words))]),
    };
    Err((say(&[Quoted(text), Text(" is not known here")]), mend))
}

/// Adds a value to a list; whether it is none of those in it.
pub(super) fn add<T: PartialEq>(list: &mut Vec<T>, value: T) -> bool {
    let is_new = !list.contains(&value);
    list.push(value);
    is_new
}

/// What sort of value this is, in words.
fn kind(value: &Value<'_>) -> &'static str {
    match value {
        Value::Null => "this is null",
        Value::Bool(_) => "this is true or false",
        Value::Number(_) => "this is a number",
        Value::Text(_) => "this is a text",
        Value::List(_) => "this is a list",
        Value::Table(_) => "this is a table",
    }
}

fn listed(names: &[&str]) -> String {
    let mut list = String::new();
    for (index, name) in names.iter().enumerate() {
        list.push_str(if index > 0 { ", " } else { "" });
        list.push_str(name);
    }
    list
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
