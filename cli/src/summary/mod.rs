//! Sums a replay up from what the guest emitted: alerts, statistics, and the events that go on.

mod floods;
mod outside;
mod text;
mod unrecognised;

use std::io::{self, IsTerminal, Write};

use maxconn_core::config::Network;
use memchr::memmem;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Uncounted;
use crate::zone::Zone;
use floods::Floods;
use maxconn_report::event::Event;
use maxconn_report::steady::Steady;

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

/// What is known before anything is read.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// How the summary is written.
    pub form: Summary,
    /// Patterns whose events no rule counts.
    pub uncounted: Vec<Uncounted>,
    /// Inputs that were named before.
    pub twice: Vec<String>,
    /// Networks that are our own.
    pub trusted: Vec<Network>,
    /// Times are shown in it.
    pub zone: Zone,
}

/// What was gathered for the summary; bounded, whatever the number of alerts and events.
#[derive(Debug, Default)]
pub struct Gathered {
    known: Known,
    floods: Floods,
    starts: u64,
    steady: Steady,
    statistics: Value,
    /// Lines that were too long and came in pieces.
    pub cut_lines: u64,
    /// A signal ended the replay before its end.
    pub stopped: bool,
    /// Inputs that could not be read, or not to their end.
    pub unread: Vec<String>,
    /// Inputs without a line.
    pub empty: Vec<String>,
}

impl Gathered {
    /// Nothing yet.
    pub fn new(known: Known) -> Gathered {
        Gathered {
            steady: Steady::new(known.trusted.clone()),
            known,
            ..Gathered::default()
        }
    }

    /// Notes an alert.
    pub fn alert(&mut self, alert: &[u8]) {
        if memmem::find(alert, START).is_some() {
            self.starts += 1;
            self.steady
                .flood(&serde_json::from_slice(alert).unwrap_or_default());
        } else if memmem::find(alert, END).is_some() {
            self.floods.end(alert, self.known.form);
        }
    }

    /// Notes events that go on, one a line.
    pub fn events(&mut self, lines: &[u8]) {
        if self.known.form != Summary::None {
            let lines = lines.split(|byte| *byte == b'\n');
            lines
                .filter(|it| !it.is_empty())
                .for_each(|line| self.steady.event(Event::read(line).as_ref()));
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
            Summary::Json => writeln!(out, "{}", self.to_json()?),
            Summary::Text => {
                let colours = out.is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
                out.write_all(text::write(self, colours).as_bytes())
            }
        }
    }

    fn to_json(&self) -> io::Result<String> {
        let alerts = self.floods.told();
        let alerts: Result<Vec<&RawValue>, _> = alerts
            .iter()
            .map(|flood| serde_json::from_slice(&flood.alert))
            .collect();
        let all = Written {
            floods_count: self.floods.ends,
            floods: alerts?,
            floods_more: self.floods.more(),
            outside_of_floods: self.steady.to_json(),
            statistics: &self.statistics,
            cut_lines: self.cut_lines,
            unread: &self.unread,
            empty: &self.empty,
            stopped: self.stopped,
        };
        Ok(serde_json::to_string(&all)?)
    }

    /// A number of the statistics.
    fn number(&self, pointer: &str) -> u64 {
        self.statistics
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    }
}

/// The summary for programs.
#[derive(Serialize)]
struct Written<'a> {
    floods_count: u64,
    floods: Vec<&'a RawValue>,
    floods_more: u64,
    outside_of_floods: Value,
    statistics: &'a Value,
    cut_lines: u64,
    unread: &'a [String],
    empty: &'a [String],
    stopped: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn end(count: u64, key: &str) -> Vec<u8> {
        let document = json!({
            "event": {"action": "connection-limit-flood-end"},
            "maxconn": {"flood": {"count": count, "key": key}},
        });
        document.to_string().into_bytes()
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
        assert_eq!((gathered.starts, gathered.floods.ends), (0, 0));
    }

    #[test]
    fn json_says_what_there_is() {
        let mut gathered = Gathered::default();
        gathered.alert(&end(31, "imap-login alice"));
        gathered.statistics(br#"{"maxconn":{"statistics":{"records":40}}}"#);
        let summary: Value = serde_json::from_str(&gathered.to_json().unwrap()).unwrap();
        assert_eq!(summary["floods"][0]["maxconn"]["flood"]["count"], 31);
        assert_eq!(summary["statistics"]["records"], 40);
        assert_eq!(
            (&summary["floods_more"], &summary["stopped"]),
            (&json!(0), &json!(false))
        );
    }
}
