//! A module under one of two runtimes, as a few calls. Neither gets any import: a guest has none.

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

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// 32 bits.
    I32(u32),
    /// 64 bits.
    I64(i64),
}

/// An instance. The sizes differ much, but there are never many.
#[expect(clippy::large_enum_variant)]
pub enum Module {
    /// Under wasmtime, with the memory beside it.
    Wasmtime(wasmtime::Store<()>, wasmtime::Instance, wasmtime::Memory),
    /// Under wasmi.
    Wasmi(wasmi::Store<()>, wasmi::Instance, wasmi::Memory),
}

impl Module {
    /// An instance of `wasm`, which counts fuel.
    ///
    /// # Errors
    /// It does not validate, wants an import, or has no memory.
    pub fn new(wasm: &[u8], runtime: Runtime) -> Result<Module, Error> {
        match runtime {
            Runtime::Wasmtime => {
                let module = compiled(wasm)?;
                let mut store = wasmtime::Store::new(module.engine(), ());
                store.set_fuel(u64::MAX)?;
                let instance = wasmtime::Instance::new(&mut store, &module, &[])?;
                let memory = instance
                    .get_memory(&mut store, "memory")
                    .ok_or("the module exports no memory")?;
                Ok(Module::Wasmtime(store, instance, memory))
            }
            Runtime::Wasmi => {
                let module = wasmi::Module::new(&wasmi::Engine::default(), wasm)?;
                let mut store = wasmi::Store::new(module.engine(), ());
                let instance = wasmi::Instance::new(&mut store, &module, &[])?;
                let memory = instance
                    .get_memory(&store, "memory")
                    .ok_or("the module exports no memory")?;
                Ok(Module::Wasmi(store, instance, memory))
            }
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
