//! Recognises what systemd says of connections to its sockets that it drops.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "systemd";

pub(super) static SERVER: Server = Server {
    program: "systemd",
    ..server!(
            "systemd",
            ["Too many incoming connections"],
            recognise,
            [MAX_CONNECTIONS, PER_SOURCE],
            ["client-limit", "many-clients", "service-full"],
        prefilter: [MANY]
    )
};

const ADVICE: &str = "See its connections (systemctl list-units 'NAME@*'); raise the setting in the socket's unit if you want these clients.";
const MAX_CONNECTIONS: Limit = Limit::new("MaxConnections", Scope::Service)
    .before_auth()
    .advice(ADVICE);
const PER_SOURCE: Limit = Limit::new("MaxConnectionsPerSource", Scope::Ip)
    .before_auth()
    .advice(ADVICE);

const ROWS: [Message; 2] = [
    (
        &MAX_CONNECTIONS,
        "%s: Too many incoming connections (%c), dropping connection.",
    ),
    (
        &PER_SOURCE,
        "%s: Too many incoming connections (%c) from source %[%i%]%[UID %0%], dropping connection.",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, "", &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &MAX_CONNECTIONS,
            "",
            "«syslog systemd[]»echo.socket: Too many incoming connections (64), dropping connection.",
        ),
        (
            &PER_SOURCE,
            "",
            "«syslog systemd[]»echo.socket: Too many incoming connections (8) from source «ip», dropping connection.",
        ),
    ],
    others: &["«syslog app[]»login failed: «text»"],
};
