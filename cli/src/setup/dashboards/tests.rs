//! The description: each check is tried with something that it must find.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::checks::complaints;
use super::description::{Description, values};
use super::*;

/// Ours, with something of it replaced: `view` or the id of a dashboard, where in it, and by what.
fn spoilt(file: &str, place: &str, by: Value) -> Description {
    let (mut view, mut dashboards) = values();
    let within = match file {
        "view" => Some(&mut view),
        id => dashboards.iter_mut().find(|it| it["id"] == id),
    };
    let within = within.unwrap_or_else(|| panic!("there is no {file}"));
    // Panels go by their ids.
    let place = match place
        .strip_prefix("/panel/")
        .and_then(|it| it.split_once('/'))
    {
        Some((id, rest)) => {
            let panels = within["panel"].as_array().expect("panels");
            let at = panels.iter().position(|it| it["id"] == id);
            format!("/panel/{}/{rest}", at.unwrap_or_else(|| panic!("no {id}")))
        }
        None => place.to_string(),
    };
    let found = within.pointer_mut(&place);
    *found.unwrap_or_else(|| panic!("{file} has nothing at {place}")) = by;
    Description::of(view, dashboards).unwrap_or_else(|error| panic!("{file}{place}: {error}"))
}

#[test]
fn ours_is_read_and_nothing_is_wrong_with_it() {
    let (view, dashboards) = values();
    let description = Description::of(view, dashboards).expect("it can be read");
    assert_eq!(complaints(&description), Vec::<String>::new());
    let of_view = &description.view;
    assert_eq!(
        (description.dashboards.len(), of_view.searches.len()),
        (3, 3)
    );
}

#[test]
fn what_would_be_wrong_is_found() {
    let metric = |op: &str, field: &str| json!({"op": op, "field": field, "label": "x"});
    let terms = |field: &str| json!({"op": "terms", "field": field, "label": "x", "size": 3});
    let (overview, flood) = ("maxconn-overview", "maxconn-flood");
    for (file, place, by, complaint) in [
        // Fields and operations.
        (
            "view",
            "/time_field",
            json!("@time"),
            "no template has @time",
        ),
        (
            "view",
            "/search/0/columns/1",
            json!("mesage"),
            "no template has mesage",
        ),
        (overview, "/control/0/field", json!("message"), "is text"),
        (
            overview,
            "/panel/limits/buckets/0/field",
            json!("error.message"),
            "is text",
        ),
        (
            overview,
            "/panel/limits/metrics/0/field",
            json!("event.module"),
            "of which there is no Sum",
        ),
        (
            overview,
            "/panel/floods/metrics/0/field",
            json!("user.name"),
            "of which there is no Max",
        ),
        (
            overview,
            "/panel/floods/metrics/1/by",
            json!("message"),
            "is text",
        ),
        (
            overview,
            "/panel/limits/where",
            json!({"event.acton": "x"}),
            "no template has event.acton",
        ),
        (
            overview,
            "/panel/limits/where",
            json!({"event.action": "x\" or *"}),
            "would end its quotes",
        ),
        // Shapes.
        (
            overview,
            "/panel/floods/metrics/0/op",
            json!("latest"),
            "in the order of the latest",
        ),
        (
            overview,
            "/panel/causes/buckets",
            json!([]),
            "lacks something",
        ),
        (
            overview,
            "/panel/alerts/search",
            json!("maxconn-none"),
            "lacks something",
        ),
        (
            overview,
            "/panel/open/spec",
            json!("none"),
            "lacks something",
        ),
        (
            overview,
            "/panel/limits/buckets/0/size",
            json!(0),
            "values have a size",
        ),
        (
            overview,
            "/panel/limits/grid",
            json!([0, 77, 49, 12]),
            "outside of the grid",
        ),
        (
            overview,
            "/panel/limits/grid",
            json!([0, 77, 25, 12]),
            "lies on hosts",
        ),
        (overview, "/panel/limits/id", json!("hosts"), "there twice"),
        // 2: running totals over time.
        (
            overview,
            "/panel/alerts-over-time/metrics/0",
            metric("max", "maxconn.flood.count"),
            "has gaps where no alert is",
        ),
        (
            overview,
            "/panel/floods/metrics/4",
            metric("sum", "maxconn.flood.count"),
            "no sum fits",
        ),
        // 3: floods that go on, and rules beside each other.
        (
            overview,
            "/panel/causes/metrics/0",
            metric("sum", "maxconn.flood.increase.count"),
            "leave out floods that go on",
        ),
        (
            overview,
            "/panel/users/buckets/0",
            terms("event.module"),
            "counts in each rule's flood",
        ),
        (
            overview,
            "/panel/limits/metrics/0",
            metric("sum", "maxconn.flood.increase.count"),
            "look at alerts alone",
        ),
        (
            overview,
            "/panel/limits/where",
            json!({"event.kind": "alert"}),
            "of the statistics documents",
        ),
        (
            overview,
            "/panel/limits/metrics/0/op",
            json!("max"),
            "to be summed",
        ),
        (
            overview,
            "/panel/limits/metrics/0",
            metric("sum", "maxconn.floods.open"),
            "cannot be added",
        ),
        // 4: hints that change.
        (
            overview,
            "/panel/causes/where",
            json!({"event.kind": "alert"}),
            "counted by their ends",
        ),
        (
            flood,
            "/panel/cause/buckets/0",
            terms("rule.name"),
            "counted by their ends",
        ),
        // 5: events have the state of their flood, too.
        (
            overview,
            "/panel/floods/where",
            json!({}),
            "look at alerts alone",
        ),
        (
            overview,
            "/panel/alerts-over-time/where",
            json!({"event.kind": "event"}),
            "look at alerts alone",
        ),
        // 6: below a saved search.
        (
            flood,
            "/panel/cause/grid",
            json!([0, 60, 48, 7]),
            "below a saved search",
        ),
        (
            overview,
            "/panel/alerts/grid",
            json!([0, 0, 48, 16]),
            "below a saved search",
        ),
        // 7: logs of long ago.
        (flood, "/from", json!("now-24h"), "logs of long ago"),
        (
            overview,
            "/panel/guide/markdown",
            json!("[x](#/view/maxconn-overview?_g=(time:(from:now-24h,to:now)))"),
            "logs of long ago",
        ),
        (
            overview,
            "/panel/guide/markdown",
            json!("[x](#/view/maxconn-none)"),
            "which is none",
        ),
        // Links.
        (
            "view",
            "/format/5/dashboard",
            json!("maxconn-none"),
            "opens no dashboard",
        ),
        (
            "view",
            "/format/5/field",
            json!("user.name"),
            "a client chooses",
        ),
        (
            "view",
            "/format/5/query",
            json!("flood.id"),
            "no template has flood.id",
        ),
        ("view", "/index", json!("logs-*"), "it looks elsewhere"),
    ] {
        let found = complaints(&spoilt(file, place, by));
        let is_found = found.iter().any(|it| it.contains(complaint));
        assert!(
            is_found,
            "{file}{place}: {complaint} is not among {found:#?}"
        );
    }
}

#[test]
fn keys_that_nobody_reads_are_errors() {
    let (view, mut dashboards) = values();
    dashboards[0]["panel"][0]["colour"] = json!("red");
    let error = Description::of(view, dashboards).expect_err("no such key");
    assert!(error.to_string().contains("colour"), "{error}");
}

#[test]
fn each_object_has_a_digest_of_its_own_that_changes_with_it() {
    for flavour in Flavour::ALL {
        let objects = objects(flavour);
        let digests: BTreeSet<String> = objects.iter().filter_map(SavedObject::digest).collect();
        assert_eq!(digests.len(), objects.len(), "{flavour:?}");
        assert!(digests.iter().all(|it| it.len() == 32), "{digests:?}");
    }
    let before = write(&Description::load(), Flavour::Kibana);
    let after = write(
        &spoilt("maxconn-flood", "/title", json!("X")),
        Flavour::Kibana,
    );
    let changed = before
        .iter()
        .zip(&after)
        .filter(|(a, b)| a.digest() != b.digest());
    let changed: Vec<String> = changed.map(|(it, _)| it.name()).collect();
    assert!(
        changed.contains(&"dashboard/maxconn-flood".to_string()),
        "{changed:?}"
    );
    assert!(
        changed.iter().all(|it| it.contains("maxconn-flood")),
        "{changed:?}"
    );
    // What others made has none.
    for (kind, attributes) in [
        ("dashboard", json!({"description": "mine"})),
        ("visualization", json!({"uiStateJSON": "{}"})),
        (
            "index-pattern",
            json!({"fieldFormatMap": "{\"a\":{\"id\":\"bytes\"}}"}),
        ),
        ("search", json!({})),
    ] {
        assert_eq!(digest_in(kind, &attributes), None, "{kind}");
    }
}

/// A link opens its dashboard with a query for the value alone.
#[test]
fn links_are_written_as_the_products_read_them() {
    let all = objects(Flavour::OpenSearch);
    let formats = parsed(&all[0].body["attributes"]["fieldFormatMap"]);
    let url = "../app/dashboards#/view/maxconn-flood?_g=(filters:!(),time:(from:now-10y,to:now%2B1y))\
               &_a=(query:(language:kuery,query:'maxconn.flood.id:\"{{value}}\"'))";
    assert_eq!(formats["maxconn.flood.id"]["params"]["urlTemplate"], url);
    assert_eq!(
        formats["event.duration"]["params"]["inputFormat"],
        "nanoseconds"
    );
}
