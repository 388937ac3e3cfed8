//! Recognises what Asterisk says of HTTP sessions and calls that are too many.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "asterisk";

pub(super) static SERVER: Server = server!(
    "asterisk",
    ["HTTP session count exceeded", "Maximum call limit of "],
    recognise,
    [SESSIONS, CALLS],
    ["server-full-once"]
);

const SESSIONS: Limit = Limit::new("http sessionlimit", Scope::Global)
    .before_auth()
    .advice("Raise sessionlimit in http.conf, and see who holds the sessions (http show status, ss -tn).");
const CALLS: Limit = Limit::new("maxcalls", Scope::Global)
    .advice("See which calls go on (core show channels); raise maxcalls in asterisk.conf if the machine allows.");

/// `[2026-11-28 17:38:47] WARNING[43] http.c: `, in syslog `WARNING[43]: http.c:1952 in httpd_helper_thread: `.
const HEAD: &str = "%[[%t] %]%w[%w]%[[%w]%]%[:%] %w%[ in %w%]: ";
const ROWS: [Message; 2] = [
    (&SESSIONS, "HTTP session count exceeded %n sessions."),
    (&CALLS, "Maximum call limit of %n calls exceeded by '%W'!"),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, HEAD, &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &SESSIONS,
            "16",
            "[«%F %T»] WARNING[«pid»] http.c: HTTP session count exceeded 100 sessions.",
        ),
        (
            &CALLS,
            "16",
            "[«%F %T»] WARNING[«pid»] pbx.c: Maximum call limit of 100 calls exceeded by 'SIP/«text»'!",
        ),
    ],
    others: &[
        "[«%F %T»] NOTICE[«pid»] chan_sip.c: Registration from '\"«text»\" <sip:7@example.org>' failed for '«ip»:5060' - Wrong password",
    ],
};
