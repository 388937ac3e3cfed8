//! Writes the report as text: the verdict, a small chart, then floods and what else there is.

use std::fmt::Write as _;

use maxconn_report::who;
use maxconn_report::words::{bytes, counted, grouped, pause};
use maxconn_report::written::{Flood, Named, Points, Written};

use crate::notes::{CUT, EMPTY, MALFORMED, Notes, TWICE};
use crate::printable::printable;
use crate::zone::Zone;

/// The chart is so wide, in columns …
const COLUMNS: usize = 72;
/// … and each column so many eighths high.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// So many floods are told to people.
const FLOODS_MAX: usize = 10;
/// So many of each list.
const TOP_MAX: usize = 5;

/// The report as text.
pub(super) fn write(report: &Written, zone: &Zone) -> String {
    let mut out = String::new();
    for sentence in &report.verdict {
        let _ = writeln!(out, "{}", printable(sentence));
    }
    chart(report, zone, &mut out);
    for (number, it) in (1..).zip(report.floods.iter().take(FLOODS_MAX)) {
        flood(number, it, zone, &mut out);
    }
    let more = report.floods_more + report.floods.len().saturating_sub(FLOODS_MAX) as u64;
    if more > 0 {
        let more = counted(more, "smaller flood", "smaller floods");
        let _ = writeln!(out, "\nAnd {more}; --html and --json have more.");
    }
    tops(report, &mut out);
    if !report.steady.is_empty() {
        out.push_str("\nOutside of floods\n");
        for it in report.steady.iter().take(TOP_MAX) {
            let _ = writeln!(out, "  {}", printable(&it.sentence));
            let evidence = match it.evidence.is_empty() {
                true => String::new(),
                false => format!(": {}", it.evidence),
            };
            let _ = writeln!(out, "    likely cause: {}{}", it.hint, printable(&evidence));
        }
    }
    if let Some(load) = &report.load {
        let _ = writeln!(out, "\nLoad ({})", printable(&load.name));
        let caveat = load.together.caveat.iter();
        for sentence in load.together.sentences.iter().chain(caveat) {
            let _ = writeln!(out, "  {}", printable(sentence));
        }
    }
    if let Some(disk) = &report.disk {
        let _ = writeln!(out, "\nDisk\n  {}", disk.sentence);
    }
    notes(report, &mut out);
    out
}

/// Refusals over time, and the load below them.
fn chart(report: &Written, zone: &Zone, out: &mut String) {
    let Points {
        start,
        step_s,
        counts,
        ..
    } = &report.timeline;
    let most = counts.iter().copied().max().unwrap_or(0);
    if counts.len() < 2 || most == 0 {
        return;
    }
    let width = COLUMNS;
    let end = start + step_s * 1_000 * counts.len() as i64;
    let columns: Vec<f64> = (0..width)
        .map(|column| {
            let [from, until] = [column, column + 1].map(|it| it * counts.len() / width);
            let part = counts.get(from..until.max(from + 1)).unwrap_or_default();
            part.iter().copied().max().unwrap_or(0) as f64
        })
        .collect();
    let _ = writeln!(
        out,
        "\nRefusals, up to {} in {}",
        grouped(most),
        pause(step_s.unsigned_abs())
    );
    let _ = writeln!(out, "  {}", bars(&columns));
    if let Some(load) = &report.load {
        let mut columns = vec![f64::NAN; width];
        for (time, value) in load.times.iter().zip(&load.values) {
            let share = (time - start) as f64 / (end - start) as f64;
            let at = (share * width as f64).floor();
            let column = (at >= 0.0).then_some(at as usize);
            if let Some(column) = column.and_then(|at| columns.get_mut(at)) {
                *column = column.max(*value);
            }
        }
        let known = columns.iter().copied().filter(|it| !it.is_nan());
        let most = known.fold(f64::NEG_INFINITY, f64::max);
        if most.is_finite() {
            let unit = load.unit.unwrap_or_default();
            let _ = writeln!(out, "{}, up to {most:.2} {unit}", printable(&load.name));
            let _ = writeln!(out, "  {}", bars(&columns));
        }
    }
    let ((start, _), (end, name)) = (zone.shown().show_ms(*start), zone.shown().show_ms(end));
    // Without the seconds.
    let [start, end] = [&start, &end].map(|it| it.get(..16).unwrap_or(it));
    let end = format!("{end} {name}");
    let gap = width.saturating_sub(start.len());
    let _ = writeln!(out, "  {start}{end:>gap$}");
}

fn bars(values: &[f64]) -> String {
    let most = values
        .iter()
        .copied()
        .filter(|it| !it.is_nan())
        .fold(0.0, f64::max);
    let bar = |value: &f64| {
        let share = value / most.max(f64::MIN_POSITIVE);
        let eighths = (share * 8.0).ceil().clamp(0.0, 8.0);
        // What is not known is as what is none.
        BARS.get(eighths as usize).copied().unwrap_or(' ')
    };
    values.iter().map(bar).collect()
}

fn flood(number: usize, flood: &Flood, zone: &Zone, out: &mut String) {
    let (who, times) = (who::who(flood), who::times(flood, zone.shown()));
    let _ = writeln!(out, "\n{number}. {}", printable(&who));
    let _ = writeln!(out, "   {}", printable(&times));
    if flood.suppressed > 0 {
        let held = grouped(flood.suppressed);
        let size = bytes(flood.suppressed_bytes as f64);
        let _ = writeln!(out, "   {held} of them held back, {size}");
    }
    if let Some(regularity) = &flood.regularity {
        let _ = writeln!(out, "   {}", regularity.sentence);
    }
    let _ = writeln!(out, "   {}", flood.rhythm);
    let (hint, evidence) = (&flood.cause.hint, &flood.cause.evidence);
    let _ = writeln!(out, "   likely cause: {hint}: {}", printable(evidence));
    let _ = writeln!(out, "   what to do: {}", printable(&flood.cause.advice));
    for command in &flood.run_now {
        let _ = writeln!(out, "     {}", printable(command));
    }
}

fn tops(report: &Written, out: &mut String) {
    let lists: [(&str, &[Named]); 6] = [
        ("users", &report.top.users),
        ("addresses", &report.top.addresses),
        ("networks", &report.top.networks),
        ("services", &report.top.services),
        ("servers", &report.top.servers),
        ("hosts", &report.top.hosts),
    ];
    if lists.iter().all(|(_, list)| list.is_empty()) {
        return;
    }
    out.push_str("\nMost refused\n");
    for (name, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        let told = list.iter().take(TOP_MAX);
        let told: Vec<String> = told
            .map(|it| format!("{} {}", printable(&it.name), grouped(it.count)))
            .collect();
        let _ = writeln!(out, "  {name:<10} {}", told.join(", "));
    }
}

/// What the figures above do not tell.
fn notes(report: &Written, out: &mut String) {
    let input = &report.input;
    let mut notes = Notes::default();
    if input.stopped {
        notes.add("Stopped before the end; this is about what was read until then.".to_string());
    }
    notes.count(
        input.untimed,
        [
            "refusal has no time that could be read: it is in the totals alone.",
            "refusals have no time that could be read: they are in the totals alone.",
        ],
    );
    notes.count(
        input.unrecognised,
        [
            "record says what a refusal says and could not be read; `maxconn replay` says why.",
            "records say what refusals say and could not be read; `maxconn replay` says why.",
        ],
    );
    notes.count(input.malformed, MALFORMED);
    notes.count(input.cut_lines, CUT);
    notes.of_each(&input.unread, "could not be read, or not to its end.");
    notes.of_each(&input.empty, EMPTY);
    notes.of_each(&input.twice, TWICE);
    notes.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_share() {
        assert_eq!(bars(&[0.0, 1.0, 4.0, 8.0, f64::NAN]), " ▁▄█ ");
        assert_eq!(bars(&[0.0, 0.0]), "  ");
    }
}
