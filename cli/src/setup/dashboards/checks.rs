//! What must hold of the description: every complaint is a sentence that names the place.

use std::collections::BTreeMap;
use std::fmt::Display;

use serde_json::Value;

use super::description::{
    Bucket, BucketKind, Dashboard, Description, FormatKind, Metric, Operation, Panel, PanelKind,
    spec,
};
use super::fields;

/// The grid is so wide.
const GRID_WIDTH: u32 = 48;
/// What a client, or whoever writes the log, cannot choose.
const LINKABLE: [&str; 3] = ["maxconn.flood.id", "source.ip", "related.ip"];

/// What is wrong with a description.
pub fn complaints(description: &Description) -> Vec<String> {
    let kinds = fields::all().into_iter().map(|it| (it.name, it.kind));
    let mut check = Check {
        kinds: kinds.collect(),
        place: String::new(),
        found: Vec::new(),
    };
    check.view(description);
    for dashboard in &description.dashboards {
        check.grid(dashboard);
        check.place = dashboard.id.clone();
        check.time(description, dashboard);
        for control in &dashboard.controls {
            check.aggregated(&control.field);
        }
        for panel in &dashboard.panels {
            check.place = format!("{}/{}", dashboard.id, panel.id);
            check.panel(description, panel);
        }
    }
    check.found
}

struct Check {
    /// The types of fields by name.
    kinds: BTreeMap<String, String>,
    /// What is looked at.
    place: String,
    found: Vec<String>,
}

impl Check {
    fn say(&mut self, words: impl Display) {
        self.found.push(format!("{}: {words}", self.place));
    }

    fn known(&mut self, field: &str) {
        if !self.kinds.contains_key(field) {
            self.say(format!("no template has {field}"));
        }
    }

    /// A field that values are sorted or counted by.
    fn aggregated(&mut self, field: &str) {
        self.known(field);
        if self.kinds.get(field).is_some_and(|it| it == "text") {
            self.say(format!(
                "{field} is text, which the store has in no columns"
            ));
        }
    }

    fn metric(&mut self, metric: &Metric) {
        let field = &metric.field;
        match metric.op {
            Operation::Count if field.is_empty() => return,
            Operation::Count => return self.say("a count has no field"),
            // It is read from the document itself.
            Operation::Latest => self.known(field),
            _ => self.aggregated(field),
        }
        let kind = self.kinds.get(field).cloned().unwrap_or_default();
        let is_number = matches!(kind.as_str(), "long" | "double" | "");
        let fits = match metric.op {
            Operation::Sum => is_number,
            Operation::Max | Operation::Min => is_number || kind == "date",
            _ => true,
        };
        if !fits {
            self.say(format!(
                "{field} is {kind}, of which there is no {:?}",
                metric.op
            ));
        }
        if !metric.by.is_empty() {
            self.aggregated(&metric.by);
        }
    }

    fn view(&mut self, description: &Description) {
        let view = &description.view;
        self.place = view.id.clone();
        self.aggregated(&view.time_field);
        for format in &view.formats {
            self.place = format!("format of {}", format.field);
            self.known(&format.field);
            if format.kind != FormatKind::Link {
                continue;
            }
            self.known(&format.query);
            if description
                .dashboards
                .iter()
                .all(|it| it.id != format.dashboard)
            {
                self.say("its link opens no dashboard");
            }
            if !LINKABLE.contains(&format.field.as_str()) {
                self.say(
                    "a client chooses its values, which could be more than a value in a query",
                );
            }
        }
        for search in &view.searches {
            self.place = search.id.clone();
            for column in search.columns.iter().chain(search.documents.keys()) {
                self.known(column);
            }
        }
    }

    /// Nothing lies outside, on something else, or below a saved search, which OpenSearch Dashboards 2.11.0 draws over it.
    fn grid(&mut self, dashboard: &Dashboard) {
        let mut placed = vec![("controls", dashboard.controls_grid, false)];
        let panels = dashboard.panels.iter();
        placed.extend(panels.map(|it| (it.id.as_str(), it.grid, it.kind == PanelKind::Search)));
        for (at, (name, [x, y, w, h], _)) in placed.iter().enumerate() {
            self.place = format!("{}/{name}", dashboard.id);
            if x + w > GRID_WIDTH || *w == 0 || *h == 0 {
                self.say("it is outside of the grid");
            }
            for (other, [x2, y2, w2, h2], is_search) in &placed[at + 1..] {
                let beside = x + w <= *x2 || x2 + w2 <= *x || y + h <= *y2 || y2 + h2 <= *y;
                if !beside {
                    self.say(format!("it lies on {other}"));
                }
                if name == other {
                    self.say("this id is there twice");
                }
                if *is_search && *y >= y2 + h2 {
                    self.say("it is below a saved search");
                }
            }
            for (other, [x2, y2, w2, h2], is_search) in &placed[..at] {
                if *is_search && *y >= y2 + h2 && *x < x2 + w2 && *x2 < x + w {
                    self.say(format!("it is below the saved search {other}"));
                }
            }
        }
    }

    /// Logs of long ago are at the time of their lines: whoever looks finds them by what the dashboard opens with, or by a
    /// link on it.
    fn time(&mut self, description: &Description, dashboard: &Dashboard) {
        let here = format!("#/view/{}?", dashboard.id);
        let leads_there = |text: &String| {
            let mut links = text
                .split(&here)
                .skip(1)
                .filter_map(|it| it.split(')').next());
            links.any(|link| link.contains("from:now-10y"))
        };
        let texts = dashboard.panels.iter().map(|it| &it.markdown);
        if dashboard.from != "now-10y" && !texts.clone().any(leads_there) {
            self.say("nothing on it leads to logs of long ago");
        }
        for link in texts.flat_map(|it| it.split("#/view/").skip(1)) {
            let id = link.split(['?', ')']).next().unwrap_or_default();
            if description.dashboards.iter().all(|it| it.id != id) {
                self.say(format!("a link leads to {id}, which is none"));
            }
        }
    }

    fn panel(&mut self, description: &Description, panel: &Panel) {
        for (field, value) in &panel.documents {
            self.aggregated(field);
            if value.contains(['"', '\\']) {
                self.say("a value would end its quotes");
            }
        }
        panel.metrics.iter().for_each(|it| self.metric(it));
        for bucket in &panel.buckets {
            let is_time = bucket.op == BucketKind::Time;
            if !is_time {
                self.aggregated(&bucket.field);
            } else if !bucket.field.is_empty() {
                self.say("time is the view's own field");
            }
            if is_time != (bucket.size == 0) || is_time != bucket.label.is_empty() {
                self.say("values have a size and a label, times have none");
            }
        }
        self.shape(description, panel);
        self.meaning(panel);
        if panel.kind == PanelKind::Vega {
            self.vega(description, spec(&panel.spec));
        }
    }

    /// Each kind has what it needs, and nothing that it would not show.
    fn shape(&mut self, description: &Description, panel: &Panel) {
        let is_time = |it: &&Bucket| it.op == BucketKind::Time;
        let times = panel.buckets.iter().filter(is_time).count();
        let first_is_time = panel.buckets.first().is_some_and(|it| is_time(&it));
        let (metrics, buckets) = (panel.metrics.len(), panel.buckets.len());
        let mut searches = description.view.searches.iter();
        let fits = match panel.kind {
            PanelKind::Bars | PanelKind::Area => {
                metrics > 0 && first_is_time && times == 1 && buckets <= 2
            }
            PanelKind::Number => metrics > 0 && buckets == 0,
            PanelKind::Table => metrics > 0 && buckets > 0 && times == 0,
            PanelKind::Pie => metrics == 1 && buckets == 1 && times == 0,
            PanelKind::Markdown => metrics + buckets == 0 && !panel.markdown.is_empty(),
            PanelKind::Search => metrics + buckets == 0 && searches.any(|it| it.id == panel.search),
            PanelKind::Vega => metrics + buckets == 0 && !spec(&panel.spec).is_empty(),
        };
        if !fits {
            self.say("it lacks something that its kind needs, or has something that its kind does not show");
        }
        if panel
            .metrics
            .first()
            .is_some_and(|it| it.op == Operation::Latest)
        {
            self.say("buckets cannot be in the order of the latest value");
        }
    }

    /// What would draw a wrong number.
    fn meaning(&mut self, panel: &Panel) {
        let is =
            |field: &str, value: &str| panel.documents.get(field).is_some_and(|it| it == value);
        let by = |field: &str| panel.buckets.iter().any(|it| it.field == field);
        let over_time = panel.buckets.iter().any(|it| it.op == BucketKind::Time);
        let of_ends = is("event.action", "connection-limit-flood-end");
        let of_alerts = is("event.kind", "alert") || of_ends;
        let within_rule =
            by("rule.name") || by("maxconn.flood.id") || panel.documents.contains_key("rule.name");
        for metric in &panel.metrics {
            let field = metric.field.as_str();
            let is_sum = metric.op == Operation::Sum;
            let is_increase = field.starts_with("maxconn.flood.increase.");
            if let Some(name) = field.strip_prefix("maxconn.flood.") {
                // Events of a flood that go on have its id and its state, too.
                if !of_alerts && name != "id" {
                    self.say(format!("{field} is in events, too: look at alerts alone"));
                }
                if is_sum && !is_increase {
                    self.say(format!("{field} is a running total, which no sum fits"));
                }
                if over_time && !is_increase && metric.op != Operation::Cardinality {
                    self.say(format!("{field} over time has gaps where no alert is"));
                }
                if is_sum && is_increase && !within_rule {
                    self.say(format!(
                        "{field}: a refusal counts in each rule's flood; name the rule or the flood"
                    ));
                }
                if is_increase && of_ends {
                    self.say("ends alone leave out floods that go on");
                }
            }
            let of_statistics = is("event.action", "connection-limit-statistics");
            if field.starts_with("maxconn.refusals.") && !(of_statistics && is_sum) {
                self.say(format!(
                    "{field} is an increase of the statistics documents, to be summed"
                ));
            }
            let is_gauge = metric.op == Operation::Max
                && ["event.module", "maxconn.limit.name", "host.name"]
                    .into_iter()
                    .all(by);
            if field == "maxconn.floods.open" && !is_gauge {
                self.say(
                    "open floods are a gauge of each server, limit and host, and cannot be added",
                );
            }
            if by("maxconn.flood.cause.hint") && !by("maxconn.flood.id") && !of_ends {
                self.say("a hint may change: floods are counted by their ends");
            }
        }
        for Bucket { field, .. } in &panel.buckets {
            let of_flood = field.starts_with("maxconn.flood.") && field != "maxconn.flood.id";
            if of_flood && !of_alerts {
                self.say(format!("{field} is in events, too: look at alerts alone"));
            }
        }
    }

    /// Its query goes to the store as it is: the dashboard's own is part of it, and every field is known.
    fn vega(&mut self, description: &Description, spec: &str) {
        let spec: Value = serde_json::from_str(spec).unwrap_or_default();
        let url = &spec["data"]["url"];
        if url["index"] != description.view.index.as_str() {
            self.say("it looks elsewhere");
        }
        if url.get("%context%").is_some() {
            self.say("%context% cannot stand beside a query");
        }
        let query = &url["body"]["query"]["bool"];
        let has = |clause: &str, words: &str| query[clause].to_string().contains(words);
        let is_whole = has("must", "%dashboard_context-must_clause%")
            && has("filter", "%dashboard_context-filter_clause%")
            && has("must_not", "%dashboard_context-must_not_clause%")
            && has("filter", "{\"@timestamp\":{\"%timefilter%\":true}}");
        if !is_whole {
            self.say("the dashboard's query, filters or time are not part of its own");
        }
        if !has("filter", "{\"event.kind\":\"alert\"}") {
            self.say("its floods are in events, too: look at alerts alone");
        }
        let text = url["body"].to_string();
        let is_name = |it: &&str| it.starts_with("maxconn.") || it.starts_with("event.");
        for name in text.split('"').filter(is_name) {
            let inner = format!("{name}.");
            let mut known = self.kinds.keys();
            if !known.any(|it| it == name || it.starts_with(&inner)) {
                self.say(format!("no template has {name}"));
            }
        }
        for calculated in spec["transform"].as_array().into_iter().flatten() {
            let text = calculated["calculate"].as_str().unwrap_or_default();
            if let Some(field) = text.strip_prefix("datum._source.") {
                self.known(field);
            }
        }
    }
}
