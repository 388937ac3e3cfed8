//! OpenSSH's server: connections that have not logged in. As it comes it writes the first refusal and the total alone.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use host_test::Error;

use super::REFUSALS;
use super::client::{connect, last_words, line, must_begin};
use super::expected::{Log, Refusal};
use super::start::{start, stop, written};
use super::syslog::with_syslog;
use crate::process::{free_ports, run};

const LIMIT: usize = 3;
/// It starts itself anew for each connection, and insists on knowing where it is.
const PROGRAM: &str = "/usr/sbin/sshd";

/// Fills it as it comes, and as it tells more.
pub fn drive(folder: &Path) -> Result<Vec<Log>, Error> {
    Ok(vec![fill(folder, "INFO")?, fill(folder, "VERBOSE")?])
}

fn fill(folder: &Path, level: &'static str) -> Result<Log, Error> {
    let folder = folder.join(level);
    fs::create_dir(&folder)?;
    let key = folder.join("key");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key))?;
    let configuration = folder.join("sshd_config");
    let [port, udp] = free_ports()?;
    fs::write(
        &configuration,
        format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nPidFile none\nMaxStartups {LIMIT}\nLogLevel {level}\n",
            key.display()
        ),
    )?;
    let (mut sshd, syslog) = with_syslog(&folder, udp)?;
    sshd.args([PROGRAM, "-D", "-f"]).arg(&configuration);
    let mut server = start("sshd", sshd, &folder, port)?;

    let mut held = Vec::new();
    for _ in 0..LIMIT {
        let mut stream = connect(port)?;
        must_begin(&line(&mut stream)?, "SSH-2.0-")?;
        held.push(stream);
    }
    let mut refusals = Vec::new();
    for _ in 0..REFUSALS {
        let stream = connect(port)?;
        refusals.push(refusal(&stream)?);
        let told = last_words(stream)?;
        if told.starts_with("SSH-2.0-") {
            return Err("a client is let in, although there is no room".into());
        }
    }
    drop(held);
    written(&mut server, &syslog, "drop connection", 1)?;
    // Up to 9.7 it tells the total when somebody comes and there is room again.
    let said = || fs::read_to_string(&syslog).unwrap_or_default();
    let tells_total = said().contains("beginning MaxStartups");
    server.until("the total", |_| {
        if !tells_total || said().contains("exited MaxStartups") {
            return Ok(Some(()));
        }
        let mut stream = connect(port)?;
        let refusal = refusal(&stream)?;
        if !line(&mut stream)?.starts_with("SSH-2.0-") {
            refusals.push(refusal);
        }
        Ok(None)
    })?;
    stop(server)?;
    let has_each = tells_total && level == "VERBOSE";
    // Its own total opens none, and in one that is open counts nothing twice.
    let rules: &[_] = if has_each {
        &[("ssh", "MaxStartups")]
    } else {
        &[]
    };
    Ok(Log {
        has_each,
        has_total: tells_total,
        ..Log::new(level, syslog, refusals, rules)
    })
}

fn refusal(client: &TcpStream) -> Result<Refusal, Error> {
    let refusal = Refusal::of("openssh", "MaxStartups", "global", "before-auth");
    Ok(refusal.from(client.local_addr()?))
}
