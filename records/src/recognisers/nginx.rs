//! Recognises what nginx says of clients that are over `limit_conn`, and of workers that have no connection left.
//!
//! Request, host and referrer come raw at the end of a line; what is read stands before them.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Class, Event, Scope};

const NAME: &str = "nginx";

pub(super) static SERVER: Server = server!(
    "nginx",
    [
        "connections by zone",
        "connections, dry run",
        "connections are not enough",
    ],
    recognise,
    [LIMIT_CONN, WORKERS],
    ["client-limit", "server-full"],
    prefilter: [CONNECTION]
);

const LIMIT_CONN: Limit = Limit::new("limit_conn", Scope::Zone)
    .before_auth()
    .advice("Browsers and proxies open several connections at once (see the access log): raise limit_conn of the zone, or exempt known addresses.");
const DRY_RUN: Limit = LIMIT_CONN.about(Class::Warning);
const WORKERS: Limit = Limit::new("worker_connections", Scope::Process)
    .before_auth()
    .advice("See what holds the connections (stub_status), slow back ends mostly; raise worker_connections and worker_rlimit_nofile in nginx.conf.");
const REUSED: Limit = WORKERS.about(Class::Warning);

/// `DATE [level] PID#TID: *CONNECTION `; a relay may have taken the tag for text.
const HEAD: &str = "%[nginx: %]%d %d [%w] %w#%w: %[*%w %]";
const ROWS: [Message; 5] = [
    (
        &LIMIT_CONN,
        "limiting connections by zone \"%z\", %[udp %]client: %[%i%]%[unix:%], server: %[%v%]%*",
    ),
    (
        &DRY_RUN,
        "limiting connections, dry run, by zone \"%z\", %[udp %]client: %[%i%]%[unix:%], server: %[%v%]%*",
    ),
    (&WORKERS, "%n worker_connections are not enough"),
    (
        &REUSED,
        "%n worker_connections are not enough, reusing connections",
    ),
    // What it was about to do is in its own words.
    (
        &WORKERS,
        "%n worker_connections are not enough while %l, %[udp %]client: %[%i%]%[unix:%], server: %[%v%]%*",
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
            &LIMIT_CONN,
            "1.18–1.26",
            "«%Y/%m/%d %T» [error] 15#15: *«n» limiting connections by zone \"perip\", client: «ip», server: example.org, request: \"GET /«text» HTTP/1.1\", host: \"example.org\"",
        ),
        (
            &DRY_RUN,
            "1.17.6+",
            "«%Y/%m/%d %T» [error] 15#15: *«n» limiting connections, dry run, by zone \"perip\", client: «ip», server: example.org, request: \"GET /«text» HTTP/1.1\", host: \"example.org\"",
        ),
        (
            &WORKERS,
            "1.18–1.26",
            "«%Y/%m/%d %T» [alert] 24#24: 512 worker_connections are not enough",
        ),
        (
            &WORKERS,
            "1.18–1.26",
            "«%Y/%m/%d %T» [alert] 24#24: *«n» 512 worker_connections are not enough while connecting to upstream, client: «ip», server: example.org, request: \"GET /«text» HTTP/1.1\", upstream: \"http://192.0.2.9:8081/\", host: \"example.org\"",
        ),
        (
            &REUSED,
            "1.19.2+",
            "«%Y/%m/%d %T» [warn] 24#24: 512 worker_connections are not enough, reusing connections",
        ),
    ],
    others: &[
        "«%Y/%m/%d %T» [error] 15#15: *«n» open() \"/srv/«text»\" failed (2: No such file or directory), client: «ip», server: example.org, request: \"GET /«text» HTTP/1.1\", host: \"example.org\"",
    ],
};
