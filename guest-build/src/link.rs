//! Links a guest once more, when what only prepares a panic is out of it.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmparser::{BinaryReaderError, ExternalKind, Parser, Payload};

use crate::{BuildError, STACK_BYTES, TARGET, clean_command, traps};

/// Links what the compiler made of a guest (`deps/NAME.o` beside its module) and returns the path of the new module,
/// which exports what the first one does.
pub fn shorten(root: &Path, module: &Path, strip: &str) -> Result<PathBuf, BuildError> {
    let read = |file: &Path| fs::read(file).map_err(|error| BuildError::Read(file.into(), error));
    let write = |file: &Path, bytes: &[u8]| {
        fs::write(file, bytes).map_err(|error| BuildError::Write(file.into(), error))
    };
    let folder = module.with_file_name("deps");
    let name = PathBuf::from(module.file_name().unwrap_or_default());
    let object = folder.join(name.with_extension("o"));
    let damaged = |file: &Path, error: BinaryReaderError| {
        BuildError::Damaged(file.to_path_buf(), error.to_string())
    };
    let exports = exports(&read(module)?).map_err(|error| damaged(module, error))?;
    let short = traps::shorten(&read(&object)?).map_err(|error| damaged(&object, error))?;
    // Two builds at once write the same, so each has files of its own until they are whole.
    static BUILDS: AtomicU32 = AtomicU32::new(0);
    let build = BUILDS.fetch_add(1, Ordering::Relaxed);
    let own =
        |extension: &str| folder.join(format!("short-{}-{build}.{extension}", std::process::id()));
    let (short_object, linked) = (own("o"), own("wasm"));
    write(&short_object, &short)?;
    let sysroot = sysroot(root);
    let mut linker = Command::new("rust-lld");
    linker
        .env("PATH", path(&sysroot))
        .args(["-flavor", "wasm", "--no-entry", "--stack-first", "-z"])
        .arg(format!("stack-size={STACK_BYTES}"))
        // Of the linker's optimisations all, and addresses as short as they are.
        .args(["--gc-sections", "-O2", "--compress-relocations"])
        .args(["--allow-undefined", strip])
        .args(exports.iter().map(|name| format!("--export={name}")))
        .arg(&short_object)
        .args(builtins(&sysroot))
        .arg("-o")
        .arg(&linked);
    let status = linker.status().map_err(BuildError::NoLinker)?;
    let _ = fs::remove_file(&short_object);
    if !status.success() {
        return Err(BuildError::Failed(name.display().to_string()));
    }
    let done = module.with_extension("short.wasm");
    fs::rename(&linked, &done).map_err(|error| BuildError::Write(done.clone(), error))?;
    Ok(done)
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

/// The folder of the compiler's own files.
fn sysroot(root: &Path) -> PathBuf {
    let output = clean_command("rustc".as_ref(), root)
        .args(["--print", "sysroot"])
        .output();
    let text = output.map_or(Vec::new(), |output| output.stdout);
    PathBuf::from(String::from_utf8_lossy(&text).trim())
}

/// Where the linker is looked for: beside the compiler's own tools, then wherever else programs are.
fn path(sysroot: &Path) -> OsString {
    let tools = entries(&sysroot.join("lib/rustlib")).map(|folder| folder.join("bin"));
    let old = env::var_os("PATH").unwrap_or_default();
    let folders = tools.chain(env::split_paths(&old));
    env::join_paths(folders).unwrap_or(old.clone())
}

/// What the compiler's code calls and does not hold, such as `memcpy`.
fn builtins(sysroot: &Path) -> impl Iterator<Item = PathBuf> {
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    entries(&libraries).filter(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libcompiler_builtins-") && name.ends_with(".rlib")
    })
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path())
}
