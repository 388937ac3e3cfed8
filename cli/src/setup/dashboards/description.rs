//! Reads the description of the dashboards: the files of `pipelines/elasticsearch/dashboards`.

use std::collections::BTreeMap;

use maxconn_config::Written;
use serde::Deserialize;
use serde_json::Value;

/// Everything that is described.
#[derive(Clone, Debug)]
pub struct Description {
    /// What the dashboards look at.
    pub view: DataView,
    /// The dashboards.
    pub dashboards: Vec<Dashboard>,
}

/// What the dashboards look at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataView {
    /// Its id.
    pub id: String,
    /// The pattern of the indices.
    pub index: String,
    /// What people know it by.
    pub name: String,
    /// The field with a document's time.
    pub time_field: String,
    /// How values are shown that are no plain numbers and texts.
    #[serde(rename = "format")]
    pub formats: Vec<Format>,
    /// The searches that are kept.
    #[serde(rename = "search")]
    pub searches: Vec<Search>,
}

/// How the values of a field are shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// The field.
    pub field: String,
    /// As what.
    #[serde(rename = "as")]
    pub kind: FormatKind,
    /// What a link opens.
    #[serde(default)]
    pub dashboard: String,
    /// The field that it is to look for there.
    #[serde(default)]
    pub query: String,
}

/// What values are shown as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FormatKind {
    /// An amount of data.
    Bytes,
    /// A time span that is stored in nanoseconds.
    Nanoseconds,
    /// A link that opens a dashboard.
    Link,
}

/// A search that is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Documents in which fields have these values.
    #[serde(rename = "where")]
    pub documents: BTreeMap<String, String>,
    /// The fields that are shown.
    pub columns: Vec<String>,
}

/// A dashboard.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// The time that it opens with, from here …
    pub from: String,
    /// … to here.
    pub to: String,
    /// Where the controls are, in a product that has them among the panels: x, y, width, height.
    pub controls_grid: [u32; 4],
    /// What one can filter by.
    #[serde(rename = "control")]
    pub controls: Vec<Control>,
    /// What is on it.
    #[serde(rename = "panel")]
    pub panels: Vec<Panel>,
}

/// A list of values to filter by.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The field.
    pub field: String,
    /// What people know it by.
    pub label: String,
}

/// One thing on a dashboard.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// Its id within the dashboard.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it is.
    pub kind: PanelKind,
    /// Where it is: x, y, width, height, of a grid that is 48 wide.
    pub grid: [u32; 4],
    /// Documents in which fields have these values.
    #[serde(default, rename = "where")]
    pub documents: BTreeMap<String, String>,
    /// What is measured. Buckets are in the order of the first.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// What documents are sorted into, one within the other.
    #[serde(default)]
    pub buckets: Vec<Bucket>,
    /// The text of one that is text.
    #[serde(default)]
    pub markdown: String,
    /// The id of the search that it shows.
    #[serde(default)]
    pub search: String,
    /// The name of the Vega-Lite specification that draws it: the file beside the description.
    #[serde(default)]
    pub spec: String,
}

/// What a panel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PanelKind {
    /// Bars over time, on top of each other.
    Bars,
    /// The same as areas.
    Area,
    /// Numbers side by side.
    Number,
    /// A row for each bucket.
    Table,
    /// Shares of a whole.
    Pie,
    /// Text.
    Markdown,
    /// The documents of a search that is kept.
    Search,
    /// What Vega-Lite draws.
    Vega,
}

/// Something that is measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// How.
    pub op: Operation,
    /// Of which field; none for a count.
    #[serde(default)]
    pub field: String,
    /// The field by which the latest document is known.
    #[serde(default)]
    pub by: String,
    /// What people know it by.
    pub label: String,
}

/// How a field is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Documents.
    Count,
    /// The sum of all values.
    Sum,
    /// The greatest one.
    Max,
    /// The least one.
    Min,
    /// How many different ones, about.
    Cardinality,
    /// That of the latest document.
    Latest,
}

/// What documents are sorted into.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// How.
    pub op: BucketKind,
    /// By which field; the view's own for time.
    #[serde(default)]
    pub field: String,
    /// What people know it by.
    #[serde(default)]
    pub label: String,
    /// No more of them are shown.
    #[serde(default)]
    pub size: u32,
}

/// How documents are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BucketKind {
    /// By time, as fine as the chosen time allows.
    Time,
    /// By value.
    Terms,
}

macro_rules! described {
    ($name:literal) => {
        include_str!(concat!(
            "../../../../pipelines/elasticsearch/dashboards/",
            $name
        ))
    };
}

/// The files of the dashboards.
const DASHBOARDS: [&str; 3] = [
    described!("overview.toml"),
    described!("flood.toml"),
    described!("address.toml"),
];

/// The file of the data view.
const DATA_VIEW: &str = described!("data-view.toml");

/// The Vega-Lite specifications by name.
const SPECS: [(&str, &str); 3] = [
    ("open-floods", described!("open-floods.json")),
    ("flood-curve", described!("flood-curve.json")),
    ("flood-rate", described!("flood-rate.json")),
];

/// A file as JSON has it.
fn read(text: &str) -> Value {
    Written::parse(text).map_or(Value::Null, |it| it.json())
}

/// The data view and the dashboards as they are written down; tests spoil them.
pub(super) fn values() -> (Value, Vec<Value>) {
    (read(DATA_VIEW), DASHBOARDS.map(read).to_vec())
}

impl Description {
    /// What is described in the repository.
    pub fn load() -> Description {
        let (view, dashboards) = values();
        // A test holds that they can be read.
        Description::of(view, dashboards).unwrap_or_else(|_| Description {
            view: DataView::default(),
            dashboards: Vec::new(),
        })
    }

    /// What these say.
    pub(super) fn of(
        view: Value,
        dashboards: Vec<Value>,
    ) -> Result<Description, serde_json::Error> {
        let dashboards = dashboards.into_iter().map(serde_json::from_value);
        Ok(Description {
            view: serde_json::from_value(view)?,
            dashboards: dashboards.collect::<Result<_, _>>()?,
        })
    }
}

/// A Vega-Lite specification; empty if there is none of that name.
pub fn spec(name: &str) -> &'static str {
    let found = SPECS.iter().find(|(known, _)| *known == name);
    found.map_or("", |(_, text)| text)
}
