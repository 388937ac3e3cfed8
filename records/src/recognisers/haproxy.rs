//! Recognises what HAProxy says of requests that waited for a server in vain, and of limits of its process.
//!
//! What a client has written comes behind the state, so that everything up to there is read from the left. HAProxy's own
//! `maxconn` is silent: connections wait in the kernel.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Detail, Event, Scope};

const NAME: &str = "haproxy";

pub(super) static SERVER: Server = Server {
    // A termination state, with counters behind it.
    mark: Some(*b"sQ"),
    #[cfg(not(target_family = "wasm"))]
    prefilter: &[" sQ", super::prefilters::REACHED],
    ..server!(
        "haproxy",
        [
            "reached process FD limit",
            "reached system FD limit",
            "reached system memory limit",
            "reached the configured maximum connection limit",
        ],
        recognise,
        [QUEUE, FILES, SYSTEM_FILES, MEMORY, MAXCONN],
        ["server-full", "queue-full"]
    )
};

const QUEUE: Limit = Limit::new("timeout queue", Scope::Server)
    .before_auth()
    .advice("The servers are slower than what comes in: see them (show servers conn, show stat), then raise `maxconn` of their lines.");
const PROCESS: &str = "See what holds the connections (show sess); raise `ulimit-n` or LimitNOFILE, or lower the global `maxconn`.";
const FILES: Limit = Limit::new("ulimit-n", Scope::Process)
    .before_auth()
    .advice(PROCESS);
const SYSTEM_FILES: Limit = Limit::new("fs.file-max", Scope::Process)
    .before_auth()
    .advice(PROCESS);
const MEMORY: Limit = Limit::new("system memory", Scope::Process)
    .before_auth()
    .advice(PROCESS);
const MAXCONN: Limit = Limit::new("maxconn", Scope::Process)
    .before_auth()
    .advice(PROCESS);

/// `IP:PORT [date] FRONTEND BACKEND/SERVER TIMERS STATUS BYTES COOKIE COOKIE STATE COUNTS QUEUES …`; without status and
/// cookies, and with nothing behind, it is the format for TCP. TLS marks the frontend.
const ROWS: [Message; 6] = [
    (
        &QUEUE,
        "%e [%t] %f%[~%] %b/%[<%]%w%[>%] %d %k %d %g %g %j %d %d %*",
    ),
    (&QUEUE, "%e [%t] %f%[~%] %b/%[<%]%w%[>%] %d %d %j %d %d"),
    (
        &FILES,
        "Proxy %f reached process FD limit%[ (maxsock=%n)%]%[ at %n%]. Please check 'ulimit-n' and restart.",
    ),
    (
        &SYSTEM_FILES,
        "Proxy %f reached system FD limit%[ (maxsock=%n)%]%[ at %n%]. Please check system tunables.",
    ),
    (
        &MEMORY,
        "Proxy %f reached system memory limit%[ (maxsock=%n)%]%[ at %n sockets%]. Please check system tunables.",
    ),
    (
        &MAXCONN,
        "Proxy %f reached the configured maximum connection limit. Please check the global 'maxconn' value.",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let event = read(NAME, "", &ROWS, said.outer().text)?;
    let state = event.details.get(Detail::State);
    // Others gave up in the queue, or were refused by a server.
    let is_ours = state.is_none_or(|state| state.starts_with("sQ"));
    is_ours.then_some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &QUEUE,
            "2.2–3.0",
            "«syslog haproxy[]»«ip»:«port» [«%d/%b/%Y:%T.%3f»] www app/<NOSRV> 0/804/-1/-1/804 503 217 - - sQ-- 11/11/10/0/0 0/1 \"GET /«text:h» HTTP/1.1\"",
        ),
        (
            &QUEUE,
            "2.2–3.0",
            "«syslog haproxy[]»«ip»:«port» [«%d/%b/%Y:%T.%3f»] www app/<NOSRV> 805/-1/804 0 sQ 3/2/1/0/0 0/1",
        ),
        (
            &FILES,
            "2.2–3.0",
            "«syslog haproxy[]»Proxy www reached process FD limit (maxsock=218). Please check 'ulimit-n' and restart.",
        ),
        (
            &SYSTEM_FILES,
            "1.9+",
            "«syslog haproxy[]»Proxy www reached system FD limit (maxsock=218). Please check system tunables.",
        ),
        (
            &MEMORY,
            "1.9+",
            "«syslog haproxy[]»Proxy www reached system memory limit (maxsock=218). Please check system tunables.",
        ),
        (
            &MAXCONN,
            "1.5+",
            "«syslog haproxy[]»Proxy www reached the configured maximum connection limit. Please check the global 'maxconn' value.",
        ),
    ],
    others: &[
        "«syslog haproxy[]»«ip»:«port» [«%d/%b/%Y:%T.%3f»] www app/app1 0/0/0/174/174 200 56 - - ---- 1/1/0/0/0 0/0 \"GET /«text:h» HTTP/1.1\"",
    ],
};
