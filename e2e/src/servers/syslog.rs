//! A server that logs to syslog: it gets a /dev and a /run of its own, with a real rsyslogd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use host_test::Error;

use crate::process::guarded;

const ALONE: &str = r#"
set -eu
at=$1
shift
mount -t tmpfs tmpfs /dev
# The shell gives it to what it starts beside itself.
: > /dev/null
mount -t tmpfs tmpfs /run
mkdir /run/sshd
setpriv --pdeathsig KILL rsyslogd -n -i "$at/rsyslogd.pid" -f "$at/rsyslog.conf" &
syslog=$!
while [ ! -S /dev/log ]; do kill -0 $syslog; sleep 0.05; done
setpriv --pdeathsig KILL "$@" &
server=$!
# What the server has said last is in the file, too, when all is over.
trap 'kill $server; wait $server || true; kill $syslog; wait $syslog; exit 0' TERM
wait
"#;

/// A command for a program whose syslog, at /dev/log or by UDP, goes to a file in the folder.
pub fn with_syslog(folder: &Path, udp: u16) -> Result<(Command, PathBuf), Error> {
    let log = folder.join("syslog");
    fs::write(
        folder.join("rsyslog.conf"),
        format!(
            "module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{udp}\")\n\
             module(load=\"imuxsock\")\n*.* {}\n",
            log.display()
        ),
    )?;
    let mut command = guarded("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", ALONE, "sh"])
        .arg(folder);
    Ok((command, log))
}
