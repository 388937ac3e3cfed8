//! Recognises what PgBouncer says of clients that it closes for want of room, and of servers behind it that are full.
//!
//! Names stand raw before the client's address, so the address is read from the end.

use super::table::{Message, read};
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
    ],
    ["db-limit", "db-role"],
    prefilter: [CONNECTION, MANY],
    refusal: "max_user_client_connections"
);

const ADVICE: &str = "See who is connected (SHOW CLIENTS on the console), often an application without a pool; raise the setting in pgbouncer.ini, and ulimit -n.";
const BEHIND: &str = "The pools want more than the server allows: lower default_pool_size or max_db_connections, or raise the server's limit.";

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

/// `TIME [pid] LOG C-0x…: DB/USER@IP:PORT closing because: … (age=0s)`; to syslog without what is before `C-0x`.
const HEAD: &str = "%[%d %d %[+%]%w [%w] LOG %]C-0x%w: ";
const CLOSING: [Message; 3] = [
    (
        &CLIENTS,
        "%U@%e closing because: no more connections allowed (max_client_conn) (age=%w)",
    ),
    (
        &PER_USER,
        "%U@%e closing because: client connections exceeded (max_user_client_connections) (age=%w)",
    ),
    (
        &PER_DATABASE,
        "%U@%e closing because: client connections exceeded (max_db_client_connections) (age=%w)",
    ),
];

/// What the server behind it said. Names that hold anything are left out, for a name in a line of that server's own could look
/// like a line from here.
const BEHIND_IT: [Message; 5] = [
    (&BEHIND_ALL, "sorry, too many clients already"),
    (
        &BEHIND_RESERVED,
        "remaining connection slots are reserved for %[non-replication superuser connections%]%[roles with the SUPERUSER attribute%]",
    ),
    (
        &BEHIND_RESERVED,
        "remaining connection slots are reserved for roles with privileges of the \"%[\"%]%w\"%[\"%] role",
    ),
    (&BEHIND_ROLE, "too many connections for role \"%u\""),
    (&BEHIND_DATABASE, "too many connections for database \"%w\""),
];

/// 1.18 says `S: login failed: FATAL: `.
const BEHIND_HEAD: &str =
    "%[%d %d %[+%]%w [%w] %]%[WARNING %]%[ERROR %]%[server %]%[S: %]login failed: FATAL%[:%] ";

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    let Some(mut event) = read(NAME, HEAD, &CLOSING, text) else {
        return read(NAME, BEHIND_HEAD, &BEHIND_IT, text);
    };
    let names = event.user.take().unwrap_or_default();
    // Another reason may end with a name, and that with such words.
    let mut rest = names;
    while let Some((_, said)) = rest.cut(" closing because: ") {
        let is_known = said.after("no more connections allowed").is_some()
            || said.after("client connections exceeded").is_some();
        is_known.then_some(())?;
        rest = said;
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

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &CLIENTS,
            "1.18–1.24",
            "«%F %T.%3f» UTC [«pid»] LOG C-0x55caef5676e0: (nodb)/(nouser)@«ip»:«port» closing because: no more connections allowed (max_client_conn) (age=0s)",
        ),
        (
            &PER_USER,
            "1.24",
            "«%F %T.%3f» UTC [«pid»] LOG C-0x55caef5676e0: (nodb)/«user»@«ip»:«port» closing because: client connections exceeded (max_user_client_connections) (age=0s)",
        ),
        (
            &PER_DATABASE,
            "1.24",
            "«%F %T.%3f» UTC [«pid»] LOG C-0x55caef5676e0: (nodb)/«user»@«ip»:«port» closing because: client connections exceeded (max_db_client_connections) (age=0s)",
        ),
        (
            &BEHIND_ALL,
            "1.24",
            "«%F %T.%3f» UTC [«pid»] WARNING server login failed: FATAL sorry, too many clients already",
        ),
        (
            &BEHIND_RESERVED,
            "1.18",
            "«%F %T.%3f» UTC [«pid»] ERROR S: login failed: FATAL: remaining connection slots are reserved for non-replication superuser connections",
        ),
        (
            &BEHIND_ROLE,
            "1.24",
            "«%F %T.%3f» UTC [«pid»] WARNING server login failed: FATAL too many connections for role \"web\"",
        ),
        (
            &BEHIND_DATABASE,
            "1.24",
            "«%F %T.%3f» UTC [«pid»] WARNING server login failed: FATAL too many connections for database \"shop\"",
        ),
    ],
    others: &[
        "«%F %T.%3f» UTC [«pid»] LOG C-0x55caef5676e0: shop/«text»@«ip»:«port» login attempt: db=shop user=«text» tls=no",
    ],
};
