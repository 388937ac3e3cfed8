//! Recognises what HAProxy says of requests that waited for a server in vain, and of limits of its process.
//!
//! What a client has written comes behind the state, so that everything up to there is read from the left. HAProxy's own
//! `maxconn` is silent: connections wait in the kernel.

use super::table::{Message, endpoint, read};
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Detail, Event, Scope};

const NAME: &str = "haproxy";

pub(super) static SERVER: Server = Server {
    // A termination state, with counters behind it.
    mark: Some(*b"sQ"),
    #[cfg(not(target_family = "wasm"))]
    prefilter: &[" sQ", "reached (?:process|system|the configured)"],
    ..server!(
        "haproxy",
        [
            "reached process FD limit",
            "reached system FD limit",
            "reached system memory limit",
            "reached the configured maximum connection limit",
        ],
        recognise,
        [QUEUE, FILES, SYSTEM_FILES, MEMORY, MAXCONN]
    )
};

const QUEUE: Limit = Limit::new("timeout queue", Scope::Server)
    .before_auth()
    .advice("The servers behind are slower than what comes in: see them first (show servers conn, show stat), then raise `maxconn` of the server lines, or `timeout queue` if clients would rather wait.");
const PROCESS: &str = "Raise `ulimit-n` or the unit's LimitNOFILE, or lower the global `maxconn`; see what holds the connections (show info, show sess).";
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

const ROWS: [Message; 7] = [
    (
        &FILES,
        "Proxy %f reached process FD limit (maxsock=%n). Please check 'ulimit-n' and restart.",
    ),
    (
        &FILES,
        "Proxy %f reached process FD limit at %n. Please check 'ulimit-n' and restart.",
    ),
    (
        &SYSTEM_FILES,
        "Proxy %f reached system FD limit (maxsock=%n). Please check system tunables.",
    ),
    (
        &SYSTEM_FILES,
        "Proxy %f reached system FD limit at %n. Please check system tunables.",
    ),
    (
        &MEMORY,
        "Proxy %f reached system memory limit (maxsock=%n). Please check system tunables.",
    ),
    (
        &MEMORY,
        "Proxy %f reached system memory limit at %n sockets. Please check system tunables.",
    ),
    (
        &MAXCONN,
        "Proxy %f reached the configured maximum connection limit. Please check the global 'maxconn' value.",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    match text.after("Proxy ") {
        Some(_) => read(NAME, &ROWS, text),
        None => queue(text),
    }
}

/// `IP:PORT [date] FRONTEND BACKEND/SERVER TIMERS STATUS BYTES COOKIE COOKIE STATE COUNTS QUEUES …`; without status and
/// cookies, and with nothing behind, it is the format for TCP.
fn queue(text: &str) -> Option<Event<'_>> {
    let mut rest = Some(text);
    let mut word = || {
        let text = rest?;
        let cut = text.cut(" ");
        rest = cut.map(|(_, behind)| behind);
        Some(cut.map_or(text, |(word, _)| word))
    };
    let (client, date, frontend, server) = (word()?, word()?, word()?, word()?);
    let is_date = date.starts_with('[') && date.ends_with(']');
    let (backend, _) = server.cut_last("/").filter(|_| is_date)?;
    let mut event = QUEUE.rare(NAME);
    event.source = Some(endpoint(client)?);
    // TLS has a mark.
    event.details.add(Detail::Frontend, frontend.without("~"));
    event.details.add(Detail::Backend, backend);
    let timers = word()?;
    is_figures(timers)?;
    let is_http = timers.bytes().filter(|byte| *byte == b'/').count() == 4;
    if is_http {
        let status = word()?;
        if status.len() != 3 || !status.is_digits("") {
            return None;
        }
        event.details.add(Detail::Status, status);
    }
    is_figures(word()?)?;
    if is_http {
        // Two cookies.
        word()?;
        word()?;
    }
    let state = word()?;
    event.details.add(Detail::State, state);
    is_figures(word()?)?;
    is_figures(word()?)?;
    let is_queue = state.starts_with("sQ") && state.len() == if is_http { 4 } else { 2 };
    let is_whole = is_http || word().is_none();
    (is_queue && is_whole).then_some(event)
}

/// Figures with slashes between them; one that goes on has a plus.
fn is_figures(word: &str) -> Option<()> {
    (!word.is_empty() && word.is_digits("+-/")).then_some(())
}
