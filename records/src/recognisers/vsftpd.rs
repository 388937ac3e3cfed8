//! Recognises what vsftpd says in its own file of connections that it refuses; to syslog it says nothing.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "vsftpd";

pub(super) static SERVER: Server = server!(
    "vsftpd",
    ["used: too many sessions"],
    recognise,
    [CLIENTS, PER_IP],
    ["client-limit", "many-clients", "server-full"],
    prefilter: [MANY]
);

const CLIENTS: Limit = Limit::new("max_clients", Scope::Global)
    .before_auth()
    .advice("See who is connected (ss -tn '( sport = :21 )'); raise max_clients in vsftpd.conf if memory allows.");
const PER_IP: Limit = Limit::new("max_per_ip", Scope::Ip)
    .before_auth()
    .advice("Clients open several connections at once: raise max_per_ip in vsftpd.conf if you want this one.");

/// `Sat Nov 28 17:26:56 2026 [pid 35] …`
const HEAD: &str =
    "%w %w %[ %]%d %d %d [pid %w] CONNECT: Client \"%i\", \"Connection refused: too many sessions";
const ROWS: [Message; 2] = [(&CLIENTS, ".\""), (&PER_IP, " for this address.\"")];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, HEAD, &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &CLIENTS,
            "3.0.3–3.0.5",
            "«%a %b %d %T %Y» [pid «pid»] CONNECT: Client \"«ip»\", \"Connection refused: too many sessions.\"",
        ),
        (
            &PER_IP,
            "3.0.3–3.0.5",
            "«%a %b %d %T %Y» [pid «pid»] CONNECT: Client \"«ip»\", \"Connection refused: too many sessions for this address.\"",
        ),
    ],
    others: &["«%a %b %d %T %Y» [pid «pid»] [«text»] FAIL LOGIN: Client \"«ip»\""],
};
