//! Recognises Dovecot's connection-limit messages, of every version from 1.1 on.
//!
//! User names are not escaped in these lines, so nothing is searched for "anywhere": a message counts only
//! if its fixed text stands directly behind the service that says it (`imap-login: `, `master: Warning: `),
//! and a user name ends only where the elements at the *end of the line* begin (see [`elements`]).
//!
//! | limit | is |
//! |---|---|
//! | `mail_max_userip_connections` | the setting: connections of one user from one address |
//! | `proxy_dest_connection_limit` | the same, said by the server behind a proxy |
//! | `client_limit`, `process_limit` | settings of the service named |
//! | `connection_queue` | a login killed to make room: both limits of its service were reached |
//! | `max_mail_processes` | 1.x: the setting |
//! | `anvil_query_timeout` | connections are not counted, because the service that counts is too slow |

mod elements;
mod login;
mod service;

use super::{Hint, Limit, Repeating, Said, Server, number};
use crate::bytes::{starts, strip, strip_end};
use crate::event::{Event, Scope};
use crate::head::level_len;

const NAME: &str = "dovecot";
/// What every refusal of a user at an address says, in all versions.
const REFUSAL: &str = "Maximum number of connections";

pub(super) static SERVER: Server = Server {
    name: NAME,
    dataset: "dovecot.maxconn",
    needles: &[
        REFUSAL,
        "connections are being dropped",
        "Connection queue full",
        "Remote closed connection",
        "connection limit reached",
        "Maximum number of mail processes exceeded",
        "Anvil queries timed out after",
        "lower than required under max",
    ],
    mark: None,
    #[cfg(not(target_family = "wasm"))]
    prefilter: &[
        r"onnection(?: queue full| limit reached|s are being dropped| \()",
        "er (?:of (?:connections|mail)|[0-9.]+ secs|than required)",
    ],
    #[cfg(not(target_family = "wasm"))]
    shown: SHOWN,
    refusal: REFUSAL,
    texts: &[
        &[REFUSAL, " exceeded"],
        &["limit", " reached, client connections are being dropped"],
        &["Connection queue full"],
        &["failed: Remote closed connection (", "process_limit"],
        &["proxy dest connection limit reached"],
        &["Maximum number of mail processes exceeded"],
        &["Anvil queries timed out after ", " secs - "],
        &["client_limit=", " is lower than required under max"],
    ],
    read: recognise,
    limits: &[
        &USER_IP,
        &PROXY_DEST,
        &CLIENT_LIMIT,
        &PROCESS_LIMIT,
        &CONNECTION_QUEUE,
        &MAIL_PROCESSES,
        &ANVIL_TIMEOUT,
    ],
    advice: &[
        (
            Hint::RetryStorm,
            "The password is right: find the device behind the address and close or reconfigure its mail client. Raising the limit ends the refusals only if the client really needs that many connections.",
        ),
        (
            Hint::ManyFolders,
            "The client opens one connection per folder: lower its number of cached connections, or raise mail_max_userip_connections above its number of folders.",
        ),
        (
            Hint::SharedAddress,
            "Many users share the address (NAT, office, mobile network): raise mail_max_userip_connections only if single users are over it; do not ban the address.",
        ),
        (
            Hint::WebmailOrProxy,
            "The address is one of your own: a webmail, a proxy or a script there keeps too many connections. See what it is (ss -tnp on that machine), let it pass on the client's address (login_trusted_networks), or raise mail_max_userip_connections for it: remote ADDRESS { … }.",
        ),
        (
            Hint::ManyAddresses,
            "Logins with the right password from many unrelated networks: ask the user, and if it was not them, change the password and end the sessions.",
        ),
    ],
    program: "",
    is_guessed: false,
    rules: &[
        "userip",
        "many-users-one-ip",
        "one-user-many-ips",
        "service-limit",
    ],
    repeating: Some(&Repeating {
        limit: &USER_IP,
        before_session: ", session=<",
        after_session: ">",
    }),
};

const fn of_client(name: &'static str) -> Limit {
    let advice = "See which connections are open (doveadm who) and what the client does. The password is right: this is not guessing.";
    Limit::new(name, Scope::UserIp).advice(advice)
}

const fn of_service(name: &'static str, scope: Scope, advice: &'static str) -> Limit {
    Limit::new(name, scope).advice(advice)
}

const USER_IP: Limit = of_client("mail_max_userip_connections");
const PROXY_DEST: Limit = of_client("proxy_dest_connection_limit");
const CLIENT_LIMIT: Limit = of_service(
    "client_limit",
    Scope::Service,
    "Nobody more gets in: raise service %0 { client_limit = … } if memory allows, and see who holds its connections (doveadm who).",
);
const PROCESS_LIMIT: Limit = of_service(
    "process_limit",
    Scope::Process,
    "Nobody more gets in: raise service %0 { process_limit = … } if memory allows, and see who holds its connections (doveadm who).",
);
const CONNECTION_QUEUE: Limit = of_service(
    "connection_queue",
    Scope::Service,
    "Nobody more gets in: raise service %0 { process_limit = … } or its client_limit, and see who opens so many connections (doveadm who).",
);
const MAIL_PROCESSES: Limit = of_service(
    "max_mail_processes",
    Scope::Process,
    "Nobody more gets in: raise max_mail_processes if memory allows, and see who holds its connections.",
);
const ANVIL_TIMEOUT: Limit = of_service(
    "anvil_query_timeout",
    Scope::Service,
    "Connections are not counted in time: raise service %0 { client_limit = … }, and see whether the server is overloaded.",
);

/// The longest name of a service, in bytes.
const SERVICE_MAX: usize = 64;

/// As [`super::Entry::recognise`].
fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.body();
    // What logwatch makes of many lines is none of them.
    if text.ends_with(" Time(s)") {
        return None;
    }
    let Some((service, rest)) = service_of(text) else {
        return service::of_nobody(text);
    };
    if strip_end(service.as_bytes(), b"-login").is_some() {
        // Not `or_else`, which would copy the event.
        if let event @ Some(_) = login::recognise(service, rest) {
            return event;
        }
        service::of_login(rest)
    } else {
        service::recognise(service, rest)
    }
}

/// As [`super::begins_with_own_service`].
pub(super) fn begins_with_own_service(text: &[u8]) -> bool {
    // imap, pop3, submission, managesieve, master.
    matches!(text, [b'i' | b'm' | b'p', ..] | [b's', b'u', ..]) && begins_with_service(text)
}

/// As [`super::usual_tag_len`].
#[inline(always)]
pub(super) fn tag_len(text: &[u8]) -> usize {
    if starts(text, b"dovecot: ") { 9 } else { 0 }
}

/// As [`super::begins_with_name`].
pub(super) fn begins_with_name(text: &[u8]) -> bool {
    starts(text, b"dovecot")
}

/// As [`super::begins_with_service`]: one that says limits.
#[inline(never)]
pub(super) fn begins_with_service(text: &[u8]) -> bool {
    if starts(text, b"imap-login: ") {
        return true;
    }
    let name = text.iter().take(SERVICE_MAX);
    let len = name.take_while(|byte| is_service(byte)).count();
    let (name, rest) = text.split_at_checked(len).unwrap_or_default();
    let is_known =
        name.ends_with(b"-login") || matches!(name, b"master" | b"config" | b"doveconf" | b"auth");
    is_known && starts(rest, b": ")
}

/// The service and what it says: `imap-login: Info: text`, the level being optional.
fn service_of(text: &str) -> Option<(&str, &str)> {
    // Nearly always it is one of these two, for these are where clients come in.
    let login = strip(text, b"imap-login: ").or_else(|| strip(text, b"pop3-login: "));
    let (len, rest) = match login {
        Some(rest) => ("imap-login".len(), rest),
        None => {
            let bytes = text.as_bytes().iter().take(SERVICE_MAX);
            let len = bytes.take_while(|byte| is_service(byte)).count();
            (len, strip(text.get(len..)?, b": ")?)
        }
    };
    (len > 0).then_some((text.get(..len)?, rest.get(level_len(rest)..)?))
}

fn is_service(byte: &u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_')
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &USER_IP,
            "1.2–2.0.beta3",
            "«syslog dovecot»imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections): user=<«user»>, method=PLAIN, rip=«ip», lip=192.0.2.1, TLS",
        ),
        (
            &USER_IP,
            "2.0.beta4–2.3.14",
            "«syslog dovecot»imap-login: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<«user»>, method=PLAIN, rip=«ip», lip=192.0.2.1, TLS",
        ),
        (
            &USER_IP,
            "2.3.15–2.3.21",
            "«syslog dovecot»imap-login: Disconnected: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<«user»>, method=PLAIN, rip=«ip», lip=192.0.2.1, TLS",
        ),
        (
            &USER_IP,
            "2.4+",
            "«syslog dovecot»imap-login: Login aborted: Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10) (connection limit reached, 1/1 successful auths in 0 secs) (connection_limit): user=<«user»>, method=PLAIN, rip=«ip», lip=192.0.2.1, TLS",
        ),
        (
            &PROXY_DEST,
            "2.4.3+",
            "«syslog dovecot»imap-login: Login aborted: proxy dest connection limit reached to 192.0.2.4:143 (proxy_dest_connection_limit): user=<«user»>, method=PLAIN, rip=«ip», lip=192.0.2.1, TLS",
        ),
        (
            &CLIENT_LIMIT,
            "2.0.3–2.1.rc3",
            "«syslog dovecot»master: Warning: service(imap-login): client_limit reached, client connections are being dropped",
        ),
        (
            &CLIENT_LIMIT,
            "2.1+",
            "«syslog dovecot»master: Warning: service(imap-login): client_limit (200) reached, client connections are being dropped",
        ),
        (
            &PROCESS_LIMIT,
            "2.0.0–2.0.2",
            "«syslog dovecot»master: Warning: service(imap): process_limit reached, client connections are being dropped",
        ),
        (
            &PROCESS_LIMIT,
            "2.1+",
            "«syslog dovecot»master: Warning: service(imap): process_limit (1024) reached, client connections are being dropped",
        ),
        (
            &CONNECTION_QUEUE,
            "2.0–2.3",
            "«syslog dovecot»imap-login: Disconnected: Connection queue full (no auth attempts in 0 secs): user=<>, rip=«ip», lip=192.0.2.1",
        ),
        (
            &CONNECTION_QUEUE,
            "2.4+",
            "«syslog dovecot»imap-login: Login aborted: Connection queue full (client_limit and process_limit was hit and this login session was killed.) (process_full): user=<>, rip=«ip», lip=192.0.2.1",
        ),
        (
            &MAIL_PROCESSES,
            "1.x",
            "«syslog dovecot»Maximum number of mail processes exceeded",
        ),
        (
            &ANVIL_TIMEOUT,
            "2.0+",
            "«syslog dovecot»auth: Error: anvil-auth-penalty: Anvil queries timed out after 5 secs - aborting queries",
        ),
    ],
    others: &[
        "«syslog dovecot»imap-login: Login: user=<«text»>, method=PLAIN, rip=«ip», lip=192.0.2.1, mpid=7, TLS",
    ],
};
