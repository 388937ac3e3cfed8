//! `cargo run -p guest-build --bin notices`: the notices of the command, its guests included, to standard output.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use guest_build::{GUESTS, notices};

fn main() -> ExitCode {
    let all = notices::of_guests(&GUESTS).and_then(|mut all| {
        all.append(&mut notices::packages("maxconn", None)?);
        all.insert(notices::of_report());
        Ok(all)
    });
    match all {
        Ok(all) => {
            print!("{}", notices::file("maxconn", &all));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("notices: {error}");
            ExitCode::FAILURE
        }
    }
}
