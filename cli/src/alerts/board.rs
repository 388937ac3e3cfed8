//! What an Alertmanager is to show: every flood that goes on, and for a while those that ended.
//!
//! It forgets what it was told when it restarts, and takes for over what it hears nothing of. So all that fires is said again
//! and again, and so is an end for a while: the resolved notification may be due only minutes later. Floods with the same
//! labels are one alert there, which fires as long as one of them goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::alert::{Alert, FloodState};
use super::labels::{Texts, annotations, labels, starts_ms};
use super::meter::Meter;
use super::queue::Item;
use crate::lock::lock;
use crate::system;

/// As much is kept, in bytes. Beyond it what has ended goes first, then what has fired for the longest: that ends at the
/// Alertmanager by itself.
const BOARD_MAX_BYTES: usize = 6 << 20;
/// What an alert costs beside its texts, in bytes.
const OWN_BYTES: usize = 512;
/// An alert that is not said again fires for so many times the pause between two.
pub const ENDS_AFTER_PAUSES: u32 = 5;
/// An end is said again for so many of them.
const END_SAID_PAUSES: u32 = 15;

/// An alert of Alertmanager's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    labels: Texts,
    annotations: Texts,
    /// ms since the Unix epoch.
    starts_ms: i64,
    /// The floods that go on.
    open: BTreeSet<String>,
    /// When the last of them ended.
    #[serde(default)]
    ended_ms: Option<i64>,
    /// It was told since it changed.
    #[serde(skip)]
    is_told: bool,
    /// When it is to be told.
    #[serde(skip, default = "Instant::now")]
    due: Instant,
    /// What this state of it is known by.
    #[serde(skip)]
    place: u64,
}

impl Entry {
    fn weight(&self) -> usize {
        let texts = self.labels.iter().chain(&self.annotations);
        let floods = self.open.iter().map(|it| it.len() + 128);
        OWN_BYTES
            + texts
                .map(|(name, text)| name.len() + text.len())
                .sum::<usize>()
            + floods.sum::<usize>()
    }

    /// As `POST /api/v2/alerts` wants it, said now.
    fn posted(&self, now_ms: i64, resend: Duration) -> Value {
        let lasts = (resend * ENDS_AFTER_PAUSES).as_millis() as i64;
        json!({
            "labels": self.labels,
            "annotations": self.annotations,
            "startsAt": time(self.starts_ms),
            "endsAt": time(self.ended_ms.unwrap_or(now_ms + lasts)),
        })
    }
}

/// With three digits whatever the milliseconds are: such times sort as text.
fn time(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    format!("{time:.3}")
}

/// What is to be shown.
pub struct Board {
    inner: Mutex<Inner>,
    news: Notify,
    resend: Duration,
    meter: Meter,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Arc<Texts>, Entry>,
    /// The labels of each flood that goes on: they stay what they were when it was first told.
    floods: HashMap<String, Arc<Texts>>,
    bytes: usize,
    next: u64,
    closed: bool,
}

impl Inner {
    /// Puts an entry in its place, to be told at once.
    fn put(&mut self, labels: Arc<Texts>, mut entry: Entry) {
        self.next += 1;
        (entry.place, entry.is_told, entry.due) = (self.next, false, Instant::now());
        for flood in &entry.open {
            self.floods.insert(flood.clone(), Arc::clone(&labels));
        }
        self.bytes += entry.weight();
        self.entries.insert(labels, entry);
    }

    fn take(&mut self, labels: &Arc<Texts>) -> Option<Entry> {
        let entry = self.entries.remove(labels)?;
        self.bytes -= entry.weight();
        for flood in &entry.open {
            self.floods.remove(flood);
        }
        self.next += 1;
        Some(entry)
    }

    /// The labels of an alert that is known by its place.
    fn at(&self, place: u64) -> Option<Arc<Texts>> {
        let mut entries = self.entries.iter();
        entries
            .find(|(_, it)| it.place == place)
            .map(|(labels, _)| Arc::clone(labels))
    }

    /// Makes room; answers how many alerts had to go that were to be told.
    fn shrink(&mut self) -> u64 {
        let mut dropped = 0;
        while self.bytes > BOARD_MAX_BYTES {
            let first = self.entries.iter().min_by_key(|(_, it)| match it.ended_ms {
                Some(ended_ms) => (!it.is_told, ended_ms),
                None => (true, i64::MAX / 2 + it.starts_ms),
            });
            let Some(labels) = first.map(|(labels, _)| Arc::clone(labels)) else {
                break;
            };
            let gone = self.take(&labels);
            dropped += u64::from(gone.is_some_and(|it| it.ended_ms.is_none() || !it.is_told));
        }
        dropped
    }
}

impl Board {
    /// An empty one, all of which is said anew after each pause.
    pub fn new(resend: Duration, meter: Meter) -> Board {
        Board {
            inner: Mutex::default(),
            news: Notify::new(),
            resend,
            meter,
        }
    }

    /// An alert changes what is to be shown.
    pub fn push(&self, alert: &Alert) {
        let now_ms = system::now_ms();
        let document = alert.document();
        let mut inner = lock(&self.inner);
        let known = inner.floods.get(&alert.flood).cloned();
        let labels = known.unwrap_or_else(|| Arc::new(labels(&document)));
        let mut entry = inner.take(&labels).unwrap_or_else(|| Entry {
            labels: Texts::clone(&labels),
            annotations: Texts::new(),
            starts_ms: i64::MAX,
            open: BTreeSet::new(),
            ended_ms: None,
            is_told: false,
            due: Instant::now(),
            place: 0,
        });
        // The log's clock may be ahead of ours, and no alert may begin after it ends.
        let starts_ms = starts_ms(&document).unwrap_or(now_ms).min(now_ms);
        match (alert.state, entry.ended_ms.take()) {
            (FloodState::End, ended_ms) => {
                entry.starts_ms = entry.starts_ms.min(starts_ms);
                entry.open.remove(&alert.flood);
                if entry.open.is_empty() {
                    entry.ended_ms = ended_ms.or(Some(now_ms));
                }
            }
            (_, Some(_)) => {
                entry.starts_ms = starts_ms;
                entry.open.insert(alert.flood.clone());
            }
            (_, None) => {
                entry.starts_ms = entry.starts_ms.min(starts_ms);
                entry.open.insert(alert.flood.clone());
            }
        }
        entry.annotations = annotations(&document);
        inner.put(labels, entry);
        let dropped = inner.shrink();
        if dropped > 0 {
            self.meter.dropped_at_limit(dropped);
        }
        self.show(&inner);
        drop(inner);
        self.news.notify_one();
    }

    /// What is due, the longest due first, up to `most`, once there is something. `None` at the end.
    pub async fn next(&self, most: usize) -> Option<Vec<Item>> {
        loop {
            let next = {
                let mut inner = lock(&self.inner);
                let (now, now_ms) = (Instant::now(), system::now_ms());
                let said_ms = (self.resend * END_SAID_PAUSES).as_millis() as i64;
                let over = inner.entries.iter().filter(|(_, it)| {
                    it.is_told
                        && it
                            .ended_ms
                            .is_some_and(|ended_ms| now_ms - ended_ms >= said_ms)
                });
                let over: Vec<_> = over.map(|(labels, _)| Arc::clone(labels)).collect();
                for labels in over {
                    inner.take(&labels);
                }
                let mut due: Vec<&Entry> =
                    inner.entries.values().filter(|it| it.due <= now).collect();
                if inner.closed {
                    due.retain(|it| !it.is_told);
                    if due.is_empty() {
                        return None;
                    }
                }
                if !due.is_empty() {
                    due.sort_by_key(|it| (it.due, it.place));
                    let items = due.into_iter().take(most).map(|it| Item {
                        place: it.place,
                        alert: Alert {
                            line: Bytes::from(it.posted(now_ms, self.resend).to_string()),
                            flood: String::new(),
                            state: if it.ended_ms.is_some() {
                                FloodState::End
                            } else {
                                FloodState::Ongoing
                            },
                        },
                    });
                    return Some(items.collect());
                }
                inner.entries.values().map(|it| it.due).min()
            };
            let news = self.news.notified();
            match next {
                Some(next) => drop(timeout_at(next, news).await),
                None => news.await,
            }
        }
    }

    /// An alert was taken; it is said again after a pause, if nothing has changed it since.
    pub fn taken(&self, item: &Item) {
        let mut inner = lock(&self.inner);
        if let Some(labels) = inner.at(item.place)
            && let Some(entry) = inner.entries.get_mut(&labels)
        {
            (entry.is_told, entry.due) = (true, Instant::now() + self.resend);
        }
        self.show(&inner);
    }

    /// An alert is refused for good, as it is now.
    pub fn refused(&self, item: &Item) {
        let mut inner = lock(&self.inner);
        if let Some(labels) = inner.at(item.place) {
            inner.take(&labels);
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

    /// Moves on with every change of what is kept.
    pub fn revision(&self) -> u64 {
        lock(&self.inner).next
    }

    /// How many were not told as they are now.
    pub fn untold(&self) -> usize {
        lock(&self.inner)
            .entries
            .values()
            .filter(|it| !it.is_told)
            .count()
    }

    /// All of it.
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.inner).entries.values().cloned().collect()
    }

    /// Goes on from what an earlier process left: all of it is said at once.
    pub fn restore(&self, entry: Entry) {
        let mut inner = lock(&self.inner);
        inner.put(Arc::new(entry.labels.clone()), entry);
        self.show(&inner);
        drop(inner);
        self.news.notify_one();
    }

    fn show(&self, inner: &Inner) {
        let untold = inner.entries.values().filter(|it| !it.is_told);
        self.meter.waiting(untold.count());
        let firing = inner
            .entries
            .values()
            .filter(|it| it.is_told && it.ended_ms.is_none());
        self.meter.firing(firing.count());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::labels::LABEL_MAX_BYTES;

    fn alert(flood: &str, user: &str, state: &str, severity: u64) -> Alert {
        let document = json!({
            "message": format!("{state} of {user}"),
            "event": {"start": "2026-01-01T00:00:00.000Z", "module": "dovecot", "severity": severity},
            "user": {"name": user},
            "maxconn": {"flood": {"id": flood, "state": state}},
        });
        Alert::read(document.to_string().as_bytes())
    }

    fn board() -> Board {
        Board::new(Duration::from_secs(60), Meter::none())
    }

    /// What is due is taken.
    async fn take(board: &Board) -> Vec<Value> {
        let items = board.next(99).await.unwrap();
        items.iter().for_each(|it| board.taken(it));
        items.iter().map(|it| it.alert.document()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn labels_stay_and_all_is_said_again_until_some_time_after_the_end() {
        let board = board();
        board.push(&alert("1", "bob", "start", 21));
        let first = take(&board).await.remove(0);
        assert_eq!(first["labels"]["user"], "bob");
        assert_eq!(first["labels"]["severity"], "warning");
        let begun = Instant::now();
        for _ in 0..3 {
            assert_eq!(take(&board).await[0]["labels"], first["labels"]);
        }
        assert_eq!(begun.elapsed().as_secs(), 180);
        // Another severity, and more users than one: still the same alert.
        board.push(&alert("1", "", "ongoing", 99));
        let later = take(&board).await.remove(0);
        assert_eq!(
            (&later["labels"], &later["annotations"]["severity_now"]),
            (&first["labels"], &"99".into())
        );
        board.push(&alert("1", "", "end", 99));
        let end = take(&board).await.remove(0);
        assert_eq!(end["labels"], first["labels"]);
        assert!(end["endsAt"].as_str().unwrap() <= time(system::now_ms()).as_str());
        assert!(end["startsAt"].as_str().unwrap() < end["endsAt"].as_str().unwrap());
        assert_eq!(take(&board).await[0], end);
    }

    #[tokio::test]
    async fn an_alert_of_two_floods_ends_with_the_last_and_fires_again_with_the_next() {
        let board = board();
        let far =
            |it: &Value| it["endsAt"].as_str().unwrap() > time(system::now_ms() + 1000).as_str();
        for (flood, state, fires) in [
            ("1", "start", true),
            ("2", "start", true),
            ("1", "end", true),
            ("2", "end", false),
            ("3", "ongoing", true),
        ] {
            board.push(&alert(flood, "bob", state, 21));
            let due = take(&board).await;
            assert_eq!((due.len(), far(&due[0])), (1, fires), "{flood} {state}");
        }
    }

    #[tokio::test]
    async fn what_changes_while_it_is_sent_is_due_at_once() {
        let board = board();
        board.push(&alert("1", "bob", "start", 21));
        let items = board.next(9).await.unwrap();
        board.push(&alert("1", "bob", "end", 21));
        items.iter().for_each(|it| board.taken(it));
        assert_eq!(board.untold(), 1);
        board.close();
        assert_eq!(take(&board).await.len(), 1);
        assert!(board.next(9).await.is_none());
    }

    #[tokio::test]
    async fn what_is_restored_is_due_at_once_and_ends_by_its_flood() {
        let before = board();
        before.push(&alert("1", "bob", "start", 21));
        take(&before).await;
        let after = board();
        for entry in before.entries() {
            let kept = serde_json::to_string(&entry).unwrap();
            after.restore(serde_json::from_str(&kept).unwrap());
        }
        assert_eq!(take(&after).await.len(), 1);
        after.push(&alert("1", "alice", "end", 21));
        let end = take(&after).await.remove(0);
        assert_eq!(end["labels"]["user"], "bob");
    }

    #[test]
    fn the_board_is_bounded_and_drops_what_has_ended_first() {
        let meter = Meter::none();
        let board = Board::new(Duration::from_secs(60), meter.clone());
        let long = "\u{1F4A3}".repeat(99);
        for number in 0..20_000 {
            let user = format!("{number}{long}");
            board.push(&alert(&number.to_string(), &user, "start", 21));
        }
        let kept = board.entries();
        let floods = lock(&board.inner).floods.len();
        assert!(
            (1000..20_000).contains(&kept.len()) && floods == kept.len(),
            "{}",
            kept.len()
        );
        assert_eq!(meter.drops() as usize, 20_000 - kept.len());
        for entry in kept {
            assert!(entry.labels.values().all(|it| it.len() <= LABEL_MAX_BYTES));
        }
    }
}
