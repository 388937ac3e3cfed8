//! Saved objects as the searches that the products make of them: what is asked here is what was imported, read again.

use host_test::Error;
use serde_json::{Value, json};

/// The time that is looked at, and what else the dashboard asks for.
pub struct Context<'a> {
    /// From when, in the store's own words.
    pub from: &'a str,
    /// Until when.
    pub to: &'a str,
    /// What a chart over time is divided into.
    pub interval: &'a str,
    /// The dashboard's own query.
    pub query: Option<Value>,
}

impl Context<'_> {
    /// A filter for the documents of a query and of this context.
    fn filter(&self, mut clauses: Vec<Value>) -> Value {
        clauses.push(json!({"range": {"@timestamp": {"gte": self.from, "lte": self.to}}}));
        clauses.extend(self.query.clone());
        json!({"bool": {"filter": clauses}})
    }
}

/// A metric of a panel.
#[derive(Clone, Debug)]
pub struct Metric {
    /// What it is called in the search.
    pub id: String,
    /// How it is measured.
    pub kind: String,
    /// Of which field.
    pub field: String,
}

/// What a panel asks.
#[derive(Clone, Debug)]
pub struct Search {
    /// The panel's title.
    pub title: String,
    /// The body.
    pub body: Value,
    /// What is measured in the innermost bucket.
    pub metrics: Vec<Metric>,
    /// The fields of the buckets, from the outermost on.
    pub buckets: Vec<String>,
    /// The fields that are shown of documents.
    pub columns: Vec<String>,
}

/// JSON within a string.
pub fn parsed(text: &Value) -> Result<Value, Error> {
    Ok(serde_json::from_str(text.as_str().ok_or("no text")?)?)
}

/// What an object asks; `None` if that is nothing.
///
/// # Errors
/// It is of a kind that is not known here.
pub fn of(object: &Value, context: &Context<'_>) -> Result<Option<Search>, Error> {
    let attributes = &object["attributes"];
    let title = attributes["title"].as_str().unwrap_or_default();
    let mut search = Search {
        title: title.to_string(),
        body: Value::Null,
        metrics: Vec::new(),
        buckets: Vec::new(),
        columns: Vec::new(),
    };
    match object["type"].as_str() {
        Some("search") => {
            let columns = attributes["columns"].as_array().into_iter().flatten();
            search.columns = columns
                .filter_map(|it| Some(it.as_str()?.to_string()))
                .collect();
            let sort: Vec<Value> = attributes["sort"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|it| json!({it[0].as_str().unwrap_or_default(): {"order": it[1]}}))
                .collect();
            let query = context.filter(clauses(attributes)?);
            search.body = json!({"query": query, "sort": sort, "size": 500});
            Ok(Some(search))
        }
        Some("visualization") => {
            let state = parsed(&attributes["visState"])?;
            search.body = match state["type"].as_str() {
                Some("markdown") => return Ok(None),
                Some("vega") => vega(
                    &parsed(&state["params"]["spec"])?["data"]["url"]["body"],
                    context,
                ),
                Some("input_control_vis") => {
                    let fields = state["params"]["controls"].as_array().into_iter().flatten();
                    let lists = fields.map(|it| {
                        let field = it["fieldName"].as_str().unwrap_or_default().to_string();
                        let list =
                            json!({"terms": {"field": field, "size": it["options"]["size"]}});
                        (field, list)
                    });
                    let lists: serde_json::Map<String, Value> = lists.collect();
                    json!({"size": 0, "query": context.filter(Vec::new()), "aggs": lists})
                }
                _ => {
                    let query = context.filter(clauses(attributes)?);
                    let aggregations = nested(&state, context, &mut search)?;
                    json!({"size": 0, "track_total_hits": true, "query": query, "aggs": aggregations})
                }
            };
            Ok(Some(search))
        }
        _ => Ok(None),
    }
}

/// The terms of a query bar that are written here: values in quotes, all of which must be.
fn clauses(attributes: &Value) -> Result<Vec<Value>, Error> {
    let source = parsed(&attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])?;
    let query = source["query"]["query"].as_str().unwrap_or_default();
    let terms = query.split(" and ").filter(|it| !it.is_empty());
    let terms = terms.map(|term| {
        let pair = term.strip_suffix('"').and_then(|it| it.split_once(":\""));
        let (field, value) = pair.ok_or_else(|| format!("{term} is no field and value"))?;
        Ok(json!({"match_phrase": {field: value}}))
    });
    terms.collect()
}

/// A query of Vega, with the dashboard's part put in as the products do it.
fn vega(body: &Value, context: &Context<'_>) -> Value {
    let mut body = body.clone();
    let query = &mut body["query"]["bool"];
    for clause in ["must", "filter", "must_not"] {
        let places = query[clause].as_array_mut().into_iter().flatten();
        for place in places {
            if place == &format!("%dashboard_context-{clause}_clause%") {
                *place = match (&context.query, clause) {
                    (Some(query), "filter") => query.clone(),
                    (_, "must_not") => json!({"match_none": {}}),
                    _ => json!({"match_all": {}}),
                };
            } else if place["range"]["@timestamp"]["%timefilter%"] == true {
                *place = json!({"range": {"@timestamp": {"gte": context.from, "lte": context.to}}});
            }
        }
    }
    body["track_total_hits"] = json!(true);
    body
}

/// Buckets within each other; in the innermost all metrics, in each the one that it is sorted by.
fn nested(state: &Value, context: &Context<'_>, search: &mut Search) -> Result<Value, Error> {
    let (mut metrics, mut buckets) = (serde_json::Map::new(), Vec::new());
    for aggregation in state["aggs"].as_array().into_iter().flatten() {
        let text = |key: &str| aggregation[key].as_str().unwrap_or_default().to_string();
        let (id, kind, params) = (text("id"), text("type"), &aggregation["params"]);
        let field = params["field"].as_str().unwrap_or_default().to_string();
        let body = match kind.as_str() {
            // Every bucket has one anyhow.
            "count" => None,
            "sum" | "max" | "min" | "cardinality" => Some(json!({&kind: {"field": field}})),
            "top_hits" => Some(json!({"top_hits": {
                "size": params["size"], "_source": field,
                "sort": [{params["sortField"].as_str().unwrap_or_default(): {"order": params["sortOrder"]}}],
            }})),
            "date_histogram" | "terms" => {
                search.buckets.push(field.clone());
                buckets.push((id, kind, params.clone(), field));
                continue;
            }
            other => return Err(format!("{other} is not known here").into()),
        };
        if let Some(body) = body {
            metrics.insert(id.clone(), body);
        }
        search.metrics.push(Metric { id, kind, field });
    }
    let mut inner = metrics.clone();
    for (id, kind, params, field) in buckets.into_iter().rev() {
        let bucket = match kind.as_str() {
            "terms" => {
                let by = params["orderBy"].as_str().unwrap_or_default();
                let order = match metrics.get(by) {
                    Some(metric) => {
                        inner.insert(by.to_string(), metric.clone());
                        by
                    }
                    None => "_count",
                };
                json!({"terms": {"field": field, "size": params["size"], "order": {order: params["order"]}}, "aggs": inner})
            }
            _ => json!({
                "date_histogram": {
                    "field": field, "fixed_interval": context.interval, "min_doc_count": params["min_doc_count"],
                },
                "aggs": inner,
            }),
        };
        inner = [(id, bucket)].into_iter().collect();
    }
    Ok(Value::Object(inner))
}

/// The innermost buckets of an answer, each with the keys that lead to it; all of it where there are none.
pub fn leaves<'a>(answer: &'a Value, search: &Search) -> Vec<(Vec<String>, &'a Value)> {
    let mut level = vec![(Vec::new(), &answer["aggregations"])];
    for _ in &search.buckets {
        let mut next = Vec::new();
        for (keys, within) in level {
            let found = within.as_object().into_iter().flatten();
            let found = found
                .filter_map(|(_, it)| it["buckets"].as_array())
                .flatten();
            for bucket in found {
                let mut keys = keys.clone();
                keys.push(
                    bucket["key"]
                        .as_str()
                        .map_or_else(|| bucket["key"].to_string(), str::to_string),
                );
                next.push((keys, bucket));
            }
        }
        level = next;
    }
    level
}

/// The value of a metric in a bucket, whatever it is.
pub fn value(bucket: &Value, metric: &Metric) -> f64 {
    let found = match metric.kind.as_str() {
        "count" => &bucket["doc_count"],
        _ => &bucket[&metric.id]["value"],
    };
    found.as_f64().unwrap_or(0.0)
}
