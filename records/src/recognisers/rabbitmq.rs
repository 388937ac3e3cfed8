//! Recognises what RabbitMQ says of connections that users, virtual hosts and nodes have no more room for.
//!
//! In its text log such a line stands alone; in JSON the line before it, which names the client, is in the same message.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "rabbitmq";

pub(super) static SERVER: Server = server!(
    "rabbitmq",
    ["connection limit ("],
    recognise,
    [PER_USER, PER_VHOST, PER_NODE],
    ["db-role", "server-full"],
    prefilter: [CONNECTION],
    refusal: "connection limit ("
);

const ADVICE: &str = "The password was right: see who holds the connections (rabbitmqctl list_connections); use channels of one, or raise it (set_user_limits, set_vhost_limits, connection_max).";
const PER_USER: Limit = Limit::new("user max-connections", Scope::User)
    .after_auth()
    .advice(ADVICE);
const PER_VHOST: Limit = Limit::new("vhost max-connections", Scope::Vhost)
    .after_auth()
    .advice(ADVICE);
const PER_NODE: Limit = Limit::new("connection_max", Scope::Node)
    .after_auth()
    .advice(ADVICE);

const HEAD: &str = "%d %d [error] <%w> ";
/// In JSON, of protocols whose line before does not name the client.
const OTHER_HEAD: &str = "Error on %w connection <%w>\n";
const ROWS: [Message; 4] = [
    (
        &PER_USER,
        "connection refused for user '%U': user connection limit (%n) is reached",
    ),
    (
        &PER_NODE,
        "connection refused: node connection limit (%n) is reached",
    ),
    // The virtual host may hold these words, too.
    (
        &PER_VHOST,
        "access to vhost '%D' refused for user '%U': connection limit (%n) is reached",
    ),
    (
        &PER_VHOST,
        "access to vhost '%D' refused for user '%U': vhost connection limit (%n) is reached",
    ),
];
/// `Error on AMQP connection <0.601.0> (IP:PORT -> IP:PORT, user: 'U', state: opening):` and the refusal on a line of its own,
/// which names the user again.
const CLIENT: [Message; 1] = [(
    &PER_NODE,
    "Error on AMQP connection <%w> (%e -> %o, user: '%U",
)];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    let Some((client, refusal)) = text.cut_last("', state: opening):\n") else {
        return read(NAME, HEAD, &ROWS, text).or_else(|| read(NAME, OTHER_HEAD, &ROWS, text));
    };
    let client = read(NAME, "", &CLIENT, client)?;
    let mut event = read(NAME, "", &ROWS, refusal)?;
    if event.user.is_some() && event.user != client.user {
        return None;
    }
    (event.source, event.destination) = (client.source, client.destination);
    Some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &PER_USER,
            "3.10–4.0",
            "«%F %T.%6f»+00:00 [error] <0.«pid».0> connection refused for user '«user»': user connection limit (10) is reached",
        ),
        (
            &PER_VHOST,
            "3.10–4.0",
            "«%F %T.%6f»+00:00 [error] <0.«pid».0> access to vhost 'shop' refused for user '«user»': connection limit (10) is reached",
        ),
        (
            &PER_NODE,
            "4.0",
            "«%F %T.%6f»+00:00 [error] <0.«pid».0> connection refused: node connection limit (100) is reached",
        ),
    ],
    others: &[
        "«%F %T.%6f»+00:00 [error] <0.«pid».0> PLAIN login refused: user '«text»' - invalid credentials",
    ],
};
