//! Measures maxconn beside other ways to do the same work, and against the figures it is held to.
//!
//! Everything printed is Markdown. A figure that misses its target is said so and changes nothing else:
//! time on a shared machine is no reason to fail a run. What can't be measured at all does fail it.
#![forbid(unsafe_code)]

mod command;
mod input;
mod load;
mod memory;
mod peers;
mod report;
mod rounds;
mod story;

use std::path::PathBuf;
use std::process::ExitCode;

/// An error said in a sentence.
type Error = Box<dyn std::error::Error>;

const USAGE: &str = "usage: maxconn-bench [--maxconn FILE] [--rounds N] [--records N] [PART…]

Measures every PART, or those named: peers, story, memory, start, load.

  --maxconn FILE  the command to measure (default: target/release/maxconn)
  --rounds N      rounds for each workload of `peers` (default: 9)
  --records N     records in each workload of `peers` (default: 100000)";

/// What the command line asks for.
struct Options {
    maxconn: PathBuf,
    rounds: usize,
    records: usize,
    parts: Vec<String>,
}

const PARTS: [&str; 5] = ["peers", "story", "memory", "start", "load"];

fn options() -> Result<Options, Error> {
    let mut options = Options {
        maxconn: PathBuf::from("target/release/maxconn"),
        rounds: 9,
        records: 100_000,
        parts: Vec::new(),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .ok_or(format!("{argument} wants a value\n\n{USAGE}"))
        };
        match argument.as_str() {
            "--maxconn" => options.maxconn = value()?.into(),
            "--rounds" => options.rounds = value()?.parse()?,
            "--records" => options.records = value()?.parse()?,
            "--help" | "-h" => return Err(USAGE.into()),
            part if PARTS.contains(&part) => options.parts.push(part.to_string()),
            other => return Err(format!("{other} is not known\n\n{USAGE}").into()),
        }
    }
    if options.rounds == 0 || options.records < 1_000 {
        return Err(
            "at least one round of at least 1000 records, or there is nothing to measure".into(),
        );
    }
    if options.parts.is_empty() {
        options.parts = PARTS.map(str::to_string).to_vec();
    }
    Ok(options)
}

fn run() -> Result<(), Error> {
    let options = options()?;
    println!("{}\n", report::machine());
    let mut rows = Vec::new();
    for part in &options.parts {
        eprintln!("maxconn-bench: {part} …");
        match part.as_str() {
            "peers" => rows.extend(rounds::measure(options.rounds, options.records)?),
            "story" => rows.extend(story::measure(&options.maxconn)?),
            "memory" => rows.extend(memory::measure()?),
            "load" => rows.extend(load::measure(&options.maxconn)?),
            _ => rows.extend(command::measure_start(&options.maxconn)?),
        }
    }
    println!("{}", report::verdicts(&rows));
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("maxconn-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
