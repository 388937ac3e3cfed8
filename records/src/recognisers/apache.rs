//! Recognises what Apache's processing modules say when all workers are in use: once each time that the server is started.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "apache";

pub(super) static SERVER: Server = server!(
    "apache",
    [
        "server reached MaxRequestWorkers setting",
        "server reached MaxClients setting",
    ],
    recognise,
    [WORKERS, CLIENTS],
    ["server-full-once"],
    prefilter: [REACHED]
);

const ADVICE: &str = "See who holds the workers (apachectl fullstatus), slow back ends mostly; raise MaxRequestWorkers and ServerLimit if memory allows.";
const WORKERS: Limit = Limit::new("MaxRequestWorkers", Scope::Global)
    .before_auth()
    .advice(ADVICE);
const CLIENTS: Limit = Limit::new("MaxClients", Scope::Global)
    .before_auth()
    .advice(ADVICE);

/// `[Sat Nov 28 17:02:52.820884 2026] [mpm_event:error] [pid 13:tid 13] AH00484: server reached …`; the odd end of the process is a
/// bug of some versions. These modules know no client, so that in their lines there is nothing that a client could have chosen.
const HEAD: &str = "%[[%t] %]%[[mpm_%w] %]%[[pid %w] %]%[[pid %w %]%[%w] %]%[[client %]%[[error] %]%[%x: %]server reached ";
const ROWS: [Message; 2] = [
    (
        &WORKERS,
        "MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting%[, referer%]",
    ),
    (
        &CLIENTS,
        "MaxClients setting, consider raising the MaxClients setting",
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
            &WORKERS,
            "2.4",
            "[«%a %b %d %T.%6f %Y»] [mpm_event:error] [pid 13:tid 13] AH00484: server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting",
        ),
        (
            &WORKERS,
            "2.4",
            "[«%a %b %d %T.%6f %Y»] [mpm_prefork:error] [pid 13] AH00161: server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting",
        ),
        (
            &CLIENTS,
            "2.2",
            "[«%a %b %d %T %Y»] [error] server reached MaxClients setting, consider raising the MaxClients setting",
        ),
    ],
    others: &[
        "[«%a %b %d %T.%6f %Y»] [cgid:error] [pid 13:tid 13] [client «ip»:«port»] AH01264: script not found or unable to stat: /srv/«text»",
    ],
};
