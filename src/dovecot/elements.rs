//! The elements of a login line: `user=<U>, method=M, rip=IP, lip=IP, TLS, session=<S>`.
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

use core::net::{IpAddr, Ipv4Addr};

use memchr::memrchr;

use crate::event::{Endpoint, Event, Security};

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
    pub(super) fn read(text: &'a str) -> Option<Elements<'a>> {
        let mut elements = Elements::default();
        let mut rest = text;
        for _ in 0..LEADING_MAX {
            if rest.starts_with("user=") {
                break;
            }
            let (element, after) = rest.split_once(", ").unwrap_or((rest, ""));
            if elements.take(element) != Taken::Yes {
                break;
            }
            rest = after;
        }
        if let Some(quoted) = rest.strip_prefix("user=<") {
            elements.read_quoted(quoted)?;
        } else if let Some(bare) = rest.strip_prefix("user=") {
            elements.read_bare(bare);
        } else {
            elements.read_backwards(rest, 0);
        }
        Some(elements)
    }

    /// Puts what is known into `event`.
    pub(super) fn fill(self, event: &mut Event<'a>) {
        event.user = self.user.filter(|user| !user.is_empty());
        event.auth_method = self.method.filter(|method| !method.is_empty());
        event.source = self.remote.endpoint();
        event.destination = self.local.endpoint();
        event.security = self.security;
        event.session = self.session.filter(|session| !session.is_empty());
    }

    /// `text` follows `user=<`.
    fn read_quoted(&mut self, text: &'a str) -> Option<()> {
        let end = self.read_backwards(text, 0);
        let user = text.get(..end)?.strip_suffix('>')?;
        // Without an address the session may have been taken for the end of the user name.
        if !self.remote.is_named && user.contains('>') {
            return None;
        }
        self.user = Some(user);
        Some(())
    }

    /// `text` follows `user=` whose angle brackets a web form has eaten.
    fn read_bare(&mut self, text: &'a str) {
        // The name, even an empty one, is no element: so the first comma is out of bounds.
        let end = self.read_backwards(text, 1);
        self.user = text.get(..end);
    }

    /// Reads elements from the end of `text` as long as they can't be part of a user name; returns where
    /// they begin. With `bare` set to 1, `method=` is the first element, and one that comes twice is
    /// another's; with 0, only an element that ends with `>` ends them.
    fn read_backwards(&mut self, text: &'a str, bare: usize) -> usize {
        let mut end = text.len();
        while let Some(rest) = text.get(..end) {
            let comma = last_comma(rest);
            let element = rest
                .get(comma.map_or(0, |comma| comma + 2)..)
                .unwrap_or(rest);
            if element.ends_with('>') {
                let Some(start) = self.session_at(rest) else {
                    return end;
                };
                end = start;
                continue;
            }
            let Some(comma) = comma else {
                return if bare == 1 { end } else { 0 };
            };
            let taken = self.take(element);
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

    /// Takes the session at the end of `text`; returns where the comma before it is. A session is looked
    /// for only behind the client's address, where Dovecot writes it. Brackets and commas are free text
    /// that only a trusted client can set: commas are understood, brackets are not.
    fn session_at(&mut self, text: &'a str) -> Option<usize> {
        if self.remote.is_named || self.session.is_some() {
            return None;
        }
        // Nearly always it is the last element; else it has a comma within.
        let start = last_comma(text)
            .filter(|comma| {
                text.get(comma + 2..)
                    .is_some_and(|last| last.starts_with("session=<"))
            })
            .or_else(|| text.rfind(", session=<"))?;
        let session = text.get(start + 11..text.len() - 1)?;
        if session.contains(['<', '>']) {
            return None;
        }
        self.session = Some(session);
        Some(start)
    }

    fn take(&mut self, element: &'a str) -> Taken {
        let once = |is_new: bool| if is_new { Taken::Yes } else { Taken::Twice };
        let bytes = element.as_bytes();
        let value = |name: usize| element.get(name..).unwrap_or_default();
        match bytes {
            [b'r', b'i', b'p', b'=', ..] => once(self.remote.name(value(4))),
            [b'l', b'i', b'p', b'=', ..] => once(self.local.name(value(4))),
            [b'm', b'e', b't', b'h', b'o', b'd', b'=', ..] => {
                once(set(&mut self.method, Some(value(7))))
            }
            [b's', b'e', b'c', b'u', b'r', b'e', b'd'] | [b'T', b'L', b'S', ..] => {
                self.take_security(element)
            }
            [b'r', b'p', b'o', b'r', b't', b'=', ..] => {
                once(set(&mut self.remote.port, value(6).parse().ok()))
            }
            [b'l', b'p', b'o', b'r', b't', b'=', ..] => {
                once(set(&mut self.local.port, value(6).parse().ok()))
            }
            _ => match element.strip_prefix("session=") {
                Some(value) => {
                    let quoted = value
                        .strip_prefix('<')
                        .and_then(|value| value.strip_suffix('>'));
                    once(set(&mut self.session, Some(quoted.unwrap_or(value))))
                }
                None => Taken::Unknown,
            },
        }
    }

    /// `secured`, `TLS`, `TLS: detail`, or the detail as an element of its own.
    fn take_security(&mut self, element: &'a str) -> Taken {
        let detail = match element {
            "secured" => {
                if self.security == Security::None {
                    self.security = Security::Secured;
                }
                return Taken::Yes;
            }
            "TLS" => "",
            _ if element.starts_with("TLSv") => element,
            _ => match element.strip_prefix("TLS: ") {
                Some(detail) => detail,
                None => return Taken::Unknown,
            },
        };
        let known = matches!(
            self.security,
            Security::Tls {
                version: Some(_),
                ..
            }
        );
        if !known {
            let word = |text: &'a str| text.split(' ').next().filter(|word| !word.is_empty());
            let cipher = detail.split_once(" with cipher ");
            self.security = Security::Tls {
                version: detail.strip_prefix("TLSv").and_then(word),
                cipher: cipher.and_then(|(_, cipher)| word(cipher)),
            };
        }
        Taken::Yes
    }
}

impl Side {
    /// Takes the address, unless there is one; says whether there was none.
    fn name(&mut self, value: &str) -> bool {
        let is_new = !self.is_named;
        if is_new {
            self.is_named = true;
            self.ip = parse_ip(value);
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
        end = memrchr(b',', bytes.get(..end)?)?;
        if bytes.get(end + 1) == Some(&b' ') {
            return Some(end);
        }
    }
}

fn set<T>(field: &mut Option<T>, value: Option<T>) -> bool {
    let is_new = field.is_none();
    if is_new {
        *field = value;
    }
    is_new
}

/// The address that `text` is, without brackets; a scope (`fe80::1%eth0`) is left out.
pub(crate) fn parse_ip(text: &str) -> Option<IpAddr> {
    match parse_ipv4(text.as_bytes()) {
        Some(ip) => Some(IpAddr::V4(ip)),
        None => text.split('%').next()?.parse().ok(),
    }
}

/// By hand, because it is done twice for every event: `1.2.3.4`, no leading zeros.
fn parse_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut ip, mut octet, mut digits, mut octets) = (0u32, 0u32, 0, 1);
    for &byte in text.iter().take(16) {
        match byte {
            b'0'..=b'9' if digits < 3 && !(digits == 1 && octet == 0) => {
                octet = octet * 10 + u32::from(byte - b'0');
                digits += 1;
            }
            b'.' if digits > 0 && octets < 4 => {
                ip = ip << 8 | octet;
                (octet, digits) = (0, 0);
                octets += 1;
            }
            _ => return None,
        }
        if octet > 255 {
            return None;
        }
    }
    (octets == 4 && digits > 0 && text.len() < 16).then(|| Ipv4Addr::from_bits(ip << 8 | octet))
}
