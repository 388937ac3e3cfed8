//! A cold build of the command builds no package twice: not once for its build script and once for itself, because the two
//! ask for other features of it. Cranelift alone would be some minutes.

use std::collections::BTreeMap;
use std::process::Command;

use host_test::Error;
use serde_json::Value;

#[test]
fn no_package_is_built_twice() -> Result<(), Error> {
    let graph = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "maxconn"])
        .args(["--unit-graph", "-Zunstable-options", "--offline"])
        .current_dir(guest_build::workspace())
        // Of the options that are not stable this one builds nothing.
        .env("RUSTC_BOOTSTRAP", "1")
        .output()?;
    let graph: Value = serde_json::from_slice(&graph.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&graph.stderr)))?;
    let units = graph["units"].as_array().ok_or("no units")?;
    let mut libraries: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for unit in units {
        let is_library = unit["target"]["crate_types"]
            .as_array()
            .is_some_and(|types| types.iter().any(|it| it == "lib" || it == "proc-macro"));
        if is_library && unit["mode"] == "build" {
            let package = unit["pkg_id"].as_str().ok_or("a unit of no package")?;
            libraries
                .entry(package)
                .or_default()
                .push(&unit["features"]);
        }
    }
    assert!(libraries.len() > 100, "{}", libraries.len());
    libraries.retain(|_, features| features.len() > 1);
    assert!(
        libraries.is_empty(),
        "name the features that one lacks in cli/Cargo.toml's [build-dependencies]: {libraries:#?}"
    );
    Ok(())
}
