//! Recognises what MySQL says of its X Protocol, and what applications say that have met its limits.
//!
//! In its error log MySQL says nothing of connections that it refuses. What people have is what their applications write, each in
//! the words of its library; that is the client's side, without an address.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Detail, Event, Scope, Stage};

const NAME: &str = "mysql";

pub(super) static SERVER: Server = server!(
    "mysql",
    [
        "many connections",
        "user_connections",
        "connections_per_hour",
    ],
    recognise,
    [MAX_CONNECTIONS, PER_USER, PER_HOUR],
    ["db-limit", "db-role"],
    prefilter: [MANY, PER_USER],
    refusal: "has exceeded the 'max_"
);

const ADVICE: &str = "See who holds the connections (SHOW PROCESSLIST), often a pool that is too large; raise the setting (SET GLOBAL, GRANT) if memory allows.";
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

/// In its error log, and in its JSON log without the head.
const HEAD_OF_SERVER: &str = "%[%w %w [%w] [MY-011306] [Server] %]Plugin mysqlx reported: '%w: Error initializing session for connection: ";
const OF_SERVER: [Message; 1] = [(&MAX_CONNECTIONS, "Too many connections'")];
/// The number of that message in its JSON log.
const CODE: &str = "11306";

/// `[28-Nov-2026 17:46:00 UTC] PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [1040] `, `2026/11/28 17:00:00 Error 1040: `,
/// `pymysql.err.OperationalError: (1040, '`: a time, what a language puts before an exception's own words, and the code in
/// the form of a library. It holds no name that anybody could choose.
const HEAD: &str = "%[[%t] %]%[%w/%w/%w %d %]%[PHP %]%[Fatal error:  %]%[Warning:  %]%[Uncaught %]%[%E: %]%[(%E) %]%[SQLSTATE[%w] %]%[[%x] %]%[mysqli%w(): (%w/%x): %]%[Error %x%]%[ERROR %x%]%[ (%w)%]%[: %]%[(%x, %]%['%]%[\"%]";
/// What libraries say, whatever follows.
const OF_CLIENTS: [Message; 4] = [
    (&CLIENT_MAX, "Too many connections%*"),
    (
        &CLIENT_USER,
        "User %u already has more than 'max_user_connections' active connections%*",
    ),
    (
        &CLIENT_USER,
        "User '%u' has exceeded the 'max_user_connections' resource (current value: %n)%*",
    ),
    (
        &CLIENT_HOUR,
        "User '%u' has exceeded the 'max_connections_per_hour' resource (current value: %n)%*",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    if let event @ Some(_) = read(NAME, HEAD_OF_SERVER, &OF_SERVER, text) {
        // As a member of a record it must be that of its log.
        let code = said.member("err_code");
        return event.filter(|_| !text.starts_with("Plugin") || code == Some(CODE));
    }
    // A name that holds the words behind it could end before them or behind.
    let is_twice = |words| {
        text.cut(words)
            .is_some_and(|(_, behind)| behind.holds(words))
    };
    if is_twice("has exceeded the '") || is_twice(" already has more than ") {
        return None;
    }
    let event = read(NAME, HEAD, &OF_CLIENTS, text)?;
    let code = event.details.get(Detail::Code);
    matches!(code, Some("1040" | "1203" | "1226")).then_some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &MAX_CONNECTIONS,
            "9.7",
            "«%FT%T.%6f»Z 0 [Warning] [MY-011306] [Server] Plugin mysqlx reported: '2: Error initializing session for connection: Too many connections'",
        ),
        (
            &CLIENT_MAX,
            "",
            "[«%d-%b-%Y %T» UTC] PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [1040] Too many connections in /srv/a.php:7",
        ),
        (
            &CLIENT_USER,
            "",
            "[«%d-%b-%Y %T» UTC] PHP Fatal error:  Uncaught PDOException: SQLSTATE[42000] [1226] User 'web' has exceeded the 'max_user_connections' resource (current value: 10) in /srv/a.php:7",
        ),
        (
            &CLIENT_HOUR,
            "",
            "[«%d-%b-%Y %T» UTC] PHP Fatal error:  Uncaught PDOException: SQLSTATE[42000] [1226] User 'web' has exceeded the 'max_connections_per_hour' resource (current value: 100) in /srv/a.php:7",
        ),
    ],
    others: &[
        "«%FT%T.%6f»Z 8 [Note] [MY-010926] [Server] Access denied for user '«text»'@'localhost' (using password: NO)",
    ],
};
