//! What a connection-limit message says, once it is understood.
//!
//! An [`Event`] borrows from the message it was read from; nothing in it is copied. Which record it
//! came in, when and from which host is the [`Context`]'s matter, not the message's.

use core::net::IpAddr;

use crate::codec::{Codec, Tape, variant};
use crate::named;

named! {
    /// What a limit is counted over. The name of each is the value of `maxconn.limit.scope`.
    #[derive(Hash)]
    pub enum Scope {
        /// One user from one address (`mail_max_userip_connections`).
        UserIp = "user+ip",
        /// One service: its `client_limit`, or its full connection queue.
        Service = "service",
        /// One service's number of processes (`process_limit`).
        Process = "process",
        /// One user, whatever the address (patterns of one's own).
        User = "user",
        /// One address, whatever the user (patterns of one's own).
        Ip = "ip",
        /// The whole server.
        Global = "global",
        /// One database.
        Database = "database",
        /// One virtual host of a message broker.
        Vhost = "vhost",
        /// One zone that an administrator made; its key is unknown.
        Zone = "zone",
        /// One pool of processes.
        Pool = "pool",
        /// One listening socket.
        Listener = "listener",
        /// One node of a cluster.
        Node = "node",
        /// One server behind a proxy.
        Server = "server",
    }
}

named! {
    /// What a message is about. The name of each is the value of `maxconn.event.class`.
    pub enum Class {
        /// A connection was refused.
        Refusal = "refusal",
        /// The server's own count of what it refused.
        Summary = "summary",
        /// It refuses from now on, or no longer.
        State = "state",
        /// It will, should there be more connections, or would.
        Warning = "warning",
    }
}

named! {
    /// How far a client had come. The name of each is the value of `maxconn.limit.stage`.
    pub enum Stage {
        /// Nobody knows who it is: names are claims.
        BeforeAuth = "before-auth",
        /// It is who it says.
        AfterAuth = "after-auth",
        /// It is the client that says so, not the server.
        ClientSide = "client-side",
    }
}

named! {
    /// What few messages name.
    pub enum Detail {
        /// The client's name by DNS: `source.domain`.
        Host = "host",
        /// The port alone, where the line has no address of it: `source.port`.
        Port = "port",
        /// The database.
        Database = "database",
        /// The virtual host.
        Vhost = "vhost",
        /// The zone.
        Zone = "zone",
        /// The frontend.
        Frontend = "frontend",
        /// The backend.
        Backend = "backend",
        /// The termination state of a session.
        State = "state",
        /// The status of an HTTP response, digits only.
        Status = "status",
        /// The server's own code of the message.
        Code = "code",
    }
}

/// How many details a message has at most.
const DETAILS_MAX: usize = 4;

/// What few messages name, so that the others need not carry a place for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details<'a>([Option<(Detail, &'a str)>; DETAILS_MAX]);

impl<'a> Details<'a> {
    /// None.
    pub const NONE: Details<'static> = Details([None; DETAILS_MAX]);

    /// Takes one more, if it is not empty.
    pub fn add(&mut self, detail: Detail, text: &'a str) {
        if !text.is_empty()
            && let Some(place) = self.0.iter_mut().find(|place| place.is_none())
        {
            *place = Some((detail, text));
        }
    }

    /// The text of one.
    pub fn get(&self, detail: Detail) -> Option<&'a str> {
        let mut all = self.0.iter().flatten();
        all.find(|(known, _)| *known == detail)
            .map(|(_, text)| *text)
    }

    /// Whether there is none.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }
}

/// What the line says about TLS on the refused connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security<'a> {
    /// Nothing.
    #[default]
    None,
    /// `secured`: local, or behind a proxy that is trusted. Not TLS of our own.
    Secured,
    /// `TLS`, perhaps with free text such as `TLSv1.3 with cipher NAME (…)`.
    Tls {
        /// The protocol version where the text names one, as ECS wants it: `1.2`, `1.3`.
        version: Option<&'a str>,
        /// The cipher where the text names one.
        cipher: Option<&'a str>,
    },
}

/// An IP address and the port beside it, where the line has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address; a scope id (`%eth0`) is not part of it, an IPv4-mapped one stays mapped.
    pub ip: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

/// One recognised connection-limit message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// `dovecot`, or the name of the pattern that matched: the value of `event.module`.
    pub module: &'a str,
    /// What was exhausted, e.g. `mail_max_userip_connections`: `event.code` and `maxconn.limit.name`.
    pub limit: &'a str,
    /// The configured limit, where the line says it.
    pub limit_value: Option<u64>,
    /// How much of it was in use, where the line says that.
    pub limit_current: Option<u64>,
    /// What the limit is counted over.
    pub scope: Scope,
    /// What the message is about.
    pub class: Class,
    /// How far the client had come, where that is known.
    pub stage: Option<Stage>,
    /// Whether a summary counts all that was refused since the server began to, and not what was since its last one.
    pub is_total: bool,
    /// The service, e.g. `imap-login` (for a service limit the one whose limit it is).
    pub service: Option<&'a str>,
    /// The user name, exactly as logged. Never empty: an empty one is absent.
    pub user: Option<&'a str>,
    /// The SASL mechanism.
    pub auth_method: Option<&'a str>,
    /// The client.
    pub source: Option<Endpoint>,
    /// The address and port the client connected to.
    pub destination: Option<Endpoint>,
    /// TLS or `secured`.
    pub security: Security<'a>,
    /// The session id: UTF-8, which is checked where it is needed as text.
    pub session: Option<&'a [u8]>,
    /// What few messages name.
    pub details: Details<'a>,
    /// How many refusals the record stands for: one, unless it says that a message repeated. A summary counts those
    /// before it, of which there may be none.
    pub count: u32,
}

/// `imap` for `imap-login` and so on, for the services that speak a protocol of mail clients.
pub fn protocol_of(service: &str) -> Option<&'static str> {
    match service.strip_suffix("-login").unwrap_or(service) {
        "imap" => Some("imap"),
        "pop3" => Some("pop3"),
        "managesieve" | "sieve" => Some("sieve"),
        "submission" => Some("submission"),
        "lmtp" => Some("lmtp"),
        _ => None,
    }
}

impl Event<'_> {
    /// The value of `network.protocol`.
    #[inline(always)]
    pub fn protocol(&self) -> Option<&'static str> {
        self.service.and_then(protocol_of)
    }

    /// For how many refusals it is a word for its time: what a summary counts was before.
    pub fn times(&self) -> u32 {
        match self.class {
            Class::Summary => 1,
            _ => self.count,
        }
    }

    /// Whether client and server have the same address, as with a webmail on the mail server itself.
    pub fn is_local(&self) -> bool {
        match (&self.source, &self.destination) {
            (Some(source), Some(destination)) => source.ip == destination.ip,
            _ => false,
        }
    }
}

/// Where and when an event was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// Event time in ms since the Unix epoch.
    pub time_ms: i64,
    /// The host that logged it, where anything says it.
    pub host: Option<&'a str>,
    /// The whole original message: UTF-8, which is checked where it is needed as text.
    pub message: &'a [u8],
    /// The bytes of the record, as they would have gone on.
    pub record_bytes: u64,
}

impl<'a> Context<'a> {
    /// The message as text.
    pub fn text(&self) -> &'a str {
        core::str::from_utf8(self.message).unwrap_or_default()
    }
}

impl<'a> Event<'a> {
    /// An event of which no more is known.
    #[inline(always)]
    pub fn new(module: &'a str, limit: &'a str, scope: Scope) -> Event<'a> {
        Event {
            module,
            limit,
            limit_value: None,
            limit_current: None,
            scope,
            class: Class::Refusal,
            stage: None,
            is_total: false,
            service: None,
            user: None,
            auth_method: None,
            source: None,
            destination: None,
            security: Security::None,
            session: None,
            details: Details::NONE,
            count: 1,
        }
    }

    /// The session id as text.
    pub fn session_text(&self) -> Option<&'a str> {
        core::str::from_utf8(self.session?).ok()
    }
}

impl<'a> Codec<'a> for Event<'a> {
    fn blank() -> Event<'a> {
        Event::new("", "", Scope::Global)
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.module.pass(tape);
        self.limit.pass(tape);
        self.limit_value.pass(tape);
        self.limit_current.pass(tape);
        let scope = variant(tape, self.scope as u8, Scope::Server as u8);
        self.scope = Scope::numbered(scope.into()).unwrap_or(Scope::Global);
        let class = variant(tape, self.class as u8, Class::Warning as u8);
        self.class = Class::numbered(class.into()).unwrap_or(Class::Refusal);
        let stage = self.stage.map_or(0, |stage| stage as u8 + 1);
        let stage = variant(tape, stage, Stage::ClientSide as u8 + 1);
        self.stage = usize::from(stage).checked_sub(1).and_then(Stage::numbered);
        self.is_total.pass(tape);
        self.service.pass(tape);
        self.user.pass(tape);
        self.auth_method.pass(tape);
        self.source.pass(tape);
        self.destination.pass(tape);
        self.security.pass(tape);
        let mut session = self.session_text();
        session.pass(tape);
        self.session = session.map(str::as_bytes);
        self.details.pass(tape);
        self.count.pass(tape);
    }
}

impl<'a> Codec<'a> for Details<'a> {
    fn blank() -> Details<'a> {
        Details::NONE
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        for place in &mut self.0 {
            let number = place.map_or(0, |(detail, _)| detail as u8 + 1);
            let number = variant(tape, number, Detail::Code as u8 + 1);
            let detail = usize::from(number)
                .checked_sub(1)
                .and_then(Detail::numbered);
            let Some(detail) = detail else {
                // The rest is empty, too.
                *place = None;
                break;
            };
            let mut text = place.map_or("", |(_, text)| text);
            text.pass(tape);
            *place = Some((detail, text));
        }
    }
}

impl<'a> Codec<'a> for Endpoint {
    fn blank() -> Endpoint {
        Endpoint {
            ip: IpAddr::blank(),
            port: None,
        }
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.ip.pass(tape);
        self.port.pass(tape);
    }
}

impl<'a> Codec<'a> for Security<'a> {
    fn blank() -> Security<'a> {
        Security::None
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        let (number, mut version, mut cipher) = match *self {
            Security::None => (0, None, None),
            Security::Secured => (1, None, None),
            Security::Tls { version, cipher } => (2, version, cipher),
        };
        *self = match variant(tape, number, 2) {
            0 => Security::None,
            1 => Security::Secured,
            _ => {
                version.pass(tape);
                cipher.pass(tape);
                Security::Tls { version, cipher }
            }
        };
    }
}

impl<'a> Codec<'a> for Context<'a> {
    fn blank() -> Context<'a> {
        Context {
            time_ms: 0,
            host: None,
            message: &[],
            record_bytes: 0,
        }
    }

    fn pass(&mut self, tape: &mut Tape<'a>) {
        self.time_ms.pass(tape);
        self.host.pass(tape);
        let mut message = self.text();
        message.pass(tape);
        self.message = message.as_bytes();
        self.record_bytes.pass(tape);
    }
}
