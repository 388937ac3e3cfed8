//! The command line of `maxconn generate`.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Amount, Cause, Format, Spec, Wording, write};

/// Write a synthetic incident, the same for the same options on every machine.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  maxconn generate --cause retry-storm --duration 2h | maxconn replay -
  maxconn generate --cause story --output story.log
  maxconn generate --cause normal --lines 1000000 --format json --output normal.ndjson")]
pub struct GenerateArgs {
    /// What the incident comes from.
    #[arg(long, value_enum, default_value = "retry-storm")]
    pub cause: Cause,
    /// How many lines (without this and --duration: 10,000; of the story 9,316,085).
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    pub lines: Option<u64>,
    /// How long the incident lasts in its own time, e.g. 52h.
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    pub duration: Option<i64>,
    /// Lines a second in the incident's own time; of many-folders within a burst.
    #[arg(long, value_name = "N", default_value = "50", value_parser = rate)]
    pub rate: f64,
    /// The share of events among the lines of normal (default 1) and mixed (default 50).
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub events_percent: Option<f64>,
    /// How lines are written (default dovecot; the story rfc3164).
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Which version's wording (default 2.3; the story 2.0).
    #[arg(long, value_enum)]
    pub wording: Option<Wording>,
    /// Without session=<…>, as before Dovecot 2.1.6: lines repeat word for word.
    #[arg(long)]
    pub no_session: bool,
    /// The time of the first line.
    #[arg(long, value_name = "TIME", default_value = "2026-01-01T00:00:00Z", value_parser = time_ms)]
    pub start: i64,
    /// How many users there are.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub users: u64,
    /// Another seed gives other users, addresses and jitter.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Where to write (default: standard output).
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

impl GenerateArgs {
    /// The incident that these options ask for.
    pub fn spec(&self) -> Spec {
        let usual = Spec::of(self.cause);
        let amount = match (self.lines, self.duration) {
            (Some(lines), _) => Amount::Lines(lines),
            (None, Some(ms)) => Amount::DurationMs(ms),
            (None, None) => usual.amount,
        };
        let wording = self.wording.unwrap_or(usual.wording);
        Spec {
            seed: self.seed,
            amount,
            lines_per_second: self.rate,
            events_percent: self.events_percent.unwrap_or(usual.events_percent),
            format: self.format.unwrap_or(usual.format),
            start_ms: self.start,
            users: self.users,
            wording,
            session: usual.session && !self.no_session && wording != Wording::V1_2,
            ..usual
        }
    }
}

/// Runs the command. The error is a sentence.
pub fn run(args: &GenerateArgs) -> Result<(), String> {
    let spec = args.spec();
    let Some(path) = &args.output else {
        return match write(&spec, &mut io::stdout().lock(), |_| ()) {
            // Whoever reads us has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(format!("cannot write to standard output: {error}")),
            Ok(_) => Ok(()),
        };
    };
    let failed = |error: io::Error| {
        format!(
            "cannot write {}: {error}; name another file with --output",
            path.display()
        )
    };
    let mut file = File::create(path).map_err(failed)?;
    let bar = progress_bar();
    let written = write(&spec, &mut file, |done| {
        bar.set_position((done * PARTS) as u64)
    })
    .map_err(failed)?;
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

fn duration_ms(text: &str) -> Result<i64, String> {
    let duration: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "write a duration with units, e.g. 90s, 15m or 52h".to_string())?;
    match i64::try_from(duration.as_millis()) {
        Ok(ms) if ms > 0 => Ok(ms),
        _ => Err("write a duration above nought".to_string()),
    }
}

fn time_ms(text: &str) -> Result<i64, String> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| "write a time with its zone, e.g. 2026-01-01T00:00:00Z".to_string())?;
    Ok(time.as_millisecond())
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e6).contains(&rate) => Ok(rate),
        _ => Err("write a number from 0.001 to 1000000".to_string()),
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("write a number from 0 to 100".to_string()),
    }
}
