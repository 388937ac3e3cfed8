//! What waits for an output: of each flood its start, and the latest that was said of it since. An `ongoing` gives way to a
//! later one and to the end, so an output that is down for days costs no more than the floods there were.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

use tokio::sync::Notify;

use super::alert::{Alert, FloodState};
use super::meter::Meter;
use crate::lock::lock;

/// As much waits for one output, in bytes. Beyond it the oldest `ongoing` goes first; then the oldest flood of which nobody
/// was told yet, whole; then whatever is oldest.
pub const WAITING_MAX_BYTES: usize = 6 << 20;
/// What an alert costs beside its document, in bytes.
const OWN_BYTES: usize = 256;

/// An alert on its way.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is known by until it is taken.
    pub place: u64,
    /// What is sent.
    pub alert: Alert,
}

/// What waits.
pub struct Queue {
    inner: Mutex<Inner>,
    news: Notify,
    meter: Meter,
}

#[derive(Default)]
struct Inner {
    /// In order.
    waiting: BTreeMap<u64, Alert>,
    /// Where each flood's last alert is, if that is an `ongoing`.
    ongoing: HashMap<String, u64>,
    next: u64,
    bytes: usize,
    closed: bool,
    revision: u64,
}

impl Inner {
    fn remove(&mut self, place: u64) -> Option<Alert> {
        let alert = self.waiting.remove(&place)?;
        self.bytes -= weight(&alert);
        if self.ongoing.get(&alert.flood) == Some(&place) {
            self.ongoing.remove(&alert.flood);
        }
        self.revision += 1;
        Some(alert)
    }

    fn insert(&mut self, place: u64, alert: Alert) {
        self.bytes += weight(&alert);
        if alert.state == FloodState::Ongoing {
            self.ongoing.insert(alert.flood.clone(), place);
        }
        self.waiting.insert(place, alert);
        self.revision += 1;
    }

    fn oldest(&self, state: FloodState) -> Option<u64> {
        let mut waiting = self.waiting.iter();
        waiting.find(|(_, it)| it.state == state).map(|(it, _)| *it)
    }

    /// Makes room; answers how many alerts had to go.
    fn shrink(&mut self) -> u64 {
        let before = self.waiting.len();
        while self.bytes > WAITING_MAX_BYTES {
            let untold = self.oldest(FloodState::Start);
            let place = self.oldest(FloodState::Ongoing).or(untold);
            let place = place.or_else(|| self.waiting.keys().next().copied());
            let Some(gone) = place.and_then(|place| self.remove(place)) else {
                break;
            };
            if gone.state == FloodState::Start {
                let rest = self.waiting.iter().filter(|(_, it)| it.flood == gone.flood);
                let rest: Vec<u64> = rest.map(|(place, _)| *place).collect();
                for place in rest {
                    self.remove(place);
                }
            }
        }
        (before - self.waiting.len()) as u64
    }
}

fn weight(alert: &Alert) -> usize {
    OWN_BYTES + alert.line.len()
}

impl Queue {
    /// Nothing waits.
    pub fn new(meter: Meter) -> Queue {
        Queue {
            inner: Mutex::default(),
            news: Notify::new(),
            meter,
        }
    }

    /// Adds an alert.
    pub fn push(&self, alert: Alert) {
        let mut inner = lock(&self.inner);
        let before = inner.ongoing.get(&alert.flood).copied();
        let replaced = before.and_then(|place| inner.remove(place));
        let place = match (before, alert.state, replaced) {
            (Some(place), FloodState::Ongoing, Some(_)) => place,
            _ => {
                inner.next += 1;
                inner.next
            }
        };
        inner.insert(place, alert);
        let dropped = inner.shrink();
        if dropped > 0 {
            self.meter.dropped_at_limit(dropped);
        }
        self.show(&inner);
        drop(inner);
        self.news.notify_one();
    }

    /// The first alerts, up to `most`, no two of one flood, once there are any. They stay until they are known to be
    /// taken. `None` at the end.
    pub async fn next(&self, most: usize) -> Option<Vec<Item>> {
        loop {
            {
                let inner = lock(&self.inner);
                if !inner.waiting.is_empty() {
                    let mut floods = HashSet::new();
                    let first = inner.waiting.iter();
                    let first = first.filter(|(_, it)| floods.insert(it.flood.as_str()));
                    let first = first.take(most).map(|(place, alert)| Item {
                        place: *place,
                        alert: alert.clone(),
                    });
                    return Some(first.collect());
                }
                if inner.closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    /// An alert is dealt with, unless a later one has taken its place since.
    pub fn remove(&self, item: &Item) {
        let mut inner = lock(&self.inner);
        let is_same = |it: &Alert| it.line.as_ptr() == item.alert.line.as_ptr();
        if inner.waiting.get(&item.place).is_some_and(is_same) {
            inner.remove(item.place);
        }
        self.show(&inner);
    }

    /// Nothing more comes.
    pub fn close(&self) {
        lock(&self.inner).closed = true;
        self.news.notify_one();
    }

    /// Whether nothing more comes.
    pub fn is_closed(&self) -> bool {
        lock(&self.inner).closed
    }

    /// Moves on with every change.
    pub fn revision(&self) -> u64 {
        lock(&self.inner).revision
    }

    /// All that waits, in order.
    pub fn waiting(&self) -> Vec<Alert> {
        lock(&self.inner).waiting.values().cloned().collect()
    }

    fn show(&self, inner: &Inner) {
        self.meter.waiting(inner.waiting.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alert(flood: &str, state: &str, padding: usize) -> Alert {
        let document =
            json!({"maxconn": {"flood": {"id": flood, "state": state}}, "x": "x".repeat(padding)});
        Alert::read(document.to_string().as_bytes())
    }

    fn shape(queue: &Queue) -> Vec<String> {
        let waiting = queue.waiting().into_iter();
        waiting
            .map(|it| format!("{}{:?}", it.flood, it.state))
            .collect()
    }

    #[test]
    fn of_each_flood_the_start_and_the_latest_wait() {
        let queue = Queue::new(Meter::none());
        for (flood, state) in [
            ("a", "start"),
            ("b", "start"),
            ("a", "ongoing"),
            ("b", "ongoing"),
            ("a", "ongoing"),
            ("b", "end"),
            ("a", "ongoing"),
        ] {
            queue.push(alert(flood, state, 0));
        }
        assert_eq!(shape(&queue), ["aStart", "bStart", "aOngoing", "bEnd"]);
    }

    #[tokio::test]
    async fn what_was_replaced_while_it_was_sent_stays() {
        let queue = Queue::new(Meter::none());
        queue.push(alert("a", "ongoing", 0));
        queue.push(alert("b", "start", 0));
        queue.push(alert("b", "end", 0));
        let items = queue.next(9).await.unwrap();
        // Not two of one flood: they might overtake each other.
        assert_eq!(items.len(), 2);
        queue.push(alert("a", "ongoing", 1));
        items.iter().for_each(|it| queue.remove(it));
        assert_eq!(shape(&queue), ["aOngoing", "bEnd"]);
        queue.close();
        let items = queue.next(9).await.unwrap();
        items.iter().for_each(|it| queue.remove(it));
        assert!(queue.next(9).await.is_none());
    }

    #[test]
    fn at_the_limit_updates_go_first_and_then_floods_that_nobody_knows_of() {
        let meter = Meter::none();
        let queue = Queue::new(meter.clone());
        let half = WAITING_MAX_BYTES / 2;
        queue.push(alert("told", "end", 0));
        queue.push(alert("a", "start", half));
        queue.push(alert("b", "ongoing", half - 10_000));
        queue.push(alert("a", "end", 0));
        assert_eq!(shape(&queue).len(), 4);
        queue.push(alert("c", "start", half - 20_000));
        assert_eq!(shape(&queue), ["toldEnd", "aStart", "aEnd", "cStart"]);
        queue.push(alert("d", "start", half));
        assert_eq!(shape(&queue), ["toldEnd", "cStart", "dStart"]);
        assert_eq!(meter.drops(), 3);
    }
}
