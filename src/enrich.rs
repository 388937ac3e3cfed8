//! An event that goes on: its record with ECS fields spliced in.
//!
//! The record is scanned once, for what of our fields it has and where the objects that we add to
//! close; then it is copied, with the missing fields put in before those braces. Nothing that is there is
//! printed anew, so numbers, order, whitespace and escapes stay byte for byte. Without a redactor, that is:
//! with one, the strings that hold the user's name change, and nothing else.
//!
//! - A leaf that is there is never overwritten, whatever its value, nested, dotted or both
//!   (`"user.name"`, `"maxconn": {"limit.name": …}`).
//! - Where anything but an object stands in the place of one of our groups, it stays, and the group is left out
//!   and named in `maxconn.skipped`; if `maxconn` itself is not an object, nothing is said.
//! - A group that comes twice is added to where it comes last, for that one counts in most readers; what either
//!   holds is taken to be there.
//! - A group that is there only under a dotted key (`"maxconn.limit": {…}`) is not entered for writing; what
//!   it lacks goes into a nested one beside it, which readers of dotted keys merge.
//! - A record that is not UTF-8 goes on with U+FFFD for what is not.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::{Context, Endpoint, Event, Security};
use crate::json::scan::{Kind, Malformed, Scanner};
use crate::json::write::Writer;
use crate::redact::Redactor;

/// What the event and its context do not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// Whether `@timestamp` is added where it is absent.
    pub add_timestamp: bool,
    /// `event.id`, where the source gives a position.
    pub id: Option<u128>,
    /// `maxconn.flood.id` and `.state`, while a flood is open for the event.
    pub flood: Option<(&'a str, &'a str)>,
    /// Makes user names unreadable.
    pub redactor: Option<&'a Redactor>,
}

/// Appends `record` with the fields of `event` that it lacks. `false`, and nothing appended, if the
/// record is not a JSON object.
pub fn enrich(
    record: &[u8],
    event: &Event,
    context: &Context,
    extras: &Extras,
    out: &mut Vec<u8>,
) -> bool {
    let record = match core::str::from_utf8(record) {
        Ok(_) => Cow::Borrowed(record),
        Err(_) => Cow::Owned(String::from_utf8_lossy(record).into_owned().into_bytes()),
    };
    let mut values = Values {
        event,
        context,
        extras,
        hash: None,
        skipped: 0,
    };
    let (Some(redactor), Some(user)) = (extras.redactor, event.user) else {
        return splice(&record, &mut values, out);
    };
    let hash = redactor.hash(user);
    values.hash = Some(&hash);
    let mut redacted = Vec::with_capacity(record.len() + 128);
    redactor.redact_record(&record, user, &hash, &mut redacted)
        && splice(&redacted, &mut values, out)
}

/// An object that we add to. The root's groups, then those of `maxconn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Group {
    Root,
    Event,
    Service,
    Network,
    User,
    Source,
    Destination,
    Tls,
    Related,
    Maxconn,
    Limit,
    Session,
    Flood,
}

const GROUPS: usize = 13;

/// A field that we add; its number is its bit in the sets of leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Leaf {
    Timestamp,
    EventKind,
    EventCategory,
    EventType,
    EventAction,
    EventCode,
    EventOutcome,
    EventModule,
    EventDataset,
    EventId,
    ServiceType,
    ServiceName,
    NetworkProtocol,
    UserName,
    UserHash,
    SourceIp,
    SourcePort,
    DestinationIp,
    DestinationPort,
    TlsEstablished,
    TlsVersion,
    TlsCipher,
    RelatedIp,
    RelatedUser,
    LimitName,
    LimitValue,
    LimitScope,
    SessionId,
    AuthMethod,
    FloodId,
    FloodState,
    Skipped,
}

#[derive(Clone, Copy, Debug)]
enum Node {
    Leaf(Leaf),
    Group(Group),
}

/// The members of a group, in the order in which they are written.
const fn contents(group: Group) -> &'static [(&'static str, Node)] {
    use Node::{Group as G, Leaf as L};
    match group {
        Group::Root => &[
            ("@timestamp", L(Leaf::Timestamp)),
            ("event", G(Group::Event)),
            ("service", G(Group::Service)),
            ("network", G(Group::Network)),
            ("user", G(Group::User)),
            ("source", G(Group::Source)),
            ("destination", G(Group::Destination)),
            ("tls", G(Group::Tls)),
            ("related", G(Group::Related)),
            ("maxconn", G(Group::Maxconn)),
        ],
        Group::Event => &[
            ("kind", L(Leaf::EventKind)),
            ("category", L(Leaf::EventCategory)),
            ("type", L(Leaf::EventType)),
            ("action", L(Leaf::EventAction)),
            ("code", L(Leaf::EventCode)),
            ("outcome", L(Leaf::EventOutcome)),
            ("module", L(Leaf::EventModule)),
            ("dataset", L(Leaf::EventDataset)),
            ("id", L(Leaf::EventId)),
        ],
        Group::Service => &[
            ("type", L(Leaf::ServiceType)),
            ("name", L(Leaf::ServiceName)),
        ],
        Group::Network => &[("protocol", L(Leaf::NetworkProtocol))],
        Group::User => &[("name", L(Leaf::UserName)), ("hash", L(Leaf::UserHash))],
        Group::Source => &[("ip", L(Leaf::SourceIp)), ("port", L(Leaf::SourcePort))],
        Group::Destination => &[
            ("ip", L(Leaf::DestinationIp)),
            ("port", L(Leaf::DestinationPort)),
        ],
        Group::Tls => &[
            ("established", L(Leaf::TlsEstablished)),
            ("version", L(Leaf::TlsVersion)),
            ("cipher", L(Leaf::TlsCipher)),
        ],
        Group::Related => &[("ip", L(Leaf::RelatedIp)), ("user", L(Leaf::RelatedUser))],
        Group::Maxconn => &[
            ("limit", G(Group::Limit)),
            ("session", G(Group::Session)),
            ("auth_method", L(Leaf::AuthMethod)),
            ("flood", G(Group::Flood)),
            ("skipped", L(Leaf::Skipped)),
        ],
        Group::Limit => &[
            ("name", L(Leaf::LimitName)),
            ("value", L(Leaf::LimitValue)),
            ("scope", L(Leaf::LimitScope)),
        ],
        Group::Session => &[("id", L(Leaf::SessionId))],
        Group::Flood => &[("id", L(Leaf::FloodId)), ("state", L(Leaf::FloodState))],
    }
}

/// The groups that can be left out, each with its name in `maxconn.skipped`.
const SKIPPABLE: [(Group, &str); 11] = [
    (Group::Event, "event"),
    (Group::Service, "service"),
    (Group::Network, "network"),
    (Group::User, "user"),
    (Group::Source, "source"),
    (Group::Destination, "destination"),
    (Group::Tls, "tls"),
    (Group::Related, "related"),
    (Group::Limit, "maxconn.limit"),
    (Group::Session, "maxconn.session"),
    (Group::Flood, "maxconn.flood"),
];

/// The bits of all leaves in a group, at any depth; by the number of the group.
const LEAVES: [u64; GROUPS] = {
    let mut leaves = [0; GROUPS];
    let groups = [
        // The innermost first, so that the outer ones can take their bits.
        Group::Limit,
        Group::Session,
        Group::Flood,
        Group::Event,
        Group::Service,
        Group::Network,
        Group::User,
        Group::Source,
        Group::Destination,
        Group::Tls,
        Group::Related,
        Group::Maxconn,
        Group::Root,
    ];
    let mut at = 0;
    while at < GROUPS {
        let group = groups[at];
        let members = contents(group);
        let mut member = 0;
        while member < members.len() {
            leaves[group as usize] |= match members[member].1 {
                Node::Leaf(leaf) => 1 << leaf as u8,
                Node::Group(inner) => leaves[inner as usize],
            };
            member += 1;
        }
        at += 1;
    }
    leaves
};

/// What of our fields a record has.
#[derive(Debug, Default)]
struct Layout {
    /// The bits of the leaves that are there.
    present: u64,
    /// The bits of the groups in whose place something else stands.
    blocked: u16,
    /// By group: the position of its closing brace, if it is there as a nested object. 0 is none.
    closings: [usize; GROUPS],
    /// The bits of the groups that are there and have members.
    filled: u16,
}

impl Layout {
    fn of(record: &[u8]) -> Result<Layout, Malformed> {
        let mut scanner = Scanner::new(record);
        let mut layout = Layout::default();
        layout.object(&mut scanner, Group::Root, true)?;
        scanner.end()?;
        Ok(layout)
    }

    /// Walks a group. It calls itself for groups within the group only, three deep at most. `nested` if
    /// no dotted key led here.
    fn object(
        &mut self,
        scanner: &mut Scanner,
        group: Group,
        nested: bool,
    ) -> Result<(), Malformed> {
        let mut members = scanner.begin_object()?;
        let mut filled = false;
        if nested {
            // Of a group that comes twice the last one counts, and with it the groups inside.
            for (_, node) in contents(group) {
                if let Node::Group(inner) = node {
                    self.closings[*inner as usize] = 0;
                }
            }
        }
        while let Some(key) = scanner.next_key(&mut members)? {
            filled = true;
            match find(group, &key) {
                None => {
                    scanner.skip_value()?;
                }
                Some((Node::Leaf(leaf), _)) => {
                    self.present |= 1 << leaf as u8;
                    scanner.skip_value()?;
                }
                Some((Node::Group(inner), dotted)) => {
                    if scanner.kind()? == Kind::Object {
                        self.object(scanner, inner, nested && !dotted)?;
                    } else {
                        self.blocked |= 1 << inner as u8;
                        scanner.skip_value()?;
                    }
                }
            }
        }
        if nested {
            self.closings[group as usize] = scanner.position() - 1;
            self.filled &= !(1 << group as u8);
            self.filled |= u16::from(filled) << group as u8;
        }
        Ok(())
    }

    fn is_blocked(&self, group: Group) -> bool {
        self.blocked >> group as u8 & 1 == 1
    }

    /// The groups that are there, each with the position of its closing brace, in order.
    fn places<'p>(&self, places: &'p mut [(usize, Group); GROUPS]) -> &'p [(usize, Group)] {
        let groups = [Group::Root, Group::Maxconn].into_iter();
        let groups = groups.chain(SKIPPABLE.iter().map(|(group, _)| *group));
        let there = groups.filter(|group| self.is_there(*group));
        let mut count = 0;
        for (place, group) in places.iter_mut().zip(there) {
            *place = (self.closings[group as usize], group);
            count += 1;
        }
        let places = places.get_mut(..count).unwrap_or_default();
        places.sort_unstable_by_key(|(closing, _)| *closing);
        places
    }

    /// Whether a group is there as a nested object.
    fn is_there(&self, group: Group) -> bool {
        self.closings[group as usize] != 0
    }
}

/// What a key in a group means to us, and whether it took dots to say so. A dotted key that goes on
/// behind a leaf (`source.ip.raw`) takes the leaf's place.
fn find(group: Group, key: &[u8]) -> Option<(Node, bool)> {
    let named = |name: &[u8]| {
        contents(group)
            .iter()
            .find(|(known, _)| known.as_bytes() == name)
            .map(|(_, node)| *node)
    };
    if let Some(node) = named(key) {
        return Some((node, false));
    }
    let (head, tail) = key.split_at_checked(memchr::memchr(b'.', key)?)?;
    match named(head)? {
        Node::Leaf(leaf) => Some((Node::Leaf(leaf), true)),
        Node::Group(inner) => find(inner, tail.get(1..)?).map(|(node, _)| (node, true)),
    }
}

/// Copies the record and puts what it lacks where it belongs.
fn splice(record: &[u8], values: &mut Values, out: &mut Vec<u8>) -> bool {
    let Ok(layout) = Layout::of(record) else {
        return false;
    };
    let mut missing = values.wanted() & !layout.present;
    for (bit, (group, _)) in SKIPPABLE.iter().enumerate() {
        if layout.is_blocked(*group) && missing & LEAVES[*group as usize] != 0 {
            missing &= !LEAVES[*group as usize];
            values.skipped |= 1 << bit;
        }
    }
    if layout.is_blocked(Group::Maxconn) {
        missing &= !LEAVES[Group::Maxconn as usize];
    } else if values.skipped != 0 {
        missing |= (1 << Leaf::Skipped as u8) & !layout.present;
    }

    out.reserve(record.len() + 1024);
    let mut copied = 0;
    let mut places = [(0, Group::Root); GROUPS];
    for (closing, group) in layout.places(&mut places) {
        let (closing, group) = (*closing, *group);
        out.extend_from_slice(record.get(copied..closing).unwrap_or_default());
        copied = closing;
        let filled = layout.filled >> group as u8 & 1 == 1;
        let mut json = if filled {
            Writer::after_member(out)
        } else {
            Writer::new(out)
        };
        values.write_group(group, missing, &layout, &mut json);
    }
    out.extend_from_slice(record.get(copied..).unwrap_or_default());
    true
}

/// Where the values of our fields are from.
struct Values<'a> {
    event: &'a Event<'a>,
    context: &'a Context<'a>,
    extras: &'a Extras<'a>,
    /// The hash that takes the user name's place.
    hash: Option<&'a str>,
    /// The groups that were left out: bits by the place in [`SKIPPABLE`].
    skipped: u16,
}

impl Values<'_> {
    /// The bits of the leaves that the event has a value for.
    fn wanted(&self) -> u64 {
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
    fn write_group(&self, group: Group, missing: u64, layout: &Layout, json: &mut Writer) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Scope;
    use core::net::{IpAddr, Ipv4Addr};

    fn endpoint(last: u8, port: Option<u16>) -> Option<Endpoint> {
        Some(Endpoint {
            ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
            port,
        })
    }

    fn event() -> Event<'static> {
        Event {
            module: "dovecot",
            limit: "mail_max_userip_connections",
            limit_value: Some(10),
            scope: Scope::UserIp,
            service: Some("imap-login"),
            user: Some("ann"),
            auth_method: Some("PLAIN"),
            source: endpoint(1, Some(4_000)),
            destination: endpoint(2, None),
            security: Security::Tls {
                version: Some("1.3"),
                cipher: None,
            },
            session: Some("S/1"),
        }
    }

    fn enriched(record: &str, event: &Event, extras: &Extras) -> String {
        let context = Context {
            time_ms: 0,
            host: None,
            message: "",
            record_bytes: 0,
        };
        let mut out = b"before ".to_vec();
        assert!(enrich(record.as_bytes(), event, &context, extras, &mut out));
        String::from_utf8(out).expect("UTF-8").split_off(7)
    }

    const EVENT: &str = concat!(
        r#""event":{"kind":"event","category":["network"],"type":["connection","denied"],"#,
        r#""action":"connection-limit-exceeded","code":"mail_max_userip_connections","#,
        r#""outcome":"failure","module":"dovecot","dataset":"dovecot.maxconn"}"#
    );
    const MIDDLE: &str = concat!(
        r#""service":{"type":"dovecot","name":"imap-login"},"network":{"protocol":"imap"},"#,
        r#""user":{"name":"ann"},"source":{"ip":"192.0.2.1","port":4000},"#,
        r#""destination":{"ip":"192.0.2.2"},"tls":{"established":true,"version":"1.3"},"#,
        r#""related":{"ip":["192.0.2.1","192.0.2.2"],"user":["ann"]}"#
    );
    const LIMIT: &str =
        r#""limit":{"name":"mail_max_userip_connections","value":10,"scope":"user+ip"}"#;
    const REST: &str = r#""session":{"id":"S/1"},"auth_method":"PLAIN""#;

    #[test]
    fn adds_every_field_in_order() {
        assert_eq!(
            enriched("{}", &event(), &Extras::default()),
            alloc::format!("{{{EVENT},{MIDDLE},\"maxconn\":{{{LIMIT},{REST}}}}}")
        );
        let extras = Extras {
            add_timestamp: true,
            id: Some(10),
            flood: Some(("f", "ongoing")),
            redactor: None,
        };
        let text = enriched(r#"{"@timestamp": 1e400 }"#, &event(), &extras);
        assert!(
            text.starts_with(r#"{"@timestamp": 1e400 ,"event":{"#),
            "{text}"
        );
        assert!(
            text.contains(r#""id":"0000000000000000000000000000000a"},"service""#),
            "{text}"
        );
        assert!(
            text.ends_with(r#","flood":{"id":"f","state":"ongoing"}}}"#),
            "{text}"
        );
        let text = enriched("{}", &event(), &extras);
        assert!(
            text.starts_with(r#"{"@timestamp":"1970-01-01T00:00:00.000Z","event""#),
            "{text}"
        );
    }

    #[test]
    fn merges_into_what_is_there() {
        let record = r#"{"maxconn":{"limit":{"value":1e400},"x":{}},"user":{ },"event":{"kind":null,"a":[1]} }"#;
        assert_eq!(
            enriched(record, &event(), &Extras::default()),
            alloc::format!(
                r#"{{"maxconn":{{"limit":{{"value":1e400,"name":"mail_max_userip_connections","scope":"user+ip"}},"x":{{}},{REST}}},"user":{{ "name":"ann"}},"event":{{"kind":null,"a":[1],{}}} ,{}}}"#,
                &EVENT[r#""event":{"kind":"event","#.len()..EVENT.len() - 1],
                MIDDLE.replace(r#""user":{"name":"ann"},"#, ""),
            )
        );
    }

    #[test]
    fn overwrites_no_dotted_leaf() {
        let record = r#"{"user.name":"x","source.ip.raw":1,"maxconn":{"limit.name":2},"maxconn.limit":{"value":3},"tls":{"established":false}}"#;
        let text = enriched(record, &event(), &Extras::default());
        assert!(!text.contains(r#""user":{"#), "{text}");
        assert!(text.contains(r#""source":{"port":4000}"#), "{text}");
        assert!(
            text.contains(r#""tls":{"established":false,"version":"1.3"}"#),
            "{text}"
        );
        assert!(
            text.contains(r#""maxconn":{"limit.name":2,"limit":{"scope":"user+ip"},"#),
            "{text}"
        );
    }

    #[test]
    fn names_the_groups_that_scalars_keep_out() {
        let record = r#"{"user":"x","source":[],"maxconn":{"limit":null},"host":"mail1"}"#;
        let text = enriched(record, &event(), &Extras::default());
        assert!(
            text.contains(r#""skipped":["user","source","maxconn.limit"]"#),
            "{text}"
        );
        assert!(
            text.contains(r#""maxconn":{"limit":null,"session""#),
            "{text}"
        );
        let text = enriched(r#"{"user":"x","maxconn":1}"#, &event(), &Extras::default());
        assert!(
            !text.contains("skipped") && text.contains(r#""maxconn":1,"event""#),
            "{text}"
        );
        // Nothing of ours is kept out where the event has nothing to say.
        let quiet = Event {
            security: Security::None,
            ..event()
        };
        assert!(!enriched(r#"{"tls":1}"#, &quiet, &Extras::default()).contains("skipped"));
    }

    #[test]
    fn adds_to_the_last_of_two_groups() {
        let record = r#"{"maxconn":{"limit":{"value":1}},"maxconn":{"limit":{}}}"#;
        let text = enriched(record, &event(), &Extras::default());
        assert!(text.starts_with(r#"{"maxconn":{"limit":{"value":1}},"maxconn":{"limit":{"name""#));
        let record = r#"{"maxconn":{"limit":{"value":1}},"maxconn":{}}"#;
        let text = enriched(record, &event(), &Extras::default());
        assert!(
            text.contains(r#"{"value":1}},"maxconn":{"limit":{"name""#),
            "{text}"
        );
    }

    #[test]
    fn hides_the_user_everywhere() {
        let redactor = Redactor::new("a key of some length");
        let hash = redactor.hash("ann");
        let extras = Extras {
            redactor: Some(&redactor),
            ..Extras::default()
        };
        let text = enriched(
            r#"{"message":"user=<ann>, rip","user":{"name":"ann"}}"#,
            &event(),
            &extras,
        );
        assert!(!text.contains("ann"), "{text}");
        assert!(
            text.contains(&alloc::format!(r#"{{"message":"user=<{hash}>, rip""#)),
            "{text}"
        );
        assert!(
            text.contains(&alloc::format!(r#""hash":"{hash}""#)),
            "{text}"
        );
        assert!(
            text.contains(&alloc::format!(r#""user":["{hash}"]"#)),
            "{text}"
        );
    }

    #[test]
    fn leaves_malformed_records_alone() {
        let context = Context {
            time_ms: 0,
            host: None,
            message: "",
            record_bytes: 0,
        };
        let redactor = Redactor::new("key");
        for extras in [
            Extras::default(),
            Extras {
                redactor: Some(&redactor),
                ..Extras::default()
            },
        ] {
            let mut out = Vec::new();
            for record in [
                "",
                "[]",
                "{",
                "{\"a\":nan}",
                "{} x",
                "{\"user\":{\"a\":01}}",
            ] {
                assert!(
                    !enrich(record.as_bytes(), &event(), &context, &extras, &mut out),
                    "{record}"
                );
                assert!(out.is_empty());
            }
            assert!(enrich(
                b"{\"a\":\"\xff\"}",
                &event(),
                &context,
                &extras,
                &mut out
            ));
            assert!(out.starts_with("{\"a\":\"\u{fffd}\",".as_bytes()));
        }
    }
}
