//! What the command says while something runs: on standard error, a line each. `maxconn run` says with it when, how grave it is,
//! and what a program would look for as fields.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal, Write as _};
use std::os::fd::AsFd;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

pub use tracing::{error, info, warn};

use crate::printable::{printable, printable_lines};

/// What lines look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// As text; for systemd's journal with priorities and without times, which it has itself.
    #[default]
    Auto,
    /// Time, level, sentence, fields.
    Text,
    /// A JSON object with `@timestamp`, `log.level`, `message`, and the fields below `maxconn`.
    Json,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `maxconn: sentence`, for who has typed the command a moment ago.
    Plain,
    Text {
        has_colours: bool,
    },
    /// `<4>sentence field=value`, see sd-daemon(3).
    Journal,
    Json,
}

/// Has what is said while a command runs written for people who typed it.
pub fn start() {
    begin(Form::Plain);
}

/// Has it written as that of a service. Once only, before anything is said.
pub fn start_service(format: LogFormat) {
    let stderr = io::stderr();
    begin(match format {
        LogFormat::Json => Form::Json,
        LogFormat::Auto if is_journal(&stderr) => Form::Journal,
        LogFormat::Auto | LogFormat::Text => Form::Text {
            has_colours: stderr.is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty()),
        },
    });
}

fn begin(form: Form) {
    // Only a second call fails, and the first one holds.
    let _ = tracing::subscriber::set_global_default(Lines { form });
}

/// Whether systemd's journal reads this stream: it says by which device and inode in `JOURNAL_STREAM`.
fn is_journal(stream: &impl AsFd) -> bool {
    let Ok(stream) = rustix::fs::fstat(stream) else {
        return false;
    };
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    named == format!("{}:{}", stream.st_dev, stream.st_ino)
}

/// Writes each event as a line. There are no spans.
struct Lines {
    form: Form,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("maxconn")
    }

    fn event(&self, event: &Event<'_>) {
        let mut said = Said::default();
        event.record(&mut said);
        #[cfg(test)]
        if crate::sim::is_on() {
            return crate::sim::note(&format!("it says: {}", said.message));
        }
        let line = self
            .form
            .line(*event.metadata().level(), Timestamp::now(), &said);
        // In one call, so that lines of several threads do not mix. Nobody may be reading; then there is nobody to tell.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// What an event says.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Said {
    fn add(&mut self, field: &Field, value: Value) {
        self.fields.push((field.name(), value));
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            _ => self.add(field, format!("{value:?}").into()),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

impl Form {
    fn line(self, level: Level, now: Timestamp, said: &Said) -> String {
        let mut text = match self {
            Form::Plain | Form::Text { .. } => printable_lines(&said.message),
            // A newline would begin another entry.
            Form::Journal | Form::Json => said.message.clone(),
        };
        for (name, value) in &said.fields {
            let value = match value {
                // Quotes tell where it ends.
                Value::String(it) if it.is_empty() || it.contains([' ', '"', '=']) => {
                    format!("{it:?}")
                }
                Value::String(it) => it.clone(),
                value => value.to_string(),
            };
            // Writing to a String can't fail.
            let _ = write!(text, " {name}={}", printable(&value));
        }
        match self {
            Form::Plain => format!("maxconn: {text}\n"),
            Form::Text { has_colours } => {
                let (name, code) = match level {
                    Level::ERROR => ("ERROR", "31"),
                    Level::WARN => (" WARN", "33"),
                    _ => (" INFO", "32"),
                };
                let name = match has_colours {
                    true => format!("\x1b[{code}m{name}\x1b[0m"),
                    false => name.to_string(),
                };
                format!("{now:.3} {name} {text}\n")
            }
            Form::Journal => {
                let priority = match level {
                    Level::ERROR => 3,
                    Level::WARN => 4,
                    _ => 6,
                };
                format!("<{priority}>{}\n", printable(&text))
            }
            Form::Json => {
                let fields: Map<String, Value> = said
                    .fields
                    .iter()
                    .map(|(name, value)| ((*name).to_string(), value.clone()))
                    .collect();
                let mut document = serde_json::json!({
                    "@timestamp": format!("{now:.3}"),
                    "log.level": level.as_str().to_ascii_lowercase(),
                    "message": said.message,
                });
                if !fields.is_empty() {
                    document["maxconn"] = fields.into();
                }
                format!("{document}\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_what_its_reader_needs_and_no_line_is_two() {
        let said = Said {
            message: "it failed:\na\u{1b}[2Jb".to_string(),
            fields: vec![
                ("output", "http://127.0.0.1:1".into()),
                ("why", "two words\n".into()),
                ("age_s", 7.into()),
            ],
        };
        let now: Timestamp = "2026-01-05T02:00:00.123456Z".parse().unwrap();
        let fields = "output=http://127.0.0.1:1 why=\"two words\\n\" age_s=7";
        for (form, line) in [
            (Form::Plain, format!("maxconn: it failed:\na\\u{{1b}}[2Jb {fields}\n")),
            (
                Form::Text { has_colours: false },
                format!("2026-01-05T02:00:00.123Z  WARN it failed:\na\\u{{1b}}[2Jb {fields}\n"),
            ),
            (
                Form::Journal,
                format!("<4>it failed:\\u{{a}}a\\u{{1b}}[2Jb {fields}\n"),
            ),
            (
                Form::Json,
                "{\"@timestamp\":\"2026-01-05T02:00:00.123Z\",\"log.level\":\"warn\",\"maxconn\":{\"age_s\":7,\
                 \"output\":\"http://127.0.0.1:1\",\"why\":\"two words\\n\"},\"message\":\"it failed:\\na\\u001b[2Jb\"}\n"
                    .to_string(),
            ),
        ] {
            assert_eq!(form.line(Level::WARN, now, &said), line);
        }
    }
}
