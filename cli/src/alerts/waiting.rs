//! What waits for an output, of either kind, and how it is kept over a restart: lines of JSON, each with the output's name.

use std::sync::Mutex;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::alert::Alert;
use super::board::Entry;
use super::meter::Meter;
use crate::lock::lock;

/// An alert on its way.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is known by until it is taken.
    pub place: u64,
    /// What is sent.
    pub alert: Alert,
}

/// What an output is still to be told: alerts one by one, or all that fires.
pub trait Content: Send {
    /// An alert was made; answers how many had to go for it.
    fn push(&mut self, alert: &Alert) -> u64;

    /// The first alerts that are due, up to `most`, or when some will be; at the end only what the output was not told.
    fn due(&mut self, most: usize, is_end: bool) -> Due;

    /// The output has taken it.
    fn taken(&mut self, item: &Item);

    /// The output will never take it.
    fn refused(&mut self, item: &Item);

    /// How many alerts the output was not told.
    fn untold(&self) -> usize;

    /// How many alerts fire there, where alerts do.
    fn firing(&self) -> Option<usize> {
        None
    }

    /// Moves on with every change of what is kept.
    fn revision(&self) -> u64;

    /// Hands over what is to be kept.
    fn keep(&self, line: &mut dyn FnMut(Kept));

    /// Takes back what was kept; answers how many alerts had to go for it.
    fn restore(&mut self, kept: Kept) -> u64;
}

/// What is due.
pub enum Due {
    /// These.
    Now(Vec<Item>),
    /// Nothing until then, or until something new comes.
    Later(Option<Instant>),
}

/// A line of what is kept.
#[derive(Default, Serialize, Deserialize)]
pub struct Kept {
    pub(super) output: String,
    /// An alert that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Box<RawValue>>,
    /// What an Alertmanager shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Entry>,
}

/// What waits for an output.
pub struct Waiting {
    inner: Mutex<Inner>,
    news: Notify,
    meter: Meter,
}

struct Inner {
    content: Box<dyn Content>,
    is_closed: bool,
}

impl Waiting {
    /// Nothing waits.
    pub fn new(content: impl Content + 'static, meter: Meter) -> Waiting {
        let inner = Inner {
            content: Box::new(content),
            is_closed: false,
        };
        Waiting {
            inner: Mutex::new(inner),
            news: Notify::new(),
            meter,
        }
    }

    /// An alert was made.
    pub fn push(&self, alert: &Alert) {
        self.change(|content| content.push(alert));
        self.news.notify_one();
    }

    /// What is to be sent next, up to `most`, once there is something; it stays until it is known to be taken. `None` at the end.
    pub async fn next(&self, most: usize) -> Option<Vec<Item>> {
        loop {
            let until = {
                let mut inner = lock(&self.inner);
                let is_closed = inner.is_closed;
                match inner.content.due(most, is_closed) {
                    Due::Now(items) => return Some(items),
                    Due::Later(_) if is_closed => return None,
                    Due::Later(until) => until,
                }
            };
            let news = self.news.notified();
            match until {
                Some(until) => drop(timeout_at(until, news).await),
                None => news.await,
            }
        }
    }

    /// The output has taken it.
    pub fn taken(&self, item: &Item) {
        self.change(|content| {
            content.taken(item);
            0
        });
    }

    /// The output will never take it.
    pub fn refused(&self, item: &Item) {
        self.change(|content| {
            content.refused(item);
            0
        });
    }

    /// Changes what waits, and shows it; `change` answers how many alerts had to go.
    fn change(&self, change: impl FnOnce(&mut dyn Content) -> u64) {
        let content = &mut lock(&self.inner).content;
        let dropped = change(&mut **content);
        if dropped > 0 {
            self.meter.dropped_at_limit(dropped);
        }
        self.meter.waiting(content.untold());
        if let Some(firing) = content.firing() {
            self.meter.firing(firing);
        }
    }

    /// Nothing more comes.
    pub fn close(&self) {
        lock(&self.inner).is_closed = true;
        self.news.notify_one();
    }

    /// Whether nothing more comes.
    pub fn is_closed(&self) -> bool {
        lock(&self.inner).is_closed
    }

    /// See [`Content::revision`].
    pub fn revision(&self) -> u64 {
        lock(&self.inner).content.revision()
    }

    /// See [`Content::untold`].
    pub fn untold(&self) -> usize {
        lock(&self.inner).content.untold()
    }

    /// Appends what is to be kept.
    pub fn keep(&self, output: &str, out: &mut Vec<u8>) {
        lock(&self.inner).content.keep(&mut |mut kept| {
            kept.output = output.to_string();
            // Writing to memory does not fail.
            if serde_json::to_writer(&mut *out, &kept).is_ok() {
                out.push(b'\n');
            }
        });
    }
}

/// Gives each output what was kept for it; answers how many lines there were of outputs that are named no more.
pub fn restore<'a>(kept: &Bytes, of: impl Fn(&str) -> Option<&'a Waiting>) -> usize {
    let lines = kept.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice::<Kept>(line).ok());
    let mut left = 0;
    for kept in lines {
        match of(&kept.output) {
            Some(waiting) => {
                waiting.change(|content| content.restore(kept));
                waiting.news.notify_one();
            }
            None => left += 1,
        }
    }
    left
}
