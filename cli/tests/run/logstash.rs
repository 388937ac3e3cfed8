//! `pipelines/logstash/logstash.conf`: Logstash's `http` output, played as this file configures it against the
//! command that the README prints. What it sends and tries again is from its source.

use serde_json::{Value, json};

use crate::printed::{Command, flood, read};
use crate::process::{Process, post};
use crate::store;

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
        let path: Vec<&str> = field
            .split(['[', ']'])
            .filter(|it| !it.is_empty())
            .collect();
        let (name, parents) = path.split_last().unwrap();
        let parent = parents.iter().fold(&mut event, |at, key| &mut at[*key]);
        assert!(
            parent.as_object_mut().unwrap().remove(*name).is_some(),
            "{field}"
        );
    }
    event
}

fn send(process: &mut Process, events: &[Value]) {
    let input = process.address("input");
    let retryable: Vec<u16> = serde_json::from_str(&option("retryable_codes")).unwrap();
    let body = Value::from(events.to_vec()).to_string();
    loop {
        let answer = post(input, &["Content-Type: application/json"], body.as_bytes());
        match answer.status {
            200..=299 => return,
            status => assert!(retryable.contains(&status), "{answer:?}"),
        }
    }
}

#[test]
fn batches_go_through_maxconn_into_the_store() {
    assert_eq!(
        (option("format"), option("http_method")),
        ("json_batch".into(), "post".into())
    );
    let command = Command::of("logstash", "--output elasticsearch+http://");
    assert_eq!(format!("{}/", command.option("--input")), option("url"));
    let (sink, stored) = store::store(|_| 201);
    let output = format!("elasticsearch+http://{}", sink.address);
    let mut process = command.start("logstash", &output, &["--request-timeout", "300ms"]);
    let (lines, refusals) = flood();
    let events: Vec<Value> = lines.iter().map(|line| event(line)).collect();
    // The store is away when the first batch comes, so that Logstash sends it again.
    store::away_at_first(&sink);
    for batch in events.chunks(1_000) {
        send(&mut process, batch);
    }
    let stream = command.option("--records-stream");
    let events = store::check_flood(&stored, stream, lines.len() as u64, refusals);
    let event = &events[0];
    assert!(event["@timestamp"].as_str().unwrap() < "2030", "{event}");
    process.stop();
}
