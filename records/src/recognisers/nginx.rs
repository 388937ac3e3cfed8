//! Recognises what nginx says of clients that are over `limit_conn`, and of workers that have no connection left.
//!
//! Request, host and referrer come raw at the end of a line; what is read stands before them.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, number, server};
use crate::event::{Class, Detail, Endpoint, Event, Scope};
use crate::ip::parse_ip;

const NAME: &str = "nginx";

pub(super) static SERVER: Server = server!(
    "nginx",
    [
        "connections by zone",
        "connections, dry run",
        "connections are not enough",
    ],
    recognise,
    [LIMIT_CONN, WORKERS]
);

const LIMIT_CONN: Limit = Limit::new("limit_conn", Scope::Zone)
    .before_auth()
    .advice("See what the client does (the access log): browsers, download managers and proxies open several connections at once. Raise limit_conn of that zone, or leave known addresses out of its key.");
const DRY_RUN: Limit = LIMIT_CONN.about(Class::Warning);
const WORKERS: Limit = Limit::new("worker_connections", Scope::Process)
    .before_auth()
    .advice("Raise worker_connections in nginx.conf, and worker_rlimit_nofile with it; see what holds the connections (stub_status, ss -tn): slow back ends and idle keep-alives most often.");
const REUSED: Limit = WORKERS.about(Class::Warning);

const ALONE: [Message; 2] = [
    (&WORKERS, "%n worker_connections are not enough"),
    (
        &REUSED,
        "%n worker_connections are not enough, reusing connections",
    ),
];
const WITHIN: Message = (&WORKERS, "%n worker_connections are not enough while ");

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    // A relay may have taken the tag for text.
    let text = text.after("nginx: ").unwrap_or(text);
    let text = own(text)?;
    if let Some(rest) = text.after("limiting connections") {
        let (limit, rest) = match rest.after(", dry run,") {
            Some(rest) => (&DRY_RUN, rest),
            None => (&LIMIT_CONN, rest),
        };
        let (zone, rest) = rest.after(" by zone \"")?.cut("\"")?;
        let mut event = limit.rare(NAME);
        event.details.add(Detail::Zone, zone);
        return client(event, rest.after(", client: ")?);
    }
    if let event @ Some(_) = read(NAME, &ALONE, text) {
        return event;
    }
    let (value, rest) = number(text)?;
    let mut event = WITHIN.0.rare(NAME);
    event.limit_value = Some(value);
    let rest = rest.after(" worker_connections are not enough while ")?;
    // What it was about to do is in its own words.
    let (doing, rest) = rest.cut(", client: ")?;
    doing.is_letters(" /").then_some(())?;
    client(event, rest)
}

/// What follows `DATE [level] PID#TID: *CONNECTION `.
fn own(text: &str) -> Option<&str> {
    let (date, rest) = text.cut("[")?;
    if date.len() != 20 || !date.is_digits("/: ") {
        return None;
    }
    let (level, rest) = rest.cut("] ")?;
    if !level.is_letters("") {
        return None;
    }
    let (_, rest) = number(rest)?;
    let (_, rest) = number(rest.after("#")?)?;
    let rest = rest.after(": ")?;
    match rest.after("*") {
        Some(rest) => number(rest)?.1.after(" "),
        None => Some(rest),
    }
}

/// `IP, server: NAME, request: "…"`.
fn client<'a>(mut event: Event<'a>, text: &'a str) -> Option<Event<'a>> {
    let (ip, rest) = text.cut(", server: ")?;
    event.source = parse_ip(ip).map(|ip| Endpoint { ip, port: None });
    let name = rest.cut(", ").map_or(rest, |(name, _)| name);
    event.details.add(Detail::Vhost, name);
    Some(event)
}
