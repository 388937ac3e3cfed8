//! `maxconn config bake` and the way back, as somebody types them.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const GUESTS: [&str; 4] = ["embed", "fluent-bit", "redpanda", "wasi"];

fn maxconn(folder: &Path, arguments: &str) -> std::io::Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_maxconn"))
        .current_dir(folder)
        .args(arguments.split(' '))
        .output()
}

fn folder(name: &str) -> std::io::Result<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join("maxconn.toml"),
        "timezone = \"Europe/Berlin\"\n\n[[rule]]\nname = \"userip\"\nthreshold = 5\n",
    )?;
    Ok(folder)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_is_baked_is_printed_again_and_replaced() -> Result<(), Box<dyn Error>> {
    let folder = folder("bake")?;
    for guest in GUESTS {
        let bake = format!("config bake --config maxconn.toml --guest {guest} -o {guest}.wasm");
        let output = maxconn(&folder, &bake)?;
        assert!(output.status.success(), "{}", text(&output.stderr));
        let printed = maxconn(&folder, &format!("config print --plugin {guest}.wasm"))?;
        let direct = maxconn(&folder, "config print maxconn.toml")?;
        assert_eq!(
            text(&printed.stdout),
            format!("# baked into {guest}.wasm\n{}", text(&direct.stdout))
        );
        assert!(
            text(&printed.stdout).contains("STD-01:00DST"),
            "a POSIX time zone"
        );
        // Without a configuration the defaults come back, in place of the first.
        let output = maxconn(
            &folder,
            &format!("config bake --plugin {guest}.wasm -o {guest}2.wasm"),
        )?;
        assert!(
            text(&output.stdout).ends_with("in place of the configuration that it held\n"),
            "{}",
            text(&output.stdout)
        );
        let printed = maxconn(&folder, &format!("config print --plugin {guest}2.wasm"))?;
        let direct = maxconn(&folder, "config print")?;
        assert!(text(&printed.stdout).ends_with(&text(&direct.stdout)));
    }
    Ok(())
}

#[test]
fn a_baked_plugin_replays_with_its_configuration() -> Result<(), Box<dyn Error>> {
    let folder = folder("bake-replay")?;
    let output = maxconn(
        &folder,
        "config bake --config maxconn.toml --guest embed -o baked.wasm",
    )?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let line = "2026-01-11T12:00:00Z mail dovecot: imap-login: Info: Maximum number of connections from user+IP \
                exceeded (mail_max_userip_connections=10): user=<test>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2\n";
    fs::write(folder.join("mail.log"), line.repeat(6))?;
    for (plugin, alerts) in [("--plugin baked.wasm ", 2), ("", 0)] {
        let output = maxconn(&folder, &format!("{plugin}replay --only alerts mail.log"))?;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).lines().count(), alerts, "{plugin}");
    }
    Ok(())
}

#[test]
fn what_takes_no_configuration_is_refused_with_a_sentence() -> Result<(), Box<dyn Error>> {
    let folder = folder("bake-refused")?;
    fs::write(folder.join("foreign.wasm"), b"\0asm\x01\0\0\0")?;
    fs::write(folder.join("text.wasm"), b"hello")?;
    fs::write(folder.join("wrong.toml"), "max_keyz = 1\n")?;
    for (arguments, sentence) in [
        (
            "--plugin foreign.wasm",
            "foreign.wasm: it has no room for a configuration",
        ),
        (
            "--plugin text.wasm",
            "text.wasm: it is no WebAssembly module",
        ),
        ("--plugin missing.wasm", "cannot read missing.wasm"),
        (
            "--guest fluentbit",
            "there is no guest fluentbit in this program",
        ),
        (
            "--guest embed --config wrong.toml",
            "wrong.toml:1:1: max_keyz: there is no such key",
        ),
    ] {
        let output = maxconn(&folder, &format!("config bake {arguments} -o out.wasm"))?;
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        assert!(
            text(&output.stderr).contains(sentence),
            "{}",
            text(&output.stderr)
        );
        assert!(!folder.join("out.wasm").exists(), "{arguments}");
    }
    Ok(())
}
