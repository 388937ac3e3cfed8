//! What the outputs know of an alert: which flood it is of, and its fields as text for people and programs.
//!
//! Names in it are chosen by whoever connects. [`fields`] makes them fit for an environment, a journal and a header of a
//! mail: no control character, nothing that turns the direction of writing, and no more than [`FIELD_MAX_BYTES`].

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::printable::printable;

/// A field is no longer than this, in bytes.
const FIELD_MAX_BYTES: usize = 1024;
/// What a field that was cut ends with.
const CUT: &str = "…";

/// What an alert says of its flood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FloodState {
    /// It began. So does what a guest from a file says in words of its own.
    #[default]
    Start,
    /// It goes on.
    Ongoing,
    /// It is over.
    End,
}

/// An alert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// The document, without a newline at its end.
    pub line: Bytes,
    /// The flood's id.
    pub flood: String,
    /// What it says.
    pub state: FloodState,
}

#[derive(Default, Deserialize)]
struct Document {
    #[serde(default)]
    maxconn: Group,
}

#[derive(Default, Deserialize)]
struct Group {
    #[serde(default)]
    flood: Flood,
}

#[derive(Default, Deserialize)]
struct Flood {
    #[serde(default)]
    id: String,
    #[serde(default)]
    state: FloodState,
}

impl Alert {
    /// Reads a document.
    pub fn read(line: &[u8]) -> Alert {
        let document: Document = serde_json::from_slice(line).unwrap_or_default();
        let flood = document.maxconn.flood;
        Alert {
            line: Bytes::copy_from_slice(line),
            flood: flood.id,
            state: flood.state,
        }
    }

    /// All that it says.
    pub fn document(&self) -> Value {
        serde_json::from_slice(&self.line).unwrap_or_default()
    }
}

/// The name of each field and where it is; of several places the first that has it.
#[rustfmt::skip]
const FIELDS: [(&str, &[&str]); 22] = [
    ("STATE", &["/maxconn/flood/state"]),
    ("MESSAGE", &["/message"]),
    ("TIME", &["/@timestamp"]),
    ("START", &["/event/start"]),
    ("SEVERITY", &["/event/severity"]),
    ("LEVEL", &["/log/level"]),
    ("SERVER", &["/event/module"]),
    ("SERVICE", &["/service/name", "/service/type"]),
    ("USER", &["/user/name", "/user/hash"]),
    ("SOURCE", &["/source/ip"]),
    ("HOST", &["/host/name"]),
    ("RULE", &["/rule/name"]),
    ("LIMIT", &["/maxconn/limit/name"]),
    ("KEY", &["/maxconn/flood/key"]),
    ("COUNT", &["/maxconn/flood/count"]),
    ("SUPPRESSED", &["/maxconn/flood/suppressed"]),
    ("RATE", &["/maxconn/flood/rate/mean"]),
    ("CAUSE", &["/maxconn/flood/cause/hint"]),
    ("EVIDENCE", &["/maxconn/flood/cause/evidence"]),
    ("ADVICE", &["/maxconn/flood/cause/advice"]),
    ("FLOOD_ID", &["/maxconn/flood/id"]),
    ("ID", &["/event/id"]),
];

/// Every field of an alert by its name, always the same ones; what the alert does not say is empty.
pub fn fields(document: &Value) -> impl Iterator<Item = (&'static str, String)> {
    FIELDS.iter().map(|(name, places)| {
        let found = places.iter().find_map(|place| document.pointer(place));
        (*name, found.map_or(String::new(), text))
    })
}

/// One field, by its name in [`FIELDS`].
pub fn field(document: &Value, name: &str) -> String {
    let found = fields(document).find(|(it, _)| *it == name);
    found.map_or(String::new(), |(_, value)| value)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => cut(&printable(text), FIELD_MAX_BYTES),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A text of no more bytes than this, cut between two characters.
pub fn cut(text: &str, max_bytes: usize) -> String {
    if text.len() <= max_bytes {
        return text.to_string();
    }
    let end = text.floor_char_boundary(max_bytes - CUT.len());
    format!("{}{CUT}", text.get(..end).unwrap_or_default())
}

/// How urgent an alert is, in the numbers of syslog: warning, error from severity 73, critical from 99; an end informs.
pub fn priority(document: &Value) -> u8 {
    let severity = document.pointer("/event/severity");
    let severity = severity.and_then(Value::as_u64).unwrap_or(0);
    match document.pointer("/maxconn/flood/state") {
        Some(Value::String(state)) if state == "end" => 6,
        _ if severity >= 99 => 2,
        _ if severity >= 73 => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_one_line_of_bounded_text_whatever_a_name_holds() {
        let long = "\u{1F4A3}".repeat(1000);
        for name in [
            "bob\nX: y\r\0\u{1b}[2J\u{202e}",
            &long,
            "",
            "-rf $(x) `x` ' \"",
        ] {
            let document =
                json!({"message": name, "user": {"name": name}, "event": {"severity": 73}});
            for (field, value) in fields(&document) {
                assert!(value.len() <= FIELD_MAX_BYTES, "{field}");
                assert!(!value.chars().any(char::is_control), "{field}: {value}");
                assert!(!value.contains('\u{202e}'));
            }
            assert_eq!(field(&document, "SEVERITY"), "73");
            assert_eq!(field(&document, "HOST"), "");
        }
        let document = json!({"user": {"hash": "ab"}, "service": {"type": "dovecot"}});
        assert_eq!(
            [field(&document, "USER"), field(&document, "SERVICE")],
            ["ab", "dovecot"]
        );
    }

    #[test]
    fn an_alert_is_known_by_its_flood() {
        let alert = Alert::read(
            br#"{"message":"x","maxconn":{"flood":{"id":"7f","state":"end","count":3}}}"#,
        );
        assert_eq!((alert.flood.as_str(), alert.state), ("7f", FloodState::End));
        for odd in [
            "",
            "[]",
            "{\"maxconn\":3}",
            "{\"maxconn\":{\"flood\":{\"state\":\"odd\"}}}",
        ] {
            assert_eq!(Alert::read(odd.as_bytes()).state, FloodState::Start);
        }
    }

    #[test]
    fn priorities_are_those_of_the_severity() {
        for (state, severity, expected) in [
            ("start", 21, 4),
            ("start", 47, 4),
            ("ongoing", 73, 3),
            ("ongoing", 99, 2),
            ("end", 99, 6),
        ] {
            let document =
                json!({"event": {"severity": severity}, "maxconn": {"flood": {"state": state}}});
            assert_eq!(priority(&document), expected);
        }
    }
}
