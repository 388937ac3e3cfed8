//! Reads `[[rule]]`: built-in rules changed key by key, and rules of one's own.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::error::Fault;
use super::limits;
use super::table::{Table, add, pick};
use super::{ConfigError, Distinct, KeyField, Policy, Problem, RULE_SERVERS, Rule};
use crate::event::{Class, Scope};
use crate::json::value::Value;

/// The keys of a rule, in the order in which people write them.
pub const KEYS: [&str; 15] = [
    "name",
    "enabled",
    "servers",
    "scope",
    "class",
    "key",
    "missing_bucket",
    "threshold",
    "within",
    "distinct",
    "quiet",
    "update_every",
    "update_max",
    "policy",
    "sample_every",
];

/// The fields whose different values can be counted. The others have few values or follow from these.
const DISTINCT: [KeyField; 4] = [
    KeyField::User,
    KeyField::Ip,
    KeyField::Host,
    KeyField::Service,
];
const DISTINCT_NAMES: [&str; 4] = [
    DISTINCT[0].name(),
    DISTINCT[1].name(),
    DISTINCT[2].name(),
    DISTINCT[3].name(),
];

/// The rules in force: the built-in ones in their order, as changed, then one's own in theirs.
pub(super) fn read(list: &[Value<'_>], built_in: Vec<Rule>) -> Result<Vec<Rule>, Fault> {
    let mut rules: Vec<(Rule, bool)> = built_in.into_iter().map(|rule| (rule, true)).collect();
    let mut names: Vec<&str> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let table = Table::entry(value, "rule", index, &KEYS)?;
        let name = table.name("my-rule", "rule", names.iter().copied())?;
        names.push(name);
        let enabled = table.flag("enabled")?.unwrap_or(true);
        match rules.iter_mut().find(|(rule, _)| rule.name == name) {
            Some((rule, in_force)) => {
                change(rule, &table)?;
                *in_force = enabled;
            }
            None => {
                let mut rule = Rule {
                    name: name.to_string(),
                    ..Rule::default()
                };
                change(&mut rule, &table)?;
                rules.push((rule, enabled));
            }
        }
    }
    rules.retain(|(_, in_force)| *in_force);
    let count = rules.len();
    if count > limits::RULES_MAX {
        let place = String::from("rule");
        return Err(ConfigError::at(place, Problem::TooManyRules { count }));
    }
    Ok(rules.into_iter().map(|(rule, _)| rule).collect())
}

/// Sets what `table` gives, then checks the rule as a whole.
fn change(rule: &mut Rule, table: &Table<'_>) -> Result<(), Fault> {
    let mut picked = Vec::new();
    let mut server = |text: &str| Ok(add(&mut picked, pick(text, &RULE_SERVERS)?));
    if table.entries("servers", 1, RULE_SERVERS.len(), &mut server)? {
        let names = picked.iter().filter_map(|&number| RULE_SERVERS.get(number));
        rule.servers = names.copied().collect();
    }
    let mut picked = Vec::new();
    let mut scope = |text: &str| Ok(add(&mut picked, pick(text, Scope::NAMES)?));
    if table.entries("scope", 1, Scope::ALL.len(), &mut scope)? {
        rule.scope = picked
            .iter()
            .filter_map(|&number| Scope::numbered(number))
            .collect();
    }
    let mut picked = Vec::new();
    let mut class = |text: &str| Ok(add(&mut picked, pick(text, Class::NAMES)?));
    if table.entries("class", 1, Class::ALL.len(), &mut class)? {
        rule.class = picked
            .iter()
            .filter_map(|&number| Class::numbered(number))
            .collect();
    }
    let mut picked = Vec::new();
    let mut field = |text: &str| Ok(add(&mut picked, pick(text, KeyField::NAMES)?));
    if table.entries("key", 1, KeyField::ALL.len(), &mut field)? {
        rule.key = picked
            .iter()
            .filter_map(|&number| KeyField::numbered(number))
            .collect();
    }
    if let Some(missing_bucket) = table.flag("missing_bucket")? {
        rule.missing_bucket = missing_bucket;
    }
    if let Some(threshold) = table.integer("threshold", limits::THRESHOLD)? {
        rule.threshold = threshold as u32;
    }
    if let Some(distinct) = table.value("distinct") {
        rule.distinct = Some(distinct_of(distinct, table, rule.distinct)?);
    }
    for (key, bounds, ms) in [
        ("within", limits::WITHIN_MS, &mut rule.within_ms),
        ("quiet", limits::QUIET_MS, &mut rule.quiet_ms),
        ("update_every", limits::UPDATE_MS, &mut rule.update_every_ms),
        ("update_max", limits::UPDATE_MS, &mut rule.update_max_ms),
    ] {
        if let Some(given_ms) = table.duration_ms(key, bounds, false)? {
            *ms = given_ms;
        }
    }
    let policy = table.choice("policy", Policy::NAMES)?;
    if let Some(policy) = policy.and_then(Policy::numbered) {
        rule.policy = policy;
    }
    if let Some(every) = table.integer("sample_every", limits::SAMPLE_EVERY)? {
        rule.sample_every = every as u32;
    }
    check_whole(rule, table)
}

/// What no key by itself gets wrong.
fn check_whole(rule: &Rule, table: &Table<'_>) -> Result<(), Fault> {
    let (every_ms, max_ms) = (rule.update_every_ms, rule.update_max_ms);
    for (longer, longer_ms, shorter, shorter_ms) in [
        ("quiet", rule.quiet_ms, "within", rule.within_ms),
        ("update_max", max_ms, "update_every", every_ms),
    ] {
        if longer_ms < shorter_ms {
            let problem = Problem::Shorter {
                longer,
                longer_ms,
                shorter,
                shorter_ms,
            };
            return Err(table.error(table.written(longer, shorter), problem));
        }
    }
    if let Some(Distinct { field, .. }) = rule.distinct
        && rule.key.contains(&field)
    {
        let field = field.name();
        let key = table.written("distinct", "key");
        return Err(table.error(key, Problem::NeverDistinct { field }));
    }
    if table.has("sample_every") && rule.policy != Policy::Sample {
        return Err(table.error("sample_every", Problem::NoSample));
    }
    Ok(())
}

/// `{ field = "user", at_least = 10 }`; of a rule that has one already, either may be left out.
fn distinct_of(
    value: &Value<'_>,
    rule: &Table<'_>,
    before: Option<Distinct>,
) -> Result<Distinct, Fault> {
    let table = Table::new(value, rule.place("distinct"), &["field", "at_least"])?;
    let missing = |key: &str| table.error(key, Problem::MissingInDistinct);
    let field = table.choice("field", &DISTINCT_NAMES)?;
    let field = field.and_then(|number| DISTINCT.get(number).copied());
    let at_least = table.integer("at_least", limits::DISTINCT_AT_LEAST)?;
    let at_least = at_least.map(|at_least| at_least as u16);
    Ok(Distinct {
        field: field
            .or(before.map(|distinct| distinct.field))
            .ok_or_else(|| missing("field"))?,
        at_least: at_least
            .or(before.map(|distinct| distinct.at_least))
            .ok_or_else(|| missing("at_least"))?,
    })
}
