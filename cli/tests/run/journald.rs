//! The unit in `pipelines/journald`: its command as it stands there, with a `journalctl` that gives a real journal.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use test_support::command::{Folder, Process, program};
use test_support::data;
use test_support::store::Store;
use test_support::until;

use crate::printed::read;

/// Starts what the unit starts. A file `folder/end` ends it. What is written into `folder/journal` comes out of the next `journalctl`.
fn start(folder: &Folder, store: &Store, only: &str) -> Process {
    let unit = read("journald", "maxconn-journald.service");
    let mut lines = unit.lines();
    let line = lines.find_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '"));
    let script = line.unwrap().strip_suffix('\'').unwrap();
    let at = folder.to_str().unwrap();
    let script = script
        .replace("/usr/local/bin/maxconn", program().to_str().unwrap())
        .replace("/var/lib/maxconn-journald", at)
        .replace("127.0.0.1:9200", &store.address.to_string())
        .replace("127.0.0.1:8688", "127.0.0.1:0")
        .replace("$$", "$")
        .replace("--only changed", only);
    let journalctl = folder.write("journalctl", format!(
        "#!/bin/sh\n[ \"$*\" = '--quiet --output=json --unit=dovecot --cursor-file={at}/cursor' ] || exit 1\n[ -e {at}/end ] && exit 1\n\
         mv {at}/journal {at}/taken 2>/dev/null || exit 0\nexec cat {at}/taken\n"
    ));
    fs::set_permissions(&journalctl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{at}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("/bin/sh");
    Process::of(shell.args(["-c", &script]).env("PATH", path))
}

#[test]
fn a_journal_is_read_and_counted() {
    let (folder, store) = (Folder::new(), Store::start());
    let journal = data::text("testdata/dovecot/15_journald_json_real.jsonl");
    folder.write("journal", &journal);
    let mut process = start(&folder, &store, "--only changed");
    process.until_metric("maxconn_records_total", journal.lines().count() as u64);
    // What was read off this journal by other means.
    let expected = data::text("testdata/dovecot/expected.jsonl");
    let of_journal = |line: &&str| line.contains("\"15_journald_json_real.jsonl\"");
    let refusals = expected.lines().filter(of_journal).count() as u64;
    until("every refusal stored or held back", || {
        let mut events = store.of_action("connection-limit-exceeded");
        events.retain(|it| it["event"]["code"] == "mail_max_userip_connections");
        let stored = events.len() as u64;
        stored + process.metric("maxconn_suppressed_events_total") == refusals
    });
    folder.write("end", "");
    process.wait();
}

#[test]
fn when_maxconn_ends_the_service_ends_though_the_journal_is_quiet() {
    let (folder, store) = (Folder::new(), Store::start());
    let mut process = start(&folder, &store, "--only nothing");
    process.wait();
    process.said("nothing");
    folder.write("end", "");
}
