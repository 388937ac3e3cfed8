//! Recognises what MariaDB's plugins `server_audit` and `sql_errlog` say of connections that it refuses; its error log says nothing.
//!
//! The audit's line is not quoted: what follows the user is read from the end.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "mariadb";

pub(super) static SERVER: Server = server!(
    "mariadb",
    [
        "FAILED_CONNECT,,,1040",
        "FAILED_CONNECT,,,1203",
        "FAILED_CONNECT,,,1226",
        "0,0,DISCONNECT,,,1040",
        "many connections",
        "user_connections",
        "connections_per_hour",
    ],
    recognise,
    [MAX_CONNECTIONS, PER_USER, PER_HOUR],
    ["db-limit", "db-role"],
    prefilter: [MANY, PER_USER, "FAILED_CONNECT,,,1(?:040|203|226)", "0,DISCONNECT,,,1040"],
    refusal: "has exceeded the 'max_"
);

const ADVICE: &str = "See who holds the connections (SHOW PROCESSLIST), often a pool that is too large; raise the setting (SET GLOBAL, GRANT) if memory allows.";
/// One connection more than the limit may log in, and is refused then.
const MAX_CONNECTIONS: Limit = Limit::new("max_connections", Scope::Global).advice(ADVICE);
const BEFORE: Limit = MAX_CONNECTIONS.before_auth();
const PER_USER: Limit = Limit::new("max_user_connections", Scope::User)
    .after_auth()
    .advice(ADVICE);
const PER_HOUR: Limit = Limit::new("max_connections_per_hour", Scope::User)
    .after_auth()
    .advice(ADVICE);

/// The length in bytes at which version 10.5 cuts a user in the audit, its last byte being any.
const CUT_USER_BYTES: usize = 65;

/// The length in bytes from which on a user may be cut in a message.
const SAID_USER_BYTES: usize = 48;

/// `20261128 16:34:05,HOST,USER,IP,16,0,FAILED_CONNECT,,,1226`; to syslog it goes without a time.
const HEAD: &str = "%0 %0:%0:%0,%w,";
const SYSLOG_HEAD: &str = "%[%w %]%w,";
const SYSLOG_TAG: &str = "mysql-server_auditing";
const AUDIT: [Message; 4] = [
    (&BEFORE, ",,0,0,DISCONNECT,,,1040"),
    (&MAX_CONNECTIONS, "%U,%y,%w,0,FAILED_CONNECT,,,1040"),
    (&PER_USER, "%U,%y,%w,0,FAILED_CONNECT,,,1226"),
    (&PER_USER, "%U,%y,%w,0,FAILED_CONNECT,,,1203"),
];

/// `HOST [IP] ERROR 1226: User 'USER' has exceeded …`.
const ERROR_HEAD: &str = "%[%w%] [%[%i%]] ERROR ";
const ERRORS: [Message; 4] = [
    (&MAX_CONNECTIONS, "1040: Too many connections"),
    (
        &PER_USER,
        "1226: User '%U' has exceeded the 'max_user_connections' resource (current value: %n)",
    ),
    (
        &PER_USER,
        "1203: User %U already has more than 'max_user_connections' active connections",
    ),
    (
        &PER_HOUR,
        "1226: User '%U' has exceeded the 'max_connections_per_hour' resource (current value: %n)",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    let to_syslog =
        || read(NAME, SYSLOG_HEAD, &AUDIT, text).filter(|_| said.tag() == Some(SYSLOG_TAG));
    if let Some(mut event) = read(NAME, HEAD, &AUDIT, text).or_else(to_syslog) {
        event.user = event.user.filter(|user| user.len() != CUT_USER_BYTES);
        return Some(event);
    }
    errors(text)
}

/// `2026-11-28 16:34:05 USER[USER] @ HOST [IP] ERROR 1226: User 'USER' has exceeded …`. The user stands there twice or three times,
/// so that it can be told where it ends, whatever it is.
fn errors(text: &str) -> Option<Event<'_>> {
    let (stamp, rest) = text.split_at_checked(20)?;
    if !stamp.is_digits("-: ") || !stamp.ends_with(' ') {
        return None;
    }
    // The first that is followed by itself; what comes later may be a statement, which can hold anything.
    let mut open = 0;
    let (user, behind) = loop {
        open += rest.get(open..)?.cut("[")?.0.len();
        let (user, behind) = rest.split_at_checked(open)?;
        let behind = behind.after("[").and_then(|behind| behind.after(user));
        if let Some(behind) = behind.and_then(|behind| behind.after("] @ ")) {
            break (user, behind);
        }
        open += 1;
    };
    let behind = behind.before(" : (null)").unwrap_or(behind);
    let mut event = read(NAME, ERROR_HEAD, &ERRORS, behind)?;
    // In the message a long one is cut.
    let named = event.user.unwrap_or(user);
    if named != user && (named.len() < SAID_USER_BYTES || user.after(named).is_none()) {
        return None;
    }
    event.user = Some(user).filter(|user| !user.is_empty());
    Some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &BEFORE,
            "10.5–11.8",
            "«%Y%m%d %T»,srv1,,,0,0,DISCONNECT,,,1040",
        ),
        (
            &MAX_CONNECTIONS,
            "10.5–11.8",
            "«%Y%m%d %T»,srv1,«user»,«ip»,«pid»,0,FAILED_CONNECT,,,1040",
        ),
        (
            &MAX_CONNECTIONS,
            "10.5–11.8",
            "«%F %T» «user»[«user»] @  [«ip»] ERROR 1040: Too many connections : (null)",
        ),
        (
            &PER_USER,
            "10.5–11.8",
            "«%Y%m%d %T»,srv1,«user»,«ip»,«pid»,0,FAILED_CONNECT,,,1226",
        ),
        (
            &PER_USER,
            "10.5–11.8",
            "«%F %T» «user»[«user»] @  [«ip»] ERROR 1226: User '«user»' has exceeded the 'max_user_connections' resource (current value: 10) : (null)",
        ),
        (
            &PER_HOUR,
            "10.5–11.8",
            "«%F %T» «user»[«user»] @  [«ip»] ERROR 1226: User '«user»' has exceeded the 'max_connections_per_hour' resource (current value: 100) : (null)",
        ),
    ],
    others: &[
        "«%Y%m%d %T»,srv1,«text»,«ip»,«pid»,0,FAILED_CONNECT,,,1045",
        "«%F %T» root[root] @ localhost [] ERROR 1046: No database selected : «text»",
    ],
};
