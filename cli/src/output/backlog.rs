//! Keeps, in order, what the guest has emitted and the next hop has not taken yet. It is bounded: when it is full the engine
//! waits, then the inputs do, then the senders.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

use super::delivery::{Delivery, LineRange, Receipt};
use crate::lock::lock;
use maxconn_host::Kind;

/// The engine makes no more output than this much that waits, in bytes, with all that is kept for it: where what is
/// going to be made may not fit, it waits. Only enriched events may be more than was thought, and go beyond it.
pub const BACKLOG_MAX_BYTES: usize = 6 << 20;
/// The same for their number.
pub(crate) const BACKLOG_MAX_DELIVERIES: usize = 10_000;

/// The queue between the one that makes output and the one that delivers it.
#[derive(Default)]
pub struct Backlog {
    queue: Mutex<Queue>,
    room: Notify,
    news: Notify,
}

#[derive(Default)]
struct Queue {
    /// Each with what it weighs.
    deliveries: VecDeque<(Arc<Delivery>, usize)>,
    weight: usize,
    closed: bool,
    abandoned: bool,
    stopping: bool,
    /// What nobody waits for leaves with what somebody does.
    answers: bool,
    /// The alerts of answers, each until nobody waits for its batch or remembers it: not heard yet, they are in the state.
    unheard: Vec<(Weak<dyn Receipt>, Vec<u8>)>,
}

impl Queue {
    fn has_room(&self, bytes: usize) -> bool {
        let fits = self.weight < BACKLOG_MAX_BYTES && self.weight + bytes <= BACKLOG_MAX_BYTES;
        self.abandoned
            || self.stopping
            || self.deliveries.is_empty()
            // What alone is there would never leave, if what it leaves with had to wait for its room.
            || (self.answers && !self.deliveries.iter().any(|(it, _)| it.resent))
            || (fits && self.deliveries.len() < BACKLOG_MAX_DELIVERIES)
    }
}

impl Backlog {
    /// Adds what is to be delivered after everything that is there.
    pub fn push(&self, delivery: Delivery) {
        let mut queue = lock(&self.queue);
        let weight = delivery.weight();
        queue.weight += weight;
        queue.deliveries.push_back((Arc::new(delivery), weight));
        self.news.notify_one();
    }

    /// The first deliveries, about `max_bytes` of them and at least one, once there are any. They stay
    /// in the backlog until [`Backlog::delivered`] is told. `None` at the end.
    pub async fn first(&self, max_bytes: usize) -> Option<Vec<Arc<Delivery>>> {
        loop {
            {
                let queue = lock(&self.queue);
                if !queue.deliveries.is_empty() {
                    let mut bytes = 0;
                    let deliveries = queue.deliveries.iter().map(|(delivery, _)| delivery);
                    let group = deliveries.take_while(|delivery| {
                        let fits = bytes == 0 || bytes + delivery.bytes.len() <= max_bytes;
                        bytes += delivery.bytes.len();
                        fits
                    });
                    return Some(group.map(Arc::clone).collect());
                }
                if queue.closed || queue.abandoned {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    /// The first deliveries up to and with the first that somebody waits for, once there is one. They stay as with
    /// [`Backlog::first`]. `None` at the end, whatever is left.
    pub async fn first_answerable(&self) -> Option<Vec<Arc<Delivery>>> {
        lock(&self.queue).answers = true;
        self.room.notify_one();
        loop {
            {
                let queue = lock(&self.queue);
                let mut deliveries = queue.deliveries.iter().map(|(delivery, _)| delivery);
                if let Some(at) = deliveries.position(|it| it.resent) {
                    let group = queue.deliveries.iter().take(at + 1);
                    return Some(group.map(|(it, _)| Arc::clone(it)).collect());
                }
                if queue.closed || queue.abandoned {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }

    /// The next hop has taken the first `count` deliveries: their senders are told.
    pub fn delivered(&self, count: usize) {
        let mut queue = lock(&self.queue);
        let count = count.min(queue.deliveries.len());
        let taken: Vec<_> = queue.deliveries.drain(..count).collect();
        queue.weight -= taken.iter().map(|(_, weight)| weight).sum::<usize>();
        if queue.answers
            && let Some(ticket) = taken.last().and_then(|(it, _)| it.ticket.as_ref())
        {
            queue.unheard.retain(|(it, _)| it.strong_count() > 0);
            let alerts = alerts(&taken);
            if !alerts.is_empty() {
                queue.unheard.push((Arc::downgrade(ticket), alerts));
            }
        }
        drop(queue);
        self.room.notify_one();
        for ticket in taken.iter().filter_map(|(it, _)| it.ticket.as_ref()) {
            ticket.deliver();
        }
    }

    /// Whether so little waits that more may be made though nothing is taken.
    pub fn is_nearly_empty(&self) -> bool {
        let queue = lock(&self.queue);
        queue.weight < BACKLOG_MAX_BYTES / 4 && queue.deliveries.len() < BACKLOG_MAX_DELIVERIES / 4
    }

    /// Waits until there is room for so many bytes.
    pub async fn room(&self, bytes: usize) {
        while !lock(&self.queue).has_room(bytes) {
            self.room.notified().await;
        }
    }

    /// All alerts that were not delivered, or are in an answer that is not known to be written, one a line, for the state.
    pub fn alerts(&self) -> Vec<u8> {
        let queue = lock(&self.queue);
        let unheard = queue.unheard.iter();
        let unheard = unheard.filter(|(it, _)| it.strong_count() > 0);
        let mut all: Vec<u8> = unheard.flat_map(|(_, it)| it.iter().copied()).collect();
        all.extend(alerts(&queue.deliveries));
        all
    }

    /// The alerts among them that no answer has.
    pub fn waiting_alerts(&self) -> Vec<u8> {
        alerts(&lock(&self.queue).deliveries)
    }

    /// How much waits: bytes and deliveries, counted anew.
    #[cfg(test)]
    pub fn waiting(&self) -> (usize, usize) {
        let queue = lock(&self.queue);
        let bytes = queue.deliveries.iter().map(|(it, _)| it.bytes.len()).sum();
        (bytes, queue.deliveries.len())
    }

    /// Whoever waits for room goes on: there is a stop to come, and no more than waits in front comes before it.
    pub fn make_room(&self) {
        lock(&self.queue).stopping = true;
        self.room.notify_one();
    }

    /// Nothing more comes.
    pub fn close(&self) {
        lock(&self.queue).closed = true;
        self.news.notify_one();
    }

    /// Nothing more is delivered: whoever waits for room goes on, for there is a stop to come.
    pub fn abandon(&self) {
        lock(&self.queue).abandoned = true;
        self.news.notify_one();
        self.room.notify_one();
    }

    /// How many deliveries are lost if nothing more is delivered: those that nobody sends again. With
    /// `alerts_kept` alerts alone are no loss.
    pub fn lost(&self, alerts_kept: bool) -> usize {
        let is_loss = |segment: &LineRange| !alerts_kept || segment.kind != Kind::Alert;
        let queue = lock(&self.queue);
        let lost = queue
            .deliveries
            .iter()
            .filter(|(it, _)| !it.resent && it.segments.iter().any(is_loss));
        lost.count()
    }
}

fn alerts<'a>(deliveries: impl IntoIterator<Item = &'a (Arc<Delivery>, usize)>) -> Vec<u8> {
    let deliveries = deliveries.into_iter();
    let pieces: Vec<&[u8]> = deliveries.flat_map(|(it, _)| it.alerts()).collect();
    pieces.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn delivery(bytes: usize) -> Delivery {
        Delivery {
            bytes: vec![b'x'; bytes].into(),
            ..Delivery::default()
        }
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
    }

    #[test]
    fn deliveries_come_in_groups_and_stay_until_they_are_taken() {
        let backlog = Backlog::default();
        for bytes in [5, 4, 3, 20] {
            backlog.push(delivery(bytes));
        }
        let first = |bytes| runtime().block_on(backlog.first(bytes)).unwrap().len();
        assert_eq!((first(10), first(12), first(1)), (2, 3, 1));
        backlog.delivered(3);
        assert_eq!(first(10), 1);
        backlog.delivered(1);
        backlog.close();
        assert!(runtime().block_on(backlog.first(10)).is_none());
    }

    #[test]
    fn what_nobody_sends_again_is_lost() {
        let backlog = Backlog::default();
        for (kind, resent) in [
            (Kind::Passed, true),
            (Kind::Alert, false),
            (Kind::Enriched, false),
        ] {
            let segments = vec![LineRange {
                kind,
                end: 1,
                number: 0,
            }];
            backlog.push(Delivery {
                segments,
                resent,
                ..delivery(1)
            });
        }
        backlog.push(delivery(0));
        assert_eq!((backlog.lost(false), backlog.lost(true)), (2, 1));
    }

    #[test]
    fn a_full_backlog_has_no_room_until_something_is_taken_or_it_is_abandoned() {
        for (abandoned, waiting, wanted) in [
            (false, BACKLOG_MAX_BYTES, 0),
            (true, BACKLOG_MAX_BYTES, 0),
            (false, 1 << 20, BACKLOG_MAX_BYTES - (1 << 20)),
        ] {
            let backlog = Backlog::default();
            backlog.push(delivery(waiting));
            let mut room = pin!(backlog.room(wanted));
            let mut context = Context::from_waker(Waker::noop());
            assert!(room.as_mut().poll(&mut context).is_pending());
            if abandoned {
                backlog.abandon();
            } else {
                backlog.delivered(1);
            }
            assert_eq!(room.as_mut().poll(&mut context), Poll::Ready(()));
        }
    }

    #[test]
    fn alerts_without_a_sender_hold_no_post_up() {
        let backlog = Backlog::default();
        backlog.push(delivery(BACKLOG_MAX_BYTES));
        let mut context = Context::from_waker(Waker::noop());
        let mut room = pin!(backlog.room(1));
        assert!(room.as_mut().poll(&mut context).is_pending());
        let mut group = pin!(backlog.first_answerable());
        assert!(group.as_mut().poll(&mut context).is_pending());
        assert!(room.as_mut().poll(&mut context).is_ready());
        backlog.push(Delivery {
            resent: true,
            ..delivery(1)
        });
        assert!(pin!(backlog.room(1)).poll(&mut context).is_pending());
        assert!(group.as_mut().poll(&mut context).is_ready());
    }
}
