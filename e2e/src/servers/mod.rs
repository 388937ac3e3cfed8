//! Real servers, driven into their connection limits: what they write must come out as what their clients met.
//!
//! | module | server | limits |
//! |---|---|---|
//! | [`postgresql`] | PostgreSQL | all slots, the reserved ones, a role's, a database's |
//! | [`pgbouncer`] | PgBouncer | clients |
//! | [`mariadb`] | MariaDB with its plugin `server_audit` | all connections, a user's |
//! | [`nginx`] | nginx | connections of an address, of a worker |
//! | [`haproxy`] | HAProxy | what waits for a server of it |
//! | [`php_fpm`] | PHP-FPM | children of a pool |
//! | [`openssh`] | OpenSSH's server | connections that have not logged in |
//! | [`postfix`] | Postfix | connections of a client |
//!
//! Each module starts its server on loopback, is its clients, stops it and tells which [`Log`]s it has left and what must
//! be in them; the rest is here.

mod client;
mod expected;
mod haproxy;
mod mariadb;
mod nginx;
mod openssh;
mod pgbouncer;
mod php_fpm;
mod postfix;
mod postgresql;
mod start;
mod syslog;

use std::path::Path;
use std::time::Instant;

use host_test::Error;

use self::expected::Log;
use crate::process;
use crate::report::Report;

/// How often clients are refused: more than every built-in rule needs for a flood.
const REFUSALS: usize = 40;

/// Drives a server that keeps everything in a folder; answers its logs.
type Drive = fn(&Path) -> Result<Vec<Log>, Error>;

const SERVERS: [(&str, Drive); 8] = [
    ("PostgreSQL", postgresql::drive),
    ("PgBouncer", pgbouncer::drive),
    ("MariaDB", mariadb::drive),
    ("nginx", nginx::drive),
    ("HAProxy", haproxy::drive),
    ("PHP-FPM", php_fpm::drive),
    ("OpenSSH", openssh::drive),
    ("Postfix", postfix::drive),
];

/// All of them.
pub fn check(report: &mut Report) {
    for (name, drive) in SERVERS {
        if name == "Postfix" && !process::is_root().unwrap_or(false) {
            eprintln!("Postfix starts for root alone, so it was not tried");
            continue;
        }
        report.tell(&format!("{name} at its limits"), held(name, drive));
    }
}

fn held(name: &str, drive: Drive) -> Result<String, Error> {
    let begun = Instant::now();
    let folder = process::folder(&format!("servers-{}", name.to_lowercase()))?;
    let mut told = Vec::new();
    for log in drive(&folder)? {
        let held = log.held();
        told.push(held.map_err(|error| format!("{}: {error}", log.name))?);
    }
    let seconds = begun.elapsed().as_secs_f32();
    Ok(format!("{} ({seconds:.1} s)", told.join("; ")))
}
