//! What posts and goes on with the answer: curl, and the programs of `pipelines/http`, before `maxconn run --output reply`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;
use serde_json::Value;
use test_support::data::FLOOD;

use crate::maxconn::Run;
use crate::process::{folder, free_ports, run};
use crate::report::Report;

/// Runs each of them.
pub fn check(report: &mut Report) {
    report.tell("curl, Python and Node post a real flood", answers());
}

/// Each has the same answer for the same lines: all records but those that are held back, and one start.
fn answers() -> Result<String, Error> {
    let folder = folder("posting")?;
    let log = folder.join("mail.log");
    let lines = run(Command::new("gzip").args(["-dc", FLOOD]))?;
    fs::write(&log, &lines)?;
    let sent = lines.lines().count();
    let mut told = Vec::new();
    for (name, program, script) in [
        ("curl", "curl", None),
        ("Python", "python3", Some("maxconn.py")),
        ("Node", "node", Some("maxconn.mjs")),
    ] {
        let output = answer(&folder, program, script, &log)?;
        let documents = output.lines().map(serde_json::from_str);
        let documents: Vec<Value> = documents.collect::<Result<_, _>>()?;
        let starts = documents
            .iter()
            .filter(|it| it["event"]["action"] == "connection-limit-flood-start");
        match starts.count() {
            1 => told.push(documents.len()),
            starts => return Err(format!("{name}: {starts} floods started").into()),
        }
    }
    if told.iter().any(|count| *count != told[0] || *count >= sent) {
        return Err(format!("{sent} lines came back as {told:?} documents").into());
    }
    Ok(format!(
        "{sent} lines came back as {} documents to each",
        told[0]
    ))
}

/// What one of them prints, before a detector of its own.
fn answer(
    folder: &Path,
    program: &str,
    script: Option<&str>,
    log: &PathBuf,
) -> Result<String, Error> {
    let [input, admin] = free_ports()?;
    let url = format!("http://127.0.0.1:{input}");
    let arguments = ["--input", &url, "--output", "reply"];
    let running = Run::start(arguments, admin, &folder.join(format!("{program}.log")))?;
    let mut command = Command::new(program);
    let output = match script {
        None => run(command
            .args([
                "-sS",
                "--fail-with-body",
                "-H",
                "Content-Type: text/plain",
                "--data-binary",
            ])
            .arg(format!("@{}", log.display()))
            .arg(&url)),
        Some(script) => run(command
            .arg(format!("pipelines/http/{script}"))
            .arg(&url)
            .stdin(fs::File::open(log)?)),
    };
    drop(running);
    output
}
