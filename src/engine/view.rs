//! Writes the compact view of one event: a line of JSON for whoever wants to see every event, also those held back.

use alloc::borrow::Cow;

use super::floods::Observed;
use super::output::{Kind, Output};
use super::recognise::Sight;
use crate::config::Config;
use crate::event::Event;
use crate::json::write::Writer;
use crate::redact::Redactor;

/// Writes the view: time, verdict, the first rule with an open flood and the flood's id, limit and key fields.
pub(super) fn write(
    config: &Config,
    redactor: Option<&Redactor>,
    event: &Event<'_>,
    sight: &Sight<'_>,
    observed: &Observed,
    out: &mut Output,
) {
    let context = &sight.context;
    let start = out.bytes.len();
    let mut json = Writer::new(&mut out.bytes);
    json.begin_object();
    json.key("time_ms");
    json.int(context.time_ms);
    json.key("verdict");
    json.string(if observed.is_held_back {
        "suppressed"
    } else {
        "passed"
    });
    if let Some((number, id)) = observed.flood {
        json.key("rule");
        json.string(config.rules.get(number).map_or("", |rule| &rule.name));
        json.key("flood");
        json.hex(id);
    }
    let user = match (redactor, event.user) {
        (Some(redactor), Some(user)) => Some(Cow::Owned(redactor.hash(user))),
        (_, user) => user.map(Cow::Borrowed),
    };
    for (key, value) in [
        ("limit", Some(event.limit)),
        ("scope", Some(event.scope.name())),
        ("host", context.host),
        ("service", event.service),
        ("user", user.as_deref()),
        ("session", event.session_text()),
    ] {
        if let Some(value) = value {
            json.key(key);
            json.string(value);
        }
    }
    if let Some(source) = &event.source {
        json.key("ip");
        json.ip(source.ip);
    }
    if event.count > 1 {
        json.key("count");
        json.uint(u64::from(event.count));
    }
    json.key("bytes");
    json.uint(context.record_bytes);
    json.end_object();
    out.bytes.push(b'\n');
    out.piece(Kind::View, start);
}
