//! Recognises what Postfix says of clients that are over a limit, and of services whose processes are all in use.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "postfix";

pub(super) static SERVER: Server = server!(
    "postfix",
    [
        "Connection concurrency limit exceeded",
        "Connection rate limit exceeded",
        "reject: CONNECT from",
        "all screening ports busy",
        "has reached its process limit",
    ],
    recognise,
    [
        CONCURRENCY,
        RATE,
        SCREEN_COUNT,
        PRE_QUEUE,
        POST_QUEUE,
        PROCESSES
    ],
    ["client-limit", "many-clients", "server-full", "said-once"],
    prefilter: [CONNECTION, REACHED, "reject: CONNECT from", "all screening ports"]
);

const fn of_client(name: &'static str) -> Limit {
    Limit::new(name, Scope::Ip)
        .before_auth()
        .advice("See what the client is (its lines in the log): exempt mail of your own by smtpd_client_event_limit_exceptions in main.cf.")
}

const fn of_all(name: &'static str) -> Limit {
    Limit::new(name, Scope::Global)
        .before_auth()
        .advice("See who holds the connections (ss -tn '( sport = :25 )'); raise postscreen's limit in main.cf if you want these clients.")
}

const CONCURRENCY: Limit = of_client("smtpd_client_connection_count_limit");
const RATE: Limit = of_client("smtpd_client_connection_rate_limit");
const SCREEN_COUNT: Limit = of_client("postscreen_client_connection_count_limit");
const PRE_QUEUE: Limit = of_all("postscreen_pre_queue_limit");
const POST_QUEUE: Limit = of_all("postscreen_post_queue_limit");
const PROCESSES: Limit = Limit::new("default_process_limit", Scope::Service)
    .before_auth()
    .advice("See who holds the connections (ss -tn); raise maxproc in master.cf, or default_process_limit, if memory allows.");

const ROWS: [Message; 6] = [
    (
        &CONCURRENCY,
        "warning: Connection concurrency limit exceeded: %c from %h[%i] for service %s",
    ),
    (
        &RATE,
        "warning: Connection rate limit exceeded: %c from %h[%i] for service %s",
    ),
    (
        &SCREEN_COUNT,
        "NOQUEUE: reject: CONNECT from [%i]:%p: too many connections",
    ),
    (
        &PRE_QUEUE,
        "%[NOQUEUE: %]reject: connect from [%i]:%p: all screening ports busy",
    ),
    (
        &POST_QUEUE,
        "NOQUEUE: reject: CONNECT from [%i]:%p: all server ports busy",
    ),
    (
        &PROCESSES,
        "warning: service \"%S\" (%w) has reached its process limit \"%n\": new clients may experience noticeable delays",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    read(NAME, "", &ROWS, said.outer().text)
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &CONCURRENCY,
            "2.2+",
            "«syslog postfix/smtpd[]»warning: Connection concurrency limit exceeded: 51 from client.example.org[«ip»] for service smtp",
        ),
        (
            &RATE,
            "2.2+",
            "«syslog postfix/smtpd[]»warning: Connection rate limit exceeded: 61 from client.example.org[«ip»] for service smtp",
        ),
        (
            &SCREEN_COUNT,
            "3.5–3.10",
            "«syslog postfix/postscreen[]»NOQUEUE: reject: CONNECT from [«ip»]:«port»: too many connections",
        ),
        (
            &PRE_QUEUE,
            "3.5–3.10",
            "«syslog postfix/postscreen[]»reject: connect from [«ip»]:«port»: all screening ports busy",
        ),
        (
            &POST_QUEUE,
            "3.5–3.10",
            "«syslog postfix/postscreen[]»NOQUEUE: reject: CONNECT from [«ip»]:«port»: all server ports busy",
        ),
        (
            &PROCESSES,
            "3.5–3.10",
            "«syslog postfix/master[]»warning: service \"smtp\" (25) has reached its process limit \"100\": new clients may experience noticeable delays",
        ),
    ],
    others: &[
        "«syslog postfix/smtpd[]»NOQUEUE: reject: RCPT from client.example.org[«ip»]: 554 5.7.1 <a@example.org>: Relay access denied; from=<«text»> to=<a@example.org> proto=ESMTP helo=<«text»>",
        "«syslog postfix/smtpd[]»warning: non-SMTP command from client.example.org[«ip»]: «text»",
    ],
};
