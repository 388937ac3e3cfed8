//! Writes for people who is refused outside of floods.

use std::fmt::Write as _;

use maxconn_report::steady::{MANY_REFUSALS, TOLD_MAX};
use maxconn_report::who::short;
use maxconn_report::words::{counted, grouped, span};

use super::Gathered;
use super::text::Paint;
use crate::printable::printable;

/// Refusals that no flood is made of.
pub(super) fn outside(gathered: &Gathered, paint: &Paint, out: &mut String) {
    let steady = &gathered.steady;
    let clients = steady.clients();
    let most = clients.first().map_or(0, |(_, counted)| counted.count);
    let has_floods = gathered.floods.ends > 0;
    if clients.is_empty() || (has_floods && most < MANY_REFUSALS) {
        return;
    }
    let Paint { strong, plain, .. } = paint;
    if has_floods {
        let refusals = counted(steady.count(), "refusal", "refusals");
        let _ = writeln!(
            out,
            "\n{strong}Outside of floods{plain}: {refusals}, never enough at a time for one."
        );
    } else if clients.len() > 1 {
        out.push('\n');
    }
    if clients.len() > 1 {
        for (name, top) in steady.tops() {
            let told: Vec<String> = top
                .iter()
                .take(TOLD_MAX)
                .map(|(name, all)| format!("{} {}", printable(&short(name)), grouped(all.count)))
                .collect();
            if !told.is_empty() {
                let _ = writeln!(out, "   {name:<10} {}", told.join(", "));
            }
        }
    }
    let often = clients.iter().filter(|(_, all)| all.count >= MANY_REFUSALS);
    for (client, all) in often.take(TOLD_MAX) {
        let who = match (client.user.as_str(), client.ip.as_str()) {
            ("", "") => format!("{} is at its limit", client.service),
            ("", ip) => ip.to_string(),
            (user, "") => short(user),
            (user, ip) => format!("{} from {ip}", short(user)),
        };
        let about = if all.excess == 0 { "" } else { "about " };
        let _ = writeln!(out, "\n{strong}{}{plain}", printable(&who));
        let _ = writeln!(
            out,
            "   {about}{} refusals by {} ({})",
            grouped(all.count),
            printable(&client.service),
            printable(&client.limit)
        );
        if let Some((start_ms, end_ms)) = all.facts.times_ms {
            let zone = gathered.known.zone.shown();
            let when = zone.from_until(zone.show_ms(start_ms), zone.show_ms(end_ms));
            let lasted = (end_ms - start_ms).unsigned_abs() / 1_000;
            let every = lasted as f64 / all.count.max(2).saturating_sub(1) as f64;
            let _ = writeln!(out, "   {when} ({}), one every {every:.1} s", span(lasted));
        }
        let cause = steady.cause(client, all);
        if !cause.evidence.is_empty() {
            let (hint, evidence) = (cause.hint.name(), printable(&cause.evidence));
            let _ = writeln!(out, "   likely cause: {strong}{hint}{plain}: {evidence}");
        }
        let _ = writeln!(out, "   what to do: {}", printable(&cause.advice));
    }
}
