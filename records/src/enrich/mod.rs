//! Adds ECS fields to the record of an event.
//!
//! The record is scanned once, for what of our fields it has and where the objects that we add to
//! close; then it is copied, with the missing fields put in before those braces. Nothing that is there is
//! printed anew, so numbers, order, whitespace and escapes stay byte for byte. Without a redactor, that is:
//! with one, the strings that hold the user's name change, and nothing else.
//!
//! - A leaf that is there is never overwritten, whatever its value, nested, dotted or both
//!   (`"user.name"`, `"maxconn": {"limit.name": …}`).
//! - Where anything but an object stands in the place of one of our groups, it stays, and the group is left out
//!   and named in `maxconn.skipped`; if `maxconn` itself is not an object, nothing is said.
//! - A text in the place of `user` that is the user's name becomes `{"name": TEXT}`, its bytes as they are.
//! - A group that comes twice is added to where it comes last, for that one counts in most readers; what either
//!   holds is taken to be there.
//! - A group that is there only under a dotted key (`"maxconn.limit": {…}`) is not entered for writing; what
//!   it lacks goes into a nested one beside it, which readers of dotted keys merge.
//! - A record that is not UTF-8 goes on with U+FFFD for what is not.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::event::{Context, Event};
use crate::json::string::decode;
use crate::json::write::Writer;
use crate::record::Plain;
use crate::redact::Redactor;

mod fields;
mod layout;

use fields::{GROUPS, Group, Leaf};
use layout::Layout;

pub(crate) use fields::is_our_group;
pub use fields::paths;

/// What the event and its context do not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extras<'a> {
    /// Whether `@timestamp` is added where it is absent.
    pub add_timestamp: bool,
    /// `event.id`, where the source gives a position.
    pub id: Option<u128>,
    /// `maxconn.flood.id` and `.state`, while a flood is open for the event.
    pub flood: Option<(&'a str, &'a str)>,
    /// Makes user names unreadable.
    pub redactor: Option<&'a Redactor>,
    /// Where fields can be added without a look at what is there; `None` where that must be looked up.
    pub plain: Option<Plain>,
}

/// Where the values of our fields are from.
struct Values<'a> {
    event: &'a Event<'a>,
    context: &'a Context<'a>,
    extras: &'a Extras<'a>,
    adds_timestamp: bool,
    /// The hash that takes the user name's place.
    hash: Option<&'a str>,
    /// The bits of the groups that are left out.
    skipped: u32,
}

/// Appends `record` with the fields of `event` that it lacks; says whether its `event.id` is that of `extras` then, and
/// not one that it had. `None`, and nothing appended, if the record is not a JSON object.
pub fn enrich(
    record: &[u8],
    event: &Event,
    context: &Context,
    extras: &Extras,
    out: &mut Vec<u8>,
) -> Option<bool> {
    let record = match core::str::from_utf8(record) {
        Ok(_) => Cow::Borrowed(record),
        Err(_) => Cow::Owned(String::from_utf8_lossy(record).into_owned().into_bytes()),
    };
    let mut values = Values {
        event,
        context,
        extras,
        adds_timestamp: extras.add_timestamp,
        hash: None,
        skipped: 0,
    };
    let (Some(redactor), Some(user)) = (extras.redactor, event.user) else {
        return match (&record, extras.plain) {
            (Cow::Borrowed(record), Some(plain)) if values.is_usual() => {
                append(record, plain, &mut values, out)
            }
            _ => splice(&record, &mut values, out),
        };
    };
    let hash = redactor.hash(user);
    values.hash = Some(&hash);
    let mut redacted = Vec::with_capacity(record.len() + 128);
    if !redactor.redact_record(&record, user, &hash, &mut redacted) {
        return None;
    }
    splice(&redacted, &mut values, out)
}

/// Copies the record and adds our fields at its end: what [`splice`] does where it finds nothing of ours.
fn append(record: &[u8], plain: Plain, values: &mut Values, out: &mut Vec<u8>) -> Option<bool> {
    let (head, tail) = record.split_at_checked(plain.closing)?;
    out.reserve(record.len() + 1024);
    out.extend_from_slice(head);
    if plain.has_members {
        out.push(b',');
    }
    values.adds_timestamp &= !plain.has_timestamp;
    values.write_all(out);
    out.extend_from_slice(tail);
    Some(values.extras.id.is_some())
}

/// Copies the record and puts what it lacks where it belongs.
fn splice(record: &[u8], values: &mut Values, out: &mut Vec<u8>) -> Option<bool> {
    let mut layout = Layout::of(record).ok()?;
    // Some servers write `"user": "NAME"`, beside which stores take no `user.name`.
    let (name, leaf, before) = match values.hash {
        Some(hash) => (Some(hash), Leaf::UserHash, &b"{\"hash\":"[..]),
        None => (values.event.user, Leaf::UserName, &b"{\"name\":"[..]),
    };
    let text = layout.user.clone().and_then(|range| record.get(range));
    let text = text.and_then(|text| text.get(1..text.len().checked_sub(1)?));
    let is_name = text.is_some_and(|text| Some(&*decode(text)) == name);
    let named = layout
        .user
        .take()
        .filter(|_| is_name && !layout.is_there(Group::User));
    if named.is_some() {
        layout.name_user(leaf);
    }
    let wanted = values.wanted();
    let mut missing = wanted & !layout.present;
    for group in Group::ALL
        .iter()
        .copied()
        .filter(|group| layout.is_blocked(*group))
    {
        let leaves = group.leaves();
        // Of a group that comes both as an object and as something else, one hides the other's leaves.
        let lacking = if layout.is_there(group) {
            wanted
        } else {
            missing
        };
        if lacking & leaves != 0 {
            missing &= !leaves;
            values.skipped |= 1 << group as u8;
        }
    }
    if values.skipped != 0 && !layout.is_blocked(Group::Maxconn) {
        missing |= Leaf::Skipped.bit() & !layout.present;
    }

    out.reserve(record.len() + 1024);
    let mut copied = 0;
    let mut copy = |out: &mut Vec<u8>, to: usize| {
        if let Some(name) = named
            .clone()
            .filter(|name| copied <= name.start && name.end <= to)
        {
            for piece in [
                record.get(copied..name.start),
                Some(before),
                record.get(name.clone()),
            ] {
                out.extend_from_slice(piece.unwrap_or_default());
            }
            out.push(b'}');
            copied = name.end;
        }
        out.extend_from_slice(record.get(copied..to).unwrap_or_default());
        copied = to;
    };
    let mut places = [(0, Group::Root); GROUPS];
    for (closing, group) in layout.places(&mut places) {
        let (closing, group) = (*closing, *group);
        copy(out, closing);
        let mut json = if layout.is_filled(group) {
            Writer::after_member(out)
        } else {
            Writer::new(out)
        };
        values.write_missing(group, missing, &layout, &mut json);
    }
    copy(out, record.len());
    Some(missing & Leaf::EventId.bit() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Endpoint, Scope, Security};
    use core::net::{IpAddr, Ipv4Addr};

    fn endpoint(last: u8, port: Option<u16>) -> Option<Endpoint> {
        Some(Endpoint {
            ip: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)),
            port,
        })
    }

    fn event() -> Event<'static> {
        Event {
            limit_value: Some(10),
            service: Some("imap-login"),
            user: Some("ann"),
            auth_method: Some("PLAIN"),
            source: endpoint(1, Some(4_000)),
            destination: endpoint(2, None),
            security: Security::Tls {
                version: Some("1.3"),
                cipher: None,
            },
            session: Some(b"S/1"),
            ..Event::new("dovecot", "mail_max_userip_connections", Scope::UserIp)
        }
    }

    fn enriched(record: &str, event: &Event, extras: &Extras) -> String {
        let context = Context {
            time_ms: 0,
            host: None,
            message: &[],
            record_bytes: 0,
        };
        let mut out = b"before ".to_vec();
        let is_id_ours = enrich(record.as_bytes(), event, &context, extras, &mut out);
        let is_there = |id: &&str| record.contains(*id);
        let is_there_before = [r#""id""#, "event.id", r#""event":1"#].iter().any(is_there);
        let is_ours = extras.id.is_some() && !is_there_before;
        assert_eq!(is_id_ours, Some(is_ours), "{record}");
        String::from_utf8(out).expect("UTF-8").split_off(7)
    }

    /// A record with all that is known of it alone.
    fn usual(record: &str) -> String {
        enriched(record, &event(), &Extras::default())
    }

    #[track_caller]
    fn holds(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    const EVENT: &str = concat!(
        r#""event":{"kind":"event","category":["network"],"type":["connection","denied"],"#,
        r#""action":"connection-limit-exceeded","code":"mail_max_userip_connections","#,
        r#""outcome":"failure","module":"dovecot","dataset":"dovecot.maxconn"}"#
    );
    const MIDDLE: &str = concat!(
        r#""service":{"type":"dovecot","name":"imap-login"},"network":{"protocol":"imap"},"#,
        r#""user":{"name":"ann"},"source":{"ip":"192.0.2.1","port":4000},"#,
        r#""destination":{"ip":"192.0.2.2"},"tls":{"established":true,"version":"1.3"},"#,
        r#""related":{"ip":["192.0.2.1","192.0.2.2"],"user":["ann"]}"#
    );
    const LIMIT: &str =
        r#""limit":{"name":"mail_max_userip_connections","value":10,"scope":"user+ip"}"#;
    const REST: &str = r#""session":{"id":"S/1"},"auth_method":"PLAIN""#;

    #[test]
    fn adds_every_field_in_order() {
        let whole = alloc::format!("{{{EVENT},{MIDDLE},\"maxconn\":{{{LIMIT},{REST}}}}}");
        assert_eq!(usual("{}"), whole);
        let extras = Extras {
            add_timestamp: true,
            id: Some(10),
            flood: Some(("f", "ongoing")),
            redactor: None,
            plain: None,
        };
        let text = enriched(r#"{"@timestamp": 1e400 }"#, &event(), &extras);
        holds(
            &text,
            &[r#""id":"0000000000000000000000000000000a"},"service""#],
        );
        let (begin, end) = (
            r#"{"@timestamp": 1e400 ,"event":{"#,
            r#","flood":{"id":"f","state":"ongoing"}}}"#,
        );
        assert!(text.starts_with(begin) && text.ends_with(end), "{text}");
        let text = enriched("{}", &event(), &extras);
        let begin = r#"{"@timestamp":"1970-01-01T00:00:00.000Z","event""#;
        assert!(text.starts_with(begin), "{text}");
    }

    #[test]
    fn merges_into_what_is_there() {
        let record = r#"{"maxconn":{"limit":{"value":1e400},"x":{}},"user":{ },"event":{"kind":null,"a":[1]} }"#;
        assert_eq!(
            usual(record),
            alloc::format!(
                r#"{{"maxconn":{{"limit":{{"value":1e400,"name":"mail_max_userip_connections","scope":"user+ip"}},"x":{{}},{REST}}},"user":{{ "name":"ann"}},"event":{{"kind":null,"a":[1],{}}} ,{}}}"#,
                &EVENT[r#""event":{"kind":"event","#.len()..EVENT.len() - 1],
                MIDDLE.replace(r#""user":{"name":"ann"},"#, ""),
            )
        );
    }

    #[test]
    fn overwrites_no_dotted_leaf() {
        let record = r#"{"user.name":"x","source.ip.raw":1,"maxconn":{"limit.name":2},"maxconn.limit":{"value":3},"tls":{"established":false}}"#;
        let text = usual(record);
        assert!(!text.contains(r#""user":{"#), "{text}");
        let parts = [
            r#""source":{"port":4000}"#,
            r#""tls":{"established":false,"version":"1.3"}"#,
            r#""maxconn":{"limit.name":2,"limit":{"scope":"user+ip"},"#,
        ];
        holds(&text, &parts);
    }

    #[test]
    fn names_the_groups_that_scalars_keep_out() {
        let record = r#"{"user":"x","source":[],"maxconn":{"limit":null},"host":"mail1"}"#;
        let parts = [
            r#""skipped":["user","source","maxconn.limit"]"#,
            r#""maxconn":{"limit":null,"session""#,
        ];
        holds(&usual(record), &parts);
        let text = usual(r#"{"user":"x","maxconn":1}"#);
        holds(&text, &[r#""maxconn":1,"event""#]);
        assert!(!text.contains("skipped"), "{text}");
        // Nothing of ours is kept out where the event has nothing to say.
        let quiet = Event {
            security: Security::None,
            ..event()
        };
        assert!(!enriched(r#"{"tls":1}"#, &quiet, &Extras::default()).contains("skipped"));
    }

    #[test]
    fn a_name_in_the_place_of_the_user_goes_into_it() {
        let text = usual(r#"{"user": "\u0061nn" ,"x":1}"#);
        let begin = r#"{"user": {"name":"\u0061nn"} ,"x":1,"event""#;
        assert!(text.starts_with(begin), "{text}");
        assert!(!text.contains("skipped"), "{text}");
    }

    #[test]
    fn adds_to_the_last_of_two_groups() {
        let record = r#"{"maxconn":{"limit":{"value":1}},"maxconn":{"limit":{}}}"#;
        let begin = r#"{"maxconn":{"limit":{"value":1}},"maxconn":{"limit":{"name""#;
        assert!(usual(record).starts_with(begin));
        let record = r#"{"maxconn":{"limit":{"value":1}},"maxconn":{}}"#;
        holds(
            &usual(record),
            &[r#"{"value":1}},"maxconn":{"limit":{"name""#],
        );
    }

    #[test]
    fn hides_the_user_everywhere() {
        let redactor = Redactor::new("a key of some length");
        let hash = redactor.hash("ann");
        let extras = Extras {
            redactor: Some(&redactor),
            ..Extras::default()
        };
        let record = r#"{"message":"user=<ann>, rip","user":{"name":"ann"}}"#;
        let text = enriched(record, &event(), &extras);
        assert!(!text.contains("ann"), "{text}");
        for part in [
            r#"{"message":"user=<#>, rip""#,
            r##""hash":"#""##,
            r##""user":["#"]"##,
        ] {
            holds(&text, &[&part.replace('#', &hash)]);
        }
    }

    #[test]
    fn leaves_malformed_records_alone() {
        let context = Context {
            time_ms: 0,
            host: None,
            message: &[],
            record_bytes: 0,
        };
        let redactor = Redactor::new("key");
        for redactor in [None, Some(&redactor)] {
            let extras = Extras {
                redactor,
                ..Extras::default()
            };
            let mut out = Vec::new();
            let mut take = |record: &[u8]| enrich(record, &event(), &context, &extras, &mut out);
            for record in [
                "",
                "[]",
                "{",
                r#"{"a":nan}"#,
                "{} x",
                r#"{"user":{"a":01}}"#,
            ] {
                assert!(take(record.as_bytes()).is_none(), "{record}");
            }
            assert!(take(b"{\"a\":\"\xff\"}").is_some());
            // Nothing was left of those before.
            assert!(out.starts_with("{\"a\":\"\u{fffd}\",".as_bytes()));
        }
    }
}
