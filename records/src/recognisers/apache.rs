//! Recognises what Apache's processing modules say when all workers are in use: once each time that the server is started.

use super::words::Words;
use super::{Limit, Said, Server, behind_brackets, server};
use crate::event::{Detail, Event, Scope};

const NAME: &str = "apache";

pub(super) static SERVER: Server = server!(
    "apache",
    [
        "server reached MaxRequestWorkers setting",
        "server reached MaxClients setting",
    ],
    recognise,
    [WORKERS, CLIENTS]
);

const ADVICE: &str = "See who holds the workers (apachectl fullstatus): slow clients and slow back ends hold them longest. Raise MaxRequestWorkers, and ServerLimit with it, if memory allows.";
const WORKERS: Limit = Limit::new("MaxRequestWorkers", Scope::Global)
    .before_auth()
    .advice(ADVICE);
const CLIENTS: Limit = Limit::new("MaxClients", Scope::Global)
    .before_auth()
    .advice(ADVICE);

/// The longest text that an `ErrorLogFormat` puts before a message, in bytes.
const FORMAT_MAX: usize = 128;

/// `[mpm_event:error] [pid 13:tid 13] AH00484: server reached …`. These modules know no client, so that in their lines
/// there is nothing that a client could have chosen.
fn recognise<'a>(said: &Said<'a>) -> Option<Event<'a>> {
    let text = behind_brackets(said.outer().text);
    let text = text.before(", referer").unwrap_or(text);
    let (limit, text) = match text.before(
        "server reached MaxRequestWorkers setting, consider raising the MaxRequestWorkers setting",
    ) {
        Some(text) => (&WORKERS, text),
        None => {
            let said = "server reached MaxClients setting, consider raising the MaxClients setting";
            (&CLIENTS, text.before(said)?)
        }
    };
    let mut event = limit.rare(NAME);
    let mut before = text;
    if let Some(code) = text.before(": ") {
        let at = code.len().checked_sub("AH00484".len())?;
        let code;
        (before, code) = text.get(..text.len() - 2)?.split_at_checked(at)?;
        let digits = code.after("AH")?;
        if !digits.is_digits("") {
            return None;
        }
        event.details.add(Detail::Code, code);
    }
    let is_ours = matches!(before, "" | "[error] ")
        || (before.starts_with("[mpm_")
            && before.len() <= FORMAT_MAX
            && before.is_letters("_:.,+-[] "));
    is_ours.then_some(event)
}
