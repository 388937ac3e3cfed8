//! nginx: an address's limit, then a worker's.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use host_test::Error;

use super::REFUSALS;
use super::client::{connect, last_words, line, must_begin};
use super::expected::{Log, Refusal};
use super::start::{start, stop};
use crate::process::{PATIENCE, free_ports, give_away, unprivileged};

const ADDRESS_LIMIT: usize = 3;
/// It stands in the log as it is.
const LIE: &str = "Referer: \", client: 10.0.0.1, server: \"limiting connections by zone \"other\"";
/// Of each client and of each connection to the server behind.
const WORKER_LIMIT: usize = 32;
/// Brings it to both; what it has let in waits for a server behind it that never answers.
pub fn drive(folder: &Path) -> Result<Vec<Log>, Error> {
    let [port] = free_ports()?;
    let behind = TcpListener::bind("127.0.0.1:0")?;
    let configuration = folder.join("nginx.conf");
    let at = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .concat();
    fs::write(
        &configuration,
        format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\n\
             events {{ worker_connections {WORKER_LIMIT}; }}\n\
             http {{\naccess_log off;\n{temporary}\
             limit_conn_zone $binary_remote_addr zone=perip:64k;\n\
             server {{\nlisten 127.0.0.1:{port};\nserver_name example.org;\n\
             location / {{ proxy_pass http://{}; }}\n\
             location /limited {{ limit_conn perip {ADDRESS_LIMIT}; proxy_pass http://{0}; }}\n}}\n}}\n",
            behind.local_addr()?
        ),
    )?;
    give_away(folder)?;
    let mut nginx = unprivileged("nginx")?;
    nginx
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-c")
        .arg(&configuration);
    let server = start("nginx", nginx, folder, port)?;

    let mut held = Vec::new();
    for _ in 0..ADDRESS_LIMIT {
        held.push(request(port, "/limited/slow")?);
        held.push(behind.accept()?.0);
    }
    let limited = Refusal::of("nginx", "limit_conn", "zone", "before-auth")
        .with("maxconn.zone", "perip")
        .with("maxconn.vhost", "example.org")
        .with("source.ip", "127.0.0.1");
    for _ in 0..REFUSALS {
        must_begin(
            &last_words(request(port, "/limited/slow")?)?,
            "HTTP/1.1 503 ",
        )?;
    }
    let mut refusals = vec![limited; REFUSALS];
    // Its connections run out first for what it would ask for a client, then for clients.
    let full = Refusal::of("nginx", "worker_connections", "process", "before-auth")
        .with("maxconn.limit.value", WORKER_LIMIT);
    behind.set_nonblocking(true)?;
    let told = loop {
        let mut stream = request(port, "/slow")?;
        match asked(&behind, &mut stream)? {
            Some(connection) => held.extend([stream, connection]),
            None => break last_words(stream)?,
        }
    };
    must_begin(&told, "HTTP/1.1 500 ")?;
    for _ in 1..REFUSALS {
        must_begin(&last_words(request(port, "/slow")?)?, "HTTP/1.1 500 ")?;
    }
    let asking = full
        .clone()
        .with("maxconn.vhost", "example.org")
        .with("source.ip", "127.0.0.1");
    refusals.extend(vec![asking; REFUSALS]);
    // It waits for what they have to say.
    let waiting = b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
    loop {
        let mut stream = connect(port)?;
        // It may have hung up already.
        let _ = stream.write_all(waiting);
        match line(&mut stream) {
            Ok(told) => must_begin(&told, "HTTP/1.1 100 ")?,
            Err(_) => break,
        }
        held.push(stream);
    }
    for _ in 1..REFUSALS {
        let told = last_words(connect(port)?)?;
        if !told.is_empty() {
            return Err(format!("{told:?} is told instead of nothing").into());
        }
    }
    refusals.extend(vec![full; REFUSALS]);
    drop(held);
    stop(server)?;
    Ok(vec![Log::new(
        "error.log",
        folder.join("error.log"),
        refusals,
        &[
            ("client-limit", "limit_conn"),
            ("server-full", "worker_connections"),
        ],
    )])
}

/// Waits until a request has come to the server behind; nothing if the client is answered instead.
fn asked(behind: &TcpListener, client: &mut TcpStream) -> Result<Option<TcpStream>, Error> {
    client.set_read_timeout(Some(Duration::from_millis(10)))?;
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if let Ok((stream, _)) = behind.accept() {
            return Ok(Some(stream));
        }
        if client.peek(&mut [0]).is_ok() {
            client.set_read_timeout(Some(PATIENCE))?;
            return Ok(None);
        }
    }
    Err("a request gets no answer and does not come out behind".into())
}

/// Asks for a page, and says what looks like a refusal of somebody else.
fn request(port: u16, path: &str) -> Result<TcpStream, Error> {
    let mut stream = connect(port)?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n{LIE}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}
