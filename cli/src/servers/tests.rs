use maxconn_core::event::Event;
use maxconn_core::head;
use maxconn_core::recognisers::{Entry, READINGS_MAX, Said};
use maxconn_core::record::{Record, Unescaped, read_json};
use maxconn_core::time::TimeZone;
use test_support::data;

use super::*;

const CASE: &str = "testdata/cases/servers-examples.toml";
const PAGE: &str = "docs/servers.md";

/// The events that entries take a line for.
pub(crate) fn events(line: &str, then: impl FnOnce(&[Event<'_>])) {
    let config = Config::default();
    let json = line.starts_with('{').then_some(line.as_bytes());
    let record = json.map(|json| read_json(json, config.keys(), &config.timezone));
    let record = record.flatten().unwrap_or_else(|| Record {
        message: Some(line.into()),
        ..Record::default()
    });
    let message = record.message.as_deref().expect(line);
    let unescaped = Unescaped::default();
    let body = head::parse(message, &TimeZone::utc(), None).body;
    let mut said = Said::text(message, body).within(json, &unescaped);
    for _ in 0..=READINGS_MAX {
        let events = SERVERS.iter().filter_map(|server| server.recognise(&said));
        let events: Vec<Event<'_>> = events.collect();
        match said.other() {
            Some(other) if events.is_empty() => said = other,
            _ => return then(&events),
        }
    }
    then(&[]);
}

#[test]
fn examples_are_recognised_as_what_they_are_examples_of() {
    for server in SERVERS {
        for limit in server.limits {
            let mut examples = server.shown.examples.iter();
            let has_one = examples.any(|(of, ..)| (of.name, of.scope) == (limit.name, limit.scope));
            assert!(has_one, "{} {}", server.name, limit.name);
        }
        for (limit, _, line) in server.shown.examples {
            let line = template::example(line);
            assert!(!line.contains(['«', '»', '\n']), "{line}");
            events(&line, |events| {
                let told = events
                    .iter()
                    .map(|it| (it.module, it.limit, it.scope, it.class, it.stage));
                let wanted = (
                    server.name,
                    limit.name,
                    limit.scope,
                    limit.class,
                    limit.stage,
                );
                assert_eq!(told.collect::<Vec<_>>(), [wanted], "{line}");
            });
        }
        assert!(!server.shown.others.is_empty(), "{}", server.name);
        for line in server.shown.others {
            let line = template::example(line);
            assert!(!line.contains(['«', '»', '\n']), "{line}");
            events(&line, |events| assert_eq!(events, [], "{line}"));
        }
    }
}

/// So that guests read them, too.
#[test]
fn there_is_a_case_of_all_examples() {
    let case = data::text(CASE);
    let (head, _) = case.split_once("lines = '''\n").expect("lines");
    let examples = SERVERS.iter().flat_map(|server| server.shown.examples);
    let examples = examples.map(|(_, _, line)| template::example(line) + "\n");
    let lines: String = examples.collect();
    data::is_the_file(CASE, &format!("{head}lines = '''\n{lines}'''\n"));
}

fn shown(name: Option<&str>, format: Format) -> Result<String, UnknownServer> {
    let name = name.map(str::to_string);
    ServersArgs { name, format }.page(&Config::default())
}

#[test]
fn the_page_is_made_by_the_command() {
    let page = shown(None, Format::Markdown).expect("a page");
    data::is_the_file(PAGE, &page);
}

#[test]
fn the_table_fits_into_a_terminal() {
    let table = shown(None, Format::Text).expect("a table");
    for line in table.lines() {
        assert!(line.chars().count() <= page::WIDTH, "{line}");
    }
    for server in SERVERS {
        let heading = format!("\n{}\n", server.name);
        assert_eq!(table.matches(&heading).count(), 1, "{heading}");
    }
    assert_eq!(table.matches("    Instead: ").count(), SILENT.len());
}

#[test]
fn one_server_is_shown_with_all_its_messages() {
    for server in SERVERS {
        let details = shown(Some(server.name), Format::Text).expect("details");
        for (_, _, line) in server.shown.examples {
            assert!(details.contains(&template::example(line)), "{details}");
        }
    }
    let error = shown(Some("apachee"), Format::Text).expect_err("unknown");
    let start = "apachee is not recognised; the servers are ";
    assert!(error.to_string().starts_with(start));
}

#[test]
fn programs_get_an_array() {
    let json = shown(None, Format::Json).expect("JSON");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).expect("an array");
    let is_silent = |row: &&serde_json::Value| row.get("silent").is_some();
    assert_eq!(rows.iter().filter(is_silent).count(), SILENT.len());
    for row in rows.iter().filter(|row| !is_silent(row)) {
        assert!(row["examples"][0]["line"].is_string(), "{row}");
        assert!(row["scope"].is_string(), "{row}");
        assert!(row["class"].is_string(), "{row}");
    }
}
