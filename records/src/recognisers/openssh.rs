//! Recognises what sshd says of connections that it drops.
//!
//! It says little at its default level: the first drop, or the first three, and in the end how many there were. The limit for
//! one source has the very text of the limit for all.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Class, Event, Scope};

const NAME: &str = "openssh";

pub(super) static SERVER: Server = Server {
    program: "sshd",
    is_guessed: true,
    ..server!(
            "openssh",
            [
                "rop connection #",
                "MaxStartups throttling",
                "Maxstartups logging rate",
                "PerSourcePenalties logging rate",
            ],
            recognise,
            [MAX_STARTUPS, PENALTIES],
            ["ssh", "ssh-many-clients"],
        prefilter: ["rop connection #", "tartups (?:throttling|logging)", "PerSourcePenalties logging"]
    )
};

const MAX_STARTUPS: Limit = Limit::new("MaxStartups", Scope::Global)
    .before_auth()
    .advice("Most guess passwords: see who comes (journalctl -u ssh), keep them away (a firewall); raise MaxStartups in sshd_config for your own clients only.");
const DROPPED: Limit = MAX_STARTUPS.about(Class::Summary);
const DROPPED_SO_FAR: Limit = MAX_STARTUPS.totals();
const PENALTIES: Limit = Limit::new("PerSourcePenalties", Scope::Ip)
    .before_auth()
    .advice("It failed to log in before: exempt it by PerSourcePenaltyExemptList in sshd_config if it is one of your own.");
const PENALISED: Limit = PENALTIES.about(Class::Summary);

const ROWS: [Message; 7] = [
    (
        &MAX_STARTUPS,
        "drop connection #%c%[ from [%i]:%p on [%a]:%q%[ past%] Max%[S%]%[s%]tartups%]",
    ),
    (
        &PENALTIES,
        "drop connection #%c from [%i]:%p on [%a]:%q penalty: %l",
    ),
    (&DROPPED_SO_FAR, "beginning MaxStartups throttling"),
    (
        &DROPPED_SO_FAR,
        "in MaxStartups throttling for %w, %N connections dropped",
    ),
    (
        &DROPPED_SO_FAR,
        "exited MaxStartups throttling after %w, %N connections dropped",
    ),
    (
        &DROPPED,
        "Maxstartups logging rate-limited: additional %N connections dropped",
    ),
    (
        &PENALISED,
        "PerSourcePenalties logging rate-limited: additional %N connections dropped",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, "%[error: %]%[debug1: %]", &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &MAX_STARTUPS,
            "7.8–9.7",
            "«syslog sshd[]»drop connection #3 from [«ip»]:«port» on [192.0.2.1]:22 past MaxStartups",
        ),
        (
            &MAX_STARTUPS,
            "9.8–9.9",
            "«syslog sshd[]»drop connection #3 from [«ip»]:«port» on [192.0.2.1]:22 past Maxstartups",
        ),
        (
            &MAX_STARTUPS,
            "10.0+",
            "«syslog sshd[]»drop connection #3 from [«ip»]:«port» on [192.0.2.1]:22 Maxstartups",
        ),
        (
            &DROPPED,
            "8.2–9.9",
            "«syslog sshd[]»error: beginning MaxStartups throttling",
        ),
        (
            &DROPPED,
            "8.2–9.9",
            "«syslog sshd[]»exited MaxStartups throttling after 00:01:05, 10 connections dropped",
        ),
        (
            &DROPPED,
            "10.0+",
            "«syslog sshd[]»Maxstartups logging rate-limited: additional 10 connections dropped",
        ),
        (
            &PENALTIES,
            "9.8+",
            "«syslog sshd[]»drop connection #0 from [«ip»]:«port» on [192.0.2.1]:22 penalty: failed authentication",
        ),
        (
            &PENALISED,
            "10.0+",
            "«syslog sshd[]»PerSourcePenalties logging rate-limited: additional 10 connections dropped",
        ),
    ],
    others: &[
        "«syslog sshd[]»Invalid user «text» from «ip» port «port»",
        "«syslog sshd[]»error: kex_exchange_identification: client sent invalid protocol identifier \"«text»\"",
    ],
};
