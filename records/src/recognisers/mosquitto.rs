//! Recognises what Mosquitto says of clients that a listener has no more room for.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "mosquitto";

pub(super) static SERVER: Server = server!(
    "mosquitto",
    ["connections exceeded"],
    recognise,
    [MAX_CONNECTIONS],
    ["client-limit"],
    prefilter: [CONNECTION]
);

const MAX_CONNECTIONS: Limit = Limit::new("max_connections", Scope::Listener)
    .before_auth()
    .advice("See who holds the connections (ss -tn); raise the listener's max_connections in mosquitto.conf, and ulimit -n with it.");

/// The time is its own, as seconds or in a format of somebody's choice.
const ROWS: [Message; 1] = [(
    &MAX_CONNECTIONS,
    "Client connection from %i denied: max_connections exceeded.",
)];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, "%[%w: %]", &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[(
        &MAX_CONNECTIONS,
        "1.4+",
        "«%s»: Client connection from «ip» denied: max_connections exceeded.",
    )],
    others: &["«%s»: New client connected from «ip»:«port» as «text» (p2, c1, k60, u'«text»')."],
};
