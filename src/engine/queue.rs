//! Queues documents for hosts that answer one record with one record.

use alloc::vec::Vec;

use super::output::Kind;
use super::periods::DOCUMENTS_MAX;
use crate::alert::{Alert, write_increase};
use crate::detector::Transition;
use crate::tally::Tally;
use maxconn_records::codec::{Codec, Tape};

/// Waiting documents, the oldest first. Starts and ends always find a place; an `ongoing` gives way, and a later alert of its
/// flood tells its increase.
///
/// At most `2 × max_floods` alerts wait. A flood opens only while there is room for its start and its end
/// ([`Queue::has_room_for_a_flood`]), so that neither is ever dropped. Statistics wait until no alert does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    waiting: Vec<Waiting>,
    /// Those before this one are taken: moving up the others each time would cost as much as wait.
    first: usize,
    ongoing: usize,
    statistics: Vec<Vec<u8>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waiting {
    is_ongoing: bool,
    /// The flood that it is about …
    flood: u128,
    /// … and what it tells of that beside `document`, which is open until then.
    increase: Option<Tally>,
    document: Vec<u8>,
}

impl Queue {
    /// How many alerts may wait.
    pub fn limit(max_floods: usize) -> usize {
        2 * max_floods
    }

    /// Whether a flood may open beside so many that are open.
    pub fn has_room_for_a_flood(&self, open: usize, max_floods: usize) -> bool {
        self.alerts().saturating_sub(self.ongoing) + open + 2 <= Queue::limit(max_floods)
    }

    /// How many documents of statistics may come.
    pub fn room_for_statistics(&self) -> usize {
        DOCUMENTS_MAX.saturating_sub(self.statistics.len())
    }

    /// Adds an alert; whether an `ongoing` had to give way.
    ///
    /// Where it is full, an `ongoing` waits of which a later alert can tell, this one at the latest: there is room for the start and
    /// the end of each open flood, and if each of them has no more than its last `ongoing` here, that is less than full.
    pub fn push(&mut self, alert: &Alert<'_>, max_floods: usize) -> bool {
        let (flood, mut increase) = (alert.flood_id(), alert.increase());
        let gives_way =
            self.alerts() >= Queue::limit(max_floods) && self.make_room(flood, &mut increase);
        let mut document = Vec::with_capacity(2_048);
        alert.write_open(&mut document);
        document.shrink_to_fit();
        let is_ongoing = alert.transition == Transition::Ongoing;
        self.ongoing += usize::from(is_ongoing);
        self.waiting.push(Waiting {
            is_ongoing,
            flood,
            increase: Some(increase),
            document,
        });
        gives_way
    }

    /// Takes out an `ongoing` of which a later alert tells: the one of `flood` that is about to come, or one that waits.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, flood: u128, increase: &mut Tally) -> bool {
        let waiting = self.waiting.get(self.first..).unwrap_or_default();
        let later = |after: usize, flood: u128| {
            let mut later = waiting.iter().skip(after + 1);
            let heir = later.position(|it| it.flood == flood && it.increase.is_some())?;
            Some(after + 1 + heir)
        };
        let mut ongoing = waiting
            .iter()
            .enumerate()
            .filter(|(_, it)| it.is_ongoing && it.increase.is_some());
        let own = ongoing.clone().find(|(_, it)| it.flood == flood);
        let found = match own {
            Some((at, _)) => Some((at, None)),
            None => ongoing.find_map(|(at, it)| Some((at, Some(later(at, it.flood)?)))),
        };
        let Some((at, heir)) = found else {
            return false;
        };
        let given = self
            .waiting
            .remove(self.first + at)
            .increase
            .unwrap_or_default();
        self.ongoing = self.ongoing.saturating_sub(1);
        let heir = heir.and_then(|heir| self.waiting.get_mut(self.first + heir - 1));
        match heir.and_then(|heir| heir.increase.as_mut()) {
            Some(heir) => heir.add(&given),
            None => increase.add(&given),
        }
        true
    }

    /// Adds a document of statistics.
    pub fn push_statistics(&mut self, document: Vec<u8>) {
        self.statistics.push(document);
    }

    /// Takes the oldest document, without a newline, and says what it is.
    pub fn pop(&mut self) -> Option<(Kind, Vec<u8>)> {
        let Some(next) = self.waiting.get_mut(self.first) else {
            let statistics = (!self.statistics.is_empty()).then(|| self.statistics.remove(0));
            return statistics.map(|document| (Kind::Statistics, document));
        };
        let mut next = core::mem::take(next);
        self.first += 1;
        if 2 * self.first >= self.waiting.len() {
            self.forget_taken();
        }
        self.ongoing = self.ongoing.saturating_sub(usize::from(next.is_ongoing));
        if let Some(increase) = &next.increase {
            write_increase(increase, &mut next.document);
        }
        Some((Kind::Alert, next.document))
    }

    /// Drops the alerts. Statistics name no user.
    pub fn forget_alerts(&mut self) {
        *self = Queue {
            statistics: core::mem::take(&mut self.statistics),
            ..Queue::default()
        };
    }

    /// How many alerts wait.
    pub fn alerts(&self) -> usize {
        self.waiting.len() - self.first
    }

    fn forget_taken(&mut self) {
        self.waiting.drain(..self.first);
        self.first = 0;
    }
}

impl<'a> Codec<'a> for Queue {
    fn blank() -> Queue {
        Queue::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.forget_taken();
        self.waiting.pass(tape);
        self.ongoing.pass(tape);
        if !tape.is_earlier() {
            self.statistics.pass(tape);
        }
    }
}

impl<'a> Codec<'a> for Waiting {
    fn blank() -> Waiting {
        Waiting::default()
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.is_ongoing.pass(tape);
        if !tape.is_earlier() {
            self.flood.pass(tape);
            self.increase.pass(tape);
        }
        self.document.pass(tape);
    }
}
