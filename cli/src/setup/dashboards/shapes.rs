//! What is written, held against what the products were seen to take: each check is tried with something that it must find.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_support::data::rows;

use super::*;

/// Of each product and type the version, and the attributes, to which OpenSearch Dashboards adds none.
const SHAPES: &str = "
    opensearch-dashboards | index-pattern | 7.6.0  | title name timeFieldName fields fieldFormatMap
    kibana                | index-pattern | 8.0.0  | title name timeFieldName fields fieldFormatMap allowNoIndex
    opensearch-dashboards | visualization | 7.10.0 | title description version uiStateJSON visState kibanaSavedObjectMeta
    kibana                | visualization | 7.10.0 | title description version uiStateJSON visState kibanaSavedObjectMeta
    opensearch-dashboards | search        | 7.9.3  | title description hits version columns sort kibanaSavedObjectMeta
    kibana                | search        | 8.0.0  | title description columns sort grid hideChart isTextBasedQuery \
                                                     kibanaSavedObjectMeta
    opensearch-dashboards | dashboard     | 7.9.3  | title description hits version timeRestore timeFrom timeTo \
                                                     refreshInterval optionsJSON panelsJSON kibanaSavedObjectMeta
    kibana                | dashboard     | 8.9.0  | title description version timeRestore timeFrom timeTo refreshInterval \
                                                     optionsJSON panelsJSON kibanaSavedObjectMeta controlGroupInput";

/// What an object may have: its versions, and its attributes.
fn shape(flavour: Flavour, kind: &str) -> (Value, Vec<&'static str>) {
    let mut shapes = rows::<4>(SHAPES);
    let shape = shapes.find(|[product, it, ..]| *product == flavour.name() && *it == kind);
    let [_, _, version, attributes] = shape.unwrap_or_else(|| panic!("{flavour:?} has no {kind}"));
    let versions = match flavour {
        Flavour::OpenSearch => json!({"migrationVersion": {kind: version}}),
        Flavour::Kibana => {
            json!({"coreMigrationVersion": "8.8.0", "typeMigrationVersion": version})
        }
    };
    (versions, attributes.split_whitespace().collect())
}

/// Types of visualizations that were seen to be drawn.
const DRAWN: &str = "histogram area metric table pie markdown vega";

fn keys(object: &Value) -> BTreeSet<&str> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(key, _)| key.as_str()).collect()
}

/// What is wrong with the objects of a file.
fn faults(flavour: Flavour, objects: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let place = |object: &Value| (object["type"].to_string(), object["id"].to_string());
    let mut seen = BTreeSet::new();
    for object in objects {
        let (kind, id) = place(object);
        let mut say = |holds: bool, words: String| {
            if !holds {
                faults.push(format!("{kind}/{id}: {words}"));
            }
        };
        let (versions, allowed) = shape(flavour, object["type"].as_str().unwrap_or_default());
        let mut expected = versions.clone();
        for key in ["type", "id", "attributes", "references"] {
            expected[key] = json!(null);
        }
        let (members, expected) = (keys(object), keys(&expected));
        say(
            members == expected,
            format!("it has {members:?} in place of {expected:?}"),
        );
        for (key, version) in versions.as_object().into_iter().flatten() {
            say(object[key] == *version, format!("{key} is {}", object[key]));
        }
        let attributes = keys(&object["attributes"]);
        for key in &attributes {
            say(allowed.contains(key), format!("{key} is refused"));
        }
        for key in allowed {
            say(attributes.contains(key), format!("{key} is missing"));
        }
        let mut named = BTreeSet::new();
        for reference in object["references"].as_array().into_iter().flatten() {
            let is_new = named.insert(reference["name"].as_str().unwrap_or_default().to_string());
            say(is_new, format!("{} is there twice", reference["name"]));
            say(
                seen.contains(&place(reference)),
                format!("{reference} leads nowhere"),
            );
        }
        let wanted = names(flavour, object, &mut say);
        say(
            named == wanted,
            format!("it refers to {named:?}, but names {wanted:?}"),
        );
        if object["type"] == "index-pattern" && flavour == Flavour::OpenSearch {
            let fields = parsed(&object["attributes"]["fields"]);
            let listed = fields.as_array().map_or(0, Vec::len);
            say(
                listed == fields::all().len() + 5,
                format!("it lists {listed} fields"),
            );
        }
        say(seen.insert(place(object)), "it is there twice".to_string());
    }
    faults
}

/// The names of the references that an object speaks of; what is within its strings is looked at on the way.
fn names(flavour: Flavour, object: &Value, say: &mut impl FnMut(bool, String)) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let attributes = &object["attributes"];
    let mut name = |of: &Value| {
        if let Some(name) = of.as_str() {
            names.insert(name.to_string());
        }
    };
    let source = parsed(&attributes["kibanaSavedObjectMeta"]["searchSourceJSON"]);
    name(&source["indexRefName"]);
    let state = parsed(&attributes["visState"]);
    let kind = state["type"].as_str().unwrap_or_default();
    if object["type"] == "visualization" {
        let is_control = kind == "input_control_vis" && flavour == Flavour::OpenSearch;
        say(
            is_control || DRAWN.split(' ').any(|it| it == kind),
            format!("{kind} is not drawn"),
        );
    }
    for control in state["params"]["controls"].as_array().into_iter().flatten() {
        name(&control["indexPatternRefName"]);
    }
    let panels = parsed(&attributes["panelsJSON"]);
    for panel in panels.as_array().into_iter().flatten() {
        let index = &panel["panelIndex"];
        let is_versioned = panel["version"].as_str().is_some_and(|it| !it.is_empty());
        say(
            is_versioned,
            format!("panel {index} has no version: the page stays blank"),
        );
        say(
            panel["gridData"]["i"] == *index && index.is_string(),
            format!("panel {index} has another index in its grid"),
        );
        match flavour {
            Flavour::OpenSearch => name(&panel["panelRefName"]),
            Flavour::Kibana => {
                let [index, reference] =
                    [index, &panel["panelRefName"]].map(|it| it.as_str().unwrap_or_default());
                name(&json!(format!("{index}:{reference}")));
            }
        }
    }
    let controls = parsed(&attributes["controlGroupInput"]["panelsJSON"]);
    for (id, control) in controls.as_object().into_iter().flatten() {
        say(
            control["explicitInput"]["id"] == id.as_str(),
            format!("control {id} has another id"),
        );
        name(&json!(format!("controlGroup_{id}:optionsListDataView")));
    }
    names
}

fn bodies(flavour: Flavour) -> Vec<Value> {
    objects(flavour).into_iter().map(|it| it.body).collect()
}

#[test]
fn what_is_written_has_the_shape_that_was_seen_to_be_taken() {
    for flavour in Flavour::ALL {
        assert_eq!(
            faults(flavour, &bodies(flavour)),
            Vec::<String>::new(),
            "{flavour:?}"
        );
    }
    assert_eq!(
        bodies(Flavour::OpenSearch).len(),
        bodies(Flavour::Kibana).len() + 3,
        "a control for each dashboard"
    );
}

#[test]
fn what_would_be_refused_or_blank_is_found() {
    let table = r#"
        opensearch-dashboards | 0 | /migrationVersion/index-pattern | "7.11.0" | migrationVersion is
        opensearch-dashboards | 0 | /coreMigrationVersion | "8.8.0" | in place of
        kibana | 0 | /migrationVersion | {} | in place of
        opensearch-dashboards | 0 | /attributes/fields | "[]" | it lists 0 fields
        opensearch-dashboards | 9 | /attributes/controlGroupInput | {} | controlGroupInput is refused
        opensearch-dashboards | 1 | /references/0/id | "maxconn-none" | leads nowhere
        opensearch-dashboards | 1 | /references | [] | but names
        opensearch-dashboards | 5 | /attributes/visState | "{\"type\":\"lens\"}" | is not drawn
        kibana | 5 | /attributes/visState | "{\"type\":\"input_control_vis\"}" | is not drawn
        opensearch-dashboards | dashboard | /attributes/panelsJSON | "[{\"panelIndex\":\"0\",\"gridData\":{\"i\":\"0\"}}]" | the page stays blank
        opensearch-dashboards | dashboard | /attributes/panelsJSON | "[{\"version\":\"1\",\"panelIndex\":\"0\",\"gridData\":{\"i\":\"1\"}}]" | another index
        kibana | dashboard | /attributes/controlGroupInput/panelsJSON | "{}" | but names
        kibana | dashboard | /references/0/name | "panel_0" | but names
        kibana | 1 | /id | "maxconn-words" | it is there twice"#;
    for [product, at, place, by, fault] in rows(table) {
        let flavour = Flavour::ALL.into_iter().find(|it| it.name() == product);
        let flavour = flavour.expect("a product");
        let mut all = bodies(flavour);
        let at = match at {
            "dashboard" => all.iter().position(|it| it["type"] == at).expect("one"),
            number => number.parse().expect("a number"),
        };
        let by: Value = serde_json::from_str(by).expect("JSON");
        let (parent, key) = place.rsplit_once('/').expect("a place");
        let within = all[at].pointer_mut(parent).expect("a place");
        match within.as_array_mut() {
            Some(items) => items[key.parse::<usize>().expect("a number")] = by,
            None => within[key] = by,
        }
        let found = faults(flavour, &all);
        assert!(
            found.iter().any(|it| it.contains(fault)),
            "{place}: {fault} is not among {found:#?}"
        );
    }
}
