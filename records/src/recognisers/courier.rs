//! Recognises what Courier's couriertcpd says of connections that it refuses.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "courier";

pub(super) static SERVER: Server = server!(
    "courier",
    ["connection limit reached", "maximum active connections"],
    recognise,
    [PER_IP, DAEMONS],
    ["client-limit", "many-clients", "said-once"],
    prefilter: [CONNECTION, "maximum active connections"]
);

const PER_IP: Limit = Limit::new("MAXPERIP", Scope::Ip)
    .before_auth()
    .advice("Mail clients open more than the four connections of the default: raise MAXPERIP in Courier's file of the service.");
const DAEMONS: Limit = Limit::new("MAXDAEMONS", Scope::Service)
    .before_auth()
    .advice("See who holds its connections (ss -tn); raise MAXDAEMONS in Courier's file of the service if memory allows.");

const ROWS: [Message; 2] = [
    (&PER_IP, "Maximum connection limit reached for %i"),
    (&DAEMONS, "%n maximum active connections."),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let mut event = read(NAME, "%[ALERT: %]", &ROWS, said.outer().text)?;
    event.service = said.tag();
    Some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &PER_IP,
            "1.0",
            "«syslog imapd»Maximum connection limit reached for ::ffff:«ip»",
        ),
        (
            &DAEMONS,
            "1.0",
            "«syslog imapd»40 maximum active connections.",
        ),
    ],
    others: &["«syslog imapd»LOGIN FAILED, user=«text», ip=[::ffff:«ip»]"],
};
