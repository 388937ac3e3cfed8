//! Who was refused most, and who is refused outside of floods.

use maxconn_report::Written;
use maxconn_report::who::short;
use maxconn_report::words::{counted, grouped, rate, span};
use maxconn_report::written::{Named, Steady};

use super::View;
use super::page::{Page, Paint};
use crate::printable::printable;

const INDENT: &str = "   ";
const LABEL: usize = 11;
/// So many clients are told of, at most.
const TOLD_MAX: usize = 5;

pub(super) fn write(written: &Written, view: &View, page: &mut Page) {
    tops(written, view, page);
    if written.steady.is_empty() {
        return;
    }
    page.blank();
    if written.floods_count > 0 {
        let outside = page.paint(Paint::Strong, "Outside of floods");
        page.line("", &format!("{outside}, never enough at a time for one:"));
    }
    for (number, client) in written
        .steady
        .iter()
        .take(view.top.min(TOLD_MAX))
        .enumerate()
    {
        if number > 0 || written.floods_count > 0 {
            page.blank();
        }
        steady(client, view, page);
    }
}

fn tops(written: &Written, view: &View, page: &mut Page) {
    let top = &written.top;
    let lists: [(&str, &[Named]); 6] = [
        ("users", &top.users),
        ("addresses", &top.addresses),
        ("networks", &top.networks),
        ("services", &top.services),
        ("servers", &top.servers),
        ("hosts", &top.hosts),
    ];
    // One of each says nothing that the floods do not.
    if lists.iter().all(|(_, list)| list.len() < 2) {
        return;
    }
    page.blank();
    page.strong("Most refused");
    for (label, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
        let told = list.iter().take(view.top).map(|it| {
            let about = if it.excess == 0 { "" } else { "about " };
            format!(
                "{} {about}{}",
                printable(&short(&it.name)),
                grouped(it.count)
            )
        });
        let told: Vec<String> = told.collect();
        let first = format!("{INDENT}{label:<LABEL$}");
        page.hanging(&first, &" ".repeat(first.len()), &told.join(", "));
    }
}

fn steady(client: &Steady, view: &View, page: &mut Page) {
    let by = client.service.as_deref().unwrap_or(&client.server);
    let who = match (&client.user, &client.ip) {
        (None, None) => format!("{by} is at its limit"),
        (None, Some(ip)) => ip.clone(),
        (Some(user), None) => short(user),
        (Some(user), Some(ip)) => format!("{} from {ip}", short(user)),
    };
    let who = page.paint(Paint::Strong, &printable(&who));
    page.line("", &who);
    let about = if client.excess == 0 { "" } else { "about " };
    let refusals = counted(client.count, "refusal", "refusals");
    let (by, limit) = (printable(by), printable(&client.limit));
    page.line(INDENT, &format!("{about}{refusals} by {by} ({limit})"));
    if let (Some(start), Some(end)) = (client.start, client.end) {
        let zone = view.zone.shown();
        let when = zone.from_until(zone.show_ms(start), zone.show_ms(end));
        let seconds = (end - start).unsigned_abs() / 1_000;
        let pace = match (seconds, client.count) {
            (0, _) | (_, 0 | 1) => String::new(),
            (seconds, count) => match seconds as f64 / (count - 1) as f64 {
                every if every >= 1.0 => format!(", one every {every:.1} s"),
                every => format!(", {} a second", rate(1.0 / every)),
            },
        };
        page.line(INDENT, &format!("{when} ({}){pace}", span(seconds)));
    }
    if !client.evidence.is_empty() {
        let hint = page.paint(Paint::Strong, &printable(&client.hint));
        let evidence = printable(&client.evidence);
        page.line(INDENT, &format!("likely cause: {hint}: {evidence}"));
    }
    page.line(
        INDENT,
        &format!("what to do: {}", printable(&client.advice)),
    );
}
