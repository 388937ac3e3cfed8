//! Recognises what xinetd says of connections that it refuses.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Class, Event, Scope};

const NAME: &str = "xinetd";

pub(super) static SERVER: Server = Server {
    program: "xinetd",
    ..server!(
            "xinetd",
            [
                " service_limit from",
                " per_source_limit from",
                " connections per second from",
                " process_limit from",
                "Deactivating service ",
            ],
            recognise,
            [INSTANCES, PER_SOURCE, CPS, PROCESSES, DEACTIVATED],
            [
                "client-limit",
                "many-clients",
                "server-full",
                "service-full"
            ],
        prefilter: ["_limit from=", "connections per second from", "Deactivating service "]
    )
};

const fn limit(name: &'static str, scope: Scope) -> Limit {
    Limit::new(name, scope)
        .before_auth()
        .advice("See who holds the connections (ss -tn); the setting is that of the service in /etc/xinetd.d.")
}

const INSTANCES: Limit = limit("instances", Scope::Service);
const PER_SOURCE: Limit = limit("per_source", Scope::Ip);
const CPS: Limit = limit("cps", Scope::Service);
const PROCESSES: Limit = limit("process_limit", Scope::Global);
const DEACTIVATED: Limit = CPS.about(Class::State);

/// `26/11/28@17:24:13: ` in its own file.
const HEAD: &str = "%[%d: %]";
const ROWS: [Message; 5] = [
    (&INSTANCES, "FAIL: %s service_limit from=%i"),
    (&PER_SOURCE, "FAIL: %s per_source_limit from=%i"),
    (&CPS, "FAIL: %s connections per second from=%i"),
    (&PROCESSES, "FAIL: %s process_limit from=%i"),
    (
        &DEACTIVATED,
        "Deactivating service %s due to excessive incoming connections.  Restarting in %w seconds.",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, HEAD, &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &INSTANCES,
            "2.3.15",
            "«syslog xinetd[]»FAIL: echo service_limit from=«ip»",
        ),
        (
            &PER_SOURCE,
            "2.3.15",
            "«syslog xinetd[]»FAIL: echo per_source_limit from=«ip»",
        ),
        (
            &CPS,
            "2.3.15",
            "«syslog xinetd[]»FAIL: echo connections per second from=«ip»",
        ),
        (
            &DEACTIVATED,
            "2.3.15",
            "«syslog xinetd[]»Deactivating service echo due to excessive incoming connections.  Restarting in 3 seconds.",
        ),
        (
            &PROCESSES,
            "2.3.15",
            "«syslog xinetd[]»FAIL: echo process_limit from=«ip»",
        ),
    ],
    others: &[
        "«syslog app[]»login failed: «text»",
        "«syslog xinetd[]»START: echo pid=«pid» from=«ip»",
    ],
};
