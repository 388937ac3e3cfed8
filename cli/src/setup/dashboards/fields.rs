//! The fields that our component templates have, as a data view lists them.

use serde_json::{Value, json};

use crate::setup::parts::mappings;

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, with dots.
    pub name: String,
    /// Its type in the store.
    pub kind: String,
}

/// Every field, by name.
pub fn all() -> Vec<Field> {
    let mut fields = Vec::new();
    for properties in mappings() {
        walk("", &properties, &mut fields);
    }
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    fields
}

fn walk(path: &str, properties: &Value, fields: &mut Vec<Field>) {
    for (key, field) in properties.as_object().into_iter().flatten() {
        let name = format!("{path}{key}");
        match field["type"].as_str() {
            Some("object") | None => walk(&format!("{name}."), &field["properties"], fields),
            Some(kind) => fields.push(Field {
                name,
                kind: kind.to_string(),
            }),
        }
    }
}

impl Field {
    /// Values can be sorted into buckets and be counted: the store keeps them in columns.
    pub fn is_aggregatable(&self) -> bool {
        self.kind != "text"
    }

    /// The type by which dashboards know it.
    fn shown_kind(&self) -> &str {
        match self.kind.as_str() {
            "keyword" | "text" => "string",
            "long" | "double" => "number",
            other => other,
        }
    }
}

/// The list that OpenSearch Dashboards keeps of the fields. With it nothing is asked about fields before the first document
/// is there, which would fail, nor with the first look at a dashboard.
pub fn listed() -> Value {
    let listed = |name: &str, kind: &str, in_store: &str, searchable: bool, columns: bool| {
        let is_ours = !name.starts_with('_');
        json!({
            "count": 0, "name": name, "type": kind, "esTypes": [in_store], "scripted": false, "searchable": searchable,
            "aggregatable": columns, "readFromDocValues": columns && is_ours,
        })
    };
    let ours = all();
    let ours = ours.iter().map(|field| {
        let columns = field.is_aggregatable();
        listed(&field.name, field.shown_kind(), &field.kind, true, columns)
    });
    let of_store = [
        ("_id", "string", true, true),
        ("_index", "string", true, true),
        ("_score", "number", false, false),
        ("_source", "_source", false, false),
        ("_type", "string", true, true),
    ];
    let of_store = of_store
        .into_iter()
        .map(|(name, kind, searchable, columns)| listed(name, kind, name, searchable, columns));
    ours.chain(of_store).collect()
}
