//! The command line of `maxconn generate`.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;
use indicatif::{ProgressBar, ProgressStyle};
use maxconn_core::recognisers::{self, SERVER_NAMES};

use super::{Amount, Cause, Format, Spec, Wording, write};

/// The share of events among a server's lines, unless it is given.
const OF_SERVER_PERCENT: f64 = 90.0;

/// Write a synthetic incident, the same for the same options on every machine.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  maxconn generate --cause retry-storm --duration 2h | maxconn replay -
  maxconn generate --cause story --output story.log
  maxconn generate --server postgresql --format journald | maxconn replay -
  maxconn generate --cause normal --lines 1000000 --format json --output normal.ndjson")]
pub struct GenerateArgs {
    /// The server, of those that `maxconn servers` lists, in its own words, with names among them that try to forge messages.
    /// Without it Dovecot, and the options that are its alone: --cause, --wording, --no-session.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(SERVER_NAMES), hide_possible_values = true)]
    #[arg(conflicts_with_all = ["cause", "wording", "no_session"])]
    server: Option<String>,
    /// What the incident comes from.
    #[arg(long, value_enum, default_value = "retry-storm")]
    cause: Cause,
    /// How many lines (without this and --duration: 10,000; of the story 9,316,085).
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    lines: Option<u64>,
    /// How long the incident lasts in its own time, e.g. 52h.
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    duration: Option<i64>,
    /// Lines a second in the incident's own time; of many-folders within a burst.
    #[arg(long, value_name = "N", default_value = "50", value_parser = rate)]
    rate: f64,
    /// The share of events among the lines of normal (default 1), mixed (default 50) and of --server (default 90).
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    events_percent: Option<f64>,
    /// How lines are written (default: as in the server's own log, which is called dovecot or own; the story rfc3164).
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Which version's wording (default 2.3; the story 2.0).
    #[arg(long, value_enum)]
    wording: Option<Wording>,
    /// Without session=<…>, as before Dovecot 2.1.6: lines repeat word for word.
    #[arg(long)]
    no_session: bool,
    /// The time of the first line.
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = time_ms)]
    start: i64,
    /// How many users there are.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    users: u64,
    /// Another seed gives other users, addresses and jitter.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Where to write (default: standard output).
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Why an incident is not written.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Standard output fails.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// The file fails.
    #[error("cannot write {file}: {1}; name another file with --output", file = .0.display())]
    File(PathBuf, io::Error),
}

impl GenerateArgs {
    /// The incident that these options ask for.
    fn spec(&self) -> Spec {
        let usual = Spec::of(self.cause);
        let named = self.server.as_deref().and_then(recognisers::named);
        let server = named.map(|server| server.name);
        let events_percent = server.map_or(usual.events_percent, |_| OF_SERVER_PERCENT);
        let wording = self.wording.unwrap_or(usual.wording);
        let lines = self.lines.map(Amount::Lines);
        Spec {
            seed: self.seed,
            amount: lines
                .or(self.duration.map(Amount::DurationMs))
                .unwrap_or(usual.amount),
            lines_per_second: self.rate,
            server,
            events_percent: self.events_percent.unwrap_or(events_percent),
            format: self.format.unwrap_or(usual.format),
            start_ms: self.start,
            users: self.users,
            wording,
            session: usual.session && !self.no_session && wording != Wording::V1_2,
            ..usual
        }
    }

    /// Runs the command.
    pub fn run(&self) -> Result<(), GenerateError> {
        let spec = self.spec();
        let Some(path) = &self.output else {
            return match write(&spec, &mut io::stdout().lock(), |_| ()) {
                // Whoever reads us has seen enough, as `head` does.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    Err(GenerateError::Stdout(error))
                }
                _ => Ok(()),
            };
        };
        let bar = progress_bar();
        let progress = |done| bar.set_position((done * PARTS) as u64);
        let written = File::create(path)
            .and_then(|mut file| write(&spec, &mut file, progress))
            .map_err(|error| GenerateError::File(path.clone(), error))?;
        bar.finish_and_clear();
        // That nobody hears this is no reason to fail: the file is there.
        let _ = writeln!(
            io::stderr(),
            "{}: {} lines, {:.1} MB",
            path.display(),
            written.lines,
            written.bytes as f64 / 1e6
        );
        Ok(())
    }
}

/// Into so many parts a progress bar is divided.
const PARTS: f64 = 10_000.0;

/// A bar on a terminal, else nothing.
fn progress_bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(PARTS as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent} %, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// What is wrong with an option's value.
#[derive(Debug, thiserror::Error)]
enum ValueError {
    #[error("write a duration with units, e.g. 90s, 15m or 52h")]
    NotADuration,
    #[error("write a duration above nought")]
    NoDuration,
    #[error("write a time with its zone, e.g. 2026-01-01T00:00:00Z")]
    NotATime,
    #[error("write a number from {0} to {1}")]
    NotWithin(f64, f64),
}

fn duration_ms(text: &str) -> Result<i64, ValueError> {
    let duration: jiff::SignedDuration = text.parse().map_err(|_| ValueError::NotADuration)?;
    let ms = i64::try_from(duration.as_millis()).ok();
    ms.filter(|ms| *ms > 0).ok_or(ValueError::NoDuration)
}

fn time_ms(text: &str) -> Result<i64, ValueError> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(jiff::Timestamp::as_millisecond)
        .map_err(|_| ValueError::NotATime)
}

fn rate(text: &str) -> Result<f64, ValueError> {
    within(text, 0.001, 1e6)
}

fn percent(text: &str) -> Result<f64, ValueError> {
    within(text, 0.0, 100.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, ValueError> {
    let number = text.parse().ok();
    number
        .filter(|number| (least..=most).contains(number))
        .ok_or(ValueError::NotWithin(least, most))
}
