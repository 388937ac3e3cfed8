//! `cargo run --manifest-path pipelines/js/builder/Cargo.toml`: the npm package, in `target/npm/maxconn`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use guest_build::{Features, notices};
use wasm_bindgen_cli_support::Bindgen;

/// What is written by hand and goes into the package as it is.
const FILES: [&str; 10] = [
    "maxconn.js",
    "maxconn.d.ts",
    "node.js",
    "node.d.ts",
    "web.js",
    "web.d.ts",
    "flow.js",
    "lines.js",
    "zone.js",
    "documents.d.ts",
];
/// What holds for every host, and goes into the package, too.
const SCHEMA: &str = "maxconn.schema.json";

fn main() -> ExitCode {
    let root = guest_build::workspace();
    let package = root.join("target/npm/maxconn");
    match build(&root, &package) {
        Ok(()) => {
            println!("{}", package.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("maxconn-npm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build(root: &Path, package: &Path) -> Result<(), Box<dyn Error>> {
    let module = guest_build::try_build("js", Features::default())?;
    if package.exists() {
        fs::remove_dir_all(package)?;
    }
    fs::create_dir_all(package)?;
    Bindgen::new()
        .input_path(module)
        .out_name("guest")
        .web(true)?
        .typescript(false)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(package)?;
    fs::rename(package.join("guest_bg.wasm"), package.join("maxconn.wasm"))?;
    let ours = root.join("pipelines/js");
    for file in FILES {
        fs::copy(ours.join("package").join(file), package.join(file))?;
    }
    fs::copy(root.join("docs").join(SCHEMA), package.join(SCHEMA))?;
    let manifest = fs::read_to_string(ours.join("package/package.json"))?;
    let version = format!("\"version\": \"{}\"", guest_build::VERSION);
    fs::write(
        package.join("package.json"),
        manifest.replace("\"version\": \"0.0.0\"", &version),
    )?;
    fs::copy(ours.join("README.md"), package.join("README.md"))?;
    let text = notices::file("The module", &notices::of_guests(&["js"])?);
    fs::write(package.join(notices::FILE), text)?;
    for licence in ["LICENSE", "LICENSE-MIT", "LICENSE-APACHE"] {
        fs::copy(root.join(licence), package.join(licence))?;
    }
    Ok(())
}
