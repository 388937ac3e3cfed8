//! A real flood as the programs between a server and a file really write it: journald, BusyBox.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;
use test_support::data::{self, FLOOD};
use test_support::refusal::WORDS;

use crate::report::Report;
use crate::{maxconn, process};

/// Reads journald's export format into a journal; Debian keeps it where nobody looks for commands.
const JOURNAL_REMOTE: &str = "/lib/systemd/systemd-journal-remote";
/// Every form of `journalctl -o` that has a time; `cat` has none.
const FORMS: [&str; 13] = [
    "short",
    "short-full",
    "short-iso",
    "short-iso-precise",
    "short-precise",
    "short-unix",
    "verbose",
    "export",
    "json",
    "json-pretty",
    "json-sse",
    "json-seq",
    "with-unit",
];
/// The form that tells how long the machine has run and no date: its refusals are told, and are no flood.
const UNDATED: &str = "short-monotonic";

/// All of them.
pub fn check(report: &mut Report) {
    report.tell("journalctl -o, every form", journal());
    report.tell("BusyBox syslogd", busybox());
}

/// What a real server logged: the time of day and the text, and how many refusals are in it.
pub fn flood() -> Result<(Vec<(String, String)>, u64), Error> {
    let log = data::text(FLOOD);
    let mut lines = Vec::new();
    for line in log.lines() {
        // `Nov 22 21:00:00 imap-login: Info: …`; levels are told to syslog beside the text.
        let cut = line.get(7..).and_then(|it| it.split_once(' '));
        let (time, text) = cut.ok_or(line)?;
        lines.push((time.to_string(), text.replacen("Info: ", "", 1)));
    }
    let refusals = log.lines().filter(|line| line.contains(WORDS)).count();
    Ok((lines, refusals as u64))
}

/// The flood goes into a journal, and out of it in every form.
fn journal() -> Result<String, Error> {
    let folder = process::folder("journal")?;
    let (lines, refusals) = flood()?;
    let mut export = String::new();
    for (number, (time, text)) in lines.iter().enumerate() {
        let seconds = seconds(time)?;
        // 2026-11-22 in UTC, a microsecond between lines of one second.
        let realtime = (1_795_305_600 + seconds) * 1_000_000 + number as u64;
        let monotonic = (1_000 + seconds) * 1_000_000 + number as u64;
        write!(
            export,
            "__REALTIME_TIMESTAMP={realtime}\n__MONOTONIC_TIMESTAMP={monotonic}\n_BOOT_ID={:032x}\n_MACHINE_ID={:032x}\n\
             _HOSTNAME=mail\nSYSLOG_IDENTIFIER=dovecot\nSYSLOG_FACILITY=2\nPRIORITY=6\n_PID=712\n\
             _SYSTEMD_UNIT=dovecot.service\nMESSAGE={text}\n\n",
            1, 1
        )?;
    }
    let file = folder.join("flood.export");
    fs::write(&file, export)?;
    let journal = folder.join("flood.journal");
    process::run(
        Command::new(JOURNAL_REMOTE)
            .arg("-o")
            .arg(&journal)
            .arg(&file),
    )?;
    let written = |form| -> Result<PathBuf, Error> {
        let mut journalctl = Command::new("journalctl");
        journalctl.args(["--quiet", "--no-pager", "--utc", "-o", form]);
        let said = process::run(journalctl.arg("--file").arg(&journal))?;
        let log = folder.join(form);
        fs::write(&log, said)?;
        Ok(log)
    };
    for form in FORMS {
        held(&written(form)?, refusals).map_err(|error| format!("-o {form}: {error}"))?;
    }
    let log = written(UNDATED)?;
    let events = maxconn::output(&["replay", "--only", "changed", &log.to_string_lossy()])?;
    let told = events.lines().count() as u64;
    if told != refusals {
        return Err(format!("-o {UNDATED}: {told} of {refusals} refusals").into());
    }
    let forms = FORMS.len() + 1;
    Ok(format!(
        "{forms} forms, {refusals} of {refusals} refusals in each"
    ))
}

fn seconds(time: &str) -> Result<u64, Error> {
    let parts: Vec<u64> = time
        .splitn(3, ':')
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [hours, minutes, seconds] = parts[..] else {
        return Err(format!("{time} is no time of day").into());
    };
    Ok((hours * 60 + minutes) * 60 + seconds)
}

/// BusyBox's syslogd listens at /dev/log alone, so it gets a /dev of its own.
const BUSYBOX: &str = r#"
set -eu
mount -t tmpfs tmpfs /dev
# The shell gives it to what it starts beside itself.
: > /dev/null
busybox syslogd -n -O "$1/busybox.log" &
daemon=$!
trap 'kill $daemon' EXIT
while [ ! -S /dev/log ]; do kill -0 $daemon; sleep 0.1; done
busybox logger -p mail.info -t dovecot < "$1/lines"
lines=$(wc -l < "$1/lines")
while [ "$(grep -c dovecot "$1/busybox.log")" -lt "$lines" ]; do kill -0 $daemon; sleep 0.1; done
"#;

/// The flood goes through BusyBox's own logger and daemon; all of it is of now then.
fn busybox() -> Result<String, Error> {
    let folder = process::folder("busybox")?;
    let (lines, refusals) = flood()?;
    let texts: String = lines.iter().map(|(_, text)| format!("{text}\n")).collect();
    fs::write(folder.join("lines"), texts)?;
    let mut alone = Command::new("unshare");
    alone.args(["--map-root-user", "--mount", "sh", "-c", BUSYBOX, "sh"]);
    process::run(alone.arg(&folder))?;
    held(&folder.join("busybox.log"), refusals)
}

/// Replays a log; its ends must have all refusals.
pub fn held(log: &Path, refusals: u64) -> Result<String, Error> {
    let log = log.to_string_lossy();
    let alerts = maxconn::output(&["replay", "--only", "alerts", &log])?;
    let total = maxconn::ended(&alerts)?;
    if total == refusals {
        Ok(format!("ends with {total} of {refusals} refusals"))
    } else {
        Err(format!("ends with {total}, but {refusals} were logged").into())
    }
}
