//! Reads `[[pattern]]`: limit messages of one's own.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::error::Fault;
use super::limits;
use super::table::Table;
use super::units::escapable;
use super::{Pattern, Problem};
use crate::event::Scope;
use crate::json::value::Value;
use crate::recognisers;

/// The keys of a pattern, in the order in which people write them.
pub const KEYS: [&str; 5] = ["name", "contains", "regex", "limit", "scope"];

/// The patterns, in order. Whether their expressions compile is seen where they are compiled.
pub(super) fn read(list: &[Value<'_>]) -> Result<Vec<Pattern>, Fault> {
    let mut patterns: Vec<Pattern> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let table = Table::entry(value, "pattern", index, &KEYS)?;
        let name = table.name("myapp", "pattern", names.iter().copied())?;
        names.push(name);
        patterns.push(one(&table, name)?);
    }
    Ok(patterns)
}

fn one(table: &Table<'_>, name: &str) -> Result<Pattern, Fault> {
    if recognisers::named(name).is_some() {
        return Err(table.error("name", Problem::BuiltInName(name.to_string())));
    }
    let required = |key, example, bytes| -> Result<&str, Fault> {
        table.required_text(key, example)?;
        Ok(table.bounded_text(key, bytes)?.unwrap_or_default())
    };
    let contains = required("contains", "session limit reached", limits::CONTAINS_BYTES)?;
    if let Some(character) = escapable(contains) {
        return Err(table.error("contains", Problem::EscapableText(character)));
    }
    let example = "session limit reached for (?<user>[a-z]+)";
    let regex = required("regex", example, limits::REGEX_BYTES)?;
    let limit = table.required_text("limit", "session_limit")?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
    if limit.is_empty() || limit.len() > limits::NAME_BYTES_MAX || !limit.bytes().all(fits) {
        return Err(table.error("limit", Problem::LimitName(limit.to_string())));
    }
    table.required_text("scope", "user")?;
    let scope = table.choice("scope", Scope::NAMES)?;
    Ok(Pattern {
        name: name.to_string(),
        contains: contains.to_string(),
        regex: regex.to_string(),
        limit: limit.to_string(),
        scope: scope.and_then(Scope::numbered).unwrap_or(Scope::User),
    })
}
