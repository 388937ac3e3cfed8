//! Hands deliveries to the next hop, in order, for as long as it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::backlog::Backlog;
use super::meter::Meter;
use super::{Output, SendError};
use crate::system;

/// The first pause after a failure; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A next hop that stays down is spoken of this often.
const REMIND_EVERY: Duration = Duration::from_secs(60);

/// How often a pause looks whether it is to stop.
const STOP_POLL: Duration = Duration::from_millis(100);

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
/// `patience` no longer than that, counted for each group anew.
///
/// # Errors
/// The output can never take anything again, or was tried for long enough.
pub async fn deliver(
    backlog: Arc<Backlog>,
    mut output: Output,
    meter: Meter,
    patience: Option<Patience>,
    tell: impl Fn(&str),
) -> Result<(), String> {
    let mut pauses = Pauses::new();
    while let Some(group) = backlog.first(output.group_bytes()).await {
        let begun = Instant::now();
        let mut said: Option<(Instant, String)> = None;
        while let Err(error) = output.send(&group).await {
            let (sentence, why, at_least) = match error {
                SendError::Fatal(sentence) => return Err(sentence),
                SendError::Retry {
                    sentence,
                    why,
                    after,
                } => (sentence, why, after),
            };
            meter.failed(why);
            let is_over = || patience.as_ref().is_some_and(|it| it.is_over(begun));
            if is_over() {
                return Err(sentence);
            }
            let cause = cause(&sentence);
            let is_news =
                |(at, before): &(Instant, String)| *before != cause || at.elapsed() >= REMIND_EVERY;
            if said.as_ref().is_none_or(is_news) {
                let until = match &patience {
                    Some(patience) => format!("for {} s", patience.most.as_secs()),
                    None => "until it works".to_string(),
                };
                tell(&format!("{sentence}; it is tried again {until}"));
                said = Some((Instant::now(), cause));
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
        backlog.delivered(group.len());
    }
    Ok(())
}

/// A sentence without its larger figures: what fails again in the same way is no news, though they differ.
fn cause(sentence: &str) -> String {
    let (mut cause, mut figure) = (String::new(), String::new());
    for character in sentence.chars().chain([' ']) {
        if character.is_ascii_digit() {
            figure.push(character);
            continue;
        }
        // A status is what it is about.
        if figure.len() <= 3 {
            cause.push_str(&figure);
        }
        figure.clear();
        cause.push(character);
    }
    cause
}

/// Growing pauses, each shortened at random so that many of us do not come back at once.
struct Pauses {
    next: Duration,
}

impl Pauses {
    fn new() -> Pauses {
        Pauses { next: PAUSE_FIRST }
    }

    fn next(&mut self) -> Duration {
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
    use super::*;
    use crate::address::LinesAddress;
    use crate::output::delivery::Delivery;
    use crate::output::lines::LinesOutput;

    #[test]
    fn a_cause_is_the_same_whatever_its_figures_are_but_for_the_status() {
        let bytes =
            |status: u16, bytes: u32| cause(&format!("answers {status} (bytes={bytes}, 1 of 2)"));
        assert_eq!(bytes(429, 123_456), bytes(429, 98_765));
        assert_ne!(bytes(429, 123_456), bytes(401, 123_456));
    }

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
            let output = Output::Lines(LinesOutput::new(nowhere));
            let meter = Meter::new();
            let stop = Arc::new(AtomicBool::new(is_stopped));
            let patience = Some(Patience { most, stop });
            let delivering = deliver(backlog, output, meter.clone(), patience, |_| {});
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let sentence = runtime.block_on(delivering).unwrap_err();
            assert!(
                sentence.contains("cannot connect to unix:/nowhere"),
                "{sentence}"
            );
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
