//! Recognises what login processes say about a connection that they refuse.

use super::elements::Elements;
use super::{CONNECTION_QUEUE, Limit, PROXY_DEST, USER_IP, number};
use crate::bytes::{find, split_at, split_at_last, strip};
use crate::event::Event;
use crate::recognisers::words::Words;

const PROXY: &str = "proxy dest connection limit reached";

/// Why a connection was refused.
struct Cause<'a> {
    limit: &'static Limit,
    limit_value: Option<u64>,
    /// What follows the cause, which is nothing or `: ` and the elements.
    rest: &'a str,
}

/// Recognises `text`, which directly follows the service.
pub(super) fn recognise<'a>(service: &'a str, text: &'a str) -> Option<Event<'a>> {
    let mut elements = Elements::default();
    let cause = if strip(text, b"user=<").is_some() {
        // `user=<…>, …, secured - CAUSE`: some put the elements first. The cause is the end of the line,
        // where no user name can be, for its `>` comes after it.
        let (first, said) = split_at_last(text, " - ")?;
        let cause = cause(said).filter(|cause| cause.rest.is_empty())?;
        elements.read(first)?;
        cause
    } else {
        let cause = cause(text)?;
        if !cause.rest.is_empty() {
            elements.read(strip(cause.rest, b": ")?)?;
        }
        cause
    };
    Some(elements.into_event(cause.limit, cause.limit_value, Some(service)))
}

fn cause(text: &str) -> Option<Cause<'_>> {
    let aborted = || text.after("Login aborted: ");
    let reason = strip(text, b"Disconnected: ").or_else(aborted);
    let said = reason.unwrap_or(text);
    if let Some(rest) = strip(said, b"Maximum number of connections") {
        user_ip(rest)
    } else if let Some(rest) = said.after("Connection queue full") {
        let (rest, _) = skip_remarks(rest)?;
        Some(Cause {
            limit: &CONNECTION_QUEUE,
            limit_value: None,
            rest,
        })
    } else {
        // The words before and after it are the proxy's and its server's, up to the elements.
        let said = reason?;
        let end = split_at(said, ": user=<")?.0.len();
        split_at(said.get(..end)?, PROXY)?;
        Some(Cause {
            rest: said.get(end..)?,
            ..proxy("")
        })
    }
}

/// ` from user+IP exceeded (mail_max_userip_connections=N) (remark) (remark)`.
fn user_ip(text: &str) -> Option<Cause<'_>> {
    let text = strip(text, b" from user+IP").unwrap_or(text);
    let mut rest = strip(text, b" exceeded")?;
    let mut limit_value = None;
    if let Some(after) = strip(rest, b" (mail_max_userip_connections") {
        rest = after;
        if let Some((value, after)) = strip(rest, b"=").and_then(number) {
            limit_value = Some(value);
            rest = after;
        } else if let Some(redacted) = strip(rest, b"=") {
            rest = redacted.get(find(redacted.as_bytes(), b')')?..)?;
        }
        rest = strip(rest, b")")?;
    }
    let (rest, is_proxy) = skip_remarks(rest)?;
    Some(match is_proxy {
        true => Cause {
            limit_value,
            ..proxy(rest)
        },
        false => Cause {
            limit: &USER_IP,
            limit_value,
            rest,
        },
    })
}

fn proxy(rest: &str) -> Cause<'_> {
    Cause {
        limit: &PROXY_DEST,
        limit_value: None,
        rest,
    }
}

/// Skips remarks in parentheses; says whether one of them is that of a proxy.
fn skip_remarks(mut text: &str) -> Option<(&str, bool)> {
    let mut is_proxy = false;
    while let Some(remark) = strip(text, b" (") {
        is_proxy |= remark.starts_with(PROXY);
        text = remark.get(find(remark.as_bytes(), b')')? + 1..)?;
    }
    Some((text, is_proxy))
}
