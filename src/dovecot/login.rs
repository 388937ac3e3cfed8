//! What login processes say about a connection that they refuse.

use super::elements::Elements;
use super::{event, number};
use crate::event::{Event, Scope};

const USER_IP: &str = "Maximum number of connections";
const QUEUE: &str = "Connection queue full";
const PROXY: &str = "proxy dest connection limit reached";

/// Why a connection was refused.
struct Cause<'a> {
    limit: &'static str,
    scope: Scope,
    limit_value: Option<u64>,
    /// What follows the cause, which is nothing or `: ` and the elements.
    rest: &'a str,
}

/// Recognises `text`, which directly follows the service.
pub(super) fn recognise<'a>(service: &'a str, text: &'a str) -> Option<Event<'a>> {
    let (cause, elements) = if text.starts_with("user=<") {
        elements_first(text)?
    } else {
        let cause = cause(text)?;
        let elements = match cause.rest {
            "" => Elements::default(),
            rest => Elements::read(rest.strip_prefix(": ")?)?,
        };
        (cause, elements)
    };
    let mut event = event(cause.limit, cause.scope, cause.limit_value, Some(service));
    elements.fill(&mut event);
    Some(event)
}

/// `user=<…>, …, secured - CAUSE`: some put the elements first. The cause is the end of the line, where no
/// user name can be, for its `>` comes after it.
fn elements_first(text: &str) -> Option<(Cause<'_>, Elements<'_>)> {
    let (elements, said) = text.rsplit_once(" - ")?;
    let cause = cause(said).filter(|cause| cause.rest.is_empty())?;
    Some((cause, Elements::read(elements)?))
}

fn cause(text: &str) -> Option<Cause<'_>> {
    let reason = ["Disconnected: ", "Login aborted: "]
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix));
    let said = reason.unwrap_or(text);
    if let Some(rest) = said.strip_prefix(USER_IP) {
        user_ip(rest)
    } else if let Some(rest) = said.strip_prefix(QUEUE) {
        let (rest, _) = skip_remarks(rest)?;
        Some(Cause {
            limit: "connection_queue",
            scope: Scope::Service,
            limit_value: None,
            rest,
        })
    } else {
        // The words before and after it are the proxy's and its server's, up to the elements.
        let said = reason?;
        let end = said.find(": user=<")?;
        said.get(..end)?.find(PROXY)?;
        Some(Cause {
            rest: said.get(end..)?,
            ..proxy("")
        })
    }
}

/// ` from user+IP exceeded (mail_max_userip_connections=N) (remark) (remark)`.
fn user_ip(text: &str) -> Option<Cause<'_>> {
    let text = text.strip_prefix(" from user+IP").unwrap_or(text);
    let mut rest = text.strip_prefix(" exceeded")?;
    let mut limit_value = None;
    if let Some(after) = rest.strip_prefix(" (mail_max_userip_connections") {
        rest = after;
        if let Some((value, after)) = rest.strip_prefix('=').and_then(number) {
            limit_value = Some(value);
            rest = after;
        }
        rest = rest.strip_prefix(')')?;
    }
    let (rest, is_proxy) = skip_remarks(rest)?;
    Some(match is_proxy {
        true => Cause {
            limit_value,
            ..proxy(rest)
        },
        false => Cause {
            limit: "mail_max_userip_connections",
            scope: Scope::UserIp,
            limit_value,
            rest,
        },
    })
}

fn proxy(rest: &str) -> Cause<'_> {
    Cause {
        limit: "proxy_dest_connection_limit",
        scope: Scope::UserIp,
        limit_value: None,
        rest,
    }
}

/// Skips remarks in parentheses; says whether one of them is that of a proxy.
fn skip_remarks(mut text: &str) -> Option<(&str, bool)> {
    let mut is_proxy = false;
    while let Some(after) = text.strip_prefix(" (") {
        let (remark, rest) = after.split_once(')')?;
        is_proxy |= remark.starts_with(PROXY);
        text = rest;
    }
    Some((text, is_proxy))
}
