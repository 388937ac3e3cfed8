//! Recognises what Kafka says of addresses with too many connections.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "kafka";

pub(super) static SERVER: Server = server!(
    "kafka",
    ["address already has the configured maximum of"],
    recognise,
    [PER_IP],
    ["client-limit", "many-clients"]
);

const PER_IP: Limit = Limit::new("max.connections.per.ip", Scope::Ip)
    .before_auth()
    .advice("Producers made for each message hold a connection each: raise max.connections.per.ip, or name the address in its overrides.");

const ROWS: [Message; 1] = [(
    &PER_IP,
    "Rejected connection from /%i, address already has the configured maximum of %n connections.%[ (%w)%]",
)];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(
        NAME,
        "%[[%t] %]%[INFO %]%[WARN %]",
        &ROWS,
        said.outer().text,
    )
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[(
        &PER_IP,
        "0.9+",
        "[«%F %T,%3f»] INFO Rejected connection from /«ip», address already has the configured maximum of 100 connections. (kafka.network.Acceptor)",
    )],
    others: &[
        "[«%F %T,%3f»] INFO [SocketServer brokerId=1] Failed authentication with /«ip» («text») (org.apache.kafka.common.network.Selector)",
    ],
};
