//! Configurations as data (`testdata/config`): what each wrong one is told, what each right one means.

use maxconn_core::config::Config;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The cases of a file: a JSON list of objects, one a line.
fn cases(text: &str) -> Vec<Value> {
    match serde_json::from_str(text) {
        Ok(Value::Array(cases)) => cases,
        other => panic!("a list of cases was expected, not {other:?}"),
    }
}

fn parse(config: &Value) -> Result<Config, String> {
    Config::parse(config.to_string().as_bytes(), Config::default())
        .map_err(|error| error.to_string())
}

#[test]
fn wrong_configurations_are_told_place_and_mend() {
    for case in cases(include_str!("../testdata/config/bad.json")) {
        let got = parse(&case["config"]).expect_err(&case["why"].to_string());
        assert_eq!(json!(got), case["error"], "{}", case["why"]);
    }
}

#[test]
fn right_configurations_mean_what_they_say() {
    for case in cases(include_str!("../testdata/config/good.json")) {
        let config =
            parse(&case["config"]).unwrap_or_else(|error| panic!("{}: {error}", case["why"]));
        let effective: Value = serde_json::from_str(&config.to_json()).expect("we write JSON");
        for (pointer, wanted) in case["effective"]
            .as_object()
            .expect("a table of JSON pointers")
        {
            let got = effective.pointer(pointer).unwrap_or(&Value::Null);
            assert_eq!(got, wanted, "{}: {pointer}", case["why"]);
        }
        assert_eq!(
            parse(&effective),
            Ok(config),
            "{}: it comes back as it was",
            case["why"]
        );
    }
}

#[test]
fn no_configuration_is_the_defaults() {
    for nothing in ["", " \n", "{}", &Config::default().to_json()] {
        let config = Config::parse(nothing.as_bytes(), Config::default());
        assert_eq!(config, Ok(Config::default()));
    }
}

#[test]
fn what_is_not_json_says_so() {
    let error = |json: &[u8]| {
        Config::parse(json, Config::default())
            .unwrap_err()
            .to_string()
    };
    let begins = "this is not JSON: it goes wrong at line 1, column 1";
    let whole = format!("{begins}; write one JSON object");
    assert_eq!(error(b"max_keys = 5"), whole);
    let long = "the configuration has 70000 bytes; keep it to 65536 bytes";
    assert_eq!(error(&[b'['; 70_000]), long);
    assert!(error(&[b'['; 60_000]).starts_with(&format!("{begins}2")));
}

#[test]
fn a_guests_own_defaults_stay_where_the_configuration_is_silent() {
    let own = Config {
        max_floods: 256,
        ..Config::default()
    };
    let config = Config::parse(br#"{"max_keys": 2000}"#, own).expect("valid");
    assert_eq!((config.max_keys, config.max_floods), (2_000, 256));
}

/// JSON of any shape, with our keys and words in it more often than chance would have them.
fn json_values() -> impl Strategy<Value = Value> {
    const WORDS: &str = "rule pattern name key scope within quiet policy distinct field at_least threshold trusted_networks \
                         message_keys timezone user+ip user userip 5m 10.0.0.0/8 contains regex";
    let word =
        prop::sample::select(WORDS.split(' ').collect::<Vec<&str>>()).prop_map(str::to_string);
    let text = prop_oneof![4 => word, 1 => ".{0,8}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Valid rules of every shape, no name twice.
fn rules() -> impl Strategy<Value = Value> {
    let rule = (
        prop::sample::select(&["userip", "service-limit", "mine", "a.b-c_d"][..]),
        any::<bool>(),
        (1..=65_535u32, 1..=86_400i64, 0..=3_600i64),
        (1..=604_800i64, 0..=1_000i64),
        prop::sample::select(&["pass", "suppress", "sample"][..]),
        prop::option::of(2..=64u16),
    )
        .prop_map(
            |(name, enabled, (threshold, within, more), (update, longer), policy, at_least)| {
                let mut rule = json!({
                    "name": name,
                    "enabled": enabled,
                    "key": ["ip"],
                    "threshold": threshold,
                    "within": format!("{within}s"),
                    "quiet": format!("{}s", within + more),
                    "update_every": format!("{}s", (update - longer).max(1)),
                    "update_max": format!("{update}s"),
                    "policy": policy,
                });
                if let Some(at_least) = at_least {
                    rule["distinct"] = json!({ "field": "user", "at_least": at_least });
                }
                if policy == "sample" {
                    rule["sample_every"] = json!(threshold.max(2));
                }
                rule
            },
        );
    prop::collection::vec(rule, 0..4).prop_map(|mut rules| {
        rules.sort_by_key(|rule| rule["name"].to_string());
        rules.dedup_by_key(|rule| rule["name"].to_string());
        Value::Array(rules)
    })
}

proptest! {
    #[test]
    fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = Config::parse(&bytes, Config::default());
    }

    #[test]
    fn no_json_makes_parsing_panic_and_what_is_valid_comes_back(value in json_values()) {
        if let Ok(config) = parse(&value) {
            let again = Config::parse(config.to_json().as_bytes(), Config::default());
            prop_assert_eq!(again, Ok(config));
        }
    }

    #[test]
    fn what_is_printed_comes_back(rules in rules(), max_keys in 1_000..1_000_000u64) {
        let config = parse(&json!({ "rule": rules, "max_keys": max_keys })).expect("all is valid");
        let again = Config::parse(config.to_json().as_bytes(), Config::default());
        prop_assert_eq!(again, Ok(config));
    }
}
