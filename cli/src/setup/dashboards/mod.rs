//! The dashboards: one description, from which the saved objects of both products are written.
//!
//! | module | what it does |
//! |---|---|
//! | `description` | reads `pipelines/elasticsearch/dashboards` |
//! | `fields` | derives the list of fields from the component templates |
//! | `panels` | writes panels as visualizations |
//! | `checks`, `shapes` | in tests: what must hold of the description, and of what is written |

#[cfg(test)]
mod checks;
mod description;
mod fields;
mod panels;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use self::description::{
    Dashboard, DataView, Description, Format, FormatKind, Panel, PanelKind, Search,
};
use self::panels::{Drawn, VIEW, query};
use super::parts::{MARK, digest};

/// The version of the panels' own format. Without any, OpenSearch Dashboards shows a blank page.
const PANEL_VERSION: &str = "7.10.0";
/// Where the digest of a data view is: in the format of its link, which both products keep as it is.
const DIGEST: &str = "maxconnDigest";

/// For which product objects are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// OpenSearch Dashboards: objects of the time when the two were one.
    OpenSearch,
    /// Kibana 8.8 and newer.
    Kibana,
}

impl Flavour {
    /// Both.
    pub const ALL: [Flavour; 2] = [Flavour::OpenSearch, Flavour::Kibana];

    /// What files and lists know it by.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::OpenSearch => "opensearch-dashboards",
            Flavour::Kibana => "kibana",
        }
    }

    /// What people know it by.
    pub fn title(self) -> &'static str {
        match self {
            Flavour::OpenSearch => "OpenSearch Dashboards",
            Flavour::Kibana => "Kibana",
        }
    }

    /// The key of its configuration that names its store.
    pub fn hosts(self) -> &'static str {
        match self {
            Flavour::OpenSearch => "opensearch.hosts",
            Flavour::Kibana => "elasticsearch.hosts",
        }
    }
}

/// A saved object.
#[derive(Clone, Debug)]
pub struct SavedObject {
    /// Its type.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// All of it, with the digest of the rest in it.
    pub body: Value,
}

/// All saved objects for a product, each after those that it refers to.
pub fn objects(flavour: Flavour) -> Vec<SavedObject> {
    write(&Description::load(), flavour)
}

/// Those of a description.
fn write(description: &Description, flavour: Flavour) -> Vec<SavedObject> {
    let Description { view, dashboards } = description;
    let mut bodies = vec![data_view(view, flavour)];
    bodies.extend(view.searches.iter().map(|it| search(it, view, flavour)));
    for dashboard in dashboards {
        bodies.extend(visualizations(dashboard, view, flavour));
        bodies.push(written(dashboard, view, flavour));
    }
    bodies.into_iter().map(SavedObject::seal).collect()
}

impl SavedObject {
    /// With the digest of what is there.
    fn seal(mut body: Value) -> SavedObject {
        let text = |body: &Value, key: &str| body[key].as_str().unwrap_or_default().to_string();
        let (kind, id) = (text(&body, "type"), text(&body, "id"));
        let digest = digest(&body);
        let attributes = &mut body["attributes"];
        match kind.as_str() {
            "index-pattern" => {
                let mut formats = parsed(&attributes["fieldFormatMap"]);
                for format in formats.as_object_mut().into_iter().flatten() {
                    if format.1["id"] == "url" {
                        format.1["params"][DIGEST] = json!(digest);
                    }
                }
                attributes["fieldFormatMap"] = json!(formats.to_string());
            }
            // A description would be shown with each panel.
            "visualization" => {
                attributes["uiStateJSON"] = json!(json!({DIGEST: digest}).to_string());
            }
            _ => {
                let description = text(attributes, "description");
                attributes["description"] = json!(format!("{description} ({MARK}{digest})"));
            }
        }
        SavedObject { kind, id, body }
    }

    /// The digest in it.
    pub fn digest(&self) -> Option<String> {
        digest_in(&self.kind, &self.body["attributes"])
    }

    /// What people know it by.
    pub fn name(&self) -> String {
        format!("{}/{}", self.kind, self.id)
    }
}

/// The digest in the attributes of an object that a product holds; `None` if it is not ours.
pub fn digest_in(kind: &str, attributes: &Value) -> Option<String> {
    let found = match kind {
        "index-pattern" => {
            let formats = parsed(&attributes["fieldFormatMap"]);
            let formats = formats.as_object()?.values();
            let mut digests = formats.filter_map(|it| it["params"][DIGEST].as_str());
            digests.next().map(str::to_string)
        }
        "visualization" => {
            let state = parsed(&attributes["uiStateJSON"]);
            state[DIGEST].as_str().map(str::to_string)
        }
        _ => {
            let (_, digest) = attributes["description"].as_str()?.rsplit_once(MARK)?;
            Some(digest.trim_end_matches(')').to_string())
        }
    };
    found.filter(|it| !it.is_empty())
}

/// JSON within a string.
fn parsed(text: &Value) -> Value {
    let text = text.as_str().unwrap_or_default();
    serde_json::from_str(text).unwrap_or_default()
}

/// An object, with the versions that tell a product which of its migrations it has behind it.
fn object(flavour: Flavour, kind: &str, id: &str, attributes: Value, references: Value) -> Value {
    let mut body =
        json!({"type": kind, "id": id, "attributes": attributes, "references": references});
    match flavour {
        Flavour::OpenSearch => {
            let version = match kind {
                "index-pattern" => "7.6.0",
                "visualization" => "7.10.0",
                _ => "7.9.3",
            };
            body["migrationVersion"] = json!({kind: version});
        }
        Flavour::Kibana => {
            // A visualization is as it was then; Kibana brings it up to date itself.
            let version = match kind {
                "visualization" => "7.10.0",
                "dashboard" => "8.9.0",
                _ => "8.0.0",
            };
            body["coreMigrationVersion"] = json!("8.8.0");
            body["typeMigrationVersion"] = json!(version);
        }
    }
    body
}

fn to_view(name: &str, view: &DataView) -> Value {
    json!({"name": name, "type": "index-pattern", "id": view.id})
}

/// Documents that are looked at; the data view is named by a reference.
fn source(query: Value) -> Value {
    let source = json!({"query": query, "filter": [], "indexRefName": VIEW});
    json!({"searchSourceJSON": source.to_string()})
}

/// No documents of its own.
fn no_source() -> Value {
    let source = json!({"query": {"query": "", "language": "kuery"}, "filter": []});
    json!({"searchSourceJSON": source.to_string()})
}

fn data_view(view: &DataView, flavour: Flavour) -> Value {
    let formats = view.formats.iter().map(|it| (it.field.clone(), format(it)));
    let formats: Value = Value::Object(formats.collect());
    let mut attributes = json!({
        "title": view.index, "name": view.name, "timeFieldName": view.time_field,
        "fieldFormatMap": formats.to_string(),
    });
    match flavour {
        Flavour::OpenSearch => attributes["fields"] = json!(fields::listed().to_string()),
        Flavour::Kibana => {
            // It asks the store for them, and waits for the first document by this.
            attributes["fields"] = json!("[]");
            attributes["allowNoIndex"] = json!(true);
        }
    }
    object(flavour, "index-pattern", &view.id, attributes, json!([]))
}

fn format(format: &Format) -> Value {
    match format.kind {
        FormatKind::Bytes => json!({"id": "bytes"}),
        FormatKind::Nanoseconds => json!({
            "id": "duration", "params": {"inputFormat": "nanoseconds", "outputFormat": "humanize"},
        }),
        FormatKind::Link => {
            // Logs of long ago are found, too.
            let time = "(filters:!(),time:(from:now-10y,to:now%2B1y))";
            let Format {
                dashboard, query, ..
            } = format;
            let query = format!("(query:(language:kuery,query:'{query}:\"{{{{value}}}}\"'))");
            let url = format!("../app/dashboards#/view/{dashboard}?_g={time}&_a={query}");
            json!({
                "id": "url", "params": {
                    "type": "a", "openLinkInCurrentTab": true, "labelTemplate": "{{value}}", "urlTemplate": url,
                },
            })
        }
    }
}

fn search(search: &Search, view: &DataView, flavour: Flavour) -> Value {
    let mut attributes = json!({
        "title": search.title, "description": search.description, "columns": search.columns,
        "sort": [[view.time_field, "desc"]], "kibanaSavedObjectMeta": source(query(&search.documents)),
    });
    match flavour {
        Flavour::OpenSearch => {
            attributes["hits"] = json!(0);
            attributes["version"] = json!(1);
        }
        Flavour::Kibana => {
            attributes["grid"] = json!({});
            attributes["hideChart"] = json!(false);
            attributes["isTextBasedQuery"] = json!(false);
        }
    }
    let references = json!([to_view(VIEW, view)]);
    object(flavour, "search", &search.id, attributes, references)
}

/// The id of the saved object that a panel shows.
fn shown(dashboard: &Dashboard, panel: &Panel) -> (&'static str, String) {
    match panel.search.as_str() {
        "" => ("visualization", format!("{}-{}", dashboard.id, panel.id)),
        search => ("search", search.to_string()),
    }
}

fn visualizations(dashboard: &Dashboard, view: &DataView, flavour: Flavour) -> Vec<Value> {
    let visualization = |id: String, title: &str, drawn: &Drawn, mut references: Vec<Value>| {
        let source = match &drawn.query {
            Some(query) => {
                references.push(to_view(VIEW, view));
                source(query.clone())
            }
            None => no_source(),
        };
        let attributes = json!({
            "title": title, "description": "", "version": 1, "uiStateJSON": "{}",
            "visState": drawn.state(title).to_string(), "kibanaSavedObjectMeta": source,
        });
        object(flavour, "visualization", &id, attributes, json!(references))
    };
    let titled = |title: &str| format!("{}: {title}", dashboard.title);
    let mut all = Vec::new();
    if flavour == Flavour::OpenSearch {
        let (drawn, references) = Drawn::controls(&dashboard.controls, view);
        let id = format!("{}-controls", dashboard.id);
        all.push(visualization(id, &titled("Filter"), &drawn, references));
    }
    for panel in &dashboard.panels {
        if let Some(drawn) = Drawn::panel(panel, view, flavour) {
            let (_, id) = shown(dashboard, panel);
            all.push(visualization(id, &titled(&panel.title), &drawn, Vec::new()));
        }
    }
    all
}

/// The dashboard itself.
fn written(dashboard: &Dashboard, view: &DataView, flavour: Flavour) -> Value {
    let controls = format!("{}-controls", dashboard.id);
    let mut shown_panels = Vec::new();
    if flavour == Flavour::OpenSearch {
        let grid = dashboard.controls_grid;
        shown_panels.push(("Filter", "visualization", controls, grid, true));
    }
    for panel in &dashboard.panels {
        let (kind, id) = shown(dashboard, panel);
        let is_text = panel.kind == PanelKind::Markdown;
        shown_panels.push((panel.title.as_str(), kind, id, panel.grid, is_text));
    }
    let (mut panels, mut references) = (Vec::new(), Vec::new());
    for (at, (title, kind, id, [x, y, w, h], hide_title)) in shown_panels.into_iter().enumerate() {
        let at = at.to_string();
        let name = format!("panel_{at}");
        let mut panel = json!({
            "version": PANEL_VERSION, "gridData": {"x": x, "y": y, "w": w, "h": h, "i": at}, "panelIndex": at,
            "title": title, "embeddableConfig": {"hidePanelTitles": hide_title}, "panelRefName": name,
        });
        let name = match flavour {
            Flavour::OpenSearch => name,
            Flavour::Kibana => {
                panel["type"] = json!(kind);
                format!("{at}:{name}")
            }
        };
        panels.push(panel);
        references.push(json!({"name": name, "type": kind, "id": id}));
    }
    let mut attributes = json!({
        "title": dashboard.title, "description": dashboard.description, "version": 1, "timeRestore": true,
        "timeFrom": dashboard.from, "timeTo": dashboard.to, "refreshInterval": {"pause": true, "value": 60_000},
        "optionsJSON": json!({"useMargins": true, "hidePanelTitles": false}).to_string(),
        "panelsJSON": Value::Array(panels).to_string(), "kibanaSavedObjectMeta": no_source(),
    });
    match flavour {
        Flavour::OpenSearch => attributes["hits"] = json!(0),
        Flavour::Kibana => {
            let (input, of_controls) = control_group(dashboard, view);
            attributes["controlGroupInput"] = input;
            references.extend(of_controls);
        }
    }
    object(
        flavour,
        "dashboard",
        &dashboard.id,
        attributes,
        json!(references),
    )
}

/// Kibana's controls, which are part of the dashboard.
fn control_group(dashboard: &Dashboard, view: &DataView) -> (Value, Vec<Value>) {
    let (mut controls, mut references) = (serde_json::Map::new(), Vec::new());
    for (at, control) in dashboard.controls.iter().enumerate() {
        let id = format!("control-{at}");
        let list = json!({
            "type": "optionsListControl", "order": at, "grow": true, "width": "medium",
            "explicitInput": {
                "id": id, "dataViewId": view.id, "fieldName": control.field, "title": control.label,
                "selectedOptions": [], "enhancements": {},
            },
        });
        references.push(to_view(
            &format!("controlGroup_{id}:optionsListDataView"),
            view,
        ));
        controls.insert(id, list);
    }
    let ignored = json!({
        "ignoreFilters": false, "ignoreQuery": false, "ignoreTimerange": false, "ignoreValidations": false,
    });
    let input = json!({
        "controlStyle": "oneLine", "chainingSystem": "HIERARCHICAL", "ignoreParentSettingsJSON": ignored.to_string(),
        "panelsJSON": Value::Object(controls).to_string(),
    });
    (input, references)
}
