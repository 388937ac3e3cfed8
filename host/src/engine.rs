//! Sets how wasmtime compiles and runs a guest.

use wasmtime::{Config, Engine};

use super::Fault;
use super::plugin::one_line;

/// Compiles a guest for a target (`x86_64-unknown-linux-gnu`), to be loaded by [`Plugin::precompiled`](crate::Plugin::precompiled).
///
/// # Errors
/// [`Fault::NotAModule`], with what wasmtime says of the module or the target.
pub fn precompile(wasm: &[u8], target: &str) -> Result<Vec<u8>, Fault> {
    config(Some(target), false)
        .and_then(|config| Engine::new(&config)?.precompile_module(wasm))
        .map_err(|error| Fault::NotAModule(one_line(&error)))
}

/// The configuration of wasmtime, for this machine (`None`) or any machine of a target.
///
/// With a target named, no feature of the building machine's processor is used: the command runs on
/// every processor of its kind.
///
/// An interruptible guest can be stopped within a call. It asks for that at every turn of a loop, which
/// costs up to a third of the speed: the built-in guest, whose calls are known to end, is spared it.
pub(crate) fn config(target: Option<&str>, interruptible: bool) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config.epoch_interruption(interruptible);
    if let Some(target) = target {
        config.target(target)?;
    }
    Ok(config)
}
