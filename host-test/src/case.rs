//! Cases: `testdata/cases/NAME.toml` says what goes in, `NAME.ndjson` what must come out.

use std::fs;
use std::path::{Path, PathBuf};

use maxconn_core::engine::{Format, Source};
use maxconn_core::time;
use test_support::refusal;
use toml::{Table, Value};

use crate::Error;

/// One thing that happens to the plugin.
#[derive(Clone, Debug)]
pub enum Step {
    /// Records arrive, one a line.
    Lines(String),
    /// Time goes on.
    Tick(i64),
    /// The state moves to another instance.
    Restart,
    /// Statistics are asked for.
    Statistics,
    /// The input ends, at the time of its last line if that is known.
    Finish(Option<i64>),
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of its files.
    pub name: String,
    /// What it shows.
    pub why: String,
    /// The configuration as JSON, if it has one.
    pub config: Option<String>,
    /// The configuration is inside the module already: drivers give none.
    pub is_baked: bool,
    /// Where its records come from.
    pub source: Source,
    /// Whether bytes are at known positions in the source.
    pub has_offsets: bool,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// Where the expected output is.
    pub expected: PathBuf,
}

impl Case {
    /// The configuration that a driver gives its guest.
    pub fn given_config(&self) -> Option<&str> {
        self.config.as_deref().filter(|_| !self.is_baked)
    }
}

/// The folder of the test data.
pub fn testdata() -> PathBuf {
    test_support::data::path("testdata")
}

/// Every case, by name.
pub fn all() -> Result<Vec<Case>, Error> {
    let entries = fs::read_dir(testdata().join("cases"))?.flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "toml"));
    paths.sort();
    let named =
        |path: &PathBuf| read(path).map_err(|error| format!("{}: {error}", path.display()).into());
    paths.iter().map(named).collect()
}

fn read(path: &Path) -> Result<Case, Error> {
    let table: Table = fs::read_to_string(path)?.parse()?;
    for key in table.keys() {
        let known = "why, config, path, reference, format, offsets, step";
        if !known.split(", ").any(|it| it == key) {
            return Err(format!("{key}: no such key; a case has {known}").into());
        }
    }
    let text = |key: &str| table.get(key).and_then(Value::as_str);
    let config = table.get("config").map(serde_json::to_string).transpose()?;
    let format = match text("format") {
        Some("text") => Format::Text,
        Some("json") => Format::Json,
        _ => Format::Auto,
    };
    let reference_ms = text("reference").map(instant).transpose()?;
    let steps = table
        .get("step")
        .and_then(Value::as_array)
        .ok_or("step: a case needs at least one [[step]]")?;
    Ok(Case {
        name: path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into(),
        why: text("why").ok_or("why: say what the case shows")?.into(),
        config,
        is_baked: false,
        source: Source {
            path: text("path").map(str::to_string),
            reference_ms,
            clock_ms: None,
            format,
            stream: 0,
        },
        has_offsets: table.get("offsets").and_then(Value::as_bool) == Some(true),
        steps: steps.iter().map(step).collect::<Result<_, _>>()?,
        expected: path.with_extension("ndjson"),
    })
}

fn step(value: &Value) -> Result<Step, Error> {
    let step = value.as_table().ok_or("step: each is a table")?;
    let (kind, value) = step.iter().next().ok_or("step: it is empty")?;
    match (kind.as_str(), value) {
        ("lines", Value::String(lines)) => Ok(Step::Lines(lines.clone())),
        ("file", Value::String(file)) => Ok(Step::Lines(
            String::from_utf8_lossy(&fs::read(testdata().join(file))?).into_owned(),
        )),
        ("repeat", Value::Table(repeat)) => repeated(repeat),
        ("refused", Value::String(refused)) => refusals(refused),
        ("tick", Value::String(at)) => Ok(Step::Tick(instant(at)?)),
        ("finish", Value::String(at)) => Ok(Step::Finish(Some(instant(at)?))),
        ("finish", Value::Boolean(true)) => Ok(Step::Finish(None)),
        ("restart", Value::Boolean(true)) => Ok(Step::Restart),
        ("statistics", Value::Boolean(true)) => Ok(Step::Statistics),
        _ => Err(format!(
            "step: {kind} is none; there are lines, file, repeat, refused, tick, finish, restart, statistics"
        )
        .into()),
    }
}

/// `line`, `count` times: `{time}` is `start` and goes on by `every_ms`, `{n}` counts from 1, and `{cycle}` too, but
/// from 1 again after `cycle`.
fn repeated(repeat: &Table) -> Result<Step, Error> {
    let number = |key: &str| repeat.get(key).and_then(Value::as_integer);
    let text = |key: &str| {
        let text = repeat.get(key).and_then(Value::as_str);
        text.ok_or_else(|| format!("repeat.{key}: it is missing"))
    };
    let (line, start_ms) = (text("line")?, instant(text("start")?)?);
    let count = number("count").ok_or("repeat.count: it is missing")?;
    let (every_ms, cycle) = (
        number("every_ms").unwrap_or(1_000),
        number("cycle").unwrap_or(count).max(1),
    );
    let mut lines = String::new();
    for n in 0..count {
        lines += &line
            .replace("{time}", &stamp(start_ms + n * every_ms))
            .replace("{n}", &(n + 1).to_string())
            .replace("{cycle}", &(n % cycle + 1).to_string());
        lines.push('\n');
    }
    Ok(Step::Lines(lines))
}

/// Refusals of users at seconds from 2026-01-01T12:00:00Z: `alice 0 1 2..9 86400x3 - ; bob 5`. `A..B` is one a second, `xN` the
/// same line so many times, `-` a line without a time.
fn refusals(text: &str) -> Result<Step, Error> {
    let mut lines = String::new();
    for part in text.split(';') {
        let mut words = part.split_whitespace();
        let user = words.next().ok_or("refused: a part begins with a user")?;
        for word in words {
            let (times, copies) = word.split_once('x').unwrap_or((word, "1"));
            let (first, last) = times.split_once("..").unwrap_or((times, times));
            if word == "-" {
                lines += &format!("dovecot: {}\n", refusal::message(user, "203.0.113.7"));
                continue;
            }
            for second in first.parse::<i64>()?..=last.parse()? {
                let stamp = stamp(instant("2026-01-01T12:00:00Z")? + second * 1_000);
                let line = refusal::line(&stamp, user, "203.0.113.7");
                lines += &line.repeat(copies.parse()?);
            }
        }
    }
    Ok(Step::Lines(lines))
}

/// A time as text, by RFC 3339.
pub fn stamp(time_ms: i64) -> String {
    let mut stamp = Vec::new();
    time::write_rfc3339_ms(time_ms, &mut stamp);
    String::from_utf8_lossy(&stamp).into_owned()
}

fn instant(text: &str) -> Result<i64, Error> {
    time::parse_rfc3339(text.as_bytes(), &time::TimeZone::utc())
        .ok_or_else(|| format!("{text}: it is no time; write it as 2026-01-01T00:00:00Z").into())
}
