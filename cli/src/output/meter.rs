//! Counts deliveries and what becomes of them.

use std::sync::{Arc, Mutex};

use crate::lock::lock;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// The bounds of the histogram of delays, in seconds.
const DELAYS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// What is known of a document that a store may have already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// Nothing: it is new, as far as this process goes.
    New,
    /// Its delivery came before, and may have arrived.
    Repeated,
    /// It was sent, and the answer did not come or says nothing of it.
    Tried,
}

impl History {
    fn label(self) -> Label {
        let word = match self {
            History::New => "nothing",
            History::Repeated => "repeat",
            History::Tried => "retry",
        };
        [("known", word)]
    }
}

/// How a counter by what is known of a document is called.
pub type Label = [(&'static str, &'static str); 1];

/// All counters; clones share them.
#[derive(Clone)]
pub struct Meter {
    /// Bytes that the next hop has taken.
    pub bytes: Counter,
    /// Deliveries that failed and were made again.
    pub retries: Counter,
    /// Documents that the next hop refused for good.
    pub dead_letters: Counter,
    /// Documents whose id a store had already, by what is known of them.
    pub conflicts: Family<Label, Counter>,
    /// The last delivery succeeded: 1, or failed: 0.
    pub up: Gauge,
    /// How long a delivery took, tries included, in seconds.
    pub duration: Histogram,
    /// What is wrong with the next hop, in words that are fit for senders.
    trouble: Arc<Mutex<&'static str>>,
}

impl Meter {
    /// All at nought, and nothing failed yet.
    pub fn new() -> Meter {
        let up = Gauge::default();
        up.set(1);
        Meter {
            bytes: Counter::default(),
            retries: Counter::default(),
            dead_letters: Counter::default(),
            conflicts: Family::default(),
            up,
            duration: Histogram::new(DELAYS),
            trouble: Arc::default(),
        }
    }

    /// A store had a document with this id already.
    pub fn conflict(&self, history: History) {
        self.conflicts.get_or_create(&history.label()).inc();
    }

    /// How often that was so.
    pub fn all_conflicts(&self) -> u64 {
        let all = [History::New, History::Repeated, History::Tried];
        let of = |history: History| self.conflicts.get_or_create(&history.label()).get();
        all.into_iter().map(of).sum()
    }

    /// A delivery failed because of this.
    pub fn failed(&self, why: &'static str) {
        self.retries.inc();
        self.up.set(0);
        *lock(&self.trouble) = why;
    }

    /// One of so many bytes succeeded.
    pub fn succeeded(&self, bytes: usize, seconds: f64) {
        self.up.set(1);
        self.duration.observe(seconds);
        self.bytes.inc_by(bytes as u64);
    }

    /// What is wrong with the next hop if it takes nothing.
    pub fn trouble(&self) -> &'static str {
        match self.up.get() {
            // The first try goes on.
            1 => "it has not answered yet",
            _ => *lock(&self.trouble),
        }
    }
}
