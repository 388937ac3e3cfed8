//! Postfix: connections of one client.

use std::fs;
use std::path::Path;
use std::process::Command;

use host_test::Error;

use super::REFUSALS;
use super::client::{connect, last_words, line, must_begin};
use super::expected::{Log, Refusal};
use super::start::{start, stop, written};
use crate::process::{free_ports, guarded, run};

const LIMIT: usize = 3;
const LIMIT_NAME: &str = "smtpd_client_connection_count_limit";

/// Fills it.
pub fn drive(folder: &Path) -> Result<Vec<Log>, Error> {
    let at = folder.display();
    let [port] = free_ports()?;
    let log = folder.join("mail.log");
    fs::write(
        folder.join("main.cf"),
        format!(
            "compatibility_level = 3.5\nqueue_directory = {at}/queue\ndata_directory = {at}/data\n\
             maillog_file = {at}/mail.log\nmaillog_file_prefixes = {at}\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mail.example.org\n\
             local_recipient_maps =\nalias_maps =\n\
             {LIMIT_NAME} = {LIMIT}\nsmtpd_client_event_limit_exceptions =\n"
        ),
    )?;
    fs::write(
        folder.join("master.cf"),
        format!(
            "127.0.0.1:{port} inet n - n - - smtpd\nanvil unix - - n - 1 anvil\npostlog unix-dgram n - n - 1 postlogd\n"
        ),
    )?;
    for part in ["data", "queue/pid", "queue/public", "queue/private"] {
        fs::create_dir_all(folder.join(part))?;
    }
    run(Command::new("chown")
        .arg("postfix")
        .args(["data", "queue/public", "queue/private"])
        .current_dir(folder))?;
    let mut postfix = guarded("/usr/lib/postfix/sbin/master");
    postfix.args(["-d", "-s", "-c"]).arg(folder);
    let mut server = start("postfix", postfix, folder, port)?;
    let mut held = Vec::new();
    for _ in 0..LIMIT {
        let mut stream = connect(port)?;
        must_begin(&line(&mut stream)?, "220 ")?;
        held.push(stream);
    }
    for _ in 0..REFUSALS {
        must_begin(&last_words(connect(port)?)?, "421 ")?;
    }
    let refusal = Refusal::of("postfix", LIMIT_NAME, "ip", "before-auth")
        .with("source.ip", "127.0.0.1")
        .with("service.name", format!("127.0.0.1:{port}"));
    written(&mut server, &log, "limit exceeded", REFUSALS)?;
    drop(held);
    stop(server)?;
    Ok(vec![Log::new(
        "maillog_file",
        log,
        vec![refusal; REFUSALS],
        &[("client-limit", LIMIT_NAME)],
    )])
}
