//! Recognises what any program says that can accept no connection for want of descriptors.

use super::table::behind;
use super::words::Words;
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "open-files";

pub(super) static SERVER: Server = server!(
    "open-files",
    ["Too many open files", "too many open files"],
    recognise,
    [FILES],
    ["server-full"],
    prefilter: [MANY]
);

const FILES: Limit = Limit::new("RLIMIT_NOFILE", Scope::Process)
    .before_auth()
    .advice("See what holds them (ls /proc/PID/fd); raise LimitNOFILE= of the program's unit, or ulimit -n.");

/// The longest text between the call and its error, in bytes.
const BETWEEN_MAX: usize = 64;

/// `daemon: accept(8) failed errno=24 (Too many open files)`, `error: accept: Too many open files`, `accept4() failed (24: Too many
/// open files)`, and Go's `http: Accept error: accept tcp [::]:80: accept4: too many open files; retrying in 5ms`: the call comes
/// first and its error last, and nothing but letters, digits and a few marks between them.
const HEAD: &str =
    "%[error: %]%[daemon: %]%[Accepting client connection: %]%[http: Accept error: %]accept";

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = behind(HEAD, said.outer().text)?;
    let (between, end) = text.cut("oo many open files")?;
    let is_end = matches!(end, "" | ")" | ").")
        || end.after("; retrying in ").is_some()
        || end.after(" in system").is_some();
    if between.len() > BETWEEN_MAX || !between.is_letters("()[]:=_, -.*") || !is_end {
        return None;
    }
    let mut event = FILES.rare(NAME);
    event.service = said.tag();
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
