//! Watches what a connection does, so that those that do nothing can make room for others.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lock::lock;

/// One that has said nothing so far is no sender after this time.
const NEWCOMER: Duration = Duration::from_secs(5);

/// What one connection does. Until it has something of a sender's that must not be lost it may be ended.
pub struct Connection {
    idle: Mutex<Idle>,
    end: Notify,
    peer: Box<dyn Peer>,
    heard: Mutex<Vec<WhenHeard>>,
    written: Mutex<Vec<WhenHeard>>,
}

/// The other side of a connection.
pub trait Peer: Send + Sync {
    /// It has said that it sends no more, or it is not there any more, as far as is known here.
    fn is_gone(&self) -> bool {
        false
    }

    /// It has refused what was sent to it.
    fn is_broken(&self) -> bool {
        false
    }
}

/// One of which nothing is known.
pub struct UnknownPeer;

impl Peer for UnknownPeer {}

/// What is done once the other side has heard an answer; dropped, it has not.
type WhenHeard = Box<dyn FnOnce() + Send>;

struct Idle {
    /// Since when it has had nothing; `None`: it has something.
    since: Option<Instant>,
    /// It has had something once.
    has_worked: bool,
}

impl Connection {
    /// One that was just opened.
    pub fn new(peer: Box<dyn Peer>) -> Arc<Connection> {
        let idle = Idle {
            since: Some(Instant::now()),
            has_worked: false,
        };
        Arc::new(Connection {
            idle: Mutex::new(idle),
            end: Notify::new(),
            peer,
            heard: Mutex::default(),
            written: Mutex::default(),
        })
    }

    /// It has nothing, from now on.
    pub fn rest(&self) {
        lock(&self.idle).since = Some(Instant::now());
    }

    /// It has something: it is not to be ended.
    pub fn work(&self) {
        let mut idle = lock(&self.idle);
        (idle.since, idle.has_worked) = (None, true);
    }

    /// It is to end.
    pub fn end(&self) {
        self.end.notify_one();
    }

    /// Does something once the answer at hand is written.
    pub fn when_written(&self, what: impl FnOnce() + Send + 'static) {
        lock(&self.written).push(Box::new(what));
    }

    /// All that was to be written is.
    pub fn is_written(&self) {
        self.take_written().into_iter().for_each(|what| what());
    }

    /// What was to be done then.
    pub fn take_written(&self) -> Vec<WhenHeard> {
        std::mem::take(&mut *lock(&self.written))
    }

    /// Waits until it is to end.
    pub async fn ended(&self) {
        self.end.notified().await;
    }

    /// The other side.
    pub fn peer(&self) -> &dyn Peer {
        &*self.peer
    }

    /// Does something once the other side, which says no more, has heard its answer.
    pub fn when_heard(&self, what: impl FnOnce() + Send + 'static) {
        lock(&self.heard).push(Box::new(what));
    }

    /// What was to be done then.
    pub fn take_heard(&self) -> Vec<WhenHeard> {
        std::mem::take(&mut *lock(&self.heard))
    }
}

/// Connections that make room for each other.
#[derive(Default)]
pub struct Connections(Mutex<Vec<Weak<Connection>>>);

impl Connections {
    /// One more.
    pub fn add(&self, connection: &Arc<Connection>) {
        let mut all = lock(&self.0);
        all.retain(|it| it.strong_count() > 0);
        all.push(Arc::downgrade(connection));
    }

    /// Asks the one to end that has had nothing for the longest, first of those that never said anything; answers for
    /// how long, if there is one.
    pub fn end_longest_idle(&self) -> Option<Duration> {
        let mut all = lock(&self.0);
        let idle = all.iter().enumerate().filter_map(|(at, it)| {
            let connection = it.upgrade()?;
            let idle = lock(&connection.idle);
            let since = idle.since?;
            let is_sender = idle.has_worked || since.elapsed() < NEWCOMER;
            let key = (is_sender, since, at);
            drop(idle);
            Some((key, connection))
        });
        let ((_, since, at), connection) = idle.min_by_key(|(key, _)| *key)?;
        connection.end.notify_one();
        // It is asked once.
        all.remove(at);
        Some(since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_that_was_idle_for_the_longest_ends_and_none_that_works() {
        let all: Vec<_> = (0..5)
            .map(|_| Connection::new(Box::new(UnknownPeer)))
            .collect();
        let connections = Connections::default();
        all.iter().for_each(|it| connections.add(it));
        all[3].work();
        // It has been silent for longer than those that follow, but it is a sender.
        all[4].work();
        all[4].rest();
        tokio::time::advance(NEWCOMER / 2).await;
        all[0].work();
        all[1].rest();
        tokio::time::advance(NEWCOMER * 2).await;
        let new = Connection::new(Box::new(UnknownPeer));
        connections.add(&new);
        for expected in [&all[2], &all[1], &all[4], &new] {
            assert!(connections.end_longest_idle().is_some());
            expected.ended().await;
        }
        assert!(connections.end_longest_idle().is_none());
    }
}
