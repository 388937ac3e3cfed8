//! Recognises what MariaDB's plugins `server_audit` and `sql_errlog` say of connections that it refuses; its error log says nothing.
//!
//! The audit's line is not quoted: what follows the user is read from the end.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, number, server};
use crate::event::{Endpoint, Event, Scope};
use crate::ip::parse_ip;

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
    [MAX_CONNECTIONS, PER_USER, PER_HOUR]
);

const ADVICE: &str = "See who holds the connections (SHOW PROCESSLIST): most often an application that opens one for each request, or leaves them open. Raise the setting if memory allows (SET GLOBAL, GRANT … WITH MAX_USER_CONNECTIONS).";
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

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let outer = said.outer();
    audit(outer.text).or_else(|| errors(outer.text))
}

/// `20261128 16:34:05,HOST,USER,IP,16,0,FAILED_CONNECT,,,1226`.
fn audit(text: &str) -> Option<Event<'_>> {
    let (stamp, rest) = text.cut(",")?;
    // To syslog it goes without a time.
    let rest = if stamp.len() == 17 && stamp.is_digits(": ") {
        rest.cut(",")?.1
    } else {
        return None;
    };
    if let Some(before) = rest.before(",0,0,DISCONNECT,,,1040") {
        return (before == ",").then(|| BEFORE.rare(NAME));
    }
    let (rest, code) = rest.cut_last(",0,FAILED_CONNECT,,,")?;
    let limit = match code {
        "1040" => &MAX_CONNECTIONS,
        "1203" | "1226" => &PER_USER,
        _ => return None,
    };
    let (rest, id) = rest.cut_last(",")?;
    if !number(id)?.1.is_empty() {
        return None;
    }
    let (user, ip) = rest.cut_last(",")?;
    let mut event = limit.rare(NAME);
    event.source = parse_ip(ip).map(|ip| Endpoint { ip, port: None });
    event.user = Some(user).filter(|user| !user.is_empty() && user.len() != CUT_USER_BYTES);
    Some(event)
}

const RESOURCES: [Message; 3] = [
    (&MAX_CONNECTIONS, "1040: Too many connections%[ : (null)%]"),
    (
        &PER_USER,
        "1226: User '%U' has exceeded the 'max_user_connections' resource (current value: %n)",
    ),
    (
        &PER_HOUR,
        "1226: User '%U' has exceeded the 'max_connections_per_hour' resource (current value: %n)",
    ),
];

/// `2026-11-28 16:34:05 USER[USER] @ HOST [IP] ERROR 1226: User 'USER' has exceeded …`. The user stands there twice or three times,
/// so that it can be told where it ends, whatever it is.
fn errors(text: &str) -> Option<Event<'_>> {
    let at = text.get(..20)?;
    if !at.is_digits("-: ") || !at.ends_with(' ') {
        return None;
    }
    let rest = text.get(20..)?;
    // The first that is followed by itself; what comes later may be a statement, which can hold anything.
    let mut from = 0;
    loop {
        let open = from + rest.get(from..)?.cut("[")?.0.len();
        let user = rest.get(..open)?;
        if let Some(behind) = rest.get(open + 1..)?.after(user)
            && let Some(behind) = behind.after("] @ ")
        {
            return refusal(user, behind);
        }
        from = open + 1;
    }
}

/// `HOST [IP] ERROR 1040: …`.
fn refusal<'a>(user: &'a str, text: &'a str) -> Option<Event<'a>> {
    let (host, rest) = text.cut("[")?;
    let (ip, said) = rest.cut("] ERROR ")?;
    if !host.is_letters(".-_ ") {
        return None;
    }
    let said = said.before(" : (null)").unwrap_or(said);
    let mut event = read(NAME, &RESOURCES, said)?;
    // In the message a long one is cut.
    let is_it =
        |named: &str| named == user || (named.len() >= SAID_USER_BYTES && user.starts_with(named));
    if !event.user.is_none_or(is_it) {
        return None;
    }
    event.source = parse_ip(ip).map(|ip| Endpoint { ip, port: None });
    event.user = Some(user).filter(|user| !user.is_empty());
    Some(event)
}
