//! Recognises what PgBouncer says of clients that it closes for want of room, and of servers behind it that are full.
//!
//! Names stand raw before the client's address, so the address is read from the end.

use super::table::{Message, endpoint, read};
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Detail, Event, Scope};

const NAME: &str = "pgbouncer";

pub(super) static SERVER: Server = server!(
    "pgbouncer",
    [
        "connections allowed",
        "connections exceeded",
        "too many clients already",
        "connection slots are reserved",
        "connections for role",
        "connections for database",
    ],
    recognise,
    [
        CLIENTS,
        PER_USER,
        PER_DATABASE,
        BEHIND_ALL,
        BEHIND_RESERVED,
        BEHIND_ROLE,
        BEHIND_DATABASE
    ]
);

const ADVICE: &str = "See which clients are connected (SHOW CLIENTS, SHOW POOLS on the console): an application that opens a connection for each request needs a pool of its own. Raise the setting of that name in pgbouncer.ini if the descriptors allow (ulimit -n).";
const BEHIND: &str = "The pools together ask for more than the server behind allows: lower default_pool_size and max_db_connections, or raise the server's limit.";

const CLIENTS: Limit = Limit::new("max_client_conn", Scope::Global)
    .before_auth()
    .advice(ADVICE);
const PER_USER: Limit = Limit::new("max_user_client_connections", Scope::User)
    .before_auth()
    .advice(ADVICE);
const PER_DATABASE: Limit = Limit::new("max_db_client_connections", Scope::Database)
    .before_auth()
    .advice(ADVICE);
const BEHIND_ALL: Limit = Limit::new("max_connections", Scope::Global).advice(BEHIND);
const BEHIND_RESERVED: Limit =
    Limit::new("superuser_reserved_connections", Scope::Global).advice(BEHIND);
const BEHIND_ROLE: Limit = Limit::new("role_connection_limit", Scope::User).advice(BEHIND);
const BEHIND_DATABASE: Limit =
    Limit::new("database_connection_limit", Scope::Database).advice(BEHIND);

const CLOSING: [(&Limit, &str); 3] = [
    (&CLIENTS, "no more connections allowed (max_client_conn)"),
    (
        &PER_USER,
        "client connections exceeded (max_user_client_connections)",
    ),
    (
        &PER_DATABASE,
        "client connections exceeded (max_db_client_connections)",
    ),
];

/// What the server behind it said. Names that hold anything are left out, for a name in a line of that server's own could look
/// like a line from here.
const BEHIND_IT: [Message; 6] = [
    (&BEHIND_ALL, "sorry, too many clients already"),
    (
        &BEHIND_RESERVED,
        "remaining connection slots are reserved for non-replication superuser connections",
    ),
    (
        &BEHIND_RESERVED,
        "remaining connection slots are reserved for roles with the SUPERUSER attribute",
    ),
    (
        &BEHIND_RESERVED,
        "remaining connection slots are reserved for roles with privileges of the \"%w\" role",
    ),
    (&BEHIND_ROLE, "too many connections for role \"%u\""),
    (&BEHIND_DATABASE, "too many connections for database \"%w\""),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    closing(text).or_else(|| {
        let own = text.cut("] ").filter(|(head, _)| is_head(head));
        let text = own.map_or(text, |(_, text)| text);
        let text = text.after("WARNING ").unwrap_or(text);
        let text = text.after("ERROR ").unwrap_or(text);
        let said = text
            .after("server login failed: FATAL ")
            .or_else(|| text.after("S: login failed: FATAL: "))?;
        read(NAME, &BEHIND_IT, said)
    })
}

/// `TIME [pid] LOG C-0x…: DB/USER@IP:PORT closing because: … (age=0s)`; to syslog without what is before `C-0x`.
fn closing(text: &str) -> Option<Event<'_>> {
    let text = match text.cut("] LOG C-0x") {
        Some((head, rest)) if is_head(head) => rest,
        _ => text.after("C-0x")?,
    };
    let (id, text) = text.cut(": ")?;
    if !id.is_letters("") {
        return None;
    }
    let text = text.before("s)")?;
    let text = text.without("0123456789");
    let text = text.before(" (age=")?;
    let (limit, text) = CLOSING
        .iter()
        .find_map(|(limit, said)| Some((limit, text.before(said)?)))?;
    let text = text.before(" closing because: ")?;
    let (names, client) = text.cut_last("@")?;
    // Another reason may end with a name, and that with such words.
    let mut rest = names;
    while let Some((_, said)) = rest.cut(" closing because: ") {
        CLOSING.iter().find(|(_, known)| begins(known, said))?;
        rest = said;
    }
    let mut event = limit.rare(NAME);
    event.source = endpoint(client);
    // `unix(4711):6432` has no address.
    if event.source.is_none() && (!client.starts_with("unix") || client.holds(" ")) {
        return None;
    }
    let (database, user) = names.cut("/")?;
    // Either may hold a slash, and then nobody knows which is whose.
    if !user.holds("/") || database == "(nodb)" {
        let is_known = |name: &&str| !name.is_empty() && !matches!(*name, "(nodb)" | "(nouser)");
        event.user = Some(user).filter(is_known);
        let database = Some(database).filter(is_known);
        event.details.add(Detail::Database, database.unwrap_or(""));
    }
    Some(event)
}

/// Whether a text begins as a known one does, or is a piece of its beginning.
fn begins(known: &str, text: &str) -> bool {
    known
        .cut(" (")
        .is_some_and(|(known, _)| text.after(known).is_some())
}

/// `2026-11-28 17:52:19.288 UTC [60`.
fn is_head(text: &str) -> bool {
    text.holds(" [") && text.is_letters("-:., [+")
}
