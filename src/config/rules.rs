//! `[[rule]]`: built-in rules changed key by key, and rules of one's own.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::error::Fault;
use super::limits;
use super::table::{Table, add, pick};
use super::units::duration_text;
use super::{ConfigError, Distinct, KeyField, Policy, Rule};
use crate::event::Scope;
use crate::json::value::Value;
use crate::sentence::Part::{Number, Quoted, Text};
use crate::sentence::say;

/// The keys of a rule, in the order in which people write them.
pub const KEYS: [&str; 12] = [
    "name",
    "enabled",
    "scope",
    "key",
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
const DISTINCT_FIELDS: [KeyField; 4] = [
    KeyField::User,
    KeyField::Ip,
    KeyField::Host,
    KeyField::Service,
];

const POLICIES: [Policy; 3] = [Policy::Suppress, Policy::Sample, Policy::Pass];

/// The rules in force: the built-in ones in their order, as changed, then one's own in theirs.
pub(super) fn read(list: &[Value<'_>], built_in: Vec<Rule>) -> Result<Vec<Rule>, Fault> {
    let mut rules: Vec<(Rule, bool)> = built_in.into_iter().map(|rule| (rule, true)).collect();
    let mut names: Vec<&str> = Vec::new();
    for (index, value) in list.iter().enumerate() {
        let table = Table::new(
            value,
            say(&[Text("rule["), Number(index as u64), Text("]")]),
            &KEYS,
        )?;
        let name = table.name("name", "my-rule")?;
        if let Some(first) = names.iter().position(|earlier| *earlier == name) {
            let problem = [
                Quoted(name),
                Text(" is the name of rule["),
                Number(first as u64),
                Text("] already"),
            ];
            let mend = [Text("give each rule a name of its own")];
            return Err(table.error("name", &problem, &mend));
        }
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
    let rules: Vec<Rule> = rules
        .into_iter()
        .filter(|(_, in_force)| *in_force)
        .map(|(rule, _)| rule)
        .collect();
    if rules.len() > limits::RULES_MAX {
        let problem = [
            Number(rules.len() as u64),
            Text(" rules are too many, built-in ones included"),
        ];
        let mend = [
            Text("keep at most "),
            Number(limits::RULES_MAX as u64),
            Text(" in force"),
        ];
        return Err(ConfigError::at(String::from("rule"), &problem, &mend));
    }
    Ok(rules)
}

/// Sets what `table` gives, then checks the rule as a whole.
fn change(rule: &mut Rule, table: &Table<'_>) -> Result<(), Fault> {
    let (scopes, fields) = (
        Scope::ALL.map(Scope::name),
        KeyField::ALL.map(KeyField::name),
    );
    let mut picked = Vec::new();
    let mut scope = |text: &str| Ok(add(&mut picked, pick(text, &scopes)?));
    if table.entries("scope", 1, scopes.len(), &mut scope)? {
        rule.scope = all_of(&Scope::ALL, &picked);
    }
    let mut picked = Vec::new();
    let mut field = |text: &str| Ok(add(&mut picked, pick(text, &fields)?));
    if table.entries("key", 1, fields.len(), &mut field)? {
        rule.key = all_of(&KeyField::ALL, &picked);
    }
    if let Some(threshold) = table.integer("threshold", limits::THRESHOLD)? {
        rule.threshold = narrow(threshold);
    }
    if let Some(ms) = table.duration_ms("within", limits::WITHIN_MS, false)? {
        rule.within_ms = ms;
    }
    if let Some(distinct) = table.value("distinct") {
        rule.distinct = Some(distinct_of(distinct, table, rule.distinct)?);
    }
    if let Some(ms) = table.duration_ms("quiet", limits::QUIET_MS, false)? {
        rule.quiet_ms = ms;
    }
    if let Some(ms) = table.duration_ms("update_every", limits::UPDATE_MS, false)? {
        rule.update_every_ms = ms;
    }
    if let Some(ms) = table.duration_ms("update_max", limits::UPDATE_MS, false)? {
        rule.update_max_ms = ms;
    }
    let policy = table.choice("policy", &POLICIES.map(Policy::name))?;
    if let Some(policy) = policy.and_then(|number| POLICIES.get(number)) {
        rule.policy = *policy;
    }
    if let Some(every) = table.integer("sample_every", limits::SAMPLE_EVERY)? {
        rule.sample_every = narrow(every);
    }
    check_whole(rule, table)
}

/// What no key by itself gets wrong.
fn check_whole(rule: &Rule, table: &Table<'_>) -> Result<(), Fault> {
    for (longer, longer_ms, shorter, shorter_ms) in [
        ("quiet", rule.quiet_ms, "within", rule.within_ms),
        (
            "update_max",
            rule.update_max_ms,
            "update_every",
            rule.update_every_ms,
        ),
    ] {
        if longer_ms < shorter_ms {
            // The key that somebody wrote is the one to look at; the other may be a default.
            let written = if table.has(longer) { longer } else { shorter };
            let (longer_text, shorter_text) = (duration_text(longer_ms), duration_text(shorter_ms));
            let problem = [
                Text("`"),
                Text(longer),
                Text("` ("),
                Text(&longer_text),
                Text(") is shorter than `"),
                Text(shorter),
                Text("` ("),
                Text(&shorter_text),
                Text(")"),
            ];
            let mend = [
                Text("set `"),
                Text(longer),
                Text("` to "),
                Text(&shorter_text),
                Text(" or longer"),
            ];
            return Err(table.error(written, &problem, &mend));
        }
    }
    if let Some(distinct) = rule.distinct
        && rule.key.contains(&distinct.field)
    {
        let written = if table.has("distinct") {
            "distinct"
        } else {
            "key"
        };
        let field = distinct.field.name();
        let problem = [
            Text("all events of one key have the same "),
            Text(field),
            Text(", so it is never distinct"),
        ];
        let mend = [
            Text("take "),
            Text(field),
            Text(" out of `key`, or count another field"),
        ];
        return Err(table.error(written, &problem, &mend));
    }
    if table.has("sample_every") && rule.policy != Policy::Sample {
        return Err(table.error(
            "sample_every",
            &[Text("only the policy \"sample\" knows it")],
            &[Text("set policy = \"sample\" or remove `sample_every`")],
        ));
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
    let missing = |key: &str| {
        table.error(
            key,
            &[Text("this key is missing")],
            &[Text("write e.g. { field = \"user\", at_least = 10 }")],
        )
    };
    let field = table
        .choice("field", &DISTINCT_FIELDS.map(KeyField::name))?
        .and_then(|number| DISTINCT_FIELDS.get(number).copied());
    let at_least = table
        .integer("at_least", limits::DISTINCT_AT_LEAST)?
        .map(narrow);
    Ok(Distinct {
        field: field
            .or(before.map(|d| d.field))
            .ok_or_else(|| missing("field"))?,
        at_least: at_least
            .or(before.map(|d| d.at_least))
            .ok_or_else(|| missing("at_least"))?,
    })
}

/// What the numbers stand for.
fn all_of<T: Copy>(all: &[T], numbers: &[usize]) -> Vec<T> {
    let values = numbers.iter().filter_map(|number| all.get(*number));
    values.copied().collect()
}

/// A number whose bounds, checked before, fit the smaller type.
fn narrow<T: TryFrom<u64> + Default>(number: u64) -> T {
    T::try_from(number).unwrap_or_default()
}
