//! What an Alertmanager is to show: every flood that goes on, and for a while those that ended.
//!
//! It forgets what it was told when it restarts, and takes for over what it hears nothing of. So all that fires is said again
//! and again, and so is an end for a while: the resolved notification may be due only minutes later. Floods with the same
//! labels are one alert there, which fires as long as one of them goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::alert::{Alert, FloodState};
use super::labels::{Texts, annotations, labels, starts_ms};
use super::waiting::{Content, Due, Item, Kept};
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
    entries: BTreeMap<Arc<Texts>, Entry>,
    /// The labels of each flood that goes on: they stay what they were when it was first told.
    floods: HashMap<String, Arc<Texts>>,
    bytes: usize,
    next: u64,
    resend: Duration,
}

impl Board {
    /// An empty one, all of which is said anew after each pause.
    pub fn new(resend: Duration) -> Board {
        Board {
            entries: BTreeMap::new(),
            floods: HashMap::new(),
            bytes: 0,
            next: 0,
            resend,
        }
    }

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

impl Content for Board {
    fn push(&mut self, alert: &Alert) -> u64 {
        let now_ms = system::now_ms();
        let document = alert.document();
        let known = self.floods.get(&alert.flood).cloned();
        let labels = known.unwrap_or_else(|| Arc::new(labels(&document)));
        let mut entry = self.take(&labels).unwrap_or_else(|| Entry {
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
        let ended_ms = entry.ended_ms.take();
        let is_end = alert.state == FloodState::End;
        entry.starts_ms = match ended_ms {
            Some(_) if !is_end => starts_ms,
            _ => entry.starts_ms.min(starts_ms),
        };
        if !is_end {
            entry.open.insert(alert.flood.clone());
        } else {
            entry.open.remove(&alert.flood);
            if entry.open.is_empty() {
                entry.ended_ms = ended_ms.or(Some(now_ms));
            }
        }
        entry.annotations = annotations(&document);
        self.put(labels, entry);
        self.shrink()
    }

    /// The longest due first.
    fn due(&mut self, most: usize, is_end: bool) -> Due {
        let (now, now_ms) = (Instant::now(), system::now_ms());
        let said_ms = (self.resend * END_SAID_PAUSES).as_millis() as i64;
        let is_over = |it: &Entry| {
            let is_long_ago = |ended_ms| now_ms - ended_ms >= said_ms;
            it.is_told && it.ended_ms.is_some_and(is_long_ago)
        };
        let over = self.entries.iter().filter(|(_, it)| is_over(it));
        let over: Vec<_> = over.map(|(labels, _)| Arc::clone(labels)).collect();
        for labels in over {
            self.take(&labels);
        }
        let is_due = |it: &&Entry| it.due <= now && !(is_end && it.is_told);
        let mut due: Vec<&Entry> = self.entries.values().filter(is_due).collect();
        if due.is_empty() {
            return Due::Later(self.entries.values().map(|it| it.due).min());
        }
        due.sort_by_key(|it| (it.due, it.place));
        let items = due.into_iter().take(most).map(|it| Item {
            place: it.place,
            alert: Alert {
                line: Bytes::from(it.posted(now_ms, self.resend).to_string()),
                flood: String::new(),
                state: match it.ended_ms {
                    Some(_) => FloodState::End,
                    None => FloodState::Ongoing,
                },
            },
        });
        Due::Now(items.collect())
    }

    /// It is said again after a pause, if nothing has changed it since.
    fn taken(&mut self, item: &Item) {
        let due = Instant::now() + self.resend;
        if let Some((_, entry)) = self
            .entries
            .iter_mut()
            .find(|(_, it)| it.place == item.place)
        {
            (entry.is_told, entry.due) = (true, due);
        }
    }

    /// As it is now.
    fn refused(&mut self, item: &Item) {
        let mut entries = self.entries.iter();
        let found = entries.find(|(_, it)| it.place == item.place);
        if let Some(labels) = found.map(|(labels, _)| Arc::clone(labels)) {
            self.take(&labels);
        }
    }

    fn untold(&self) -> usize {
        let untold = self.entries.values().filter(|it| !it.is_told);
        untold.count()
    }

    fn firing(&self) -> Option<usize> {
        let entries = self.entries.values();
        let firing = entries.filter(|it| it.is_told && it.ended_ms.is_none());
        Some(firing.count())
    }

    fn revision(&self) -> u64 {
        self.next
    }

    fn keep(&self, line: &mut dyn FnMut(Kept)) {
        for entry in self.entries.values() {
            line(Kept {
                shown: Some(entry.clone()),
                ..Kept::default()
            });
        }
    }

    /// All of it is said at once.
    fn restore(&mut self, kept: Kept) -> u64 {
        if let Some(entry) = kept.shown {
            self.put(Arc::new(entry.labels.clone()), entry);
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::labels::LABEL_MAX_BYTES;
    use crate::alerts::meter::Meter;
    use crate::alerts::waiting::{Waiting, restore};

    fn alert(flood: &str, user: &str, state: &str, severity: u64) -> Alert {
        let document = json!({
            "message": format!("{state} of {user}"),
            "event": {"start": "2026-01-01T00:00:00.000Z", "module": "dovecot", "severity": severity},
            "user": {"name": user},
            "maxconn": {"flood": {"id": flood, "state": state}},
        });
        Alert::read(document.to_string().as_bytes())
    }

    fn board() -> Waiting {
        Waiting::new(Board::new(Duration::from_secs(60)), Meter::none())
    }

    /// What is due is taken.
    async fn take(board: &Waiting) -> Vec<Value> {
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
        assert_eq!(later["labels"], first["labels"]);
        assert_eq!(later["annotations"]["severity_now"], "99");
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
        let soon = || time(system::now_ms() + 1000);
        let far = |it: &Value| it["endsAt"].as_str().unwrap() > soon().as_str();
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
        let (after, mut kept) = (board(), Vec::new());
        before.keep("test", &mut kept);
        assert_eq!(restore(&kept.into(), |_| Some(&after)), 0);
        assert_eq!(take(&after).await.len(), 1);
        after.push(&alert("1", "alice", "end", 21));
        let end = take(&after).await.remove(0);
        assert_eq!(end["labels"]["user"], "bob");
    }

    #[test]
    fn the_board_is_bounded_and_drops_what_has_ended_first() {
        let mut board = Board::new(Duration::from_secs(60));
        let long = "\u{1F4A3}".repeat(99);
        let mut dropped = 0;
        for number in 0..20_000 {
            let user = format!("{number}{long}");
            dropped += board.push(&alert(&number.to_string(), &user, "start", 21));
        }
        let kept = board.entries.len();
        assert!((1000..20_000).contains(&kept), "{kept}");
        assert_eq!((board.floods.len(), dropped), (kept, 20_000 - kept as u64));
        for entry in board.entries.values() {
            assert!(entry.labels.values().all(|it| it.len() <= LABEL_MAX_BYTES));
        }
    }
}
