//! What the Bento guest owes to its host beyond what every case shows.

use fastrand::Rng;
use host_test::bento::{ALL_PAGES, Message, Processor};
use host_test::wasm::Runtime;
use host_test::{Error, changed, guest};
use serde_json::{Value, json};
use test_support::{data, refusal};

const KIND: &str = "maxconn";
/// Larger ones are not taken, as README.md says.
const MESSAGE_MAX_BYTES: usize = 16 << 20;
/// A record larger than this is not read.
const RECORD_MAX_BYTES: usize = 256 << 10;
const REDACTED: &str = r#"{"redact_key":"a key of sixteen or more"}"#;

fn processor(pages: u32, config: Option<&str>) -> Result<Processor, Error> {
    Processor::new(&guest("bento")?, Runtime::Wasmtime, pages, config)
}

fn message(bytes: impl Into<Vec<u8>>) -> Message {
    Message {
        bytes: bytes.into(),
        ..Message::default()
    }
}

fn refused(user: &str) -> String {
    "dovecot: ".to_string() + &refusal::message(user, "203.0.113.7")
}

#[test]
fn metadata_says_what_a_message_is_whatever_its_sender_says() -> Result<(), Error> {
    let own = |user: &str| json!({"message": refused(user), "event": {"module": "forged"}});
    let unread = format!("(quoted) {}", refused("bob"));
    let cases = [
        (refused("bob"), "event", "dovecot"),
        (own("bob").to_string(), "event", "dovecot"),
        ("nothing of ours".to_string(), "none", ""),
        (String::new(), "none", ""),
        (own("bob").to_string().replace('}', ""), "unread", ""),
        (format!("[{}]", own("bob")), "unread", ""),
        (format!("{}\n{}", refused("a"), refused("b")), "unread", ""),
        (unread, "unread", ""),
        (refused(&"x".repeat(RECORD_MAX_BYTES)), "unread", ""),
    ];
    let mut processor = processor(ALL_PAGES, None)?;
    for (text, kind, server) in cases {
        let mut forged = message(text.clone());
        forged
            .metadata
            .extend([KIND, "maxconn_server"].map(|it| (it.into(), "forged".into())));
        let after = processor.process(forged)?;
        let shown: String = text.chars().take(100).collect();
        assert_eq!(after.said(KIND), kind, "{shown}");
        match kind {
            "event" => {
                let document: Value = serde_json::from_slice(&after.bytes)?;
                assert_eq!(document["user"]["name"], "bob");
                assert_eq!(after.said("maxconn_server"), server);
                assert_eq!(after.said("maxconn_limit"), "mail_max_userip_connections");
            }
            _ => assert_eq!(after.bytes, text.as_bytes(), "{shown}"),
        }
        assert!(!after.is_failed);
    }
    Ok(())
}

#[test]
fn a_clock_in_the_metadata_dates_what_has_no_year() -> Result<(), Error> {
    let line = format!("Jan 11 12:00:00 mail {}", refused("bob"));
    let mut processor = processor(ALL_PAGES, None)?;
    for (clock, time) in [
        ("1768132900000", json!("2026-01-11T12:00:00.000Z")),
        ("1736596900000", json!("2025-01-11T12:00:00.000Z")),
        ("", Value::Null),
        ("yesterday", Value::Null),
        ("99999999999999999999", Value::Null),
    ] {
        let mut message = message(line.clone());
        message
            .metadata
            .extend([("maxconn_clock_ms".into(), clock.into())]);
        let document: Value = serde_json::from_slice(&processor.process(message)?.bytes)?;
        assert_eq!(document["@timestamp"], time, "{clock}");
    }
    Ok(())
}

#[test]
fn no_name_goes_on_where_names_are_hidden() -> Result<(), Error> {
    let mut processor = processor(ALL_PAGES, Some(REDACTED))?;
    let texts = [
        refused("bob"),
        format!("{}\n{}", refused("bob"), refused("bob")),
        format!(r#"[{{"message":"{}"}}]"#, refused("bob")),
        format!(r#"{{"message":"{}","#, refused("bob")),
        refused("bob") + &"x".repeat(RECORD_MAX_BYTES),
        refused("bob") + &"x".repeat(MESSAGE_MAX_BYTES),
    ];
    for text in texts {
        let after = processor.process(message(text))?;
        assert!(matches!(after.said(KIND), "event" | "withheld"));
        let text = String::from_utf8(after.bytes)?;
        assert!(!text.contains("bob"), "{text}");
    }
    Ok(())
}

#[test]
fn a_message_for_which_there_is_no_room_goes_on_as_it_came() -> Result<(), Error> {
    for (pages, len) in [(ALL_PAGES, MESSAGE_MAX_BYTES + 1), (40, 4 << 20)] {
        let mut processor = processor(pages, None)?;
        let large = refused("bob") + &"x".repeat(len);
        let after = processor.process(message(large.clone()))?;
        assert!(after.is_failed && after.bytes == large.as_bytes());
        assert_eq!(after.said(KIND), "unread");
        let after = processor.process(message(refused("bob")))?;
        assert_eq!((after.said(KIND), after.is_failed), ("event", false));
    }
    // There is room for the record, but not to work on it.
    let mut processor = processor(40, None)?;
    let record = refused(&"x".repeat(250 << 10));
    let after = processor.process(message(record.clone()))?;
    assert_eq!((after.said(KIND), after.is_failed), ("unread", false));
    assert_eq!(after.bytes, record.as_bytes());
    Ok(())
}

#[test]
fn memory_stays_bounded() -> Result<(), Error> {
    let mut processor = processor(ALL_PAGES, None)?;
    for round in 0..20 {
        for len in [
            RECORD_MAX_BYTES - 1000,
            5 << 20,
            MESSAGE_MAX_BYTES - 1000,
            10,
        ] {
            processor.process(message(refused(&"\u{1}".repeat(len))))?;
            processor.process(message("x".repeat(len + round)))?;
        }
    }
    let memory = processor.memory_bytes();
    assert!(memory <= 2 * MESSAGE_MAX_BYTES, "{memory} bytes");
    Ok(())
}

#[test]
fn hostile_bytes_do_no_harm() -> Result<(), Error> {
    let mut random = Rng::with_seed(17);
    let mut processor = processor(ALL_PAGES, None)?;
    let json = json!({"message": refused("bob"), "user": {"id": 1}}).to_string();
    for _ in 0..20_000 {
        let of = random
            .choice([refused("bob"), json.clone()])
            .unwrap_or_default();
        let count = random.usize(..8);
        let bytes = changed(of.as_bytes(), count, &mut random);
        let after = processor.process(message(bytes.clone()))?;
        match after.said(KIND) {
            "event" => drop(serde_json::from_slice::<Value>(&after.bytes)?),
            _ => assert_eq!(after.bytes, bytes),
        }
    }
    Ok(())
}

#[test]
fn a_wrong_configuration_is_refused_at_the_start() -> Result<(), Error> {
    for config in [r#"{"max_keys":0}"#, "{", r#"{"nothing":1}"#] {
        let refused = processor(ALL_PAGES, Some(config))
            .err()
            .map(|it| it.to_string());
        assert_eq!(refused.as_deref(), Some("module closed with exit_code(1)"));
    }
    Ok(())
}

#[test]
fn the_readme_shows_the_configurations() {
    let readme = data::text("pipelines/bento/README.md");
    for file in ["bento.yaml", "bento-run.yaml"] {
        let yaml = data::text(&format!("pipelines/bento/{file}"));
        let block = format!("```yaml\n{yaml}```");
        assert!(readme.contains(&block), "the README shows another {file}");
    }
}
