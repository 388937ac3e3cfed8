//! Recognises limits of services: what the master process, `auth` and login processes say about them.

use super::elements::Elements;
use super::{ANVIL_TIMEOUT, CLIENT_LIMIT, MAIL_PROCESSES, NAME, PROCESS_LIMIT, is_service};
use crate::bytes::split_at;
use crate::event::{Endpoint, Event};
use crate::ip::parse_ip;
use crate::recognisers::table::{Message, behind, read};

/// What login processes and `auth` say of what they do not know then.
const SKIPPED: &str = "mail_max_userip_connections lookup failed - skipping: ";
const PENALTY: &str = "Auth penalty lookup failed: ";

/// What the processes that run services say of them.
const OF_MASTER: [Message; 3] = [
    (
        &PROCESS_LIMIT,
        "service(%s): process_limit%[ (%n)%] reached, client connections are being dropped%*",
    ),
    // `client_limit/service_count` and the like: the limit follows from the other setting.
    (
        &CLIENT_LIMIT,
        "service(%s): client_limit%[/%w%]%[ (%n)%] reached, client connections are being dropped%*",
    ),
    (
        &CLIENT_LIMIT,
        "service %s { client_limit=%n } is lower than required under max%*",
    ),
];

/// What is said by no service.
const OF_NOBODY: [Message; 1] = [(
    &MAIL_PROCESSES,
    "Maximum number of mail processes exceeded%*",
)];

/// Recognises `text`, said by `service`, which is no login process.
pub(super) fn recognise<'a>(service: &str, text: &'a str) -> Option<Event<'a>> {
    match service {
        "master" | "config" | "doveconf" => read(NAME, "", &OF_MASTER, text),
        _ => anvil(text),
    }
}

/// What login processes say about limits of other services.
pub(super) fn of_login(text: &str) -> Option<Event<'_>> {
    remote_closed(text).or_else(|| anvil(text))
}

/// Recognises `text`, said by no service.
pub(super) fn of_nobody(text: &str) -> Option<Event<'_>> {
    read(NAME, "", &OF_NOBODY, text)
}

/// `master(imap): read() failed: Remote closed connection (destination service { process_limit }
/// reached?) (client-pid=1, client-id=1, rip=192.0.2.1, …)`, and older ones that begin with `read(imap)`.
fn remote_closed(text: &str) -> Option<Event<'_>> {
    let rest = text
        .strip_prefix("master(")
        .or_else(|| text.strip_prefix("read("))?;
    let (service, rest) = name_before(rest, ")")?;
    let (_, rest) = split_at(rest, "failed: Remote closed connection (")?;
    let (question, details) = split_at(rest, ")")?;
    split_at(question, "process_limit")?;
    let mut event = PROCESS_LIMIT.event(NAME);
    event.service = Some(service);
    event.source = split_at(details, "rip=").and_then(|(_, ip)| {
        let end = ip.bytes().position(|byte| matches!(byte, b',' | b')'))?;
        let ip = parse_ip(ip.get(..end)?)?;
        Some(Endpoint { ip, port: None })
    });
    Some(event)
}

/// `anvil-auth-penalty: Anvil queries timed out after 5 secs - aborting queries`, perhaps with elements.
fn anvil(text: &str) -> Option<Event<'_>> {
    let (context, rest) = split_at(text, "Anvil queries timed out after ")?;
    let rest = behind("%w secs - aborting queries", rest)?;
    let is_all = |row| behind(row, context) == Some("");
    // A user's name could be no more than such a word, and is none of these.
    let is_known = matches!(context, "" | SKIPPED | PENALTY)
        || is_all("%w: ")
        // 2.4 says who was asked.
        || is_all("conn unix:%g%[ (%[pid=%0%]%[,%]%[uid=%0%])%]: ")
        // Or the client is named, and no name ends such a line.
        || (rest.is_empty() && context.starts_with("auth(") && context.ends_with(PENALTY));
    if !is_known {
        return None;
    }
    let mut elements = Elements::default();
    if !rest.is_empty() && elements.read(rest.strip_prefix(": ")?).is_none() {
        elements = Elements::default();
    }
    Some(elements.into_event(&ANVIL_TIMEOUT, None, Some("anvil")))
}

/// The name of a service at the start of `text`, before `end`, and what follows that.
fn name_before<'a>(text: &'a str, end: &str) -> Option<(&'a str, &'a str)> {
    let (name, rest) = split_at(text, end)?;
    (!name.is_empty() && name.bytes().all(|byte| is_service(&byte))).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_number_and_without() {
        for (limit, said, value) in [
            ("process_limit", "process_limit (3)", Some(3)),
            ("process_limit", "process_limit", None),
            ("client_limit", "client_limit (4)", Some(4)),
            ("client_limit", "client_limit", None),
            ("client_limit", "client_limit/service_count (1)", Some(1)),
            ("client_limit", "client_limit/service_count", None),
            (
                "client_limit",
                "client_limit/restart_request_count (1)",
                Some(1),
            ),
        ] {
            for end in ["", " (pid=7, reuse_port=yes)"] {
                let text = [
                    "service(imap-login): ",
                    said,
                    " reached, client connections are being dropped",
                    end,
                ];
                let text = text.concat();
                let event = recognise("master", &text).expect(&text);
                assert_eq!(
                    (event.limit, event.limit_value, event.service),
                    (limit, value, Some("imap-login")),
                    "{text}"
                );
            }
        }
    }
}
