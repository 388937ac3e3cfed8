//! `cargo run --release -p host-test -- [--plugin FILE.wasm]`: every case through every driver, a line each.
//! With `--plugin` the module of that file takes the place of our embed guest, and the others stay out.
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let guests = match &arguments[..] {
        [] => Guests::build()?,
        [option, file] if option == "--plugin" => {
            let embed = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
            Guests {
                embed,
                fluent_bit: None,
            }
        }
        _ => return Err("usage: host-test [--plugin FILE.wasm]".into()),
    };
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (mut passed, mut failed) = (0, 0);
    for case in case::all()? {
        let result = run::case(&case, &guests);
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
    println!("{passed} passed, {failed} failed");
    Ok(failed)
}
