//! `pipelines/redpanda/connect-run.yaml`: Redpanda Connect's `http_client` output, played as this file configures it
//! against the command that the README prints.

use test_support::command::Folder;
use test_support::http::post;
use test_support::store::Store;
use test_support::until;

use crate::printed::{Command, check_flood, flood, read, setting, settings};

#[test]
fn batches_go_through_maxconn_into_the_store() {
    let yaml = read("redpanda", "connect-run.yaml");
    let block = format!("```yaml\n{yaml}```");
    let readme = read("redpanda", "README.md");
    assert!(readme.contains(&block), "the README shows another file");
    let settings = settings(&yaml);
    let get = |path: &str| setting(&settings, path);
    let output = |key: &str| get(&format!("output.http_client.{key}"));
    let command = Command::of("redpanda", "--output elasticsearch+http://");
    assert_eq!(format!("{}/", command.option("--input")), output("url"));
    assert_eq!((output("verb"), output("max_in_flight")), ("POST", "1"));
    assert_eq!(get("pipeline.processors.0.archive.format"), "lines");
    let header = format!("Content-Type: {}", output("headers.Content-Type"));
    let (folder, store) = (Folder::new(), Store::start());
    let mut process = command.start(&folder, &store.url(), "--request-timeout 300ms");
    let input = process.address("input");
    // The store is away when the first batch comes.
    store.is_away_at_first();
    let (lines, refusals) = flood();
    let count: usize = get("input.kafka_franz.batching.count").parse().unwrap();
    for batch in lines.chunks(count) {
        // Retried, then given out by the input again: until it is taken.
        until("an answer of 2xx", || {
            post(input, &[&header], batch.join("\n")).status == 204
        });
    }
    check_flood(
        &store,
        command.option("--records-stream"),
        lines.len(),
        refusals,
    );
    process.stop();
}
