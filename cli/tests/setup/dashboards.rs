//! `maxconn setup --kibana` against what stands for Kibana and OpenSearch Dashboards.

use std::path::Path;

use serde_json::{Value, json};
use test_support::command::{self, Folder, Ran};
use test_support::dashboards::{Dashboards, Product, header};
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
        assert!(first.is(0, "").stdout.contains(name), "{}", first.stdout);
        assert_eq!(count(&first, "created"), objects, "{}", first.stdout);
        assert!(
            first.stdout.contains("statistics_every = \"1m\""),
            "{}",
            first.stdout
        );
        let after_first = to.objects();
        assert_eq!(after_first.len(), objects);
        let asked = to.heads().len();
        let second = put(&to, "");
        assert_eq!(
            count(second.is(0, ""), "left alone"),
            objects,
            "{}",
            second.stdout
        );
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
    to.put(
        "dashboard",
        "maxconn-flood",
        json!({"description": "x (maxconn digest older)"}),
    );
    let ran = put(&to, "");
    let said = &ran.is(0, "").stdout;
    assert!(
        said.contains("  created     visualization/maxconn-overview-hosts\n"),
        "{said}"
    );
    assert!(
        said.contains("  updated     dashboard/maxconn-flood\n"),
        "{said}"
    );
    assert_eq!(count(&ran, "left alone"), 28, "{said}");
    to.put(
        "search",
        "maxconn-alerts",
        json!({"title": "mine", "description": ""}),
    );
    let before = to.objects();
    let ran = put(&to, "");
    let said = &ran.is(1, "search/maxconn-alerts at http://").stdout;
    assert!(
        said.contains("  NOT OURS    search/maxconn-alerts\n"),
        "{said}"
    );
    assert_eq!(to.objects(), before, "nothing is imported");
    let forced = put(&to, "--force");
    assert!(
        forced
            .is(0, "")
            .stdout
            .contains("  updated     search/maxconn-alerts\n")
    );
}

/// A status of 200 says nothing: what is refused is told, with what became of the others.
#[test]
fn success_alone_is_believed() {
    // (what the answer says of one object, is that of all others a lie, what is told)
    for (error, nothing_is_stored, told) in [
        (
            json!({"type": "missing_references", "references": [{"type": "index-pattern", "id": "maxconn-logs"}]}),
            true,
            "it refers to index-pattern/maxconn-logs, which is gone; run this again",
        ),
        (json!({"type": "conflict"}), true, "another space has it"),
        (
            json!({"type": "unsupported_type"}),
            false,
            "this version has no such objects; update it",
        ),
        (
            json!({"type": "unknown", "message": "mapping set to strict, dynamic\u{1b} introduction of [x]"}),
            false,
            "mapping set to strict, dynamic introduction of [x]",
        ),
    ] {
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
            if !nothing_is_stored {
                judge(head, kept.join("\n").as_bytes());
            }
            let results = json!([{"type": "dashboard", "id": "maxconn-overview", "meta": {}}]);
            let errors = json!([{"type": "visualization", "id": "maxconn-overview-hosts", "title": "x", "error": error}]);
            let answer = json!({"success": false, "successCount": 32, "successResults": results, "errors": errors});
            reply(200, &answer.to_string())
        });
        let ran = put(&to, "");
        let said = &ran.is(1, "refused 1 of the objects").stdout;
        assert!(
            said.contains(&format!(
                "  REFUSED     visualization/maxconn-overview-hosts: {told}"
            )),
            "{said}"
        );
        let others = if nothing_is_stored {
            "not stored"
        } else {
            "created"
        };
        assert_eq!(count(&ran, others), 32, "{said}");
    }
    // The stand-in's own words for it, which are those of the real one.
    let to = Dashboards::start(Product::OpenSearch);
    put(&to, "").is(0, "");
    let form = "content-type: multipart/form-data; boundary=b";
    let import = |query: &str, headers: &[&str], object: &Value| {
        let file = "content-disposition: form-data; name=\"file\"; filename=\"x.ndjson\"";
        let body = format!("--b\r\n{file}\r\n\r\n{object}\r\n--b--\r\n");
        let request = http::request(headers, body.as_bytes());
        let path = format!("POST /api/saved_objects/_import?{query} HTTP");
        let request = String::from_utf8(request)
            .unwrap()
            .replacen("POST / HTTP", &path, 1);
        http::ask(to.address, request)
    };
    let search =
        json!({"type": "search", "id": "maxconn-alerts", "attributes": {}, "references": []});
    let lens = json!({"type": "lens", "id": "x", "attributes": {}, "references": []});
    let newer = json!({"type": "search", "id": "x", "attributes": {}, "migrationVersion": {"search": "7.11.0"}});
    let lost = json!({"type": "search", "id": "x", "attributes": {}, "references": [{"type": "index-pattern", "id": "y"}]});
    let odd = json!({"type": "dashboard", "id": "x", "attributes": {"controlGroupInput": {}}, "references": []});
    let guard = "osd-xsrf: x";
    for (query, headers, object, status, words) in [
        (
            "overwrite=false",
            &[form, guard][..],
            &search,
            200,
            "\"conflict\"",
        ),
        (
            "overwrite=true",
            &[form, guard],
            &search,
            200,
            "\"success\":true",
        ),
        (
            "overwrite=true",
            &[form, guard],
            &lens,
            200,
            "\"unsupported_type\"",
        ),
        (
            "overwrite=true",
            &[form, guard],
            &lost,
            200,
            "\"missing_references\"",
        ),
        (
            "overwrite=true",
            &[form, guard],
            &odd,
            200,
            "introduction of [controlGroupInput]",
        ),
        (
            "overwrite=true",
            &[form, guard],
            &newer,
            422,
            "more recent version",
        ),
        (
            "overwrite=true",
            &[form, "kbn-xsrf: x"],
            &search,
            400,
            "must contain the osd-xsrf header",
        ),
        ("overwrite=true", &[guard], &search, 415, "Unsupported"),
        (
            "x=true",
            &[form, guard],
            &search,
            400,
            "definition for this key",
        ),
    ] {
        let answer = import(query, headers, object);
        assert!(
            answer.status == status && answer.body.contains(words),
            "{words}: {answer:?}"
        );
    }
}

#[test]
fn spaces_and_tenants_are_entered() {
    let to = Dashboards::start(Product::Kibana);
    let ran = put(&to, "--space mail");
    assert!(
        ran.is(0, "").stdout.contains(": Kibana, space mail\n"),
        "{}",
        ran.stdout
    );
    assert!(to.objects().keys().all(|(space, ..)| space == "mail"));
    assert_eq!(
        count(&put(&to, ""), "created"),
        30,
        "another space has its own"
    );
    put(&to, "--tenant mail").is(2, "Kibana, which has no tenants; name a space by --space");
    put(&to, "--space a/../b").is(2, "--space: write the name");

    let to = Dashboards::start(Product::OpenSearch);
    let ran = put(&to, "--tenant global");
    assert!(
        ran.is(0, "").stdout.contains(", tenant global\n"),
        "{}",
        ran.stdout
    );
    let heads = to.heads();
    let (status, rest) = heads.split_first().expect("it was asked");
    assert_eq!(header(status, "securitytenant"), None);
    assert!(
        rest.iter()
            .all(|it| header(it, "securitytenant") == Some("global")),
        "{rest:?}"
    );
    put(&to, "--space mail").is(2, "has no spaces; name a tenant by --tenant");
}

#[test]
fn what_cannot_be_done_is_told_with_what_to_do() {
    for (product, sentence) in [
        (
            Product::OpenSearch,
            "is not ready: it waits for its store. Start that, or mend opensearch.hosts",
        ),
        (
            Product::Kibana,
            "is not ready: it waits for its store. Start that, or mend elasticsearch.hosts",
        ),
    ] {
        let to = Dashboards::start(product);
        to.waits();
        put(&to, "").is(1, sentence);
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
    for (status, body, sentence) in [
        (
            200,
            json!({"cluster_name": "es", "version": {"number": "8.19.21"}}),
            "is neither Kibana nor OpenSearch Dashboards",
        ),
        (
            404,
            json!({"error": "no handler found"}),
            "is neither Kibana nor OpenSearch Dashboards",
        ),
        (302, json!({}), "it has moved, name its new address"),
        (
            403,
            json!({"message": "Forbidden"}),
            "answered 403 Forbidden: Forbidden; the user needs to manage saved objects",
        ),
        (
            200,
            json!({"version": {"number": "8.7.1"}, "status": {"overall": {"level": "available"}}}),
            "is Kibana 8.7.1, and these dashboards need 8.8 or newer",
        ),
    ] {
        let to = Sink::judging(move |_, _| reply(status, &body.to_string()));
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
        let said = &ran
            .is(1, "does not say that the import was a success, nor why not")
            .stdout;
        assert!(said.contains(&format!(": {name}\n")), "{said}");
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
        let text = String::from_utf8(folder.read(&format!("files/{name}.ndjson"))).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|it| serde_json::from_str(it).unwrap())
            .collect();
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
    let said = &first.is(0, "").stdout;
    assert!(said.contains("created     /api/alerting/rule/"), "{said}");
    assert!(said.contains("it tells nobody yet"), "{said}");
    let second = put(&to, "--alerting");
    assert!(
        second
            .is(0, "")
            .stdout
            .contains("left alone  /api/alerting/rule/"),
        "{}",
        second.stdout
    );
    let (path, mut rule) = to.rules().pop_first().expect("a rule");
    assert_eq!(rule["rule_type_id"], ".es-query");
    rule["tags"] = json!(["maxconn digest older"]);
    rule["actions"] = json!([{"id": "mail", "connector_type_id": ".email", "params": {}}]);
    to.put_rule(&path, rule.clone());
    let third = put(&to, "--alerting");
    assert!(
        third
            .is(0, "")
            .stdout
            .contains("updated     /api/alerting/rule/"),
        "{}",
        third.stdout
    );
    let actions = to.rules()[&path]["actions"].clone();
    assert_eq!(actions, json!([{"id": "mail", "params": {}}]));
    rule["tags"] = json!([]);
    to.put_rule(&path, rule);
    put(&to, "--alerting").is(1, "replace it with --force");
    // It is not asked for, so nobody looks at it.
    put(&to, "").is(0, "");
    let other = Dashboards::start(Product::OpenSearch);
    let said = put(&other, "--alerting").stdout;
    assert!(
        said.contains(
            "left out    alerting: OpenSearch has its monitors itself; name it by --elasticsearch"
        ),
        "{said}"
    );
}
