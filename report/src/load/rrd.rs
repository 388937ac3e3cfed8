//! Reads what round-robin databases give: `rrdtool xport --json`, `rrdtool fetch`, and what Munin's nodes spool.

use serde_json::Value;

use super::error::LoadError;
use super::{Load, Source, best, number};

/// Munin names the only series of a file so.
const MUNIN_SERIES: &str = "42";

/// `rrdtool xport --json`.
pub(super) fn json(json: &Value) -> Result<Load, LoadError> {
    let meta = |name: &str| json.get("meta")?.get(name)?.as_i64();
    let start_s = meta("start").ok_or(LoadError::Member("meta.start"))?;
    let step_s = meta("step").ok_or(LoadError::Member("meta.step"))?;
    let rows = json.get("data").and_then(Value::as_array);
    let rows = rows.ok_or(LoadError::Member("data"))?;
    let legend = json.pointer("/meta/legend").and_then(Value::as_array);
    let names: Vec<&str> = legend
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let at = best(names.iter().copied()).unwrap_or(0);
    let mut points = Vec::with_capacity(rows.len());
    for (row_number, row) in (0_i64..).zip(rows) {
        let mut row = row
            .as_array()
            .ok_or(LoadError::Member("a row of data"))?
            .as_slice();
        let mut time_s = start_s.saturating_add(step_s.saturating_mul(row_number));
        // With --showtime each row begins with its time, as a text.
        if let [Value::String(time), rest @ ..] = row {
            time_s = time
                .parse()
                .map_err(|_| LoadError::Member("a time of data"))?;
            row = rest;
        }
        let value = row.get(at).and_then(Value::as_f64);
        points.push((time_s.saturating_mul(1_000), value.unwrap_or(f64::NAN)));
    }
    Ok(Load {
        source: Source::Rrdtool,
        name: names.get(at).map_or("load", |name| name.trim()).to_string(),
        points,
        is_mean: true,
        left_out: names.len().saturating_sub(1),
        ..Load::default()
    })
}

/// A line `1798761900: 5.0e-01 …`, its time and the rest.
fn row(line: &str) -> Option<(i64, &str)> {
    let (time, values) = line.split_once(": ")?;
    Some((time.trim().parse().ok()?, values))
}

/// Whether it is what `rrdtool fetch` says: the names of the series, then rows.
pub(super) fn is_fetched(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let (Some(names), Some(first)) = (lines.next(), lines.next()) else {
        return false;
    };
    names.starts_with(' ') && row(first).is_some()
}

pub(super) fn fetched(text: &str) -> Result<Load, LoadError> {
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let names = lines.next().map_or("", |(_, line)| line);
    let names: Vec<&str> = names.split_whitespace().collect();
    let at = best(names.iter().copied()).unwrap_or(0);
    let mut points = Vec::new();
    for (line, text) in lines {
        let (time_s, values) = row(text).ok_or_else(|| LoadError::time(line, text))?;
        let cell = values.split_whitespace().nth(at);
        let cell = cell.ok_or(LoadError::NoValue { line })?;
        let value = number(cell).ok_or_else(|| LoadError::value(line, cell))?;
        points.push((time_s.saturating_mul(1_000), value));
    }
    let (source, name) = match names.get(at).copied().unwrap_or_default() {
        MUNIN_SERIES => (Source::Munin, "load"),
        name => (Source::Rrdtool, name),
    };
    Ok(Load {
        source,
        name: name.to_string(),
        points,
        is_mean: true,
        left_out: names.len().saturating_sub(1),
        ..Load::default()
    })
}

/// A line `load.value 1798761900:0.42`: the field, the time and the value.
fn spooled(line: &str) -> Option<(&str, i64, &str)> {
    let (field, rest) = line.trim().split_once(".value ")?;
    let (time, value) = rest.split_once(':')?;
    Some((field, time.parse().ok()?, value))
}

/// Whether it is what munin-node's spool holds.
pub(super) fn is_spool(text: &str) -> bool {
    let mut lines = text.lines().take(200);
    lines.any(|line| spooled(line).is_some())
}

pub(super) fn spool(text: &str) -> Result<Load, LoadError> {
    let mut names: Vec<&str> = Vec::new();
    for (name, ..) in text.lines().filter_map(spooled) {
        if !names.contains(&name) && names.len() < 1_000 {
            names.push(name);
        }
    }
    let at = best(names.iter().copied()).unwrap_or(0);
    let name = names.get(at).copied().unwrap_or_default();
    let mut points = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        // What stands between is the plugin's configuration.
        let Some((field, time_s, cell)) = spooled(text) else {
            continue;
        };
        if field == name {
            let value = number(cell).ok_or_else(|| LoadError::value(line, cell))?;
            points.push((time_s.saturating_mul(1_000), value));
        }
    }
    Ok(Load {
        source: Source::Munin,
        name: name.to_string(),
        points,
        left_out: names.len().saturating_sub(1),
        ..Load::default()
    })
}
