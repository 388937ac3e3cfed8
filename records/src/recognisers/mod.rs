//! Registers the servers whose limit messages are recognised: one entry each.
//!
//! A server's name, wordings and limits, and what to do about them, are known in its entry and nowhere else. To add
//! one, write a module with its [`Server`] and name that in [`SERVERS`]. Messages of literal words and typed fields are
//! rows of a [`table`]; what is more than that (Dovecot's login lines) has a reader of its own.

mod apache;
mod asterisk;
mod courier;
mod cyrus;
mod dovecot;
mod exim;
mod haproxy;
mod kafka;
mod kernel;
mod limit;
mod mariadb;
mod mongodb;
mod mosquitto;
mod mysql;
mod nginx;
mod open_files;
mod openssh;
mod pgbouncer;
mod php_fpm;
mod postfix;
mod postgresql;
mod proftpd;
mod rabbitmq;
mod run_now;
mod said;
mod samba;
#[cfg(not(target_family = "wasm"))]
mod shown;
mod systemd;
pub mod table;
mod vsftpd;
mod words;
mod xinetd;

use alloc::vec::Vec;

use crate::bytes::{split_at, split_at_last};
use crate::event::Event;
use crate::search::{Mark, byte_array_forms};
pub use limit::{Hint, Limit, Repeating};
pub use run_now::run_now;
pub use said::{READINGS_MAX, Said};
#[cfg(not(target_family = "wasm"))]
pub use shown::{Example, SILENT, Shown, Silent};

/// Every server, in the order in which they are asked.
pub static SERVERS: [&Server; 26] = [
    &dovecot::SERVER,
    &postgresql::SERVER,
    &mysql::SERVER,
    &mariadb::SERVER,
    &pgbouncer::SERVER,
    &nginx::SERVER,
    &haproxy::SERVER,
    &openssh::SERVER,
    &postfix::SERVER,
    &exim::SERVER,
    &apache::SERVER,
    &php_fpm::SERVER,
    &proftpd::SERVER,
    &vsftpd::SERVER,
    &courier::SERVER,
    &cyrus::SERVER,
    &xinetd::SERVER,
    &mosquitto::SERVER,
    &rabbitmq::SERVER,
    &asterisk::SERVER,
    &kernel::SERVER,
    &mongodb::SERVER,
    &kafka::SERVER,
    &systemd::SERVER,
    &samba::SERVER,
    &open_files::SERVER,
];

/// The longest message that is looked at by more than one entry, in bytes: of a longer one each would search the whole.
const MESSAGE_MAX: usize = 32 * 1024;

/// Their names, in the same order.
pub static SERVER_NAMES: [&str; SERVERS.len()] = {
    let mut names = [""; SERVERS.len()];
    let mut number = 0;
    while number < SERVERS.len() {
        names[number] = SERVERS[number].name;
        number += 1;
    }
    names
};

/// What recognises messages: a server's entry, or a pattern of one's own.
pub trait Entry {
    /// Texts of which every message that it recognises contains one.
    fn needles(&self) -> Vec<&str>;

    /// What other messages of its own contain.
    fn mark(&self) -> Option<Mark> {
        None
    }

    /// The event that a message is, if it is one.
    fn recognise<'a>(&'a self, said: &Said<'a>) -> Option<Event<'a>>;

    /// Whether the host is told by [`Said::outer`] alone, because a name could pass for one otherwise.
    fn is_strict(&self) -> bool {
        false
    }
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// Its name: `event.module` and `service.type`.
    pub name: &'static str,
    /// `event.dataset`.
    pub dataset: &'static str,
    /// As [`Entry::needles`]. Only what no JSON encoder escapes, or both forms, and nothing that occurs in the lines of
    /// everyday traffic.
    pub needles: &'static [&'static str],
    /// As [`Entry::mark`]: one server may have one.
    pub mark: Option<Mark>,
    /// Regular expressions of which every message contains one, for hosts that search more cheaply than a guest does:
    /// few, each with a literal at its start, and rare in the lines of everyday traffic.
    #[cfg(not(target_family = "wasm"))]
    pub prefilter: &'static [&'static str],
    /// What people are shown of it.
    #[cfg(not(target_family = "wasm"))]
    pub shown: Shown,
    /// What its refusals that name a user always say: a record that holds it and is no event may name one. Empty if that
    /// is not known.
    pub refusal: &'static str,
    /// What its messages always say, each in the parts that follow one another in it; only what no JSON encoder escapes. A
    /// record that holds all of one's and is no event was not understood.
    pub texts: &'static [&'static [&'static str]],
    /// As [`Entry::recognise`].
    pub read: for<'a> fn(&Said<'a>) -> Option<Event<'a>>,
    /// Its limits.
    pub limits: &'static [&'static Limit],
    /// What to do where a flood's cause is known, whatever the limit.
    pub advice: &'static [(Hint, &'static str)],
    /// How the name begins that its program logs under, where another program's log may hold its words at the start of a
    /// line; empty if it may have any name.
    pub program: &'static str,
    /// Whether strangers come to it to guess passwords.
    pub is_guessed: bool,
    /// The built-in rules that count its events, each those of its own scopes.
    pub rules: &'static [&'static str],
    /// The limit whose messages repeat in a flood, if there is one.
    pub repeating: Option<&'static Repeating>,
}

/// Expressions for [`Server::prefilter`] that several servers have, so that a host searches once for all of them.
#[cfg(not(target_family = "wasm"))]
mod prefilters {
    pub(super) const CONNECTION: &str = r"onnection(?:s (?:for (?:role|database) |allowed|exceeded|by zone|are not enough)|s, dry run| slots are res| limit (?:exceeded|reached|\()| (?:concurrency|rate) limit)";
    pub(super) const MANY: &str = "oo many (?:clients|open|incoming|sessions|connections)";
    pub(super) const REACHED: &str = r"reached(?:, new| process FD| system (?:FD|memory)| the configured max| Max| pm\.max| max_ch| its process)";
    pub(super) const PER_USER: &str = "max_(?:user_connections|connections_per_hour)";
}

/// An entry of which no more is known than what its messages say.
macro_rules! server {
    (
        $name:literal, [$($needle:literal),+ $(,)?], $read:path, [$($limit:expr),+ $(,)?], [$($rule:literal),+ $(,)?]
        $(, prefilter: $prefilter:expr)? $(, refusal: $refusal:literal)? $(,)?
    ) => {
        Server {
            name: $name,
            dataset: concat!($name, ".maxconn"),
            needles: &[$($needle),+],
            mark: None,
            #[cfg(not(target_family = "wasm"))]
            prefilter: {
                #[allow(unused_imports)]
                use super::prefilters::*;
                // The first of them.
                let given: &[&[&str]] = &[$(&$prefilter,)? &[]];
                given[0]
            },
            #[cfg(not(target_family = "wasm"))]
            shown: SHOWN,
            refusal: [$($refusal,)? ""][0],
            texts: &[],
            read: $read,
            limits: &[$(&$limit),+],
            advice: &[],
            program: "",
            is_guessed: false,
            rules: &[$($rule),+],
            repeating: None,
        }
    };
}
use server;

impl Entry for &'static Server {
    fn needles(&self) -> Vec<&str> {
        self.needles.to_vec()
    }

    fn mark(&self) -> Option<Mark> {
        self.mark
    }

    fn recognise<'a>(&'a self, said: &Said<'a>) -> Option<Event<'a>> {
        if self.is_strict() && said.message.len() > MESSAGE_MAX {
            return None;
        }
        let event = (self.read)(said);
        // `/usr/sbin/sshd` is one, too.
        let is_another_s = |tag: &str| {
            let name = split_at_last(tag, "/").map_or(tag, |(_, name)| name);
            !name.starts_with(self.program)
        };
        if !self.program.is_empty() && event.is_some() && said.tag().is_some_and(is_another_s) {
            return None;
        }
        event
    }

    fn is_strict(&self) -> bool {
        !core::ptr::eq(*self, &dovecot::SERVER)
    }
}

impl Server {
    /// The limit of that name.
    pub fn limit(&self, name: &str) -> Option<&'static Limit> {
        self.limits.iter().copied().find(|limit| limit.name == name)
    }
}

/// The event that `message` is to the first server that recognises it; as [`Entry::recognise`].
pub fn recognise(message: &str, body: usize) -> Option<Event<'_>> {
    let said = Said::text(message, body);
    SERVERS.iter().find_map(|server| server.recognise(&said))
}

/// The server of that name; patterns of one's own are none.
pub fn named(name: &str) -> Option<&'static Server> {
    // Nearly always it is the very text, so that it need not be compared.
    let is = |server: &&Server| core::ptr::eq(server.name, name) || server.name == name;
    SERVERS.iter().copied().find(is)
}

/// Whether the keys of floods hold the name of an event's module. Those of the first server are older than the others, and stay
/// as they are.
pub fn is_in_keys(module: &str) -> bool {
    module != dovecot::SERVER.name
}

/// `event.dataset` of a module: a server's, or the pattern's own name.
pub fn dataset(module: &str) -> &str {
    named(module).map_or(module, |server| server.dataset)
}

/// What to do about a flood of a module's limit whose cause is likely `hint`. Only of servers it is known what a
/// refusal tells, and which settings there are.
pub fn advice(module: &str, limit: &str, hint: Hint) -> &'static str {
    let known = named(module).and_then(|server| {
        let mut causes = server.advice.iter();
        let cause = causes.find(|(known, _)| *known == hint);
        cause
            .map(|(_, advice)| *advice)
            .or_else(|| Some(server.limit(limit)?.advice))
    });
    known.filter(|advice| !advice.is_empty()).unwrap_or(
        "See which connections are open and what their clients do; raise the limit only if they really need so many.",
    )
}

/// Whether `text` says all that one of a server's messages says, be it one or not.
pub fn holds_known(text: &str) -> bool {
    let mut texts = SERVERS.iter().flat_map(|server| server.texts);
    texts.any(|parts| {
        let behind = |text, part: &&'static str| Some(split_at(text, part)?.1);
        parts.iter().try_fold(text, behind).is_some()
    })
}

/// The same of a record as JSON. Of journald's arrays of bytes no more is told than that a refusal is in them.
pub fn json_holds_known(json: &str) -> bool {
    holds_known(json) || bytes_hold_refusal(json)
}

/// Whether `text` says what a server's refusals say, be it one or not.
pub fn holds_refusal(text: &str) -> bool {
    let mut refusals = SERVERS.iter().map(|server| server.refusal);
    refusals.any(|refusal| !refusal.is_empty() && split_at(text, refusal).is_some())
}

/// The same of a record as JSON: some member says it, as text or, as journald writes some, as an array of bytes.
pub fn json_holds_refusal(json: &str) -> bool {
    holds_refusal(json) || bytes_hold_refusal(json)
}

fn bytes_hold_refusal(json: &str) -> bool {
    let forms = |server: &&Server| byte_array_forms(server.refusal.as_bytes());
    let holds =
        |form: Vec<u8>| core::str::from_utf8(&form).is_ok_and(|it| split_at(json, it).is_some());
    let known = SERVERS.iter().filter(|server| !server.refusal.is_empty());
    known.flat_map(forms).any(holds)
}

/// The length of the tag (`name: `) that most events have at the start of `text`, told without a loop; 0 if it is
/// another.
#[inline(always)]
pub(crate) fn usual_tag_len(text: &[u8]) -> usize {
    dovecot::tag_len(text)
}

/// Whether `text` begins with the name of the server whose tag may stand where others' may not.
pub(crate) fn begins_with_name(text: &[u8]) -> bool {
    dovecot::begins_with_name(text)
}

/// Whether `text` begins with a server's service, whose words follow: it is no tag.
pub(crate) fn begins_with_service(text: &[u8]) -> bool {
    dovecot::begins_with_service(text)
}

/// The same of a service that no other program has the name of.
pub(crate) fn begins_with_own_service(text: &[u8]) -> bool {
    dovecot::begins_with_own_service(text)
}

/// The number of up to 18 digits at the start of `text`, and what follows it.
fn number(text: &str) -> Option<(u64, &str)> {
    let (mut number, mut len) = (0, 0);
    for byte in text.bytes().take(18) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number * 10 + u64::from(digit);
        len += 1;
    }
    match len {
        0 => None,
        _ => Some((number, text.get(len..)?)),
    }
}
