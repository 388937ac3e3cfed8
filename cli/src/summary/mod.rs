//! Sums a replay up from the alerts and statistics that the guest emitted, never from the records.

mod text;

use std::io::{self, IsTerminal, Write};

use memchr::memmem;
use serde_json::{Value, json};

use crate::config::Uncounted;

/// So many floods are told in full, the largest first; the rest is counted.
const FLOODS_MAX: usize = 10;
/// What marks a flood's first and last alert. No text inside a document can look like it: there, quotes
/// have a backslash before them.
const START: &[u8] = br#""action":"connection-limit-flood-start""#;
const END: &[u8] = br#""action":"connection-limit-flood-end""#;

/// How the summary is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Summary {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for programs.
    Json,
    /// Not at all.
    None,
}

/// What was gathered for the summary; bounded, whatever the number of alerts.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The `end` alerts of the largest floods, the largest first.
    floods: Vec<Flood>,
    starts: u64,
    ends: u64,
    /// What the floods that are not told have in common: how many events they are.
    rest_events: u64,
    statistics: Value,
    /// Lines that were too long and came in pieces.
    pub cut_lines: u64,
    /// A signal ended the replay before its end.
    pub stopped: bool,
    /// Patterns whose events no rule counts.
    uncounted: Vec<Uncounted>,
    /// Inputs that were named before.
    twice: Vec<String>,
}

#[derive(Debug)]
struct Flood {
    count: u64,
    alert: Value,
}

impl Gathered {
    /// Nothing yet. The patterns `uncounted` have events that no rule counts, and the inputs `twice` were named before.
    pub fn new(uncounted: Vec<Uncounted>, twice: Vec<String>) -> Gathered {
        Gathered {
            uncounted,
            twice,
            ..Gathered::default()
        }
    }

    /// Notes an alert.
    pub fn alert(&mut self, alert: &[u8]) {
        if memmem::find(alert, START).is_some() {
            self.starts += 1;
        } else if memmem::find(alert, END).is_some() {
            self.ends += 1;
            let alert: Value = serde_json::from_slice(alert).unwrap_or_default();
            let count = alert
                .pointer("/maxconn/flood/count")
                .and_then(Value::as_u64)
                .unwrap_or(0);
            // Before all smaller ones: equals stay in their order.
            let at = self.floods.partition_point(|flood| flood.count >= count);
            self.floods.insert(at, Flood { count, alert });
            if self.floods.len() > FLOODS_MAX {
                self.rest_events += self.floods.pop().map_or(0, |flood| flood.count);
            }
        }
    }

    /// Notes the statistics; the last ones count.
    pub fn statistics(&mut self, document: &[u8]) {
        let document: Value = serde_json::from_slice(document).unwrap_or_default();
        self.statistics = document
            .pointer("/maxconn/statistics")
            .cloned()
            .unwrap_or_default();
    }

    /// How many floods began so far.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// How many records the guest took.
    pub fn records(&self) -> u64 {
        self.number("/records")
    }

    /// Writes the summary.
    ///
    /// # Errors
    /// As the system says.
    pub fn write(&self, form: Summary, out: &mut (impl Write + IsTerminal)) -> io::Result<()> {
        match form {
            Summary::None => Ok(()),
            Summary::Json => writeln!(out, "{}", self.to_json()),
            Summary::Text => {
                let colours = out.is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
                out.write_all(text::write(self, colours).as_bytes())
            }
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "floods_count": self.ends,
            "floods": self.floods.iter().map(|flood| &flood.alert).collect::<Vec<_>>(),
            "floods_more": self.ends - self.floods.len() as u64,
            "statistics": self.statistics,
            "cut_lines": self.cut_lines,
            "stopped": self.stopped,
        })
    }

    /// A number of the statistics.
    fn number(&self, pointer: &str) -> u64 {
        self.statistics
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(count: u64, key: &str) -> Vec<u8> {
        let document = json!({
            "event": {"action": "connection-limit-flood-end"},
            "maxconn": {"flood": {"count": count, "key": key}},
        });
        document.to_string().into_bytes()
    }

    #[test]
    fn the_largest_floods_are_kept_and_the_rest_is_counted() {
        let mut gathered = Gathered::default();
        for count in [5, 1, 7, 7, 3, 9, 2, 8, 6, 4, 10, 11] {
            gathered.alert(&end(count, "key"));
        }
        let counts: Vec<u64> = gathered.floods.iter().map(|flood| flood.count).collect();
        assert_eq!(counts, [11, 10, 9, 8, 7, 7, 6, 5, 4, 3]);
        assert_eq!((gathered.ends, gathered.rest_events), (12, 3));
    }

    #[test]
    fn a_message_that_quotes_an_alert_is_not_one() {
        let mut gathered = Gathered::default();
        let fake = r#""action":"connection-limit-flood-end""#;
        gathered.alert(
            json!({"event": {"action": "connection-limit-flood-ongoing"}, "message": fake})
                .to_string()
                .as_bytes(),
        );
        assert_eq!((gathered.starts, gathered.ends), (0, 0));
    }

    #[test]
    fn json_says_what_there_is() {
        let mut gathered = Gathered::default();
        gathered.alert(&end(31, "imap-login alice"));
        gathered.statistics(br#"{"maxconn":{"statistics":{"records":40}}}"#);
        let summary = gathered.to_json();
        assert_eq!(summary["floods"][0]["maxconn"]["flood"]["count"], 31);
        assert_eq!(summary["statistics"]["records"], 40);
        assert_eq!(
            (&summary["floods_more"], &summary["stopped"]),
            (&json!(0), &json!(false))
        );
    }
}
