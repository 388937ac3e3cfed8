//! What a connection does, so that those that do nothing can make room for others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

/// What one connection does. Until it has something of a sender's that must not be lost it may be ended.
pub struct Activity {
    /// Since when it has had nothing; `None`: it has something.
    idle: Mutex<Option<Instant>>,
    end: Notify,
}

impl Activity {
    /// One that was just opened.
    pub fn new() -> Arc<Activity> {
        Arc::new(Activity {
            idle: Mutex::new(Some(Instant::now())),
            end: Notify::new(),
        })
    }

    /// It has nothing, from now on.
    pub fn rest(&self) {
        *self.lock() = Some(Instant::now());
    }

    /// It has something: it is not to be ended.
    pub fn work(&self) {
        *self.lock() = None;
    }

    /// Waits until it is to end.
    pub async fn ended(&self) {
        self.end.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All connections of an address.
#[derive(Default)]
pub struct Activities(Vec<Weak<Activity>>);

impl Activities {
    /// One more.
    pub fn add(&mut self, activity: &Arc<Activity>) {
        self.0.push(Arc::downgrade(activity));
    }

    /// Asks the one to end that has had nothing for the longest; answers whether there is one.
    pub fn end_longest_idle(&mut self) -> bool {
        self.0.retain(|it| it.strong_count() > 0);
        let all = self.0.iter().enumerate();
        let idle = all.filter_map(|(at, it)| {
            let activity = it.upgrade()?;
            let since = (*activity.lock())?;
            Some((since, at, activity))
        });
        let Some((_, at, activity)) = idle.min_by_key(|(since, at, _)| (*since, *at)) else {
            return false;
        };
        activity.end.notify_one();
        // It is asked once.
        self.0.remove(at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_was_idle_for_the_longest_ends_and_none_that_works() {
        let all: Vec<_> = (0..4).map(|_| Activity::new()).collect();
        let mut activities = Activities::default();
        all.iter().for_each(|it| activities.add(it));
        all[0].work();
        all[1].rest();
        all[3].work();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for expected in [2, 1] {
            assert!(activities.end_longest_idle());
            runtime.block_on(all[expected].ended());
        }
        assert!(!activities.end_longest_idle());
    }
}
