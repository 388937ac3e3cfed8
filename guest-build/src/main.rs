//! `cargo run -p guest-build`: every guest to `target/guests/maxconn-NAME.wasm`, with its size.
#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use guest_build::{BuildError, Features, GUESTS, notices, try_build, workspace};

fn main() -> ExitCode {
    match build_all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guest-build: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build_all() -> Result<(), BuildError> {
    let folder = workspace().join("target/guests");
    let cannot_write = |file: &PathBuf| {
        let file = file.clone();
        |error| BuildError::Write(file, error)
    };
    fs::create_dir_all(&folder).map_err(cannot_write(&folder))?;
    for name in GUESTS {
        let module = try_build(name, Features::default())?;
        let file = folder.join(format!("maxconn-{name}.wasm"));
        let bytes = fs::copy(&module, &file).map_err(cannot_write(&file))?;
        let kib = bytes as f64 / 1024.0;
        println!("target/guests/maxconn-{name}.wasm  {kib:.1} KiB");
    }
    let text = notices::file("Each guest of maxconn", &notices::of_guests(&GUESTS)?);
    let file = folder.join(notices::FILE);
    fs::write(&file, text).map_err(cannot_write(&file))
}
