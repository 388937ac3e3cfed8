//! Recognises what Linux says of connections that it drops: a listening socket whose queue is full, once for each time
//! that it is opened, and a full table of connections that are tracked.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "kernel";

pub(super) static SERVER: Server = server!(
    "kernel",
    [
        "ossible SYN flooding on port",
        "table full, dropping packet",
        "table full in netns "
    ],
    recognise,
    [BACKLOG, CONNTRACK],
    ["server-full", "said-once"],
    prefilter: ["ossible SYN flooding", "table full(?:, dropping| in netns )"]
);

const BACKLOG: Limit = Limit::new("listen backlog", Scope::Listener)
    .before_auth()
    .advice("The program accepts too slowly, or clients never answer: see its queue (ss -ltn); raise its backlog and net.core.somaxconn.");
const CONNTRACK: Limit = Limit::new("net.netfilter.nf_conntrack_max", Scope::Global)
    .before_auth()
    .advice("See what is tracked (conntrack -L, -S); raise net.netfilter.nf_conntrack_max if memory allows, or track less (notrack).");

/// `[ 6759.369821] ` and `[Sat Nov 28 17:44:34 2026] `.
const HEAD: &str = "%[[%t] %]";
const ROWS: [Message; 3] = [
    (
        &CONNTRACK,
        "%[ip_conntrack: %]%[nf_conntrack: %]%[nf_conntrack: %]table full%[ in netns %w%], dropping packet%[.%]",
    ),
    (
        &BACKLOG,
        "TCP: %[request_sock_TCP: %]Possible SYN flooding on port %o. %[Sending cookies.%]%[Dropping request.%]%[  Check SNMP counters.%]",
    ),
    (
        &BACKLOG,
        "possible SYN flooding on port %o. Sending cookies.",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    let event = read(NAME, HEAD, &ROWS, text)?;
    // Any program may log such words: who says it must be known, or what it has instead in the kernel's own buffer.
    let is_ours = match said.tag() {
        Some(tag) => tag == NAME,
        None => text.starts_with('['),
    };
    is_ours.then_some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &BACKLOG,
            "6.18",
            "«syslog kernel»TCP: request_sock_TCP: Possible SYN flooding on port 192.0.2.1:443. Sending cookies.",
        ),
        (
            &BACKLOG,
            "",
            "«syslog kernel»TCP: Possible SYN flooding on port 443. Sending cookies.  Check SNMP counters.",
        ),
        (
            &CONNTRACK,
            "",
            "«syslog kernel»nf_conntrack: nf_conntrack: table full, dropping packet",
        ),
        (
            &CONNTRACK,
            "6.17+",
            "«syslog kernel»nf_conntrack: table full in netns 4026532000, dropping packet",
        ),
    ],
    others: &[
        "«syslog app[]»TCP: request_sock_TCP: Possible SYN flooding on port «ip»:443. Sending cookies.",
        "«syslog app[]»login failed: «text»",
    ],
};
