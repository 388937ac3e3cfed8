//! `[[pattern]]`: limit messages of one's own.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::Pattern;
use super::error::Fault;
use super::limits;
use super::table::Table;
use super::units::escapable;
use crate::event::Scope;
use crate::json::value::Value;
use crate::recognisers;
use crate::sentence::Part::{Number, Quoted, Text};
use crate::sentence::say;

/// The keys of a pattern, in the order in which people write them.
pub const KEYS: [&str; 5] = ["name", "contains", "regex", "limit", "scope"];

/// The patterns, in order. Whether their expressions compile is seen where they are compiled.
pub(super) fn read(list: &[Value<'_>]) -> Result<Vec<Pattern>, Fault> {
    let mut patterns: Vec<Pattern> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let table = Table::new(
            value,
            say(&[Text("pattern["), Number(index as u64), Text("]")]),
            &KEYS,
        )?;
        let pattern = one(&table)?;
        if let Some(first) = patterns
            .iter()
            .position(|earlier| earlier.name == pattern.name)
        {
            let problem = [
                Quoted(&pattern.name),
                Text(" is the name of pattern["),
                Number(first as u64),
                Text("] already"),
            ];
            let mend = [Text("give each pattern a name of its own")];
            return Err(table.error("name", &problem, &mend));
        }
        patterns.push(pattern);
    }
    Ok(patterns)
}

fn one(table: &Table<'_>) -> Result<Pattern, Fault> {
    let name = table.name("name", "postgresql")?;
    if recognisers::named(name).is_some() {
        let problem = [
            Quoted(name),
            Text(" is the name of the built-in recogniser"),
        ];
        let mend = [Text(
            "choose another name: documents say by it where an event comes from",
        )];
        return Err(table.error("name", &problem, &mend));
    }
    table.required_text("contains", "too many connections")?;
    let contains = table
        .bounded_text("contains", limits::CONTAINS_BYTES)?
        .unwrap_or_default();
    if let Some(character) = escapable(contains) {
        let mut buffer = [0; 4];
        let character = Quoted(character.encode_utf8(&mut buffer));
        let problem = [
            Text("encoders of JSON may escape "),
            character,
            Text(", so a search for it would miss records"),
        ];
        let mend = [Text("take a part of the message without that character")];
        return Err(table.error("contains", &problem, &mend));
    }
    table.required_text("regex", "too many connections for (?<user>[a-z]+)")?;
    let regex = table
        .bounded_text("regex", limits::REGEX_BYTES)?
        .unwrap_or_default();
    let limit = table.required_text("limit", "role_connection_limit")?;
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-/".contains(&b);
    if limit.is_empty() || limit.len() > limits::NAME_BYTES_MAX || !limit.bytes().all(fits) {
        let mend = [
            Text("use 1 to "),
            Number(limits::NAME_BYTES_MAX as u64),
            Text(" letters, digits, `.`, `_`, `-` and `/`, e.g. \"role_connection_limit\""),
        ];
        let problem = [Quoted(limit), Text(" is no name of a limit")];
        return Err(table.error("limit", &problem, &mend));
    }
    table.required_text("scope", "user")?;
    let scope = table
        .choice("scope", &Scope::ALL.map(Scope::name))?
        .and_then(|number| Scope::ALL.get(number).copied())
        .unwrap_or(Scope::User);
    Ok(Pattern {
        name: name.to_string(),
        contains: contains.to_string(),
        regex: regex.to_string(),
        limit: limit.to_string(),
        scope,
    })
}
