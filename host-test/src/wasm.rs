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
    /// A call of the function `MODULE.NAME`; integers go in and at most one comes out, as 64 bits. `memory` is the
    /// guest's whole memory.
    ///
    /// # Errors
    /// The host ends the call, or has no such function: the guest traps.
    fn call(&mut self, name: &str, args: &[i64], memory: &mut [u8]) -> Result<i64, Error>;

    /// How much room a call needs in the guest, for hosts that ask its `allocate` for that: the address comes as a further
    /// argument of [`Imports::call`].
    fn room(&self, _name: &str, _args: &[i64], _memory: &[u8]) -> Option<usize> {
        None
    }
}

/// An argument of a call of the guest's, as an address or a length; 0 if there is none.
pub fn at(args: &[i64], number: usize) -> usize {
    args.get(number).map_or(0, |&argument| argument as u32) as usize
}

/// A part of a guest's memory.
pub fn span(memory: &[u8], start: usize, len: usize) -> Result<&[u8], Error> {
    let span = memory.get(start..).and_then(|rest| rest.get(..len));
    Ok(span.ok_or("an address outside of the guest's memory")?)
}

/// Writes into a guest's memory.
pub fn put(memory: &mut [u8], start: usize, bytes: &[u8]) -> Result<(), Error> {
    let rest = memory.get_mut(start..);
    let span = rest.and_then(|rest| rest.get_mut(..bytes.len()));
    let span = span.ok_or("an address outside of the guest's memory")?;
    span.copy_from_slice(bytes);
    Ok(())
}

/// A number of 32 bits in a guest's memory.
pub fn get(memory: &[u8], start: usize) -> Result<usize, Error> {
    let bytes = span(memory, start, 4)?.first_chunk();
    Ok(u32::from_le_bytes(*bytes.ok_or("a number is cut")?) as usize)
}

/// The same, written.
pub fn put_number(memory: &mut [u8], start: usize, number: usize) -> Result<(), Error> {
    put(memory, start, &(number as u32).to_le_bytes())
}

/// WASI's `fd_write` of one piece, which is all that guests of ours write: where it goes, and its bytes. It counts as
/// written as a whole, or the first `max` bytes.
pub fn fd_write(args: &[i64], memory: &mut [u8], max: usize) -> Result<(usize, Vec<u8>), Error> {
    let (start, len) = (get(memory, at(args, 1))?, get(memory, at(args, 1) + 4)?);
    let bytes = span(memory, start, len.min(max))?.to_vec();
    put_number(memory, at(args, 3), bytes.len())?;
    Ok((at(args, 0), bytes))
}

/// A host that gives nothing.
pub struct NoImports;

impl Imports for NoImports {
    fn call(&mut self, name: &str, _: &[i64], _: &mut [u8]) -> Result<i64, Error> {
        Err(format!("the host has no {name}").into())
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

/// An instance of a module, the same way under either runtime: what it imports is answered by the host in its store.
macro_rules! instantiate {
    ($runtime:ident, $failed:expr, $store:ident, $module:ident) => {{
        let mut imports = Vec::new();
        for import in $module.imports() {
            let name = format!("{}.{}", import.module(), import.name());
            let $runtime::ExternType::Func(ty) = import.ty() else {
                return Err(format!("the module imports {name}, which is no function").into());
            };
            let mut are_wide = Vec::new();
            for result in ty.results() {
                are_wide.push(matches!(result, $runtime::ValType::I64));
            }
            let call = move |mut caller: $runtime::Caller<'_, H>,
                             args: &[$runtime::Val],
                             results: &mut [$runtime::Val]| {
                let error = |error: Error| $failed(error.to_string());
                let memory = caller.get_export("memory");
                let memory = memory.and_then($runtime::Extern::into_memory);
                let memory = memory.ok_or_else(|| error("no memory".into()))?;
                let number = |arg: &$runtime::Val| match arg {
                    $runtime::Val::I32(value) => i64::from(*value),
                    $runtime::Val::I64(value) => *value,
                    _ => 0,
                };
                let mut args: Vec<i64> = args.iter().map(number).collect();
                let (bytes, host) = memory.data_and_store_mut(&mut caller);
                if let Some(len) = host.room(&name, &args, bytes) {
                    let allocate = caller.get_export("allocate");
                    let allocate = allocate.and_then($runtime::Extern::into_func);
                    let allocate = allocate.ok_or_else(|| error("no allocate".into()))?;
                    let mut address = [$runtime::Val::I32(0)];
                    let len = [$runtime::Val::I32(len as i32)];
                    allocate.call(&mut caller, &len, &mut address)?;
                    args.extend(address.iter().map(number));
                }
                let (bytes, host) = memory.data_and_store_mut(&mut caller);
                let answer = host.call(&name, &args, bytes).map_err(error)?;
                for (result, is_wide) in results.iter_mut().zip(&are_wide) {
                    *result = match is_wide {
                        true => $runtime::Val::I64(answer),
                        false => $runtime::Val::I32(answer as i32),
                    };
                }
                Ok(())
            };
            let function = $runtime::Func::new(&mut $store, ty.clone(), call);
            imports.push($runtime::Extern::from(function));
        }
        let instance = $runtime::Instance::new(&mut $store, &$module, &imports)?;
        let memory = instance.get_memory(&mut $store, "memory");
        (instance, memory.ok_or("the module exports no memory")?)
    }};
}

/// Calls an export under either runtime.
macro_rules! call {
    ($runtime:ident, $store:ident, $instance:ident, $name:ident, $args:ident) => {{
        let function = $instance.get_func(&mut *$store, $name);
        let function =
            function.ok_or_else(|| format!("the module exports no function {}", $name))?;
        let value = |arg: &Arg| match *arg {
            Arg::I32(value) => $runtime::Val::I32(value as i32),
            Arg::I64(value) => $runtime::Val::I64(value),
        };
        let args: Vec<$runtime::Val> = $args.iter().map(value).collect();
        let count = function.ty(&*$store).results().len();
        let mut results = vec![$runtime::Val::I32(0); count];
        function.call(&mut *$store, &args, &mut results)?;
        match results.first() {
            Some($runtime::Val::I32(value)) => i64::from(*value),
            Some($runtime::Val::I64(value)) => *value,
            _ => 0,
        }
    }};
}

impl<H: Imports + 'static> Module<H> {
    /// An instance of `wasm`, which counts fuel.
    pub fn new(wasm: &[u8], runtime: Runtime, host: H) -> Result<Module<H>, Error> {
        match runtime {
            Runtime::Wasmtime => {
                let module = compiled(wasm)?;
                let mut store = wasmtime::Store::new(module.engine(), host);
                store.set_fuel(u64::MAX)?;
                let (instance, memory) =
                    instantiate!(wasmtime, wasmtime::Error::msg, store, module);
                Ok(Module::Wasmtime(store, instance, memory))
            }
            Runtime::Wasmi => {
                let module = wasmi::Module::new(&wasmi::Engine::default(), wasm)?;
                let mut store = wasmi::Store::new(module.engine(), host);
                let (instance, memory) = instantiate!(wasmi, wasmi::Error::new, store, module);
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

    /// Calls an export; 0 if it answers nothing.
    pub fn call(&mut self, name: &str, args: &[Arg]) -> Result<i64, Error> {
        Ok(match self {
            Module::Wasmtime(store, instance, _) => call!(wasmtime, store, instance, name, args),
            Module::Wasmi(store, instance, _) => call!(wasmi, store, instance, name, args),
        })
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
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        put(self.memory_mut(), address as usize, bytes)
    }

    /// The bytes of a span.
    pub fn read(&self, address: u32, len: u32) -> Result<&[u8], Error> {
        span(self.memory(), address as usize, len as usize)
    }

    /// The 32-bit numbers of a span.
    pub fn numbers(&self, address: u32, count: u32) -> Result<Vec<u32>, Error> {
        let numbers = self.read(address, count * 4)?.as_chunks().0.iter();
        Ok(numbers.map(|four| u32::from_le_bytes(*four)).collect())
    }

    /// Fuel used so far, under wasmtime.
    pub fn fuel(&self) -> u64 {
        match self {
            Module::Wasmtime(store, _, _) => u64::MAX - store.get_fuel().unwrap_or(u64::MAX),
            Module::Wasmi(..) => 0,
        }
    }
}
