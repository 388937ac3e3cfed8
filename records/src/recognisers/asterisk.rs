//! Recognises what Asterisk says of HTTP sessions and calls that are too many.

use super::table::{Message, read};
use super::{Limit, Said, Server, behind_brackets, server};
use crate::event::{Event, Scope};

const NAME: &str = "asterisk";

pub(super) static SERVER: Server = server!(
    "asterisk",
    ["HTTP session count exceeded", "Maximum call limit of "],
    recognise,
    [SESSIONS, CALLS]
);

const SESSIONS: Limit = Limit::new("http sessionlimit", Scope::Global)
    .before_auth()
    .advice("Raise sessionlimit in http.conf, and see who holds the sessions (http show status, ss -tn).");
const CALLS: Limit = Limit::new("maxcalls", Scope::Global)
    .advice("See which calls go on (core show channels); raise maxcalls in asterisk.conf if the machine allows.");

const ROWS: [Message; 4] = [
    (
        &SESSIONS,
        "WARNING[%w] http.c: HTTP session count exceeded %n sessions.",
    ),
    (
        &SESSIONS,
        "WARNING[%w]: http.c:%w in %w: HTTP session count exceeded %n sessions.",
    ),
    (
        &CALLS,
        "WARNING[%w]%[[%w]%] pbx.c: Maximum call limit of %n calls exceeded by '%W'!",
    ),
    (
        &CALLS,
        "WARNING[%w]%[[%w]%]: pbx.c:%w in %w: Maximum call limit of %n calls exceeded by '%W'!",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, &ROWS, behind_brackets(said.outer().text))
}
