//! Recognises what PostgreSQL says of connections that it refuses, in its text, CSV and JSON logs and through syslog.
//!
//! In the text log the prefix is an administrator's own, and a name in it stands raw, line feeds too. So the text of a message
//! counts directly behind the last severity alone, up to the end of the line, and what is before that is believed if it
//! holds no other severity, or ends with the very name that the message speaks of. Who it was is known from CSV and JSON.

use alloc::borrow::Cow;
use alloc::string::String;

use super::table::{Message, endpoint, read};
use super::words::Words;
use super::{Limit, Said, Server, number, server};
use crate::event::{Detail, Endpoint, Event, Scope};
use crate::ip::{parse_ip, parse_port};
use crate::record::members;

const NAME: &str = "postgresql";

pub(super) static SERVER: Server = server!(
    "postgresql",
    [
        "too many clients already",
        "connections for role",
        "connections for database",
        "connection slots are reserved",
        "requested standby connections",
        "connection limit exceeded",
    ],
    recognise,
    [CLIENTS, SUPERUSER, RESERVED, ROLE, DATABASE, SENDERS]
);

const ADVICE: &str = "See who holds the connections (SELECT usename, application_name, client_addr, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3, 4): most often pools that are larger together than the limit, or sessions that are idle in transaction. Put a pooler before it rather than raise max_connections.";
const CLIENTS: Limit = Limit::new("max_connections", Scope::Global)
    .before_auth()
    .advice(ADVICE);
const SUPERUSER: Limit = Limit::new("superuser_reserved_connections", Scope::Global)
    .after_auth()
    .advice(ADVICE);
const RESERVED: Limit = Limit::new("reserved_connections", Scope::Global)
    .after_auth()
    .advice(ADVICE);
const ROLE: Limit = Limit::new("role_connection_limit", Scope::User)
    .after_auth()
    .advice("The password was right: make the application's pool smaller, or raise the role's limit (ALTER ROLE … CONNECTION LIMIT …).");
const DATABASE: Limit = Limit::new("database_connection_limit", Scope::Database)
    .after_auth()
    .advice("The passwords were right: make the applications' pools smaller, or raise the database's limit (ALTER DATABASE … CONNECTION LIMIT …).");
const SENDERS: Limit = Limit::new("max_wal_senders", Scope::Global)
    .before_auth()
    .advice("See who replicates (pg_stat_replication); raise max_wal_senders above the number of standbys and backups at once.");

const FATAL: &str = "FATAL:  ";
/// What stands before the name in a message about a role or a database.
const NAMED: [Message; 2] = [
    (&ROLE, "too many connections for role \""),
    (&DATABASE, "too many connections for database \""),
];
/// Messages without a name.
const NAMELESS: [Message; 7] = [
    (&CLIENTS, "sorry, too many clients already"),
    (
        &SUPERUSER,
        "remaining connection slots are reserved for non-replication superuser connections",
    ),
    (
        &SUPERUSER,
        "remaining connection slots are reserved for roles with the SUPERUSER attribute",
    ),
    (&SUPERUSER, "connection limit exceeded for non-superusers"),
    (
        &RESERVED,
        "remaining connection slots are reserved for roles with privileges of the \"pg_use_reserved_connections\" role",
    ),
    (
        &RESERVED,
        "remaining connection slots are reserved for roles with privileges of the \"rds_reserved\" role",
    ),
    (
        &SENDERS,
        "number of requested standby connections exceeds %[\"%]max_wal_senders%[\"%] (currently %n)",
    ),
];
/// `too_many_connections`.
const CODE: &str = "53300";

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    if let Some(json) = said.json {
        let keys = [
            "error_severity",
            "state_code",
            "user",
            "dbname",
            "remote_host",
            "remote_port",
        ];
        let [severity, code, user, database, host, port] = members(json, keys);
        if severity.is_some() || code.is_some() {
            if severity? != "FATAL" || code? != CODE {
                return None;
            }
            let mut event = of_message(said.message)?;
            let port = port.and_then(|port| parse_port(&port));
            let ip = host.and_then(|host| parse_ip(&host));
            event.source = ip.map(|ip| Endpoint { ip, port });
            names(
                &mut event,
                said,
                user.unwrap_or_default(),
                database.unwrap_or_default(),
            );
            return Some(event);
        }
    }
    let outer = said.outer();
    match columns(outer.text) {
        Some(columns) => csv(said, columns),
        None => line(outer.text),
    }
}

/// The event that a message of PostgreSQL's own is, without the names in it.
fn of_message<'a>(text: &str) -> Option<Event<'a>> {
    for (limit, begin) in NAMED {
        if text.len() > begin.len() && text.starts_with(begin) && text.ends_with('"') {
            return Some(limit.rare(NAME));
        }
    }
    for row in NAMELESS {
        let value = read(NAME, &[row], text).map(|event| event.limit_value);
        if let Some(limit_value) = value {
            let event = row.0.rare(NAME);
            return Some(Event {
                limit_value,
                ..event
            });
        }
    }
    None
}

/// Sets user and database, which may have been escaped.
fn names<'a>(event: &mut Event<'a>, said: &Said<'a>, user: Cow<'a, str>, database: Cow<'a, str>) {
    let (user, database) = match (user, database) {
        (Cow::Borrowed(user), Cow::Borrowed(database)) => (user, database),
        (user, database) => {
            let Some(place) = said.unescaped else { return };
            let [user, database] = place.get_or_init(|| [user, database].map(Cow::into_owned));
            (user.as_str(), database.as_str())
        }
    };
    event.user = Some(user).filter(|user| !user.is_empty());
    event.details.add(Detail::Database, database);
}

/// A line of the text log, whose prefix begins with a time and a zone, or one from syslog, where it has a number.
fn line(text: &str) -> Option<Event<'_>> {
    let text = match chunk(text) {
        Some((1, rest)) => rest,
        // The rest of a message.
        Some(_) => return None,
        None => {
            let rest = behind_time(text)?;
            let len = rest.bytes().position(|byte| byte == b' ' || byte == b':')?;
            let (zone, rest) = rest.split_at_checked(len)?;
            let is_ours = (2..=6).contains(&zone.len())
                && zone.is_letters("+-")
                && rest.holds("[")
                && !is_poolers(rest);
            is_ours.then_some(())?;
            rest
        }
    };
    let (before, said) = text.cut_last(FATAL)?;
    if let Some(event) = read(NAME, &NAMELESS, said) {
        // A fatal message ends with such words only if it is this one: what others quote, they close.
        return (!has_severity(before, true)).then_some(event);
    }
    let body = text.before("\"")?;
    let mut found = None;
    let mut at = 0;
    while let Some((before, _)) = text.get(at..)?.cut(FATAL) {
        let before = text.get(..at + before.len())?;
        at = before.len() + FATAL.len();
        let said = body.get(at..)?;
        for (limit, begin) in NAMED {
            let Some(name) = said.after(begin) else {
                continue;
            };
            let is_role = limit.name == ROLE.name;
            let is_named = is_before(before, name, is_role);
            // Where a name could hold all of this, only what is said twice is believed.
            let is_alone =
                !has_severity(before, false) && !has_severity(name, true) && quotes_only(name);
            if is_named || is_alone || before.is_empty() {
                let mut event = limit.rare(NAME);
                match is_role {
                    true => event.user = Some(name).filter(|name| !name.is_empty()),
                    false => event.details.add(Detail::Database, name),
                }
                found = Some(event);
            }
        }
    }
    found
}

/// What follows `2026-11-28 16:54:21.558 `.
fn behind_time(text: &str) -> Option<&str> {
    let (date, rest) = text.cut(" ")?;
    let (time, rest) = rest.cut(" ")?;
    let is_ours = date.len() == 10
        && date.is_digits("-")
        && (8..=15).contains(&time.len())
        && time.is_digits(":.");
    is_ours.then_some(rest)
}

/// Whether it is a pooler's, whose lines begin alike and may end with a name: `[40] WARNING C-0x55caef5676e0: …`.
fn is_poolers(text: &str) -> bool {
    let said = text.cut("] ").and_then(|(_, text)| text.cut(" "));
    let said = said.map_or("", |(_, said)| said);
    said.starts_with("C-0x") || said.starts_with("S-0x") || said.starts_with("S:")
}

/// `[9-1] `: which part of which message, as PostgreSQL writes it to syslog.
fn chunk(text: &str) -> Option<(u64, &str)> {
    let (_, rest) = number(text.after("[")?)?;
    let (part, rest) = number(rest.after("-")?)?;
    Some((part, rest.after("] ")?))
}

/// Whether `before` ends with `USER@DATABASE `, of which `name` is one, behind a head without a severity.
fn is_before(before: &str, name: &str, is_role: bool) -> bool {
    let head = || {
        let before = before.before(" ")?;
        if !is_role {
            return before.before(name)?.before("@");
        }
        let (user, database) = before.cut_last("@")?;
        (!database.holds(" ") && !database.holds("\"")).then_some(())?;
        user.before(name)
    };
    head().is_some_and(|head| !has_severity(head, false))
}

/// Whether a severity is in it: `LOG:  `, `DEBUG1:  `, and `FATAL:  ` unless that is `left_out`.
fn has_severity(text: &str, left_out: bool) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let mut rest = text;
    while let Some((before, behind)) = rest.cut(":  ") {
        let word = before
            .bytes()
            .rev()
            .take_while(|byte| is_word(byte))
            .count();
        if word >= 3 && !(left_out && before.ends_with("FATAL")) {
            return true;
        }
        rest = behind;
    }
    false
}

/// Whether a name holds no fatal message but such as have no quote behind them, so that the line is none of these.
fn quotes_only(name: &str) -> bool {
    let mut rest = name;
    while let Some((_, said)) = rest.cut(FATAL) {
        if read(NAME, &NAMELESS, said).is_none() {
            return false;
        }
        rest = said;
    }
    true
}

/// How many columns there are up to the message.
const COLUMNS: usize = 14;
/// How many there are at all, in 9.0 and since 14.
const COLUMNS_ALL: core::ops::RangeInclusive<usize> = 23..=26;

/// The columns of a line of the CSV log, if it is one. Quotes in a name are doubled, so that what comes behind a line feed in
/// it cannot look like a line.
fn columns(text: &str) -> Option<[&str; COLUMNS]> {
    let mut columns = [""; COLUMNS];
    let (mut count, mut rest) = (0, text);
    loop {
        let (column, behind) = column(rest)?;
        if let Some(place) = columns.get_mut(count) {
            *place = column;
        }
        count += 1;
        if behind.is_empty() {
            break;
        }
        rest = behind.after(",")?;
    }
    let time = columns[0];
    let is_line = COLUMNS_ALL.contains(&count)
        && time.len() > 19
        && time.bytes().next()?.is_ascii_digit()
        && time.is_letters("-:.+ ");
    is_line.then_some(columns)
}

fn csv<'a>(said: &Said<'a>, columns: [&'a str; COLUMNS]) -> Option<Event<'a>> {
    let [
        _,
        user,
        database,
        _,
        client,
        _,
        _,
        _,
        _,
        _,
        _,
        severity,
        code,
        message,
    ] = columns;
    if severity != "FATAL" || code != CODE {
        return None;
    }
    let mut event = of_message(&unquoted(message)?)?;
    let client = client.after("\"")?.before("\"")?;
    let alone = || {
        let (ip, port) = (parse_ip(client)?, None);
        Some(Endpoint { ip, port })
    };
    event.source = endpoint(client).or_else(alone);
    let names_of = |column| unquoted(column).unwrap_or_default();
    names(&mut event, said, names_of(user), names_of(database));
    Some(event)
}

/// The column at the start of `text`, its quotes too, and what follows it.
fn column(text: &str) -> Option<(&str, &str)> {
    let Some(quoted) = text.after("\"") else {
        let len = text.cut(",").map_or(text.len(), |(column, _)| column.len());
        return text
            .split_at_checked(len)
            .filter(|(column, _)| !column.holds("\""));
    };
    let mut at = 0;
    loop {
        at += quoted.get(at..)?.cut("\"")?.0.len() + 1;
        if quoted.as_bytes().get(at) != Some(&b'"') {
            return text.split_at_checked(at + 1);
        }
        at += 1;
    }
}

/// What a column's quotes hold.
fn unquoted(column: &str) -> Option<Cow<'_, str>> {
    let inside = column.after("\"")?.before("\"")?;
    let Some((mut before, mut rest)) = inside.cut("\"\"") else {
        return Some(Cow::Borrowed(inside));
    };
    let mut name = String::new();
    loop {
        name.push_str(before);
        name.push('"');
        match rest.cut("\"\"") {
            Some(next) => (before, rest) = next,
            None => break,
        }
    }
    name.push_str(rest);
    Some(Cow::Owned(name))
}
