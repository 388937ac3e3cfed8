//! `maxconn setup --kibana` against what stands for Kibana and OpenSearch Dashboards.

use std::path::Path;

use serde_json::{Value, json};
use test_support::command::{self, Folder, Ran};
use test_support::contains;
use test_support::dashboards::{Dashboards, Product, header};
use test_support::data::rows;
use test_support::http::{self, Sink, reply};

use crate::setup;

fn put(to: &Dashboards, more: &str) -> Ran {
    setup(&format!("--kibana {} {more}", to.url()))
}

/// How many lines tell of something like this.
fn count(ran: &Ran, word: &str) -> usize {
    let lines = ran.stdout.lines();
    lines
        .filter(|it| it.starts_with(&format!("  {word}")))
        .count()
}

#[test]
fn a_second_run_changes_nothing() {
    for (product, name, objects) in [
        (Product::OpenSearch, ": OpenSearch Dashboards 2.11.0\n", 33),
        (Product::Kibana, ": Kibana\n", 30),
    ] {
        let to = Dashboards::start(product);
        let first = put(&to, "");
        first.is(0, "").prints(name);
        assert_eq!(count(&first, "created"), objects, "{}", first.stdout);
        first.prints("statistics_every = \"1m\"");
        let after_first = to.objects();
        assert_eq!(after_first.len(), objects);
        let asked = to.heads().len();
        let second = put(&to, "");
        assert_eq!(count(second.is(0, ""), "left alone"), objects);
        assert_eq!(to.objects(), after_first);
        let heads = to.heads();
        let imports = heads[asked..].iter().filter(|it| it.contains("_import"));
        assert_eq!(imports.count(), 0, "{heads:?}");
        // A version of one's own is not what is asked for, and would have to be the server's.
        assert!(heads.iter().all(|it| header(it, "osd-version").is_none()));
    }
}

#[test]
fn what_an_older_version_put_is_updated_and_what_others_put_is_not() {
    let to = Dashboards::start(Product::Kibana);
    put(&to, "").is(0, "");
    to.remove("visualization", "maxconn-overview-hosts");
    let older = json!({"description": "x (maxconn digest older)"});
    to.put("dashboard", "maxconn-flood", older);
    let ran = put(&to, "");
    ran.is(0, "")
        .prints("  created     visualization/maxconn-overview-hosts\n")
        .prints("  updated     dashboard/maxconn-flood\n");
    assert_eq!(count(&ran, "left alone"), 28, "{}", ran.stdout);
    let mine = json!({"title": "mine", "description": ""});
    to.put("search", "maxconn-alerts", mine);
    let before = to.objects();
    let ran = put(&to, "");
    ran.is(1, "search/maxconn-alerts at http://")
        .prints("  NOT OURS    search/maxconn-alerts\n");
    assert_eq!(to.objects(), before, "nothing is imported");
    let forced = put(&to, "--force");
    forced
        .is(0, "")
        .prints("  updated     search/maxconn-alerts\n");
}

/// A status of 200 says nothing: what is refused is told, with what became of the others.
#[test]
fn success_alone_is_believed() {
    // What the answer says of one object, what becomes of the others though it lists them as done, what is told.
    let table = r#"
        {"type": "missing_references", "references": [{"type": "index-pattern", "id": "maxconn-logs"}]} | not stored | it refers to index-pattern/maxconn-logs, which is gone; run this again
        {"type": "conflict"} | not stored | another space has it
        {"type": "unsupported_type"} | created | this version has no such objects; update it
        {"type": "unknown", "message": "mapping set to strict, dynamic\u001b introduction of [x]"} | created | mapping set to strict, dynamic introduction of [x]"#;
    for [error, others, told] in rows(table) {
        let error: Value = serde_json::from_str(error).unwrap();
        let is_stored = others == "created";
        let to = Dashboards::start(Product::OpenSearch);
        let judge = to.judge();
        to.answers(move |head, body| {
            if !head.contains("_import") {
                return judge(head, body);
            }
            let all = String::from_utf8_lossy(body).into_owned();
            // The others, as they would be taken.
            let is_it = |line: &&str| !line.contains("\"id\":\"maxconn-overview-hosts\"") || !line.ends_with("\"type\":\"visualization\"}");
            let kept: Vec<&str> = all.split('\n').filter(is_it).collect();
            assert_eq!(kept.len() + 1, all.split('\n').count());
            if is_stored {
                judge(head, kept.join("\n").as_bytes());
            }
            let results = json!([{"type": "dashboard", "id": "maxconn-overview", "meta": {}}]);
            let errors = json!([{"type": "visualization", "id": "maxconn-overview-hosts", "title": "x", "error": error}]);
            let answer = json!({"success": false, "successCount": 32, "successResults": results, "errors": errors});
            reply(200, &answer.to_string())
        });
        let ran = put(&to, "");
        let refused = format!("  REFUSED     visualization/maxconn-overview-hosts: {told}");
        ran.is(1, "refused 1 of the objects").prints(&refused);
        assert_eq!(count(&ran, others), 32, "{}", ran.stdout);
    }
    // The stand-in's own words for it, which are those of the real one.
    let to = Dashboards::start(Product::OpenSearch);
    put(&to, "").is(0, "");
    let import = |query: &str, headers: &[&str], object: &Value| {
        let file = "content-disposition: form-data; name=\"file\"; filename=\"x.ndjson\"";
        let body = format!("--b\r\n{file}\r\n\r\n{object}\r\n--b--\r\n");
        let request = http::request(headers, body.as_bytes());
        let path = format!("POST /api/saved_objects/_import?{query} HTTP");
        let request = String::from_utf8(request).unwrap();
        http::ask(to.address, request.replacen("POST / HTTP", &path, 1))
    };
    let objects = json!({
        "search": {"type": "search", "id": "maxconn-alerts", "attributes": {}, "references": []},
        "lens": {"type": "lens", "id": "x", "attributes": {}, "references": []},
        "newer": {"type": "search", "id": "x", "attributes": {}, "migrationVersion": {"search": "7.11.0"}},
        "lost": {"type": "search", "id": "x", "attributes": {}, "references": [{"type": "index-pattern", "id": "y"}]},
        "odd": {"type": "dashboard", "id": "x", "attributes": {"controlGroupInput": {}}, "references": []},
    });
    let header = |name: &str| match name {
        "form" => "content-type: multipart/form-data; boundary=b",
        "osd" => "osd-xsrf: x",
        _ => "kbn-xsrf: x",
    };
    let table = r#"
        overwrite=false | form osd | search | 200 | "conflict"
        overwrite=true  | form osd | search | 200 | "success":true
        overwrite=true  | form osd | lens   | 200 | "unsupported_type"
        overwrite=true  | form osd | lost   | 200 | "missing_references"
        overwrite=true  | form osd | odd    | 200 | introduction of [controlGroupInput]
        overwrite=true  | form osd | newer  | 422 | more recent version
        overwrite=true  | form kbn | search | 400 | must contain the osd-xsrf header
        overwrite=true  | osd      | search | 415 | Unsupported
        x=true          | form osd | search | 400 | definition for this key"#;
    for [query, headers, object, status, words] in rows(table) {
        let headers: Vec<&str> = headers.split(' ').map(header).collect();
        let answer = import(query, &headers, &objects[object]);
        assert_eq!(answer.status.to_string(), status, "{words}: {answer:?}");
        contains(&answer.body, &[words]);
    }
}

#[test]
fn spaces_and_tenants_are_entered() {
    let to = Dashboards::start(Product::Kibana);
    let ran = put(&to, "--space mail");
    ran.is(0, "").prints(": Kibana, space mail\n");
    assert!(to.objects().keys().all(|(space, ..)| space == "mail"));
    // Another space has its own.
    assert_eq!(count(&put(&to, ""), "created"), 30);
    put(&to, "--tenant mail").is(2, "Kibana, which has no tenants; name a space by --space");
    put(&to, "--space a/../b").is(2, "--space: write the name");

    let to = Dashboards::start(Product::OpenSearch);
    let ran = put(&to, "--tenant global");
    ran.is(0, "").prints(", tenant global\n");
    let heads = to.heads();
    let (status, rest) = heads.split_first().expect("it was asked");
    assert_eq!(header(status, "securitytenant"), None);
    for head in rest {
        assert_eq!(header(head, "securitytenant"), Some("global"), "{head}");
    }
    put(&to, "--space mail").is(2, "has no spaces; name a tenant by --tenant");
}

#[test]
fn what_cannot_be_done_is_told_with_what_to_do() {
    for (product, hosts) in [
        (Product::OpenSearch, "opensearch.hosts"),
        (Product::Kibana, "elasticsearch.hosts"),
    ] {
        let to = Dashboards::start(product);
        to.waits();
        let sentence = "is not ready: it waits for its store. Start that, or mend";
        put(&to, "").is(1, &format!("{sentence} {hosts}"));
    }
    let folder = Folder::new();
    let login = folder.write("login", "maxconn:secret\n");
    let to = Dashboards::start(Product::OpenSearch);
    to.wants("Basic bWF4Y29ubjpzZWNyZXQ=");
    put(&to, "").is(1, "answered 401 Unauthorized: Unauthorized; name a file with the right secret by --api-key or --basic");
    put(&to, &format!("--basic {}", login.display())).is(0, "");
    let to = Dashboards::start(Product::Kibana);
    to.wants("ApiKey maxconn:secret");
    put(&to, &format!("--api-key {}", login.display())).is(0, "");

    // Each of these answers everything alike.
    let table = r#"
        200 | {"cluster_name": "es", "version": {"number": "8.19.21"}} | is neither Kibana nor OpenSearch Dashboards
        404 | {"error": "no handler found"} | is neither Kibana nor OpenSearch Dashboards
        302 | {} | it has moved, name its new address
        403 | {"message": "Forbidden"} | answered 403 Forbidden: Forbidden; the user needs to manage saved objects
        200 | {"version": {"number": "8.7.1"}, "status": {"overall": {"level": "available"}}} | is Kibana 8.7.1, and these dashboards need 8.8 or newer"#;
    for [status, body, sentence] in rows(table) {
        let answer = reply(status.parse().unwrap(), body);
        let to = Sink::judging(move |_, _| answer.clone());
        setup(&format!("--kibana http://{}", to.address)).is(1, sentence);
    }
    // Without a header it is told by the words of its status.
    for (overall, name) in [
        (json!({"state": "green"}), "OpenSearch Dashboards"),
        (json!({"level": "available"}), "Kibana"),
    ] {
        let body = json!({"status": {"overall": overall}, "saved_objects": []}).to_string();
        let to = Sink::judging(move |_, _| reply(200, &body));
        let ran = setup(&format!("--kibana http://{}", to.address));
        ran.is(1, "does not say that the import was a success, nor why not")
            .prints(&format!(": {name}\n"));
    }
    let table = "
        2 | setup --kibana kibana:5601              | --kibana: write it like http://127.0.0.1:5601
        2 | setup --kibana http://u:secret@kibana   | put the secret into a file
        2 | setup --space mail --elasticsearch http://es | --kibana
        2 | setup --print --alerting                | cannot be used with
        1 | setup --kibana http://127.0.0.1:1       | start the server, or name another address by --kibana";
    let check = |ran: &Ran| assert!(!ran.stderr.contains("u:secret"), "{ran:?}");
    command::run_rows(Path::new("/"), table, check);
}

#[test]
fn files_for_an_import_by_hand_hold_the_same_objects() {
    let folder = Folder::new();
    let ran = command::run(&folder, "setup --print=files");
    assert_eq!(
        ran.is(0, "").stdout,
        "files/setup.json\nfiles/opensearch-dashboards.ndjson\nfiles/kibana.ndjson\n"
    );
    for (product, name) in [
        (Product::OpenSearch, "opensearch-dashboards"),
        (Product::Kibana, "kibana"),
    ] {
        let to = Dashboards::start(product);
        put(&to, "").is(0, "");
        let text = folder.read(&format!("files/{name}.ndjson"));
        let lines = serde_json::Deserializer::from_slice(&text).into_iter::<Value>();
        let lines: Vec<Value> = lines.map(Result::unwrap).collect();
        assert_eq!(lines.len(), to.objects().len());
        let held: Vec<Value> = to.objects().into_values().collect();
        assert!(lines.iter().all(|it| held.contains(it)));
    }
    command::run(&folder, "setup --print=files/kibana.ndjson")
        .is(1, "name a folder that can be written to");
}

/// Whom a rule tells is the user's part.
#[test]
fn a_rule_of_kibana_keeps_whom_it_tells() {
    let to = Dashboards::start(Product::Kibana);
    let first = put(&to, "--alerting");
    first
        .is(0, "")
        .prints("created     /api/alerting/rule/")
        .prints("it tells nobody yet");
    let second = put(&to, "--alerting");
    second.is(0, "").prints("left alone  /api/alerting/rule/");
    let (path, mut rule) = to.rules().pop_first().expect("a rule");
    assert_eq!(rule["rule_type_id"], ".es-query");
    rule["tags"] = json!(["maxconn digest older"]);
    rule["actions"] = json!([{"id": "mail", "connector_type_id": ".email", "params": {}}]);
    to.put_rule(&path, rule.clone());
    let third = put(&to, "--alerting");
    third.is(0, "").prints("updated     /api/alerting/rule/");
    let actions = to.rules()[&path]["actions"].clone();
    assert_eq!(actions, json!([{"id": "mail", "params": {}}]));
    rule["tags"] = json!([]);
    to.put_rule(&path, rule);
    put(&to, "--alerting").is(1, "replace it with --force");
    // It is not asked for, so nobody looks at it.
    put(&to, "").is(0, "");
    let other = Dashboards::start(Product::OpenSearch);
    put(&other, "--alerting").prints(
        "left out    alerting: OpenSearch has its monitors itself; name it by --elasticsearch",
    );
}
