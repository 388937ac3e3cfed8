//! PHP-FPM: two pools run out of children. It says so once, however many wait.

use std::fs;
use std::io::Write;
use std::path::Path;

use host_test::Error;

use super::client::connect;
use super::expected::{Log, Refusal};
use super::start::{newest, start, stop};
use crate::process::{free_ports, give_away, unprivileged};

const LIMIT: usize = 3;

/// Fills both.
pub fn drive(folder: &Path) -> Result<Vec<Log>, Error> {
    let ports: [u16; 2] = free_ports()?;
    let log = folder.join("php-fpm.log");
    let pool = |name, port, more| {
        format!("[{name}]\nlisten = 127.0.0.1:{port}\npm.max_children = {LIMIT}\n{more}\n")
    };
    let [web, api] = ports;
    let configuration = folder.join("php-fpm.conf");
    fs::write(
        &configuration,
        [
            format!("[global]\ndaemonize = no\nerror_log = {}\n", log.display()),
            pool("web", web, "pm = dynamic\npm.start_servers = 3\npm.min_spare_servers = 1\npm.max_spare_servers = 3"),
            pool("api", api, "pm = ondemand"),
        ]
        .concat(),
    )?;
    give_away(folder)?;
    let mut program = unprivileged(newest("/usr/sbin", "php-fpm", "")?)?;
    program.arg("-n").arg("-y").arg(&configuration);
    let mut server = start("php-fpm", program, folder, api)?;
    // They come and come; with its first byte one takes a child.
    let mut held = Vec::new();
    server.until("both pools are full", |_| {
        for port in ports {
            let mut stream = connect(port)?;
            stream.write_all(&[1])?;
            held.push(stream);
        }
        let said = fs::read_to_string(&log)?;
        Ok((said.matches("max_children setting").count() >= ports.len()).then_some(()))
    })?;
    drop(held);
    stop(server)?;
    let refusals = ["web", "api"].map(|pool| {
        Refusal::of("php-fpm", "pm.max_children", "pool", "before-auth")
            .with("service.name", pool)
            .with("maxconn.limit.value", LIMIT)
    });
    Ok(vec![Log {
        floods: vec![("said-once", 1); refusals.len()],
        ..Log::new("error_log", log, refusals.to_vec(), &[])
    }])
}
