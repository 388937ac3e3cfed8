//! Under `redact_key` nothing that comes out shows a user's name: not in a value, a key or an id, and not behind escapes
//! of JSON within JSON.

use maxconn_core::config::{Config, KeyField, Policy};
use maxconn_core::engine::{Engine, Output, Source, Want};
use proptest::prelude::*;
use serde_json::{Value, json};
use test_support::json::{texts, wrapped};
use test_support::refusal;

/// Names with what encoders escape, each with a part that no word of ours has.
fn name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "zq", "<", ">", "&", "\\", "\"", "/", "ü", "😀", "n", "u0", ".", "@", " ", "\\u00e4",
    ]);
    prop::collection::vec(part, 0..5).prop_map(|parts| format!("zq{}", parts.concat()))
}

/// Every text that `text` is once its escapes are undone, again and again.
fn readings(text: &str) -> Vec<String> {
    let mut readings = vec![text.to_string()];
    for _ in 0..6 {
        let last = &readings[readings.len() - 1];
        let next = maxconn_core::json::string::decode(last.as_bytes()).into_owned();
        if next == *last {
            break;
        }
        readings.push(next);
    }
    readings
}

fn shows(text: &str, name: &str) -> bool {
    let letter = |character: Option<char>| character.is_some_and(|it| it.is_ascii_alphanumeric());
    readings(text).iter().any(|text| {
        text.match_indices(name).any(|(at, _)| {
            let (before, behind) = (&text[..at], &text[at + name.len()..]);
            let joined = letter(before.chars().next_back())
                || letter(name.chars().next_back()) && letter(behind.chars().next());
            !joined
        })
    })
}

fn config(key: Option<&str>) -> Config {
    let mut config = Config {
        redact_key: key.map(String::from),
        ..Config::default()
    };
    for rule in &mut config.rules {
        (rule.threshold, rule.policy) = (2, Policy::Pass);
        // A user in the key would be in the id, hashed: what remains is the message.
        rule.key = vec![KeyField::Ip];
    }
    config
}

/// All that comes out for some records, alerts and views included.
fn run(config: Config, records: &[u8]) -> String {
    let (mut engine, mut out) = (Engine::new(config).unwrap(), Output::default());
    out.want = Want {
        views: true,
        ..Want::default()
    };
    engine.push_lines(&Source::default(), records, Some(7), &mut out);
    let mut all = out.bytes.clone();
    out.clear();
    engine.finish(None, &mut out);
    all.extend_from_slice(&out.bytes);
    String::from_utf8(all).unwrap()
}

fn record(name: &str, careful: &[bool]) -> Value {
    let message = refusal::line("2026-01-01T12:00:00Z", name, "203.0.113.7");
    let message = message.trim_end();
    let text = wrapped(name, careful);
    json!({
        "message": message,
        "log": {"file": {"path": "/var/log/mail.log"}, "offset": 5},
        (name): {(text.clone()): [text, {"of": wrapped(message, careful)}]},
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_output_shows_a_name(name in name(), careful in prop::collection::vec(any::<bool>(), 0..4)) {
        let record = record(&name, &careful);
        let records = format!("{record}\n{record}\n");
        let shown = run(config(None), records.as_bytes());
        prop_assert!(shown.contains("zq"), "the oracle has something to find");
        let all = run(config(Some("sixteen bytes at least")), records.as_bytes());
        for line in all.lines() {
            let mut found = Vec::new();
            texts(&serde_json::from_str(line).unwrap(), &mut found);
            for text in found {
                prop_assert!(!shows(&text, &name), "{} in {}", name, text);
            }
        }
    }
}

/// Whoever guesses a name cannot confirm it by an id: ids under two keys differ, and from those without one.
#[test]
fn ids_depend_on_the_key() {
    let record = record("zq", &[]);
    let records = format!("{record}\n{record}\n");
    let ids = |key| -> Vec<String> {
        let all = run(config(key), records.as_bytes());
        let documents = all
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let ids = documents.flat_map(|mut document| {
            let pointers = ["/event/id", "/maxconn/flood/id"];
            pointers.map(|pointer| document.pointer_mut(pointer).map(Value::take))
        });
        ids.flatten()
            .map(|id| id.as_str().unwrap().to_string())
            .collect()
    };
    let all = [
        None,
        Some("sixteen bytes at least"),
        Some("another such key"),
    ]
    .map(ids);
    assert!(all[0].len() >= 4);
    for (first, second) in [(0, 1), (0, 2), (1, 2)] {
        assert_eq!(all[first].len(), all[second].len());
        assert!(all[first].iter().all(|id| !all[second].contains(id)));
    }
}

/// The message says nothing of a refusal, and another member of its record does.
#[test]
fn a_refusal_in_another_member_than_the_message_is_withheld_and_counted() {
    let refusal =
        "imap-login: Maximum number of connections from user+IP exceeded: user=<zq>, rip=192.0.2.7";
    let bytes = json!({"message": "hello", "MESSAGE": refusal.as_bytes()});
    let cut = [
        br#"{"message":"hello","log":""#,
        refusal.as_bytes(),
        b"\xff\"}",
    ]
    .concat();
    let records = [
        format!(r#"{{"message":"hello","log":"{refusal}"}}"#).into_bytes(),
        format!(r#"{{"message":"hello","event":{{"original":["{refusal}"]}}}}"#).into_bytes(),
        format!(r#"{{"{refusal}":1,"message":"hello"}}"#).into_bytes(),
        bytes.to_string().into_bytes(),
        cut,
    ];
    for record in records {
        let shown = String::from_utf8_lossy(&record).into_owned();
        for key in [None, Some("sixteen bytes at least")] {
            let mut engine = Engine::new(config(key)).unwrap();
            let mut out = Output::default();
            engine.push_lines(&Source::default(), &record, None, &mut out);
            engine.statistics(&mut out);
            let all = String::from_utf8_lossy(&out.bytes).into_owned();
            assert_eq!(all.contains("is withheld"), key.is_some(), "{shown}: {all}");
            assert!(key.is_none() || !all.contains("zq"), "{shown}: {all}");
            let counted = ["unrecognised", "malformed"]
                .iter()
                .any(|name| all.contains(&format!("\"{name}\":1")));
            assert!(counted, "{shown}: {all}");
        }
    }
}
