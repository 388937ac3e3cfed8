//! Keeps who and what was seen in a flood: bounded lists of values beside the count of all of them.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::Sighting;
use super::distinct::Sketch;
use crate::config::{Distinct, KeyField, Rule};
use crate::event::Stage;
use crate::hash::quick64;
use crate::recognisers::{is_in_keys, named};
use crate::text::clipped;
use maxconn_records::bytes::equal;
use maxconn_records::codec::{Codec, Tape, variant};

/// How many different users, addresses and hosts of a flood are named.
pub const MAX_NAMED: usize = 10;

/// How many bytes of a name (user, host, service …) are kept.
pub const MAX_NAME_BYTES: usize = 255;

/// The values that were seen in a flood; strings are as they go into documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Users (or their hashes under redaction).
    pub users: Named<String>,
    /// Client addresses.
    pub ips: Named<IpAddr>,
    /// Hosts that logged.
    pub hosts: Named<String>,
    /// Session ids.
    pub sessions: Sketch,
    /// Whether there may be more, seen before the flood opened.
    sessions_before: bool,
    /// The module, the limit's name and its scope, as the crossing event has them.
    pub module: String,
    /// The limit's name.
    pub limit: String,
    /// The number of its scope.
    pub scope: u8,
    /// The number of the stage, counted from 1, in the crossing event; 0: not known.
    pub stage: u8,
    /// The limit's value in the last event that has one.
    pub limit_value: Option<u64>,
    /// The services, while there is one only.
    pub service: Same<String>,
    /// The server addresses, while there is one only.
    pub destination: Same<IpAddr>,
    /// Whether every event came from the server's own address.
    pub all_local: bool,
}

/// A bounded list of values beside the count of all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// The first [`MAX_NAMED`] values, each with its hash.
    first: Vec<(u64, T)>,
    /// The hash of the value seen last, so that a flood of one value costs one comparison.
    last: u64,
    /// How many there are.
    pub sketch: Sketch,
    /// Whether there may be more, seen before the flood opened.
    is_floor: bool,
}

impl<T> Default for Named<T> {
    fn default() -> Named<T> {
        Named {
            first: Vec::new(),
            last: 0,
            sketch: Sketch::default(),
            is_floor: false,
        }
    }
}

impl<T> Named<T> {
    fn add(&mut self, hash: u64, make: impl FnOnce() -> T) {
        if self.last == hash && !self.first.is_empty() {
            return;
        }
        self.last = hash;
        self.sketch.add(hash);
        if self.first.len() < MAX_NAMED && !self.first.iter().any(|(named, _)| *named == hash) {
            self.first.push((hash, make()));
        }
    }

    /// How many there are, and whether that is exact.
    pub fn count(&self) -> (u64, bool) {
        let (count, is_exact) = self.sketch.count();
        (count, is_exact && !self.is_floor)
    }

    /// Counts values that were seen before, of which no more than `limit` are known.
    fn recall(&mut self, hashes: impl Iterator<Item = u64>, limit: usize) {
        let mut known = 0;
        hashes.take(limit).for_each(|hash| {
            self.sketch.add(hash);
            known += 1;
        });
        self.is_floor = known >= limit;
    }

    /// The first values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + Clone {
        self.first.iter().map(|(_, value)| value)
    }

    /// The value, if there was exactly one.
    pub fn only(&self) -> Option<&T> {
        match self.first.as_slice() {
            [(_, value)] if self.count() == (1, true) => Some(value),
            _ => None,
        }
    }
}

/// A value as long as it is the same for all events that have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Same<T> {
    /// No event had one.
    #[default]
    None,
    /// All events that had one had this.
    One(T),
    /// Different ones were seen.
    Many,
}

impl<T> Same<T> {
    fn add(&mut self, is_same: impl FnOnce(&T) -> bool, make: impl FnOnce() -> T) {
        match self {
            Same::None => *self = Same::One(make()),
            Same::One(value) if !is_same(value) => *self = Same::Many,
            Same::One(_) | Same::Many => {}
        }
    }

    /// The value, if there is one only.
    pub fn one(&self) -> Option<&T> {
        match self {
            Same::One(value) => Some(value),
            Same::None | Same::Many => None,
        }
    }
}

impl Seen {
    /// How far the clients had come, where that is known.
    pub fn stage(&self) -> Option<Stage> {
        usize::from(self.stage)
            .checked_sub(1)
            .and_then(Stage::numbered)
    }

    /// Whether it is one of the servers of whose floods the scope says the most.
    pub fn is_of_server(&self) -> bool {
        is_in_keys(&self.module) && named(&self.module).is_some()
    }

    /// Whether strangers come to the server to guess passwords, which fills it.
    pub fn is_of_guessed(&self) -> bool {
        named(&self.module).is_some_and(|server| server.is_guessed)
    }

    /// Forgets what names users.
    pub fn forget_users(&mut self) {
        self.users.first.clear();
    }

    /// What is known from the crossing event.
    pub fn new(sighting: &Sighting<'_>) -> Seen {
        let event = sighting.event;
        Seen {
            module: clipped(event.module, MAX_NAME_BYTES),
            limit: clipped(event.limit, MAX_NAME_BYTES),
            scope: event.scope as u8,
            stage: event.stage.map_or(0, |stage| stage as u8 + 1),
            all_local: true,
            ..Seen::default()
        }
    }

    /// Says that there were events before the crossing one, whose values are not kept: what the rule's key holds was
    /// the same in all of them, of the rest there may have been more than will be counted.
    pub fn began_earlier(&mut self, rule: &Rule, sighting: &Sighting<'_>, is_one_host: bool) {
        let may_differ =
            |field: KeyField| !rule.key.contains(&field) && sighting.hashes.get(field).is_some();
        self.users.is_floor = may_differ(KeyField::User);
        self.ips.is_floor = may_differ(KeyField::Ip);
        self.hosts.is_floor = may_differ(KeyField::Host) && !is_one_host;
        self.sessions_before = true;
    }

    /// How many sessions there were, and whether that is exact.
    pub fn session_count(&self) -> (u64, bool) {
        let (count, is_exact) = self.sessions.count();
        (count, is_exact && (count == 0 || !self.sessions_before))
    }

    /// Counts the values of the rule's `distinct` field that were seen before the flood opened. Their names
    /// are not known any more, and of their number only that it is `at_least` or more.
    pub fn recall(&mut self, distinct: Distinct, hashes: impl Iterator<Item = u64>) {
        let limit = usize::from(distinct.at_least);
        match distinct.field {
            KeyField::User => self.users.recall(hashes, limit),
            KeyField::Ip => self.ips.recall(hashes, limit),
            KeyField::Host => self.hosts.recall(hashes, limit),
            _ => {}
        }
    }

    pub(super) fn note(&mut self, sighting: &Sighting<'_>) {
        let (event, hashes) = (sighting.event, sighting.hashes);
        if let (Some(user), Some(hash)) = (event.user, hashes.user) {
            self.users.add(hash as u64, || match sighting.redactor {
                Some(redactor) => redactor.hash(user),
                None => clipped(user, MAX_NAME_BYTES),
            });
        }
        if let (Some(source), Some(hash)) = (&event.source, hashes.ip) {
            self.ips.add(hash as u64, || source.ip);
        }
        if let (Some(host), Some(hash)) = (sighting.context.host, hashes.host) {
            self.hosts
                .add(hash as u64, || clipped(host, MAX_NAME_BYTES));
        }
        if let Some(session) = event.session {
            self.sessions.add(quick64(session));
        }
        if let Some(service) = event.service {
            self.service.add(
                |same| equal(same.as_bytes(), clip(service).as_bytes()),
                || clipped(service, MAX_NAME_BYTES),
            );
        }
        if let Some(destination) = &event.destination {
            self.destination
                .add(|same| *same == destination.ip, || destination.ip);
        }
        self.limit_value = event.limit_value.or(self.limit_value);
        self.all_local &= event.is_local();
    }
}

fn clip(name: &str) -> &str {
    crate::text::clip(name, MAX_NAME_BYTES)
}

impl<'a> Codec<'a> for Seen {
    fn blank() -> Seen {
        Seen::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.users.pass(tape);
        self.ips.pass(tape);
        self.hosts.pass(tape);
        self.sessions.pass(tape);
        self.sessions_before.pass(tape);
        self.module.pass(tape);
        self.limit.pass(tape);
        self.scope.pass(tape);
        self.limit_value.pass(tape);
        self.service.pass(tape);
        self.destination.pass(tape);
        self.all_local.pass(tape);
        self.stage.pass(tape);
    }
}

impl<'a, T: Codec<'a>> Codec<'a> for Named<T> {
    fn blank() -> Named<T> {
        Named::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.first.pass(tape);
        self.last.pass(tape);
        self.sketch.pass(tape);
        self.is_floor.pass(tape);
    }
}

impl<'a, T: Codec<'a>> Codec<'a> for Same<T> {
    fn blank() -> Same<T> {
        Same::None
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        let number = match self {
            Same::None => 0,
            Same::One(_) => 1,
            Same::Many => 2,
        };
        match variant(tape, number, 2) {
            0 => *self = Same::None,
            1 => {
                if !matches!(self, Same::One(_)) {
                    *self = Same::One(T::blank());
                }
                if let Same::One(value) = self {
                    value.pass(tape);
                }
            }
            _ => *self = Same::Many,
        }
    }
}
