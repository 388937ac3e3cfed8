//! What was found first of all, then of which time and how much of the log that is.

use maxconn_report::Written;
use maxconn_report::words::{bytes, counted, grouped, span};
use maxconn_report::written::Input;
use serde_json::Value;

use super::page::{Page, Paint};
use super::{View, chart};
use crate::printable::printable;

/// The labels of the lines below the first ones.
const LABEL: usize = 11;

pub(super) fn write(written: &Written, view: &View, page: &mut Page) {
    if written.input.stopped {
        page.line(
            "",
            "Stopped before the end; this is about what was read until then.",
        );
    }
    if written.input.lines == 0 {
        let nothing = page.paint(Paint::Strong, "Nothing was read");
        page.line("", &format!("{nothing}{}.", why_nothing(&written.input)));
        return;
    }
    found(written, view, page);
    figures(written, view, page);
    chart::write(written, view, page);
}

/// Refusals by limit.
fn limits(statistics: &Value) -> Vec<(&str, u64)> {
    let events = statistics.get("events").and_then(Value::as_object);
    let counts = events.into_iter().flatten();
    counts
        .filter_map(|(limit, count)| Some((limit.as_str(), count.as_u64()?)))
        .collect()
}

fn found(written: &Written, view: &View, page: &mut Page) {
    let input = &written.input;
    let limits = limits(&written.statistics);
    let total: u64 = limits.iter().map(|(_, count)| count).sum();
    let records = counted(input.lines, "record", "records");
    let refused = counted(total, "refused connection", "refused connections");
    if written.floods_count == 0 {
        let none = page.paint(Paint::Strong, "No flood found");
        let is_counted = |limit: &str| view.uncounted.iter().all(|it| it.limit != limit);
        let why = if total == 0 {
            match input.unrecognised + input.malformed {
                0 if !input.unread.is_empty() => {
                    "none of those that could be read says that a connection limit was reached."
                        .to_string()
                }
                0 => "none of them says that a connection limit was reached.".to_string(),
                _ => "none could be read as a refused connection, but see below.".to_string(),
            }
        } else if !limits.iter().any(|(limit, _)| is_counted(limit)) {
            format!("{refused}, which no rule counts; see below.")
        } else if input.untimed >= total {
            format!(
                "{refused}, and of none the time could be read, without which no flood can be found; see below."
            )
        } else {
            format!("{refused}, never enough at a time for a flood by the rules in force.")
        };
        page.line("", &format!("{none} in {records}: {why}"));
    } else {
        let floods = counted(written.floods_count, "flood", "floods");
        let floods = page.paint(Paint::Alarm, &floods);
        let number = |pointer: &str| {
            let number = written.statistics.pointer(pointer);
            number.and_then(Value::as_u64).unwrap_or(0)
        };
        let alerts = ["start", "ongoing", "end"].map(|state| number(&format!("/alerts/{state}")));
        let held = grouped(number("/suppressed"));
        let alerts = counted(alerts.iter().sum(), "alert", "alerts");
        page.line(
            "",
            &format!("{floods} in {records}: {refused}, {held} of them held back, {alerts} sent in their place."),
        );
        let open = written.floods.iter().filter(|it| it.is_open).count() as u64;
        if open > 0 {
            let still = match (open, written.floods_count) {
                (1, 1) => "It still went on at the end of the log.".to_string(),
                (open, all) if open == all => {
                    "They still went on at the end of the log.".to_string()
                }
                (open, _) => format!(
                    "{} of them still went on at the end of the log.",
                    grouped(open)
                ),
            };
            let still = page.paint(Paint::Alarm, &still);
            page.line("", &still);
        }
    }
    if limits.len() > 1 {
        for (limit, count) in limits {
            page.line("", &format!("{:>14}  {}", grouped(count), printable(limit)));
        }
    }
}

/// Why nothing was read, as far as it is not told above.
fn why_nothing(input: &Input) -> String {
    match &input.empty[..] {
        [] if input.outside_lines > 0 => format!(
            ": none of the {} is of the time that is asked for",
            counted(input.outside_lines, "line", "lines")
        ),
        [] => String::new(),
        [one] => format!(": {} is empty", printable(one)),
        [one, more @ ..] => format!(": {} and {} more are empty", printable(one), more.len()),
    }
}

fn figures(written: &Written, view: &View, page: &mut Page) {
    let input = &written.input;
    let zone = view.zone.shown();
    page.blank();
    let mut row = |label: &str, text: &str| {
        let label = format!("{label:<LABEL$}");
        page.hanging(&label, &" ".repeat(LABEL), text);
    };
    if let Some(period) = &written.period {
        let times = zone.from_until(zone.show_ms(period.start), zone.show_ms(period.end));
        let lasted = span((period.end - period.start).unsigned_abs() / 1_000);
        row("period", &format!("{times} ({lasted})"));
    }
    let size = bytes(input.bytes as f64);
    let lines = counted(input.lines, "record", "records");
    row("log", &format!("{lines}, {size}"));
    if input.refusals == 0 {
        return;
    }
    let mut of_log = format!("{} of the records", share(input.refusals, input.lines));
    if input.refusal_bytes > 0 {
        let size = bytes(input.refusal_bytes as f64);
        of_log += &format!(
            " and {} of the bytes",
            share(input.refusal_bytes, input.bytes)
        );
        of_log += &match input.disk_bytes {
            Some(disk) => format!(
                " ({size}, {} of the disk)",
                share(input.refusal_bytes, disk)
            ),
            None => format!(" ({size})"),
        };
    }
    row("refusals", &of_log);
    if let (Some(last_ms), Some(period)) = (input.last_refusal, &written.period) {
        let (time, name) = zone.show_ms(last_ms);
        let before = match (period.end - last_ms) / 1_000 {
            ..1 => "in the log's last second".to_string(),
            seconds => format!("{} before the log ends", span(seconds.unsigned_abs())),
        };
        row("last one", &format!("{time} {name}, {before}"));
    }
}

/// A part in per cent, as exactly as that says something.
fn share(part: u64, all: u64) -> String {
    match part as f64 * 100.0 / all.max(1) as f64 {
        _ if part >= all => "100 %".to_string(),
        share if share >= 99.95 => "over 99.9 %".to_string(),
        share if share >= 0.1 => format!("{share:.1} %"),
        _ if part == 0 => "none".to_string(),
        _ => "less than 0.1 %".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_neither_hide_nor_claim() {
        for (part, all, told) in [
            (10, 10, "100 %"),
            (9_999, 10_000, "over 99.9 %"),
            (1, 3, "33.3 %"),
            (1, 100_000, "less than 0.1 %"),
            (0, 10, "none"),
            (3, 0, "100 %"),
        ] {
            assert_eq!(share(part, all), told);
        }
    }
}
