//! Reads what sysstat's `sadf -d`, `sadf -j` and `sar` say: the load average where it is there, else how busy the processors are.

use jiff::civil::{Date, DateTime, Time};
use serde_json::Value;

use super::error::{LoadError, clipped};
use super::table::time_ms;
use super::{Load, Source, best, number};
use crate::zone::Zone;

const LOAD: &str = "ldavg-1";
const IDLE: &str = "%idle";

/// What was found of the series that are of interest, the better first.
#[derive(Default)]
struct Found {
    load: Vec<(i64, f64)>,
    busy: Vec<(i64, f64)>,
    /// The first other one, by its name.
    other: Option<(String, Vec<(i64, f64)>)>,
}

impl Found {
    /// The cells of a row, below the names of their columns.
    fn row(
        &mut self,
        time_ms: i64,
        names: &[&str],
        cells: &[&str],
        line: usize,
    ) -> Result<(), LoadError> {
        let of = |name: &str| {
            let at = names.iter().position(|it| *it == name)?;
            cells.get(at).copied()
        };
        let read = |cell: &str| number(cell).ok_or_else(|| LoadError::value(line, cell));
        if let Some(cell) = of(LOAD) {
            self.load.push((time_ms, read(cell)?));
        } else if let Some(cell) = of(IDLE) {
            // Of all processors together.
            if matches!(of("CPU"), Some("all" | "-1")) {
                self.busy.push((time_ms, 100.0 - read(cell)?));
            }
        } else {
            let first = || best(names.iter().copied()).and_then(|at| names.get(at).copied());
            let known = self.other.as_ref().map(|(name, _)| name.clone());
            let name = known.or_else(|| first().map(str::to_string));
            let value = name.as_deref().and_then(of).and_then(number);
            if let (Some(name), Some(value)) = (name, value) {
                let (_, points) = self.other.get_or_insert((name, Vec::new()));
                points.push((time_ms, value));
            }
        }
        Ok(())
    }

    fn load(self, source: Source) -> Result<Load, LoadError> {
        let (name, unit, points, is_mean) = if !self.load.is_empty() {
            (
                "load average over a minute".to_string(),
                None,
                self.load,
                false,
            )
        } else if !self.busy.is_empty() {
            ("CPU busy".to_string(), Some("%"), self.busy, true)
        } else {
            let (name, points) = self.other.ok_or(LoadError::NoValues)?;
            (name, None, points, true)
        };
        Ok(Load {
            source,
            name,
            unit,
            points,
            is_mean,
            left_out: 0,
        })
    }
}

/// `sadf -d`: a line of names, then rows, all with `;` between.
pub(super) fn sadf(text: &str, zone: &Zone) -> Result<Load, LoadError> {
    let mut found = Found::default();
    let mut names: Vec<&str> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let cells: Vec<&str> = text.split(';').map(str::trim).collect();
        let [_, _, time, values @ ..] = cells.as_slice() else {
            continue;
        };
        if text.starts_with('#') {
            names = values.to_vec();
        } else if values.len() >= names.len() {
            let time_ms = time_ms(time, zone).ok_or_else(|| LoadError::time(line, time))?;
            found.row(time_ms, &names, values, line)?;
        }
        // Shorter ones say that the machine was started.
    }
    found.load(Source::Sadf)
}

/// `sadf -j`.
pub(super) fn json(json: &Value, zone: &Zone) -> Result<Load, LoadError> {
    let hosts = json.pointer("/sysstat/hosts").and_then(Value::as_array);
    let hosts = hosts.ok_or(LoadError::Member("sysstat.hosts"))?;
    let mut found = Found::default();
    let rows = hosts
        .iter()
        .filter_map(|host| host.get("statistics")?.as_array());
    for row in rows.flatten() {
        let text = |name: &str| row.pointer(name).and_then(Value::as_str);
        let (Some(date), Some(time)) = (text("/timestamp/date"), text("/timestamp/time")) else {
            continue;
        };
        let is_utc = row.pointer("/timestamp/utc").and_then(Value::as_i64) == Some(1)
            || text("/timestamp/tz") == Some("UTC");
        let suffix = if is_utc { "Z" } else { "" };
        let time_ms = time_ms(&format!("{date} {time}{suffix}"), zone)
            .ok_or(LoadError::Member("a timestamp of sysstat"))?;
        if let Some(load) = row.pointer("/queue/ldavg-1").and_then(Value::as_f64) {
            found.load.push((time_ms, load));
        }
        let cpus = row.get("cpu-load").and_then(Value::as_array);
        let all = cpus.into_iter().flatten().find(|cpu| {
            let name = cpu.get("cpu").and_then(Value::as_str);
            matches!(name, Some("all" | "-1"))
        });
        if let Some(idle) = all.and_then(|cpu| cpu.get("idle")?.as_f64()) {
            found.busy.push((time_ms, 100.0 - idle));
        }
    }
    found.load(Source::Sadf)
}

/// `sar`: a heading with the date for each file, then tables whose rows have a clock in front.
pub(super) fn sar(text: &str, zone: &Zone) -> Result<Load, LoadError> {
    let mut found = Found::default();
    let mut names: Vec<&str> = Vec::new();
    let mut heading: Option<Date> = None;
    let mut day: Option<Date> = None;
    let mut last: Option<Time> = None;
    let is_12h = text.lines().any(|line| clock(line).is_some_and(|it| it.2));
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with("Linux ") {
            // Behind the kernel's version, which looks like one, and the host.
            let behind = text.split_once(')').map_or("", |(_, rest)| rest);
            let date = behind
                .split_whitespace()
                .find_map(|word| date(word, is_12h));
            let date = date.ok_or_else(|| LoadError::time(line, text))?;
            heading = Some(date.map_err(|()| LoadError::Date {
                line,
                text: clipped(text),
            })?);
            (day, last) = (heading, None);
            continue;
        }
        let Some((time, cells, _)) = clock(text) else {
            continue;
        };
        if cells.iter().any(|cell| matches!(*cell, LOAD | IDLE))
            || cells.iter().all(|cell| number(cell).is_none())
        {
            // Names. A table of its own begins the day again.
            if cells.first() != Some(&"LINUX") {
                if names != cells {
                    (day, last) = (heading, None);
                }
                names = cells;
            }
            continue;
        }
        let (Some(today), false) = (day, names.is_empty()) else {
            continue;
        };
        // Past midnight the next day begins, of which there is no heading.
        let today = match last {
            Some(last) if time < last => today.tomorrow().unwrap_or(today),
            _ => today,
        };
        (day, last) = (Some(today), Some(time));
        let text = DateTime::from_parts(today, time).to_string();
        let time_ms = time_ms(&text, zone).ok_or_else(|| LoadError::time(line, &text))?;
        found.row(time_ms, &names, &cells, line)?;
    }
    found.load(Source::Sar)
}

/// The clock at the start of a line, the cells behind it, and whether it is one of twelve hours.
fn clock(line: &str) -> Option<(Time, Vec<&str>, bool)> {
    let mut cells = line.split_whitespace().peekable();
    let mut time: Time = cells.next().filter(|it| it.len() == 8)?.parse().ok()?;
    let half = cells.next_if(|cell| matches!(*cell, "AM" | "PM"));
    if let Some(half) = half {
        let hour = time.hour() % 12 + if half == "PM" { 12 } else { 0 };
        time = Time::new(hour, time.minute(), time.second(), 0).ok()?;
    }
    Some((time, cells.collect(), half.is_some()))
}

/// The date of a heading; an error if it may be two. Where clocks have twelve hours the month comes first.
fn date(word: &str, is_12h: bool) -> Option<Result<Date, ()>> {
    let separator = word.chars().find(|it| !it.is_ascii_digit())?;
    let parts: Option<Vec<i16>> = word.split(separator).map(|it| it.parse().ok()).collect();
    let [first, second, third] = parts?.try_into().ok()?;
    let small = |number: i16| i8::try_from(number).ok();
    let new = |year: i16, month: i16, day: i16| {
        // The C locale writes two digits of the year.
        let year = if year < 100 { year + 2_000 } else { year };
        Date::new(year, small(month)?, small(day)?).ok()
    };
    if word.len() == 10 && first > 31 {
        return new(first, second, third).map(Ok);
    }
    match separator {
        '.' => new(third, second, first).map(Ok),
        _ if first > 12 => new(third, second, first).map(Ok),
        // Two digits of the year and slashes are the C locale's, the month first.
        '/' if is_12h || word.len() == 8 => new(third, first, second).map(Ok),
        _ if second > 12 => new(third, first, second).map(Ok),
        _ if first == second => new(third, first, second).map(Ok),
        _ => Some(Err(())),
    }
}
