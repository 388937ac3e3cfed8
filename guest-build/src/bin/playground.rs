//! `make playground-dist`: the playground as static files in `target/playground`, to be published under any path. The npm
//! package is built before.
#![forbid(unsafe_code)]

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use guest_build::{BuildError, Features, notices, try_build, workspace};

/// Where it goes, what comes from where, and what is left out of a folder: tools of ours and texts for the reader of the source.
const FOLDER: &str = "target/playground";
const FOLDERS: [(&str, &str); 5] = [
    ("examples/playground", ""),
    ("examples/playground/fzstd-0.1.1", "fzstd-0.1.1"),
    ("report/view", "view"),
    ("report/view/uplot-1.6.32", "view"),
    ("target/npm/maxconn", "maxconn"),
];
const LEFT_OUT: [&str; 2] = ["serve.mjs", "README.md"];
const KINDS: [&str; 6] = ["html", "css", "js", "mjs", "wasm", "gz"];
const EXAMPLE: &str = "testdata/dovecot/14_flood_servicecount0.log.gz";

fn main() -> ExitCode {
    match build() {
        Ok(()) => {
            println!("{FOLDER}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("playground: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), BuildError> {
    let root = workspace();
    let out = root.join(FOLDER);
    let module = try_build("report-wasm", Features::default())?;
    let mut copied = notices::of_guests(&["js", "report-wasm"])?;
    copied.extend(notices::of_playground());
    let write = || -> io::Result<()> {
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        for (from, to) in FOLDERS {
            copy(&root.join(from), &out.join(to))?;
        }
        // The frame of a report, which the module has in it.
        fs::remove_file(out.join("view/index.html"))?;
        fs::copy(root.join(EXAMPLE), out.join("example.log.gz"))?;
        fs::copy(&module, out.join("report.wasm"))?;
        for licence in ["LICENSE", "LICENSE-MIT", "LICENSE-APACHE"] {
            fs::copy(root.join(licence), out.join(licence))?;
        }
        fs::write(
            out.join(notices::FILE),
            notices::file("The playground", &copied),
        )
    };
    write().map_err(|error| BuildError::Write(out.clone(), error))
}

/// The files of a folder that a browser reads.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let kind = path.extension().and_then(|it| it.to_str());
        let is_wanted = kind.is_some_and(|kind| KINDS.contains(&kind))
            && !LEFT_OUT.iter().any(|left_out| name == *left_out);
        if is_wanted && path.is_file() {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}
