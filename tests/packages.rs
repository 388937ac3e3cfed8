//! What is published is what is meant to be: three packages, each complete, with nothing else of the repository in them.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const PUBLISHED: [&str; 3] = ["maxconn-core", "maxconn-host", "maxconn-records"];
/// Each has a lock file of its own.
const WORKSPACES: [&str; 4] = [".", "bench", "fuzz/libfuzzer", "pipelines/js/builder"];

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .arg("--offline")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo starts");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {problem}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn nothing_else_is_published() {
    let mut published = Vec::new();
    for workspace in WORKSPACES {
        let manifest = Path::new(workspace).join("Cargo.toml");
        let manifest = manifest.to_str().expect("text");
        let metadata = cargo(&[
            "metadata",
            "--no-deps",
            "--format-version=1",
            "--manifest-path",
            manifest,
        ]);
        let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
        for package in metadata["packages"].as_array().expect("packages") {
            // An empty list is `publish = false`.
            if package["publish"].is_null() {
                published.push(package["name"].as_str().expect("a name").to_string());
            }
        }
    }
    published.sort();
    assert_eq!(
        published, PUBLISHED,
        "write `publish = false` into the Cargo.toml of others"
    );
}

/// `make package` builds them besides.
#[test]
fn packages_hold_their_own_files_alone() {
    let target = concat!(env!("CARGO_TARGET_TMPDIR"), "/packages");
    let options = ["--allow-dirty", "--target-dir", target];
    let packages = PUBLISHED.map(|name| ["--package", name]).concat();
    cargo(&[&["package", "--no-verify"][..], &options, &packages].concat());
    for name in PUBLISHED {
        let list = cargo(&[&["package", "--list"][..], &options, &["--package", name]].concat());
        let is_known = |file: &str| {
            let known = [
                ".cargo_vcs_info.json",
                "LICENSE-APACHE",
                "LICENSE-MIT",
                "README.md",
            ];
            file.starts_with("src/") || file.starts_with("Cargo.") || known.contains(&file)
        };
        let unknown: Vec<&str> = list.lines().filter(|file| !is_known(file)).collect();
        assert!(
            unknown.is_empty(),
            "{name} has {unknown:?} in it; see its `include`"
        );
        for needed in ["LICENSE-MIT", "README.md", "src/lib.rs"] {
            let is_there = list.lines().any(|file| file.ends_with(needed));
            assert!(is_there, "{name} lacks {needed}");
        }
    }
}
