//! What waits for an output, of either kind, and how it is kept over a restart: lines of JSON, each with the output's name.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::alert::Alert;
use super::board::{Board, Entry};
use super::queue::{Item, Queue};

/// What an output is still to be told.
pub enum Waiting {
    /// Alerts, one by one.
    Queue(Queue),
    /// All that fires.
    Board(Board),
}

/// A line of what is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    output: String,
    /// An alert that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<Box<RawValue>>,
    /// What an Alertmanager shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown: Option<Entry>,
}

impl Waiting {
    /// An alert was made.
    pub fn push(&self, alert: &Alert) {
        match self {
            Waiting::Queue(queue) => queue.push(alert.clone()),
            Waiting::Board(board) => board.push(alert),
        }
    }

    /// What is to be sent next, as [`Queue::next`] and [`Board::next`] say.
    pub async fn next(&self, most: usize) -> Option<Vec<Item>> {
        match self {
            Waiting::Queue(queue) => queue.next(most).await,
            Waiting::Board(board) => board.next(most).await,
        }
    }

    /// The output has taken it.
    pub fn taken(&self, item: &Item) {
        match self {
            Waiting::Queue(queue) => queue.remove(item),
            Waiting::Board(board) => board.taken(item),
        }
    }

    /// The output will never take it.
    pub fn refused(&self, item: &Item) {
        match self {
            Waiting::Queue(queue) => queue.remove(item),
            Waiting::Board(board) => board.refused(item),
        }
    }

    /// Nothing more comes.
    pub fn close(&self) {
        match self {
            Waiting::Queue(queue) => queue.close(),
            Waiting::Board(board) => board.close(),
        }
    }

    /// Whether nothing more comes.
    pub fn is_closed(&self) -> bool {
        match self {
            Waiting::Queue(queue) => queue.is_closed(),
            Waiting::Board(board) => board.is_closed(),
        }
    }

    /// Moves on with every change of what is kept.
    pub fn revision(&self) -> u64 {
        match self {
            Waiting::Queue(queue) => queue.revision(),
            Waiting::Board(board) => board.revision(),
        }
    }

    /// How many alerts the output was not told.
    pub fn untold(&self) -> usize {
        match self {
            Waiting::Queue(queue) => queue.waiting().len(),
            Waiting::Board(board) => board.untold(),
        }
    }

    /// Appends what is to be kept.
    pub fn keep(&self, output: &str, out: &mut Vec<u8>) {
        let mut line = |alert, shown| {
            let output = output.to_string();
            let kept = Kept {
                output,
                alert,
                shown,
            };
            // Writing to memory does not fail.
            if serde_json::to_writer(&mut *out, &kept).is_ok() {
                out.push(b'\n');
            }
        };
        match self {
            Waiting::Queue(queue) => {
                for alert in queue.waiting() {
                    if let Ok(alert) = serde_json::from_slice(&alert.line) {
                        line(Some(alert), None);
                    }
                }
            }
            Waiting::Board(board) => board
                .entries()
                .into_iter()
                .for_each(|it| line(None, Some(it))),
        }
    }

    fn restore(&self, kept: Kept) {
        match (self, kept.alert, kept.shown) {
            (Waiting::Queue(queue), Some(alert), _) => {
                queue.push(Alert::read(alert.get().as_bytes()))
            }
            (Waiting::Board(board), _, Some(entry)) => board.restore(entry),
            _ => {}
        }
    }
}

/// Gives each output what was kept for it; answers how many lines there were of outputs that are named no more.
pub fn restore<'a>(kept: &Bytes, of: impl Fn(&str) -> Option<&'a Waiting>) -> usize {
    let lines = kept.split(|byte| *byte == b'\n');
    let lines = lines.filter_map(|line| serde_json::from_slice::<Kept>(line).ok());
    let mut left = 0;
    for kept in lines {
        match of(&kept.output) {
            Some(waiting) => waiting.restore(kept),
            None => left += 1,
        }
    }
    left
}
