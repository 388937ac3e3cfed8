//! HAProxy: what waits too long for a server of it, through syslog and in its own output.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;

use host_test::Error;

use super::REFUSALS;
use super::client::{connect, last_words, must_begin};
use super::expected::{Log, Refusal};
use super::start::{start, stop, written};
use super::syslog::with_syslog;
use crate::process::free_ports;

const LIMIT: usize = 2;

/// Fills a server behind it, and lets others wait for that.
pub fn drive(folder: &Path) -> Result<Vec<Log>, Error> {
    let [port, udp] = free_ports()?;
    let behind = TcpListener::bind("127.0.0.1:0")?;
    let configuration = folder.join("haproxy.cfg");
    fs::write(
        &configuration,
        format!(
            "global\n  log 127.0.0.1:{udp} local0\n  log stdout format raw local0\n\
             defaults\n  log global\n  mode http\n  option httplog\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n  timeout queue 200ms\n\
             frontend site\n  bind 127.0.0.1:{port}\n  default_backend shop\n\
             backend shop\n  server one {} maxconn {LIMIT}\n",
            behind.local_addr()?
        ),
    )?;
    let (mut haproxy, syslog) = with_syslog(folder, udp)?;
    haproxy.args(["haproxy", "-db", "-f"]).arg(&configuration);
    let mut server = start("haproxy", haproxy, folder, port)?;
    // What is asked for may look like what is logged.
    let request =
        b"GET /?sQ--%201/1/1/1/0%200/1 HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n";
    let ask = || {
        let mut stream = connect(port)?;
        stream.write_all(request)?;
        Ok::<_, Error>(stream)
    };
    let mut held = Vec::new();
    for _ in 0..LIMIT {
        held.push(ask()?);
        held.push(behind.accept()?.0);
    }
    let waiting = (0..REFUSALS)
        .map(|_| ask())
        .collect::<Result<Vec<_>, _>>()?;
    let mut refusals = Vec::new();
    for stream in waiting {
        let refusal = Refusal::of("haproxy", "timeout queue", "server", "before-auth")
            .with("maxconn.frontend", "site")
            .with("maxconn.backend", "shop")
            .with("maxconn.termination_state", "sQ--")
            .with("http.response.status_code", 503);
        refusals.push(refusal.from(stream.local_addr()?));
        must_begin(&last_words(stream)?, "HTTP/1.1 503 ")?;
    }
    written(&mut server, &syslog, " sQ-- ", REFUSALS)?;
    drop(held);
    stop(server)?;
    let log = |name, path| {
        Log::new(
            name,
            path,
            refusals.clone(),
            &[("queue-full", "timeout queue")],
        )
    };
    Ok(vec![
        log("syslog", syslog),
        log("stdout", folder.join("said.log")),
    ])
}
