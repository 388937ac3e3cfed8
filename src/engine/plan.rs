//! Works out an event's key under a rule.

use crate::config::{KeyField, PATTERNS, RULE_SERVERS, Rule};
use crate::detector::FieldHashes;
use crate::event::{Class, Event, Scope};
use crate::hash::Hash;

const HASH_RULE: u8 = 10;
/// Stands for a field that the event does not have.
const MISSING: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834;

// Each scope, class and server has a bit of its own.
const _: () = assert!(
    Scope::ALL.len() <= u16::BITS as usize
        && Class::ALL.len() <= u8::BITS as usize
        && RULE_SERVERS.len() <= u32::BITS as usize
);

/// What the detector needs to know of a rule and would otherwise work out for every event.
pub struct Plan {
    servers: u32,
    scopes: u16,
    classes: u8,
    identity: u128,
}

impl Plan {
    pub fn new(rule: &Rule) -> Plan {
        Plan {
            servers: rule
                .servers
                .iter()
                .fold(0, |bits, name| bits | server_bit(name)),
            scopes: rule
                .scope
                .iter()
                .fold(0, |bits, &scope| bits | 1 << scope as u8),
            classes: rule
                .class
                .iter()
                .fold(0, |bits, &class| bits | 1 << class as u8),
            identity: rule_identity(&rule.name, &rule.key),
        }
    }

    /// Whether there may be an event that both rules take.
    pub fn may_meet(&self, other: &Plan) -> bool {
        self.servers & other.servers != 0
            && self.scopes & other.scopes != 0
            && self.classes & other.classes != 0
    }

    /// The hash of the event's key; `None` where the rule does not take the event.
    ///
    /// An absent host is a value like any other, because most files name none: it means "this one".
    pub fn key(&self, rule: &Rule, event: &Event<'_>, hashes: &FieldHashes) -> Option<u128> {
        if self.scopes & 1 << event.scope as u8 == 0
            || self.classes & 1 << event.class as u8 == 0
            || self.servers & server_bit(event.module) == 0
        {
            return None;
        }
        if let Some(distinct) = rule.distinct {
            hashes.get(distinct.field)?;
        }
        // No two servers share a key.
        let server = hashes.server.unwrap_or(0);
        let identity = self.identity.wrapping_add(server);
        rule.key.iter().try_fold(identity, |hash, &field| {
            let value = match hashes.get(field) {
                Some(value) => value,
                None if rule.missing_bucket || field == KeyField::Host => MISSING,
                None => return None,
            };
            // The values are uniform already; rotation keeps equal values in different places apart.
            Some(hash.rotate_left(43).wrapping_add(value))
        })
    }
}

/// The bit of a module: a server's, or that of all patterns.
fn server_bit(module: &str) -> u32 {
    let own = RULE_SERVERS
        .iter()
        .position(|name| core::ptr::eq(*name, module) || *name == module);
    let patterns = || RULE_SERVERS.iter().position(|name| *name == PATTERNS);
    own.or_else(patterns).map_or(0, |number| 1 << number)
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
                let event = Event::new("dovecot", "limit", *other);
                let key = plan.key(&rule, &event, &FieldHashes::default());
                assert_eq!(key.is_some(), own == other, "{own:?} takes {other:?}");
            }
        }
    }
}
