//! PgBouncer: sessions on its console fill it, for they count and are never refused.

use std::fs;
use std::path::Path;

use host_test::Error;

use super::REFUSALS;
use super::expected::{Log, Refusal};
use super::postgresql::{log_in, refused};
use super::start::{start, stop};
use crate::process::{free_ports, give_away, unprivileged};

const LIMIT: usize = 4;

/// Fills it.
pub fn drive(folder: &Path) -> Result<Vec<Log>, Error> {
    let [port, nobody] = free_ports()?;
    let log = folder.join("pgbouncer.log");
    let configuration = folder.join("pgbouncer.ini");
    fs::write(
        &configuration,
        format!(
            "[databases]\nshop = host=127.0.0.1 port={nobody}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\nadmin_users = admin\nmax_client_conn = {LIMIT}\nlogfile = {}\n",
            log.display()
        ),
    )?;
    give_away(folder)?;
    let mut pgbouncer = unprivileged("pgbouncer")?;
    pgbouncer.arg("-q").arg(&configuration);
    let server = start("pgbouncer", pgbouncer, folder, port)?;
    let mut held = Vec::new();
    for _ in 0..LIMIT {
        held.push(log_in(port, ("admin", "pgbouncer"))?);
    }
    let mut refusals = Vec::new();
    for _ in 0..REFUSALS {
        let client = refused(port, ("web", "shop"), "no more connections allowed")?;
        refusals.push(
            Refusal::of("pgbouncer", "max_client_conn", "global", "before-auth").from(client),
        );
    }
    drop(held);
    stop(server)?;
    Ok(vec![Log::new(
        "its log",
        log,
        refusals,
        &[("db-limit", "max_client_conn")],
    )])
}
