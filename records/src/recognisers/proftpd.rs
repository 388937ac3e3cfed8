//! Recognises what ProFTPD says of connections and logins that it refuses. Nothing in these lines says who it was.

use super::table::{Message, read};
use super::{Limit, Said, Server, server};
use crate::event::{Event, Scope};

const NAME: &str = "proftpd";

pub(super) static SERVER: Server = Server {
    program: "proftpd",
    ..server!(
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
        ],
        ["db-role", "client-limit", "many-clients", "server-full"],
        prefilter: [REACHED, r"refused \(Max"]
    )
};

const fn limit(name: &'static str, scope: Scope) -> Limit {
    Limit::new(name, scope)
        .advice("See who is connected (ftpwho); raise the directive of that name in proftpd.conf if you want these clients.")
}

const CLIENTS: Limit = limit("MaxClients", Scope::Global).after_auth();
const PER_HOST: Limit = limit("MaxClientsPerHost", Scope::Ip).after_auth();
const PER_USER: Limit = limit("MaxClientsPerUser", Scope::User).after_auth();
const PER_CLASS: Limit = limit("MaxClientsPerClass", Scope::Global).after_auth();
const HOSTS_PER_USER: Limit = limit("MaxHostsPerUser", Scope::User).after_auth();
const CONNECTIONS: Limit = limit("MaxConnectionsPerHost", Scope::Ip).before_auth();
const INSTANCES: Limit = limit("MaxInstances", Scope::Global).before_auth();
const RATE: Limit = limit("MaxConnectionRate", Scope::Global).before_auth();

/// `2026-11-28 17:26:15,324 srv1 proftpd[78] ` in its own file; a session's line begins with its server and its client.
const HEAD: &str = "%[%d %d,%w %w proftpd[%w] %]%w (%w[%i])%[:%]%[ -%] Connection refused (Max";
const OF_SESSIONS: [Message; 6] = [
    (&CLIENTS, "Clients %n)"),
    (&PER_HOST, "ClientsPerHost %n)"),
    (&PER_USER, "ClientsPerUser %n)"),
    (&PER_CLASS, "ClientsPerClass %w %n)"),
    (&HOSTS_PER_USER, "HostsPerUser %n)"),
    (&CONNECTIONS, "ConnectionsPerHost %n)"),
];
const SERVER_HEAD: &str = "%[%d %d,%w %w proftpd[%w] %]%w";
const OF_SERVER: [Message; 4] = [
    (
        &INSTANCES,
        ": MaxInstances (%n) reached, new connection denied",
    ),
    (
        &INSTANCES,
        " - MaxInstances (%n) reached, new connection denied",
    ),
    (
        &RATE,
        ": MaxConnectionRate (%n/%w secs) reached, new connection denied",
    ),
    (
        &RATE,
        " - MaxConnectionRate (%n/%w secs) reached, new connection denied",
    ),
];

fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = said.outer().text;
    read(NAME, HEAD, &OF_SESSIONS, text).or_else(|| read(NAME, SERVER_HEAD, &OF_SERVER, text))
}

/// What people are shown of it.
#[cfg(not(target_family = "wasm"))]
const SHOWN: super::Shown = super::Shown {
    examples: &[
        (
            &CLIENTS,
            "1.3.7–1.3.8",
            "«%F %T,%3f» srv1 proftpd[«pid»] srv1 (client.example.org[«ip»]): Connection refused (MaxClients 30)",
        ),
        (
            &PER_HOST,
            "1.3.7–1.3.8",
            "«%F %T,%3f» srv1 proftpd[«pid»] srv1 (client.example.org[«ip»]): Connection refused (MaxClientsPerHost 2)",
        ),
        (
            &PER_USER,
            "1.3.7–1.3.8",
            "«%F %T,%3f» srv1 proftpd[«pid»] srv1 (client.example.org[«ip»]): Connection refused (MaxClientsPerUser 2)",
        ),
        (
            &PER_CLASS,
            "1.3.7–1.3.8",
            "«%F %T,%3f» srv1 proftpd[«pid»] srv1 (client.example.org[«ip»]): Connection refused (MaxClientsPerClass local 2)",
        ),
        (
            &HOSTS_PER_USER,
            "1.3.7–1.3.8",
            "«%F %T,%3f» srv1 proftpd[«pid»] srv1 (client.example.org[«ip»]): Connection refused (MaxHostsPerUser 2)",
        ),
        (
            &CONNECTIONS,
            "1.3.7–1.3.8",
            "«%F %T,%3f» srv1 proftpd[«pid»] srv1 (client.example.org[«ip»]): Connection refused (MaxConnectionsPerHost 2)",
        ),
        (
            &INSTANCES,
            "1.3.7–1.3.8",
            "«%F %T,%3f» srv1 proftpd[«pid»] srv1: MaxInstances (30) reached, new connection denied",
        ),
        (
            &RATE,
            "1.3.7–1.3.8",
            "«%F %T,%3f» srv1 proftpd[«pid»] srv1: MaxConnectionRate (2/1 secs) reached, new connection denied",
        ),
    ],
    others: &[
        "«%F %T,%3f» srv1 proftpd[«pid»] srv1 (client.example.org[«ip»]): USER «text»: no such user found from client.example.org [«ip»] to 192.0.2.1:21",
    ],
};
