//! The world around the process: time, chance, connections, the disk, and what was seen of all.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::disk::Disk;
use super::oracle::Oracle;
use super::plan::{Plan, Weather};
use super::stream::{End, Link};
use crate::generate::random::Random;

/// The time at which every simulation begins: 2026-03-02 08:00 UTC, in ms.
const BEGIN_MS: i64 = 1_772_438_400_000;

/// Everything but the process.
pub struct World {
    pub random: Random,
    pub plan: Plan,
    pub disk: Disk,
    pub oracle: Oracle,
    /// Which process runs; 0 before the first.
    pub life: u32,
    /// The process has been killed: nothing that it still does has an effect.
    pub is_killed: bool,
    pub killed: Arc<Notify>,
    pub links: Vec<Weak<Mutex<Link>>>,
    pub listeners: BTreeMap<String, UnboundedSender<End>>,
    /// When it was started, and when it was killed, in ms of the simulation.
    pub born_ms: i64,
    pub died_ms: i64,
    /// It was by a power cut.
    pub is_power_cut: bool,
    /// What went wrong first.
    pub violation: Option<String>,
    pub trace: Vec<String>,
    calls: u64,
    events: u64,
    born: Option<Instant>,
    before_ms: i64,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random);
        World {
            disk: Disk::new(),
            oracle: Oracle::new(&plan),
            random,
            plan,
            life: 0,
            is_killed: false,
            born_ms: 0,
            died_ms: 0,
            is_power_cut: false,
            killed: Arc::default(),
            links: Vec::new(),
            listeners: BTreeMap::new(),
            violation: None,
            trace: Vec::new(),
            calls: 0,
            events: 0,
            born: None,
            before_ms: 0,
        }
    }

    /// ms since the simulation began.
    pub fn elapsed_ms(&self) -> i64 {
        let born = self.born.map_or(0, |it| it.elapsed().as_millis() as i64);
        self.before_ms + born
    }

    /// The time that clocks on walls show.
    pub fn now_ms(&self) -> i64 {
        BEGIN_MS + self.elapsed_ms()
    }

    /// A process starts, within a runtime whose clock begins anew.
    pub fn begin_life(&mut self) {
        self.born = Some(Instant::now());
        self.born_ms = self.elapsed_ms();
        self.life += 1;
        self.is_killed = false;
        self.killed = Arc::default();
        self.disk.countdown = None;
        self.links.clear();
        self.listeners.clear();
        self.note(&format!("process {} starts", self.life));
    }

    /// Within the runtime still.
    pub fn end_life(&mut self) {
        self.before_ms = self.elapsed_ms();
        self.born = None;
    }

    pub fn note(&mut self, what: &str) {
        // What the folder is called is different each time.
        let what = what.replace(&self.disk.folder.display().to_string(), "");
        let line = format!("{:>8} ms  {what}", self.elapsed_ms());
        self.trace.push(line);
    }

    /// Something that must not be.
    pub fn violate(&mut self, what: String) {
        self.note(&format!("VIOLATION: {what}"));
        self.violation.get_or_insert(what);
    }

    /// How long this process has lived.
    pub fn life_ms(&self) -> i64 {
        self.elapsed_ms() - self.before_ms
    }

    /// The disk fills and empties.
    pub fn look_at_disk(&mut self) {
        let now = self.elapsed_ms();
        let is_full = self
            .plan
            .full
            .iter()
            .any(|(from, to)| (*from..*to).contains(&now));
        if is_full != self.disk.is_full {
            self.note(if is_full {
                "disk is full"
            } else {
                "disk has room"
            });
            self.disk.is_full = is_full;
        }
        if is_full {
            self.disk.full_at_ms = now;
        }
    }

    /// The disk was full just now, which may be why something was not written.
    pub fn was_disk_full(&self) -> bool {
        self.disk.is_full || self.elapsed_ms() - self.disk.full_at_ms < 5000
    }

    /// Nothing fails any more.
    pub fn is_calm(&self) -> bool {
        self.elapsed_ms() >= self.plan.active_ms
    }

    /// How the next hop is now.
    pub fn weather(&self) -> Weather {
        let now = self.elapsed_ms();
        let mut all = self.plan.weather.iter();
        let storm = all.find(|(from, to, _)| (*from..*to).contains(&now));
        storm.map_or(Weather::default(), |it| it.2)
    }

    /// The place of something among all that happened.
    pub fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    /// A number for a connection.
    pub fn next_link(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.random.below(to - from + 1)
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.random.below(100) < percent
    }
}
