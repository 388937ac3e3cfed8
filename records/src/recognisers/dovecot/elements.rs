//! Reads the elements of a login line: `user=<U>, method=M, rip=IP, lip=IP, TLS, session=<S>`.
//!
//! Administrators choose which there are and in which order, and the user name is not escaped: it may
//! hold `>, method=PLAIN, rip=192.0.2.66` or all of a line. What it can't do is to come after its own
//! closing `>`, and that is always the end of an element. So the elements are read from both sides: from
//! the front up to `user=<`, then from the end of the line until an element ends with `>` that is not the
//! session. Whatever lies between is the user name, the longest there can be. An element that comes
//! twice was first seen nearer to the end of the line, where it is genuine.
//!
//! The price: with a list of elements in which `session=<…>` stands between user and `rip`, the session
//! becomes part of the user name, for a user name could look just so.
//!
//! Addresses and sessions that somebody took away (`rip=<redacted>`) end with `>`, too. They are told from a name's end
//! by their place: Dovecot writes the addresses directly behind the mechanism, which comes once. Where an administrator
//! took mechanism and address out of the list, a name can look so and be cut; it forges no address, for beside one that
//! is in brackets none is believed.

use core::net::IpAddr;

use super::{Limit, NAME};
use crate::bytes::{find, find_last, split_at, split_at_last, strip, strip_end};
use crate::event::{Endpoint, Event, Security};
use crate::ip::{self, parse_ip, parse_port};

/// How many elements before `user=` are read.
const LEADING_MAX: usize = 16;

/// What the elements of a line say.
#[derive(Default)]
pub(super) struct Elements<'a> {
    user: Option<&'a str>,
    method: Option<&'a str>,
    remote: Side,
    local: Side,
    security: Security<'a>,
    session: Option<&'a str>,
    /// The line comes from a web page's source: `&lt;` and `&gt;` are its brackets.
    is_escaped: bool,
    /// An address was in brackets.
    is_redacted: bool,
}

/// One end of a connection.
#[derive(Default)]
struct Side {
    /// Whether the line names it, even if what it names is no address (`rip=XXX.xxx.XXX.xxx`).
    is_named: bool,
    ip: Option<IpAddr>,
    port: Option<u16>,
}

#[derive(PartialEq)]
enum Taken {
    Yes,
    /// The line had it already.
    Twice,
    Unknown,
}

impl<'a> Elements<'a> {
    /// Reads the elements up to the end of the line; `None` if they are not a whole.
    pub(super) fn read(&mut self, text: &'a str) -> Option<()> {
        let mut rest = text;
        for _ in 0..LEADING_MAX {
            if strip(rest, b"user=").is_some() {
                break;
            }
            let (element, after) = split_at(rest, ", ").unwrap_or((rest, ""));
            if self.take(element) != Taken::Yes {
                break;
            }
            rest = after;
        }
        if let Some(quoted) = strip(rest, b"user=<") {
            self.read_quoted(quoted)?;
        } else if let Some(quoted) = strip(rest, b"user=&lt;") {
            self.is_escaped = true;
            self.read_quoted(quoted)?;
        } else if let Some(bare) = strip(rest, b"user=") {
            self.read_bare(bare);
        } else {
            self.read_backwards(rest, rest.len(), 0);
        }
        Some(())
    }

    /// The event of that limit with all that is known. Made in one piece: an event is some two hundred
    /// bytes, which are not to be copied about.
    #[inline(never)]
    pub(super) fn into_event(
        self,
        limit: &'static Limit,
        limit_value: Option<u64>,
        service: Option<&'a str>,
    ) -> Event<'a> {
        let given = |text: &&str| !text.is_empty();
        Event {
            limit_value,
            service,
            user: self.user.filter(given),
            auth_method: self.method.filter(given),
            source: self.remote.endpoint().filter(|_| !self.is_redacted),
            destination: self.local.endpoint(),
            security: self.security,
            session: self.session.filter(given).map(str::as_bytes),
            ..limit.event(NAME)
        }
    }

    /// `text` follows `user=<`.
    fn read_quoted(&mut self, text: &'a str) -> Option<()> {
        let usual = self.read_usual(text);
        let end = self.read_backwards(text, usual, 0);
        let (_, close) = self.brackets();
        let user = text.get(..end)?.strip_suffix(close)?;
        // Without an address the session may have been taken for the end of the user name.
        if !self.remote.is_named && split_at(user, close).is_some() {
            return None;
        }
        self.user = Some(user);
        Some(())
    }

    /// `text` follows `user=` whose angle brackets a web form has eaten.
    fn read_bare(&mut self, text: &'a str) {
        // The name, even an empty one, is no element: so the first comma is out of bounds.
        let end = self.read_backwards(text, text.len(), 1);
        self.user = text.get(..end);
    }

    /// Reads what nearly every line ends with, by its fixed words from the end, and returns where it
    /// begins: `, method=PLAIN, rip=IPV4, lip=IPV4, TLS, session=<S>`, each of which may be
    /// missing. It does what [`Self::read_backwards`] does with the same elements, only without looking
    /// for the commas before them.
    fn read_usual(&mut self, text: &'a str) -> usize {
        let mut rest = text.as_bytes();
        if let Some(start) = self.session_at(text) {
            rest = rest.get(..start).unwrap_or_default();
        }
        if let Some(before) = strip_end(rest, b", TLS") {
            self.take_tls("");
            rest = before;
        } else if let Some(before) = strip_end(rest, b", secured") {
            self.take_secured();
            rest = before;
        }
        if let Some((before, ip)) = ip::strip_ipv4(rest)
            && let Some(before) = strip_end(before, b", lip=")
        {
            self.local.name(|| Some(ip.into()));
            rest = before;
        }
        if let Some((before, ip)) = ip::strip_ipv4(rest)
            && let Some(before) = strip_end(before, b", rip=")
        {
            self.remote.name(|| Some(ip.into()));
            rest = before;
        }
        if let Some(before) = strip_end(rest, b", method=PLAIN") {
            set(
                &mut self.method,
                text.get(rest.len() - "PLAIN".len()..rest.len()),
            );
            rest = before;
        }
        rest.len()
    }

    /// Reads elements from `end` of `text` back as long as they can't be part of a user name; returns
    /// where they begin. With `bare` set to 1, `method=` is the first element, and one that comes twice
    /// is another's; with 0, only an element that ends with `>` ends them.
    fn read_backwards(&mut self, text: &'a str, mut end: usize, bare: usize) -> usize {
        while let Some(rest) = text.get(..end) {
            if self.is_quoted(rest) {
                // Nearly always the end of the user name, at once.
                if self.remote.is_named {
                    return end;
                }
                let Some(start) = self.session_at(rest).or_else(|| self.redacted_at(rest)) else {
                    return end;
                };
                end = start;
                continue;
            }
            let Some(comma) = last_comma(rest) else {
                return if bare == 1 { end } else { 0 };
            };
            let taken = self.take(rest.get(comma + 2..).unwrap_or_default());
            if bare == 1 && taken == Taken::Twice {
                return end;
            }
            end = comma;
            if bare == 1 && self.remote.is_named && self.method.is_some() {
                return end;
            }
        }
        end
    }

    /// What stands around a name and a session.
    fn brackets(&self) -> (&'static str, &'static str) {
        match self.is_escaped {
            true => ("&lt;", "&gt;"),
            false => ("<", ">"),
        }
    }

    #[inline]
    fn is_quoted(&self, text: &str) -> bool {
        match text.as_bytes() {
            [.., b'>'] => !self.is_escaped,
            [.., b'&', b'g', b't', b';'] => self.is_escaped,
            _ => false,
        }
    }

    /// Takes the session at the end of `text`; returns where the comma before it is. A session is looked
    /// for only behind the client's address, where Dovecot writes it. Brackets and commas are free text
    /// that only a trusted client can set: commas are understood, brackets are not, but for a pair of them around what
    /// was taken away.
    fn session_at(&mut self, text: &'a str) -> Option<usize> {
        if self.remote.is_named || self.session.is_some() {
            return None;
        }
        let (before, session) = self.split_quoted(text)?;
        let start = strip_end(before.as_bytes(), b", session=")?.len();
        self.session = Some(session);
        Some(start)
    }

    /// Takes an address in brackets at the end of `text`: it is named, and not known. As [`Self::session_at`].
    fn redacted_at(&mut self, text: &'a str) -> Option<usize> {
        if self.method.is_some() {
            return None;
        }
        let (before, _) = self.split_quoted(text)?;
        let before = before.as_bytes();
        let (side, start) = match strip_end(before, b", lip=") {
            Some(start) => (&mut self.local, start),
            None => (&mut self.remote, strip_end(before, b", rip=")?),
        };
        self.is_redacted = true;
        side.name(|| None).then_some(start.len())
    }

    /// What comes before the brackets at the end of `text`, and what is in them.
    fn split_quoted(&self, text: &'a str) -> Option<(&'a str, &'a str)> {
        let (open, close) = self.brackets();
        let quoted = text.strip_suffix(close)?;
        // `<<redacted>>`
        let quoted = quoted.strip_suffix(close).unwrap_or(quoted);
        let (before, inside) = split_at_last(quoted, open)?;
        let before = before.strip_suffix(open).unwrap_or(before);
        split_at(inside, close)
            .is_none()
            .then_some((before, inside))
    }

    fn take(&mut self, element: &'a str) -> Taken {
        let is_new = match element.as_bytes().first() {
            Some(b'r') => {
                if let Some(value) = strip(element, b"rip=") {
                    self.remote.name(|| parse_ip(value))
                } else if let Some(value) = strip(element, b"rport=") {
                    set(&mut self.remote.port, parse_port(value))
                } else {
                    return Taken::Unknown;
                }
            }
            Some(b'l') => {
                if let Some(value) = strip(element, b"lip=") {
                    self.local.name(|| parse_ip(value))
                } else if let Some(value) = strip(element, b"lport=") {
                    set(&mut self.local.port, parse_port(value))
                } else {
                    return Taken::Unknown;
                }
            }
            Some(b'm') => match strip(element, b"method=") {
                Some(value) => set(&mut self.method, Some(value)),
                None => return Taken::Unknown,
            },
            Some(b's') => match strip(element, b"session=") {
                Some(value) => {
                    let quoted = strip(value, b"<").and_then(|value| value.strip_suffix('>'));
                    set(&mut self.session, Some(quoted.unwrap_or(value)))
                }
                None if element == "secured" => self.take_secured(),
                None => return Taken::Unknown,
            },
            // `TLS`, `TLS: detail`, or the detail as an element of its own.
            Some(b'T') => match strip(element, b"TLS") {
                Some("") => self.take_tls(""),
                Some(detail) if strip(detail, b"v").is_some() => self.take_tls(element),
                Some(detail) => match strip(detail, b": ") {
                    Some(detail) => self.take_tls(detail),
                    None => return Taken::Unknown,
                },
                None => return Taken::Unknown,
            },
            _ => return Taken::Unknown,
        };
        match is_new {
            true => Taken::Yes,
            false => Taken::Twice,
        }
    }

    fn take_secured(&mut self) -> bool {
        if self.security == Security::None {
            self.security = Security::Secured;
        }
        true
    }

    /// `detail` is free text such as `TLSv1.3 with cipher NAME (256/256 bits)`.
    fn take_tls(&mut self, detail: &'a str) -> bool {
        if let Security::Tls {
            version: Some(_), ..
        } = self.security
        {
            return true;
        }
        let (mut version, mut cipher) = (None, None);
        if !detail.is_empty() {
            let after = strip(detail, b"TLSv");
            version = after.and_then(first_word);
            // Nearly always the cipher directly follows the version: a search would cost far more.
            cipher = version
                .and_then(|version| after?.get(version.len()..))
                .and_then(|rest| strip(rest, b" with cipher "))
                .or_else(|| Some(split_at(detail, " with cipher ")?.1))
                .and_then(first_word);
        }
        self.security = Security::Tls { version, cipher };
        true
    }
}

impl Side {
    /// Takes the address, unless there is one; says whether there was none.
    #[inline]
    fn name(&mut self, ip: impl FnOnce() -> Option<IpAddr>) -> bool {
        let is_new = !self.is_named;
        if is_new {
            self.is_named = true;
            self.ip = ip();
        }
        is_new
    }

    fn endpoint(&self) -> Option<Endpoint> {
        self.ip.map(|ip| Endpoint {
            ip,
            port: self.port,
        })
    }
}

/// The last comma before a space.
fn last_comma(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut end = bytes.len();
    loop {
        end = find_last(bytes.get(..end)?, b',')?;
        if bytes.get(end + 1) == Some(&b' ') {
            return Some(end);
        }
    }
}

fn first_word(text: &str) -> Option<&str> {
    let len = find(text.as_bytes(), b' ').unwrap_or(text.len());
    text.get(..len).filter(|word| !word.is_empty())
}

fn set<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let is_new = field.is_none();
    if is_new {
        *field = value;
    }
    is_new
}
