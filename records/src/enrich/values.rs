//! What our fields say about an event.

use super::Extras;
use super::layout::{Group, LEAVES, Layout, Leaf, Node, SKIPPABLE, contents};
use crate::event::{Context, Endpoint, Event, Security};
use crate::json::write::{Writer, push_escaped, push_uint};
use crate::recognisers::dataset;
use crate::time::write_rfc3339_ms;
use alloc::vec::Vec;

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

    /// Writes all members of a record that has none of them, in the order of [`contents`] and in as few
    /// pieces as there can be: this is how nearly every event goes on. Begins without a comma.
    pub(super) fn write_all(&self, lacks_timestamp: bool, out: &mut Vec<u8>) {
        let (event, extras) = (self.event, self.extras);
        if lacks_timestamp && extras.add_timestamp {
            out.extend_from_slice(b"\"@timestamp\":\"");
            write_rfc3339_ms(self.context.time_ms, out);
            out.extend_from_slice(b"\",");
        }
        out.extend_from_slice(b"\"event\":{\"kind\":\"event\",\"category\":[\"network\"],\"type\":[\"connection\",\"denied\"],\"action\":\"connection-limit-exceeded\",\"code\":\"");
        push_escaped(out, event.limit.as_bytes());
        let outcome = b"\",\"outcome\":\"failure\",\"module\":\"";
        text(out, outcome, event.module, b"\",\"dataset\":\"");
        text(out, b"", dataset(event.module), b"\"");
        if let Some(id) = extras.id {
            out.extend_from_slice(b",\"id\":");
            Writer::new(out).hex(id);
        }
        text(out, b"},\"service\":{\"type\":\"", event.module, b"\"");
        if let Some(service) = event.service {
            text(out, b",\"name\":\"", service, b"\"");
        }
        out.push(b'}');
        if let Some(protocol) = event.protocol() {
            text(out, b",\"network\":{\"protocol\":\"", protocol, b"\"}");
        }
        if let Some(user) = event.user {
            text(out, b",\"user\":{\"name\":\"", user, b"\"}");
        }
        for (endpoint, before) in [
            (event.source, &b",\"source\":{\"ip\":"[..]),
            (event.destination, b",\"destination\":{\"ip\":"),
        ] {
            if let Some(endpoint) = endpoint {
                out.extend_from_slice(before);
                Writer::new(out).ip(endpoint.ip);
                if let Some(port) = endpoint.port {
                    out.extend_from_slice(b",\"port\":");
                    push_uint(out, u64::from(port));
                }
                out.push(b'}');
            }
        }
        if let Security::Tls { version, cipher } = event.security {
            out.extend_from_slice(b",\"tls\":{\"established\":true");
            for (before, value) in [
                (&b",\"version\":\""[..], version),
                (b",\"cipher\":\"", cipher),
            ] {
                if let Some(value) = value {
                    text(out, before, value, b"\"");
                }
            }
            out.push(b'}');
        }
        self.write_related(out);
        text(
            out,
            b",\"maxconn\":{\"limit\":{\"name\":\"",
            event.limit,
            b"\"",
        );
        if let Some(value) = event.limit_value {
            out.extend_from_slice(b",\"value\":");
            push_uint(out, value);
        }
        text(out, b",\"scope\":\"", event.scope.name(), b"\"}");
        if let Some(session) = event.session {
            text(out, b",\"session\":{\"id\":\"", session, b"\"}");
        }
        if let Some(method) = event.auth_method {
            text(out, b",\"auth_method\":\"", method, b"\"");
        }
        if let Some((id, state)) = extras.flood {
            text(out, b",\"flood\":{\"id\":\"", id, b"\"");
            text(out, b",\"state\":\"", state, b"\"}");
        }
        out.push(b'}');
    }

    fn write_related(&self, out: &mut Vec<u8>) {
        let event = self.event;
        let has_ip = event.source.is_some() || event.destination.is_some();
        if !has_ip && event.user.is_none() {
            return;
        }
        out.extend_from_slice(b",\"related\":{");
        if has_ip {
            out.extend_from_slice(b"\"ip\":");
            self.write_value(Leaf::RelatedIp, &mut Writer::new(out));
        }
        if let Some(user) = event.user {
            out.extend_from_slice(if has_ip {
                b",\"user\":[\""
            } else {
                b"\"user\":[\""
            });
            push_escaped(out, user.as_bytes());
            out.extend_from_slice(b"\"]");
        }
        out.push(b'}');
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
            Leaf::EventDataset => json.string(dataset(event.module)),
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

#[inline(always)]
fn write_ip(endpoint: Option<Endpoint>, json: &mut Writer) {
    if let Some(endpoint) = endpoint {
        json.ip(endpoint.ip);
    }
}

#[inline(always)]
fn write_port(endpoint: Option<Endpoint>, json: &mut Writer) {
    if let Some(port) = endpoint.and_then(|endpoint| endpoint.port) {
        json.uint(u64::from(port));
    }
}

/// Appends a text between two pieces. Inlined, for pieces whose length is known are copied by a few stores.
#[inline(always)]
fn text(out: &mut Vec<u8>, before: &[u8], value: &str, after: &[u8]) {
    out.extend_from_slice(before);
    push_escaped(out, value.as_bytes());
    out.extend_from_slice(after);
}
