//! Tells one output what waits for it, for as long as it takes.

use std::sync::{Arc, Mutex};

use tokio::time::{Instant, sleep};

use super::Sender;
use super::meter::Meter;
use super::outcome::{AlertTrouble, Outcome};
use super::waiting::{Item, Waiting};
use crate::lock::lock;
use crate::log;
use crate::output::dead::DeadLetters;
use crate::output::deliver::{Pauses, REMIND_EVERY};

/// Whoever tells an output.
pub struct Courier {
    /// What the output is called.
    pub name: String,
    /// What waits for it.
    pub waiting: Arc<Waiting>,
    /// The way to it.
    pub sender: Sender,
    /// Where alerts go that it refuses for good; shared by all outputs.
    pub dead: Option<Arc<Mutex<DeadLetters>>>,
    /// What is counted.
    pub meter: Meter,
    /// What was not told at the end is kept: then one try is enough.
    pub is_kept: bool,
}

impl Courier {
    /// Tells it all, until nothing more comes and it was told everything; or, at the end, does not take what is kept.
    pub async fn run(mut self) {
        let mut pauses = Pauses::new();
        let mut said: Option<(Instant, AlertTrouble)> = None;
        let mut since = Instant::now();
        while let Some(items) = self.waiting.next(self.sender.most()).await {
            let outcomes = self.sender.send(&items).await;
            let mut failure = None;
            for (item, outcome) in items.iter().zip(outcomes) {
                match outcome {
                    Outcome::Taken => {
                        self.meter.taken();
                        self.waiting.taken(item);
                    }
                    Outcome::Refused(reason) => {
                        self.bury(item, &reason);
                        self.waiting.refused(item);
                    }
                    Outcome::Retry { trouble, after } => failure = Some((trouble, after)),
                }
            }
            let Some((trouble, at_least)) = failure else {
                if said.take().is_some() {
                    let seconds = since.elapsed().as_secs_f64();
                    log::warn!(
                        "--alerts {} takes alerts again, after {seconds:.0} s",
                        self.name
                    );
                }
                self.meter.up(true);
                pauses = Pauses::new();
                continue;
            };
            self.meter.failed();
            let is_news = |(at, before): &(Instant, AlertTrouble)| {
                !before.is_like(&trouble) || at.elapsed() >= REMIND_EVERY
            };
            if said.as_ref().is_none_or(is_news) {
                log::warn!(
                    "--alerts {}: {trouble}; it is tried again until it works",
                    self.name
                );
                if said.is_none() {
                    since = Instant::now();
                }
                said = Some((Instant::now(), trouble));
            }
            if self.is_kept && self.waiting.is_closed() {
                return;
            }
            sleep(pauses.next().max(at_least)).await;
        }
    }

    /// Sets an alert aside that the output will never take; without a place for it, it is dropped, for it must not hold
    /// up what comes behind it.
    fn bury(&self, item: &Item, reason: &str) {
        let reason = format!("--alerts {}: {reason}", self.name);
        let buried = self
            .dead
            .as_ref()
            .map(|dead| lock(dead).write(&reason, &item.alert.line));
        match buried {
            Some(Ok(())) => return self.meter.set_aside(),
            Some(Err(error)) => log::warn!("{error}; an alert is dropped: {reason}"),
            None => log::warn!(
                "an alert is dropped: {reason}; give --alerts-dead-letter FILE to set such alerts aside"
            ),
        }
        self.meter.refused();
    }
}
