//! What the figures do not tell: notes below them, a paragraph each.

use maxconn_report::Written;
use maxconn_report::words::counted;
use serde_json::Value;

use super::View;
use super::page::Page;
use super::unrecognised::why;
use crate::printable::printable;

/// What the plugin counts, by its place in its statistics: one, and many.
const COUNTS: [(&str, [&str; 2]); 6] = [
    (
        "/untimed",
        [
            "refusal has no time that could be read: it is in the totals, and in no flood.",
            "refusals have no time that could be read: they are in the totals, and in no flood.",
        ],
    ),
    (
        "/late",
        [
            "refusal was out of order by more than allowed_lateness; if no flood was open for it, it opened none.",
            "refusals were out of order by more than allowed_lateness; where no flood was open for them, they opened none.",
        ],
    ),
    (
        "/rejected",
        [
            "record could not be passed on.",
            "records could not be passed on.",
        ],
    ),
    (
        "/alerts/dropped",
        [
            "update of a flood gave way to more urgent alerts.",
            "updates of floods gave way to more urgent alerts.",
        ],
    ),
    (
        "/floods_refused",
        [
            "flood could not be opened at the limit max_floods.",
            "floods could not be opened at the limit max_floods.",
        ],
    ),
    (
        "/malformed",
        [
            "record is malformed or too long to be read; nothing was looked for in it.",
            "records are malformed or too long to be read; nothing was looked for in them.",
        ],
    ),
];
const OUTSIDE: [&str; 2] = [
    "line is not of the time that is asked for.",
    "lines are not of the time that is asked for.",
];
const CUT: [&str; 2] = [
    "line was longer than 1 MiB and was cut into pieces.",
    "lines were longer than 1 MiB and were cut into pieces.",
];
const UNRECOGNISED: [&str; 2] = [
    "record says what a refusal says, could not be read and was not counted.",
    "records say what refusals say, could not be read and were not counted.",
];

pub(super) fn write(written: &Written, view: &View, page: &mut Page) {
    let input = &written.input;
    let mut notes = Vec::new();
    let mut count = |count: u64, [one, many]: [&str; 2], more: &str| {
        if count > 0 {
            notes.push(format!("{} {more}", counted(count, one, many)));
        }
    };
    for (pointer, words) in COUNTS {
        let number = written.statistics.pointer(pointer);
        count(number.and_then(Value::as_u64).unwrap_or(0), words, "");
    }
    if input.lines > 0 {
        count(input.outside_lines, OUTSIDE, "");
    }
    count(input.cut_lines, CUT, "");
    let why = input.unrecognised_sample.as_deref().map(why);
    count(input.unrecognised, UNRECOGNISED, &why.unwrap_or_default());
    let each = |names: &[String], what: &str| -> Vec<String> {
        let names = names
            .iter()
            .map(|name| format!("{} {what}", printable(name)));
        names.collect()
    };
    // Where nothing was read, the headline names them.
    if input.lines > 0 {
        notes.extend(each(&input.empty, "is empty."));
    }
    // Why was said when it happened.
    notes.extend(each(&input.unread, "could not be read, or not to its end."));
    let events = written.statistics.get("events");
    let has_events = |limit: &str| events.and_then(|events| events.get(limit)).is_some();
    let uncounted = view.uncounted.iter().filter(|it| has_events(&it.limit));
    notes.extend(uncounted.map(|it| printable(&it.to_string())));
    notes.extend(each(&input.twice, "is named twice; it was read once."));
    if !notes.is_empty() {
        page.blank();
    }
    for note in notes {
        page.hanging("Note: ", "      ", note.trim_end());
    }
}
