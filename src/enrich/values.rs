//! What our fields say about an event.

use super::Extras;
use super::layout::{Group, LEAVES, Layout, Leaf, Node, SKIPPABLE, contents};
use crate::event::{Context, Endpoint, Event, Security};
use crate::json::write::Writer;

/// Where the values of our fields are from.
pub(super) struct Values<'a> {
    pub(super) event: &'a Event<'a>,
    pub(super) context: &'a Context<'a>,
    pub(super) extras: &'a Extras<'a>,
    /// The hash that takes the user name's place.
    pub(super) hash: Option<&'a str>,
    /// The groups that were left out: bits by the place in [`SKIPPABLE`].
    pub(super) skipped: u16,
}

impl Values<'_> {
    /// The bits of the leaves that the event has a value for.
    pub(super) fn wanted(&self) -> u64 {
        let event = self.event;
        let ports = |endpoint: &Option<Endpoint>| endpoint.is_some_and(|it| it.port.is_some());
        let (tls, version, cipher) = match event.security {
            Security::Tls { version, cipher } => (true, version.is_some(), cipher.is_some()),
            _ => (false, false, false),
        };
        let always = [
            Leaf::EventKind,
            Leaf::EventCategory,
            Leaf::EventType,
            Leaf::EventAction,
            Leaf::EventCode,
            Leaf::EventOutcome,
            Leaf::EventModule,
            Leaf::EventDataset,
            Leaf::ServiceType,
            Leaf::LimitName,
            Leaf::LimitScope,
        ];
        let sometimes = [
            (Leaf::Timestamp, self.extras.add_timestamp),
            (Leaf::EventId, self.extras.id.is_some()),
            (Leaf::ServiceName, event.service.is_some()),
            (Leaf::NetworkProtocol, event.protocol().is_some()),
            (Leaf::UserName, event.user.is_some() && self.hash.is_none()),
            (Leaf::UserHash, self.hash.is_some()),
            (Leaf::SourceIp, event.source.is_some()),
            (Leaf::SourcePort, ports(&event.source)),
            (Leaf::DestinationIp, event.destination.is_some()),
            (Leaf::DestinationPort, ports(&event.destination)),
            (Leaf::TlsEstablished, tls),
            (Leaf::TlsVersion, version),
            (Leaf::TlsCipher, cipher),
            (
                Leaf::RelatedIp,
                event.source.is_some() || event.destination.is_some(),
            ),
            (Leaf::RelatedUser, event.user.is_some()),
            (Leaf::LimitValue, event.limit_value.is_some()),
            (Leaf::SessionId, event.session.is_some()),
            (Leaf::AuthMethod, event.auth_method.is_some()),
            (Leaf::FloodId, self.extras.flood.is_some()),
            (Leaf::FloodState, self.extras.flood.is_some()),
        ];
        let always = always.iter().fold(0, |bits, leaf| bits | 1 << *leaf as u8);
        sometimes.iter().fold(always, |bits, (leaf, is)| {
            bits | u64::from(*is) << *leaf as u8
        })
    }

    /// Writes the members that a group lacks, except for what goes into objects that are there.
    pub(super) fn write_group(
        &self,
        group: Group,
        missing: u64,
        layout: &Layout,
        json: &mut Writer,
    ) {
        if missing & LEAVES[group as usize] == 0 {
            return;
        }
        for (key, node) in contents(group) {
            match node {
                Node::Leaf(leaf) => {
                    if missing >> *leaf as u8 & 1 == 1 {
                        json.plain_key(key);
                        self.write_value(*leaf, json);
                    }
                }
                Node::Group(inner) => {
                    if missing & LEAVES[*inner as usize] != 0 && !layout.is_there(*inner) {
                        json.plain_key(key);
                        json.begin_object();
                        self.write_group(*inner, missing, layout, json);
                        json.end_object();
                    }
                }
            }
        }
    }

    fn write_value(&self, leaf: Leaf, json: &mut Writer) {
        let event = self.event;
        let (version, cipher) = match event.security {
            Security::Tls { version, cipher } => (version, cipher),
            _ => (None, None),
        };
        match leaf {
            Leaf::Timestamp => json.time(self.context.time_ms),
            Leaf::EventKind => json.raw(b"\"event\""),
            Leaf::EventCategory => json.raw(b"[\"network\"]"),
            Leaf::EventType => json.raw(b"[\"connection\",\"denied\"]"),
            Leaf::EventAction => json.raw(b"\"connection-limit-exceeded\""),
            Leaf::EventCode | Leaf::LimitName => json.string(event.limit),
            Leaf::EventOutcome => json.raw(b"\"failure\""),
            Leaf::EventModule | Leaf::ServiceType => json.string(event.module),
            Leaf::EventDataset => match event.module {
                "dovecot" => json.raw(b"\"dovecot.maxconn\""),
                pattern => json.string(pattern),
            },
            Leaf::EventId => json.hex(self.extras.id.unwrap_or_default()),
            Leaf::ServiceName => json.string(event.service.unwrap_or_default()),
            Leaf::NetworkProtocol => json.string(event.protocol().unwrap_or_default()),
            Leaf::UserName | Leaf::UserHash => json.string(self.user()),
            Leaf::SourceIp => write_ip(event.source, json),
            Leaf::SourcePort => write_port(event.source, json),
            Leaf::DestinationIp => write_ip(event.destination, json),
            Leaf::DestinationPort => write_port(event.destination, json),
            Leaf::TlsEstablished => json.bool(true),
            Leaf::TlsVersion => json.string(version.unwrap_or_default()),
            Leaf::TlsCipher => json.string(cipher.unwrap_or_default()),
            Leaf::RelatedIp => {
                json.begin_array();
                write_ip(event.source, json);
                if !event.is_local() {
                    write_ip(event.destination, json);
                }
                json.end_array();
            }
            Leaf::RelatedUser => {
                json.begin_array();
                json.string(self.user());
                json.end_array();
            }
            Leaf::LimitValue => json.uint(event.limit_value.unwrap_or_default()),
            Leaf::LimitScope => json.string(event.scope.name()),
            Leaf::SessionId => json.string(event.session.unwrap_or_default()),
            Leaf::AuthMethod => json.string(event.auth_method.unwrap_or_default()),
            Leaf::FloodId => json.string(self.extras.flood.map_or("", |(id, _)| id)),
            Leaf::FloodState => json.string(self.extras.flood.map_or("", |(_, state)| state)),
            Leaf::Skipped => {
                json.begin_array();
                for (bit, (_, name)) in SKIPPABLE.iter().enumerate() {
                    if self.skipped >> bit & 1 == 1 {
                        json.string(name);
                    }
                }
                json.end_array();
            }
        }
    }

    /// The user, as documents may name it.
    fn user(&self) -> &str {
        self.hash.or(self.event.user).unwrap_or_default()
    }
}

fn write_ip(endpoint: Option<Endpoint>, json: &mut Writer) {
    if let Some(endpoint) = endpoint {
        json.ip(endpoint.ip);
    }
}

fn write_port(endpoint: Option<Endpoint>, json: &mut Writer) {
    if let Some(port) = endpoint.and_then(|endpoint| endpoint.port) {
        json.uint(u64::from(port));
    }
}
