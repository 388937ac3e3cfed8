//! Reads answers to range queries, as Prometheus and what speaks its language give them.

use serde_json::Value;

use super::error::{LoadError, clipped};
use super::{Load, Source, best, number};

pub(super) fn read(json: &Value) -> Result<Load, LoadError> {
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    if text("status") == Some("error") {
        let error = text("error").unwrap_or("it does not say which");
        return Err(LoadError::Prometheus(clipped(error)));
    }
    let data = json.get("data").unwrap_or(json);
    match data.get("resultType").and_then(Value::as_str) {
        Some("matrix") => {}
        Some("vector" | "scalar") => return Err(LoadError::Instant),
        _ => return Err(LoadError::Member("data.resultType")),
    }
    let series = data.get("result").and_then(Value::as_array);
    let series = series.ok_or(LoadError::Member("data.result"))?;
    let names: Vec<String> = series.iter().map(|one| name(one.get("metric"))).collect();
    let at = best(names.iter().map(String::as_str)).ok_or(LoadError::NoValues)?;
    let values = series.get(at).and_then(|one| one.get("values")?.as_array());
    let mut points = Vec::new();
    for pair in values.ok_or(LoadError::Member("values"))? {
        let time_s = pair.get(0).and_then(Value::as_f64);
        let time_s = time_s.ok_or(LoadError::Member("a time of values"))?;
        let value = pair.get(1).and_then(Value::as_str).and_then(number);
        let value = value.ok_or(LoadError::Member("a value of values"))?;
        points.push(((time_s * 1_000.0).round() as i64, value));
    }
    Ok(Load {
        source: Source::Prometheus,
        name: names.get(at).cloned().unwrap_or_default(),
        points,
        left_out: series.len().saturating_sub(1),
        ..Load::default()
    })
}

/// `node_load1 mail:9100`.
fn name(metric: Option<&Value>) -> String {
    let label = |name: &str| metric.and_then(|it| it.get(name)?.as_str());
    let parts = [label("__name__"), label("instance")];
    let name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    match name.is_empty() {
        true => "load".to_string(),
        false => name,
    }
}
