//! `cargo run -p guest-build`: every guest to `target/guests/maxconn-NAME.wasm`, with its size.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use guest_build::{Features, GUESTS, notices, try_build, workspace};

fn main() -> ExitCode {
    let folder = workspace().join("target/guests");
    for name in GUESTS {
        if let Err(sentence) = build_into(&folder, name) {
            eprintln!("guest-build: {sentence}");
            return ExitCode::FAILURE;
        }
    }
    if let Err(sentence) = write_notices(&folder) {
        eprintln!("guest-build: {sentence}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn write_notices(folder: &Path) -> Result<(), String> {
    let all: Result<Vec<_>, _> = GUESTS.iter().map(|name| notices::of_guest(name)).collect();
    let all = all.map_err(|error| error.to_string())?;
    let text = notices::file(
        "Each guest of maxconn",
        &all.into_iter().flatten().collect(),
    );
    let file = folder.join(notices::FILE);
    fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))
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
