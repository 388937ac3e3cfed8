//! What is distributed carries the notices of everything that it is made of.

use guest_build::{GUESTS, notices};

/// Packages that come without a text of their licence: those of wasmtime, for which wasmtime's own stands, and rlsf.
/// Their licence and origin are named; a new one here needs a look at whether that will do.
const WITHOUT_TEXT: [&str; 7] = [
    "cranelift-assembler-x64",
    "cranelift-bitset",
    "pulley-interpreter",
    "rlsf",
    "wasmtime-internal-component-util",
    "wasmtime-internal-core",
    "wasmtime-internal-jit-icache-coherence",
];

#[test]
fn every_package_is_named_with_its_licence_and_the_texts_that_it_brings() {
    let mut all = notices::packages("maxconn", None).expect("cargo knows the command");
    all.extend(notices::of_guests(&GUESTS).expect("cargo knows the guests"));
    all.extend(notices::of_playground());
    for needed in [
        "memchr-",
        "wasmtime-",
        "rlsf-",
        "regex-lite-",
        "uplot-",
        "fzstd-",
    ] {
        assert!(
            all.iter().any(|package| package.folder.starts_with(needed)),
            "{needed}: {all:?}"
        );
    }
    assert!(
        !all.iter()
            .any(|package| package.folder.starts_with("maxconn")),
        "{all:?}"
    );
    let file = notices::file("maxconn", &all);
    let mut without = Vec::new();
    for package in &all {
        assert!(!package.license.is_empty(), "{package:?}");
        assert!(file.contains(&format!("{}: {}", package.folder, package.license)));
        let texts = notices::texts_of(package);
        assert!(
            texts.iter().all(|text| file.contains(text.as_str())),
            "{package:?}"
        );
        if texts.is_empty() {
            without.push(package.folder.rsplit_once('-').map_or("", |(name, _)| name));
        }
    }
    assert_eq!(without, WITHOUT_TEXT);
}
