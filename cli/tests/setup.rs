//! `maxconn setup` against servers that keep what is put to them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use test_support::command::{self, Ran};
use test_support::http::{Sink, reply};

/// What a server holds, by path.
type Held = Arc<Mutex<BTreeMap<String, Value>>>;

/// A server that says of itself what `nodes` says, and `setup` for it.
fn server(nodes: Value) -> (Held, impl Fn(&str) -> Ran) {
    let held = Held::default();
    let kept = Arc::clone(&held);
    let sink = Sink::judging(move |head, body| {
        let mut words = head.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let (status, answer) = answer(method, path, body, &nodes, &mut kept.lock().unwrap());
        reply(status, &answer.to_string())
    });
    let setup = move |more: &str| setup(&format!("--elasticsearch http://{} {more}", sink.address));
    (held, setup)
}

fn answer(
    method: &str,
    path: &str,
    body: &[u8],
    nodes: &Value,
    held: &mut BTreeMap<String, Value>,
) -> (u16, Value) {
    if path.starts_with("/_nodes") {
        return (200, json!({"nodes": {"a": nodes}}));
    }
    let (path, _) = path.split_once('?').unwrap_or((path, ""));
    if path == "/_cluster/state/metadata/logs-dovecot.maxconn-*" {
        let indices = held.get("indices").cloned().unwrap_or_default();
        return (200, json!({"metadata": {"indices": indices}}));
    }
    if method == "PUT" {
        held.insert(path.to_string(), serde_json::from_slice(body).unwrap());
        return (200, json!({"acknowledged": true}));
    }
    let Some(body) = held.get(path) else {
        return (404, json!({"error": "not there"}));
    };
    let found = match path.split('/').nth(1) {
        Some("_component_template") => {
            json!({"component_templates": [{"component_template": body}]})
        }
        Some("_index_template") => json!({"index_templates": [{"index_template": body}]}),
        Some("_ilm") => json!({"maxconn": body}),
        _ => {
            let mut found = body.clone();
            found["_seq_no"] = json!(1);
            found
        }
    };
    (200, found)
}

fn setup(arguments: &str) -> Ran {
    command::run(Path::new("/"), &format!("setup {arguments}"))
}

fn elasticsearch() -> Value {
    let modules = json!([{"name": "mapper-extras"}, {"name": "x-pack-ilm"}]);
    json!({"version": "8.19.21", "build_flavor": "default", "modules": modules})
}

#[test]
fn a_second_run_changes_nothing() {
    let plugins = json!([{"name": "opensearch-index-management"}]);
    let opensearch = json!({"version": "3.8.0", "plugins": plugins});
    for (nodes, product, lifecycle) in [
        (
            elasticsearch(),
            "Elasticsearch, with match_only_text, with",
            "/_ilm/policy/maxconn",
        ),
        (
            opensearch,
            "OpenSearch, without match_only_text, with",
            "/_plugins/_ism/policies/maxconn",
        ),
    ] {
        let (held, setup) = server(nodes);
        let first = setup("");
        let said = &first.is(0, "").stdout;
        assert!(said.contains(product), "{said}");
        assert_eq!(said.matches("created").count(), 4, "{said}");
        let after_first = held.lock().unwrap().clone();
        assert!(after_first.contains_key(lifecycle), "{after_first:?}");
        assert_eq!(setup("").stdout.matches("left alone").count(), 4);
        assert_eq!(*held.lock().unwrap(), after_first);
    }
}

#[test]
fn what_an_older_version_put_is_updated_and_what_others_put_is_not() {
    let (held, setup) = server(elasticsearch());
    for (name, body) in [
        ("maxconn-ecs", json!({"_meta": {"digest": "older"}})),
        ("maxconn-fields", json!({"template": {}})),
    ] {
        let path = format!("/_component_template/{name}");
        held.lock().unwrap().insert(path, body);
    }
    let ran = setup("");
    let said = &ran.is(1, "replace it with --force").stdout;
    assert!(
        said.contains("updated     /_component_template/maxconn-ecs"),
        "{said}"
    );
    assert!(
        said.contains("NOT OURS    /_component_template/maxconn-fields"),
        "{said}"
    );
    setup("--force").is(0, "");
}

#[test]
fn what_is_missing_is_left_out_and_said() {
    let (held, setup) = server(json!({"version": "8.19.21", "modules": []}));
    let said = setup("").stdout;
    assert!(
        said.contains("left out    lifecycle: this server has none"),
        "{said}"
    );
    let held = format!("{:?}", held.lock().unwrap());
    assert!(
        !held.contains("match_only_text") && !held.contains("lifecycle"),
        "{held}"
    );
}

#[test]
fn print_needs_no_server_and_wrong_addresses_are_told() {
    let printed: Value = serde_json::from_str(&setup("--print").stdout).unwrap();
    assert!(printed["opensearch"]["PUT /_plugins/_ism/policies/maxconn"].is_object());
    let table = "
        2 | setup --elasticsearch es:9200                     | write it like http://127.0.0.1:9200
        2 | setup --elasticsearch http://u:secret@es:9200     | put the secret into a file
        1 | setup --elasticsearch http://127.0.0.1:1          | start the server, or name another address
        2 | setup --elasticsearch http://es --api-key missing | cannot read the secret in missing
        2 | setup                                             | --elasticsearch";
    let check = |ran: &Ran| assert!(!ran.stderr.contains("u:secret"), "{ran:?}");
    command::run_rows(Path::new("/"), table, check);
}

#[test]
fn an_index_where_the_data_stream_should_be_is_told() {
    let (held, setup) = server(elasticsearch());
    let backing = json!({".ds-logs-dovecot.maxconn-default-000001": {"state": "open"}});
    held.lock().unwrap().insert("indices".to_string(), backing);
    setup("").is(0, "");
    let plain = json!({"logs-dovecot.maxconn-default": {"state": "open"}});
    held.lock().unwrap().insert("indices".to_string(), plain);
    setup("").is(1, "logs-dovecot.maxconn-default at http://");
}
