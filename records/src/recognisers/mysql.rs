//! Recognises what MySQL says of its X Protocol, and what applications say that have met its limits.
//!
//! In its error log MySQL says nothing of connections that it refuses. What people have is what their applications write, each in
//! the words of its library; that is the client's side, without an address.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, behind_brackets, server};
use crate::event::{Event, Scope, Stage};
use crate::record::members;

const NAME: &str = "mysql";

pub(super) static SERVER: Server = server!(
    "mysql",
    [
        "many connections",
        "user_connections",
        "connections_per_hour",
    ],
    recognise,
    [MAX_CONNECTIONS, PER_USER, PER_HOUR]
);

const ADVICE: &str = "See who holds the connections (SHOW PROCESSLIST, performance_schema.accounts): most often an application that opens one for each request, or leaves them open. Raise max_connections if memory allows.";
const MAX_CONNECTIONS: Limit = Limit::new("max_connections", Scope::Global)
    .before_auth()
    .advice(ADVICE);
const PER_USER: Limit = Limit::new("max_user_connections", Scope::User).advice(ADVICE);
const PER_HOUR: Limit = Limit::new("max_connections_per_hour", Scope::User).advice(ADVICE);

const fn of_client(limit: Limit) -> Limit {
    Limit {
        stage: Some(Stage::ClientSide),
        ..limit
    }
}
const CLIENT_MAX: Limit = of_client(MAX_CONNECTIONS);
const CLIENT_USER: Limit = of_client(PER_USER);
const CLIENT_HOUR: Limit = of_client(PER_HOUR);

const PLUGIN: Message = (
    &MAX_CONNECTIONS,
    "Plugin mysqlx reported: '%w: Error initializing session for connection: Too many connections'",
);
const OF_SERVER: Message = (
    &MAX_CONNECTIONS,
    "%w %w [%w] [MY-011306] [Server] Plugin mysqlx reported: '%w: Error initializing session for connection: Too many connections'",
);
/// The number of that message in its JSON log.
const CODE: &str = "11306";

/// What libraries say, whatever follows.
const OF_CLIENTS: [Message; 13] = [
    (&CLIENT_MAX, "SQLSTATE[%w] [1040] Too many connections%W"),
    (
        &CLIENT_MAX,
        "mysqli_connect(): (%w/1040): Too many connections%W",
    ),
    (
        &CLIENT_MAX,
        "mysqli::__construct(): (%w/1040): Too many connections%W",
    ),
    (
        &CLIENT_MAX,
        "mysqli::real_connect(): (%w/1040): Too many connections%W",
    ),
    (
        &CLIENT_MAX,
        "mysqli_real_connect(): (%w/1040): Too many connections%W",
    ),
    (&CLIENT_MAX, "Error 1040%[ (%w)%]: Too many connections%W"),
    (&CLIENT_MAX, "ERROR 1040 (%w): Too many connections%W"),
    (&CLIENT_MAX, "(1040, 'Too many connections')%W"),
    (&CLIENT_MAX, "(1040, \"Too many connections\")%W"),
    (
        &CLIENT_USER,
        "SQLSTATE[%w] [1203] User %u already has more than 'max_user_connections' active connections%W",
    ),
    (
        &CLIENT_USER,
        "SQLSTATE[%w] [1226] User '%u' has exceeded the 'max_user_connections' resource (current value: %n)%W",
    ),
    (
        &CLIENT_USER,
        "mysqli_real_connect(): (%w/1226): User '%u' has exceeded the 'max_user_connections' resource (current value: %n)%W",
    ),
    (
        &CLIENT_HOUR,
        "SQLSTATE[%w] [1226] User '%u' has exceeded the 'max_connections_per_hour' resource (current value: %n)%W",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    if let Some(json) = said.json
        && let event @ Some(_) = read(NAME, &[PLUGIN], said.message)
    {
        let [code] = members(json, ["err_code"]);
        return event.filter(|_| code.as_deref() == Some(CODE));
    }
    let text = said.outer().text;
    if let event @ Some(_) = read(NAME, &[OF_SERVER], text) {
        return event;
    }
    // A name that holds the words behind it could end before them or behind.
    let words = |words| {
        text.cut(words)
            .is_some_and(|(_, behind)| behind.holds(words))
    };
    if words("has exceeded the '") || words(" already has more than ") {
        return None;
    }
    // `[28-Nov-2026 17:46:00 UTC] `, as PHP has it.
    read(NAME, &OF_CLIENTS, without_exception(behind_brackets(text)))
}

/// What follows the words that a language puts before an exception's own. They hold no name that anybody could choose.
fn without_exception(text: &str) -> &str {
    let mut rest = text;
    for words in ["PHP ", "Fatal error:  ", "Warning:  ", "Uncaught "] {
        rest = rest.after(words).unwrap_or(rest);
    }
    // `production.ERROR: `
    if let Some((level, behind)) = rest.cut(".ERROR: ") {
        rest = if level.is_letters("") { behind } else { rest };
    }
    // `pymysql.err.OperationalError: `, `PDOException: `.
    while let Some((class, behind)) = rest.cut(" ") {
        let name = class.without(":)");
        let name = name.after("(").unwrap_or(name);
        let is_class = (name.ends_with("Error") || name.ends_with("Exception"))
            && (class.ends_with(':') || class.ends_with(')'));
        if !is_class || !name.is_letters("._\\") {
            break;
        }
        rest = behind;
    }
    rest
}
