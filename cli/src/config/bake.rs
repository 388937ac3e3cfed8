//! Writes configurations into guests, for hosts that give a module neither arguments nor files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use maxconn_host::bake::{bake, baked, configuration, defaults_of, validate};
use maxconn_host::read_module;

use super::{LoadError, LoadedConfig, load_onto, print};
use crate::files::{PRIVATE, Place, SHARED};

/// The guests in this program, by name. The JavaScript package brings its own module.
const GUESTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The module that a configuration goes into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One of the guests in this program.
    Guest(String),
    /// A guest in a file.
    File(PathBuf),
}

/// What was written, for a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baked {
    /// The module's file.
    pub output: PathBuf,
    /// How many bytes it has.
    pub bytes: usize,
    /// Whether it held a configuration before, which is gone now.
    pub replaced: bool,
    /// The number of the only user who may read it, if it holds a key that others must not know.
    pub only_reader: Option<u32>,
}

/// `maxconn config bake`: writes a guest with the configuration inside it. What the module held before is
/// replaced; nothing is written if anything is wrong.
///
/// # Errors
/// The configuration is wrong, the module takes none, or a file can't be read or written.
pub fn write(config: Option<&Path>, target: &Target, output: &Path) -> Result<Baked, LoadError> {
    let mut module = module(target)?;
    let refused = |error| LoadError(format!("{}: {error}", name(target)));
    let defaults = defaults_of(&module).map_err(refused)?;
    let LoadedConfig { json, effective } = load_onto(config, &defaults)?;
    let replaced = baked(&module).map_err(refused)?.is_some();
    bake(&mut module, json.as_bytes()).map_err(refused)?;
    // What is damaged elsewhere would only be found by the host that loads it.
    validate(&module).map_err(refused)?;
    // Whoever can read the module has the key, and with it can guess the names behind the hashes.
    let holds_key = effective.redact_key.is_some();
    let mode = if holds_key { PRIVATE } else { SHARED };
    let written = Place::of(output).and_then(|place| {
        place.replace(&[&module], mode)?;
        Ok(fs::metadata(place.path())?.uid())
    });
    let owner = written
        .map_err(|error| LoadError(format!("cannot write {}: {error}", output.display())))?;
    Ok(Baked {
        output: output.to_path_buf(),
        bytes: module.len(),
        replaced,
        only_reader: holds_key.then_some(owner),
    })
}

/// `maxconn config print --plugin FILE`: the configuration that a module holds, as TOML.
///
/// # Errors
/// The file can't be read, has no room for a configuration, or holds one that is wrong.
pub fn read(path: &Path) -> Result<String, LoadError> {
    let module = module(&Target::File(path.to_path_buf()))?;
    let name = path.display();
    let refused = |error| LoadError(format!("{name}: {error}"));
    let config = configuration(&module).map_err(refused)?;
    let heading = match baked(&module).map_err(refused)? {
        Some(_) => format!("# baked into {name}"),
        None => format!("# {name} holds no configuration: the defaults hold"),
    };
    Ok(format!("{heading}\n{}", print::toml(&config)))
}

fn name(target: &Target) -> String {
    match target {
        Target::Guest(name) => format!("the guest {name}"),
        Target::File(path) => path.display().to_string(),
    }
}

fn module(target: &Target) -> Result<Vec<u8>, LoadError> {
    match target {
        Target::Guest(name) => GUESTS
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, wasm)| wasm.to_vec())
            .ok_or_else(|| {
                let known: Vec<&str> = GUESTS.iter().map(|(known, _)| *known).collect();
                LoadError(format!(
                    "there is no guest {name} in this program\nhelp: one of {}; for any other module use --plugin FILE",
                    known.join(", ")
                ))
            }),
        Target::File(path) => read_module(path).map_err(|error| {
            LoadError(format!(
                "cannot read {}: {error}\nhelp: name a wasm module that can be read",
                path.display()
            ))
        }),
    }
}
