//! Limits of services: what the master process, `auth` and login processes say about them.

use super::elements::Elements;
use super::ip::parse_ip;
use super::{event, is_service, number};
use crate::event::{Endpoint, Event, Scope};
use crate::words::split_at;

/// The most text between a service and what it says about its counting service, in bytes.
const CONTEXT_MAX: usize = 80;

/// Recognises `text`, said by `service`, which is no login process.
pub(super) fn recognise<'a>(service: &str, text: &'a str) -> Option<Event<'a>> {
    match service {
        "master" | "config" | "doveconf" => reached(text).or_else(|| too_low(text)),
        _ => anvil(text),
    }
}

/// What login processes say about limits of other services.
pub(super) fn of_login(text: &str) -> Option<Event<'_>> {
    remote_closed(text).or_else(|| anvil(text))
}

/// `Maximum number of mail processes exceeded (see max_mail_processes setting)`, said by no service.
pub(super) fn mail_processes(text: &str) -> Option<Event<'_>> {
    text.strip_prefix("Maximum number of mail processes exceeded")?;
    Some(event("max_mail_processes", Scope::Process, None, None))
}

/// `service(imap): process_limit (3) reached, client connections are being dropped`, also without number.
fn reached(text: &str) -> Option<Event<'_>> {
    let (service, rest) = name_before(text.strip_prefix("service(")?, "): ")?;
    let (limit, rest) = rest.split_once(' ')?;
    // `client_limit/service_count` and the like: the limit follows from the other setting.
    let (limit, scope) = match limit.split('/').next()? {
        "process_limit" => ("process_limit", Scope::Process),
        "client_limit" => ("client_limit", Scope::Service),
        _ => return None,
    };
    let (limit_value, rest) = match rest.strip_prefix('(').and_then(number) {
        Some((value, rest)) => (Some(value), rest.strip_prefix(") ")?),
        None => (None, rest),
    };
    rest.strip_prefix("reached, client connections are being dropped")?;
    Some(event(limit, scope, limit_value, Some(service)))
}

/// `service auth { client_limit=10 } is lower than required under max. load (600)`.
fn too_low(text: &str) -> Option<Event<'_>> {
    let (service, rest) = name_before(text.strip_prefix("service ")?, " { ")?;
    let (value, rest) = number(rest.strip_prefix("client_limit=")?)?;
    rest.strip_prefix(" } is lower than required under max")?;
    Some(event(
        "client_limit",
        Scope::Service,
        Some(value),
        Some(service),
    ))
}

/// `master(imap): read() failed: Remote closed connection (destination service { process_limit }
/// reached?) (client-pid=1, client-id=1, rip=192.0.2.1, …)`, and older ones that begin with `read(imap)`.
fn remote_closed(text: &str) -> Option<Event<'_>> {
    let rest = text
        .strip_prefix("master(")
        .or_else(|| text.strip_prefix("read("))?;
    let (service, rest) = name_before(rest, ")")?;
    let (_, rest) = split_at(rest, "failed: Remote closed connection (")?;
    let (question, details) = rest.split_once(')')?;
    split_at(question, "process_limit")?;
    let mut event = event("process_limit", Scope::Process, None, Some(service));
    event.source = details
        .split(['(', ',', ')'])
        .find_map(|detail| parse_ip(detail.trim_start().strip_prefix("rip=")?))
        .map(|ip| Endpoint { ip, port: None });
    Some(event)
}

/// `anvil-auth-penalty: Anvil queries timed out after 5 secs - aborting queries`, perhaps with elements.
fn anvil(text: &str) -> Option<Event<'_>> {
    let (context, rest) = split_at(text, "Anvil queries timed out after ")?;
    // A user name would come in brackets of some kind.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _-:./".contains(&byte);
    if context.len() > CONTEXT_MAX || !context.bytes().all(is_plain) {
        return None;
    }
    let (_, rest) = number(rest)?;
    let rest = rest.strip_prefix(" secs - aborting queries")?;
    let mut elements = Elements::default();
    if let Some(text) = rest.strip_prefix(": ")
        && elements.read(text).is_none()
    {
        elements = Elements::default();
    }
    Some(elements.into_event("anvil_query_timeout", Scope::Service, None, Some("anvil")))
}

/// The name of a service at the start of `text`, before `end`, and what follows that.
fn name_before<'a>(text: &'a str, end: &str) -> Option<(&'a str, &'a str)> {
    let (name, rest) = split_at(text, end)?;
    (!name.is_empty() && name.bytes().all(|byte| is_service(&byte))).then_some((name, rest))
}
