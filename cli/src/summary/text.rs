//! Writes the summary for people: what a tired one has to know, first things first.

use std::fmt::Write as _;

use maxconn_report::words::{counted, grouped, span};
use serde_json::Value;

use super::Gathered;
use super::floods::Flood;
use super::outside::outside;
use super::unrecognised::why;
use crate::notes::{CUT, EMPTY, MALFORMED, Notes, TWICE};
use crate::printable::printable;
use crate::zone::Zone;

/// Marks what is to be seen first; nothing where colours are not wanted.
#[derive(Default)]
pub(super) struct Paint {
    pub strong: &'static str,
    alarm: &'static str,
    dim: &'static str,
    pub plain: &'static str,
}

/// Writes the summary, with escape sequences only if `colours`.
pub(super) fn write(gathered: &Gathered, colours: bool) -> String {
    let paint = match colours {
        true => Paint {
            strong: "\x1b[1m",
            alarm: "\x1b[1;31m",
            dim: "\x1b[2m",
            plain: "\x1b[0m",
        },
        false => Paint::default(),
    };
    let mut out = String::new();
    headline(gathered, &paint, &mut out);
    for (number, told) in (1..).zip(&gathered.floods.told()) {
        flood(number, told, &gathered.known.zone, &paint, &mut out);
    }
    let more = gathered.floods.more();
    if more > 0 {
        let events = grouped(gathered.floods.rest_events);
        let _ = writeln!(
            out,
            "\nAnd {} with {events} refusals in all; --summary json has them.",
            counted(more, "smaller flood", "smaller floods")
        );
    }
    outside(gathered, &paint, &mut out);
    notes(gathered, &mut out);
    out
}

fn headline(gathered: &Gathered, paint: &Paint, out: &mut String) {
    let Paint {
        strong,
        alarm,
        plain,
        ..
    } = paint;
    let records = counted(gathered.number("/records"), "record", "records");
    let events = gathered.statistics.get("events").and_then(Value::as_object);
    let limits = || {
        events
            .into_iter()
            .flatten()
            .filter_map(|(limit, count)| Some((limit, count.as_u64()?)))
    };
    let total: u64 = limits().map(|(_, count)| count).sum();
    let refused = counted(total, "refused connection", "refused connections");
    if gathered.stopped {
        out.push_str("Stopped before the end; this is about what was read until then.\n");
    }
    if gathered.number("/records") == 0 {
        let _ = writeln!(
            out,
            "{strong}Nothing was read{plain}{}.",
            not_read(gathered)
        );
        return;
    }
    if gathered.floods.ends == 0 {
        let _ = write!(out, "{strong}No flood found{plain} in {records}: ");
        if total == 0 {
            let unsure = gathered.number("/unrecognised") + gathered.number("/malformed");
            out.push_str(match unsure {
                0 if !gathered.unread.is_empty() => {
                    "none of those that could be read says that a connection limit was reached.\n"
                }
                0 => "none of them says that a connection limit was reached.\n",
                _ => "none could be read as a refused connection, but see below.\n",
            });
            return;
        }
        let is_counted = |limit: &str| gathered.known.uncounted.iter().all(|it| it.limit != limit);
        let why = if !limits().any(|(limit, _)| is_counted(limit)) {
            "which no rule counts; see below."
        } else if gathered.number("/untimed") >= total {
            "and of none the time could be read, without which no flood can be found; see below."
        } else {
            "never enough at a time for a flood by the rules in force."
        };
        let _ = writeln!(out, "{refused}, {why}");
    } else {
        let floods = counted(gathered.floods.ends, "flood", "floods");
        let _ = writeln!(out, "{alarm}{floods}{plain} in {records}: {refused},");
        let alerts =
            ["start", "ongoing", "end"].map(|state| gathered.number(&format!("/alerts/{state}")));
        let _ = writeln!(
            out,
            "{} of them held back, {} sent in their place.",
            grouped(gathered.number("/suppressed")),
            counted(alerts.iter().sum(), "alert", "alerts")
        );
    }
    if limits().count() > 1 {
        for (limit, count) in limits() {
            let _ = writeln!(out, "  {:>12}  {}", grouped(count), printable(limit));
        }
    }
}

/// Why nothing was read, as far as it is not told above.
fn not_read(gathered: &Gathered) -> String {
    match &gathered.empty[..] {
        [] => String::new(),
        [one] => format!(": {} is empty", printable(one)),
        [one, more @ ..] => format!(": {} and {} more are empty", printable(one), more.len()),
    }
}

fn flood(number: usize, flood: &Flood, zone: &Zone, paint: &Paint, out: &mut String) {
    let alert: Value = serde_json::from_slice(&flood.alert).unwrap_or_default();
    let at = |pointer: &str| alert.pointer(pointer);
    let text = |pointer: &str| at(pointer).and_then(Value::as_str).map(printable);
    let integer = |pointer: &str| at(pointer).and_then(Value::as_u64).unwrap_or(0);
    let decimal = |pointer: &str| at(pointer).and_then(Value::as_f64).unwrap_or(0.0);
    let estimated = at("/maxconn/flood/distinct/estimated").and_then(Value::as_array);
    let is_estimated = |name: &str| estimated.is_some_and(|names| names.iter().any(|n| n == name));
    let many = |field: &str, one: &str, name: &str| {
        let about = if is_estimated(field) { "about " } else { "" };
        match integer(&format!("/maxconn/flood/distinct/{field}")) {
            0 => None,
            1 => Some(format!("{about}1 {one}")),
            count => Some(format!("{about}{} {name}", grouped(count))),
        }
    };
    let is_full = matches!(
        text("/maxconn/limit/scope").as_deref(),
        Some("service" | "process")
    );
    let who = text("/user/name")
        .or_else(|| {
            text("/user/hash").map(|hash| format!("user {}", hash.get(..12).unwrap_or(&hash)))
        })
        .or_else(|| many("users", "user", "users"))
        .filter(|_| !is_full);
    let from = text("/source/ip")
        .or_else(|| many("ips", "address", "addresses"))
        .filter(|_| !is_full);
    let host = text("/host/name").or_else(|| many("hosts", "host", "hosts"));
    let service = text("/service/name")
        .or_else(|| text("/service/type"))
        .unwrap_or_default();
    let limit = text("/maxconn/limit/name").unwrap_or_default();
    let value = at("/maxconn/limit/value").and_then(Value::as_u64);
    let value = value.map_or(String::new(), |value| format!("={value}"));

    let headline = match (who, from) {
        (Some(who), Some(from)) => format!("{who} from {from}"),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => format!("{service} is at its limit"),
    };
    let host = host.map_or(String::new(), |host| format!(" on {host}"));
    let refusals = grouped(flood.count);
    let [start, end] = ["/event/start", "/event/end"].map(|it| text(it).unwrap_or_default());
    let zone = zone.shown();
    let times = zone.from_until(zone.show(&start), zone.show(&end));
    let lasted = span(integer("/event/duration") / 1_000_000_000);
    let [mean, peak] = ["/maxconn/flood/rate/mean", "/maxconn/flood/rate/peak"].map(decimal);
    let held = grouped(integer("/maxconn/flood/suppressed"));
    let Paint {
        strong, dim, plain, ..
    } = paint;
    let _ = write!(
        out,
        "
{strong}{number}. {headline}{host}{plain}
   {refusals} refusals by {service} ({limit}{value})
   {times} ({lasted})
   {mean:.1} a second, {peak:.0} in the busiest one; {held} held back
"
    );
    if let Some(hint) = text("/maxconn/flood/cause/hint") {
        let evidence = text("/maxconn/flood/cause/evidence").unwrap_or_default();
        let _ = writeln!(out, "   likely cause: {strong}{hint}{plain}: {evidence}");
    }
    if let Some(advice) = text("/maxconn/flood/cause/advice") {
        let _ = writeln!(out, "   what to do: {advice}");
    }
    let rule = text("/rule/name").unwrap_or_default();
    let ended = match text("/maxconn/flood/end_reason").as_deref() {
        Some("end_of_input") => "; it was still going on at the end of the input",
        Some("evicted") => "; it was dropped from a full table, so it may have gone on",
        _ => "",
    };
    let _ = writeln!(out, "   {dim}found by the rule {rule}{ended}{plain}");
}

/// What the figures above do not tell.
fn notes(gathered: &Gathered, out: &mut String) {
    let mut notes = Notes::default();
    for (pointer, one, many) in [
        (
            "/untimed",
            "refusal has no time that could be read: it is in the totals, and in no flood.",
            "refusals have no time that could be read: they are in the totals, and in no flood.",
        ),
        (
            "/late",
            "refusal was out of order by more than allowed_lateness; if no flood was open for it, it opened none.",
            "refusals were out of order by more than allowed_lateness; where no flood was open for them, they opened none.",
        ),
        (
            "/rejected",
            "record could not be passed on.",
            "records could not be passed on.",
        ),
        (
            "/alerts/dropped",
            "update of a flood gave way to more urgent alerts.",
            "updates of floods gave way to more urgent alerts.",
        ),
        (
            "/floods_refused",
            "flood could not be opened at the limit max_floods.",
            "floods could not be opened at the limit max_floods.",
        ),
    ] {
        notes.count(gathered.number(pointer), [one, many]);
    }
    notes.count(gathered.number("/malformed"), MALFORMED);
    notes.count(gathered.cut_lines, CUT);
    let unrecognised = gathered.number("/unrecognised");
    if unrecognised > 0 {
        let all = counted(
            unrecognised,
            "record says what a refusal says, could not be read and was not counted.",
            "records say what refusals say, could not be read and were not counted.",
        );
        let sample = gathered.statistics.get("unrecognised_sample");
        let why = sample.and_then(Value::as_str).map_or(String::new(), why);
        notes.add(format!("{all} {why}").trim_end().to_string());
    }
    // Where nothing was read, the headline names them.
    let has_records = gathered.number("/records") > 0;
    notes.of_each(gathered.empty.iter().filter(|_| has_records), EMPTY);
    notes.of_each(
        &gathered.unread,
        "could not be read, or not to its end; see above.",
    );
    let events = gathered.statistics.get("events");
    let has_events = |limit: &str| events.and_then(|events| events.get(limit)).is_some();
    for uncounted in &gathered.known.uncounted {
        if has_events(&uncounted.limit) {
            notes.add(printable(&uncounted.to_string()));
        }
    }
    notes.of_each(&gathered.known.twice, TWICE);
    notes.write(out);
}

#[cfg(test)]
mod tests {
    use super::super::Summary;
    use super::super::floods::Floods;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_time_has_two_names_over_a_change_of_the_clock() {
        let [start, end] = ["2026-03-29T00:00:00.000Z", "2026-03-29T02:00:00.000Z"];
        for (zone, told) in [
            (
                "UTC",
                "from 2026-03-29 00:00:00 until 2026-03-29 02:00:00 UTC",
            ),
            (
                "Europe/Berlin",
                "from 2026-03-29 01:00:00 CET until 2026-03-29 04:00:00 CEST",
            ),
        ] {
            let zone = Zone::of(zone).unwrap();
            let zone = zone.shown();
            assert_eq!(zone.from_until(zone.show(start), zone.show(end)), told);
        }
    }

    fn told(mut alert: Value) -> String {
        let mut out = String::new();
        let mut floods = Floods::default();
        alert["maxconn"]["flood"]["count"] = 40.into();
        floods.end(alert.to_string().as_bytes(), Summary::Text);
        flood(
            1,
            &floods.told()[0],
            &Zone::default(),
            &Paint::default(),
            &mut out,
        );
        out
    }

    #[test]
    fn a_full_service_is_named_and_no_client() {
        let text = told(json!({
            "source": {"ip": "192.0.2.7"},
            "service": {"type": "dovecot", "name": "imap-login"},
            "maxconn": {"limit": {"name": "connection_queue", "scope": "service"}},
        }));
        assert!(text.contains("1. imap-login is at its limit\n"), "{text}");
    }

    #[test]
    fn a_user_is_named_by_hash_where_names_are_redacted_and_numbers_are_as_exact_as_they_are() {
        let text = told(json!({
            "user": {"hash": "548180b9c860aaaaaaaa"},
            "host": {"name": "mail"},
            "service": {"type": "postgresql"},
            "maxconn": {
                "limit": {"name": "x", "scope": "user"},
                "flood": {"distinct": {"users": 1, "ips": 33, "estimated": ["ips"]}},
            },
        }));
        assert!(
            text.contains("1. user 548180b9c860 from about 33 addresses on mail\n"),
            "{text}"
        );
        assert!(text.contains("40 refusals by postgresql (x)"), "{text}");
    }
}
