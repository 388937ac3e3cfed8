//! Lists the fields that we add to an event: one table, from which the rest follows.

use alloc::string::String;
use alloc::vec::Vec;

use super::Values;
use super::layout::Layout;
use crate::event::{Class, Detail, Endpoint, Event, Security, Stage};
use crate::json::write::{Writer, push_escaped, push_uint};
use crate::recognisers::dataset;
use crate::time::write_rfc3339_ms;

macro_rules! groups {
    ($($group:ident $parent:ident $name:literal;)+) => {
        /// An object that we add to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Group {
            Root,
            $($group),+
        }

        impl Group {
            /// Every group but the root.
            pub(super) const ALL: &[Group] = &[$(Group::$group),+];

            /// The group that it is in; the root is in itself.
            pub(super) fn parent(self) -> Group {
                match self {
                    Group::Root => Group::Root,
                    $(Group::$group => Group::$parent),+
                }
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    Group::Root => "",
                    $(Group::$group => $name),+
                }
            }
        }

        /// How many groups there are, the root too.
        pub(super) const GROUPS: usize = 1 + Group::ALL.len();

        /// Whether a key of the root, up to its first dot, names one of the groups.
        #[inline]
        pub(crate) fn is_our_group(head: &[u8]) -> bool {
            $((matches!(Group::$parent, Group::Root) && head == $name.as_bytes()))||+
        }
    };
}

groups! {
    Event Root "event";
    Service Root "service";
    Network Root "network";
    User Root "user";
    Source Root "source";
    Destination Root "destination";
    Tls Root "tls";
    Related Root "related";
    Http Root "http";
    Response Http "response";
    Error Root "error";
    Maxconn Root "maxconn";
    Limit Maxconn "limit";
    Repeated Maxconn "event";
    Session Maxconn "session";
    Flood Maxconn "flood";
}

macro_rules! fields {
    ($values:ident: $($group:ident { $($leaf:ident $key:literal $write:path = $value:expr;)+ })+) => {
        /// A field; its number is its bit in the sets of fields.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Leaf {
            $($($leaf),+),+
        }

        /// Every field, in the order in which they are written: where it is, and its key.
        pub(super) const FIELDS: &[(Leaf, Group, &str)] =
            &[$($((Leaf::$leaf, Group::$group, $key)),+),+];

        impl Values<'_> {
            /// Whether the event has a value for a field.
            fn has(&self, leaf: Leaf) -> bool {
                let $values = self;
                match leaf {
                    $($(Leaf::$leaf => $value.is_some()),+),+
                }
            }

            /// Writes the value of a field that has one.
            fn write(&self, leaf: Leaf, json: &mut Writer) {
                let $values = self;
                match leaf {
                    $($(Leaf::$leaf => if let Some(value) = $value {
                        $write(json, value);
                    }),+),+
                }
            }
        }
    };
}

fields! { it:
    Root {
        Timestamp "@timestamp" Writer::time = it.adds_timestamp.then_some(it.context.time_ms);
    }
    Event {
        EventKind "kind" Writer::raw = Some(b"\"event\"");
        EventCategory "category" Writer::raw = Some(b"[\"network\"]");
        EventType "type" Writer::raw = Some(b"[\"connection\",\"denied\"]");
        EventAction "action" Writer::raw = Some(b"\"connection-limit-exceeded\"");
        EventCode "code" Writer::string = Some(it.event.limit);
        EventOutcome "outcome" Writer::raw = Some(b"\"failure\"");
        EventModule "module" Writer::string = Some(it.event.module);
        EventDataset "dataset" Writer::string = Some(dataset(it.event.module));
        EventId "id" Writer::hex = it.extras.id;
    }
    Service {
        ServiceType "type" Writer::string = Some(it.event.module);
        ServiceName "name" Writer::string = it.event.service;
    }
    Network {
        NetworkProtocol "protocol" Writer::string = it.event.protocol();
    }
    User {
        UserName "name" Writer::string = it.event.user.filter(|_| it.hash.is_none());
        UserHash "hash" Writer::string = it.hash;
    }
    Source {
        SourceIp "ip" ip = it.event.source.as_ref();
        SourcePort "port" Writer::uint = it.source_port();
        SourceDomain "domain" Writer::string = it.detail(Detail::Host);
    }
    Destination {
        DestinationIp "ip" ip = it.event.destination.as_ref();
        DestinationPort "port" port = it.event.destination.as_ref().and_then(|it| it.port);
    }
    Tls {
        TlsEstablished "established" Writer::bool = it.tls().map(|_| true);
        TlsVersion "version" Writer::string = it.tls().and_then(|(version, _)| version);
        TlsCipher "cipher" Writer::string = it.tls().and_then(|(_, cipher)| cipher);
    }
    Related {
        RelatedIp "ip" ips = Some(it.event).filter(|it| it.source.is_some() || it.destination.is_some());
        RelatedUser "user" list = it.hash.or(it.event.user);
    }
    Response {
        Status "status_code" digits = it.detail(Detail::Status);
    }
    Error {
        ErrorCode "code" Writer::string = it.detail(Detail::Code);
    }
    Limit {
        LimitName "name" Writer::string = Some(it.event.limit);
        LimitValue "value" Writer::uint = it.event.limit_value;
        LimitCurrent "current" Writer::uint = it.event.limit_current;
        LimitScope "scope" Writer::string = Some(it.event.scope.name());
        LimitStage "stage" Writer::string = it.event.stage.map(Stage::name);
    }
    Repeated {
        RepeatedCount "count" Writer::uint = it.repeated();
        RepeatedClass "class" Writer::string = it.class();
    }
    Session {
        SessionId "id" Writer::string = it.event.session_text();
    }
    Maxconn {
        AuthMethod "auth_method" Writer::string = it.event.auth_method;
        Database "database" Writer::string = it.detail(Detail::Database);
        Vhost "vhost" Writer::string = it.detail(Detail::Vhost);
        Zone "zone" Writer::string = it.detail(Detail::Zone);
        Frontend "frontend" Writer::string = it.detail(Detail::Frontend);
        Backend "backend" Writer::string = it.detail(Detail::Backend);
        TerminationState "termination_state" Writer::string = it.detail(Detail::State);
    }
    Flood {
        FloodId "id" Writer::string = it.extras.flood.map(|(id, _)| id);
        FloodState "state" Writer::string = it.extras.flood.map(|(_, state)| state);
    }
    Maxconn {
        Skipped "skipped" paths_of = Some(it.skipped).filter(|groups| *groups != 0);
    }
}

fn ip(json: &mut Writer, endpoint: &Endpoint) {
    json.ip(endpoint.ip);
}

fn port(json: &mut Writer, port: u16) {
    json.uint(u64::from(port));
}

/// A number that is only digits.
fn digits(json: &mut Writer, text: &str) {
    json.raw(text.as_bytes());
}

/// Client and server, once where they are the same.
fn ips(json: &mut Writer, event: &Event<'_>) {
    json.begin_array();
    if let Some(source) = event.source {
        json.ip(source.ip);
    }
    if let Some(destination) = event.destination
        && !event.is_local()
    {
        json.ip(destination.ip);
    }
    json.end_array();
}

fn list(json: &mut Writer, text: &str) {
    json.begin_array();
    json.string(text);
    json.end_array();
}

fn paths_of(json: &mut Writer, groups: u32) {
    json.begin_array();
    for group in Group::ALL {
        if groups >> *group as u8 & 1 == 1 {
            json.string(&group.path());
        }
    }
    json.end_array();
}

impl Group {
    /// Its name with those of the groups that it is in.
    fn path(self) -> String {
        match self.parent() {
            Group::Root => String::from(self.name()),
            parent => [parent.name(), ".", self.name()].concat(),
        }
    }

    /// Whether a group is this one or inside of it.
    pub(super) fn holds(self, mut group: Group) -> bool {
        while group != self && group != Group::Root {
            group = group.parent();
        }
        group == self
    }

    /// The bits of all fields in the group, at any depth.
    pub(super) fn leaves(self) -> u64 {
        let fields = FIELDS.iter().filter(|(_, group, _)| self.holds(*group));
        fields.fold(0, |bits, (leaf, ..)| bits | leaf.bit())
    }
}

impl Leaf {
    pub(super) fn bit(self) -> u64 {
        1 << self as u8
    }
}

impl Values<'_> {
    /// The bits of the fields that the event has a value for.
    pub(super) fn wanted(&self) -> u64 {
        FIELDS.iter().fold(0, |bits, (leaf, ..)| {
            bits | u64::from(self.has(*leaf)) << *leaf as u8
        })
    }

    /// Writes the members that a group lacks, except for what goes into groups inside of it that are there.
    pub(super) fn write_missing(
        &self,
        group: Group,
        missing: u64,
        layout: &Layout,
        json: &mut Writer,
    ) {
        let mut open = group;
        for (leaf, home, key) in FIELDS {
            if missing & leaf.bit() == 0 || layout.innermost(*home) != group {
                continue;
            }
            while !open.holds(*home) {
                json.end_object();
                open = open.parent();
            }
            for inner in [home.parent(), *home] {
                if open != inner && open.holds(inner) {
                    json.plain_key(inner.name());
                    json.begin_object();
                    open = inner;
                }
            }
            json.plain_key(key);
            self.write(*leaf, json);
        }
        while open != group {
            json.end_object();
            open = open.parent();
        }
    }

    /// How many refusals the record stands for, where it is not one.
    fn repeated(&self) -> Option<u64> {
        (self.event.count > 1).then_some(u64::from(self.event.count))
    }

    /// What the message is about, where that is no refusal.
    fn class(&self) -> Option<&'static str> {
        let class = self.event.class;
        (class != Class::Refusal).then_some(class.name())
    }

    fn detail(&self, detail: Detail) -> Option<&str> {
        self.event.details.get(detail)
    }

    fn source_port(&self) -> Option<u64> {
        let port = self.event.source.and_then(|it| it.port).map(u64::from);
        port.or_else(|| self.detail(Detail::Port)?.parse().ok())
    }

    fn tls(&self) -> Option<(Option<&str>, Option<&str>)> {
        match self.event.security {
            Security::Tls { version, cipher } => Some((version, cipher)),
            _ => None,
        }
    }
}

/// What [`Values::write_missing`] does with a record that has none of our fields, in as few pieces as there can be: nearly
/// every event goes on like this. `tests/enrich_properties.rs` holds them to say the same.
impl Values<'_> {
    /// Whether the event has no fields but those that nearly every event has: then [`Self::write_all`] knows them all.
    pub(super) fn is_usual(&self) -> bool {
        let event = self.event;
        event.details.is_empty()
            && event.class == Class::Refusal
            && event.stage.is_none()
            && event.limit_current.is_none()
    }

    /// Writes all fields of a record that has none of them. Begins without a comma.
    pub(super) fn write_all(&self, out: &mut Vec<u8>) {
        let (event, extras) = (self.event, self.extras);
        if self.adds_timestamp {
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
            plain(out, b",\"network\":{\"protocol\":\"", protocol, b"\"}");
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
        plain(out, b",\"scope\":\"", event.scope.name(), b"\"}");
        if let Some(count) = self.repeated() {
            out.extend_from_slice(b",\"event\":{\"count\":");
            push_uint(out, count);
            out.push(b'}');
        }
        if let Some(session) = event.session {
            out.extend_from_slice(b",\"session\":{\"id\":\"");
            push_escaped(out, session);
            out.extend_from_slice(b"\"}");
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
            ips(&mut Writer::new(out), event);
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
}

/// Appends a text between two pieces. Inlined, for pieces whose length is known are copied by a few stores.
#[inline(always)]
fn text(out: &mut Vec<u8>, before: &[u8], value: &str, after: &[u8]) {
    out.extend_from_slice(before);
    push_escaped(out, value.as_bytes());
    out.extend_from_slice(after);
}

/// As [`text`], with one of our own words, which needs no escape.
#[inline(always)]
fn plain(out: &mut Vec<u8>, before: &[u8], word: &'static str, after: &[u8]) {
    for piece in [before, word.as_bytes(), after] {
        out.extend_from_slice(piece);
    }
}

/// The paths of all fields that an event may be given: `event.kind`, `maxconn.limit.name`.
pub fn paths() -> impl Iterator<Item = String> {
    FIELDS.iter().map(|(_, group, key)| match group {
        Group::Root => String::from(*key),
        group => [&group.path(), ".", key].concat(),
    })
}
