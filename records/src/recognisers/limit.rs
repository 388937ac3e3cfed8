//! A server's limits, and what the evidence of a flood over one can point to.

use crate::event::{Class, Event, Scope, Stage};
use crate::named;

/// A limit of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its name: `event.code` and `maxconn.limit.name`.
    pub name: &'static str,
    /// What it is counted over.
    pub scope: Scope,
    /// What its messages are about.
    pub class: Class,
    /// How far a client had come, where that is known.
    pub stage: Option<Stage>,
    /// As [`Event::is_total`].
    pub is_total: bool,
    /// What to do where a flood's cause is unknown; `%0` stands for the service.
    pub advice: &'static str,
}

/// A limit whose messages differ in time and session only, as long as one client is refused.
#[derive(Clone, Copy, Debug)]
pub struct Repeating {
    /// The limit.
    pub limit: &'static Limit,
    /// What stands before the session …
    pub before_session: &'static str,
    /// … and behind it, at the end of the message. Any base64 in its place would be read as the session, too.
    pub after_session: &'static str,
}

impl Limit {
    /// A refusal over a limit that is counted over `scope`.
    pub(super) const fn new(name: &'static str, scope: Scope) -> Limit {
        Limit {
            name,
            scope,
            class: Class::Refusal,
            stage: None,
            is_total: false,
            advice: "",
        }
    }

    /// The same before anybody knows who the client is.
    pub(super) const fn before_auth(self) -> Limit {
        Limit {
            stage: Some(Stage::BeforeAuth),
            ..self
        }
    }

    /// The same when it is known who the client is.
    pub(super) const fn after_auth(self) -> Limit {
        Limit {
            stage: Some(Stage::AfterAuth),
            ..self
        }
    }

    /// The same in messages about something else.
    pub(super) const fn about(self, class: Class) -> Limit {
        Limit { class, ..self }
    }

    /// The same in summaries, each of all since the server began to refuse.
    pub(super) const fn totals(self) -> Limit {
        Limit {
            is_total: true,
            ..self.about(Class::Summary)
        }
    }

    /// The same with what to do about it.
    pub(super) const fn advice(self, advice: &'static str) -> Limit {
        Limit { advice, ..self }
    }

    /// As [`Self::event`], for those that nothing waits for.
    #[inline(never)]
    pub(super) fn rare<'a>(&self, module: &'static str) -> Event<'a> {
        self.event(module)
    }

    /// A message about it, of which no more is known.
    #[inline(always)]
    pub(crate) fn event<'a>(&self, module: &'static str) -> Event<'a> {
        Event {
            class: self.class,
            stage: self.stage,
            is_total: self.is_total,
            // What a summary counts its message says.
            count: u32::from(!matches!(self.class, Class::Summary)),
            ..Event::new(module, self.name, self.scope)
        }
    }
}

named! {
    /// What the evidence of a flood points to: the values of `maxconn.flood.cause.hint`.
    pub enum Hint {
        /// One client that retries without a pause.
        RetryStorm = "retry-storm",
        /// One client that opens all its folders at once, again and again.
        ManyFolders = "many-folders",
        /// Many users behind one public address.
        SharedAddress = "shared-address",
        /// Many users behind an address of our own.
        WebmailOrProxy = "webmail-or-proxy",
        /// One user from many unrelated addresses.
        ManyAddresses = "many-addresses",
        /// One client that opens more connections than it may have, again and again.
        ClientStorm = "client-storm",
        /// One application whose pool wants more than there is.
        PoolRetry = "pool-retry",
        /// Strangers from many networks.
        ScanOrGuessing = "scan-or-guessing",
        /// There is room for nobody more.
        ServerFull = "server-full",
        /// Slowly, all day: there is less room than is needed.
        Undersized = "undersized",
        /// Nothing of that.
        Unknown = "unknown",
    }
}

impl Hint {
    /// Whether it may be an attack.
    pub fn is_hostile(self) -> bool {
        matches!(self, Hint::ManyAddresses | Hint::ScanOrGuessing)
    }
}
