//! Every document of every case against the fields of the Elastic Common Schema.

use std::collections::BTreeMap;
use std::fs;

use host_test::Error;
use host_test::case::{self, testdata};
use host_test::native;
use host_test::run::{Batches, ENRICHED, STATISTICS};
use serde_json::Value;

/// Cases whose records bring fields of their own that break the schema, to show that they stay.
const BRING_THEIR_OWN: [&str; 6] = [
    "ecs-scalar-skipped",
    "ecs-merged",
    "ecs-dotted",
    "json-duplicate-keys",
    "json-numbers-stay",
    "json-docker",
];

#[test]
fn documents_keep_to_the_schema() -> Result<(), Error> {
    let mut fields = BTreeMap::new();
    for line in fs::read_to_string(testdata().join("ecs/fields.jsonl"))?.lines() {
        let field: Value = serde_json::from_str(line)?;
        let name = field["name"].as_str().unwrap_or_default();
        fields.insert(name.to_string(), field);
    }
    let mut types = BTreeMap::new();
    let mut cases = case::all()?;
    cases.retain(|case| !BRING_THEIR_OWN.contains(&case.name.as_str()));
    for case in &cases {
        for piece in native::run(case, &mut Batches::Whole)? {
            if !(ENRICHED..=STATISTICS).contains(&piece.kind) {
                continue;
            }
            let document: Value = serde_json::from_str(&piece.text)?;
            // A JSON record may hold what it likes; of a text line and of our own documents every field is ours.
            let brings = [
                "json-",
                "real-journald",
                "servers-examples",
                "servers-framings",
                "servers-redacted",
            ];
            let is_ours =
                piece.kind != ENRICHED || !brings.iter().any(|it| case.name.starts_with(it));
            check("", &document, &fields, &mut types, is_ours)
                .and_then(|()| fits(&document, &fields))
                .map_err(|error| format!("{}: {error}: {}", case.name, piece.text))?;
        }
    }
    Ok(())
}

fn check(
    path: &str,
    value: &Value,
    fields: &BTreeMap<String, Value>,
    types: &mut BTreeMap<String, &'static str>,
    is_ours: bool,
) -> Result<(), String> {
    if let Value::Object(members) = value {
        for (key, member) in members {
            let inner = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            check(&inner, member, fields, types, is_ours)?;
        }
        return Ok(());
    }
    if path.starts_with("maxconn.") {
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            _ => "array",
        };
        let known = types.entry(path.to_string()).or_insert(kind);
        return match *known == kind {
            true => Ok(()),
            false => Err(format!("{path} is a {kind} here and a {known} elsewhere")),
        };
    }
    let Some(field) = fields.get(path) else {
        return match path == "log.offset" || !is_ours {
            true => Ok(()),
            false => Err(format!("{path} is no field of ECS")),
        };
    };
    let is_array = field["array"].as_bool().unwrap_or(false);
    if is_array != value.is_array() {
        let not = if is_array { "" } else { "not " };
        return Err(format!("{path}: an array is {not}wanted"));
    }
    let one = std::slice::from_ref(value);
    for value in value.as_array().map_or(one, Vec::as_slice) {
        let text = |holds: fn(&str) -> bool| value.as_str().is_some_and(holds);
        let fits = match field["type"].as_str().unwrap_or_default() {
            "long" => value.is_i64() || value.is_u64(),
            "float" | "scaled_float" | "double" => value.is_number(),
            "boolean" => value.is_boolean(),
            "ip" => text(|ip| ip.parse::<std::net::IpAddr>().is_ok()),
            "date" => text(|date| date.contains('T')),
            _ => value.is_string(),
        };
        if !fits {
            return Err(format!("{path}: {value} is no {}", field["type"]));
        }
        let allowed = field["allowed"].as_array();
        if allowed.is_some_and(|allowed| !allowed.is_empty() && !allowed.contains(value)) {
            return Err(format!("{path}: {value} is not allowed"));
        }
    }
    Ok(())
}

/// Every type fits one of the categories, every category one of the types.
fn fits(document: &Value, fields: &BTreeMap<String, Value>) -> Result<(), String> {
    let list = |name: &str| document["event"][name].as_array().cloned();
    let [categories, types] = ["category", "type"].map(|name| list(name).unwrap_or_default());
    let expected = &fields
        .get("event.category")
        .ok_or("event.category is missing in the list")?["expected_event_types"];
    let fit = |category: &Value, kind: &Value| {
        let types = expected[category.as_str().unwrap_or_default()].as_array();
        types.is_some_and(|types| types.contains(kind))
    };
    let fits_one = |kind: &Value| categories.iter().any(|category| fit(category, kind));
    let has_one = |category: &Value| types.iter().any(|kind| fit(category, kind));
    match types.iter().all(fits_one) && categories.iter().all(has_one) {
        true => Ok(()),
        false => Err(format!(
            "the types {types:?} and categories {categories:?} do not fit"
        )),
    }
}
