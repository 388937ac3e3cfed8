//! `maxconn setup` against servers that keep what is put to them.

mod dashboards;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use test_support::command::{self, Ran};
use test_support::http::{Sink, reply};
use test_support::lacks;

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
    if path == "/_plugins/_alerting/monitors/_search" {
        // Without a monitor there is no index of them.
        return match held.get("monitors") {
            None => (404, json!({"error": {"reason": "no such index"}})),
            Some(monitors) => (200, json!({"hits": {"hits": monitors}})),
        };
    }
    if path == "/_plugins/_alerting/monitors" {
        let monitor: Value = serde_json::from_slice(body).unwrap();
        let monitor = json!({"_id": "abc", "_source": monitor});
        held.insert("monitors".to_string(), json!([monitor]));
        return (201, json!({"_id": "abc"}));
    }
    if path == "/_cluster/state/metadata/logs-*.maxconn-*" {
        let indices = held.get("indices").cloned().unwrap_or_default();
        return (200, json!({"metadata": {"indices": indices}}));
    }
    if let Some(stream) = path.strip_prefix("/_data_stream/") {
        // Not every server tells it.
        return match stream {
            "logs-nginx.maxconn-own" => (200, json!({"data_streams": [{"template": "own"}]})),
            "logs-nginx.maxconn-default" => (400, json!({"error": "no handler found"})),
            _ => (200, json!({"data_streams": [{"template": "logs-maxconn"}]})),
        };
    }
    if let Some(stream) = path.strip_suffix("/_rollover") {
        let index = format!(".ds-{}-2026.11.29-000010", &stream[1..]);
        let fields = &held["/_component_template/maxconn-fields"];
        let mappings = json!({"_doc": fields["template"]["mappings"]});
        held.get_mut("indices").unwrap()[index] = json!({"mappings": mappings});
        return (200, json!({"rolled_over": true}));
    }
    if method == "DELETE" {
        held.remove(path).expect("it is there");
        return (200, json!({"acknowledged": true}));
    }
    if method == "PUT" {
        // As both servers do, whose streams would be without a template or have two.
        let body: Value = serde_json::from_slice(body).unwrap();
        if let Some(id) = path.strip_prefix("/_plugins/_alerting/monitors/") {
            let monitor = json!({"_id": id, "_source": body});
            held.insert("monitors".to_string(), json!([monitor]));
            return (200, json!({"_id": id}));
        }
        let mut others = held.iter().filter(|(it, _)| *it != path);
        let rivals = |it: &Value| it["priority"].is_u64() && it["priority"] == body["priority"];
        if others.any(|(_, it)| rivals(it)) {
            let reason = "that have the same priority";
            return (400, json!({"error": {"reason": reason}}));
        }
        held.insert(path.to_string(), body);
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

fn put(held: &Held, path: &str, body: Value) {
    held.lock().unwrap().insert(path.to_string(), body);
}

fn put_indices(held: &Held, names: impl IntoIterator<Item = impl Into<String>>) {
    let names = names.into_iter().map(Into::into);
    let indices = names.map(|name: String| (name, json!({"state": "open"})));
    put(held, "indices", Value::Object(indices.collect()));
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
        let said = &first.is(0, "").prints(product).stdout;
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
        put(&held, &format!("/_component_template/{name}"), body);
    }
    let ran = setup("");
    ran.is(1, "replace it with --force")
        .prints("updated     /_component_template/maxconn-ecs")
        .prints("NOT OURS    /_component_template/maxconn-fields");
    setup("--force").is(0, "");
}

#[test]
fn what_is_missing_is_left_out_and_said() {
    let (held, setup) = server(json!({"version": "8.19.21", "modules": []}));
    setup("").prints("left out    lifecycle: this server has none");
    let held = format!("{:?}", held.lock().unwrap());
    lacks(&held, &["match_only_text", "lifecycle"]);
}

#[test]
fn print_needs_no_server_and_wrong_addresses_are_told() {
    let printed: Value = serde_json::from_str(&setup("--print").stdout).unwrap();
    assert!(printed["opensearch"]["PUT /_plugins/_ism/policies/maxconn"].is_object());
    let table = "
        2 | setup --elasticsearch es:9200                     | --elasticsearch: write it like http://127.0.0.1:9200
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
    let hidden = [
        ".ds-logs-nginx.maxconn-default-000001",
        "partial-.ds-logs-nginx.maxconn-default-000002",
    ];
    put_indices(&held, hidden);
    setup("").is(0, "");
    let plain = ["logs-nginx.maxconn-default", "logs-dovecot.maxconn-eu"];
    put_indices(&held, plain);
    let ran = setup("");
    ran.is(1, "logs-dovecot.maxconn-eu at http://");
    for name in plain {
        ran.prints(&format!("IN THE WAY  {name}"));
    }
}

/// An index template for Dovecot's streams alone, and a stream in an index that lacks fields.
#[test]
fn what_an_earlier_version_put_under_its_name_is_taken_over() {
    const EARLIER: &str = "/_index_template/logs-dovecot.maxconn";
    let (held, setup) = server(elasticsearch());
    let ours = json!({"priority": 300, "_meta": {"digest": "earlier"}});
    put(&held, EARLIER, ours);
    let index = |stream: &str, number: u32| format!(".ds-logs-{stream}-2026.11.28-{number:06}");
    let indices = [
        index("dovecot.maxconn-default", 1),
        index("dovecot.maxconn-default", 9),
        index("php-fpm.maxconn-eu", 1),
        ".ds-logs-nginx.maxconn-default-000001".to_string(),
        index("nginx.maxconn-own", 1),
    ];
    put_indices(&held, indices);
    let ran = setup("");
    let said = &ran.is(0, "").stdout;
    let end = "
  created     /_index_template/logs-maxconn
  removed     /_index_template/logs-dovecot.maxconn
  new index   logs-dovecot.maxconn-default
  new index   logs-nginx.maxconn-default
  left alone  logs-nginx.maxconn-own: it is of the index template own
  new index   logs-php-fpm.maxconn-eu
Refusals over time need statistics_every = \"1m\" in the configuration of maxconn; it is off by default.
";
    assert!(said.ends_with(end), "{said}");
    let after = held.lock().unwrap().clone();
    assert!(!after.contains_key(EARLIER));
    let said = setup("").stdout;
    assert_eq!(said.matches("left alone").count(), 5);
    assert!(!said.contains("new index"), "{said}");
    assert_eq!(*held.lock().unwrap(), after);
    // Broken off in the midst, it goes on.
    let replaced = json!({"priority": 299, "_meta": {"digest": "replaced"}});
    put(&held, EARLIER, replaced);
    setup("").prints("removed");
    assert_eq!(*held.lock().unwrap(), after);
    // Somebody else's is not touched.
    put(&held, EARLIER, json!({"priority": 200}));
    let ran = setup("");
    ran.is(1, "replace it with --force")
        .prints("NOT OURS    /_index_template/logs-dovecot.maxconn");
    setup("--force").is(0, "");
    assert_eq!(*held.lock().unwrap(), after);
}

/// Whom it tells is the user's part.
#[test]
fn a_monitor_of_opensearch_keeps_whom_it_tells() {
    let names = ["opensearch-index-management", "opensearch-alerting"];
    let plugins = names.map(|name| json!({"name": name}));
    let (held, setup) = server(json!({"version": "3.8.0", "plugins": plugins}));
    let monitors = || held.lock().unwrap()["monitors"].clone();
    let line = |word: &str| {
        format!("  {word:<10}  /_plugins/_alerting/monitors: maxconn: a connection-limit flood")
    };
    setup("--alerting").is(0, "").prints(&line("created"));
    let before = monitors();
    setup("--alerting").prints(&line("left alone"));
    assert_eq!(monitors(), before);
    let trigger = "/0/_source/triggers/0/query_level_trigger";
    let change = |place: &str, by: Value| {
        let mut held = held.lock().unwrap();
        let monitors = held.get_mut("monitors").unwrap();
        *monitors.pointer_mut(&format!("{trigger}/{place}")).unwrap() = by;
    };
    change("actions", json!([{"name": "mail"}]));
    let older = json!("true /* maxconn digest older */");
    change("condition/script/source", older);
    setup("--alerting").prints(&line("updated"));
    let mut expected = before;
    expected.pointer_mut(trigger).unwrap()["actions"] = json!([{"name": "mail"}]);
    assert_eq!(monitors(), expected);
    change("condition/script/source", json!("true"));
    setup("--alerting").is(1, "replace it with --force");
    // Others have none.
    let (_, setup) = server(json!({"version": "3.8.0", "plugins": []}));
    setup("--alerting")
        .prints("left out    monitor: this server lacks the plugin opensearch-alerting");
    let (_, setup) = server(elasticsearch());
    setup("--alerting").prints(
        "left out    alerting: rules for Elasticsearch are Kibana's; name that by --kibana",
    );
}
