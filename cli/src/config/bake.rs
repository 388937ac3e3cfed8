//! Writes configurations into guests, for hosts that give a module neither arguments nor files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use maxconn_host::bake::{BakeError, bake, baked, configuration, defaults_of, validate};
use maxconn_host::read_module;

use super::{Form, LoadError, LoadedConfig, load_onto};
use crate::files::{FileError, PRIVATE, Place, SHARED};

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

/// Why no configuration goes into a module, or comes out.
#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// No guest in this program has this name.
    #[error(
        "there is no guest {0} in this program\nhelp: one of {known}; for any other module use --plugin FILE",
        known = guests().join(", ")
    )]
    NoGuest(String),
    /// The module can't be read.
    #[error("cannot read {file}: {1}\nhelp: name a wasm module that can be read", file = .0.display())]
    Read(PathBuf, io::Error),
    /// The module of this name takes or gives none.
    #[error("{0}: {1}")]
    Module(String, BakeError),
    /// The module can't be written.
    #[error("cannot write {file}: {1}", file = .0.display())]
    Write(PathBuf, FileError),
}

/// `maxconn config bake`: writes a guest with the configuration inside it. What the module held before is
/// replaced; nothing is written if anything is wrong.
pub fn write(config: Option<&Path>, target: &Target, output: &Path) -> Result<Baked, ModuleError> {
    let mut module = module(target)?;
    let refused = |error| ModuleError::Module(name(target), error);
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
    let owner = written.map_err(|error| ModuleError::Write(output.to_path_buf(), error))?;
    Ok(Baked {
        output: output.to_path_buf(),
        bytes: module.len(),
        replaced,
        only_reader: holds_key.then_some(owner),
    })
}

/// `maxconn config print --plugin FILE`: the configuration that a module holds.
pub fn read(path: &Path, form: Form<'_>) -> Result<String, ModuleError> {
    let target = Target::File(path.to_path_buf());
    let (module, name) = (module(&target)?, name(&target));
    let refused = |error| ModuleError::Module(name.clone(), error);
    let config = configuration(&module).map_err(refused)?;
    let heading = match baked(&module).map_err(refused)? {
        Some(_) => format!("# baked into {name}"),
        None => format!("# {name} holds no configuration: the defaults hold"),
    };
    Ok(format!("{heading}\n{}", form.of(&config)))
}

fn name(target: &Target) -> String {
    match target {
        Target::Guest(name) => format!("the guest {name}"),
        Target::File(path) => path.display().to_string(),
    }
}

fn guests() -> Vec<&'static str> {
    GUESTS.iter().map(|(name, _)| *name).collect()
}

fn module(target: &Target) -> Result<Vec<u8>, ModuleError> {
    match target {
        Target::Guest(name) => GUESTS
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, wasm)| wasm.to_vec())
            .ok_or_else(|| ModuleError::NoGuest(name.clone())),
        Target::File(path) => {
            read_module(path).map_err(|error| ModuleError::Read(path.clone(), error))
        }
    }
}
