//! The description: each check is tried with something that it must find.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_support::data::rows;

use super::checks::complaints;
use super::description::{Description, values};
use super::*;

/// Ours, with something of it replaced: `view` or which dashboard, where in it, and by what.
fn spoilt(file: &str, place: &str, by: Value) -> Description {
    let (mut view, mut dashboards) = values();
    let within = match file {
        "view" => Some(&mut view),
        name => {
            let id = format!("maxconn-{name}");
            dashboards.iter_mut().find(|it| it["id"] == id)
        }
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
    let table = r##"
        # Fields and operations.
        view | /time_field | "@time" | no template has @time
        view | /search/0/columns/1 | "mesage" | no template has mesage
        overview | /control/0/field | "message" | is text
        overview | /panel/limits/buckets/0/field | "error.message" | is text
        overview | /panel/limits/metrics/0/field | "event.module" | of which there is no Sum
        overview | /panel/floods/metrics/0/field | "user.name" | of which there is no Max
        overview | /panel/floods/metrics/1/by | "message" | is text
        overview | /panel/limits/where | {"event.acton": "x"} | no template has event.acton
        overview | /panel/limits/where | {"event.action": "x\" or *"} | would end its quotes
        # Shapes.
        overview | /panel/floods/metrics/0/op | "latest" | in the order of the latest
        overview | /panel/causes/buckets | [] | lacks something
        overview | /panel/alerts/search | "maxconn-none" | lacks something
        overview | /panel/open/spec | "none" | lacks something
        overview | /panel/limits/buckets/0/size | 0 | values have a size
        overview | /panel/limits/grid | [0, 77, 49, 12] | outside of the grid
        overview | /panel/limits/grid | [0, 77, 25, 12] | lies on hosts
        overview | /panel/limits/id | "hosts" | there twice
        # 2: running totals over time.
        overview | /panel/alerts-over-time/metrics/0 | {"op": "max", "field": "maxconn.flood.count", "label": "x"} | has gaps where no alert is
        overview | /panel/floods/metrics/4 | {"op": "sum", "field": "maxconn.flood.count", "label": "x"} | no sum fits
        # 3: floods that go on, and rules beside each other.
        overview | /panel/causes/metrics/0 | {"op": "sum", "field": "maxconn.flood.increase.count", "label": "x"} | leave out floods that go on
        overview | /panel/users/buckets/0 | {"op": "terms", "field": "event.module", "label": "x", "size": 3} | counts in each rule's flood
        overview | /panel/limits/metrics/0 | {"op": "sum", "field": "maxconn.flood.increase.count", "label": "x"} | look at alerts alone
        overview | /panel/limits/where | {"event.kind": "alert"} | of the statistics documents
        overview | /panel/limits/metrics/0/op | "max" | to be summed
        overview | /panel/limits/metrics/0 | {"op": "sum", "field": "maxconn.floods.open", "label": "x"} | cannot be added
        # 4: hints that change.
        overview | /panel/causes/where | {"event.kind": "alert"} | counted by their ends
        flood | /panel/cause/buckets/0 | {"op": "terms", "field": "rule.name", "label": "x", "size": 3} | counted by their ends
        # 5: events have the state of their flood, too.
        overview | /panel/floods/where | {} | look at alerts alone
        overview | /panel/alerts-over-time/where | {"event.kind": "event"} | look at alerts alone
        # 6: below a saved search.
        flood | /panel/cause/grid | [0, 60, 48, 7] | below a saved search
        overview | /panel/alerts/grid | [0, 0, 48, 16] | below a saved search
        # 7: logs of long ago.
        flood | /from | "now-24h" | logs of long ago
        overview | /panel/guide/markdown | "[x](#/view/maxconn-overview?_g=(time:(from:now-24h,to:now)))" | logs of long ago
        overview | /panel/guide/markdown | "[x](#/view/maxconn-none)" | which is none
        # Links.
        view | /format/5/dashboard | "maxconn-none" | opens no dashboard
        view | /format/5/field | "user.name" | a client chooses
        view | /format/5/query | "flood.id" | no template has flood.id
        view | /index | "logs-*" | it looks elsewhere"##;
    for [file, place, by, complaint] in rows(table) {
        let by = serde_json::from_str(by).expect("JSON");
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
    let after = write(&spoilt("flood", "/title", json!("X")), Flavour::Kibana);
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
