//! The random driver as a command: what `make fuzz` runs where there is no libFuzzer, and what takes an input
//! through a target again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use maxconn_fuzz::Target;
use maxconn_fuzz::driver::{self, Inputs};
use maxconn_fuzz::targets::TARGETS;

/// An input that takes longer is a failure: none has more than 64 KiB.
const INPUT_MAX: Duration = Duration::from_secs(20);

const USAGE: &str = "usage: maxconn-fuzz [NAME | all] [--seconds N] [--seed N]
       maxconn-fuzz NAME FILE   takes the input in FILE through a target again";

fn main() -> ExitCode {
    match command(env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("maxconn-fuzz: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn command(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let (mut words, mut seconds, mut seed) = (Vec::new(), 60, 1);
    while let Some(arg) = args.next() {
        let mut number = || {
            let value = args.next().and_then(|it| it.parse().ok());
            value.ok_or_else(|| format!("{arg} takes a whole number\n{USAGE}"))
        };
        match arg.as_str() {
            "--seconds" => seconds = number()?,
            "--seed" => seed = number()?,
            _ if arg.starts_with('-') => return Err(USAGE.to_string()),
            _ => words.push(arg),
        }
    }
    let name = words.first().map_or("all", String::as_str);
    let chosen: Vec<&'static Target> = TARGETS
        .iter()
        .filter(|target| name == "all" || target.name == name)
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        return Err(format!(
            "there is no target {name}; one of {}",
            names.join(", ")
        ));
    }
    match (words.get(1), chosen.as_slice()) {
        (Some(file), [target]) => {
            let input = fs::read(file).map_err(|error| format!("cannot read {file}: {error}"))?;
            match driver::holds(target, &input) {
                true => {
                    println!("{}: {file} holds", target.name);
                    Ok(())
                }
                false => Err(format!("{}: {file} does not hold", target.name)),
            }
        }
        (Some(_), _) => Err(USAGE.to_string()),
        (None, targets) => {
            let share = Duration::from_secs(seconds) / targets.len() as u32;
            targets
                .iter()
                .try_for_each(|target| fuzz(target, seed, share))
        }
    }
}

fn fuzz(target: &'static Target, seed: u64, time: Duration) -> Result<(), String> {
    let inputs = Arc::new(Inputs::new(target, seed));
    let started = Instant::now();
    let current = Arc::new(AtomicU64::new(0));
    watch(target, &inputs, &current);
    let numbers = (0..)
        .take_while(|_| started.elapsed() < time)
        .inspect(|number| current.store(*number, Ordering::Relaxed));
    let result = driver::run(target, &inputs, numbers);
    current.store(u64::MAX, Ordering::Relaxed);
    match result {
        Ok(runs) => {
            println!(
                "{:<10} {runs:>9} inputs in {:.0} s: {}",
                target.name,
                started.elapsed().as_secs_f64(),
                target.promise
            );
            Ok(())
        }
        Err(failure) => Err(kept(target, &failure.input, "it does not hold")),
    }
}

/// Ends the process when one input takes too long.
fn watch(target: &'static Target, inputs: &Arc<Inputs>, current: &Arc<AtomicU64>) {
    let (inputs, current) = (Arc::clone(inputs), Arc::clone(current));
    thread::spawn(move || {
        let mut last = u64::MAX - 1;
        loop {
            thread::sleep(INPUT_MAX);
            match current.load(Ordering::Relaxed) {
                u64::MAX => return,
                number if number == last => {
                    let kept = kept(target, &inputs.get(number), "it takes too long");
                    eprintln!("maxconn-fuzz: {kept}");
                    std::process::exit(1);
                }
                number => last = number,
            }
        }
    });
}

/// Keeps an input, and says how it is run again.
fn kept(target: &Target, input: &[u8], what: &str) -> String {
    let name = target.name;
    let hash = maxconn_core::hash::hash128(0, input) as u64;
    let file = PathBuf::from(format!("{name}-{hash:016x}.input"));
    match fs::write(&file, input) {
        Ok(()) => format!(
            "{name}: {what}: {}; the input is kept, run it again by\n  cargo run --release -p maxconn-fuzz -- {name} {}",
            target.promise,
            file.display()
        ),
        Err(error) => format!(
            "{name}: {what}, and cannot write {}: {error}",
            file.display()
        ),
    }
}
