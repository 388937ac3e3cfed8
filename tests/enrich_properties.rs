//! What enrichment promises, for records of every shape: valid JSON stays valid, every byte of the
//! original stays in its place, nothing that is there is overwritten, and no key comes twice because of us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maxconn_core::enrich::{Extras, enrich};
use maxconn_core::event::{Context, Endpoint, Event, Scope, Security};
use maxconn_core::json::scan::{JsonType, Scanner};
use maxconn_core::record::{Keys, read_json};
use maxconn_core::redact::Redactor;
use maxconn_core::time::TimeZone;
use proptest::prelude::*;

/// Keys: ours, others, the empty one, and such as need escapes.
const NAMES: &str = r#"event service network user source destination tls related maxconn limit session flood name hash ip port
kind id value scope state type skipped auth_method established @timestamp message host x \u0065vent us\u0065r \ud800 \""#;

/// Values without members, one a line.
const VALUES: &str = r#"null
true
0
-0.0
1e400
123456789012345678901234567890
""
"x"
"\ud800"
"\/\u003c}"
"ann"
"user=<ann>, rip"
{}
[]
{ }
"grün"
[[[[[]]]]]"#;

/// A value as JSON text, with the whitespace and oddities that encoders never agree on.
fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(VALUES.lines().collect::<Vec<&str>>()).prop_map(String::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..3).prop_map(|values| format!("[{}]", values.join(" ,"))),
            4 => json_object(inner),
        ]
    })
}

/// An object whose keys collide with ours, dotted, escaped or twice.
fn json_object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let names = NAMES.split_whitespace().chain([""]);
    let name = prop::sample::select(names.collect::<Vec<&str>>());
    let key = prop_oneof![
        5 => name.clone().prop_map(String::from),
        1 => (name.clone(), name.clone()).prop_map(|(a, b)| format!("{a}.{b}")),
        1 => (name.clone(), name.clone(), name).prop_map(|(a, b, c)| format!("{a}.{b}.{c}")),
    ];
    let member = (key, value, prop::sample::select(vec!["", " ", "\n\t"]))
        .prop_map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}{space}"));
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn event(full: bool) -> Event<'static> {
    Event {
        limit_value: full.then_some(10),
        service: full.then_some("imap-login"),
        user: Some("ann"),
        auth_method: full.then_some("PLAIN"),
        source: Some(Endpoint {
            ip: IpAddr::V6(Ipv6Addr::LOCALHOST),
            port: full.then_some(1),
        }),
        destination: full.then_some(Endpoint {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: None,
        }),
        security: if full {
            Security::Tls {
                version: Some("1.3"),
                cipher: Some("\"quoted\"\u{1}"),
            }
        } else {
            Security::Secured
        },
        session: full.then_some(b"S\\1"),
        count: if full { 3 } else { 1 },
        ..Event::new("dovecot", "mail_max_userip_connections", Scope::UserIp)
    }
}

fn extras(full: bool) -> Extras<'static> {
    Extras {
        add_timestamp: full,
        id: full.then_some(7),
        flood: full.then_some(("f", "ongoing")),
        redactor: None,
        plain: None,
    }
}

fn enriched(record: &[u8], full: bool, extras: &Extras) -> Option<String> {
    let context = Context {
        time_ms: 1_000,
        host: None,
        message: b"",
        record_bytes: 0,
    };
    let mut out = Vec::new();
    enrich(record, &event(full), &context, extras, &mut out)?;
    Some(String::from_utf8(out).expect("UTF-8"))
}

/// Every member of every object in order, as (path of its object, decoded key, the raw value if it is no object).
/// Objects that come twice under one path are told apart by their number.
type Member = (String, Vec<u8>, Option<String>);

fn members(scanner: &mut Scanner, text: &str, path: &str, all: &mut Vec<Member>) {
    let mut cursor = scanner.begin_object().expect("an object");
    let mut index = 0;
    while let Some(key) = scanner.next_key(&mut cursor).expect("valid") {
        let key = key.into_owned();
        if scanner.kind() == Ok(JsonType::Object) {
            all.push((path.into(), key.clone(), None));
            let inner = format!("{path}/{index}:{}", String::from_utf8_lossy(&key));
            members(scanner, text, &inner, all);
        } else {
            let range = scanner.skip_value().expect("valid");
            all.push((path.into(), key, Some(text[range].into())));
        }
        index += 1;
    }
}

fn members_of(text: &str) -> Vec<Member> {
    let mut all = Vec::new();
    let mut scanner = Scanner::new(text.as_bytes());
    members(&mut scanner, text, "", &mut all);
    scanner.end().expect("nothing behind");
    all
}

/// How many keys come more than once in one object, each counted as often as it comes again.
fn duplicates(all: &[Member]) -> usize {
    let mut keys: Vec<_> = all.iter().map(|(path, key, _)| (path, key)).collect();
    keys.sort();
    let total = keys.len();
    keys.dedup();
    total - keys.len()
}

/// Whether `part` can be had from `whole` by leaving bytes out.
fn is_subsequence(part: &[u8], whole: &[u8]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|byte| whole.any(|other| other == byte))
}

fn is_valid(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A record in which nothing of ours is there is added to without a look; the bytes are the same.
    #[test]
    fn adding_without_a_look_gives_the_same_bytes(record in json_object(json_value()), full in any::<bool>(), drop in any::<bool>()) {
        // Names that are not ours, so that the short way is taken often enough.
        let mut record = record;
        if drop {
            for name in ["event", "service", "network", "user", "source", "destination", "tls", "related", "maxconn"] {
                record = record.replace(&format!("\"{name}"), &format!("\"x{name}"));
            }
        }
        let read = read_json(record.as_bytes(), Keys { message: &[], time: &[] }, &TimeZone::utc()).expect("a valid record");
        let short = Extras { plain: read.plain, ..extras(full) };
        prop_assert_eq!(enriched(record.as_bytes(), full, &short), enriched(record.as_bytes(), full, &extras(full)));
    }

    #[test]
    fn keeps_every_byte_and_every_leaf(record in json_object(json_value()), full in any::<bool>()) {
        let text = enriched(record.as_bytes(), full, &extras(full)).expect("a valid record");
        prop_assert!(is_valid(&text), "{}", text);
        prop_assert!(is_subsequence(record.as_bytes(), text.as_bytes()), "{}", text);
        let (before, after) = (members_of(&record), members_of(&text));
        prop_assert_eq!(duplicates(&before), duplicates(&after), "{}", text);
        // What was there is there, in its order and with its raw value; members are only added behind it.
        let mut left = after.iter();
        for member in &before {
            prop_assert!(left.any(|other| other == member), "{:?} of {} in {}", member, record, text);
        }
    }

    #[test]
    fn adds_nothing_twice(record in json_object(json_value()), full in any::<bool>()) {
        let once = enriched(record.as_bytes(), full, &extras(full)).expect("a valid record");
        let twice = enriched(once.as_bytes(), full, &extras(full)).expect("a valid record");
        // A second pass has nothing to add, unless it has groups to name that a duplicate hid.
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn says_each_field_or_why_not(record in json_object(json_value())) {
        let text = enriched(record.as_bytes(), true, &extras(true)).expect("a valid record");
        let all = members_of(&text);
        let last = |name: &str| all.iter().rev().find(|(path, key, _)| path.is_empty() && key == name.as_bytes());
        for group in ["event", "service", "network", "user", "source", "destination", "tls", "related"] {
            let scalar = all.iter().any(|(path, key, value)| {
                path.is_empty() && key == group.as_bytes() && value.is_some()
            });
            let maxconn_is_object = all.iter().all(|(path, key, value)| {
                !path.is_empty() || key != b"maxconn" || value.is_none()
            });
            let dotted = all.iter().any(|(path, key, _)| {
                path.is_empty() && key.starts_with(format!("{group}.").as_bytes())
            });
            if scalar {
                // Where the record brings a `skipped` of its own, it is not overwritten.
                let named = text.contains("skipped");
                prop_assert!(named || !maxconn_is_object || dotted, "{}: {}", group, text);
            } else {
                prop_assert!(last(group).is_some() || dotted, "{}: {}", group, text);
            }
        }
    }

    #[test]
    fn redaction_leaves_valid_json_without_the_name(record in json_object(json_value())) {
        let redactor = Redactor::new("a key that nobody knows");
        let extras = Extras { redactor: Some(&redactor), ..extras(true) };
        let text = enriched(record.as_bytes(), true, &extras).expect("a valid record");
        prop_assert!(is_valid(&text), "{}", text);
        prop_assert!(!text.contains("ann"), "{}", text);
        prop_assert_eq!(duplicates(&members_of(&record)), duplicates(&members_of(&text)));
    }

    #[test]
    fn is_valid_json_whatever_came_in(
        noise in "[{}\\[\\]\",:a-z0-9\\\\ .-]{0,40}",
        bytes in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        for record in [bytes, noise.clone().into_bytes(), format!("{{{noise}}}").into_bytes()] {
            if let Some(text) = enriched(&record, true, &extras(true)) {
                prop_assert!(is_valid(&text), "{}", text);
            } else {
                let valid = core::str::from_utf8(&record)
                    .is_ok_and(|text| text.trim_start().starts_with('{') && is_valid(text));
                prop_assert!(!valid, "{:?}", record);
            }
        }
    }
}

#[test]
fn takes_a_message_of_a_mebibyte_and_an_empty_object() {
    let record = format!("{{\"message\":\"{}\"}}", "m".repeat(1 << 20));
    let text = enriched(record.as_bytes(), true, &extras(true)).expect("a valid record");
    assert!(is_valid(&text) && text.starts_with(&record[..record.len() - 1]));
    let text = enriched(b"{}", true, &extras(true)).expect("a valid record");
    assert!(is_valid(&text) && !text.starts_with("{,"));
}

#[test]
fn leaves_what_is_nested_too_deeply() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(enriched(nested(126).as_bytes(), true, &extras(true)).is_some());
    assert!(enriched(nested(127).as_bytes(), true, &extras(true)).is_none());
    assert!(enriched(nested(1 << 20).as_bytes(), true, &extras(true)).is_none());
}
