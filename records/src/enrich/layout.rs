//! Which objects and leaves we add, in which order; and which of them a record has.

use crate::json::scan::{Kind, Malformed, Scanner};

/// An object that we add to. The root's groups, then those of `maxconn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Group {
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

pub(super) const GROUPS: usize = 13;

/// A field that we add; its number is its bit in the sets of leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Leaf {
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
pub(super) enum Node {
    Leaf(Leaf),
    Group(Group),
}

/// The members of a group, in the order in which they are written.
pub(super) const fn contents(group: Group) -> &'static [(&'static str, Node)] {
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
pub(super) const SKIPPABLE: [(Group, &str); 11] = [
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
pub(super) const LEAVES: [u64; GROUPS] = {
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
pub(super) struct Layout {
    /// The bits of the leaves that are there.
    pub(super) present: u64,
    /// The bits of the groups in whose place something else stands.
    blocked: u16,
    /// By group: the position of its closing brace, if it is there as a nested object. 0 is none.
    closings: [usize; GROUPS],
    /// The bits of the groups that are there and have members.
    pub(super) filled: u16,
}

impl Layout {
    pub(super) fn of(record: &[u8]) -> Result<Layout, Malformed> {
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

    pub(super) fn is_blocked(&self, group: Group) -> bool {
        self.blocked >> group as u8 & 1 == 1
    }

    /// The groups that are there, each with the position of its closing brace, in order.
    pub(super) fn places<'p>(
        &self,
        places: &'p mut [(usize, Group); GROUPS],
    ) -> &'p [(usize, Group)] {
        let groups = [Group::Root, Group::Maxconn].into_iter();
        let groups = groups.chain(SKIPPABLE.iter().map(|(group, _)| *group));
        let there = groups.filter(|group| self.is_there(*group));
        let mut count = 0;
        for group in there {
            let mut new = (self.closings[group as usize], group);
            // Each goes to its place among those before it: there are few.
            for place in places.iter_mut().take(count) {
                if new.0 < place.0 {
                    core::mem::swap(place, &mut new);
                }
            }
            if let Some(place) = places.get_mut(count) {
                *place = new;
                count += 1;
            }
        }
        places.get(..count).unwrap_or_default()
    }

    /// Whether a group is there as a nested object.
    pub(super) fn is_there(&self, group: Group) -> bool {
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
