//! Writes a key as documents show it.

use alloc::string::String;

use super::Sighting;
use super::fields::network_of;
use super::seen::MAX_NAME_BYTES;
use crate::config::{KeyField, Rule};
use crate::recognisers::is_in_keys;
use crate::text::{clip, ip_text};

/// The server's name, where keys hold it, and the key's values, joined by `|`, for grouping; what would be ambiguous in a value is written as in a URL.
pub(super) fn text(rule: &Rule, sighting: &Sighting<'_>) -> String {
    let mut text = String::new();
    if is_in_keys(sighting.event.module) {
        text.push_str(sighting.event.module);
        text.push('|');
    }
    for (i, field) in rule.key.iter().enumerate() {
        if i > 0 {
            text.push('|');
        }
        let value = value(*field, sighting).unwrap_or_default();
        for char in clip(&value, MAX_NAME_BYTES).chars() {
            match char {
                '|' => text.push_str("%7C"),
                '%' => text.push_str("%25"),
                char => text.push(char),
            }
        }
    }
    text
}

fn value(field: KeyField, sighting: &Sighting<'_>) -> Option<String> {
    let event = sighting.event;
    match field {
        KeyField::Service => event.service.map(String::from),
        KeyField::User => event.user.map(|user| match sighting.redactor {
            Some(redactor) => redactor.hash(user),
            None => String::from(user),
        }),
        KeyField::Ip => event.source.map(|source| ip_text(source.ip)),
        KeyField::Net => event.source.map(|source| network_text(source.ip)),
        KeyField::Host => sighting.context.host.map(String::from),
        KeyField::Limit => Some(String::from(event.limit)),
        detail => event.details.get(detail.detail()?).map(String::from),
    }
}

fn network_text(ip: core::net::IpAddr) -> String {
    let network = network_of(ip);
    let mut text = ip_text(network);
    text.push_str(if network.is_ipv4() { "/24" } else { "/64" });
    text
}
