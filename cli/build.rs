//! Builds the embed guest and compiles it to machine code, so that the command starts at once.

use std::path::Path;
use std::{env, fs};

#[path = "src/host/engine.rs"]
mod engine;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/host/engine.rs");
    let guest = guest_build::build("embed", guest_build::Features::default());
    let target = env::var("TARGET").expect("cargo names the target");
    let folder = env::var("OUT_DIR").expect("cargo names the output folder");
    let wasm =
        fs::read(&guest).unwrap_or_else(|error| panic!("cannot read {}: {error}", guest.display()));
    let machine_code = compile(&wasm, &target).unwrap_or_else(|error| {
        // Without machine code the command compiles the guest whenever it starts: slower, but right.
        println!("cargo:warning=the guest is not compiled ahead of time for {target}: {error}");
        Vec::new()
    });
    for (name, bytes) in [("embed.wasm", wasm), ("embed.cwasm", machine_code)] {
        let file = Path::new(&folder).join(name);
        fs::write(&file, bytes)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }
}

fn compile(wasm: &[u8], target: &str) -> wasmtime::Result<Vec<u8>> {
    wasmtime::Engine::new(&engine::config(Some(target), false)?)?.precompile_module(wasm)
}
