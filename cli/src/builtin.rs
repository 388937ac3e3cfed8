//! Loads the guest inside this program.

use maxconn_host::{HostError, Limits, Plugin};

const NAME: &str = "the built-in plugin";

/// The guest inside this program, compiled when the program was built.
pub fn plugin(limits: Limits) -> Result<Plugin, HostError> {
    let machine_code = include_bytes!(concat!(env!("OUT_DIR"), "/embed.cwasm"));
    // SAFETY: the bytes are what this crate's build script got from `precompile`; nothing else writes them.
    let plugin = unsafe { Plugin::precompiled(NAME, machine_code, limits) };
    // Refused where the build was for a machine that this one is not: then it is compiled here.
    plugin.or_else(|_| {
        let wasm = include_bytes!(concat!(env!("OUT_DIR"), "/embed.wasm"));
        Plugin::trusted(NAME, wasm, limits)
    })
}
