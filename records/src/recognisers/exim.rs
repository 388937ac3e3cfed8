//! Recognises what Exim's daemon says of connections that it refuses.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "exim";

pub(super) static SERVER: Server = Server {
    program: "exim",
    ..server!(
            "exim",
            ["used: too many connections", "in reserve list: connected"],
            recognise,
            [ACCEPT_MAX, PER_HOST, RESERVE],
            ["client-limit", "many-clients", "server-full"],
        prefilter: [MANY, "in reserve list: connected"]
    )
};

const ACCEPT_MAX: Limit = Limit::new("smtp_accept_max", Scope::Global)
    .before_auth()
    .advice("See who holds the connections (exiwhat); raise smtp_accept_max if memory allows.");
const PER_HOST: Limit = Limit::new("smtp_accept_max_per_host", Scope::Ip)
    .before_auth()
    .advice(
        "See what the client is (exiwhat); smtp_accept_max_per_host may depend on its address.",
    );
const RESERVE: Limit = Limit::new("smtp_accept_reserve", Scope::Global)
    .before_auth()
    .advice("The rest is for smtp_reserve_hosts: see who holds it (exiwhat); raise smtp_accept_max if memory allows.");

/// `2026-11-28 16:50:19.697 +0000 [14] `, what is said of all, and who it is.
const HEAD: &str = "%[%d %d %]%[%d %]%[[%w] %]%[C%]%[temporarily refused c%]onnection from %[%h %][%i]%[:%p%]%[ I=[%a]%]%[:%q%]";
const ROWS: [Message; 3] = [
    (&ACCEPT_MAX, " refused: too many connections"),
    (
        &PER_HOST,
        " refused: too many connections from that IP address",
    ),
    (
        &RESERVE,
        ": not in reserve list: connected=%c max=%n reserve=%w",
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
            &ACCEPT_MAX,
            "4.80+",
            "«%F %T» Connection from [«ip»]:«port» refused: too many connections",
        ),
        (
            &PER_HOST,
            "4.80+",
            "«%F %T» Connection from [«ip»]:«port» refused: too many connections from that IP address",
        ),
        (
            &RESERVE,
            "4.80+",
            "«%F %T» temporarily refused connection from [«ip»]:«port»: not in reserve list: connected=18 max=20 reserve=2",
        ),
    ],
    others: &[
        "«%F %T» H=(«text») [«ip»]:«port» F=<«text»> rejected RCPT <a@example.org>: relay not permitted",
    ],
};
