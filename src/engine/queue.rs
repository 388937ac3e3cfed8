//! Alerts that wait for a slot, for hosts that answer one record with one record.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use maxconn_records::stored;

/// Waiting alerts, the oldest first. Starts and ends always find a place; `ongoing` gives way.
///
/// At most `2 × max_floods` wait. A flood opens only while there is room for its start and its end
/// ([`Queue::has_room_for_a_flood`]), so that neither is ever dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    alerts: VecDeque<Waiting>,
    ongoing: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waiting {
    is_ongoing: bool,
    document: Vec<u8>,
}

impl Queue {
    /// How many alerts may wait.
    pub fn limit(max_floods: usize) -> usize {
        2 * max_floods
    }

    /// Whether a flood may open beside so many that are open.
    pub fn has_room_for_a_flood(&self, open: usize, max_floods: usize) -> bool {
        self.alerts.len().saturating_sub(self.ongoing) + open + 2 <= Queue::limit(max_floods)
    }

    /// Adds an alert; whether it or another `ongoing` had to be dropped.
    pub fn push(&mut self, document: Vec<u8>, is_ongoing: bool, max_floods: usize) -> bool {
        let is_full = self.alerts.len() >= Queue::limit(max_floods);
        if is_full {
            if is_ongoing {
                return true;
            }
            if let Some(at) = self.alerts.iter().position(|alert| alert.is_ongoing) {
                self.alerts.remove(at);
                self.ongoing = self.ongoing.saturating_sub(1);
            }
        }
        self.ongoing += usize::from(is_ongoing);
        self.alerts.push_back(Waiting {
            is_ongoing,
            document,
        });
        is_full
    }

    /// Takes the oldest alert.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let alert = self.alerts.pop_front()?;
        self.ongoing = self.ongoing.saturating_sub(usize::from(alert.is_ongoing));
        Some(alert.document)
    }

    /// How many alerts wait.
    pub fn len(&self) -> usize {
        self.alerts.len()
    }
}

stored!(Queue: alerts, ongoing);
stored!(Waiting: is_ongoing, document);
