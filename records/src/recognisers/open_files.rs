//! Recognises what any program says that can accept no connection for want of descriptors.

use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "open-files";

pub(super) static SERVER: Server = server!(
    "open-files",
    ["Too many open files"],
    recognise,
    [FILES],
    ["server-full"]
);

const FILES: Limit = Limit::new("RLIMIT_NOFILE", Scope::Process)
    .before_auth()
    .advice("Raise the program's limit of open files (LimitNOFILE= of its unit, ulimit -n), and see what holds them (ls /proc/PID/fd, ss -tnp).");

/// The longest text between the call and its error, in bytes.
const BETWEEN_MAX: usize = 64;

/// `accept(8) failed errno=24 (Too many open files)`, `error: accept: Too many open files`, `accept4() failed (24: Too many open
/// files)`: the call comes first and its error last, and nothing but letters, digits and a few marks between them.
fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let outer = said.outer();
    let text = outer.text;
    let text = text.after("error: ").unwrap_or(text);
    let text = text.after("Accepting client connection: ").unwrap_or(text);
    let text = text.without(".)");
    let text = text.before(" in system").unwrap_or(text);
    let between = text.after("accept")?.before("Too many open files")?;
    if between.len() > BETWEEN_MAX || !between.is_letters("()[]:=_, -.") {
        return None;
    }
    let mut event = FILES.rare(NAME);
    event.service = outer.tag;
    Some(event)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &FILES,
            "",
            "«syslog slapd[]»accept(8) failed errno=24 (Too many open files)",
        ),
        (
            &FILES,
            "",
            "«syslog sshd[]»error: accept: Too many open files",
        ),
    ],
    others: &["«syslog app[]»open(\"«text»\"): Too many open files"],
};
