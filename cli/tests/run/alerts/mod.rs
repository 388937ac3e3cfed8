//! `--alerts`: real processes, and what stands for the outputs.

mod alertmanager;
mod exec;
mod journal;
mod queues;
mod webhooks;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use test_support::command::{Folder, Process, program};
use test_support::refusal;

/// A flood is three refusals, and over after a second.
const CONFIG: &str = "allowed_lateness = \"0s\"\n[[rule]]\nname = \"userip\"\nthreshold = 3\nwithin = \"10s\"\nquiet = \"10s\"\n\
                      update_every = \"20s\"\nupdate_max = \"20s\"\n";

/// Alerts alone, and a state that a restart goes on from.
const KEPT: &str = "--output none --state kept.state --state-interval 20ms";

/// Names that try to get out of wherever they are written.
const HOSTILE: [&str; 8] = [
    "$(touch pwned)`touch pwned`;touch pwned",
    "\n.\nBcc: victim@example.org\n\nhello",
    "\r\nSubject: x",
    "\",\"channel\":\"#general\",\"x\":\"",
    "{{ 7*7 }}{% for x in range(9) %}x{% endfor %}",
    "<!channel> @room",
    "-oQ/tmp --help",
    "\u{1b}[2J\u{202e}\u{9b}\u{0}x",
];

/// One that takes batches by HTTP and tells these of alerts; other arguments are words between spaces.
fn start(folder: &Folder, arguments: &str, outputs: &[&str]) -> Process {
    folder.write("maxconn.toml", CONFIG);
    let usual = "run --config maxconn.toml --input http://127.0.0.1:0 --admin :0";
    let mut command = Command::new(program());
    command.args(usual.split(' ').chain(arguments.split_whitespace()));
    for output in outputs {
        command.args(["--alerts", output]);
    }
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    Process::of(
        command
            .current_dir(&**folder)
            .env("TZ", "UTC")
            .env("PATH", path),
    )
}

/// So many refusals of a user, one each second from one on.
fn refusals(user: &str, seconds: std::ops::Range<i64>) -> String {
    // The midnight that 2026 began with.
    let time_ms = |second: i64| 1_767_225_600_000 + second * 1000;
    seconds
        .map(|second| refusal::json(time_ms(second), user, "192.0.2.7"))
        .collect()
}

/// What ends all floods of before: time moves on the word of two.
fn later(second: i64) -> String {
    refusals("later", second..second + 2)
}

/// A script in a folder that is found by its name.
fn script(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let path = folder.write(name, format!("#!/bin/sh\n{text}\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A figure of the output with that name.
fn figure(process: &Process, metric: &str, output: &str) -> u64 {
    let name = format!("{metric}{{output=\"{output}\"}}");
    process.figure(&name).unwrap_or(0)
}
