//! `cargo run --release -p host-test -- [--plugin FILE.wasm] [--exclude CASE]...`: every case through every
//! driver, a line each. With `--plugin` the module of that file takes the place of our own guest of its ABI, and the
//! others stay out; a build without patterns runs with `--exclude pattern`.
//! `UPDATE=1` writes what comes out natively into the expectations first: read the difference.
#![forbid(unsafe_code)]

use std::io::IsTerminal;
use std::process::ExitCode;

use host_test::run::{self, Guests};
use host_test::{Error, case};

fn main() -> ExitCode {
    match cases() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(sentence) => {
            eprintln!("host-test: {sentence}");
            ExitCode::from(2)
        }
    }
}

fn cases() -> Result<usize, Error> {
    let cases = case::all()?;
    let (mut plugin, mut without) = (None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        match (option.as_str(), arguments.next()) {
            ("--plugin", Some(file)) => {
                let wasm = std::fs::read(&file).map_err(|error| format!("{file}: {error}"))?;
                plugin = Some((file, wasm));
            }
            ("--exclude", Some(case)) if cases.iter().any(|known| known.name == case) => {
                without.push(case);
            }
            ("--exclude", Some(case)) => {
                return Err(format!("{case}: there is no such case").into());
            }
            _ => return Err("usage: host-test [--plugin FILE.wasm] [--exclude CASE]...".into()),
        }
    }
    let guests = match plugin {
        Some((file, wasm)) => {
            Guests::plugin(&wasm, &cases).map_err(|problem| format!("{file}: {problem}"))?
        }
        None => Guests::build(&cases)?,
    };
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (mut passed, mut failed) = (0, 0);
    for case in cases.iter().filter(|case| !without.contains(&case.name)) {
        let result = run::case(case, &guests);
        let (code, word) = if result.is_ok() {
            (32, "ok    ")
        } else {
            (31, "FAILED")
        };
        let word = if colours {
            format!("\x1b[{code}m{word}\x1b[0m")
        } else {
            word.to_string()
        };
        println!("{word} {}: {}", case.name, case.why);
        match result {
            Ok(()) => passed += 1,
            Err(difference) => {
                failed += 1;
                println!("       {difference}");
            }
        }
    }
    let skipped = match without.len() {
        0 => String::new(),
        count => format!(", {count} skipped"),
    };
    println!("{passed} passed, {failed} failed{skipped}");
    Ok(failed)
}
