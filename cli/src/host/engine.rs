// How wasmtime compiles and runs a guest. The build script includes this file as well, as a module
// compiled there is only taken here if both say the same.

use wasmtime::Config;

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
