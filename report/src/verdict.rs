//! Says in two sentences what was found and what to do.

use crate::gathered::rest;
use crate::who;
use crate::words::{counted, first_sentence, grouped};
use crate::written::{Flood, Input, Steady};
use crate::zone::Zone;

/// What was found, and what to do.
pub fn verdict(
    input: &Input,
    floods: &[Flood],
    floods_count: u64,
    steady: &[Steady],
    zone: &Zone,
) -> [String; 2] {
    let refusals = counted(input.refusals, "refused connection", "refused connections");
    let lines = counted(input.lines, "record", "records");
    if let Some(largest) = floods.first() {
        let found = who::sentence(largest, zone);
        let found = found.trim_end_matches('.');
        let hint = hint(&largest.cause.hint);
        let more = rest(floods, floods_count).unwrap_or_default();
        let goes_on = match largest.is_open {
            true => "; it still went on at the end",
            false => "",
        };
        return [
            format!("{found}: {hint}{goes_on}{more}."),
            first_sentence(&largest.cause.advice).to_string(),
        ];
    }
    if input.lines == 0 && input.outside_lines > 0 {
        let lines = counted(input.outside_lines, "line", "lines");
        return [
            format!("Nothing was read: none of the {lines} is of the time that is asked for."),
            "Ask for another time, or name the log of this one.".to_string(),
        ];
    }
    if input.lines == 0 {
        return [
            "Nothing was read.".to_string(),
            "Name a log that has lines.".to_string(),
        ];
    }
    if input.untimed > 0 {
        // Nobody knows how many came at a time.
        let untimed = grouped(input.untimed);
        return [
            format!(
                "No flood can be told in {lines}: {refusals}, {untimed} of them without a time that could be read."
            ),
            "Take the log as the server writes it, or say where its times are (time_keys)."
                .to_string(),
        ];
    }
    if let Some(most) = steady.first() {
        let sentence = most.sentence.trim_end_matches('.');
        let hint = hint(&most.hint);
        return [
            format!("No flood in {lines}, but {refusals}: {sentence}: {hint}."),
            first_sentence(&most.advice).to_string(),
        ];
    }
    if input.refusals > 0 {
        return [
            format!("No flood in {lines}: {refusals}, never enough at a time for one."),
            "See below who it was.".to_string(),
        ];
    }
    match input.unrecognised + input.malformed {
        0 => [
            format!("No flood in {lines}: none of them says that a connection limit was reached."),
            "Another log may: `maxconn servers` lists what each server says, and which are silent."
                .to_string(),
        ],
        _ => [
            format!("No flood in {lines}: none could be read as a refused connection."),
            "Some look like one, see what could not be read.".to_string(),
        ],
    }
}

/// A hint in words: `a retry storm`.
fn hint(hint: &str) -> String {
    match hint {
        "" | "unknown" => "the cause is not clear".to_string(),
        "retry-storm" => "a retry storm".to_string(),
        "many-folders" => "a client that opens a connection for each of its folders".to_string(),
        "shared-address" => "many users behind a shared address".to_string(),
        "webmail-or-proxy" => "a webmail or proxy of your own".to_string(),
        "many-addresses" => {
            "one user from many addresses, stolen credentials or roaming".to_string()
        }
        "client-storm" => "a client storm".to_string(),
        "pool-retry" => "an application's pool that retries".to_string(),
        "scan-or-guessing" => "a scan, or password guessing".to_string(),
        "server-full" => "a server that is full".to_string(),
        "undersized" => "less room than is needed".to_string(),
        other => other.replace('-', " "),
    }
}
