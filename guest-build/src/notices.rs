//! Gathers the notices that the licences of other people's packages ask for.
//!
//! `cargo tree` names the packages, and their sources, which cargo has unpacked to build them, hold the texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use crate::{BuildError, TARGET, clean_command, registries, workspace};

/// The file's name, beside what it is about.
pub const FILE: &str = "THIRD-PARTY-NOTICES";

/// What files with a licence or a notice begin with, in capitals.
const BEGINNINGS: [&str; 6] = [
    "LICENSE",
    "LICENCE",
    "COPYING",
    "COPYRIGHT",
    "NOTICE",
    "UNLICENSE",
];

/// A package of somebody else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// As cargo has them, `NAME-VERSION`: the folder of its sources.
    pub folder: String,
    /// Its licence, an expression of SPDX.
    pub license: String,
    /// Where it comes from.
    pub repository: String,
}

/// The packages of somebody else that are linked into one of ours, for a target or for this machine.
///
/// # Errors
/// Cargo could not be started, or does not know the package.
pub fn packages(name: &str, target: Option<&str>) -> Result<BTreeSet<Package>, BuildError> {
    let mut cargo = clean_command(
        &env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        &workspace(),
    );
    cargo.args([
        "tree",
        "--locked",
        "--edges",
        "normal,no-proc-macro",
        "--prefix",
        "none",
    ]);
    cargo.args(["--no-dedupe", "--format", "{p}|{l}|{r}", "--package", name]);
    if let Some(target) = target {
        cargo.args(["--target", target]);
    }
    let output = cargo.output().map_err(BuildError::NoCargo)?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(BuildError::Failed(name.to_string()));
    }
    let tree = String::from_utf8_lossy(&output.stdout);
    Ok(tree.lines().filter_map(package).collect())
}

/// `NAME vVERSION|LICENSE|REPOSITORY`; one of ours has its folder behind the version.
fn package(line: &str) -> Option<Package> {
    let mut parts = line.split('|');
    let (name, version) = parts.next()?.split_once(" v")?;
    let (license, repository) = (parts.next()?, parts.next()?);
    (!version.contains('(')).then(|| Package {
        folder: format!("{name}-{version}"),
        // Old manifests have a slash for a choice.
        license: license.replace('/', " OR "),
        repository: repository.to_string(),
    })
}

/// Where folders `NAME-VERSION` lie that are not cargo's: files of other people that we ship as they came, with their licence.
const COPIED: [&str; 2] = ["report/view", "examples/playground"];

/// What the page of a report is made of beside our own.
pub fn of_report() -> Package {
    Package {
        folder: "uplot-1.6.32".to_string(),
        license: "MIT".to_string(),
        repository: "https://github.com/leeoniya/uPlot".to_string(),
    }
}

/// What the playground has beside its modules.
pub fn of_playground() -> [Package; 2] {
    let unpacker = Package {
        folder: "fzstd-0.1.1".to_string(),
        license: "MIT".to_string(),
        repository: "https://github.com/101arrowz/fzstd".to_string(),
    };
    [of_report(), unpacker]
}

/// The packages of somebody else that the guests `pipelines/NAME` are made of.
///
/// # Errors
/// See [`packages`].
pub fn of_guests(names: &[&str]) -> Result<BTreeSet<Package>, BuildError> {
    let each = names
        .iter()
        .map(|name| packages(&format!("maxconn-{name}"), Some(TARGET)));
    let all: Result<Vec<_>, _> = each.collect();
    Ok(all?.into_iter().flatten().collect())
}

/// The whole file for `what`: every package, then every text once.
pub fn file(what: &str, packages: &BTreeSet<Package>) -> String {
    let mut texts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut out = format!(
        "{what} is MIT or Apache-2.0, as you like. It is built with Rust's standard library (MIT OR Apache-2.0,\n\
         https://github.com/rust-lang/rust) and with these packages of other authors, whose notices follow.\n\n"
    );
    for package in packages {
        let Package {
            folder,
            license,
            repository,
        } = package;
        let _ = writeln!(out, "{folder}: {license} {repository}");
        for text in texts_of(package) {
            texts.entry(text).or_default().push(folder);
        }
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    texts.sort_by(|a, b| a.1.cmp(&b.1));
    for (text, of) in texts {
        let line = "-".repeat(100);
        let _ = writeln!(out, "\n{line}\n{}\n{line}\n\n{text}", of.join(", "));
    }
    out
}

/// The texts that come with a package, each without the white space around it.
pub fn texts_of(package: &Package) -> Vec<String> {
    let copied = COPIED.iter().map(|it| workspace().join(it));
    let folders = registries().into_iter().chain(copied);
    let folders = folders.map(|it| it.join(&package.folder));
    let entries = folders
        .filter_map(|it| fs::read_dir(it).ok())
        .flatten()
        .flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    let is_one = |path: &PathBuf| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_uppercase();
        path.is_file() && BEGINNINGS.iter().any(|it| name.starts_with(it))
    };
    let texts = files
        .iter()
        .filter(|path| is_one(path))
        .filter_map(|path| fs::read_to_string(path).ok());
    texts
        .map(|text| text.replace('\r', "").trim().to_string())
        .filter(|text| !text.is_empty())
        .collect()
}
