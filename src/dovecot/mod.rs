//! Dovecot's connection-limit messages.

use crate::event::Event;

/// Every message that [`recognise`] can recognise contains one of these. Only letters, digits and spaces,
/// which no JSON encoder escapes.
pub const NEEDLES: &[&str] = &[
    "Maximum number of connections",
    "client connections are being dropped",
    "Connection queue full",
    "Remote closed connection",
    "proxy dest connection limit reached",
    "Maximum number of mail processes exceeded",
    "Anvil queries timed out after",
    "lower than required under max",
];

/// The event that `message` is, if it is one. `body` is where the program's own text begins
/// ([`crate::head::Head::body`]).
pub fn recognise<'a>(message: &'a str, body: usize) -> Option<Event<'a>> {
    let _ = message.get(body..)?;
    None
}
