//! A sender as shippers are: it sends a batch until it is told that it was taken.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use host_test::Error;
use ureq::Agent;

/// As many post at once, each a batch after the other.
pub const SENDERS: usize = 4;
/// The pause after a refusal.
const PAUSE: Duration = Duration::from_millis(100);
/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How long everything may take: far more than it does.
const PATIENCE: Duration = Duration::from_secs(240);

/// How far it has come.
#[derive(Default)]
pub struct Progress {
    next: AtomicUsize,
    acknowledged: AtomicUsize,
    refused: AtomicUsize,
    broken: AtomicUsize,
    given_up: AtomicBool,
}

impl Progress {
    /// Waits until so many batches were acknowledged.
    pub fn wait_for(&self, batches: usize) -> Result<(), Error> {
        self.wait(&self.acknowledged, batches, "batches acknowledged")
    }

    /// Waits until so many posts were refused.
    pub fn wait_for_refusals(&self, posts: usize) -> Result<(), Error> {
        self.wait(&self.refused, posts, "posts refused")
    }

    fn wait(&self, figure: &AtomicUsize, wanted: usize, what: &str) -> Result<(), Error> {
        let begun = Instant::now();
        while figure.load(Ordering::Relaxed) < wanted {
            if begun.elapsed() > PATIENCE || self.given_up.load(Ordering::Relaxed) {
                return Err(format!("the senders did not get {wanted} {what}").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// How many batches were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many posts were answered with another status, and how many got no answer.
    pub fn failures(&self) -> (usize, usize) {
        (
            self.refused.load(Ordering::Relaxed),
            self.broken.load(Ordering::Relaxed),
        )
    }
}

/// Sends all batches, and does something else meanwhile.
pub fn send(
    port: u16,
    batches: &[String],
    meanwhile: impl FnOnce(&Progress) -> Result<(), Error>,
) -> Result<Progress, Error> {
    let progress = Progress::default();
    let url = format!("http://127.0.0.1:{port}/");
    let until = Instant::now() + PATIENCE;
    thread::scope(|scope| {
        let work = || {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(ANSWER_MAX));
            let agent: Agent = config.build().into();
            while let Some(batch) = batches.get(progress.next.fetch_add(1, Ordering::Relaxed)) {
                if !deliver(&agent, &url, batch, until, &progress) {
                    progress.given_up.store(true, Ordering::Relaxed);
                }
            }
        };
        for _ in 0..SENDERS {
            scope.spawn(work);
        }
        let done = meanwhile(&progress);
        // When it failed nobody may be there who takes the rest.
        if done.is_err() {
            progress.given_up.store(true, Ordering::Relaxed);
        }
        done.and_then(|()| progress.wait_for(batches.len()))
    })?;
    Ok(progress)
}

/// Sends one batch until it is taken; `false` if that is given up.
fn deliver(agent: &Agent, url: &str, batch: &str, until: Instant, progress: &Progress) -> bool {
    while Instant::now() < until && !progress.given_up.load(Ordering::Relaxed) {
        let post = agent
            .post(url)
            .header("content-type", "application/x-ndjson");
        match post.send(batch) {
            Ok(answer) if answer.status().is_success() => {
                progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Ok(_) => progress.refused.fetch_add(1, Ordering::Relaxed),
            Err(_) => progress.broken.fetch_add(1, Ordering::Relaxed),
        };
        thread::sleep(PAUSE);
    }
    false
}
