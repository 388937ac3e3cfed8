//! With `redact_key` a user's name leaves in no document about an event, wherever the record had it.

use std::borrow::Cow;

use arbitrary::Unstructured;
use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Kind, Output, Source, Want};
use maxconn_core::json::string::decode;
use serde_json::{Value, json};
use test_support::json::{careful, texts, wrapped};

/// What every name holds, and nothing else does.
const MARK: &str = "q7zSecret";
/// How many bytes choose.
const CHOICE_BYTES: usize = 8;
const NAME_MAX_BYTES: usize = 60;
/// Records nest JSON in JSON this deep.
const LEVELS: usize = 4;

pub fn run(data: &[u8]) {
    let (choice, text) = data.split_at(data.len().min(CHOICE_BYTES));
    let u = &mut Unstructured::new(choice);
    let name = name(
        &String::from_utf8_lossy(text),
        u.arbitrary().unwrap_or_default(),
    );
    let mut engine = engine(u.arbitrary().unwrap_or_default());
    let mut out = Output {
        want: Want {
            views: true,
            ids: true,
            ..Want::default()
        },
        ..Output::default()
    };
    for number in 0..5 {
        let refusal = format!(
            "imap-login: Disconnected: Maximum number of connections from user+IP exceeded \
             (mail_max_userip_connections=10): user=<{name}>, method=PLAIN, rip=198.51.100.7, lip=192.0.2.1, \
             session=<s{number}>"
        );
        let record = record(&refusal, &name, u.arbitrary().unwrap_or_default());
        engine.push(
            &Source::default(),
            &record,
            Some(number * 1_000),
            Some(b"at"),
            &mut out,
        );
    }
    while !engine.finish(None, &mut out) {}
    let mut events = 0;
    for (kind, piece) in out.pieces(&[]) {
        let shown = String::from_utf8_lossy(piece);
        let document: Value =
            serde_json::from_slice(piece).unwrap_or_else(|error| panic!("{error}: {shown}"));
        let mut found = vec![shown.to_string()];
        texts(&document, &mut found);
        let told = found.iter().find(|text| tells(text));
        assert_eq!(told, None, "{kind:?} tells of {name:?}: {shown}");
        events += u32::from(kind == Kind::View);
    }
    assert_eq!(events, 5, "not recognised: {name:?}");
}

/// Whether the mark is in a text, or in what JSON within it says, and within that.
fn tells(text: &str) -> bool {
    let mut text = Cow::Borrowed(text);
    for _ in 0..=LEVELS {
        if text.contains(MARK) {
            return true;
        }
        text = Cow::Owned(decode(text.as_bytes()).into_owned());
    }
    false
}

/// Events pass, are held back or are sampled; the user is in the key or not.
fn engine(choice: u8) -> Engine {
    let policy = ["suppress", "pass", "sample"][usize::from(choice) % 3];
    let key = [
        json!(["service", "user", "ip"]),
        json!(["ip"]),
        json!(["user"]),
    ];
    let config = json!({
        "redact_key": "sixteen bytes at least",
        "rule": [
            { "name": "userip", "threshold": 3, "policy": policy, "key": key[usize::from(choice / 3) % 3] },
            { "name": "many-users-one-ip", "threshold": 2 },
        ],
    });
    let config = Config::parse(config.to_string().as_bytes(), Config::default());
    let engine = config.and_then(Engine::new);
    engine.unwrap_or_else(|error| panic!("{error}"))
}

/// A name of any kind, with the mark at its beginning, end or in between.
fn name(text: &str, place: u8) -> String {
    let text: String = text
        .chars()
        .map(|char| if char < ' ' { '?' } else { char })
        .collect();
    let end = (0..=text.len().min(NAME_MAX_BYTES))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let (text, _) = text.split_at(end.unwrap_or(0));
    let middle = (0..=text.len() / 2)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    match place % 3 {
        0 => format!("{MARK}{text}"),
        1 => format!("{text}{MARK}"),
        _ => {
            let (before, behind) = text.split_at(middle);
            format!("{before}{MARK}{behind}")
        }
    }
}

/// A record that holds the name in other places as well.
fn record(refusal: &str, name: &str, shape: u8) -> Vec<u8> {
    let plain = |careful: &[bool]| wrapped(name, careful);
    match shape % 12 {
        0 => refusal.to_string(),
        1 => json!({ "message": refusal }).to_string(),
        2 => {
            json!({ "message": refusal, "user": { "name": name }, "all": [[name], { "x": name }] })
                .to_string()
        }
        3 => json!({ "MESSAGE": refusal.as_bytes(), "raw": name.as_bytes() }).to_string(),
        4 => {
            json!({ "log": format!("{refusal}\n"), "copy": format!("for <{name}> and \"{name}\"") })
                .to_string()
        }
        5 => json!({ "message": refusal, name: 1, "deep": { name: [name] } }).to_string(),
        6 => escaped(&json!({ "message": refusal, "copy": name }).to_string()),
        // Keys, too.
        7 => escaped(&json!({ "message": refusal, name: { name: name } }).to_string()),
        // JSON within JSON, as shippers pass other shippers' records on.
        8 => json!({ "message": refusal, "raw": plain(&[false]), "again": plain(&[true, false]) })
            .to_string(),
        9 => {
            let deep = plain(&[true, true, false]);
            json!({ "message": refusal, (plain(&[true])): deep, "bytes": deep.as_bytes() })
                .to_string()
        }
        10 => format!(
            "{{\"message\":{},\"copy\":{},{}:[]}}",
            careful(refusal),
            careful(name),
            careful(name)
        ),
        _ => format!("<22>1 2026-11-22T20:26:15.354684+00:00 vm dovecot - - -  {refusal}"),
    }
    .into_bytes()
}

/// The same JSON with every letter of the mark's first byte as an escape.
fn escaped(json: &str) -> String {
    json.replace('q', "\\u0071").replace('<', "\\u003c")
}

pub fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "@example.org",
        "",
        ">, user=<x",
        " \"quoted\\",
        "\u{e4}\u{1f600}",
        "<>",
        "a b",
        ".",
        "%5C",
        "\\u0041",
    ];
    let mut all = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        for place in 0..3 {
            let choice: [u8; CHOICE_BYTES] = std::array::from_fn(|at| match at {
                0 => place,
                at => (at + number) as u8,
            });
            all.push([&choice[..], text.as_bytes()].concat());
        }
    }
    all.extend(super::seeds::files("fuzz/redaction"));
    all
}
