//! What the Fluent Bit guest owes to its host beyond what every case shows.

use fastrand::Rng;
use host_test::fluent_bit::Filter;
use host_test::wasm::Runtime;
use host_test::{Error, changed, guest};
use maxconn_host::bake::bake;
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
