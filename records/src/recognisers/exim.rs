//! Recognises what Exim's daemon says of connections that it refuses.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, behind_stamp, number, server};
use crate::event::{Event, Scope};

const NAME: &str = "exim";

pub(super) static SERVER: Server = server!(
    "exim",
    ["used: too many connections", "in reserve list: connected"],
    recognise,
    [ACCEPT_MAX, PER_HOST, RESERVE]
);

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
    .advice("What is left is for smtp_reserve_hosts: see who holds the rest (exiwhat), and raise smtp_accept_max if memory allows.");

const ROWS: [Message; 4] = [
    (
        &ACCEPT_MAX,
        "Connection from [%i]%[:%p%]%[ I=[%a]%]%[:%q%] refused: too many connections",
    ),
    (
        &PER_HOST,
        "Connection from [%i]%[:%p%]%[ I=[%a]%]%[:%q%] refused: too many connections from that IP address",
    ),
    (
        &RESERVE,
        "temporarily refused connection from [%i]%[:%p%]%[ I=[%a]%]%[:%q%]: not in reserve list: connected=%c max=%n reserve=%w",
    ),
    (
        &RESERVE,
        "temporarily refused connection from %h [%i]%[:%p%]%[ I=[%a]%]%[:%q%]: not in reserve list: connected=%c max=%n reserve=%w",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = behind_stamp(said.outer().text);
    // `+0000 [14] `
    let zone = text.cut(" ").filter(|(zone, _)| {
        zone.len() == 5 && zone.starts_with(['+', '-']) && number(&zone[1..]).is_some()
    });
    let text = zone.map_or(text, |(_, text)| text);
    let process = text.after("[").and_then(number);
    let process = process.and_then(|(_, text)| text.after("] "));
    read(NAME, &ROWS, process.unwrap_or(text))
}
