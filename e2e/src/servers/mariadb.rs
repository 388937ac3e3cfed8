//! MariaDB with its plugin `server_audit`: the server's own log says nothing of refusals.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use host_test::Error;

use super::REFUSALS;
use super::client::{bytes, connect, last_words};
use super::expected::{Log, Refusal};
use super::start::{start, stop};
use crate::process::{free_ports, give_away, run, unprivileged};

/// The least that it takes.
const LIMIT: usize = 10;
const USER_LIMIT: usize = 2;
/// A user whose name looks like a line of the log.
const GREEDY: &str = "shop,10.0.0.1,9,0,FAILED_CONNECT,,,1040";

/// Brings it to a user's limit, then to its own, with and without the one session that it lets in beyond it.
pub fn drive(folder: &Path) -> Result<Vec<Log>, Error> {
    let plugin = plugin()?;
    fs::create_dir(folder.join("data"))?;
    let sql = folder.join("tables.sql");
    let mut tables =
        "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_string();
    for part in ["tables", "tables_data"] {
        tables += &fs::read_to_string(format!("/usr/share/mysql/mysql_system_{part}.sql"))?;
    }
    fs::write(&sql, tables)?;
    fs::write(
        folder.join("accounts.sql"),
        format!(
            "CREATE USER web@'%';\nCREATE USER `{GREEDY}`@'%' WITH MAX_USER_CONNECTIONS {USER_LIMIT};\n"
        ),
    )?;
    give_away(folder)?;
    let at = folder.display();
    let data = format!("--datadir={at}/data");
    // As its own program for that does, which would need another package.
    let mut bootstrap = unprivileged("mariadbd")?;
    bootstrap
        .args(["--no-defaults", "--bootstrap", &data])
        .stdin(File::open(&sql)?);
    run(&mut bootstrap)?;
    let [port] = free_ports()?;
    let mut mariadbd = unprivileged("mariadbd")?;
    mariadbd.args(["--no-defaults", &data]).args([
        format!("--plugin-dir={}", plugin.display()),
        format!("--init-file={at}/accounts.sql"),
        format!("--port={port}"),
        format!("--max-connections={LIMIT}"),
        format!("--server-audit-file-path={at}/server_audit.log"),
    ]);
    mariadbd.args([
        // Below its data; a whole path may be too long for a socket.
        "--socket=socket",
        "--pid-file=pid",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        "--plugin-load-add=server_audit",
        "--server-audit-logging=ON",
        "--server-audit-events=CONNECT",
    ]);
    let mut server = start("mariadbd", mariadbd, folder, port)?;

    let of = |limit, scope, stage| Refusal::of("mariadb", limit, scope, stage);
    let mut refusals = Vec::new();
    let mut come = |user| -> Result<Option<TcpStream>, Error> {
        let no = match log_in(port, user)? {
            Ok(session) => return Ok(Some(session)),
            Err(no) => no,
        };
        let known = |refusal: Refusal| {
            let refusal = refusal.with("user.name", user);
            refusal.with("source.ip", "127.0.0.1")
        };
        refusals.push(match (no.code, no.greeted) {
            (1226, true) => known(of("max_user_connections", "user", "after-auth")),
            (1040, true) => known(of("max_connections", "global", "")),
            (1040, false) => of("max_connections", "global", "before-auth"),
            _ => return Err(format!("{user} is told {no:?}").into()),
        });
        Ok(None)
    };
    let mut held = Vec::new();
    for (user, count, refused) in [
        (GREEDY, USER_LIMIT, GREEDY),
        ("web", LIMIT - USER_LIMIT, "web"),
        ("root", 1, "web"),
    ] {
        for _ in 0..count {
            // Who was refused may still have a place for a moment.
            held.push(server.until("there is room", |_| come(user))?);
        }
        for _ in 0..REFUSALS {
            if come(refused)?.is_some() {
                return Err(format!("there is still room for {refused}").into());
            }
        }
    }
    drop(held);
    stop(server)?;
    Ok(vec![Log::new(
        "server_audit",
        folder.join("server_audit.log"),
        refusals,
        &[
            ("db-limit", "max_connections"),
            ("db-role", "max_user_connections"),
        ],
    )])
}

/// The folder with the plugin: where its package puts it, or `e2e/run`.
fn plugin() -> Result<PathBuf, Error> {
    let places = [
        PathBuf::from("/"),
        guest_build::workspace().join("target/mariadb"),
    ];
    let mut folders = places
        .map(|place| place.join("usr/lib/mysql/plugin"))
        .into_iter();
    let found = folders.find(|folder| folder.join("server_audit.so").exists());
    Ok(found.ok_or("there is no server_audit.so; `e2e/run` fetches it")?)
}

/// Why a client is not let in.
#[derive(Debug)]
struct No {
    code: u16,
    /// Whether it was asked who it is.
    greeted: bool,
}

/// A session of a user without a password.
fn log_in(port: u16, user: &str) -> Result<Result<TcpStream, No>, Error> {
    let mut stream = connect(port)?;
    if let Err(code) = packet(&mut stream)? {
        return Ok(Err(No {
            code,
            greeted: false,
        }));
    }
    // Protocol 4.1, plugins; packets as large as they like; UTF-8; no password.
    let mut answer = vec![0x01, 0x82, 0x08, 0, 0, 0, 0, 1, 33];
    answer.extend([0; 23]);
    answer.extend([user.as_bytes(), b"\0\0mysql_native_password\0"].concat());
    stream.write_all(&[&[answer.len() as u8, 0, 0, 1], &answer[..]].concat())?;
    if let Err(code) = packet(&mut stream)? {
        // Then it has nearly forgotten this one.
        last_words(stream)?;
        return Ok(Err(No {
            code,
            greeted: true,
        }));
    }
    Ok(Ok(stream))
}

/// Reads a packet: the error's code if it is one.
fn packet(stream: &mut TcpStream) -> Result<Result<(), u16>, Error> {
    let head = bytes(stream, 4)?;
    let length = head
        .iter()
        .take(3)
        .rev()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    match bytes(stream, length)?.as_slice() {
        [0xff, low, high, ..] => Ok(Err(u16::from_le_bytes([*low, *high]))),
        _ => Ok(Ok(())),
    }
}
