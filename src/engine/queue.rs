//! Queues alerts for hosts that answer one record with one record.

use alloc::vec::Vec;

use maxconn_records::codec;
use maxconn_records::codec::{Codec, Tape};

/// Waiting alerts, the oldest first. Starts and ends always find a place; `ongoing` gives way.
///
/// At most `2 × max_floods` wait. A flood opens only while there is room for its start and its end
/// ([`Queue::has_room_for_a_flood`]), so that neither is ever dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    alerts: Vec<Waiting>,
    /// Those before this one are taken: moving up the others each time would cost as much as wait.
    first: usize,
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
        self.len().saturating_sub(self.ongoing) + open + 2 <= Queue::limit(max_floods)
    }

    /// Adds an alert; whether it or another `ongoing` had to be dropped.
    pub fn push(&mut self, document: Vec<u8>, is_ongoing: bool, max_floods: usize) -> bool {
        let is_full = self.len() >= Queue::limit(max_floods);
        if is_full {
            if is_ongoing {
                return true;
            }
            let mut waiting = self.alerts.iter().skip(self.first);
            if let Some(at) = waiting.position(|alert| alert.is_ongoing) {
                self.alerts.remove(self.first + at);
                self.ongoing = self.ongoing.saturating_sub(1);
            }
        }
        self.ongoing += usize::from(is_ongoing);
        self.alerts.push(Waiting {
            is_ongoing,
            document,
        });
        is_full
    }

    /// Takes the oldest alert.
    pub fn pop(&mut self) -> Option<Vec<u8>> {
        let alert = core::mem::take(self.alerts.get_mut(self.first)?);
        self.first += 1;
        if 2 * self.first >= self.alerts.len() {
            self.forget_taken();
        }
        self.ongoing = self.ongoing.saturating_sub(usize::from(alert.is_ongoing));
        Some(alert.document)
    }

    /// How many alerts wait.
    pub fn len(&self) -> usize {
        self.alerts.len() - self.first
    }

    fn forget_taken(&mut self) {
        self.alerts.drain(..self.first);
        self.first = 0;
    }
}

impl<'a> Codec<'a> for Queue {
    fn blank() -> Queue {
        Queue::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.forget_taken();
        self.alerts.pass(tape);
        self.ongoing.pass(tape);
    }
}

codec!(Waiting: is_ongoing, document);
