//! Works out an event's key under a rule.

use crate::config::{KeyField, Rule};
use crate::detector::FieldHashes;
use crate::event::Scope;
use crate::hash::Hash;

const HASH_RULE: u8 = 10;
/// Stands for a field that the event does not have.
const MISSING: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834;

// Each scope has a bit of its own in `Plan::scopes`.
const _: () = assert!(Scope::ALL.len() <= u16::BITS as usize);

/// What the detector needs to know of a rule and would otherwise work out for every event.
pub struct Plan {
    scopes: u16,
    takes_missing: bool,
    identity: u128,
}

impl Plan {
    pub fn new(rule: &Rule) -> Plan {
        Plan {
            scopes: rule
                .scope
                .iter()
                .fold(0, |bits, &scope| bits | 1 << scope as u8),
            takes_missing: rule.name == "userip",
            identity: rule_identity(&rule.name, &rule.key),
        }
    }

    /// The hash of the event's key; `None` where the rule does not take the event.
    ///
    /// An absent host is a value like any other, because most files name none: it means "this one".
    pub fn key(&self, rule: &Rule, scope: Scope, hashes: &FieldHashes) -> Option<u128> {
        if self.scopes & 1 << scope as u8 == 0 {
            return None;
        }
        if let Some(distinct) = rule.distinct {
            hashes.get(distinct.field)?;
        }
        rule.key.iter().try_fold(self.identity, |hash, &field| {
            let value = match hashes.get(field) {
                Some(value) => value,
                None if self.takes_missing || field == KeyField::Host => MISSING,
                None => return None,
            };
            // The values are uniform already; rotation keeps equal values in different places apart.
            Some(hash.rotate_left(43).wrapping_add(value))
        })
    }
}

/// Rules with the same name and key have the same keys, also after a restart.
pub fn rule_identity(name: &str, key: &[KeyField]) -> u128 {
    key.iter()
        .fold(Hash::new(HASH_RULE).part(name.as_bytes()), |hash, field| {
            hash.part(field.name().as_bytes())
        })
        .finish()
}

/// Whether a rule's key has the client's network in it.
pub fn needs_net(rule: &Rule) -> bool {
    let distinct = rule.distinct.map(|distinct| distinct.field);
    rule.key
        .iter()
        .copied()
        .chain(distinct)
        .any(|field| field == KeyField::Net)
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_rule_takes_its_own_scopes_alone() {
        for own in Scope::ALL {
            let rule = Rule {
                scope: vec![*own],
                key: vec![KeyField::Host],
                ..Rule::default()
            };
            let plan = Plan::new(&rule);
            for other in Scope::ALL {
                let key = plan.key(&rule, *other, &FieldHashes::default());
                assert_eq!(key.is_some(), own == other, "{own:?} takes {other:?}");
            }
        }
    }
}
