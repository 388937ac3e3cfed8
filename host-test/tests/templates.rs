//! The templates of `pipelines/elasticsearch` know every field that we write.

use std::collections::BTreeSet;

use host_test::run::{ALERT, Batches, STATISTICS};
use host_test::{Error, case, native};
use serde_json::{Value, json};
use test_support::data;

fn properties(name: &str) -> Result<Value, Error> {
    let file = data::read(&format!("pipelines/elasticsearch/{name}.json"));
    let file: Value = serde_json::from_slice(&file)?;
    Ok(file["template"]["mappings"].clone())
}

/// The schema's and ours.
fn all_properties() -> Result<Value, Error> {
    let mut mapping = properties("component-template-ecs")?;
    let mut fields = properties("component-template-maxconn")?;
    mapping["properties"]["maxconn"] = fields["properties"]["maxconn"].take();
    Ok(mapping)
}

/// Every leaf, and whether the mapping has a type for it.
fn leaves(path: &str, value: &Value, mapping: &Value, unknown: &mut BTreeSet<String>) {
    let Value::Object(members) = value else {
        if mapping["type"].as_str().is_none_or(|kind| kind == "object") {
            unknown.insert(path.to_string());
        }
        return;
    };
    for (key, member) in members {
        let inner = format!("{path}.{key}");
        if mapping["dynamic"] == true {
            continue;
        }
        leaves(&inner, member, &mapping["properties"][key], unknown);
    }
}

#[test]
fn every_field_of_alerts_and_statistics_has_a_type() -> Result<(), Error> {
    let mapping = all_properties()?;
    let (mut unknown, mut documents) = (BTreeSet::new(), 0);
    for case in case::all()? {
        for piece in native::run(&case, &mut Batches::Whole)? {
            if ![ALERT, STATISTICS].contains(&piece.kind) {
                continue;
            }
            documents += 1;
            let document = serde_json::from_str(&piece.text)?;
            leaves("", &document, &mapping, &mut unknown);
        }
    }
    assert!(documents > 70, "{documents} documents");
    assert!(unknown.is_empty(), "no type for {unknown:?}");
    Ok(())
}

/// The schema's own type, or any for `maxconn.*`, of which the schema knows nothing.
#[test]
fn every_field_that_an_event_may_be_given_has_the_type_of_the_schema() -> Result<(), Error> {
    let mapping = all_properties()?;
    let schema = data::text("testdata/ecs/fields.jsonl");
    let schema: Result<Vec<Value>, _> = schema.lines().map(serde_json::from_str).collect();
    let schema = schema?;
    for path in maxconn_core::enrich::paths() {
        let pointer = format!("/properties/{}", path.replace('.', "/properties/"));
        let mapped = mapping.pointer(&pointer).map(|field| &field["type"]);
        assert!(mapped.is_some_and(Value::is_string), "no type for {path}");
        let known = schema.iter().find(|field| field["name"] == *path);
        let wanted = known.map(|field| &field["type"]);
        let is_known = wanted.is_some() || path.starts_with("maxconn.");
        assert!(is_known, "{path} is no field of ECS");
        let is_same = wanted.is_none() || wanted == mapped;
        assert!(is_same, "{path} is {mapped:?}, not {wanted:?}");
    }
    Ok(())
}

#[test]
fn every_field_of_maxconn_in_events_has_a_type() -> Result<(), Error> {
    let fields = properties("component-template-maxconn")?;
    let mut unknown = BTreeSet::new();
    for case in case::all()? {
        for piece in native::run(&case, &mut Batches::Whole)? {
            let Ok(document) = serde_json::from_str::<Value>(&piece.text) else {
                continue;
            };
            // Strict: one name that is not known, and the whole document is refused.
            if document["event"]["action"] == "connection-limit-exceeded" {
                let ours = json!({"maxconn": document["maxconn"]});
                leaves("", &ours, &fields, &mut unknown);
            }
        }
    }
    assert!(unknown.is_empty(), "no type for {unknown:?}");
    Ok(())
}
