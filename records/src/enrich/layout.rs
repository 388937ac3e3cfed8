//! Finds which of our fields a record has, and where the objects that we add to close.

use core::ops::Range;

use super::fields::{FIELDS, GROUPS, Group, Leaf};
use crate::bytes::equal;
use crate::json::scan::{JsonType, Malformed, Scanner};

#[derive(Clone, Copy, Debug)]
enum Node {
    Leaf(Leaf),
    Group(Group),
}

/// What of our fields a record has.
#[derive(Debug, Default)]
pub(super) struct Layout {
    /// The bits of the leaves that are there.
    pub(super) present: u64,
    /// The bits of the groups in whose place something else stands.
    blocked: u32,
    /// By group: the position of its closing brace, if it is there as a nested object. 0 is none.
    closings: [usize; GROUPS],
    /// The bits of the groups that are there and have members.
    filled: u32,
    /// Where a text stands in the place of the user.
    pub(super) user: Option<Range<usize>>,
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
            for inner in Group::ALL {
                if inner.parent() == group {
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
                    self.present |= leaf.bit();
                    scanner.skip_value()?;
                }
                Some((Node::Group(inner), dotted)) => {
                    if scanner.kind()? == JsonType::Object {
                        self.object(scanner, inner, nested && !dotted)?;
                    } else {
                        self.blocked |= 1 << inner as u8;
                        let is_text = scanner.kind()? == JsonType::String;
                        let range = scanner.skip_value()?;
                        if inner == Group::User && nested && !dotted && is_text {
                            self.user = Some(range);
                        }
                    }
                }
            }
        }
        if nested {
            self.closings[group as usize] = scanner.position() - 1;
            self.filled &= !(1 << group as u8);
            self.filled |= u32::from(filled) << group as u8;
        }
        Ok(())
    }

    /// Takes a text in the place of the user for the user's name.
    pub(super) fn name_user(&mut self, leaf: Leaf) {
        self.blocked &= !(1 << Group::User as u8);
        self.present |= leaf.bit();
    }

    pub(super) fn is_blocked(&self, group: Group) -> bool {
        self.blocked >> group as u8 & 1 == 1
    }

    /// Whether a group is there and has members.
    pub(super) fn is_filled(&self, group: Group) -> bool {
        self.filled >> group as u8 & 1 == 1
    }

    /// The groups that are there, each with the position of its closing brace, in order.
    pub(super) fn places<'p>(
        &self,
        places: &'p mut [(usize, Group); GROUPS],
    ) -> &'p [(usize, Group)] {
        let groups = [Group::Root].iter().chain(Group::ALL);
        let there = groups.filter(|group| self.is_there(**group));
        let mut count = 0;
        for group in there {
            let mut new = (self.closings[*group as usize], *group);
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

    /// The group that is there in which what is missing of `group` goes: itself, or the next around it.
    pub(super) fn innermost(&self, mut group: Group) -> Group {
        while group != Group::Root && !self.is_there(group) {
            group = group.parent();
        }
        group
    }
}

/// What a key in a group means to us, and whether it took dots to say so. A dotted key that goes on
/// behind a leaf (`source.ip.raw`) takes the leaf's place.
fn find(group: Group, key: &[u8]) -> Option<(Node, bool)> {
    let named = |name: &[u8]| {
        for (leaf, home, key) in FIELDS {
            if *home == group && equal(key.as_bytes(), name) {
                return Some(Node::Leaf(*leaf));
            }
        }
        let is_named =
            |inner: &&Group| inner.parent() == group && equal(inner.name().as_bytes(), name);
        Group::ALL
            .iter()
            .find(is_named)
            .map(|inner| Node::Group(*inner))
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
