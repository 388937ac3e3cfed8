//! The log of a real Dovecot, unchanged, through the command and through every guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;
use host_test::case::{Case, Step};
use host_test::drivers::DRIVERS;
use host_test::wasm::Runtime;
use maxconn_core::engine::{Format, Source};
use test_support::refusal;

use crate::report::Report;
use crate::{dovecot, maxconn, process};

const ATTEMPTS: usize = 2_500;

/// Makes the log, and tells what everything says of it.
pub fn check(report: &mut Report) {
    let (log, figures) = match real_log() {
        Ok(made) => made,
        Err(error) => return report.tell("dovecot makes a flood", Err(error)),
    };
    report.tell("dovecot makes a flood", Ok(figures));
    report.tell("maxconn replay", replay(&log));
    report.tell("Node's WASI", node(&log));
    report.tell("the npm package in Node", npm(&log));
    for driver in &DRIVERS {
        let result = host_test::guest(driver.guest)
            .and_then(|wasm| (driver.check)(&case(&log)?, &wasm, Runtime::Wasmtime))
            .map(|()| "says what the core says".to_string());
        report.tell(&format!("guest through {}", driver.name), result);
    }
}

/// The log of a real server, and how many refusals are in it.
fn real_log() -> Result<(PathBuf, String), Error> {
    let folder = process::folder("dovecot")?;
    let server = dovecot::Server::start(&folder, "")?;
    server.flood(ATTEMPTS)?;
    let log = server.log.clone();
    server.stop()?;
    let refusals = refusals(&log)?;
    if refusals != ATTEMPTS as u64 {
        return Err(format!("{ATTEMPTS} attempts, but {refusals} refusals in the log").into());
    }
    let lines = fs::read_to_string(&log)?.lines().count();
    Ok((log, format!("{refusals} refusals in {lines} lines")))
}

fn refusals(log: &Path) -> Result<u64, Error> {
    let text = fs::read_to_string(log)?;
    Ok(text
        .lines()
        .filter(|line| line.contains(refusal::WORDS))
        .count() as u64)
}

/// The WASI guest under Node's own runtime says what the command says, byte for byte.
fn node(log: &Path) -> Result<String, Error> {
    let wasm = guest_build::try_build("wasi", guest_build::Features::default())?;
    let output = Command::new("node")
        .arg("--no-warnings")
        .arg(guest_build::workspace().join("pipelines/wasi/run.mjs"))
        .arg(wasm)
        .args(["--only", "alerts", "--path"])
        .arg(log)
        .stdin(fs::File::open(log)?)
        .output()
        .map_err(|error| format!("node: {error}; install Node 20 or newer"))?;
    let alerts = alerts(log)?;
    if output.stdout == alerts.as_bytes() {
        Ok("says what the command says".to_string())
    } else {
        let said = [
            output.stderr,
            output.stdout,
            b"instead of\n".to_vec(),
            alerts.into(),
        ]
        .concat();
        Err(format!("said\n{}", String::from_utf8_lossy(&said)).into())
    }
}

/// The npm package on the log: the ends' totals are what `grep -c` says.
fn npm(log: &Path) -> Result<String, Error> {
    let package = guest_build::workspace().join("target/npm/maxconn/maxconn.js");
    let script = format!(
        "import {{ readFileSync }} from 'node:fs';
         import {{ Detector }} from {:?};
         const detector = new Detector({{ only: 'alerts', source: {{ path: process.argv[1] }} }});
         const alerts = [...detector.push(readFileSync(process.argv[1])), ...detector.finish()];
         for (const {{ text }} of alerts) console.log(text);",
        package
    );
    let output = Command::new("node")
        .args(["--input-type=module", "--eval", &script, "--"])
        .arg(log)
        .output()
        .map_err(|error| format!("node: {error}; install Node 20 or newer"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{said}\n`make npm` builds the package").into());
    }
    totals(log, &String::from_utf8(output.stdout)?)
}

/// The command on the log: the ends' totals are what `grep -c` says.
fn replay(log: &Path) -> Result<String, Error> {
    totals(log, &alerts(log)?)
}

/// Holds the ends among alerts against the log.
fn totals(log: &Path, alerts: &str) -> Result<String, Error> {
    let (total, refusals) = (maxconn::ended(alerts)?, refusals(log)?);
    let count = alerts.lines().count();
    if total == refusals {
        Ok(format!("{count} alerts, ends with {total} events"))
    } else {
        Err(format!("ends with {total} events, {refusals} in the log").into())
    }
}

/// What the command writes of the log's alerts.
fn alerts(log: &Path) -> Result<String, Error> {
    let log = log.to_string_lossy();
    maxconn::output(&["replay", "--only", "alerts", &log])
}

/// The log as a case of the harness.
fn case(log: &Path) -> Result<Case, Error> {
    let reference = fs::metadata(log)?.modified()?;
    let reference = reference.duration_since(std::time::UNIX_EPOCH)?.as_millis();
    Ok(Case {
        name: "real-dovecot".to_string(),
        why: "The log of a real server, unchanged.".to_string(),
        config: None,
        is_baked: false,
        source: Source {
            path: Some("/var/log/dovecot.log".to_string()),
            reference_ms: i64::try_from(reference).ok(),
            clock_ms: None,
            format: Format::Auto,
            stream: 0,
        },
        has_offsets: true,
        steps: vec![Step::Lines(fs::read_to_string(log)?), Step::Finish(None)],
        expected: PathBuf::new(),
    })
}
