//! What is counted of deliveries, for whoever shows it.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// The bounds of the histogram of delays, in seconds.
const DELAYS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// All counters; clones share them.
#[derive(Clone)]
pub struct Meter {
    /// Bytes that the next hop has taken.
    pub bytes: Counter,
    /// Deliveries that failed and were made again.
    pub retries: Counter,
    /// Documents that the next hop refused for good.
    pub dead_letters: Counter,
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
            up,
            duration: Histogram::new(DELAYS),
            trouble: Arc::default(),
        }
    }

    /// A delivery failed because of this.
    pub fn failed(&self, why: &'static str) {
        self.retries.inc();
        self.up.set(0);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
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
            _ => *self.trouble.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}
