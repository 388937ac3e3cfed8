//! `maxconn config bake` and the way back, as somebody types them.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use test_support::command::{Folder, run, run_rows};
use test_support::{contains, refusal};

const GUESTS: [&str; 5] = ["bento", "embed", "fluent-bit", "redpanda", "wasi"];

fn folder() -> Folder {
    let folder = Folder::new();
    let config = "timezone = \"Europe/Berlin\"\n\n[[rule]]\nname = \"userip\"\nthreshold = 5\n";
    folder.write("maxconn.toml", config);
    folder
}

/// What is printed of a configuration, as it holds in a guest: Redpanda's has a smaller table.
fn with_limits_of(guest: &str, printed: &str) -> String {
    match guest {
        "redpanda" => printed
            .replace("max_keys = 10000", "max_keys = 2000")
            .replace("max_floods = 1000", "max_floods = 200"),
        _ => printed.to_string(),
    }
}

#[test]
fn a_configuration_is_judged_by_the_limits_of_its_guest() {
    let folder = Folder::new();
    folder.write("maxconn.toml", "max_keys = 500\n");
    let bake = |guest: &str| format!("config bake --config maxconn.toml --guest {guest} -o x.wasm");
    run(&folder, &bake("redpanda")).is(0, "");
    run(&folder, &bake("embed")).is(2, "max_floods");
}

#[test]
fn a_damaged_module_is_refused() {
    let folder = Folder::new();
    run(&folder, "config bake --guest embed -o whole.wasm").is(0, "");
    let whole = folder.read("whole.wasm");
    let cut = whole[..whole.len() - 1_000].to_vec();
    let longer = [&whole[..], b"junk"].concat();
    let mut changed = whole.clone();
    changed[100_000..100_100].fill(0xff);
    for module in [cut, longer, changed] {
        folder.write("damaged.wasm", &module);
        run(&folder, "config bake --plugin damaged.wasm -o out.wasm").is(2, "damaged");
        assert!(!folder.join("out.wasm").exists());
    }
}

#[test]
fn what_is_baked_is_printed_again_and_replaced() {
    let folder = folder();
    for guest in GUESTS {
        let bake = format!("config bake --config maxconn.toml --guest {guest} -o {guest}.wasm");
        run(&folder, &bake).is(0, "");
        let printed = run(&folder, &format!("config print --plugin {guest}.wasm")).stdout;
        let direct = with_limits_of(guest, &run(&folder, "config print maxconn.toml").stdout);
        assert_eq!(printed, format!("# baked into {guest}.wasm\n{direct}"));
        assert!(printed.contains("STD-01:00DST"), "a POSIX time zone");
        // Without a configuration the defaults come back, in place of the first.
        let bake = format!("config bake --plugin {guest}.wasm -o {guest}2.wasm");
        let said = run(&folder, &bake).stdout;
        let sentence = "in place of the configuration that it held\n";
        assert!(said.ends_with(sentence), "{said}");
        let printed = run(&folder, &format!("config print --plugin {guest}2.wasm")).stdout;
        let direct = with_limits_of(guest, &run(&folder, "config print").stdout);
        assert!(printed.ends_with(&direct));
    }
}

#[test]
fn a_baked_plugin_replays_with_its_configuration() {
    let folder = folder();
    let bake = "config bake --config maxconn.toml --guest embed -o baked.wasm";
    run(&folder, bake).is(0, "");
    let line = refusal::line("2026-01-11T12:00:00Z", "test", "192.0.2.1");
    folder.write("mail.log", line.repeat(6));
    for (plugin, alerts) in [("--plugin baked.wasm", 2), ("", 0)] {
        let ran = run(&folder, &format!("{plugin} replay --only alerts mail.log"));
        assert_eq!(ran.is(0, "").stdout.lines().count(), alerts, "{plugin}");
    }
}

#[test]
fn what_takes_no_configuration_is_refused_with_a_sentence() {
    let folder = Folder::new();
    folder.write("foreign.wasm", b"\0asm\x01\0\0\0");
    folder.write("text.wasm", b"hello");
    folder.write("wrong.toml", "max_keyz = 1\n");
    let table = "
        2 | config bake -o out.wasm --plugin foreign.wasm | foreign.wasm: it has no room for a configuration
        2 | config bake -o out.wasm --plugin text.wasm    | text.wasm: it is no WebAssembly module
        2 | config bake -o out.wasm --plugin missing.wasm | cannot read missing.wasm
        2 | config bake -o out.wasm --guest fluentbit     | there is no guest fluentbit in this program
        2 | config bake -o out.wasm --guest embed --config wrong.toml | wrong.toml:1:1: max_keyz: there is no such key";
    run_rows(&folder, table, |_| {
        assert!(!folder.join("out.wasm").exists())
    });
}

#[test]
fn a_module_with_a_key_is_for_its_owner_alone_and_no_link_is_followed() {
    let folder = Folder::new();
    folder.write("maxconn.toml", "redact_key = \"0123456789abcdef\"\n");
    let bake = |more: &str| run(&folder, &format!("config bake --guest embed {more}"));

    let said = &bake("-o module.wasm").stdout;
    assert!(!said.contains("owner"), "{said}");
    let usual = folder.mode("maxconn.toml");
    assert_eq!(
        folder.mode("module.wasm"),
        usual,
        "a host may read it that runs as another user"
    );
    let said = &bake("--config maxconn.toml -o module.wasm").stdout;
    let user = fs::metadata(folder.join("module.wasm")).unwrap().uid();
    contains(said, &[&format!("its owner, user {user}, can read it")]);
    assert_eq!(folder.mode("module.wasm"), 0o600);

    let before = folder.read("module.wasm");
    symlink(folder.join("module.wasm"), folder.join("link.wasm")).unwrap();
    folder.pipe("pipe.wasm");
    bake("-o link.wasm").is(2, "symbolic link");
    bake("-o pipe.wasm").is(2, "is a pipe");
    assert_eq!(folder.read("module.wasm"), before);
}
