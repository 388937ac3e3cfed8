//! `cargo run --release -p host-test --bin cases-json`: every case and what the core says of it, as one JSON document
//! on standard output, for harnesses in other languages.
#![forbid(unsafe_code)]

use std::io::{Write, stdout};
use std::process::ExitCode;

use host_test::case::{self, Case, Step};
use host_test::run::Batches;
use host_test::{Error, embed, native};
use serde_json::{Value, json};

fn main() -> ExitCode {
    match export() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cases-json: {error}");
            ExitCode::FAILURE
        }
    }
}

fn export() -> Result<(), Error> {
    let cases = case::all()?;
    let cases: Vec<Value> = cases.iter().map(exported).collect::<Result<_, _>>()?;
    let mut out = stdout().lock();
    serde_json::to_writer(&mut out, &cases)?;
    Ok(out.write_all(b"\n")?)
}

fn exported(case: &Case) -> Result<Value, Error> {
    let steps: Vec<Value> = case.steps.iter().map(step).collect();
    let pieces: Vec<Value> = native::run(case, &mut Batches::Whole)?
        .into_iter()
        .map(|piece| json!([piece.kind, piece.text]))
        .collect();
    Ok(json!({
        "name": case.name,
        "config": case.config,
        "path": case.source.path,
        "reference_ms": case.source.reference_ms,
        "format": embed::format_name(case.source.format),
        "has_offsets": case.has_offsets,
        "steps": steps,
        "pieces": pieces,
    }))
}

fn step(step: &Step) -> Value {
    match step {
        Step::Lines(lines) => json!({ "lines": lines }),
        Step::Tick(at) => json!({ "tick": at }),
        Step::Restart => json!({ "restart": true }),
        Step::Statistics => json!({ "statistics": true }),
        Step::Finish(at) => json!({ "finish": at }),
    }
}
