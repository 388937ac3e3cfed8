//! Configurations, as people write them and as guests read them.

use std::fs;

use host_test::case::testdata;
use maxconn::run::fuzzing;
use maxconn_core::config::{Config, ConfigError};
use maxconn_core::engine::Engine;
use serde_json::Value;

pub fn run(data: &[u8]) {
    let shown = String::from_utf8_lossy(data);
    match Config::parse(data, Config::default()) {
        Ok(config) => means_what_it_prints(&config),
        Err(error) => is_said(&error, &shown),
    }
    let text = shown.as_ref();
    for is_json in [false, true] {
        match fuzzing::config(text, is_json) {
            Ok((config, printed)) => {
                means_what_it_prints(&config);
                let again = fuzzing::config(&printed, false);
                let (mut again, _) =
                    again.unwrap_or_else(|error| panic!("{error}: {text}\n{printed}"));
                // It is not printed.
                again.redact_key = config.redact_key.clone();
                assert_eq!(again, config, "{text}\n{printed}");
            }
            Err(sentence) => assert!(sentence.contains("help: "), "{sentence}"),
        }
    }
}

fn means_what_it_prints(config: &Config) {
    let json = config.to_json();
    let again = Config::parse(json.as_bytes(), Config::default());
    assert_eq!(again.as_ref(), Ok(config), "{json}");
    if let Err(error) = Engine::new(config.clone()) {
        is_said(&error, &json);
    }
}

fn is_said(error: &ConfigError, shown: &str) {
    let (problem, mend) = error.problem.say();
    assert!(!problem.is_empty() && !mend.is_empty(), "{shown}");
}

pub fn seeds() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for file in ["good.json", "bad.json"] {
        let cases = fs::read(testdata().join("config").join(file)).unwrap_or_default();
        let cases: Vec<Value> = serde_json::from_slice(&cases).unwrap_or_default();
        all.extend(
            cases
                .iter()
                .map(|case| case["config"].to_string().into_bytes()),
        );
    }
    let toml: Vec<Vec<u8>> = all
        .iter()
        .filter_map(|json| fuzzing::config(&String::from_utf8_lossy(json), true).ok())
        .map(|(_, printed)| printed.into_bytes())
        .collect();
    all.extend(toml);
    all.extend(super::seeds::files("fuzz/config"));
    all
}
