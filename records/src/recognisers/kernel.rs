//! Recognises what Linux says of connections that it drops: a listening socket whose queue is full, once for each time
//! that it is opened, and a full table of connections that are tracked.

use super::table::{Message, endpoint, read};
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Detail, Endpoint, Event, Scope};
use crate::ip::parse_port;
use crate::record::members;

const NAME: &str = "kernel";

pub(super) static SERVER: Server = server!(
    "kernel",
    [
        "Possible SYN flooding on port",
        "table full, dropping packet",
        "table full in netns "
    ],
    recognise,
    [BACKLOG, CONNTRACK]
);

const BACKLOG: Limit = Limit::new("listen backlog", Scope::Listener)
    .before_auth()
    .advice("The program accepts more slowly than clients come, or they never answer: see its queue (ss -ltn) and what it waits for; raise its backlog and net.core.somaxconn only if it keeps up.");
const CONNTRACK: Limit = Limit::new("net.netfilter.nf_conntrack_max", Scope::Global)
    .before_auth()
    .advice("See which connections are tracked (conntrack -L, conntrack -S); raise net.netfilter.nf_conntrack_max if memory allows, or do not track what needs no state (notrack).");

const ROWS: [Message; 4] = [
    (&CONNTRACK, "nf_conntrack: table full, dropping packet%[.%]"),
    (
        &CONNTRACK,
        "nf_conntrack: nf_conntrack: table full, dropping packet%[.%]",
    ),
    (
        &CONNTRACK,
        "nf_conntrack: table full in netns %w, dropping packet%[.%]",
    ),
    (
        &CONNTRACK,
        "nf_conntrack: nf_conntrack: table full in netns %w, dropping packet%[.%]",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let outer = said.outer();
    let identifier = said.json.and_then(|json| {
        let [identifier] = members(json, ["SYSLOG_IDENTIFIER"]);
        identifier
    });
    // Any program may log such words.
    if outer
        .tag
        .or(identifier.as_deref())
        .is_some_and(|tag| tag != NAME)
    {
        return None;
    }
    let text = without_clock(outer.text);
    if let event @ Some(_) = read(NAME, &ROWS, text) {
        return event;
    }
    let said = text.after("TCP: ")?;
    let said = said.after("request_sock_TCP: ").unwrap_or(said);
    let said = said.after("Possible SYN flooding on port ")?;
    let said = said.before("  Check SNMP counters.").unwrap_or(said);
    let port = said
        .before(". Sending cookies.")
        .or_else(|| said.before(". Dropping request."))?;
    let mut event = BACKLOG.rare(NAME);
    match endpoint(port) {
        Some(Endpoint { ip, port: at }) => {
            event.destination = Some(Endpoint { ip, port: at });
            let (_, at) = port.cut_last(":")?;
            event.details.add(Detail::Port, at);
        }
        None => {
            parse_port(port)?;
            event.details.add(Detail::Port, port);
        }
    }
    Some(event)
}

/// `[ 6759.369821] ` and `[Sat Nov 28 17:44:34 2026] `.
fn without_clock(text: &str) -> &str {
    let clock = text.after("[").and_then(|text| text.cut("] "));
    let clock = clock.filter(|(time, _)| time.len() <= 24 && time.is_letters(".: "));
    clock.map_or(text, |(_, text)| text)
}
