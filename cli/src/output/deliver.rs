//! Hands deliveries to the next hop, in order, for as long as it takes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use super::backlog::Backlog;
use super::delivery::Delivery;
use super::meter::Meter;
use super::trouble::Trouble;
use super::{Destination, SendError};
use crate::system;

/// The first pause after a failure; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A next hop that stays down is spoken of this often.
pub const REMIND_EVERY: Duration = Duration::from_secs(60);

/// How often a pause looks whether it is to stop.
const STOP_POLL: Duration = Duration::from_millis(100);

/// Why nothing more is delivered.
#[derive(Debug, Error)]
pub enum DeliverError {
    #[error("cannot write to standard output: {0}; make room there")]
    Stdout(io::Error),
    #[error(transparent)]
    GivenUp(Trouble),
}

impl DeliverError {
    /// Nobody reads what comes out any more, which needs no words.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, DeliverError::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// How long somebody waits for a next hop that takes nothing.
pub struct Patience {
    /// So long for each group.
    pub most: Duration,
    /// And no longer once this is set.
    pub stop: Arc<AtomicBool>,
}

impl Patience {
    fn is_over(&self, begun: Instant) -> bool {
        begun.elapsed() >= self.most || self.stop.load(Ordering::Relaxed)
    }
}

/// Delivers until the backlog is closed and empty. What goes wrong is told to `tell`, and tried again; with
/// `patience` no longer than that, counted for each group anew. What the next hop has taken is told to `taken` first.
pub async fn deliver(
    backlog: Arc<Backlog>,
    mut output: Destination,
    meter: Meter,
    patience: Option<Patience>,
    tell: impl Fn(&str),
    taken: impl Fn(&[Arc<Delivery>]),
) -> Result<(), DeliverError> {
    let mut pauses = Pauses::new();
    while let Some(group) = backlog.first(output.group_bytes()).await {
        let begun = Instant::now();
        let mut said: Option<(Instant, Trouble)> = None;
        while let Err(error) = output.send(&group).await {
            let (trouble, at_least) = match error {
                SendError::Stdout(error) => return Err(DeliverError::Stdout(error)),
                SendError::Retry { trouble, after } => (trouble, after),
            };
            meter.failed(trouble.for_senders());
            let is_over = || patience.as_ref().is_some_and(|it| it.is_over(begun));
            if is_over() {
                return Err(DeliverError::GivenUp(trouble));
            }
            let is_news = |(at, before): &(Instant, Trouble)| {
                !before.is_like(&trouble) || at.elapsed() >= REMIND_EVERY
            };
            if said.as_ref().is_none_or(is_news) {
                let until = match &patience {
                    Some(patience) => format!("for {} s", patience.most.as_secs()),
                    None => "until it works".to_string(),
                };
                tell(&format!("{trouble}; it is tried again {until}"));
                said = Some((Instant::now(), trouble));
            }
            let until = Instant::now() + pauses.next().max(at_least);
            while Instant::now() < until && !is_over() {
                let left = until.saturating_duration_since(Instant::now());
                tokio::time::sleep(if patience.is_some() {
                    left.min(STOP_POLL)
                } else {
                    left
                })
                .await;
            }
        }
        if said.is_some() {
            tell(&format!(
                "{} takes what it is given again, after {:.0} s",
                output.name(),
                begun.elapsed().as_secs_f64()
            ));
        }
        pauses = Pauses::new();
        let bytes = group.iter().map(|it| it.bytes.len()).sum();
        meter.succeeded(bytes, begun.elapsed().as_secs_f64());
        taken(&group);
        backlog.delivered(group.len());
    }
    Ok(())
}

/// Growing pauses, each shortened at random so that many of us do not come back at once.
pub struct Pauses {
    next: Duration,
}

impl Pauses {
    /// The first is the shortest.
    pub fn new() -> Pauses {
        Pauses { next: PAUSE_FIRST }
    }

    /// How long the next one is.
    pub fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(PAUSE_MAX);
        whole / 2 + whole.mul_f64(random() / 2.0)
    }
}

/// A number from 0 to 1.
fn random() -> f64 {
    (system::random() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use test_support::contains;

    use super::*;
    use crate::address::LinesAddress;
    use crate::output::lines::LinesOutput;

    #[test]
    fn with_little_patience_a_next_hop_that_is_not_there_is_given_up() {
        // It is over at once: for its length, and because all is to stop.
        for (most, is_stopped) in [(Duration::ZERO, false), (Duration::MAX, true)] {
            let backlog = Arc::new(Backlog::default());
            backlog.push(Delivery {
                bytes: "{}\n".into(),
                ..Delivery::default()
            });
            let nowhere = LinesAddress::Unix("/nowhere/at.all".into());
            let output = Destination::Lines(LinesOutput::new(nowhere));
            let meter = Meter::new();
            let stop = Arc::new(AtomicBool::new(is_stopped));
            let patience = Some(Patience { most, stop });
            let delivering = deliver(backlog, output, meter.clone(), patience, |_| {}, |_| {});
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let sentence = runtime.block_on(delivering).unwrap_err().to_string();
            contains(&sentence, &["cannot connect to unix:/nowhere"]);
            assert_eq!((meter.retries.get(), meter.up.get()), (1, 0));
        }
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_differ() {
        let mut pauses = Pauses::new();
        let mut whole = PAUSE_FIRST;
        for _ in 0..20 {
            let pause = pauses.next();
            assert!(
                pause >= whole / 2 && pause <= whole,
                "{pause:?} of {whole:?}"
            );
            whole = (whole * 2).min(PAUSE_MAX);
        }
        assert!((0..10).any(|_| Pauses::new().next() != Pauses::new().next()));
    }
}
