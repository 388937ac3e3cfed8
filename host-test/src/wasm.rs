//! A module under one of two runtimes, as a few calls. What it imports is answered by one [`Imports`], the
//! model of its host, whichever the runtime is.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::Error;

/// Which runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Compiled.
    Wasmtime,
    /// Interpreted.
    Wasmi,
}

impl Runtime {
    /// Its name, for sentences.
    pub fn name(self) -> &'static str {
        match self {
            Runtime::Wasmtime => "wasmtime",
            Runtime::Wasmi => "wasmi",
        }
    }
}

/// Modules that wasmtime compiled: that takes a second, and every case wants one.
static COMPILED: LazyLock<Mutex<HashMap<Vec<u8>, wasmtime::Module>>> =
    LazyLock::new(Mutex::default);

fn compiled(wasm: &[u8]) -> Result<wasmtime::Module, Error> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = compiled.get(wasm) {
        return Ok(module.clone());
    }
    let mut config = wasmtime::Config::new();
    config.consume_fuel(true);
    let module = wasmtime::Module::new(&wasmtime::Engine::new(&config)?, wasm)?;
    compiled.insert(wasm.to_vec(), module.clone());
    Ok(module)
}

fn no_function(module: &str, name: &str) -> Error {
    format!("the module imports {module}.{name}, which is no function").into()
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// 32 bits.
    I32(u32),
    /// 64 bits.
    I64(i64),
}

/// What a host gives its modules: the functions that they import.
pub trait Imports: Send {
    /// A call of `module`'s function `name`; integers go in and at most one comes out, as 64 bits. `memory` is the
    /// guest's whole memory.
    ///
    /// # Errors
    /// The host ends the call, or has no such function: the guest traps.
    fn call(
        &mut self,
        module: &str,
        name: &str,
        args: &[i64],
        memory: &mut [u8],
    ) -> Result<i64, Error>;
}

/// A host that gives nothing.
pub struct NoImports;

impl Imports for NoImports {
    fn call(
        &mut self,
        module: &str,
        name: &str,
        _args: &[i64],
        _memory: &mut [u8],
    ) -> Result<i64, Error> {
        Err(format!("the host has no {module}.{name}").into())
    }
}

/// An instance. The sizes differ much, but there are never many.
#[expect(clippy::large_enum_variant)]
pub enum Module<H: 'static> {
    /// Under wasmtime, with the memory beside it.
    Wasmtime(wasmtime::Store<H>, wasmtime::Instance, wasmtime::Memory),
    /// Under wasmi.
    Wasmi(wasmi::Store<H>, wasmi::Instance, wasmi::Memory),
}

impl<H: Imports + 'static> Module<H> {
    /// An instance of `wasm`, which counts fuel.
    ///
    /// # Errors
    /// It does not validate, or has no memory.
    pub fn new(wasm: &[u8], runtime: Runtime, host: H) -> Result<Module<H>, Error> {
        match runtime {
            Runtime::Wasmtime => {
                let module = compiled(wasm)?;
                let mut store = wasmtime::Store::new(module.engine(), host);
                store.set_fuel(u64::MAX)?;
                let mut imports = Vec::new();
                for import in module.imports() {
                    let wasmtime::ExternType::Func(ty) = import.ty() else {
                        return Err(no_function(import.module(), import.name()));
                    };
                    let (from, name) = (import.module().to_string(), import.name().to_string());
                    let function =
                        wasmtime::Func::new(&mut store, ty, move |mut caller, args, results| {
                            let memory = caller
                                .get_export("memory")
                                .and_then(wasmtime::Extern::into_memory)
                                .ok_or_else(|| wasmtime::Error::msg("no memory"))?;
                            let args: Vec<i64> = args
                                .iter()
                                .map(|arg| match arg {
                                    wasmtime::Val::I32(value) => i64::from(*value),
                                    wasmtime::Val::I64(value) => *value,
                                    _ => 0,
                                })
                                .collect();
                            let (bytes, host) = memory.data_and_store_mut(&mut caller);
                            let answer = host
                                .call(&from, &name, &args, bytes)
                                .map_err(|error| wasmtime::Error::msg(error.to_string()))?;
                            for result in results {
                                *result = match result {
                                    wasmtime::Val::I64(_) => wasmtime::Val::I64(answer),
                                    _ => wasmtime::Val::I32(answer as i32),
                                };
                            }
                            Ok(())
                        });
                    imports.push(function.into());
                }
                let instance = wasmtime::Instance::new(&mut store, &module, &imports)?;
                let memory = instance
                    .get_memory(&mut store, "memory")
                    .ok_or("the module exports no memory")?;
                Ok(Module::Wasmtime(store, instance, memory))
            }
            Runtime::Wasmi => {
                let module = wasmi::Module::new(&wasmi::Engine::default(), wasm)?;
                let mut store = wasmi::Store::new(module.engine(), host);
                let mut imports = Vec::new();
                for import in module.imports() {
                    let wasmi::ExternType::Func(ty) = import.ty() else {
                        return Err(no_function(import.module(), import.name()));
                    };
                    let (from, name) = (import.module().to_string(), import.name().to_string());
                    let function = wasmi::Func::new(
                        &mut store,
                        ty.clone(),
                        move |mut caller, args, results| {
                            let memory = caller
                                .get_export("memory")
                                .and_then(wasmi::Extern::into_memory)
                                .ok_or_else(|| wasmi::Error::new("no memory"))?;
                            let args: Vec<i64> = args
                                .iter()
                                .map(|arg| match arg {
                                    wasmi::Val::I32(value) => i64::from(*value),
                                    wasmi::Val::I64(value) => *value,
                                    _ => 0,
                                })
                                .collect();
                            let (bytes, host) = memory.data_and_store_mut(&mut caller);
                            let answer = host
                                .call(&from, &name, &args, bytes)
                                .map_err(|error| wasmi::Error::new(error.to_string()))?;
                            for result in results {
                                *result = match result {
                                    wasmi::Val::I64(_) => wasmi::Val::I64(answer),
                                    _ => wasmi::Val::I32(answer as i32),
                                };
                            }
                            Ok(())
                        },
                    );
                    imports.push(wasmi::Extern::from(function));
                }
                let instance = wasmi::Instance::new(&mut store, &module, &imports)?;
                let memory = instance
                    .get_memory(&store, "memory")
                    .ok_or("the module exports no memory")?;
                Ok(Module::Wasmi(store, instance, memory))
            }
        }
    }

    /// The host's own side.
    pub fn host(&mut self) -> &mut H {
        match self {
            Module::Wasmtime(store, _, _) => store.data_mut(),
            Module::Wasmi(store, _, _) => store.data_mut(),
        }
    }

    /// Whether the module exports a function of this name.
    pub fn exports(&mut self, name: &str) -> bool {
        match self {
            Module::Wasmtime(store, instance, _) => instance.get_func(store, name).is_some(),
            Module::Wasmi(store, instance, _) => instance.get_func(&*store, name).is_some(),
        }
    }

    /// Calls an export; 0 if it answers nothing.
    ///
    /// # Errors
    /// There is none of that name and type, or it trapped.
    pub fn call(&mut self, name: &str, args: &[Arg]) -> Result<i64, Error> {
        let missing = || format!("the module exports no function {name}");
        match self {
            Module::Wasmtime(store, instance, _) => {
                let function = instance.get_func(&mut *store, name).ok_or_else(missing)?;
                let args: Vec<wasmtime::Val> = args
                    .iter()
                    .map(|arg| match *arg {
                        Arg::I32(value) => wasmtime::Val::I32(value as i32),
                        Arg::I64(value) => wasmtime::Val::I64(value),
                    })
                    .collect();
                let mut results = vec![wasmtime::Val::I32(0); function.ty(&*store).results().len()];
                function.call(&mut *store, &args, &mut results)?;
                Ok(match results.first() {
                    Some(wasmtime::Val::I32(value)) => i64::from(*value),
                    Some(wasmtime::Val::I64(value)) => *value,
                    _ => 0,
                })
            }
            Module::Wasmi(store, instance, _) => {
                let function = instance.get_func(&*store, name).ok_or_else(missing)?;
                let args: Vec<wasmi::Val> = args
                    .iter()
                    .map(|arg| match *arg {
                        Arg::I32(value) => wasmi::Val::I32(value as i32),
                        Arg::I64(value) => wasmi::Val::I64(value),
                    })
                    .collect();
                let mut results = vec![wasmi::Val::I32(0); function.ty(&*store).results().len()];
                function.call(&mut *store, &args, &mut results)?;
                Ok(match results.first() {
                    Some(wasmi::Val::I32(value)) => i64::from(*value),
                    Some(wasmi::Val::I64(value)) => *value,
                    _ => 0,
                })
            }
        }
    }

    /// The whole memory.
    pub fn memory(&self) -> &[u8] {
        match self {
            Module::Wasmtime(store, _, memory) => memory.data(store),
            Module::Wasmi(store, _, memory) => memory.data(store),
        }
    }

    /// The whole memory, to be written.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        match self {
            Module::Wasmtime(store, _, memory) => memory.data_mut(store),
            Module::Wasmi(store, _, memory) => memory.data_mut(store),
        }
    }

    /// Writes `bytes` at `address`.
    ///
    /// # Errors
    /// There is no memory there.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        let start = address as usize;
        self.memory_mut()
            .get_mut(start..start + bytes.len())
            .ok_or("the module gave an address outside its memory")?
            .copy_from_slice(bytes);
        Ok(())
    }

    /// The bytes of a span.
    ///
    /// # Errors
    /// There is no memory there.
    pub fn read(&self, address: u32, len: u32) -> Result<&[u8], Error> {
        let start = address as usize;
        Ok(self
            .memory()
            .get(start..start + len as usize)
            .ok_or("the module gave an address outside its memory")?)
    }

    /// The 32-bit numbers of a span.
    ///
    /// # Errors
    /// There is no memory there.
    pub fn numbers(&self, address: u32, count: u32) -> Result<Vec<u32>, Error> {
        let bytes = self.read(address, count * 4)?;
        Ok(bytes
            .chunks_exact(4)
            .map(|four| {
                four.iter()
                    .rev()
                    .fold(0, |number, &byte| number << 8 | u32::from(byte))
            })
            .collect())
    }

    /// Fuel used so far, under wasmtime.
    pub fn fuel(&self) -> u64 {
        match self {
            Module::Wasmtime(store, _, _) => u64::MAX - store.get_fuel().unwrap_or(u64::MAX),
            Module::Wasmi(..) => 0,
        }
    }
}
