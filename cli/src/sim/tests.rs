//! The simulations that tests run.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::life::simulate;

/// How many seeds are tried unless the environment says otherwise.
const SEEDS: u64 = 300;

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    value.parse().ok()
}

#[test]
fn whatever_fails_nothing_acknowledged_is_missing_and_no_alert_is_lost() {
    if let Some(seed) = variable("SIM_SEED") {
        let (wrong, trace) = simulate(seed);
        println!("{}", trace.join("\n"));
        assert_eq!(wrong, None, "seed {seed}");
        return;
    }
    let first = variable("SIM_FIRST").unwrap_or(0);
    let seeds = variable("SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(first);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || wrong.lock().unwrap().len() >= 10 {
                        return;
                    }
                    if let (Some(sentence), _) = simulate(seed) {
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("make sim SEED={seed}: {sentence}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_same_seed_is_the_same_simulation() {
    for seed in 0..5 {
        let [one, other] = [simulate(seed), simulate(seed)];
        let differs = one.1.iter().zip(&other.1).find(|(one, other)| one != other);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.1.len(), other.1.len());
    }
}
