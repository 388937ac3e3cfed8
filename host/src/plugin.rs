//! A loaded guest: compiled once, instantiated as often as wanted.

use std::path::Path;
use std::thread;

use wasmtime::{Engine, Module};

use super::bake::configuration;
use super::bounds::{self, Unfit};
use super::engine::config;
use super::limits::EPOCHS_PER_LIMIT;
use super::printable::printable;
use super::{Fault, HostError, Instance, Limits, abi};

/// The most of a text from a guest that is told, in characters.
const TOLD_CHARS_MAX: usize = 500;

/// A guest that has the exports of the embed ABI. Clones share what was compiled.
#[derive(Clone)]
pub struct Plugin {
    pub(super) name: String,
    pub(super) engine: Engine,
    pub(super) module: Module,
    pub(super) limits: Limits,
    /// It is from a file, so that its calls and what it says are watched.
    pub(super) is_foreign: bool,
    redacts: bool,
    patterns: Vec<String>,
}

impl Plugin {
    /// A guest that you built yourself: neither measured nor watched.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn trusted(name: &str, wasm: &[u8], limits: Limits) -> Result<Plugin, HostError> {
        let engine = engine(false).map_err(|fault| fault.of(name))?;
        let module = Module::new(&engine, wasm);
        Plugin::new(name, engine, module, limits, false)
    }

    /// The same from machine code, which starts at once. Refused where it was made for another machine or by another version.
    ///
    /// # Errors
    /// See [`HostError`].
    ///
    /// # Safety
    /// The bytes are what [`precompile`](crate::precompile) made, and nobody changed them.
    pub unsafe fn precompiled(
        name: &str,
        machine_code: &[u8],
        limits: Limits,
    ) -> Result<Plugin, HostError> {
        let engine = engine(false).map_err(|fault| fault.of(name))?;
        // SAFETY: the caller promises that they are what `Engine::precompile_module` made.
        let module = unsafe { Module::deserialize(&engine, machine_code) };
        Plugin::new(name, engine, module, limits, false)
    }

    /// The guest in a file: a wasm module. What would take too long to compile is refused before.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn load(path: &Path, limits: Limits) -> Result<Plugin, HostError> {
        let name = path.display().to_string();
        let wasm = bounds::read_module(path).map_err(|error| HostError::Read {
            plugin: name.clone(),
            error,
        })?;
        Plugin::from_bytes(&name, &wasm, limits)
    }

    /// Somebody's guest: the bytes of a wasm module, under a name for errors. What would take too long to compile is refused
    /// before.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn from_bytes(name: &str, wasm: &[u8], limits: Limits) -> Result<Plugin, HostError> {
        bounds::check(wasm).map_err(|unfit| {
            let fault = match unfit {
                Unfit::Excess { what, most } => Fault::TooLarge(what, most),
                Unfit::Foreign => {
                    let reason =
                        "it does not begin as one does (compressed ones are to be unpacked first)";
                    Fault::NotAModule(reason.to_string())
                }
                Unfit::Damaged(error) => Fault::NotAModule(told(&error.to_string())),
            };
            fault.of(name)
        })?;
        let engine = watched_engine(limits).map_err(|fault| fault.of(name))?;
        let module = Module::from_binary(&engine, wasm);
        let plugin = Plugin::new(name, engine, module, limits, true)?;
        let Ok(config) = configuration(wasm) else {
            return Ok(plugin);
        };
        Ok(Plugin {
            redacts: config.redact_key.is_some(),
            patterns: config.patterns.into_iter().map(|it| it.name).collect(),
            ..plugin
        })
    }

    fn new(
        name: &str,
        engine: Engine,
        module: wasmtime::Result<Module>,
        limits: Limits,
        is_foreign: bool,
    ) -> Result<Plugin, HostError> {
        let module = module.map_err(|error| not_a_module(&error).of(name))?;
        if let Some(lack) = abi::lack(&module) {
            return Err(Fault::Surface(lack).of(name));
        }
        let plugin = Plugin {
            name: name.to_string(),
            engine,
            module,
            limits,
            is_foreign,
            redacts: false,
            patterns: Vec::new(),
        };
        // Asks for the version, so that a plugin of another one fails here and not in the midst of work.
        plugin.instantiate()?;
        Ok(plugin)
    }

    /// Whether it is from a file, so that its calls and what it says are watched.
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// The file it came from, or words that say that it is the built-in one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether names are hidden by the configuration inside it.
    pub fn redacts(&self) -> bool {
        self.redacts
    }

    /// The names of the patterns in the configuration inside it.
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// A new instance, with no configuration and no state.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn instantiate(&self) -> Result<Instance, HostError> {
        Instance::new(self)
    }
}

/// An engine whose guests run until they return, or can be stopped.
fn engine(is_watched: bool) -> Result<Engine, Fault> {
    let engine = config(None, is_watched).and_then(|config| Engine::new(&config));
    engine.map_err(|error| not_a_module(&error))
}

/// An engine whose guests are stopped when a call takes too long.
fn watched_engine(limits: Limits) -> Result<Engine, Fault> {
    let engine = engine(true)?;
    let weak = engine.weak();
    let pause = limits.call / EPOCHS_PER_LIMIT;
    // Ends with the engine: at the next tick after the last user of it is gone.
    let watch = move || {
        loop {
            thread::sleep(pause);
            match weak.upgrade() {
                Some(engine) => engine.increment_epoch(),
                None => return,
            }
        }
    };
    let watchdog = thread::Builder::new().name("watchdog".to_string());
    watchdog.spawn(watch).map_err(Fault::Unwatched)?;
    Ok(engine)
}

fn not_a_module(error: &wasmtime::Error) -> Fault {
    Fault::NotAModule(one_line(error))
}

/// All causes of an error on one line.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error
        .chain()
        .map(|cause| cause.to_string().replace('\n', " "))
        .collect();
    told(&causes.join(": "))
}

/// The beginning of a text that a guest wrote or was asked to be named in, fit for a terminal.
pub(super) fn told(text: &str) -> String {
    let end = text.char_indices().nth(TOLD_CHARS_MAX);
    printable(end.map_or(text, |(end, _)| &text[..end]))
}
