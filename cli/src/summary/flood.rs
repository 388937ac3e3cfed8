//! A flood for people: who, when, how much, why, what to do and what to type.

use maxconn_report::entries::Entry;
use maxconn_report::who::{by, who};
use maxconn_report::words::{counted, grouped, rate, span};
use maxconn_report::written::Flood;
use maxconn_report::zone::Zone;

use super::View;
use super::page::{Page, Paint};
use crate::printable::printable;

const INDENT: &str = "   ";
/// So much of a line of the log is shown, in characters.
const SAMPLE_CHARS_MAX: usize = 400;

pub(super) fn write(number: usize, entry: &Entry<'_>, view: &View, page: &mut Page) {
    let Some(flood) = entry.main() else { return };
    let zone = view.zone.shown();
    let times = entry.floods.len();
    page.blank();
    let headline = page.paint(
        Paint::Strong,
        &format!("{number}. {}", printable(&who(flood))),
    );
    let again = match times {
        1 => String::new(),
        times => format!(" ×{times}{}", again(entry, zone)),
    };
    page.hanging("", INDENT, &format!("{headline}{again}"));
    let refusals = counted(entry.count(), "refusal", "refusals");
    page.line(INDENT, &format!("{refusals} by {}", printable(&by(flood))));
    let largest = match times {
        1 => "",
        _ if flood.is_open => "the last ",
        _ => "the largest ",
    };
    let when = zone.from_until(zone.show_ms(flood.start), zone.show_ms(flood.end));
    let lasted = span((flood.end - flood.start).unsigned_abs() / 1_000);
    page.line(INDENT, &format!("{largest}{when} ({lasted})"));
    if flood.is_open {
        let open = page.paint(Paint::Alarm, "it still went on at the end of the log");
        page.line(INDENT, &open);
    }
    let pace = match flood.end - flood.start {
        ..1_000 => format!("{} in less than a second", grouped(flood.count)),
        _ => format!("{} a second over that time", rate(flood.rate.mean)),
    };
    let held: u64 = entry.floods.iter().map(|it| it.suppressed).sum();
    page.line(INDENT, &format!("{pace}; {} held back", grouped(held)));
    if !flood.cause.hint.is_empty() {
        let hint = page.paint(Paint::Strong, &printable(&flood.cause.hint));
        let evidence = printable(&flood.cause.evidence);
        page.line(INDENT, &format!("likely cause: {hint}: {evidence}"));
    }
    if !flood.cause.advice.is_empty() {
        page.line(
            INDENT,
            &format!("what to do: {}", printable(&flood.cause.advice)),
        );
    }
    if !flood.sample.is_empty() {
        let mut sample: String = flood.sample.chars().take(SAMPLE_CHARS_MAX).collect();
        if sample.len() < flood.sample.len() {
            sample.push('…');
        }
        page.hanging(
            INDENT,
            "     ",
            &format!("a line of it: {}", printable(&sample)),
        );
    }
    if !flood.run_now.is_empty() {
        page.line(INDENT, "run now:");
    }
    for command in &flood.run_now {
        let command = printable(command);
        match command.starts_with("# ") {
            true => page.hanging("     ", "     # ", &command),
            // As it is copied.
            false => page.whole(&format!("     {command}")),
        }
    }
    if !entry.parts.is_empty() {
        let told = if view.all {
            entry.parts.len()
        } else {
            view.top
        };
        let parts = entry.parts.iter().take(told);
        let parts: Vec<String> = parts
            .map(|it| format!("{} {}", printable(&who(it)), grouped(it.count)))
            .collect();
        let more = match entry.parts.len().saturating_sub(told) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        page.line(INDENT, &format!("among them: {}{more}", parts.join(", ")));
    }
    let found = rules(flood, entry);
    let found = page.paint(Paint::Dim, &found);
    page.line(INDENT, &found);
    if view.all && times > 1 {
        page.line(INDENT, "each time:");
        for flood in &entry.floods {
            let when = zone.from_until(zone.show_ms(flood.start), zone.show_ms(flood.end));
            let refusals = counted(flood.count, "refusal", "refusals");
            page.line("     ", &format!("{when}: {refusals}"));
        }
    }
}

/// Which rules found it, and what hides its end.
fn rules(flood: &Flood, entry: &Entry<'_>) -> String {
    let mut rules = vec![printable(&flood.rule)];
    for rule in &entry.also {
        let rule = printable(rule);
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    let found = match rules.as_slice() {
        [rule] => format!("found by the rule {rule}"),
        rules => format!("found by the rules {}, told once", rules.join(" and ")),
    };
    match flood.end_reason.as_deref() {
        Some("evicted") => {
            format!("{found}; it was dropped from a full table, so it may have gone on")
        }
        _ => found,
    }
}

/// When it came again: `, hourly, 02:00 to 07:00`.
fn again(entry: &Entry<'_>, zone: &Zone) -> String {
    let rhythm = entry.rhythm().map_or(String::new(), |it| format!(", {it}"));
    let [Some(first), Some(last)] = [entry.floods.first(), entry.floods.last()] else {
        return rhythm;
    };
    let [(from, _), (until, _)] = [first, last].map(|it| zone.show_ms(it.start));
    let parts = |time: &str| {
        time.split_once(' ')
            .map(|(day, time)| (day.to_string(), time.to_string()))
    };
    match (parts(&from), parts(&until)) {
        (Some((day, from)), Some((other, until))) if day == other => {
            let [from, until] = [from, until].map(|it| it.get(..5).unwrap_or(&it).to_string());
            format!("{rhythm}, {from} to {until}")
        }
        (Some((from, _)), Some((until, _))) => format!("{rhythm}, {from} to {until}"),
        _ => rhythm,
    }
}
