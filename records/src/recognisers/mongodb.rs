//! Recognises what MongoDB says of connections that it refuses.

use super::table::{Message, endpoint, read};
use super::{Limit, Said, Server, number, server};
use crate::event::{Event, Scope};

const NAME: &str = "mongodb";

pub(super) static SERVER: Server = server!(
    "mongodb",
    ["too many open connections"],
    recognise,
    [MAX_CONNECTIONS],
    ["server-full"],
    prefilter: [MANY]
);

const MAX_CONNECTIONS: Limit = Limit::new("net.maxIncomingConnections", Scope::Global)
    .before_auth()
    .advice("See who holds the connections (db.currentOp(true)), often pools made many times; raise net.maxIncomingConnections if memory allows.");

const REFUSED: &str = "Connection refused because there are too many open connections";
/// The message's own number.
const ID: &str = "22942";

/// Before 4.4: `2017-01-01T00:00:00.000+0000 I NETWORK  [listener] `, and once `Sat Nov 28 17:00:00.123 [initandlisten] `.
const HEAD: &str = "%[%g %w NETWORK  %]%[%w %w % %0 %d %]%[[%w] %]";
const ROWS: [Message; 1] = [(
    &MAX_CONNECTIONS,
    "connection refused because too many open connections: %c",
)];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    if said.message != REFUSED {
        return read(NAME, HEAD, &ROWS, said.outer().text);
    }
    if said.member("id")? != ID {
        return None;
    }
    let mut event = MAX_CONNECTIONS.rare(NAME);
    let current = said.member("attr.connectionCount");
    event.limit_current = current.and_then(|current| Some(number(current)?.0));
    let remote = said.member("attr.remote");
    event.source = remote.and_then(endpoint);
    Some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &MAX_CONNECTIONS,
            "–4.2",
            "«%FT%T.%3f+0000» I NETWORK  [listener] connection refused because too many open connections: 819",
        ),
        (
            &MAX_CONNECTIONS,
            "4.4+",
            "{\"t\":{\"$date\":\"«%FT%T.%3f+00:00»\"},\"s\":\"I\",\"c\":\"NETWORK\",\"id\":22942,\"ctx\":\"listener\",\"msg\":\"Connection refused because there are too many open connections\",\"attr\":{\"connectionCount\":819}}",
        ),
    ],
    others: &[
        "{\"t\":{\"$date\":\"«%FT%T.%3f+00:00»\"},\"s\":\"I\",\"c\":\"ACCESS\",\"id\":20249,\"ctx\":\"conn7\",\"msg\":\"Authentication failed\",\"attr\":{\"mechanism\":\"SCRAM-SHA-256\",\"principalName\":\"«text:j»\",\"authenticationDatabase\":\"admin\",\"remote\":\"«ip»:«port»\"}}",
    ],
};
