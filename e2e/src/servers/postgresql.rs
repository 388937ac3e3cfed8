//! PostgreSQL: a role's limit, a database's, the reserved slots and all of them, in its text, CSV and JSON logs at once.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use host_test::Error;

use super::REFUSALS;
use super::client::{bytes, connect, last_words};
use super::expected::{Log, Refusal};
use super::start::{newest, start, stop};
use crate::process::{free_ports, give_away, run, unprivileged};

/// What an administrator writes, and Debian's prefix.
const CONFIGURATION: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 12
superuser_reserved_connections = 2
fsync = off
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = '..'
log_filename = 'postgresql.log'
log_line_prefix = '%m [%p] %q%u@%d '
log_connections = on
";

/// A role that has to be quoted in every log.
const WEB: &str = "web \"shop\", 1";
const STATEMENTS: [&str; 3] = [
    "CREATE ROLE \"web \"\"shop\"\", 1\" LOGIN CONNECTION LIMIT 2",
    "CREATE ROLE app LOGIN",
    "CREATE DATABASE shop CONNECTION LIMIT 3",
];

/// A user and a database.
type Names = (&'static str, &'static str);

/// A limit: how many sessions of whom reach it, who comes then, and what they are told.
struct Step {
    held: (usize, Names),
    comes: Names,
    told: &'static str,
    /// Its name, scope and stage.
    limit: [&'static str; 3],
    /// The field that its message names.
    named: Option<&'static str>,
}

/// One after the other, and every session is held until the end.
const STEPS: [Step; 4] = [
    Step {
        held: (2, (WEB, "postgres")),
        comes: (WEB, "postgres"),
        told: "too many connections for role",
        limit: ["role_connection_limit", "user", "after-auth"],
        named: Some("user.name"),
    },
    Step {
        held: (3, ("app", "shop")),
        comes: ("app", "shop"),
        told: "too many connections for database",
        limit: ["database_connection_limit", "database", "after-auth"],
        named: Some("maxconn.database"),
    },
    // Beside the administrator's they leave two.
    Step {
        held: (4, ("app", "postgres")),
        comes: ("app", "shop"),
        told: "remaining connection slots are reserved",
        limit: ["superuser_reserved_connections", "global", "after-auth"],
        named: None,
    },
    Step {
        held: (2, ("postgres", "postgres")),
        comes: ("nobody", "nowhere"),
        told: "sorry, too many clients already",
        limit: ["max_connections", "global", "before-auth"],
        named: None,
    },
];

/// Brings it to each limit.
pub fn drive(folder: &Path) -> Result<Vec<Log>, Error> {
    give_away(folder)?;
    let data = folder.join("data");
    let program = |name| unprivileged(newest("/usr/lib/postgresql", "", &format!("/bin/{name}"))?);
    let mut initdb = program("initdb")?;
    initdb.args([
        "--auth=trust",
        "--username=postgres",
        "--locale=C",
        "--no-sync",
    ]);
    run(initdb.arg("-D").arg(&data))?;
    let [port] = free_ports()?;
    let mut postgres = program("postgres")?;
    fs::write(data.join("postgresql.auto.conf"), CONFIGURATION)?;
    postgres
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string()]);
    let mut server = start("postgres", postgres, folder, port)?;
    // It listens a moment before it lets anybody in.
    let mut admin = server.until("it lets somebody in", |_| {
        Ok(log_in(port, ("postgres", "postgres")).ok())
    })?;
    for statement in STATEMENTS {
        let length = (statement.len() as u32 + 5).to_be_bytes();
        admin.write_all(&[b"Q", &length[..], statement.as_bytes(), b"\0"].concat())?;
        until_ready(&mut admin)?;
    }

    let (mut held, mut in_text, mut in_others) = (vec![admin], Vec::new(), Vec::new());
    for step in STEPS {
        let (count, names) = step.held;
        for _ in 0..count {
            held.push(log_in(port, names)?);
        }
        let [limit, scope, stage] = step.limit;
        let refusal = Refusal::of("postgresql", limit, scope, stage);
        let (user, database) = step.comes;
        let with = |refusal: Refusal, field| {
            let value = if field == "user.name" { user } else { database };
            refusal.with(field, value)
        };
        for _ in 0..REFUSALS {
            let client = refused(port, step.comes, step.told)?;
            in_text.push(step.named.into_iter().fold(refusal.clone(), with));
            let known = ["user.name", "maxconn.database"];
            in_others.push(known.into_iter().fold(refusal.clone().from(client), with));
        }
    }
    drop(held);
    stop(server)?;

    let log = |name: &'static str, refusals: &[Refusal]| {
        Log::new(
            name,
            folder.join("postgresql").with_extension(name),
            refusals.to_vec(),
            &[
                ("db-role", "role_connection_limit"),
                ("db-role", "database_connection_limit"),
                ("db-limit", "superuser_reserved_connections"),
                ("db-limit", "max_connections"),
            ],
        )
    };
    Ok(vec![
        log("log", &in_text),
        log("csv", &in_others),
        log("json", &in_others),
    ])
}

/// Comes, and must be refused with these words; answers from where it came.
pub fn refused(port: u16, names: Names, words: &str) -> Result<SocketAddr, Error> {
    let mut stream = connect(port)?;
    let client = stream.local_addr()?;
    stream.write_all(&startup(names))?;
    let told = last_words(stream)?;
    if told.contains(words) {
        Ok(client)
    } else {
        Err(format!("{told:?} is told instead of {words}").into())
    }
}

/// A session of a user without a password.
pub fn log_in(port: u16, names: Names) -> Result<TcpStream, Error> {
    let mut stream = connect(port)?;
    stream.write_all(&startup(names))?;
    until_ready(&mut stream)?;
    Ok(stream)
}

/// What a client of the protocol 3.0 says first.
fn startup((user, database): Names) -> Vec<u8> {
    let names = format!("user\0{user}\0database\0{database}\0\0");
    let length = names.len() as u32 + 8;
    let head = [length, 3 << 16].map(u32::to_be_bytes).concat();
    [&head, names.as_bytes()].concat()
}

/// Reads until the server waits for a statement.
fn until_ready(stream: &mut TcpStream) -> Result<(), Error> {
    loop {
        let kind = bytes(stream, 1)?;
        let length = bytes(stream, 4)?
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte));
        let body = bytes(stream, length.saturating_sub(4))?;
        match kind.as_slice() {
            b"Z" => return Ok(()),
            b"E" => return Err(String::from_utf8_lossy(&body).into()),
            _ => {}
        }
    }
}
