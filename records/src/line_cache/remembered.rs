//! Keeps an event, and where in a line what may differ stands.

use alloc::boxed::Box;

use crate::event::{Endpoint, Event, Security};
use crate::recognisers::Limit;

/// A place in a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// Where `inner`, which is a piece of `outer`, begins and ends in it.
    pub fn of(outer: &[u8], inner: &[u8]) -> Option<Span> {
        let start = inner.as_ptr().addr().checked_sub(outer.as_ptr().addr())?;
        let end = start + inner.len();
        (end <= outer.len()).then_some(Span { start, end })
    }

    #[inline]
    pub fn bytes(self, line: &[u8]) -> Option<&[u8]> {
        line.get(self.start..self.end)
    }

    pub fn overlaps(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// As far as it needs no place.
const TLS: Security<'static> = Security::Tls {
    version: None,
    cipher: None,
};

/// A text of one's own.
#[inline(never)]
pub(super) fn own(text: Option<&str>) -> Option<Box<str>> {
    text.map(Box::from)
}

/// An event of a repeating limit, all but a session that may differ.
#[derive(Debug)]
pub struct Remembered {
    module: &'static str,
    limit: &'static Limit,
    limit_value: Option<u64>,
    service: Option<Box<str>>,
    user: Option<Box<str>>,
    auth_method: Option<Box<str>>,
    source: Option<Endpoint>,
    destination: Option<Endpoint>,
    security: Security<'static>,
    tls: [Option<Box<str>>; 2],
    /// Where the session may not differ: what it is.
    session: Option<Box<[u8]>>,
}

impl Remembered {
    #[cold]
    pub fn of(
        event: &Event<'_>,
        module: &'static str,
        limit: &'static Limit,
        has_same_session: bool,
    ) -> Remembered {
        let (security, version, cipher) = match event.security {
            Security::None => (Security::None, None, None),
            Security::Secured => (Security::Secured, None, None),
            Security::Tls { version, cipher } => (TLS, version, cipher),
        };
        Remembered {
            module,
            limit,
            limit_value: event.limit_value,
            service: own(event.service),
            user: own(event.user),
            auth_method: own(event.auth_method),
            source: event.source,
            destination: event.destination,
            security,
            tls: [own(version), own(cipher)],
            session: event.session.filter(|_| has_same_session).map(Box::from),
        }
    }

    /// The same event with another session; an empty one stands for none.
    #[inline]
    pub fn event<'a>(&'a self, session: &'a [u8]) -> Event<'a> {
        let [version, cipher] = &self.tls;
        Event {
            limit_value: self.limit_value,
            service: self.service.as_deref(),
            user: self.user.as_deref(),
            auth_method: self.auth_method.as_deref(),
            source: self.source,
            destination: self.destination,
            security: match self.security {
                Security::Tls { .. } => Security::Tls {
                    version: version.as_deref(),
                    cipher: cipher.as_deref(),
                },
                other => other,
            },
            session: match session {
                [] => self.session.as_deref(),
                _ => Some(session),
            },
            ..self.limit.event(self.module)
        }
    }
}
