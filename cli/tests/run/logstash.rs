//! `pipelines/logstash/logstash.conf`: Logstash's `http` output, played as this file configures it against the
//! command that the README prints. What it sends and tries again is from its source.

use serde_json::{Value, json};
use test_support::command::{Folder, Process};
use test_support::http::post;
use test_support::store::Store;

use crate::printed::{Command, check_flood, flood, read};

/// What an option of the file is given.
fn option(name: &str) -> String {
    let conf = read("logstash", "logstash.conf");
    let start = format!("{name} => ");
    let mut lines = conf.lines().map(str::trim);
    let value = lines.find_map(|line| line.strip_prefix(&start));
    let value = value.unwrap_or_else(|| panic!("{name} is not set"));
    value.trim_matches('"').to_string()
}

/// An event of the `file` input, after the filter.
fn event(line: &str) -> Value {
    let mut event = json!({
        "message": line, "@version": "1", "@timestamp": "2030-01-01T00:00:00Z", "host": {"name": "mail"},
        "log": {"file": {"path": option("path")}}, "event": {"original": line},
    });
    for field in serde_json::from_str::<Vec<String>>(&option("remove_field")).unwrap() {
        let path = field.split(['[', ']']).filter(|it| !it.is_empty());
        let path: Vec<&str> = path.collect();
        let (name, parents) = path.split_last().unwrap();
        let parent = parents.iter().fold(&mut event, |at, key| &mut at[*key]);
        let removed = parent.as_object_mut().unwrap().remove(*name);
        removed.unwrap_or_else(|| panic!("{field} is not there"));
    }
    event
}

fn send(process: &Process, events: &[Value]) {
    let input = process.address("input");
    let retryable: Vec<u16> = serde_json::from_str(&option("retryable_codes")).unwrap();
    let body = Value::from(events.to_vec()).to_string();
    loop {
        let answer = post(input, &["Content-Type: application/json"], &body);
        match answer.status {
            200..=299 => return,
            status => assert!(retryable.contains(&status), "{answer:?}"),
        }
    }
}

#[test]
fn batches_go_through_maxconn_into_the_store() {
    assert_eq!(
        [option("format"), option("http_method")],
        ["json_batch", "post"]
    );
    let command = Command::of("logstash", "--output elasticsearch+http://");
    assert_eq!(format!("{}/", command.option("--input")), option("url"));
    let (folder, store) = (Folder::new(), Store::start());
    let mut process = command.start(&folder, &store.url(), "--request-timeout 300ms");
    let (lines, refusals) = flood();
    let events: Vec<Value> = lines.iter().map(|line| event(line)).collect();
    // The store is away when the first batch comes, so that Logstash sends it again.
    store.is_away_at_first();
    for batch in events.chunks(1_000) {
        send(&process, batch);
    }
    check_flood(
        &store,
        command.option("--records-stream"),
        lines.len(),
        refusals,
    );
    let event = &store.of_action("connection-limit-exceeded")[0];
    assert!(event["@timestamp"].as_str().unwrap() < "2030", "{event}");
    process.stop();
}
