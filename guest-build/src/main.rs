//! `cargo run -p guest-build`: every guest to `target/guests/maxconn-NAME.wasm`, with its size.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use guest_build::{Features, GUESTS, try_build, workspace};

fn main() -> ExitCode {
    let folder = workspace().join("target/guests");
    for name in GUESTS {
        if let Err(sentence) = build_into(&folder, name) {
            eprintln!("guest-build: {sentence}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn build_into(folder: &Path, name: &str) -> Result<(), String> {
    let module = try_build(name, Features::default()).map_err(|error| error.to_string())?;
    let file = folder.join(format!("maxconn-{name}.wasm"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(&module, &file))
        .map(|bytes| {
            println!(
                "target/guests/maxconn-{name}.wasm  {:.1} KiB",
                bytes as f64 / 1024.0
            )
        })
        .map_err(|error| format!("cannot write {}: {error}", file.display()))
}
