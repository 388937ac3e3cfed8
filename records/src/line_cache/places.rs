//! Remembers where in a line the parts of its event stand.

use crate::event::{Endpoint, Event, Security};
use crate::recognisers::Limit;

/// A place in a line or message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

/// Where in the message what was, and what needs no place.
#[derive(Debug)]
pub struct Places {
    module: &'static str,
    limit: &'static Limit,
    limit_value: Option<u64>,
    service: Option<Span>,
    user: Option<Span>,
    auth_method: Option<Span>,
    session: Option<Span>,
    source: Option<Endpoint>,
    destination: Option<Endpoint>,
    security: Shape,
}

#[derive(Debug)]
enum Shape {
    None,
    Secured,
    Tls(Option<Span>, Option<Span>),
}

impl Span {
    /// Where `inner`, which is a piece of `outer`, begins and ends in it.
    pub fn of(outer: &[u8], inner: &[u8]) -> Option<Span> {
        let start = inner.as_ptr().addr().checked_sub(outer.as_ptr().addr())?;
        let end = start + inner.len();
        (end <= outer.len()).then_some(Span { start, end })
    }

    pub fn of_text(outer: &str, inner: &str) -> Option<Span> {
        Span::of(outer.as_bytes(), inner.as_bytes())
    }

    #[inline]
    pub fn bytes(self, line: &[u8]) -> Option<&[u8]> {
        line.get(self.start..self.end)
    }

    #[inline]
    fn text(self, message: &str) -> Option<&str> {
        message.get(self.start..self.end)
    }
}

/// The place of what is there, `Err` if it has none.
fn place(message: &str, text: Option<&str>) -> Result<Option<Span>, ()> {
    match text {
        Some(text) => Span::of_text(message, text).map(Some).ok_or(()),
        None => Ok(None),
    }
}

impl Places {
    #[cold]
    pub fn of(
        message: &str,
        event: &Event<'_>,
        module: &'static str,
        limit: &'static Limit,
    ) -> Result<Places, ()> {
        Ok(Places {
            module,
            limit,
            limit_value: event.limit_value,
            service: place(message, event.service)?,
            user: place(message, event.user)?,
            auth_method: place(message, event.auth_method)?,
            session: place(message, event.session)?,
            source: event.source,
            destination: event.destination,
            security: match event.security {
                Security::None => Shape::None,
                Security::Secured => Shape::Secured,
                Security::Tls { version, cipher } => {
                    Shape::Tls(place(message, version)?, place(message, cipher)?)
                }
            },
        })
    }
    /// The event in a message that has everything in the same places.
    #[inline]
    pub fn event<'a>(&self, message: &'a str) -> Event<'a> {
        let text = |span: Option<Span>| span.and_then(|span| span.text(message));
        Event {
            module: self.module,
            limit: self.limit.name,
            limit_value: self.limit_value,
            scope: self.limit.scope,
            service: text(self.service),
            user: text(self.user),
            auth_method: text(self.auth_method),
            source: self.source,
            destination: self.destination,
            security: match self.security {
                Shape::None => Security::None,
                Shape::Secured => Security::Secured,
                Shape::Tls(version, cipher) => Security::Tls {
                    version: text(version),
                    cipher: text(cipher),
                },
            },
            session: text(self.session),
            count: 1,
        }
    }
}
