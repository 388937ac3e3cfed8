//! Recognises what ProFTPD says of connections and logins that it refuses. Nothing in these lines says who it was.

use super::table::{Message, read};
use super::words::Words;
use super::{Limit, Said, Server, behind_stamp, server};
use crate::event::{Event, Scope};

const NAME: &str = "proftpd";

pub(super) static SERVER: Server = server!(
    "proftpd",
    [
        "refused (MaxClients",
        "refused (MaxHostsPerUser",
        "refused (MaxConnectionsPerHost",
        "reached, new connection denied"
    ],
    recognise,
    [
        CLIENTS,
        PER_HOST,
        PER_USER,
        PER_CLASS,
        HOSTS_PER_USER,
        CONNECTIONS,
        INSTANCES,
        RATE
    ]
);

const fn limit(name: &'static str, scope: Scope) -> Limit {
    Limit::new(name, scope)
        .advice("See who is connected (ftpwho, ftptop); raise the directive of that name in proftpd.conf if these are clients that you want.")
}

const CLIENTS: Limit = limit("MaxClients", Scope::Global).after_auth();
const PER_HOST: Limit = limit("MaxClientsPerHost", Scope::Ip).after_auth();
const PER_USER: Limit = limit("MaxClientsPerUser", Scope::User).after_auth();
const PER_CLASS: Limit = limit("MaxClientsPerClass", Scope::Global).after_auth();
const HOSTS_PER_USER: Limit = limit("MaxHostsPerUser", Scope::User).after_auth();
const CONNECTIONS: Limit = limit("MaxConnectionsPerHost", Scope::Ip).before_auth();
const INSTANCES: Limit = limit("MaxInstances", Scope::Global).before_auth();
const RATE: Limit = limit("MaxConnectionRate", Scope::Global).before_auth();

/// A session's line begins with its server and its client.
const ROWS: [Message; 8] = [
    (
        &CLIENTS,
        "%w (%w[%i])%[:%]%[ -%] Connection refused (MaxClients %n)",
    ),
    (
        &PER_HOST,
        "%w (%w[%i])%[:%]%[ -%] Connection refused (MaxClientsPerHost %n)",
    ),
    (
        &PER_USER,
        "%w (%w[%i])%[:%]%[ -%] Connection refused (MaxClientsPerUser %n)",
    ),
    (
        &PER_CLASS,
        "%w (%w[%i])%[:%]%[ -%] Connection refused (MaxClientsPerClass %w %n)",
    ),
    (
        &HOSTS_PER_USER,
        "%w (%w[%i])%[:%]%[ -%] Connection refused (MaxHostsPerUser %n)",
    ),
    (
        &CONNECTIONS,
        "%w (%w[%i])%[:%]%[ -%] Connection refused (MaxConnectionsPerHost %n)",
    ),
    (
        &INSTANCES,
        "%w%[:%]%[ -%] MaxInstances (%n) reached, new connection denied",
    ),
    (
        &RATE,
        "%w%[:%]%[ -%] MaxConnectionRate (%n/%w secs) reached, new connection denied",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    // `srv1 proftpd[78] localhost (…): …` behind the time of its own file.
    let text = behind_stamp(said.outer().text);
    let own = text
        .cut(" proftpd[")
        .filter(|(host, _)| !host.holds(" "))
        .and_then(|(_, rest)| rest.cut("] "))
        .filter(|(pid, _)| pid.is_digits(""));
    read(NAME, &ROWS, own.map_or(text, |(_, line)| line))
}
