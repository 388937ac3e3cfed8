//! Says of the rules what a keyed engine has to know: in which order an event meets them, and which keys outlive a change.

use alloc::string::String;
use alloc::vec::Vec;

use crate::engine::Engine;
use crate::engine::plan::{Plan, rule_identity};
use crate::hash::Hash;

const HASH_WINDOW: u8 = 50;
const HASH_REDACTION: u8 = 51;

/// A rule, as a keyed engine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedRule {
    /// Its name.
    pub name: String,
    /// Its place among the operators that an event goes through, one after the other. Rules that may take the same event have
    /// different ones, in the rules' order.
    pub stage: u8,
    /// The same as long as its name and the fields of its key are.
    pub identity: u64,
    /// The same as long as its windows hold the same: see [`Input::NewWindow`](super::Input::NewWindow).
    pub window: u64,
}

impl Engine {
    /// The rules in their order.
    pub fn keyed_rules(&self) -> Vec<KeyedRule> {
        let mut known: Vec<(Plan, KeyedRule)> = Vec::new();
        for rule in &self.config.rules {
            let plan = Plan::new(rule);
            let before = known.iter().filter(|(other, _)| plan.may_meet(other));
            let stage = before.map(|(_, other)| other.stage + 1).max().unwrap_or(0);
            let mut window = Hash::new(HASH_WINDOW).number(rule.within_ms as u64);
            if let Some(distinct) = rule.distinct {
                window = window.part(distinct.field.name().as_bytes());
                window = window.number(u64::from(distinct.at_least));
            }
            let rule = KeyedRule {
                name: rule.name.clone(),
                stage,
                identity: rule_identity(&rule.name, &rule.key) as u64,
                window: window.finish() as u64,
            };
            known.push((plan, rule));
        }
        known.into_iter().map(|(_, rule)| rule).collect()
    }

    /// Something that differs with the key that users are redacted with; 0 without one.
    pub fn keyed_redaction(&self) -> u64 {
        match self.floods.redaction() {
            redaction if redaction.is_empty() => 0,
            redaction => Hash::new(HASH_REDACTION)
                .part(redaction.as_bytes())
                .finish() as u64,
        }
    }
}
