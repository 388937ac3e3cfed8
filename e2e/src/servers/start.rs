//! Starting a server: its program, its port.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;

use crate::process::Running;

/// Starts a server and waits until it listens at a port. What it says to nobody in particular goes to a file in the folder.
pub fn start(name: &str, command: Command, folder: &Path, port: u16) -> Result<Running, Error> {
    let mut running = Running::start(name, command, &folder.join("said.log"))?;
    running.until("it listens", |_| Ok(is_listening(port)?.then_some(())))?;
    Ok(running)
}

/// Waits until a log has words so often: what others write for a server may take a moment, and ends with it.
pub fn written(server: &mut Running, log: &Path, words: &str, count: usize) -> Result<(), Error> {
    server.until("all of its log", |_| {
        let text = fs::read(log).unwrap_or_default();
        let found = String::from_utf8_lossy(&text).matches(words).count();
        Ok((found >= count).then_some(()))
    })
}

/// Stops a server, so that its logs are whole.
pub fn stop(mut running: Running) -> Result<(), Error> {
    running.stop().map(drop)
}

/// The program of the newest version, where each has a place of its own: `PLACE/BEGINNING8.2REST`.
pub fn newest(place: &str, beginning: &str, rest: &str) -> Result<PathBuf, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(place).into_iter().flatten() {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let version = name
            .strip_prefix(beginning)
            .and_then(|it| it.parse::<f32>().ok());
        let program = Path::new(place).join(format!("{name}{rest}"));
        found.extend(version.map(|version| (version, program)));
    }
    found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let (_, program) = found.pop().ok_or_else(|| {
        format!("there is no {place}/{beginning}*; `e2e/run` says what is needed")
    })?;
    Ok(program)
}

/// Whether somebody listens at a port; the system tells, for a connection would count.
fn is_listening(port: u16) -> Result<bool, Error> {
    // `0: 0100007F:1538 00000000:0000 0A …`: the address, whom it is connected to, and that it listens.
    let sockets = fs::read_to_string("/proc/net/tcp")?;
    let local = format!(":{port:04X}");
    Ok(sockets.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_local = words
            .next()
            .is_some_and(|address| address.ends_with(&local));
        is_local && words.nth(1) == Some("0A")
    }))
}
