//! The unit in `pipelines/journald`: its command as it stands there, with a `journalctl` that gives a real journal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::printed::read;
use crate::process::{Process, folder, metric, until};
use crate::store;

/// Starts what the unit starts. A file `folder/end` ends it. What is written into `folder/journal` comes out of the next `journalctl`.
fn start(folder: &std::path::Path, store: std::net::SocketAddr, only: &str) -> Process {
    let unit = read("journald", "maxconn-journald.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '"));
    let script = line.unwrap().strip_suffix('\'').unwrap();
    let at = folder.to_str().unwrap();
    let script = script
        .replace("/usr/local/bin/maxconn", env!("CARGO_BIN_EXE_maxconn"))
        .replace("/var/lib/maxconn-journald", at)
        .replace("127.0.0.1:9200", &store.to_string())
        .replace("127.0.0.1:8688", "127.0.0.1:0")
        .replace("$$", "$")
        .replace("--only changed", only);
    let journalctl = folder.join("journalctl");
    let program = format!(
        "#!/bin/sh\n[ \"$*\" = '--quiet --output=json --unit=dovecot --cursor-file={at}/cursor' ] || exit 1\n[ -e {at}/end ] && exit 1\n\
         mv {at}/journal {at}/taken 2>/dev/null || exit 0\nexec cat {at}/taken\n"
    );
    fs::write(&journalctl, program).unwrap();
    fs::set_permissions(&journalctl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{at}:{}", std::env::var("PATH").unwrap());
    Process::of(
        Command::new("/bin/sh")
            .args(["-c", &script])
            .env("PATH", path),
    )
}

#[test]
fn a_journal_is_read_and_counted() {
    let folder = folder("journald");
    let (sink, stored) = store::store(|_| 201);
    let journal = read("../testdata/dovecot", "15_journald_json_real.jsonl");
    fs::write(folder.join("journal"), &journal).unwrap();
    let mut process = start(&folder, sink.address, "--only changed");
    let admin = process.address("admin");
    let records = journal.lines().count() as u64;
    until("all records", || {
        metric(admin, "maxconn_records_total") == records
    });
    // What was read off this journal by other means.
    let expected = read("../testdata/dovecot", "expected.jsonl");
    let of_journal = |line: &&str| line.contains("\"15_journald_json_real.jsonl\"");
    let refusals = expected.lines().filter(of_journal).count() as u64;
    let events = || {
        let stored = stored.lock().unwrap();
        let all = stored
            .values()
            .filter(|it| it["event"]["code"] == "mail_max_userip_connections");
        all.filter(|it| it["event"]["kind"] == "event").count() as u64
    };
    until("every refusal stored or held back", || {
        events() + metric(admin, "maxconn_suppressed_events_total") == refusals
    });
    fs::write(folder.join("end"), "").unwrap();
    process.wait();
}

#[test]
fn when_maxconn_ends_the_service_ends_though_the_journal_is_quiet() {
    let folder = folder("journald-end");
    let (sink, _) = store::store(|_| 201);
    let mut process = start(&folder, sink.address, "--only nothing");
    process.wait();
    process.said("nothing");
    fs::write(folder.join("end"), "").unwrap();
}
