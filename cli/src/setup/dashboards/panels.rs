//! Writes panels as visualizations: what both products draw, in the words of either.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Flavour;
use super::description::{
    Bucket, BucketKind, Control, DataView, Metric, Operation, Panel, PanelKind, spec,
};

/// The name of the reference to the data view.
pub const VIEW: &str = "kibanaSavedObjectMeta.searchSourceJSON.index";

/// Documents in which fields have these values, in the words of a query bar.
pub fn query(documents: &BTreeMap<String, String>) -> Value {
    let terms = documents
        .iter()
        .map(|(field, value)| format!("{field}:\"{value}\""));
    let text = terms.collect::<Vec<_>>().join(" and ");
    json!({"query": text, "language": "kuery"})
}

/// What a panel draws, and from which documents; without documents it needs no data view.
pub struct Drawn {
    /// The type of the visualization.
    pub kind: &'static str,
    params: Value,
    aggregations: Vec<Value>,
    /// The query, if it looks at a data view.
    pub query: Option<Value>,
}

impl Drawn {
    /// A panel; `None` for one that shows a saved search.
    pub fn panel(panel: &Panel, view: &DataView, flavour: Flavour) -> Option<Drawn> {
        let (kind, params) = match panel.kind {
            PanelKind::Search => return None,
            PanelKind::Markdown => (
                "markdown",
                json!({"fontSize": 12, "openLinksInNewTab": false, "markdown": panel.markdown}),
            ),
            PanelKind::Vega => ("vega", json!({"spec": spec(&panel.spec)})),
            PanelKind::Bars => ("histogram", over_time("histogram", &panel.metrics)),
            PanelKind::Area => ("area", over_time("area", &panel.metrics)),
            PanelKind::Number => ("metric", numbers()),
            PanelKind::Pie => (
                "pie",
                json!({
                    "type": "pie", "addTooltip": true, "addLegend": true, "legendPosition": "right", "isDonut": true,
                    "labels": {"show": true, "values": true, "last_level": true, "truncate": 100},
                }),
            ),
            PanelKind::Table => (
                "table",
                json!({
                    "perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false, "showTotal": false,
                    "totalFunc": "sum", "percentageCol": "", "sort": {"columnIndex": null, "direction": null},
                }),
            ),
        };
        let documents = !matches!(panel.kind, PanelKind::Markdown | PanelKind::Vega);
        Some(Drawn {
            kind,
            params,
            aggregations: aggregations(panel, view, flavour),
            query: documents.then(|| query(&panel.documents)),
        })
    }

    /// Lists of values to filter by, and the references that go with them.
    pub fn controls(controls: &[Control], view: &DataView) -> (Drawn, Vec<Value>) {
        let reference = |at: usize| format!("control_{at}_index_pattern");
        let lists = controls.iter().enumerate().map(|(at, control)| {
            json!({
                "id": format!("control-{at}"), "fieldName": control.field, "parent": "", "label": control.label,
                "type": "list", "indexPatternRefName": reference(at),
                "options": {"type": "terms", "multiselect": true, "dynamicOptions": true, "size": 20, "order": "desc"},
            })
        });
        let lists: Vec<Value> = lists.collect();
        let references = (0..lists.len())
            .map(|at| json!({"name": reference(at), "type": "index-pattern", "id": view.id}));
        let drawn = Drawn {
            kind: "input_control_vis",
            params: json!({
                "controls": lists, "updateFiltersOnChange": true, "useTimeFilter": false, "pinFilters": false,
            }),
            aggregations: Vec::new(),
            query: None,
        };
        (drawn, references.collect())
    }

    /// What is kept of it, as JSON has it.
    pub fn state(&self, title: &str) -> Value {
        json!({"title": title, "type": self.kind, "params": self.params, "aggs": self.aggregations})
    }
}

fn aggregations(panel: &Panel, view: &DataView, flavour: Flavour) -> Vec<Value> {
    let metrics = panel.metrics.iter().map(metric);
    let buckets = panel.buckets.iter().enumerate().map(|(at, it)| {
        let schema = match (panel.kind, at) {
            (PanelKind::Table, _) => "bucket",
            (PanelKind::Bars | PanelKind::Area, 0) | (PanelKind::Pie, _) => "segment",
            _ => "group",
        };
        (schema, bucket(it, view, flavour))
    });
    let metrics = metrics.map(|it| ("metric", it));
    let all = metrics.chain(buckets).enumerate();
    all.map(|(at, (schema, (kind, params)))| {
        json!({"id": (at + 1).to_string(), "enabled": true, "type": kind, "schema": schema, "params": params})
    })
    .collect()
}

fn metric(metric: &Metric) -> (&'static str, Value) {
    let of = |kind| {
        (
            kind,
            json!({"field": metric.field, "customLabel": metric.label}),
        )
    };
    match metric.op {
        Operation::Count => ("count", json!({"customLabel": metric.label})),
        Operation::Sum => of("sum"),
        Operation::Max => of("max"),
        Operation::Min => of("min"),
        Operation::Cardinality => of("cardinality"),
        Operation::Latest => {
            let (kind, mut params) = of("top_hits");
            let by = match metric.by.as_str() {
                "" => "@timestamp",
                by => by,
            };
            params["aggregate"] = json!("concat");
            params["size"] = json!(1);
            params["sortField"] = json!(by);
            params["sortOrder"] = json!("desc");
            (kind, params)
        }
    }
}

fn bucket(bucket: &Bucket, view: &DataView, flavour: Flavour) -> (&'static str, Value) {
    match bucket.op {
        BucketKind::Time => {
            let normalized = match flavour {
                Flavour::OpenSearch => "useNormalizedOpenSearchInterval",
                Flavour::Kibana => "useNormalizedEsInterval",
            };
            let params = json!({
                "field": view.time_field, "interval": "auto", "min_doc_count": 1, "drop_partials": false,
                normalized: true, "extended_bounds": {}, "customLabel": "",
            });
            ("date_histogram", params)
        }
        BucketKind::Terms => {
            let params = json!({
                "field": bucket.field, "orderBy": "1", "order": "desc", "size": bucket.size, "otherBucket": false,
                "otherBucketLabel": "Other", "missingBucket": false, "missingBucketLabel": "Missing",
                "customLabel": bucket.label,
            });
            ("terms", params)
        }
    }
}

/// One axis of time, one of values, and each metric stacked upon the other.
fn over_time(kind: &str, metrics: &[Metric]) -> Value {
    let series = metrics.iter().enumerate().map(|(at, metric)| {
        json!({
            "show": true, "type": kind, "mode": "stacked", "data": {"label": metric.label, "id": (at + 1).to_string()},
            "valueAxis": "ValueAxis-1", "drawLinesBetweenPoints": true, "showCircles": true, "lineWidth": 2,
            "interpolate": "linear",
        })
    });
    let series: Vec<Value> = series.collect();
    json!({
        "type": kind,
        "grid": {"categoryLines": false},
        "categoryAxes": [{
            "id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true, "style": {},
            "scale": {"type": "linear"}, "labels": {"show": true, "filter": true, "truncate": 100}, "title": {},
        }],
        "valueAxes": [{
            "id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": true, "style": {},
            "scale": {"type": "linear", "mode": "normal"},
            "labels": {"show": true, "rotate": 0, "filter": false, "truncate": 100}, "title": {"text": ""},
        }],
        "seriesParams": series,
        "addTooltip": true, "addLegend": true, "legendPosition": "right", "times": [], "addTimeMarker": false,
        "labels": {"show": false},
        "thresholdLine": {"show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
    })
}

fn numbers() -> Value {
    json!({
        "type": "metric", "addTooltip": true, "addLegend": false,
        "metric": {
            "percentageMode": false, "useRanges": false, "colorSchema": "Green to Red", "metricColorMode": "None",
            "colorsRange": [{"from": 0, "to": 10000}], "labels": {"show": true}, "invertColors": false,
            "style": {"bgFill": "#000", "bgColor": false, "labelColor": false, "subText": "", "fontSize": 36},
        },
    })
}
