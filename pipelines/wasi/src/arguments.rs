//! Reads the command line: the options of `maxconn replay` that make sense without files.

use maxconn_core::engine::{Format, Want};
use maxconn_core::time::{TimeZone, parse_rfc3339};

const HELP: &str = "\
Finds floods of connection-limit messages in mail logs: text or NDJSON on standard input, NDJSON on standard output.

Usage: maxconn.wasm [OPTIONS]

  --config FILE       a configuration as JSON, in a folder that the runtime opened for this module
  --only PART         write only a part: alerts, events (enriched records), changed (both)
  --format FORMAT     how lines are read: auto (the default), text, json
  --path PATH         the file that the input comes from, for log.file.path, log.offset and event.id
  --year YEAR         the year of times that have none [default: the latest that is not later than now]
  --statistics        write a statistics document at the end
  --help, --version

Exit codes: 0 fine, 1 the run failed, 2 the command line or the configuration is wrong.
";

/// What is to be done.
pub enum Task {
    /// Say this, and no more.
    Say(String),
    /// Filter the input.
    Filter(Arguments),
}

/// How the input is filtered.
pub struct Arguments {
    /// The configuration's file.
    pub config: Option<String>,
    /// Which part of the output is written.
    pub want: Want,
    /// How lines are read.
    pub format: Format,
    /// Where the input comes from.
    pub path: Option<String>,
    /// The missing year of a time is the latest in which it is not later than this and a day.
    pub reference_ms: Option<i64>,
    /// Whether statistics are written at the end.
    pub statistics: bool,
}

/// Reads the command line, the program's name left out.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(given: &[String]) -> Result<Task, String> {
    let mut arguments = Arguments {
        config: None,
        want: Want::default(),
        format: Format::Auto,
        path: None,
        reference_ms: None,
        statistics: false,
    };
    let mut given = given.iter();
    while let Some(argument) = given.next() {
        // Both `--only alerts` and `--only=alerts`.
        let (option, joined) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (argument.as_str(), None),
        };
        let mut value = || {
            joined
                .or_else(|| given.next().map(String::as_str))
                .ok_or_else(|| format!("{option} needs a value; see --help"))
        };
        match option {
            "--help" | "-h" => return Ok(Task::Say(HELP.to_string())),
            "--version" | "-V" => {
                return Ok(Task::Say(
                    concat!("maxconn ", env!("CARGO_PKG_VERSION"), "\n").to_string(),
                ));
            }
            "--config" => arguments.config = Some(value()?.to_string()),
            "--path" => arguments.path = Some(value()?.to_string()),
            "--statistics" => arguments.statistics = true,
            "--only" => {
                let part = value()?;
                let (enriched, alerts) = match part {
                    "alerts" => (false, true),
                    "events" => (true, false),
                    "changed" => (true, true),
                    _ => return Err(format!("--only {part}: write alerts, events or changed")),
                };
                arguments.want = Want {
                    records: false,
                    enriched,
                    alerts,
                    views: false,
                    held_back: false,
                    ids: false,
                };
            }
            "--format" => {
                arguments.format = match value()? {
                    "auto" => Format::Auto,
                    "text" => Format::Text,
                    "json" => Format::Json,
                    other => return Err(format!("--format {other}: write auto, text or json")),
                };
            }
            "--year" => {
                let year = value()?;
                arguments.reference_ms = Some(
                    last_of(year)
                        .ok_or_else(|| format!("--year {year}: write a year from 1970 to 9998"))?,
                );
            }
            _ => return Err(format!("{argument}: there is no such option; see --help")),
        }
    }
    Ok(Task::Filter(arguments))
}

/// The time of which all of the year is no more than a day ahead, and nothing of the next.
fn last_of(year: &str) -> Option<i64> {
    let number: u16 = year.parse().ok()?;
    if !(1970..=9998).contains(&number) {
        return None;
    }
    parse_rfc3339(
        format!("{number:04}-12-30T23:59:59Z").as_bytes(),
        &TimeZone::utc(),
    )
}
