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

/// What is printed of a configuration, as it holds in a guest: Redpanda's has a smaller table.
fn with_limits_of(guest: &str, printed: &str) -> String {
    match guest {
        "redpanda" => printed
            .replace("max_keys = 10000", "max_keys = 2000")
            .replace("max_floods = 1000", "max_floods = 256"),
        _ => printed.to_string(),
    }
}

#[test]
fn a_configuration_is_judged_by_the_limits_of_its_guest() -> Result<(), Box<dyn Error>> {
    let folder = folder("limits")?;
    fs::write(folder.join("maxconn.toml"), "max_keys = 500\n")?;
    let redpanda = maxconn(
        &folder,
        "config bake --config maxconn.toml --guest redpanda -o r.wasm",
    )?;
    assert!(redpanda.status.success(), "{}", text(&redpanda.stderr));
    let embed = maxconn(
        &folder,
        "config bake --config maxconn.toml --guest embed -o e.wasm",
    )?;
    assert_eq!(embed.status.code(), Some(2));
    assert!(
        text(&embed.stderr).contains("max_floods"),
        "{}",
        text(&embed.stderr)
    );
    Ok(())
}

#[test]
fn a_damaged_module_is_refused() -> Result<(), Box<dyn Error>> {
    let folder = folder("damaged")?;
    let output = maxconn(&folder, "config bake --guest embed -o whole.wasm")?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let whole = fs::read(folder.join("whole.wasm"))?;
    let cut = whole
        .get(..whole.len() - 1_000)
        .unwrap_or_default()
        .to_vec();
    let longer = [&whole[..], b"junk"].concat();
    let mut changed = whole.clone();
    changed[100_000..100_100].fill(0xff);
    for module in [cut, longer, changed] {
        fs::write(folder.join("damaged.wasm"), &module)?;
        let output = maxconn(&folder, "config bake --plugin damaged.wasm -o out.wasm")?;
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains("damaged"),
            "{}",
            text(&output.stderr)
        );
        assert!(!folder.join("out.wasm").exists());
    }
    Ok(())
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
        let direct = with_limits_of(guest, &text(&direct.stdout));
        assert_eq!(
            text(&printed.stdout),
            format!("# baked into {guest}.wasm\n{direct}")
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
        let direct = with_limits_of(guest, &text(&direct.stdout));
        assert!(text(&printed.stdout).ends_with(&direct));
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

#[test]
fn a_module_with_a_key_is_for_its_owner_alone_and_no_link_is_followed() -> Result<(), Box<dyn Error>>
{
    use std::os::unix::fs::{MetadataExt, symlink};
    let folder = folder("key")?;
    let target = folder.join("module.wasm");
    let (link, pipe) = (folder.join("link.wasm"), folder.join("pipe.wasm"));
    for left in [&target, &link, &pipe] {
        // An earlier run's.
        let _ = fs::remove_file(left);
    }
    fs::write(
        folder.join("maxconn.toml"),
        "redact_key = \"0123456789abcdef\"\n",
    )?;
    let bake = |more: &str| maxconn(&folder, &format!("config bake --guest embed {more}"));
    let mode = || fs::metadata(&target).map(|it| it.mode() & 0o777);

    let output = bake("-o module.wasm")?;
    assert!(
        !text(&output.stdout).contains("owner"),
        "{}",
        text(&output.stdout)
    );
    let usual = fs::metadata(folder.join("maxconn.toml"))?.mode() & 0o777;
    assert_eq!(
        mode()?,
        usual,
        "a host may read it that runs as another user"
    );
    let output = bake("--config maxconn.toml -o module.wasm")?;
    let owner = format!(
        "its owner, user {}, can read it",
        fs::metadata(&target)?.uid()
    );
    assert!(
        text(&output.stdout).contains(&owner),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(mode()?, 0o600);

    let before = fs::read(&target)?;
    symlink(&target, &link)?;
    assert!(Command::new("mkfifo").arg(&pipe).status()?.success());
    for (name, words) in [("link.wasm", "symbolic link"), ("pipe.wasm", "is a pipe")] {
        let output = bake(&format!("-o {name}"))?;
        assert_eq!(output.status.code(), Some(2));
        assert!(
            text(&output.stderr).contains(words),
            "{}",
            text(&output.stderr)
        );
    }
    assert_eq!(fs::read(&target)?, before);
    Ok(())
}
