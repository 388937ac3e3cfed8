//! Recognises what PostgreSQL says of connections that it refuses, in its text, CSV and JSON logs and through syslog.
//!
//! In the text log the prefix is an administrator's own, and a name in it stands raw, line feeds too. So the text of a message
//! counts directly behind the last severity alone, up to the end of the line, and what is before that is believed if it
//! holds no other severity, or ends with the very name that the message speaks of. Who it was is known from CSV and JSON.

use alloc::borrow::Cow;
use alloc::string::String;

use super::table::{Message, behind, read};
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Detail, Details, Endpoint, Event, Scope};
use crate::ip::{parse_ip, parse_port};
use crate::json::string::decode;

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
        // In another language, in CSV and in JSON, each as it is and within JSON.
        ",0,FATAL,53300,\"",
        ",0,FATAL,53300,\\",
        "state_code\":\"53300",
        "state_code\\\":\\\"53300",
    ],
    recognise,
    [
        CLIENTS, SUPERUSER, RESERVED, ROLE, DATABASE, SENDERS, TRANSLATED
    ],
    ["db-limit", "db-role"],
    prefilter: [CONNECTION, MANY, "requested standby", ",FATAL,53300,", r"state_code\W+53300"],
    refusal: "connections for role"
);

const ADVICE: &str = "See who holds the connections (pg_stat_activity), often pools larger than the limit or idle transactions; pool them (PgBouncer) rather than raise it.";
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
    .advice("The password was right: make the application's pool smaller, or raise the limit (ALTER ROLE … CONNECTION LIMIT).");
const DATABASE: Limit = Limit::new("database_connection_limit", Scope::Database)
    .after_auth()
    .advice("The passwords were right: make the pools smaller, or raise the limit (ALTER DATABASE … CONNECTION LIMIT).");
const SENDERS: Limit = Limit::new("max_wal_senders", Scope::Global)
    .before_auth()
    .advice("See who replicates (pg_stat_replication); raise max_wal_senders above the number of standbys and backups.");

/// What its code says alone: the message is in another language.
const TRANSLATED: Limit = Limit::new("too_many_connections", Scope::Global).advice(ADVICE);

const FATAL: &str = "FATAL:  ";
/// `too_many_connections`.
const CODE: &str = "53300";
/// The messages, those without a name first. What stands in quotes has two of each in CSV.
const NAMELESS: usize = 5;
const ROWS: [Message; 7] = [
    (&CLIENTS, "sorry, too many clients already"),
    (
        &SUPERUSER,
        "remaining connection slots are reserved for %[non-replication superuser connections%]%[roles with the SUPERUSER attribute%]",
    ),
    (&SUPERUSER, "connection limit exceeded for non-superusers"),
    (
        &RESERVED,
        "remaining connection slots are reserved for roles with privileges of the \"%[\"%]%w\"%[\"%] role",
    ),
    (
        &SENDERS,
        "number of requested standby connections exceeds %[\"%]%[\"%]max_wal_senders%[\"%]%[\"%] (currently %n)",
    ),
    (&ROLE, "too many connections for role \"%U\""),
    (&DATABASE, "too many connections for database \"%D\""),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    if let Some(code) = said.member("state_code") {
        let severity = said.member("error_severity")?;
        let client = [said.member("remote_host"), said.member("remote_port")];
        let name = |path| decode(said.member(path).unwrap_or_default().as_bytes());
        let names = [name("user"), name("dbname")];
        return refused(said, [severity, code, said.message], client, names);
    }
    let text = said.outer().text;
    let Some(columns) = columns(text) else {
        return line(text);
    };
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
    let message = message.after("\"")?.before("\"")?;
    // Two would be one in a name.
    message.after("\"").is_none().then_some(())?;
    // `"192.0.2.7:5432"`, or `"[local]"`.
    let client = client.without("\"").cut_last(":");
    let client = [
        client.and_then(|(ip, _)| ip.after("\"")),
        client.map(|(_, port)| port),
    ];
    let names = [unquoted(user), unquoted(database)];
    refused(said, [severity, code, message], client, names)
}

/// The event that a message is, with its severity, its code, address and port of the client, user and database. The names
/// may have been escaped.
fn refused<'a>(
    said: &Said<'a>,
    [severity, code, message]: [&'a str; 3],
    [host, port]: [Option<&str>; 2],
    names: [Cow<'a, str>; 2],
) -> Option<Event<'a>> {
    if severity != "FATAL" || code != CODE {
        return None;
    }
    let known = read(NAME, "", &ROWS, message);
    let mut event = known.unwrap_or_else(|| TRANSLATED.rare(NAME));
    let port = port.and_then(parse_port);
    let ip = host.and_then(parse_ip);
    event.source = ip.map(|ip| Endpoint { ip, port });
    (event.user, event.details) = (None, Details::NONE);
    let [user, database] = match (names, said.unescaped) {
        ([Cow::Borrowed(user), Cow::Borrowed(database)], _) => [user, database],
        (names, Some(place)) => {
            let kept = place.names.get_or_init(|| names.map(Cow::into_owned));
            kept.each_ref().map(|name| &**name)
        }
        (_, None) => [""; 2],
    };
    event.user = Some(user).filter(|user| !user.is_empty());
    event.details.add(Detail::Database, database);
    Some(event)
}

/// In the text log a prefix begins with a time and a zone.
const TIME: &str = "%0-%0-%0 %0:%0:%w ";
const ZONE: &str = "%[+%]%w";
/// In syslog: the number of the message, and of a part of it.
const NUMBER: &str = "[%n-1] ";

/// A line of the text log, or one from syslog.
fn line(text: &str) -> Option<Event<'_>> {
    let text = match behind(NUMBER, text) {
        Some(rest) => rest,
        None => prefixed(text)?,
    };
    let mut found = None;
    let mut at = 0;
    while let Some((before, said)) = text.get(at..)?.cut(FATAL) {
        let before = text.get(..at + before.len())?;
        at = before.len() + FATAL.len();
        let Some(event) = read(NAME, "", &ROWS, said) else {
            continue;
        };
        let is_role = event.limit == ROLE.name;
        let is_ours = if is_role || event.limit == DATABASE.name {
            let name = event.user.or(event.details.get(Detail::Database));
            let name = name.unwrap_or_default();
            // Where a name could hold all of this, only what is said twice is believed.
            let is_alone =
                || !has_severity(before, false) && !has_severity(name, true) && quotes_only(name);
            before.is_empty() || is_before(before, name, is_role) || is_alone()
        } else {
            // A fatal message ends with such words only if it is this one: what others quote, they close.
            !has_severity(before, true)
        };
        // Its clients say so, too.
        if is_ours && before.before("failed: ").is_none() && before.before("Error: ").is_none() {
            found = Some(event);
        }
    }
    found
}

/// What follows `2026-11-28 16:54:21.558 UTC`, a process among it: with these a prefix begins.
fn prefixed(text: &str) -> Option<&str> {
    let zone = behind(TIME, text)?;
    let rest = behind(ZONE, zone)?;
    let is_ours = !zone.as_bytes().first()?.is_ascii_digit()
        && matches!(rest.as_bytes(), [b' ' | b':' | b'(', ..])
        && rest.holds("[");
    // A pooler's lines begin alike and may end with a name: ` [40] WARNING C-0x55caef5676e0: …`.
    let said = behind(" [%w] %w ", rest).unwrap_or_default();
    let is_poolers = matches!(said.as_bytes(), [b'C' | b'S', b'-' | b':', ..]);
    (is_ours && !is_poolers).then_some(rest)
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
    let is_end = |end: &[u8]| match end {
        [word @ .., b':', b' ', b' '] => {
            let is_word = |byte: &u8| matches!(byte, b'A'..=b'Z' | b'1'..=b'5');
            word.iter().all(is_word) && !(left_out && word == b"TAL")
        }
        _ => false,
    };
    text.as_bytes().windows(6).any(is_end)
}

/// Whether a name holds no fatal message but one that has no quote behind it, so that the line is not that.
fn quotes_only(name: &str) -> bool {
    let fatal = name.cut(FATAL);
    fatal.is_none_or(|(_, said)| read(NAME, "", ROWS.split_at(NAMELESS).0, said).is_some())
}

/// How many columns there are up to the message.
const COLUMNS: usize = 14;
/// How many there are at all, in 9.0 and since 14.
const COLUMNS_ALL: core::ops::RangeInclusive<usize> = 23..=26;

/// The columns of a line of the CSV log, if it is one. Quotes in a name are doubled, so that what comes behind a line feed in
/// it has no single one, and what is behind that an odd number: neither can look like a line with a message.
fn columns(text: &str) -> Option<[&str; COLUMNS]> {
    let mut columns = [""; COLUMNS];
    let (mut count, mut from, mut is_quoted) = (0, 0, false);
    for (at, byte) in text.bytes().chain([b',']).enumerate() {
        is_quoted ^= byte == b'"';
        if byte == b',' && !is_quoted {
            if let Some(column) = columns.get_mut(count) {
                *column = text.get(from..at)?;
            }
            count += 1;
            from = at + 1;
        }
    }
    let is_line = !is_quoted
        && COLUMNS_ALL.contains(&count)
        && behind(TIME, columns[0]).and_then(|zone| behind(ZONE, zone)) == Some("");
    is_line.then_some(columns)
}

/// What a column's quotes hold, of which there are two for each in a name.
fn unquoted(column: &str) -> Cow<'_, str> {
    let inside = column.after("\"").and_then(|column| column.before("\""));
    let mut rest = inside.unwrap_or_default();
    let mut name = String::new();
    while let Some((before, behind)) = rest.cut("\"\"") {
        name.push_str(before);
        name.push('"');
        rest = behind;
    }
    if name.is_empty() {
        return Cow::Borrowed(rest);
    }
    name.push_str(rest);
    Cow::Owned(name)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &CLIENTS,
            "13–17",
            "«%F %T.%3f» UTC [«pid»] «user»@«database» FATAL:  sorry, too many clients already",
        ),
        (
            &SUPERUSER,
            "9.0–15",
            "«%F %T.%3f» UTC [«pid»] «user»@«database» FATAL:  remaining connection slots are reserved for non-replication superuser connections",
        ),
        (
            &SUPERUSER,
            "16+",
            "«%F %T.%3f» UTC [«pid»] «user»@«database» FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
        ),
        (
            &RESERVED,
            "16+",
            "«%F %T.%3f» UTC [«pid»] «user»@«database» FATAL:  remaining connection slots are reserved for roles with privileges of the \"pg_use_reserved_connections\" role",
        ),
        (
            &ROLE,
            "13–17",
            "«%F %T.%3f» UTC [«pid»] «user»@«database» FATAL:  too many connections for role \"«user»\"",
        ),
        (
            &DATABASE,
            "13–17",
            "«%F %T.%3f» UTC [«pid»] «user»@«database» FATAL:  too many connections for database \"«database»\"",
        ),
        (
            &SENDERS,
            "13–16",
            "«%F %T.%3f» UTC [«pid»] «user»@«database» FATAL:  number of requested standby connections exceeds max_wal_senders (currently 10)",
        ),
        (
            &SENDERS,
            "17+",
            "«%F %T.%3f» UTC [«pid»] «user»@«database» FATAL:  number of requested standby connections exceeds \"max_wal_senders\" (currently 10)",
        ),
        (
            &TRANSLATED,
            "9.0+",
            "«%F %T.%3f» UTC,\"web\",\"shop\",«pid»,\"«ip»:«port»\",6b0b0753.7e,2,\"initializing\",«%F %T» UTC,,0,FATAL,53300,\"tut mir leid, schon zu viele Verbindungen\",,,,,,,,,\"\",\"client backend\",,0",
        ),
    ],
    others: &[
        "«%F %T.%3f» UTC [«pid»] web@shop ERROR:  column \"«text»\" does not exist at character 8",
        "«%F %T.%3f» UTC [«pid»] web@shop STATEMENT:  SELECT '«text:t»'",
    ],
};
