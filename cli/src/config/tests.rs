use test_support::contains;

use super::*;

fn read_toml(name: &str, text: &str) -> Result<LoadedConfig, LoadError> {
    super::read_toml(name, text, &Config::default())
}

fn read_json(name: &str, text: &str) -> Result<LoadedConfig, LoadError> {
    super::read_json(name, text, &Config::default())
}

#[track_caller]
fn begins(text: &str, start: &str) {
    assert!(text.starts_with(start), "{text}");
}

fn error(text: &str) -> String {
    match read_toml("maxconn.toml", text) {
        Ok(config) => panic!("this is valid: {config:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn errors_show_the_line() {
    for (text, wanted) in [
        (
            "[[rule]]\nname = \"userip\"\nquiet = \"10s\"\n",
            "maxconn.toml:3:9: rule[0].quiet: `quiet` (10s) is shorter than `within` (1m)
  |
3 | quiet = \"10s\"
  |         ^^^^^
help: set `quiet` to 1m or longer",
        ),
        (
            "max_keys = 2_000\n\nmax_flods = 7\n",
            "maxconn.toml:3:1: max_flods: there is no such key
  |
3 | max_flods = 7
  | ^^^^^^^^^
help: did you mean `max_floods`?",
        ),
        (
            "[[rule]]\nname = \"a\"\n\n[[rule]]\nthreshold = 5\n",
            "maxconn.toml:4:1: rule[1].name: this key is missing
  |
4 | [[rule]]
  | ^^^^^^^^
help: write it, e.g. name = \"my-rule\"",
        ),
        (
            "trusted_networks = [\n  \"10.0.0.0/8\",\n  \"10.1.2.3/8\",\n]\n",
            "maxconn.toml:3:3: trusted_networks[1]: 10.1.2.3 lies inside the network /8, it does not start it
  |
3 |   \"10.1.2.3/8\",
  |   ^^^^^^^^^^^^
help: write \"10.0.0.0/8\", or \"10.1.2.3\" for the one address",
        ),
        (
            "[[rule]]\nname = \"a\"\ndistinct = { field = \"user\", at_least = 1 }\n",
            "maxconn.toml:3:41: rule[0].distinct.at_least: 1 is too small
  |
3 | distinct = { field = \"user\", at_least = 1 }
  |                                         ^
help: write a whole number from 2 to 64",
        ),
        (
            "timezone = \"Europe/Berln\"\n",
            "maxconn.toml:1:12: timezone: \"Europe/Berln\" is no time zone
  |
1 | timezone = \"Europe/Berln\"
  |            ^^^^^^^^^^^^^^
help: did you mean \"Europe/Berlin\"?",
        ),
        (
            "# é\n\"max keys\" = 1\n",
            "maxconn.toml:2:1: \"max keys\": there is no such key
  |
2 | \"max keys\" = 1
  | ^^^^^^^^^^
help: did you mean `max_keys`?",
        ),
        (
            "redact_key = \"secret\"\n",
            "maxconn.toml:1:14: redact_key: it has 6 bytes\nhelp: write 16 to 256 bytes",
        ),
    ] {
        assert_eq!(error(text), wanted);
    }
}

#[test]
fn broken_toml_shows_the_line_too() {
    for (text, place) in [
        ("max_keys = \n", "maxconn.toml:1:"),
        ("max_keys = 20\nmax_keys = 30\n", "maxconn.toml:2:1: "),
        ("a = \"\u{1f600}\n", "maxconn.toml:1:"),
        ("[[rule]\n", "maxconn.toml:1:"),
    ] {
        let error = error(text);
        begins(&error, place);
        contains(&error, &["^", "\nhelp: "]);
    }
}

#[test]
fn an_expression_that_does_not_compile_is_shown() {
    let error = error(
        "[[pattern]]\nname = \"pg\"\ncontains = \"too many\"\nregex = '(('\nlimit = \"l\"\nscope = \"user\"\n",
    );
    begins(&error, "maxconn.toml:4:9: pattern[0].regex: ");
}

#[test]
fn the_zone_goes_to_the_guest_as_a_rule() {
    let config = read_toml("maxconn.toml", "timezone = \"Europe/Berlin\"\n").expect("valid");
    assert_eq!(config.json, "{\"timezone\":\"CET-1CEST,M3.5.0,M10.5.0/3\"}");
}

#[test]
fn what_is_printed_loads_again() {
    let written = r#"
timezone = "Europe/Berlin"
allowed_lateness = "10s"
trusted_networks = ["10.0.0.0/8"]
[[rule]]
name = "userip"
threshold = 5
policy = "sample"
[[rule]]
name = "many-users-one-ip"
enabled = false
[[rule]]
name = "nets"
key = ["net"]
distinct = { field = "user", at_least = 5 }
[[pattern]]
name = "myapp"
contains = "too many connections for role"
regex = '''too many connections for role "(?<user>[^"]+)"'''
limit = "role_connection_limit"
scope = "user"
"#;
    for text in [written, ""] {
        let config = read_toml("maxconn.toml", text).expect("valid");
        let printed = print::toml(&config.effective);
        let again = read_toml("printed.toml", &printed)
            .unwrap_or_else(|error| panic!("{error}\n{printed}"));
        assert_eq!(again.effective, config.effective, "{printed}");
    }
}

#[test]
fn a_secret_is_not_printed() {
    let config = read_toml("maxconn.toml", "redact_key = \"0123456789abcdef\"\n").expect("valid");
    assert!(!print::toml(&config.effective).contains("0123456789abcdef"));
}

#[test]
fn json_files_are_taken_too() {
    let read = |text| read_json("maxconn.json", text);
    let config = read("{\"max_keys\": 2000, \"timezone\": \"Asia/Tokyo\"}").expect("valid");
    assert_eq!(config.effective.max_keys, 2_000);
    let error = |text| read(text).unwrap_err().to_string();
    assert_eq!(
        error("{\"max_keys\": 1}"),
        "maxconn.json: max_keys: 1 is too small\nhelp: write a whole number from 43 to 1000000"
    );
    begins(&error("{"), "maxconn.json: this is not JSON: ");
    begins(&error("[]"), "maxconn.json: this is a list");
}

/// Half a surrogate pair is JSON for the core, as other programs write it, and for another reader it is none.
#[test]
fn patterns_of_json_that_only_the_core_reads_are_judged_too() {
    let json = |regex: &str| {
        format!(
            r#"{{"pattern": [{{"name": "p", "contains": "too many", "limit": "l", "scope": "user", "regex": "{regex}\ud800"}}]}}"#
        )
    };
    assert!(serde_json::from_str::<Value>(&json("a")).is_err());
    let read = |regex| read_json("maxconn.json", &json(regex));
    assert!(read("a").is_ok());
    let error = read("(").unwrap_err().to_string();
    begins(
        &error,
        "maxconn.json: pattern[0].regex: this is no expression",
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = load(Some(Path::new("no/such.toml"))).unwrap_err();
    begins(
        &error.to_string(),
        "cannot read the configuration no/such.toml: ",
    );
}

#[test]
fn checking_says_what_there_is() {
    assert_eq!(
        check(None).expect("it is right"),
        "no configuration, so the defaults: fine: 15 rules, 0 patterns"
    );
}

#[test]
fn a_rule_that_is_named_nearly_like_a_built_in_one_is_told_of() {
    for (name, meant) in [
        ("user-ip", Some("userip")),
        ("many-user-one-ip", Some("many-users-one-ip")),
        ("userip", None),
        ("databases", None),
    ] {
        let text = format!("[[rule]]\nname = \"{name}\"\nthreshold = 50\n");
        let config = read_toml("maxconn.toml", &text).expect("valid").effective;
        let warnings = nearly_built_in(&config);
        let said = warnings.iter().map(|it| it.rsplit_once("did you mean "));
        let said: Vec<_> = said.flatten().map(|(_, name)| name).collect();
        let meant: Vec<_> = meant.map(|meant| format!("{meant}?")).into_iter().collect();
        assert_eq!(said, meant, "{name}");
    }
}

#[test]
fn a_file_without_an_end_is_read_no_further_than_a_configuration_goes() {
    let error = load(Some(Path::new("/dev/zero"))).unwrap_err().to_string();
    contains(&error, &["more than the 65536 bytes"]);
}

#[test]
fn the_example_of_the_documentation_counts_all_that_it_finds() {
    let page = include_str!("../../../docs/configuration.md");
    let (_, rest) = page.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let config = read_toml("configuration.md", example).expect("it is right");
    assert_eq!(config.effective.patterns.len(), 1);
    assert_eq!(uncounted(&config.effective), Vec::new());
    let without = example.replace("scope = [\"user\"]", "scope = [\"ip\"]");
    let config = read_toml("configuration.md", &without).expect("it is right");
    let warnings = uncounted(&config.effective);
    assert!(
        matches!(&warnings[..], [one] if one.pattern == "myapp" && one.to_string().contains("scope = [\"user\"]")),
        "{warnings:?}"
    );
}
