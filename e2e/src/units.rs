//! systemd judges the units that users copy: nothing in them is unknown to it, and they are exposed to little.

use std::fs;
use std::path::Path;
use std::process::Command;

use host_test::Error;

use crate::maxconn;
use crate::process::{folder, run};
use crate::report::Report;

const UNITS: [&str; 3] = [
    "cli/systemd/maxconn.service",
    "cli/systemd/maxconn-log.service",
    "pipelines/journald/maxconn-journald.service",
];
/// Tenths, of 100: `systemd-analyze security` calls up to 2.0 safe.
const EXPOSURE_MAX: &str = "--threshold=20";

/// Runs it.
pub fn check(report: &mut Report) {
    for unit in UNITS {
        let name = Path::new(unit).file_name().unwrap_or_default();
        report.tell(&format!("systemd on {}", name.display()), judged(unit));
    }
}

fn judged(unit: &str) -> Result<String, Error> {
    let folder = folder("units")?;
    // Where the command is here: a program that is not there is a fault, too.
    let here = maxconn::path().display().to_string();
    let text = fs::read_to_string(unit)?;
    let text = text
        .replace("/usr/local/bin/maxconn", &here)
        .replace("/usr/bin/maxconn", &here);
    let file = folder.join(Path::new(unit).file_name().ok_or("a unit has a name")?);
    fs::write(&file, text)?;
    run(Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&file))?;
    let told = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", EXPOSURE_MAX])
        .arg(&file))?;
    let last = told.lines().last().unwrap_or_default();
    Ok(last
        .trim_start_matches(|it: char| !it.is_alphabetic())
        .to_string())
}
