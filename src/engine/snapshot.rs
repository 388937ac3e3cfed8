//! Snapshots and restores the whole table, and takes it to another configuration the same way.
//!
//! The format: `MXCN`, the format's number (u32, little endian), a 64-bit checksum of the rest, then the head
//! and one key after the other (see `codec`), the longest silent first, so that recency survives.

use alloc::string::String;
use alloc::vec::Vec;

use super::Engine;
use super::clock::Clock;
use super::floods::{Call, Floods, Limit};
use super::output::Output;
use super::periods::Periods;
use super::plan::rule_identity;
use super::queue::Queue;
use super::statistics::Statistics;
use super::streams::Streams;
use crate::alert::Alert;
use crate::config::Rule;
use crate::detector::{EndReason, KeyState, Transition};
use crate::hash::hash128;
use crate::sentence::Part::Number;
use crate::sentence::say;
use maxconn_records::codec;
use maxconn_records::codec::{Codec, Tape};

const MAGIC: &[u8; 4] = b"MXCN";
/// The number of the state format. It changes with every change of what is serialised.
pub const STATE_FORMAT: u32 = 9;
const HASH_CHECKSUM: u8 = 40;

/// The tape of a state in a format that this version reads: its own, or the one before.
pub(super) fn tape_of(format: u32, bytes: &[u8]) -> Option<Tape<'_>> {
    match format {
        STATE_FORMAT => Some(Tape::of(bytes)),
        _ if format == STATE_FORMAT - 1 => Some(Tape::of_earlier(bytes)),
        _ => None,
    }
}

/// Why a snapshot was not restored; the state in force is unchanged then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// Not a snapshot of ours.
    Foreign,
    /// A state format that this version does not read.
    Format(u32),
    /// Damaged: its checksum or its contents do not hold.
    Damaged,
}

impl core::fmt::Display for RestoreError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (problem, mend) = self.say();
        out.write_str(&problem)?;
        out.write_str("; ")?;
        out.write_str(mend)
    }
}

impl RestoreError {
    /// What is wrong, and how to mend it.
    pub fn say(&self) -> (String, &'static str) {
        match self {
            RestoreError::Foreign => (
                String::from("this is not a snapshot of maxconn"),
                "start without it",
            ),
            RestoreError::Format(format) => {
                let formats = [*format, STATE_FORMAT - 1, STATE_FORMAT];
                let problem = say(
                    "the snapshot has state format %0, this version reads %1 and %2",
                    &formats.map(|format| Number(u64::from(format))),
                );
                (problem, "start without it or use the version that wrote it")
            }
            RestoreError::Damaged => (
                String::from("the snapshot is damaged"),
                "start without it or from an older one",
            ),
        }
    }
}

impl core::error::Error for RestoreError {}

/// All but the keys.
#[derive(Default)]
struct Head {
    clock: Clock,
    tick_base_ms: Option<i64>,
    next_statistics_ms: Option<i64>,
    statistics: Statistics,
    evictions: u64,
    seed: u64,
    queue: Option<Queue>,
    /// What tells one redaction from another, and from none: see [`Floods::redaction`].
    redaction: String,
    rules: Vec<KnownRule>,
    keys: u32,
}

/// What must be known of a rule to go on with its keys.
#[derive(Default)]
struct KnownRule {
    name: String,
    identity: u128,
    within_ms: i64,
    distinct: Option<(String, u16)>,
}

codec!(KnownRule: name, identity, within_ms, distinct);

impl<'a> Codec<'a> for Head {
    fn blank() -> Head {
        Head::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.clock.pass(tape);
        self.tick_base_ms.pass(tape);
        self.next_statistics_ms.pass(tape);
        self.statistics.pass(tape);
        self.evictions.pass(tape);
        self.seed.pass(tape);
        self.queue.pass(tape);
        self.redaction.pass(tape);
        self.rules.pass(tape);
        self.keys.pass(tape);
    }
}

impl KnownRule {
    fn new(rule: &Rule) -> KnownRule {
        KnownRule {
            name: rule.name.clone(),
            identity: rule_identity(&rule.name, &rule.key),
            within_ms: rule.within_ms,
            distinct: rule
                .distinct
                .map(|distinct| (String::from(distinct.field.name()), distinct.at_least)),
        }
    }
}

/// Records that are remembered as they came: the last of each stream, and one that was not recognised.
type Seen = (Streams, Option<String>);
/// What is not the floods'.
type Beside = (Seen, Periods);

/// A state on its way from one configuration to another.
pub(super) struct State {
    head: Head,
    keys: Vec<(u128, u8, KeyState)>,
}

impl Engine {
    /// Everything that is needed to go on elsewhere as if nothing had happened. Here nothing changes: the walk
    /// over the state is the one that reads it back, hence `mut`.
    pub fn snapshot(&mut self) -> Vec<u8> {
        self.snapshot_in(Vec::new())
    }

    /// The same, in memory that is there.
    pub fn snapshot_in(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.clear();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&STATE_FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        let mut tape = Tape::after(bytes);
        let mut head = self.take_head();
        head.pass(&mut tape);
        match self.floods.redactor {
            // There are names in them.
            Some(_) => Seen::default().pass(&mut tape),
            None => {
                self.streams.pass(&mut tape);
                self.unrecognised.pass(&mut tape);
            }
        }
        self.periods.pass(&mut tape);
        (self.statistics, self.floods.outbox.queue) = (head.statistics, head.queue);
        let table = &mut self.floods.table;
        let slots: Vec<_> = table.slots().collect();
        for slot in slots {
            if let Some(entry) = table.entry_mut(slot) {
                entry.hash.pass(&mut tape);
                entry.rule.pass(&mut tape);
                entry.state.pass(&mut tape);
            }
        }
        let mut bytes = tape.into_written();
        let checksum = hash128(HASH_CHECKSUM, bytes.get(16..).unwrap_or_default()) as u64;
        if let Some(place) = bytes.get_mut(8..16) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
        bytes
    }

    /// Goes on from a snapshot. Floods whose rule is gone or has another key end (`reconfigured`).
    ///
    /// # Errors
    /// See [`RestoreError`]; nothing has changed then.
    pub fn restore(&mut self, snapshot: &[u8], out: &mut Output) -> Result<(), RestoreError> {
        let (state, (seen, periods)) = read(snapshot)?;
        (self.streams, self.unrecognised) = seen;
        self.periods = periods;
        self.put_state(state, out);
        Ok(())
    }

    /// The head. Statistics and waiting alerts are moved there, for they may be large.
    fn take_head(&mut self) -> Head {
        let floods = &mut self.floods;
        Head {
            clock: floods.clock.clone(),
            tick_base_ms: floods.tick_base_ms,
            next_statistics_ms: self.next_statistics_ms,
            statistics: core::mem::take(&mut self.statistics),
            evictions: floods.table.evictions(),
            seed: floods.table.current_seed(),
            queue: floods.outbox.queue.take(),
            redaction: floods.redaction(),
            rules: self.config.rules.iter().map(KnownRule::new).collect(),
            keys: floods.table.len() as u32,
        }
    }

    /// Takes the state out, for another configuration. The engine is empty until it is put back.
    pub(super) fn take_state(&mut self) -> State {
        let queues = self.floods.outbox.queue.is_some();
        let head = self.take_head();
        self.floods.outbox.queue = queues.then(Queue::default);
        let table = &mut self.floods.table;
        let slots: Vec<_> = table.slots().collect();
        let keys = slots.into_iter().filter_map(|slot| {
            let entry = table.entry_mut(slot)?;
            Some((entry.hash, entry.rule, core::mem::take(&mut entry.state)))
        });
        State {
            head,
            keys: keys.collect(),
        }
    }

    /// Goes on from a state under the configuration in force. If that writes users in another form (redacted or
    /// not, or by another key), floods end (`reconfigured`) without the names they have, and waiting alerts are
    /// dropped: none of them may show a name that is to be hidden.
    pub(super) fn put_state(&mut self, state: State, out: &mut Output) {
        let State { head, keys } = state;
        let queues = self.floods.outbox.queue.is_some();
        self.floods = Floods::new(&self.config);
        let floods = &mut self.floods;
        let keeps_users = head.redaction == floods.redaction();
        if floods.redactor.is_some() {
            self.unrecognised = None;
        }
        floods.clock = head.clock;
        floods.tick_base_ms = head.tick_base_ms;
        self.statistics = head.statistics;
        floods.outbox.queue = queues.then(|| {
            let mut queue = head.queue.unwrap_or_default();
            if !keeps_users {
                queue.forget_alerts();
            }
            queue
        });
        floods.table.resume(head.seed, head.evictions);
        self.next_statistics_ms = head.next_statistics_ms;
        let at_ms = floods.believed_ms(&self.config).unwrap_or(0);

        let successors: Vec<_> = head
            .rules
            .iter()
            .map(|known| {
                let same = |rule: &Rule| rule_identity(&rule.name, &rule.key) == known.identity;
                let number = self.config.rules.iter().position(same)?;
                let now = KnownRule::new(self.config.rules.get(number)?);
                Some((
                    number,
                    now.within_ms == known.within_ms && now.distinct == known.distinct,
                ))
            })
            .collect();
        let mut call = Call::new(&self.config, &mut self.statistics, out, Limit::None);
        for (hash, rule, mut key) in keys {
            let successor = successors.get(usize::from(rule)).copied().flatten();
            if !keeps_users {
                key.forget_users();
            }
            match successor.filter(|_| keeps_users || key.flood().is_none()) {
                Some((number, keeps_window)) => {
                    if !keeps_window {
                        key.forget_window();
                    }
                    let slot = floods.table.insert(hash, number as u8, key);
                    floods.arm(&self.config, slot);
                }
                None => {
                    let name = head
                        .rules
                        .get(usize::from(rule))
                        .map_or("", |known| &known.name);
                    let end = (Transition::End(EndReason::Reconfigured), at_ms);
                    if let Some(alert) = Alert::of(&mut key, &self.config, name, end, 0.0) {
                        floods.outbox.send(&mut call, &alert);
                    }
                }
            }
        }
        while floods.table.floods() > self.config.max_floods
            && let Some(quietest) = floods.table.quietest_flood()
        {
            floods.tell(
                &mut call,
                quietest,
                Transition::End(EndReason::Evicted),
                at_ms,
            );
        }
    }
}

impl Floods {
    /// Something that differs with the key that users are redacted with; empty without one.
    pub(super) fn redaction(&self) -> String {
        self.redactor
            .as_deref()
            .map_or_else(String::new, |redactor| redactor.hash("maxconn"))
    }
}

fn read(snapshot: &[u8]) -> Result<(State, Beside), RestoreError> {
    let rest = snapshot.strip_prefix(MAGIC).ok_or(RestoreError::Foreign)?;
    let (format, rest) = rest.split_first_chunk::<4>().ok_or(RestoreError::Damaged)?;
    let format = u32::from_le_bytes(*format);
    if tape_of(format, rest).is_none() {
        return Err(RestoreError::Format(format));
    }
    let (checksum, rest) = rest.split_first_chunk::<8>().ok_or(RestoreError::Damaged)?;
    if hash128(HASH_CHECKSUM, rest) as u64 != u64::from_le_bytes(*checksum) {
        return Err(RestoreError::Damaged);
    }
    let mut tape = tape_of(format, rest).ok_or(RestoreError::Format(format))?;
    let mut head = Head::blank();
    head.pass(&mut tape);
    let mut seen = Seen::default();
    seen.pass(&mut tape);
    let mut periods = Periods::default();
    if !tape.is_earlier() {
        periods.pass(&mut tape);
    }
    let mut keys = Vec::new();
    while keys.len() < head.keys as usize && tape.is_good() {
        let mut key = (0, 0, KeyState::default());
        key.0.pass(&mut tape);
        key.1.pass(&mut tape);
        key.2.pass(&mut tape);
        keys.push(key);
    }
    if !tape.is_read_well() {
        return Err(RestoreError::Damaged);
    }
    Ok((State { head, keys }, (seen, periods)))
}
