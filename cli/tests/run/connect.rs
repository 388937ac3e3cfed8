//! `pipelines/redpanda/connect-run.yaml`: Redpanda Connect's `http_client` output, played as this file configures it
//! against the command that the README prints.

use crate::printed::{Command, flood, read, setting, settings};
use crate::process::{post, until};
use crate::store;

#[test]
fn batches_go_through_maxconn_into_the_store() {
    let yaml = read("redpanda", "connect-run.yaml");
    let readme = read("redpanda", "README.md");
    assert!(
        readme.contains(&format!("```yaml\n{yaml}```")),
        "the README shows another file"
    );
    let settings = settings(&yaml);
    let get = |path: &str| setting(&settings, path);
    let command = Command::of("redpanda", "--output elasticsearch+http://");
    assert_eq!(
        format!("{}/", command.option("--input")),
        get("output.http_client.url")
    );
    assert_eq!(get("output.http_client.verb"), "POST");
    assert_eq!(get("output.http_client.max_in_flight"), "1");
    assert_eq!(get("pipeline.processors.0.archive.format"), "lines");
    let header = format!(
        "Content-Type: {}",
        get("output.http_client.headers.Content-Type")
    );
    let (sink, stored) = store::store(|_| 201);
    let output = format!("elasticsearch+http://{}", sink.address);
    let mut process = command.start("connect", &output, &["--request-timeout", "300ms"]);
    let input = process.address("input");
    // The store is away when the first batch comes.
    store::away_at_first(&sink);
    let (lines, refusals) = flood();
    let count: usize = get("input.kafka_franz.batching.count").parse().unwrap();
    for batch in lines.chunks(count) {
        let body = batch.join("\n");
        // Retried, then given out by the input again: until it is taken.
        until("an answer of 2xx", || {
            post(input, &[&header], body.as_bytes()).status == 204
        });
    }
    let stream = command.option("--records-stream");
    store::check_flood(&stored, stream, lines.len() as u64, refusals);
    process.stop();
}
