//! Recognises what RabbitMQ says of connections that users, virtual hosts and nodes have no more room for.
//!
//! In its text log such a line stands alone; in JSON the line before it, which names the client, is in the same message.

use super::table::{Message, endpoint, read};
use super::words::Words;
use super::{Limit, Said, Server, number, server};
use crate::event::{Detail, Event, Scope};

const NAME: &str = "rabbitmq";

pub(super) static SERVER: Server = server!(
    "rabbitmq",
    ["connection limit ("],
    recognise,
    [PER_USER, PER_VHOST, PER_NODE]
);

const ADVICE: &str = "The password was right: an application opens more connections than it should, or leaves them open (rabbitmqctl list_connections user vhost peer_host state). Use channels of one connection, or raise the limit (rabbitmqctl set_user_limits, set_vhost_limits; connection_max of the node).";
const PER_USER: Limit = Limit::new("user max-connections", Scope::User)
    .after_auth()
    .advice(ADVICE);
const PER_VHOST: Limit = Limit::new("vhost max-connections", Scope::Vhost)
    .after_auth()
    .advice(ADVICE);
const PER_NODE: Limit = Limit::new("connection_max", Scope::Node)
    .after_auth()
    .advice(ADVICE);

const ROWS: [Message; 2] = [
    (
        &PER_USER,
        "connection refused for user '%U': user connection limit (%n) is reached",
    ),
    (
        &PER_NODE,
        "connection refused: node connection limit (%n) is reached",
    ),
];
const BETWEEN: &str = "' refused for user '";

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    if let Some(rest) = text.after("Error on AMQP connection <") {
        return with_client(rest);
    }
    // `2026-11-28 17:31:43.445032+00:00 [error] <0.971.0> …`
    let (time, rest) = text.cut(" [error] <")?;
    let (process, rest) = rest.cut("> ")?;
    let is_ours = time.is_digits("-:.+ ") && process.is_digits(".");
    refused(rest, None).filter(|_| is_ours)
}

/// `0.601.0> (IP:PORT -> IP:PORT, user: 'U', state: opening):` and the refusal on a line of its own, which names the user
/// again.
fn with_client(text: &str) -> Option<Event<'_>> {
    let (_, rest) = text.cut("> (")?;
    let (client, rest) = rest.cut(" -> ")?;
    let (server, rest) = rest.cut(", user: '")?;
    let (source, destination) = (endpoint(client)?, endpoint(server)?);
    const OPENING: &str = "', state: opening):\n";
    // The first name that the rest agrees with.
    let mut at = 0;
    loop {
        let next = at + rest.get(at..)?.cut(OPENING)?.0.len();
        let (user, refusal) = (rest.get(..next)?, rest.get(next + OPENING.len()..)?);
        if let Some(event) = refused(refusal, Some(user)) {
            return Some(Event {
                source: Some(source),
                destination: Some(destination),
                ..event
            });
        }
        at = next + 1;
    }
}

/// The refusal; `user`, if it is known who it is.
fn refused<'a>(text: &'a str, user: Option<&str>) -> Option<Event<'a>> {
    let Some(vhost) = text.after("access to vhost '") else {
        let event = read(NAME, &ROWS, text)?;
        let is_it = user.is_none_or(|user| event.user.is_none_or(|said| said == user));
        return is_it.then_some(event);
    };
    let rest = vhost.before(") is reached")?;
    let (rest, value) = rest.cut_last("(")?;
    let rest = rest.before("connection limit ")?;
    let rest = rest.before("vhost ").unwrap_or(rest);
    let names = rest.before("': ")?;
    let mut event = PER_VHOST.rare(NAME);
    let (value, more) = number(value)?;
    event.limit_value = more.is_empty().then_some(value);
    event.limit_value?;
    let (vhost, said) = match user {
        Some(user) => {
            let (rest, said) = names.split_at_checked(names.len().checked_sub(user.len())?)?;
            (
                rest.before(BETWEEN)?,
                Some(said).filter(|said| *said == user)?,
            )
        }
        None => names.cut_last(BETWEEN)?,
    };
    event.user = Some(said).filter(|said| !said.is_empty());
    event.details.add(Detail::Database, vhost);
    Some(event)
}
