//! Registers the servers whose limit messages are recognised: one entry each.
//!
//! A server's name, wordings and limits, and what to do about them, are known in its entry and nowhere else. To add
//! one, write a module with its [`Server`] and name that in [`SERVERS`]. Messages of literal words and typed fields are
//! rows of a [`table`]; what is more than that (Dovecot's login lines) has a reader of its own.

mod dovecot;
pub mod table;

use alloc::vec::Vec;

use crate::bytes::split_at;
use crate::event::{Event, Scope};
use crate::named;
use crate::search::byte_array_forms;

/// Every server, in the order in which they are asked.
pub static SERVERS: [&Server; 1] = [&dovecot::SERVER];

/// What recognises messages: a server's entry, or a pattern of one's own.
pub trait Entry {
    /// Texts of which every message that it recognises contains one.
    fn needles(&self) -> Vec<&str>;

    /// The event that `message` is, if it is one. `body` is where the program's own text begins
    /// ([`crate::head::Head::body`]).
    fn recognise<'a>(&'a self, message: &'a str, body: usize) -> Option<Event<'a>>;
}

/// A server.
#[derive(Debug)]
pub struct Server {
    /// Its name: `event.module` and `service.type`.
    pub name: &'static str,
    /// `event.dataset`.
    pub dataset: &'static str,
    /// As [`Entry::needles`]. Only letters, digits and spaces, which no JSON encoder escapes, and none that occurs in
    /// the lines of everyday traffic.
    pub needles: &'static [&'static str],
    /// Regular expressions of which every message contains one, for hosts that search more cheaply than a guest does:
    /// few, each with a literal at its start, and rare in the lines of everyday traffic.
    #[cfg(not(target_family = "wasm"))]
    pub prefilter: &'static [&'static str],
    /// What its refusals that name a user always say: a record that holds it and is no event may name one.
    pub refusal: &'static str,
    /// What its messages always say, each in the parts that follow one another in it; only what no JSON encoder escapes. A
    /// record that holds all of one's and is no event was not understood.
    pub texts: &'static [&'static [&'static str]],
    /// As [`Entry::recognise`].
    pub read: for<'a> fn(&'a str, usize) -> Option<Event<'a>>,
    /// Its limits.
    pub limits: &'static [Limit],
    /// What to do where a flood's cause is known, whatever the limit.
    pub advice: &'static [(Hint, &'static str)],
    /// The limit whose messages repeat in a flood, if there is one.
    pub repeating: Option<Repeating>,
}

/// A limit of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Its name: `event.code` and `maxconn.limit.name`.
    pub name: &'static str,
    /// What it is counted over.
    pub scope: Scope,
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
        /// Nothing of that.
        Unknown = "unknown",
    }
}

impl Hint {
    /// Whether it may be an attack.
    pub fn is_hostile(self) -> bool {
        self == Hint::ManyAddresses
    }
}

impl Entry for &'static Server {
    fn needles(&self) -> Vec<&str> {
        self.needles.to_vec()
    }

    fn recognise<'a>(&'a self, message: &'a str, body: usize) -> Option<Event<'a>> {
        (self.read)(message, body)
    }
}

impl Server {
    /// The limit of that name.
    pub fn limit(&self, name: &str) -> Option<&Limit> {
        self.limits.iter().find(|limit| limit.name == name)
    }
}

impl Limit {
    /// A refusal over it, of which no more is known.
    #[inline(always)]
    fn event<'a>(&self, module: &'static str) -> Event<'a> {
        Event::new(module, self.name, self.scope)
    }
}

/// The event that `message` is to the first server that recognises it; as [`Entry::recognise`].
pub fn recognise(message: &str, body: usize) -> Option<Event<'_>> {
    SERVERS
        .iter()
        .find_map(|server| server.recognise(message, body))
}

/// The server of that name; patterns of one's own are none.
pub fn named(name: &str) -> Option<&'static Server> {
    // Nearly always it is the very text, so that it need not be compared.
    let is = |server: &&Server| core::ptr::eq(server.name, name) || server.name == name;
    SERVERS.iter().copied().find(is)
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
    known.unwrap_or(
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
    SERVERS
        .iter()
        .any(|server| split_at(text, server.refusal).is_some())
}

/// The same of a record as JSON: some member says it, as text or, as journald writes some, as an array of bytes.
pub fn json_holds_refusal(json: &str) -> bool {
    holds_refusal(json) || bytes_hold_refusal(json)
}

fn bytes_hold_refusal(json: &str) -> bool {
    let forms = |server: &&Server| byte_array_forms(server.refusal.as_bytes());
    let holds =
        |form: Vec<u8>| core::str::from_utf8(&form).is_ok_and(|it| split_at(json, it).is_some());
    SERVERS.iter().flat_map(forms).any(holds)
}

/// The length of the tag (`name: `) that most events have at the start of `text`, told without a loop; 0 if it is
/// another.
#[inline(always)]
pub(crate) fn usual_tag_len(text: &[u8]) -> usize {
    dovecot::tag_len(text)
}

/// Whether `text` begins with a server's name, as tags do.
pub(crate) fn begins_with_name(text: &[u8]) -> bool {
    SERVERS.iter().any(|server| {
        text.first() == server.name.as_bytes().first() && text.starts_with(server.name.as_bytes())
    })
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
