//! Recognises what Samba says of shares with too many connections, from log level 1 on.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "samba";

pub(super) static SERVER: Server = server!(
    "samba",
    [") exceeded for ["],
    recognise,
    [MAX_CONNECTIONS],
    ["said-once"]
);

const MAX_CONNECTIONS: Limit = Limit::new("max connections", Scope::Service)
    .after_auth()
    .advice("See who is connected (smbstatus); raise `max connections` of the share in smb.conf.");

const ROWS: [Message; 1] = [(
    &MAX_CONNECTIONS,
    "Max connections (%n) exceeded for [%S][%W]",
)];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, "%[ %]%[ %]", &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[(
        &MAX_CONNECTIONS,
        "",
        "  Max connections (2) exceeded for [data][data]",
    )],
    others: &[
        "  Authentication for user [«text»] -> [«text»] FAILED with error NT_STATUS_NO_SUCH_USER",
    ],
};
