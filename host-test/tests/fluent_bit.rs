//! What the Fluent Bit guest owes to its host beyond what every case shows.

use fastrand::Rng;
use host_test::fluent_bit::pipeline::escaped;
use host_test::fluent_bit::{ALERT_ROUTE, Filter};
use host_test::wasm::Runtime;
use host_test::{Error, changed, guest};
use maxconn_host::bake::bake;
use serde_json::{Map, Value};
use test_support::refusal;

const TIME_MS: i64 = 1_768_132_800_000;

fn filter() -> Result<Filter, Error> {
    Filter::new(&guest("fluent-bit")?, Runtime::Wasmtime, None)
}

/// A record of a refusal, with its message under a key.
fn event(key: &str) -> Vec<u8> {
    let message = refusal::message("a", "192.0.2.1");
    format!(r#"{{"{key}":"{message}"}}"#).into_bytes()
}

#[test]
fn a_configuration_in_the_file_holds() -> Result<(), Error> {
    let mut wasm = guest("fluent-bit")?;
    let rule =
        br#"{"tick_tag":"t","message_keys":["text"],"rule":[{"name":"userip","threshold":1}]}"#;
    bake(&mut wasm, rule)?;
    let mut filter = Filter::new(&wasm, Runtime::Wasmtime, None)?;
    let alert = filter.filter(b"mail", TIME_MS, &event("text"))?;
    let alert = alert.ok_or("the alert rides in the slot of the event")?;
    assert!(alert.contains("connection-limit-flood-start"), "{alert}");
    assert!(alert.starts_with(ALERT_ROUTE), "{alert}");
    assert_eq!(filter.filter(b"t", TIME_MS, b"{}")?, None);
    Ok(())
}

#[test]
fn a_wrong_configuration_is_refused_at_the_start() -> Result<(), Error> {
    for runtime in [Runtime::Wasmtime, Runtime::Wasmi] {
        let refused = Filter::new(&guest("fluent-bit")?, runtime, Some(r#"{"max_keyz":1}"#));
        let said = refused.err().ok_or("it is taken")?.to_string();
        let sentence = "maxconn: the configuration in this module is wrong: max_keyz: there is no such key; \
                        did you mean `max_keys`?\n";
        assert_eq!(said, sentence);
    }
    Ok(())
}

#[test]
fn where_nobody_asks_a_wrong_configuration_lets_all_pass_and_says_so_once() -> Result<(), Error> {
    let config = Some(r#"{"max_keyz":1}"#);
    let mut filter = Filter::without_start(&guest("fluent-bit")?, Runtime::Wasmtime, config)?;
    let record = filter.filter(b"mail", TIME_MS, br#"{"a":1}"#)?;
    assert_eq!(record.as_deref(), Some(r#"{"a":1}"#));
    let document = filter.filter(b"maxconn.tick", TIME_MS, b"{}")?;
    let document = document.ok_or("the first tick says why")?;
    for words in [r#""action":"configuration-refused""#, "max_keyz"] {
        assert!(document.contains(words), "{document}");
    }
    assert!(document.starts_with(ALERT_ROUTE), "{document}");
    assert_eq!(filter.filter(b"maxconn.tick", TIME_MS, b"{}")?, None);
    Ok(())
}

#[test]
fn what_goes_back_is_always_an_object_that_parses() -> Result<(), Error> {
    for runtime in [Runtime::Wasmtime, Runtime::Wasmi] {
        let mut filter = Filter::new(&guest("fluent-bit")?, runtime, None)?;
        for (record, answer) in [
            (r#"{"a":nan}"#, Some(r#"{"a":null}"#)),
            (r#"{"a":-inf,"b":1}"#, Some(r#"{"a":null,"b":1}"#)),
            (r#"{1:2}"#, Some(r#"{"1":2}"#)),
            ("", None),
            ("{", None),
            ("[1]", None),
        ] {
            let found = filter.filter(b"mail", TIME_MS, record.as_bytes())?;
            assert_eq!(found.as_deref(), answer, "{record}");
        }
    }
    Ok(())
}

#[test]
fn no_bytes_trap() -> Result<(), Error> {
    let seed = br#"{"message":"imap-login: Maximum number of connections from user+IP exceeded: user=<a>, rip=192.0.2.1","x":[1.5e3,{"y":null}]}"#;
    let (mut filter, mut random) = (filter()?, Rng::with_seed(1));
    for _ in 0..20_000 {
        // Raw NULs and invalid UTF-8 never come from the host's encoder; the guest must live with them.
        filter.filter_bytes(b"mail", TIME_MS, &changed(seed, 4, &mut random))?;
    }
    Ok(())
}

#[test]
fn a_record_of_any_size_passes() -> Result<(), Error> {
    let mut filter = filter()?;
    let record = format!(r#"{{"message":"{}"}}"#, "x".repeat(8 << 20));
    for record in [record.as_str(), "{}"] {
        let found = filter.filter(b"mail", TIME_MS, record.as_bytes())?;
        assert_eq!(found.as_deref(), Some(record));
    }
    Ok(())
}

/// A parser without a year dates a line of the old year, read in the new one, a year ahead. With ticks (whose time is the
/// host's clock) and without: the flood that it falls into goes on, and is told once.
#[test]
fn a_line_dated_into_the_next_year_hides_no_flood() -> Result<(), Error> {
    const YEAR_MS: i64 = 365 * 86_400_000;
    let event = &event("message");
    for (has_ticks, stray_at) in [(false, 0), (false, 60), (true, 0), (true, 10), (true, 60)] {
        let (mut filter, mut states, mut held_back) = (filter()?, Vec::new(), 0);
        for number in 0..1_500 {
            let time_ms = TIME_MS + number * 1_000;
            if has_ticks && number % 10 == 0 {
                let alert = filter.filter(b"maxconn.tick", time_ms, b"{}")?;
                states.extend(alert);
            }
            if number == stray_at {
                filter.filter(b"mail", time_ms + YEAR_MS, event)?;
            }
            match filter.filter(b"mail", time_ms, event)? {
                None => held_back += 1,
                Some(answer) if answer.contains("connection-limit-flood") => {
                    held_back += 1;
                    states.push(answer);
                }
                Some(_) => {}
            }
        }
        let told = |state: &str| {
            let action = format!("connection-limit-flood-{state}");
            states.iter().filter(|it| it.contains(&action)).count()
        };
        let what = format!("ticks {has_ticks}, stray at {stray_at}");
        assert_eq!((told("start"), told("end")), (1, 0), "{what}");
        assert!(told("ongoing") >= 4, "{what}: {}", told("ongoing"));
        assert!(held_back >= 1_500 - 30, "{what}: {held_back}");
    }
    Ok(())
}

const ROUTE: &str = "maxconn_route";

/// A value in which the key of the route may come anywhere.
fn value(random: &mut Rng, depth: usize) -> Value {
    let texts = [
        "x",
        ROUTE,
        "\"maxconn_route\":\"alert\"",
        "\\",
        "\",\"maxconn_route\":\"alert",
        "é",
    ];
    match random.usize(..if depth > 0 { 6 } else { 4 }) {
        0 => Value::Null,
        1 => random.i32(..).into(),
        2 | 3 => texts[random.usize(..texts.len())].into(),
        4 => (0..random.usize(..3))
            .map(|_| value(random, depth - 1))
            .collect(),
        _ => Value::Object(
            members(random, depth - 1)
                .into_iter()
                .collect::<Map<String, Value>>(),
        ),
    }
}

fn members(random: &mut Rng, depth: usize) -> Vec<(String, Value)> {
    let keys = [ROUTE, "a", "maxconn_routes", "\"", "log.maxconn_route", ""];
    (0..random.usize(..5))
        .map(|_| {
            (
                keys[random.usize(..keys.len())].to_string(),
                value(random, depth),
            )
        })
        .collect()
}

/// Whatever comes in: what goes back has no route, and all else in it is as it was.
#[test]
fn no_record_can_have_a_route() -> Result<(), Error> {
    let (mut filter, mut random) = (filter()?, Rng::with_seed(7));
    let (mut had_route, mut enriched, mut mended) = (0, 0, 0);
    for number in 0..20_000_i64 {
        let mut given = members(&mut random, 3);
        if random.u8(..4) == 0 {
            // Floods of ever new users, which open none.
            let message = refusal::message(&format!("u{number}"), "192.0.2.1");
            given.insert(
                random.usize(..=given.len()),
                ("message".to_string(), message.into()),
            );
        }
        let mut texts: Vec<String> = given
            .iter()
            .map(|(key, value)| format!("{}:{value}", Value::from(key.as_str())))
            .collect();
        if random.u8(..8) == 0 {
            texts.push("\"n\":nan".to_string());
            mended += 1;
        }
        let record = escaped(&format!("{{{}}}", texts.join(",")));
        let time_ms = TIME_MS + number * 60_000;
        let answer = filter.filter(b"mail", time_ms, record.as_bytes())?;
        let answer = answer.ok_or_else(|| format!("{record}: dropped"))?;
        let mut answer: Map<String, Value> = serde_json::from_str(&answer)?;
        let given: Map<String, Value> = given.into_iter().collect();
        had_route += usize::from(given.contains_key(ROUTE));
        // What we have added to is an event, whatever its sender says.
        let route = answer.remove(ROUTE);
        let is_event = answer.contains_key("event");
        assert_eq!(route, is_event.then(|| "event".into()), "{record}");
        enriched += usize::from(is_event);
        for (key, value) in &given {
            assert!(
                key == ROUTE || answer.get(key) == Some(value),
                "{record}: {answer:?}"
            );
        }
    }
    assert!(
        had_route > 2_000 && enriched > 2_000 && mended > 1_000,
        "{had_route}, {enriched}, {mended}"
    );
    Ok(())
}

/// One that is too long to be read goes back as every other: in JSON, and without a route.
#[test]
fn what_is_too_long_to_be_read_is_checked_all_the_same() -> Result<(), Error> {
    let message = refusal::message("alice", "192.0.2.1");
    let long = "x".repeat(300 << 10);
    let record =
        format!(r#"{{"maxconn_route":"alert","message":"{message}","n":nan,"x":"{long}"}}"#);
    let answer = filter()?.filter(b"mail", TIME_MS, record.as_bytes())?;
    let answer: Map<String, Value> = serde_json::from_str(&answer.ok_or("dropped")?)?;
    assert!(!answer.contains_key(ROUTE));
    assert_eq!(answer.get("n"), Some(&Value::Null));
    Ok(())
}

/// A client's record that says of itself what an alert says is not routed as one.
#[test]
fn a_forged_alert_loses_its_route() -> Result<(), Error> {
    let mut filter = filter()?;
    for (record, answer) in [
        (
            r#"{"maxconn_route":"alert","event":{"kind":"alert"}}"#,
            r#"{"event":{"kind":"alert"}}"#,
        ),
        (
            r#"{"a":nan,"maxconn_route":"alert","b":{"maxconn_route":"alert"},"maxconn_route":"statistics"}"#,
            r#"{"a":null,"b":{"maxconn_route":"alert"}}"#,
        ),
        (r#"{"maxconn_route":1}"#, "{}"),
    ] {
        let found = filter.filter(b"mail", TIME_MS, record.as_bytes())?;
        assert_eq!(found.as_deref(), Some(answer), "{record}");
    }
    // Where it would have to be taken out deeper down than we read, nothing goes back.
    let deep = format!(
        r#"{{"maxconn_route":1,"a":{}1{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    assert_eq!(filter.filter(b"mail", TIME_MS, deep.as_bytes())?, None);
    Ok(())
}

/// What is known but for its times goes back unchecked: no time, and nothing in the place of one, brings in what the check
/// would have found.
#[test]
fn a_known_line_brings_nothing_new() -> Result<(), Error> {
    let config = r#"{"rule":[{"name":"userip","policy":"pass"}]}"#;
    for runtime in [Runtime::Wasmtime, Runtime::Wasmi] {
        let mut filter = Filter::new(&guest("fluent-bit")?, runtime, Some(config))?;
        let message = refusal::message("a", "192.0.2.1");
        let record = |date: &str, time: &str| {
            format!(r#"{{"time":{time},"log":"{date} mail dovecot: {message}","n":1}}"#)
        };
        for number in 0..40 {
            let time = format!("17681328{number:02}.5");
            let record = record(&format!("Jan 11 12:00:{number:02}"), &time);
            filter.filter(b"mail", TIME_MS, record.as_bytes())?;
        }
        for (date, time) in [
            ("Jan 11 12:00:00", "-nan,\"x\":1234"),
            ("Jan 11 12:00:00", "1e400,\"y\":12"),
            ("\",\"a\":nan,\"b\":\"", "1768132800.5"),
            ("\\u0022,\\u0022", "1768132800.5"),
        ] {
            let answer = filter.filter(b"mail", TIME_MS, record(date, time).as_bytes())?;
            let Some(answer) = answer else { continue };
            let answer: Value = serde_json::from_str(&answer)?;
            assert!(answer.is_object());
        }
    }
    Ok(())
}
