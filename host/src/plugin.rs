//! A loaded guest: compiled once, instantiated as often as wanted.

use std::path::Path;
use std::thread;

use wasmtime::{Engine, ExternType, Module, ValType};

use super::bake::configuration;
use super::bounds::{self, Unfit};
use super::engine::config;
use super::limits::EPOCHS_PER_LIMIT;
use super::printable::printable;
use super::{HostError, Instance, Limits};

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
}

impl Plugin {
    /// A guest that you built yourself: neither measured nor watched.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn trusted(name: &str, wasm: &[u8], limits: Limits) -> Result<Plugin, HostError> {
        let engine = engine(name)?;
        let module = Module::new(&engine, wasm);
        Plugin::new(name.to_string(), engine, module, limits, false)
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
        let engine = engine(name)?;
        // SAFETY: the caller promises that they are what `Engine::precompile_module` made.
        let module = unsafe { Module::deserialize(&engine, machine_code) };
        Plugin::new(name.to_string(), engine, module, limits, false)
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
        let name = name.to_string();
        bounds::check(wasm).map_err(|unfit| match unfit {
            Unfit::Excess { what, most } => HostError::TooLarge {
                plugin: name.clone(),
                what,
                most,
            },
            Unfit::Foreign => HostError::NotAModule {
                plugin: name.clone(),
                reason: "it does not begin as one does (compressed ones are to be unpacked first)"
                    .to_string(),
            },
            Unfit::Damaged(error) => HostError::NotAModule {
                plugin: name.clone(),
                reason: told(&error.to_string()),
            },
        })?;
        let engine = watched_engine(&name, limits)?;
        let module = Module::from_binary(&engine, wasm);
        let plugin = Plugin::new(name, engine, module, limits, true)?;
        let redacts = configuration(wasm).is_ok_and(|config| config.redact_key.is_some());
        Ok(Plugin { redacts, ..plugin })
    }

    fn new(
        name: String,
        engine: Engine,
        module: wasmtime::Result<Module>,
        limits: Limits,
        is_foreign: bool,
    ) -> Result<Plugin, HostError> {
        let module = module.map_err(|error| not_a_module(&name, &error))?;
        check_surface(&name, &module)?;
        let plugin = Plugin {
            name,
            engine,
            module,
            limits,
            is_foreign,
            redacts: false,
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

    /// A new instance, with no configuration and no state.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn instantiate(&self) -> Result<Instance, HostError> {
        Instance::new(self)
    }
}

/// An engine whose guests run until they return.
fn engine(name: &str) -> Result<Engine, HostError> {
    let engine = config(None, false).and_then(|config| Engine::new(&config));
    engine.map_err(|error| not_a_module(name, &error))
}

/// An engine whose guests are stopped when a call takes too long.
fn watched_engine(name: &str, limits: Limits) -> Result<Engine, HostError> {
    let engine = config(None, true)
        .and_then(|config| Engine::new(&config))
        .map_err(|error| not_a_module(name, &error))?;
    let weak = engine.weak();
    let pause = limits.call / EPOCHS_PER_LIMIT;
    // Ends with the engine: at the next tick after the last user of it is gone.
    thread::Builder::new()
        .name("watchdog".to_string())
        .spawn(move || {
            loop {
                thread::sleep(pause);
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })
        .map_err(|error| HostError::Read {
            plugin: name.to_string(),
            error,
        })?;
    Ok(engine)
}

fn not_a_module(name: &str, error: &wasmtime::Error) -> HostError {
    HostError::NotAModule {
        plugin: name.to_string(),
        reason: one_line(error),
    }
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

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;

/// The functions of the ABI with their parameters; each answers one `i32`.
const FUNCTIONS: [(&str, &[ValType]); 15] = [
    ("maxconn_abi_version", &[]),
    ("maxconn_input", &[I32]),
    ("maxconn_output", &[]),
    ("maxconn_configure", &[I32]),
    ("maxconn_source", &[I32, I32]),
    ("maxconn_want", &[I32]),
    ("maxconn_push", &[I32, I32, I64]),
    ("maxconn_push_record", &[I32, I64, I32]),
    ("maxconn_line_times", &[I32]),
    ("maxconn_tick", &[I64]),
    ("maxconn_finish", &[I64]),
    ("maxconn_shutdown", &[]),
    ("maxconn_statistics", &[]),
    ("maxconn_snapshot", &[]),
    ("maxconn_restore", &[I32]),
];

/// Says in one sentence what is missing, of the wrong type, or asked for in vain.
fn check_surface(name: &str, module: &Module) -> Result<(), HostError> {
    let wrong = |problem: String| {
        Err(HostError::Surface {
            plugin: name.to_string(),
            problem,
        })
    };
    if let Some(import) = module.imports().next() {
        return wrong(format!(
            "it imports {}.{}, and nothing is offered",
            told(import.module()),
            told(import.name())
        ));
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {}
        Some(_) => return wrong("its export memory is not a plain 32-bit memory".to_string()),
        None => return wrong("it lacks the export memory".to_string()),
    }
    for (function, parameters) in FUNCTIONS {
        let Some(export) = module.get_export(function) else {
            return wrong(format!("it lacks the export {function}"));
        };
        let ExternType::Func(found) = export else {
            return wrong(format!("its export {function} is not a function"));
        };
        let same = |found: &mut dyn Iterator<Item = ValType>, wanted: &[ValType]| {
            let found: Vec<ValType> = found.collect();
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| ValType::eq(a, b))
        };
        if !same(&mut found.params(), parameters) || !same(&mut found.results(), &[I32]) {
            return wrong(format!("its export {function} has the type {found}"));
        }
    }
    Ok(())
}
