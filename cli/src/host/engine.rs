// How wasmtime compiles and runs a guest. The build script includes this file as well, as a module
// compiled there is only taken here if both say the same.

use wasmtime::Config;

/// The configuration of wasmtime, for this machine (`None`) or any machine of a target.
///
/// With a target named, no feature of the building machine's processor is used: the command runs on
/// every processor of its kind.
pub(crate) fn config(target: Option<&str>) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    // A call that takes too long is stopped by moving the epoch on.
    config.epoch_interruption(true);
    if let Some(target) = target {
        config.target(target)?;
    }
    Ok(config)
}
