//! Recognises what Cyrus says of users and hosts with too many logins. The password was right.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "cyrus";

pub(super) static SERVER: Server = server!(
    "cyrus",
    ["Too many open connections"],
    recognise,
    [PER_USER, PER_HOST],
    ["db-role", "client-limit"],
    prefilter: [MANY],
    refusal: "Too many open connections ("
);

const PER_USER: Limit = Limit::new("maxlogins_per_user", Scope::User)
    .after_auth()
    .advice("The password is right: close or reconfigure the mail client, or raise maxlogins_per_user in imapd.conf.");
const PER_HOST: Limit = Limit::new("maxlogins_per_host", Scope::Ip)
    .after_auth()
    .advice("Many users or a webmail may share the address: raise maxlogins_per_host in imapd.conf if so.");

const HEAD: &str = "Too many open connections (%c of %n ";
const ROWS: [Message; 3] = [
    (&PER_HOST, "from %h [%i])"),
    (&PER_HOST, "from [%i])"),
    (&PER_USER, "for %U)"),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let mut event = read(NAME, HEAD, &ROWS, said.outer().text)?;
    // `alice, 2 of 2 from HOST [IP]`: both limits, or a name that looks so.
    let both = |user: &str| user.ends_with(']') && user.holds(" of ");
    event.user = event.user.filter(|user| !both(user));
    Some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &PER_USER,
            "3.0+",
            "«syslog cyrus/imap[]»Too many open connections (10 of 10 for «user»)",
        ),
        (
            &PER_HOST,
            "3.0+",
            "«syslog cyrus/imap[]»Too many open connections (10 of 10 from client.example.org [«ip»])",
        ),
    ],
    others: &[
        "«syslog cyrus/imap[]»badlogin: client.example.org [«ip»] plaintext «text» SASL(-13): authentication failure: no such user",
    ],
};
