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
mod samba;
#[cfg(not(target_family = "wasm"))]
mod shown;
mod systemd;
pub mod table;
mod vsftpd;
mod words;
mod xinetd;

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::cell::OnceCell;

use crate::bytes::{split_at, split_at_last};
use crate::event::{Class, Event, Scope, Stage};
use crate::head::{Outer, outer};
use crate::json::string::decode;
use crate::named;
use crate::record::{Unescaped, member};
use crate::search::{Mark, byte_array_forms};
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

/// Where parsers put the name of the program that they take out of a head, the last one that is there first.
const TAGS: &str = "syslog.appname syslog.identifier log.syslog.appname process.name appname programname program ident SYSLOG_IDENTIFIER ";

/// How often a message may have another reading: JSON behind a tag.
pub const READINGS_MAX: usize = 2;

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

/// A message, and what it came in.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// The whole of it.
    pub message: &'a str,
    /// Where the program's own text begins ([`crate::head::Head::body`]).
    pub body: usize,
    /// The record, if it is JSON.
    pub json: Option<&'a [u8]>,
    /// Where names can be kept that stand escaped in it.
    pub unescaped: Option<&'a Unescaped>,
    /// The message begins with a program's tag.
    is_tagged: bool,
    /// As [`Said::outer`]: many entries ask for it.
    outer: OnceCell<Outer<'a>>,
}

impl<'a> Said<'a> {
    /// A message of which no more is known.
    pub fn text(message: &'a str, body: usize) -> Said<'a> {
        Said {
            message,
            body,
            json: None,
            unescaped: None,
            is_tagged: false,
            outer: OnceCell::new(),
        }
    }

    /// The same in a record.
    pub fn within(self, json: Option<&'a [u8]>, unescaped: &'a Unescaped) -> Said<'a> {
        Said {
            json,
            unescaped: Some(unescaped),
            ..self
        }
    }

    /// As [`member`], of its record.
    #[inline(never)]
    pub fn member(&self, path: &str) -> Option<&'a str> {
        member(self.json?, path)
    }

    /// Another reading of a message that is none of an event as it is: a record that is the text of another, as a program writes it
    /// that logs JSON to a container's output or to syslog; or a tag and what follows it, of which a parser took time and host.
    #[inline(never)]
    pub fn other(&self) -> Option<Said<'a>> {
        let text = self.outer().text;
        if !text.starts_with('{') {
            let host = self.member("hostname").or_else(|| self.member("host"));
            let is_split = host.is_some() && self.tag().is_none();
            return is_split.then(|| Said {
                json: self.json,
                unescaped: self.unescaped,
                is_tagged: true,
                ..Said::text(self.message, self.body)
            });
        }
        let mut keys = ["msg", "message"].iter();
        let message = keys.find_map(|key| member(text.as_bytes(), key))?;
        let message = match decode(message.as_bytes()) {
            Cow::Borrowed(message) => message,
            Cow::Owned(message) => self.unescaped?.message.get_or_init(|| message),
        };
        Some(Said {
            json: Some(text.as_bytes()),
            unescaped: self.unescaped,
            ..Said::text(message, 0)
        })
    }

    /// The program that says it, as it calls itself, as the head has it or as a parser has taken it out of there.
    #[inline(never)]
    pub fn tag(&self) -> Option<&'a str> {
        let mut found = None;
        // Not an array: a loop over one is unrolled.
        let mut paths = TAGS;
        while let Some((path, rest)) = split_at(paths, " ") {
            found = self.member(path).or(found);
            paths = rest;
        }
        self.outer().tag.or(found)
    }

    /// What follows the head, without what daemons, editors and terminals leave at its end.
    pub fn body(&self) -> &'a str {
        without_end(self.message.get(self.body..).unwrap_or_default())
    }

    /// What others have put before the program's line, and that line, without what they leave at its end.
    #[inline(never)]
    pub fn outer(&self) -> &Outer<'a> {
        self.outer.get_or_init(|| {
            let mut outer = outer(self.message, self.is_tagged);
            outer.text = without_end(outer.text);
            outer
        })
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

impl Limit {
    /// A refusal over a limit that is counted over `scope`.
    const fn new(name: &'static str, scope: Scope) -> Limit {
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
    const fn before_auth(self) -> Limit {
        Limit {
            stage: Some(Stage::BeforeAuth),
            ..self
        }
    }

    /// The same when it is known who the client is.
    const fn after_auth(self) -> Limit {
        Limit {
            stage: Some(Stage::AfterAuth),
            ..self
        }
    }

    /// The same in messages about something else.
    const fn about(self, class: Class) -> Limit {
        Limit { class, ..self }
    }

    /// The same in summaries, each of all since the server began to refuse.
    const fn totals(self) -> Limit {
        Limit {
            is_total: true,
            ..self.about(Class::Summary)
        }
    }

    /// The same with what to do about it.
    const fn advice(self, advice: &'static str) -> Limit {
        Limit { advice, ..self }
    }

    /// As [`Self::event`], for those that nothing waits for.
    #[inline(never)]
    fn rare<'a>(&self, module: &'static str) -> Event<'a> {
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

/// The line without what daemons, editors and terminals leave at its end.
#[inline]
fn without_end(text: &str) -> &str {
    let mut line = text.as_bytes();
    loop {
        line = match line {
            [before @ .., b'\n' | b'\r' | b' ' | b'\t'] => before,
            [before @ .., b'#', b'0', b'1', b'1' | b'2' | b'5'] => before,
            [before @ .., 0x1b, b'[', b'0', b'm'] => before,
            _ => break,
        };
    }
    text.get(..line.len()).unwrap_or(text)
}
