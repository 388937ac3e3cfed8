//! One target under libFuzzer: the one that `MAXCONN_FUZZ_TARGET` names. `make fuzz` calls it.
#![no_main]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use maxconn_fuzz::Target;
use maxconn_fuzz::targets::TARGETS;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

/// The target, and what inputs begin from written for libFuzzer to read.
fn chosen() -> &'static Target {
    let name = std::env::var("MAXCONN_FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("MAXCONN_FUZZ_TARGET names no target; one of {TARGETS:?}"))
}

fuzz_target!(
    init: {
        let target = TARGET.get_or_init(chosen);
        if let Ok(folder) = std::env::var("MAXCONN_FUZZ_SEEDS") {
            for (number, seed) in (target.seeds)().iter().enumerate() {
                let file = Path::new(&folder).join(format!("seed-{number}"));
                fs::write(&file, seed).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            }
        }
    },
    |data: &[u8]| (TARGET.get_or_init(chosen).run)(data)
);
