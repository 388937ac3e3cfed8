//! Links a guest once more, when what only prepares a panic is out of it.

use std::env;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

use wasmparser::{BinaryReaderError, ExternalKind, Parser, Payload, Validator};

use crate::{BuildError, STACK_BYTES, traps};

/// By these names linkers of wasm are called: the one that comes with Rust, and those of distributions.
const LINKERS: [&str; 3] = ["rust-lld", "wasm-ld", "lld"];

/// Links what the compiler made of a guest (`deps/NAME.o` beside its module) and returns the path of the new module,
/// which exports what the first one does. `libraries` is the folder of the compiler's libraries for guests.
pub fn shorten(libraries: &Path, module: &Path, strip: &str) -> Result<PathBuf, BuildError> {
    let read = |file: &Path| fs::read(file).map_err(|error| BuildError::Read(file.into(), error));
    let damaged =
        |file: &Path, error: BinaryReaderError| BuildError::Damaged(file.into(), error.to_string());
    let folder = module.with_file_name("deps");
    let name = PathBuf::from(module.file_name().unwrap_or_default());
    let object = folder.join(name.with_extension("o"));
    let exports = exports(&read(module)?).map_err(|error| damaged(module, error))?;
    let short = traps::shorten(&read(&object)?).map_err(|error| damaged(&object, error))?;
    let builtins = builtins(libraries)?;
    // Two builds at once write the same, so each has files of its own until they are whole.
    static BUILDS: AtomicU32 = AtomicU32::new(0);
    let build = BUILDS.fetch_add(1, Ordering::Relaxed);
    let own =
        |extension: &str| folder.join(format!("short-{}-{build}.{extension}", std::process::id()));
    let (short_object, linked) = (own("o"), own("wasm"));
    fs::write(&short_object, &short)
        .map_err(|error| BuildError::Write(short_object.clone(), error))?;
    let status = run(libraries, |linker| {
        linker
            .args(["--no-entry", "--stack-first", "-z"])
            .arg(format!("stack-size={STACK_BYTES}"))
            // Of the linker's optimisations all, and addresses as short as they are.
            .args(["--gc-sections", "-O2", "--compress-relocations"])
            .args(["--allow-undefined", strip])
            .args(exports.iter().map(|name| format!("--export={name}")))
            .arg(&short_object)
            .args(&builtins)
            .arg("-o")
            .arg(&linked)
            .status()
    });
    let _ = fs::remove_file(&short_object);
    if !status?.success() {
        return Err(BuildError::NotLinked(object));
    }
    Validator::new()
        .validate_all(&read(&linked)?)
        .map_err(|error| damaged(&linked, error))?;
    let done = module.with_extension("short.wasm");
    fs::rename(&linked, &done).map_err(|error| BuildError::Write(done.clone(), error))?;
    Ok(done)
}

/// Runs the first of the linkers that is there: beside the compiler's own tools, or wherever else programs are.
fn run(
    libraries: &Path,
    link: impl Fn(&mut Command) -> io::Result<ExitStatus>,
) -> Result<ExitStatus, BuildError> {
    // `rustlib/TARGET/lib`, beside the `rustlib/HOST/bin` of each host.
    let rustlib = libraries.ancestors().nth(2).unwrap_or(libraries);
    let tools = entries(rustlib).map(|folder| folder.join("bin"));
    let old = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(tools.chain(env::split_paths(&old))).unwrap_or(old.clone());
    let mut missing = io::Error::from(ErrorKind::NotFound);
    for linker in LINKERS {
        let mut command = Command::new(linker);
        match link(command.env("PATH", &path).args(["-flavor", "wasm"])) {
            Err(error) if error.kind() == ErrorKind::NotFound => missing = error,
            status => return status.map_err(BuildError::NoLinker),
        }
    }
    Err(BuildError::NoLinker(missing))
}

/// What a module exports, but for its memory, which every linker exports.
fn exports(module: &[u8]) -> Result<Vec<String>, BinaryReaderError> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ExportSection(exports) = payload? {
            for export in exports {
                let export = export?;
                if export.kind != ExternalKind::Memory {
                    names.push(export.name.to_string());
                }
            }
        }
    }
    Ok(names)
}

/// What the compiler's code calls and does not hold, such as `memcmp`.
fn builtins(libraries: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let archives: Vec<PathBuf> = entries(libraries)
        .filter(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("libcompiler_builtins-") && name.ends_with(".rlib")
        })
        .collect();
    match archives.is_empty() {
        true => Err(BuildError::NoTarget),
        false => Ok(archives),
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}
