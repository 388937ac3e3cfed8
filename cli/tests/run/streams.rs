//! The data streams of events and alerts: one for each server, and one for each pattern of one's own.

use std::collections::BTreeMap;

use test_support::command::{Folder, Process, run, run_rows};
use test_support::refusal::each_second;
use test_support::store::Store;

/// Two servers, a pattern, and what senders say of their own.
const LOG: &str = r#"2026-11-28 16:50:19.697 UTC [77] FATAL:  sorry, too many clients already
[28-Nov-2026 16:50:19] WARNING: [pool www] server reached pm.max_children setting (5), consider raising it
Nov 28 16:50:19 host app: session limit reached for ann
{"message":"2026-11-28 16:50:19.697 UTC [77] FATAL:  sorry, too many clients already","event":{"module":"forged","dataset":"forged.maxconn"}}
{"message":"2026-11-28 16:50:19.697 UTC [77] FATAL:  sorry, too many clients already","event.module":["nginx"]}
{"message":"2026-11-28 16:50:19.697 UTC [77] FATAL:  sorry, too many clients already","event":{"dataset":"system.syslog"}}
"#;
/// As often as something is counted, and one more alert.
const RULE: &str = "[[rule]]\nname = \"mine\"\nkey = [\"user\"]\nscope = [\"user\"]\nthreshold = 1\npolicy = \"pass\"\n";

fn configuration(name: &str) -> String {
    format!(
        "{RULE}[[pattern]]\nname = \"{name}\"\ncontains = \"session limit reached\"\n\
         regex = 'session limit reached for (?<user>[a-z]+)'\nlimit = \"session_limit\"\nscope = \"user\"\n"
    )
}

/// How many documents are in which stream.
fn counts(store: &Store) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for (stream, _) in store.documents().into_keys() {
        *counts.entry(stream).or_default() += 1;
    }
    counts
}

/// The same in a table.
fn check(store: &Store, table: &str) {
    let rows = test_support::data::rows::<2>(table);
    let expected = rows.map(|[stream, count]| (stream.to_string(), count.parse().unwrap()));
    assert_eq!(counts(store), expected.collect());
}

#[test]
fn each_server_and_each_pattern_has_one_and_a_reload_is_heard() {
    let (folder, store) = (Folder::new(), Store::start());
    folder.write("maxconn.toml", configuration("my-app"));
    let more = "--config maxconn.toml --only changed --namespace eu";
    let mut process = Process::http_at(&folder, &store.url(), more);
    assert_eq!(process.post(LOG.to_string() + &each_second(0..40)), 204);
    // Of each stream the events, and of a pattern and of Dovecot a start.
    check(
        &store,
        "logs-postgresql.maxconn-eu | 2
         logs-php-fpm.maxconn-eu    | 2
         logs-my-app.maxconn-eu     | 2
         logs-dovecot.maxconn-eu    | 30
         logs-maxconn.maxconn-eu    | 2",
    );
    folder.write("maxconn.toml", configuration("your-app"));
    process.signal("HUP");
    process.said("was read again");
    let ben = "Nov 28 16:50:30 host app: session limit reached for ben\n";
    assert_eq!(process.post(ben), 204);
    assert_eq!(counts(&store)["logs-your-app.maxconn-eu"], 2);
    process.stop();
}

#[test]
fn a_replay_knows_the_patterns_inside_a_plugin_and_statistics_have_a_stream() {
    let (folder, store) = (Folder::new(), Store::start());
    folder.write("maxconn.toml", configuration("my-app"));
    let bake = "config bake --config maxconn.toml --guest embed -o baked.wasm";
    run(&folder, bake).is(0, "");
    folder.write("mixed.log", LOG);
    let into = format!(
        "replay mixed.log --only changed --statistics --output {}",
        store.url()
    );
    run(&folder, &format!("{into} --plugin baked.wasm")).is(0, "");
    // The flood ends with the log.
    let expected = "logs-postgresql.maxconn-default | 2
                    logs-php-fpm.maxconn-default    | 3
                    logs-my-app.maxconn-default     | 3
                    logs-maxconn.maxconn-default    | 3";
    check(&store, expected);
    let store = Store::start();
    let into = into.replace("--statistics", "--events-stream all");
    let into = into.rsplit_once(' ').unwrap().0.to_string() + " " + &store.url();
    run(&folder, &format!("{into} --config maxconn.toml")).is(0, "");
    check(&store, "all | 10");
}

#[test]
fn a_namespace_that_would_not_be_one_is_told() {
    let table = "
        2 | replay x --namespace a-b                     | write up to 100 of a-z, 0-9, . and _
        2 | run --namespace Default                      | write up to 100 of a-z
        2 | run --namespace                              | --namespace
        2 | replay x --namespace eu --events-stream logs | cannot be used with";
    run_rows(&Folder::new(), table, |_| ());
}
