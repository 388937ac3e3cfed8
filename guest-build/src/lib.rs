//! Builds the wasm guests, one package at a time, with the flags that their hosts ask for.
//!
//! Build scripts call [`build`]; `cargo run -p guest-build` builds every guest. Each variant has a
//! target directory of its own: it keeps cargo from waiting for the lock that the outer cargo holds,
//! and two variants of one guest from overwriting each other.
#![forbid(unsafe_code)]

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

mod link;
pub mod notices;
mod traps;

/// The target of every guest. Not wasip1: there each export is wrapped to run destructors after every
/// call, which is wrong for a module that keeps state.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// The version of every guest.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Every guest that is done when it is built, by the name of its folder below `pipelines/`. The one for JavaScript is
/// not: `pipelines/js/builder` makes a package of it.
pub const GUESTS: [&str; 5] = ["bento", "embed", "fluent-bit", "redpanda", "wasi"];

/// The guest that our own host runs.
const EMBED: &str = "embed";
/// The guest for Fluent Bit.
const FLUENT_BIT: &str = "fluent-bit";
/// The guest of which `pipelines/js/builder` makes a package.
const JS: &str = "js";

/// Guests that are far from the largest that one may be, and do more of their own for each record. The others are linked for
/// size: 4 to 5 KB of each were loops of configurations and alerts, unrolled and rotated as those of records. The few that
/// every record passes are written out.
const ROOMY: [&str; 2] = ["bento", "redpanda"];

/// The shadow stack of a guest, in bytes. Hosts with small memories load it, and the deepest recursion
/// (the JSON of a configuration) is bounded.
pub const STACK_BYTES: u32 = 64 * 1024;

/// What a variant of a guest is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Patterns of one's own (the cargo feature `patterns`).
    pub patterns: bool,
}

impl Default for Features {
    /// What users get.
    fn default() -> Features {
        Features { patterns: true }
    }
}

/// Why a guest was not built.
#[derive(Debug)]
pub enum BuildError {
    /// The wasm target of the compiler is missing and could not be added.
    NoTarget,
    /// Cargo could not be started.
    NoCargo(std::io::Error),
    /// Cargo said no; its own words are above this one's.
    Failed(String),
    /// The linker, which comes with the compiler, could not be started.
    NoLinker(std::io::Error),
    /// The linker said no to this; its own words are above this one's.
    NotLinked(PathBuf),
    /// What was built can't be read there.
    Read(PathBuf, std::io::Error),
    /// What the compiler made there is not what it makes.
    Damaged(PathBuf, String),
    /// What was built can't be written there.
    Write(PathBuf, std::io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoTarget => write!(
                out,
                "this Rust has no {TARGET} target, which every guest needs; add it with `rustup target add {TARGET}`, \
                 or install the package of your distribution that has it"
            ),
            BuildError::NoCargo(error) => {
                write!(out, "cannot start cargo: {error}; is it in the PATH?")
            }
            BuildError::Failed(name) => write!(
                out,
                "the guest {name} does not build; the compiler says why, above"
            ),
            BuildError::NoLinker(error) => write!(
                out,
                "cannot start rust-lld, wasm-ld or lld: {error}; the first comes with rustup's Rust, the others with the package \
                 `lld` of your distribution"
            ),
            BuildError::NotLinked(object) => write!(
                out,
                "cannot link {}; the linker says why, above",
                object.display()
            ),
            BuildError::Read(file, error) => write!(
                out,
                "cannot read {}: {error}; remove target/guest-build, and build again",
                file.display()
            ),
            BuildError::Damaged(file, problem) => write!(
                out,
                "cannot read {}: {problem}; remove target/guest-build, and build with the Rust of rust-toolchain.toml",
                file.display()
            ),
            BuildError::Write(file, error) => {
                write!(out, "cannot write {}: {error}", file.display())
            }
        }
    }
}

impl std::error::Error for BuildError {}

/// Builds the guest `pipelines/NAME` and returns the path of its module, for build scripts: tells cargo
/// what the module depends on, and ends the process with a sentence if the guest does not build.
pub fn build(name: &str, features: Features) -> PathBuf {
    let root = workspace();
    for path in [
        "Cargo.lock",
        "Cargo.toml",
        "rust-toolchain.toml",
        "src",
        "records",
        "guest-build/src",
    ] {
        println!("cargo:rerun-if-changed={}", root.join(path).display());
    }
    println!(
        "cargo:rerun-if-changed={}",
        root.join("pipelines").join(name).display()
    );
    try_build(name, features).unwrap_or_else(|error| {
        eprintln!("guest-build: {error}");
        std::process::exit(1)
    })
}

/// Builds the guest `pipelines/NAME` and returns the path of its module.
///
/// # Errors
/// See [`BuildError`].
pub fn try_build(name: &str, features: Features) -> Result<PathBuf, BuildError> {
    let root = workspace();
    let libraries = ensure_target(&root)?;
    // Other flags, another folder: in one cargo would build all anew for each.
    let kind = match name {
        EMBED => "speed",
        FLUENT_BIT => "calls",
        _ => "size",
    };
    let variant = match features.patterns {
        true => "default",
        false => "without-patterns",
    };
    let target_dir = root
        .join("target/guest-build")
        .join(format!("{kind}-{variant}"));
    let mut cargo = clean_command(
        &env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        &root,
    );
    cargo
        .args([
            "rustc",
            "--quiet",
            "--profile",
            "guest",
            "--target",
            TARGET,
            "--package",
        ])
        .arg(format!("maxconn-{name}"))
        .arg("--target-dir")
        .arg(&target_dir)
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            rustc_flags(&root, name).join("\u{1f}"),
        );
    if !features.patterns {
        cargo.arg("--no-default-features");
    }
    // What is for the guest's own package is also how all of them are optimised once more when they are linked.
    cargo.arg("--");
    if !ROOMY.contains(&name) {
        cargo.arg("-Copt-level=z");
    }
    if name == JS {
        cargo.arg("-Cstrip=debuginfo");
    }
    // What the linker gets: it is linked once more.
    cargo.arg("--emit=obj");
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(_) => return Err(BuildError::Failed(name.to_string())),
        Err(error) => return Err(BuildError::NoCargo(error)),
    }
    let file = format!("maxconn_{}.wasm", name.replace('-', "_"));
    let module = target_dir.join(TARGET).join("guest").join(file);
    // wasm-bindgen reads the sections that are stripped from the others, and takes them out itself.
    let strip = if name == JS {
        "--strip-debug"
    } else {
        "--strip-all"
    };
    link::shorten(&libraries, &module, strip)
}

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

fn rustc_flags(root: &Path, name: &str) -> Vec<String> {
    let mut flags = vec![
        "-Clink-arg=-zstack-size=".to_string() + &STACK_BYTES.to_string(),
        // The same source makes the same module wherever it lies.
        format!("--remap-path-prefix={}=maxconn", root.display()),
    ];
    // Nor does it name the registry that a dependency came from.
    flags.extend(
        registries()
            .iter()
            .map(|registry| format!("--remap-path-prefix={}=", registry.display())),
    );
    // The optimiser inlines for machines that predict branches and have large caches. With these thresholds
    // records cost what they did, and a guest is a quarter smaller.
    // Fluent Bit's interpreter takes long for a call: a flood costs it 5 to 10 % less with fewer of them, for 23 KB.
    let thresholds = match name {
        FLUENT_BIT => ["inline-threshold=60", "inlinehint-threshold=150"],
        _ => ["inline-threshold=14", "inlinehint-threshold=55"],
    };
    flags.extend(thresholds.map(|set| format!("-Cllvm-args=-{set}")));
    // It also repeats code on one way so that another one need not compute what it knows: no record costs less for it.
    let without_repetition = ["enable-pre=0", "enable-load-pre=0"];
    flags.extend(without_repetition.map(|set| format!("-Cllvm-args=-{set}")));
    // Machines have registers for the addresses that this makes of one in a loop; wasm adds them up each time. Without
    // it a record costs 3 to 7 % less, and a guest has 1 KB less.
    flags.push("-Cllvm-args=-disable-lsr".to_string());
    // A loop unrolled by the optimiser costs an interpreter more than it saves. Our own host compiles embed to machine
    // code, where it is the other way round.
    if name != EMBED {
        flags.push("-Cllvm-args=-unroll-threshold=10".to_string());
    }
    // Addresses take as few bytes as they need, not the five that the linker leaves room for: 6 % of a guest.
    flags.push("-Clink-arg=--compress-relocations".to_string());
    // A loop for the rounds of SHA-256, which only names that are redacted pass through.
    flags.push("--cfg=sha2_backend_soft=\"compact\"".to_string());
    // Fluent Bit and other runtimes refuse it.
    flags.push("-Ctarget-feature=-simd128".to_string());
    flags
}

/// Where cargo has unpacked the packages of each registry.
fn registries() -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let found = registries.into_iter().flatten().flatten();
    let mut registries: Vec<PathBuf> = found.map(|registry| registry.path()).collect();
    registries.sort();
    registries
}

/// A command that does not inherit what an outer cargo (or clippy) says about *its* build.
fn clean_command(program: &std::ffi::OsStr, root: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root);
    for (name, _) in env::vars_os() {
        let Some(name) = name.to_str() else { continue };
        let ours = [
            "CARGO_CFG_",
            "CARGO_FEATURE_",
            "CARGO_PKG_",
            "CARGO_PROFILE_",
            "CARGO_TARGET_",
            "CARGO_BUILD_",
            "DEP_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix));
        let exact = [
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_LINKER",
            "RUSTDOC",
            "CARGO_INCREMENTAL",
            "CARGO_MANIFEST_DIR",
            "CARGO_MANIFEST_PATH",
            "TARGET",
            "HOST",
            "OPT_LEVEL",
            "DEBUG",
            "PROFILE",
            "OUT_DIR",
            "CLIPPY_ARGS",
        ]
        .contains(&name);
        if ours || exact {
            command.env_remove(name);
        }
    }
    command
}

/// Adds the wasm target where it is missing and rustup is there; the folder of its libraries.
fn ensure_target(root: &Path) -> Result<PathBuf, BuildError> {
    let installed = || {
        let output = clean_command("rustc".as_ref(), root)
            .args(["--print", "target-libdir", "--target", TARGET])
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        libraries.is_dir().then_some(libraries)
    };
    installed()
        .or_else(|| {
            let _ = clean_command("rustup".as_ref(), root)
                .args(["target", "add", TARGET])
                .status();
            installed()
        })
        .ok_or(BuildError::NoTarget)
}
