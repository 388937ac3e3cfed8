//! What waits for an output: of each flood its start, and the latest that was said of it since. An `ongoing` gives way to a
//! later one and to the end, so an output that is down for days costs no more than the floods there were.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::alert::{Alert, FloodState};
use super::waiting::{Content, Due, Item, Kept};

/// As much waits for one output, in bytes. Beyond it the oldest `ongoing` goes first; then the oldest flood of which nobody
/// was told yet, whole; then whatever is oldest.
pub const WAITING_MAX_BYTES: usize = 6 << 20;
/// What an alert costs beside its document, in bytes.
const OWN_BYTES: usize = 256;

/// What waits.
#[derive(Default)]
pub struct Queue {
    /// In order.
    waiting: BTreeMap<u64, Alert>,
    /// Where each flood's last alert is, if that is an `ongoing`.
    ongoing: HashMap<String, u64>,
    next: u64,
    bytes: usize,
    revision: u64,
}

impl Queue {
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

impl Content for Queue {
    fn push(&mut self, alert: &Alert) -> u64 {
        let before = self.ongoing.get(&alert.flood).copied();
        let replaced = before.and_then(|place| self.remove(place));
        let place = match (before, alert.state, replaced) {
            (Some(place), FloodState::Ongoing, Some(_)) => place,
            _ => {
                self.next += 1;
                self.next
            }
        };
        self.insert(place, alert.clone());
        self.shrink()
    }

    /// No two of one flood: they might overtake each other.
    fn due(&mut self, most: usize, _is_end: bool) -> Due {
        let mut floods = HashSet::new();
        let first = self.waiting.iter();
        let first = first.filter(|(_, it)| floods.insert(it.flood.as_str()));
        let first = first.take(most).map(|(place, alert)| Item {
            place: *place,
            alert: alert.clone(),
        });
        match first.collect::<Vec<_>>() {
            none if none.is_empty() => Due::Later(None),
            some => Due::Now(some),
        }
    }

    /// Unless a later one has taken its place since.
    fn taken(&mut self, item: &Item) {
        let is_same = |it: &Alert| it.line.as_ptr() == item.alert.line.as_ptr();
        if self.waiting.get(&item.place).is_some_and(is_same) {
            self.remove(item.place);
        }
    }

    fn refused(&mut self, item: &Item) {
        self.taken(item);
    }

    fn untold(&self) -> usize {
        self.waiting.len()
    }

    fn revision(&self) -> u64 {
        self.revision
    }

    fn keep(&self, line: &mut dyn FnMut(Kept)) {
        for alert in self.waiting.values() {
            if let Ok(alert) = serde_json::from_slice(&alert.line) {
                line(Kept {
                    alert: Some(alert),
                    ..Kept::default()
                });
            }
        }
    }

    fn restore(&mut self, kept: Kept) -> u64 {
        let alert = kept.alert.map(|it| Alert::read(it.get().as_bytes()));
        alert.map_or(0, |alert| self.push(&alert))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::meter::Meter;
    use crate::alerts::waiting::Waiting;
    use serde_json::json;

    fn alert(flood: &str, state: &str, padding: usize) -> Alert {
        let document =
            json!({"maxconn": {"flood": {"id": flood, "state": state}}, "x": "x".repeat(padding)});
        Alert::read(document.to_string().as_bytes())
    }

    fn shape(queue: &Queue) -> Vec<String> {
        let waiting = queue.waiting.values();
        let shapes = waiting.map(|it| format!("{}{:?}", it.flood, it.state));
        shapes.collect()
    }

    fn due(queue: &mut Queue) -> Vec<Item> {
        match queue.due(9, false) {
            Due::Now(items) => items,
            Due::Later(_) => Vec::new(),
        }
    }

    #[test]
    fn of_each_flood_the_start_and_the_latest_wait() {
        let mut queue = Queue::default();
        for (flood, state) in [
            ("a", "start"),
            ("b", "start"),
            ("a", "ongoing"),
            ("b", "ongoing"),
            ("a", "ongoing"),
            ("b", "end"),
            ("a", "ongoing"),
        ] {
            queue.push(&alert(flood, state, 0));
        }
        assert_eq!(shape(&queue), ["aStart", "bStart", "aOngoing", "bEnd"]);
    }

    #[test]
    fn what_was_replaced_while_it_was_sent_stays() {
        let mut queue = Queue::default();
        queue.push(&alert("a", "ongoing", 0));
        queue.push(&alert("b", "start", 0));
        queue.push(&alert("b", "end", 0));
        let items = due(&mut queue);
        // Not two of one flood: they might overtake each other.
        assert_eq!(items.len(), 2);
        queue.push(&alert("a", "ongoing", 1));
        items.iter().for_each(|it| queue.taken(it));
        assert_eq!(shape(&queue), ["aOngoing", "bEnd"]);
        let items = due(&mut queue);
        items.iter().for_each(|it| queue.taken(it));
        assert!(due(&mut queue).is_empty());
    }

    #[test]
    fn at_the_limit_updates_go_first_and_then_floods_that_nobody_knows_of() {
        let mut queue = Queue::default();
        let half = WAITING_MAX_BYTES / 2;
        queue.push(&alert("told", "end", 0));
        queue.push(&alert("a", "start", half));
        queue.push(&alert("b", "ongoing", half - 10_000));
        queue.push(&alert("a", "end", 0));
        assert_eq!(shape(&queue).len(), 4);
        assert_eq!(queue.push(&alert("c", "start", half - 20_000)), 1);
        assert_eq!(shape(&queue), ["toldEnd", "aStart", "aEnd", "cStart"]);
        assert_eq!(queue.push(&alert("d", "start", half)), 2);
        assert_eq!(shape(&queue), ["toldEnd", "cStart", "dStart"]);
    }

    #[test]
    fn what_has_to_go_is_counted() {
        let meter = Meter::none();
        let waiting = Waiting::new(Queue::default(), meter.clone());
        for (flood, drops) in [("a", 0), ("b", 0), ("c", 1)] {
            waiting.push(&alert(flood, "start", WAITING_MAX_BYTES / 2 - 1000));
            assert_eq!((meter.drops("limit"), meter.drops("refused")), (drops, 0));
        }
    }
}
