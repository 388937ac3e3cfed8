//! User names that try to say what a line says. Dovecot does not escape them: it cuts them to 80 bytes and
//! writes control bytes as `?`.

use arbitrary::Unstructured;
use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Kind, Output, Source, Verdict};
use serde_json::{Value, json};
use test_support::hostile::TABLE;

const NAME_MAX_BYTES: usize = 80;

/// How many bytes choose the shape of the line.
const CHOICE_BYTES: usize = 8;

pub fn run(data: &[u8]) {
    let (choice, name) = data.split_at(data.len().min(CHOICE_BYTES));
    let u = &mut Unstructured::new(choice);
    let name = written(&String::from_utf8_lossy(name));
    let text = &TABLE.text;
    let prefix = of(u, &TABLE.prefixes);
    let (reason, remarks) = of(u, &TABLE.wordings);
    let (elements, session) = of(u, &TABLE.tails);
    let shape: u8 = u.arbitrary().unwrap_or_default();
    let first = u.arbitrary().unwrap_or(0_u8) % 4 == 1;
    let refusal = match first {
        // The name before the text, as administrators have it in `login_log_format`.
        true => {
            format!("{prefix}imap-login: Info: user=<{name}>, {elements} - Disconnected: {text}")
        }
        false => format!("{prefix}imap-login: {reason}{text}{remarks}: user=<{name}>, {elements}"),
    };
    // A session behind the elements may look like anything; only servers set it.
    if !(first && session.is_some()) {
        refused(&record(&refusal, shape), &name, session.as_deref());
    }
    // Lines in which only the name speaks of a limit.
    for other in &TABLE.others {
        let line = other.replace("{tail}", elements).replace("{name}", &name);
        let record = record(&format!("{prefix}{line}"), shape);
        let mut out = Output::default();
        let verdict = engine().push(&Source::default(), &record, Some(0), None, &mut out);
        assert_eq!(
            verdict,
            Verdict::Passed,
            "{}",
            String::from_utf8_lossy(&record)
        );
    }
}

fn of<'a, T>(u: &mut Unstructured<'_>, all: &'a [T]) -> &'a T {
    u.choose(all).unwrap_or(&all[0])
}

fn engine() -> Engine {
    Engine::new(Config::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// A name as Dovecot writes it.
fn written(name: &str) -> String {
    let mut name: String = name
        .chars()
        .map(|char| if char < ' ' { '?' } else { char })
        .collect();
    if name.len() > NAME_MAX_BYTES {
        let end = (0..=NAME_MAX_BYTES - 3)
            .rev()
            .find(|at| name.is_char_boundary(*at));
        name.truncate(end.unwrap_or(0));
        name += "...";
    }
    name
}

/// The record that a shipper makes of a line.
fn record(line: &str, shape: u8) -> Vec<u8> {
    match shape % 4 {
        0 => line.to_string(),
        1 => json!({ "message": line }).to_string(),
        2 => json!({ "log": format!("{line}\n"), "stream": "stderr" }).to_string(),
        _ => json!({ "MESSAGE": line.as_bytes(), "_HOSTNAME": "vm" }).to_string(),
    }
    .into_bytes()
}

/// Holds a refusal to say just what the server said.
fn refused(record: &[u8], name: &str, session: Option<&str>) {
    let shown = String::from_utf8_lossy(record);
    let mut out = Output::default();
    let verdict = engine().push(&Source::default(), record, Some(0), None, &mut out);
    assert_eq!(verdict, Verdict::Enriched, "{shown}");
    let enriched = out.pieces(&[]).find(|(kind, _)| *kind == Kind::Enriched);
    let piece = enriched.map(|(_, piece)| piece).unwrap_or_default();
    let document: Value =
        serde_json::from_slice(piece).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str);
    for (pointer, expected) in [
        ("/user/name", Some(name).filter(|name| !name.is_empty())),
        ("/source/ip", Some("203.0.113.9")),
        ("/destination/ip", Some("2001:db8::1")),
        ("/maxconn/session/id", session),
        ("/service/name", Some("imap-login")),
        ("/event/action", Some("connection-limit-exceeded")),
        ("/maxconn/limit/name", Some("mail_max_userip_connections")),
    ] {
        assert_eq!(text(pointer), expected, "{pointer} of {shown}");
    }
    assert_eq!(document.pointer("/maxconn/flood"), None, "{shown}");
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = TABLE
        .names
        .iter()
        .chain(&TABLE.fakes)
        .enumerate()
        .map(|(number, name)| [&[number as u8; CHOICE_BYTES][..], name.as_bytes()].concat())
        .collect();
    all.extend(super::seeds::files("fuzz/forging"));
    all
}
