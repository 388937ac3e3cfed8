//! Why a record that says what a refusal says could not be read, and what helps.

use maxconn_core::recognisers::holds_known;
use serde_json::Value;

use crate::printable::printable;

/// So much of such a record is shown, in characters.
const SHOWN_CHARS_MAX: usize = 240;

/// Sentences about a record: why, what helps, and what it looks like.
pub(super) fn why(record: &str) -> String {
    let json = serde_json::from_str::<Value>(record).ok();
    let place = json.as_ref().and_then(|json| place_of(json, String::new()));
    let why = match place.as_deref() {
        Some("message" | "log" | "MESSAGE" | "msg") => HEAD.to_string(),
        Some(place) => format!(
            "Its message is in {place}, which message_keys in the configuration does not name: add it there."
        ),
        None if record.trim_end().ends_with("Time(s)") => {
            "It is a line of logwatch's: name the log that it was made of.".to_string()
        }
        None if record.contains("message repeated ") => {
            "It says how often the record before it came, which is no refusal, or not in the same file.".to_string()
        }
        None => HEAD.to_string(),
    };
    let shown: String = record.chars().take(SHOWN_CHARS_MAX).collect();
    let more = match shown.len() < record.len() {
        true => "…",
        false => "",
    };
    format!("{why} The first is: {}{more}", printable(&shown))
}

const HEAD: &str = "What stands before the message is in no form that is known, or a user is named like that. Take the records \
                    of the journal, if there is one (journalctl -o json -u dovecot | maxconn replay -), or the file that \
                    syslog wrote.";

/// The member that says it, its keys joined by dots.
fn place_of(json: &Value, place: String) -> Option<String> {
    match json {
        Value::String(text) => holds_known(text).then_some(place),
        Value::Object(members) => members.iter().find_map(|(key, value)| {
            let dot = if place.is_empty() { "" } else { "." };
            place_of(value, format!("{place}{dot}{key}"))
        }),
        Value::Array(values) => values.iter().find_map(|it| place_of(it, place.clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSAL: &str =
        "imap-login: Maximum number of connections from user+IP exceeded: user=<a>, rip=192.0.2.7";

    #[test]
    fn the_reason_is_told_where_it_can_be() {
        let cases = [
            ("[x] …", "What stands before the message is in no form"),
            (
                r#"{"a":{"text":"…"}}"#,
                "Its message is in a.text, which message_keys",
            ),
            (
                r#"{"message":"[x] …"}"#,
                "What stands before the message is in no form",
            ),
            (
                "Jan  1 00:00:00 mail last message repeated 3 times",
                "It says how often",
            ),
            ("  …: 1403 Time(s)", "It is a line of logwatch's"),
            (r#"{"a":{"text":"…"#, "What stands before"),
        ];
        for (record, reason) in cases {
            let told = why(&record.replace('…', REFUSAL));
            assert!(told.starts_with(reason), "{told}");
            assert!(told.contains(" The first is: "), "{told}");
        }
        let long = why(&"\x1b".repeat(1_000));
        assert!(long.ends_with('…') && !long.contains('\x1b'), "{long}");
    }
}
