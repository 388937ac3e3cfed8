//! `cargo run -p guest-build --bin notices`: the notices of the command, its guests included, to standard output.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use guest_build::{GUESTS, notices};

fn main() -> ExitCode {
    let guests = GUESTS.iter().map(|name| notices::of_guest(name));
    let all: Result<Vec<_>, _> = guests.chain([notices::packages("maxconn", None)]).collect();
    match all {
        Ok(all) => {
            print!(
                "{}",
                notices::file("maxconn", &all.into_iter().flatten().collect())
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("notices: {error}");
            ExitCode::FAILURE
        }
    }
}
