//! A real Bento with the files of `pipelines/bento`: its `wasm` processor with our guest, and its `http` processor before
//! `maxconn run --output reply`.

mod connect;
mod reply;
mod wasm;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use host_test::Error;
use serde_json::Value;
use ureq::Agent;

use crate::process::{PATIENCE, Running, guarded, run};
use crate::report::Report;

/// The ports that our files name: Bento's own, its input, and that of `maxconn run`.
const PORTS: [&str; 3] = ["127.0.0.1:4195", "127.0.0.1:4196", "127.0.0.1:8686"];
/// The folder that our files write into.
const FOLDER: &str = "/var/lib/bento";

/// Builds Bento and sets it up in both ways.
pub fn check(report: &mut Report) {
    if run(Command::new("go").arg("version")).is_err() {
        eprintln!("e2e: there is no Go, so Bento was not tried; install it from https://go.dev");
        return;
    }
    match build() {
        Ok(told) => report.tell("Bento builds", Ok(told)),
        Err(error) => return report.tell("Bento builds", Err(error)),
    }
    wasm::check(report);
    reply::check(report);
    connect::check(report);
}

fn program() -> PathBuf {
    guest_build::workspace().join("target/bento/bento")
}

fn build() -> Result<String, Error> {
    let begun = Instant::now();
    run(Command::new("go")
        .args(["build", "-o"])
        .arg(program())
        .arg(".")
        .current_dir(guest_build::workspace().join("e2e/bento")))?;
    Ok(format!("{} s", begun.elapsed().as_secs()))
}

/// A file of `pipelines/bento` for these ports and this folder.
fn printed(file: &str, ports: [u16; 3], folder: &Path) -> Result<String, Error> {
    let path = guest_build::workspace().join("pipelines/bento").join(file);
    let mut text = fs::read_to_string(path)?;
    for (name, port) in PORTS.into_iter().zip(ports) {
        text = text.replace(name, &format!("127.0.0.1:{port}"));
    }
    Ok(text.replace(FOLDER, &folder.to_string_lossy()))
}

/// Starts Bento in a folder, where the configuration and the module are, and waits until it takes posts.
fn start(folder: &Path, config: &str, port: u16) -> Result<Running, Error> {
    fs::write(folder.join("bento.yaml"), config)?;
    let mut command = guarded(program());
    command.args(["-c", "bento.yaml"]).current_dir(folder);
    let mut running = Running::start("bento", command, &folder.join("bento.log"))?;
    until_posts(&mut running, port)?;
    Ok(running)
}

/// It answers a GET with 405 as soon as it listens.
fn until_posts(running: &mut Running, port: u16) -> Result<(), Error> {
    let (url, agent) = (format!("http://127.0.0.1:{port}/"), agent());
    running.until("it takes posts", |_| {
        Ok(agent.get(&url).call().ok().map(drop))
    })
}

fn agent() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .into()
}

/// Posts a body, which must be taken.
fn post(port: u16, body: &[u8]) -> Result<(), Error> {
    let mut answer = agent()
        .post(format!("http://127.0.0.1:{port}/"))
        .send(body)?;
    if answer.status().is_success() {
        return Ok(());
    }
    let said = answer.body_mut().read_to_string()?;
    Err(format!("a post was answered {}: {said}", answer.status()).into())
}

/// The lines of a file that Bento wrote, of which there may be none.
fn lines(path: &Path) -> Result<Vec<String>, Error> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
    Ok(text.lines().map(str::to_string).collect())
}

/// Documents without what depends on where their lines were read: `maxconn replay` knows a file and a place in it.
fn documents(lines: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<Value>, Error> {
    let mut documents = Vec::new();
    for line in lines {
        let mut document: Value = serde_json::from_str(line.as_ref())?;
        if let Some(members) = document.as_object_mut() {
            members.remove("log");
        }
        if let Some(event) = document.get_mut("event").and_then(Value::as_object_mut) {
            event.remove("id");
        }
        documents.push(document);
    }
    Ok(documents)
}

/// Holds documents against others, in any order; how many there are.
fn same(name: &str, expected: Vec<Value>, actual: Vec<Value>) -> Result<usize, Error> {
    let [expected, actual] = [expected, actual].map(|documents| {
        let mut texts: Vec<String> = documents.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    });
    let pairs = expected.iter().zip(&actual);
    if let Some((expected, actual)) = pairs.into_iter().find(|(one, other)| one != other) {
        return Err(format!("{name}: {actual}\ninstead of {expected}").into());
    }
    match expected.len() == actual.len() {
        true => Ok(actual.len()),
        false => Err(format!("{name}: {}, not {}", actual.len(), expected.len()).into()),
    }
}
