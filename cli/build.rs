//! Builds the guests into the command: embed as machine code, so that the command starts at once, and each as wasm, so
//! that a configuration can be baked into it.

use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = env::var("TARGET").expect("cargo names the target");
    let folder = env::var("OUT_DIR").expect("cargo names the output folder");
    let folder = Path::new(&folder);
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.join(name);
        fs::write(&file, bytes)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    };
    let mut list = String::new();
    for name in guest_build::GUESTS {
        let guest = guest_build::build(name, guest_build::Features::default());
        let wasm = fs::read(&guest)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", guest.display()));
        write(&format!("{name}.wasm"), &wasm);
        list += &format!(
            "({name:?}, include_bytes!({:?})),",
            folder.join(format!("{name}.wasm"))
        );
    }
    write("guests.rs", format!("&[{list}]").as_bytes());
    let embed = folder.join("embed.wasm");
    let wasm =
        fs::read(&embed).unwrap_or_else(|error| panic!("cannot read {}: {error}", embed.display()));
    let machine_code = maxconn_host::precompile(&wasm, &target).unwrap_or_else(|error| {
        // Without machine code the command compiles the guest whenever it starts: slower, but right.
        println!("cargo:warning=the guest is not compiled ahead of time for {target}: {error}");
        Vec::new()
    });
    write("embed.cwasm", &machine_code);
}
