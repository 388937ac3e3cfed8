//! Says what an Alertmanager's alert is known by, and what people read of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::alert;

/// Texts by name.
pub type Texts = BTreeMap<String, String>;

/// A label is no longer than this, in bytes.
pub const LABEL_MAX_BYTES: usize = 255;
/// The name of all our alerts there.
const ALERT_NAME: &str = "ConnectionLimitFlood";

/// The labels of an alert. Alertmanager knows it by them.
pub fn labels(document: &Value) -> Texts {
    let mut labels = Texts::from([("alertname".to_string(), ALERT_NAME.to_string())]);
    let severity = match alert::priority(document) {
        ..=3 => "critical",
        _ => "warning",
    };
    labels.insert("severity".to_string(), severity.to_string());
    for (name, value) in alert::fields(document) {
        let name = name.to_ascii_lowercase();
        let is_label = [
            "server", "service", "user", "source", "host", "rule", "limit", "key",
        ]
        .contains(&name.as_str());
        if is_label && !value.is_empty() {
            labels.insert(name, alert::cut(&value, LABEL_MAX_BYTES));
        }
    }
    labels
}

/// What people read of it.
pub fn annotations(document: &Value) -> Texts {
    let fields = alert::fields(document).filter_map(|(name, value)| {
        let name = match name {
            "MESSAGE" => "summary",
            "CAUSE" => "cause",
            "EVIDENCE" => "evidence",
            "ADVICE" => "advice",
            "COUNT" => "count",
            "RATE" => "rate",
            "STATE" => "state",
            "SEVERITY" => "severity_now",
            "FLOOD_ID" => "flood_id",
            _ => return None,
        };
        Some((name.to_string(), value))
    });
    fields.filter(|(_, value)| !value.is_empty()).collect()
}

/// When its flood began, in ms since the Unix epoch.
pub fn starts_ms(document: &Value) -> Option<i64> {
    let time: Timestamp = document.pointer("/event/start")?.as_str()?.parse().ok()?;
    Some(time.as_millisecond())
}
