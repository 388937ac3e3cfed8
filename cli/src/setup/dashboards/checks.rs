//! What must hold of the description: every complaint is a sentence that names the place.

use std::collections::BTreeMap;

use serde_json::Value;

use super::description::{
    BucketKind, Dashboard, Description, FormatKind, Metric, Operation, Panel, PanelKind, spec,
};
use super::fields;

/// The grid is so wide.
const GRID_WIDTH: u32 = 48;
/// What a client, or whoever writes the log, cannot choose.
const LINKABLE: [&str; 3] = ["maxconn.flood.id", "source.ip", "related.ip"];

/// What is wrong with a description.
pub fn complaints(description: &Description) -> Vec<String> {
    let mut check = Check {
        kinds: fields::all()
            .into_iter()
            .map(|it| (it.name, it.kind))
            .collect(),
        found: Vec::new(),
    };
    check.view(description);
    for dashboard in &description.dashboards {
        check.grid(dashboard);
        check.time(description, dashboard);
        for control in &dashboard.controls {
            check.aggregated(&dashboard.id, &control.field);
        }
        for panel in &dashboard.panels {
            check.panel(
                description,
                &format!("{}/{}", dashboard.id, panel.id),
                panel,
            );
        }
    }
    check.found
}

struct Check {
    /// The types of fields by name.
    kinds: BTreeMap<String, String>,
    found: Vec<String>,
}

impl Check {
    fn say(&mut self, holds: bool, place: &str, words: &str) {
        if !holds {
            self.found.push(format!("{place}: {words}"));
        }
    }

    fn known(&mut self, place: &str, field: &str) {
        let is_known = self.kinds.contains_key(field);
        self.say(is_known, place, &format!("no template has {field}"));
    }

    /// A field that values are sorted or counted by.
    fn aggregated(&mut self, place: &str, field: &str) {
        self.known(place, field);
        let fits = self.kinds.get(field).is_none_or(|it| it != "text");
        self.say(
            fits,
            place,
            &format!("{field} is text, which the store has in no columns"),
        );
    }

    fn metric(&mut self, place: &str, metric: &Metric) {
        let field = &metric.field;
        match metric.op {
            Operation::Count => return self.say(field.is_empty(), place, "a count has no field"),
            // It is read from the document itself.
            Operation::Latest => self.known(place, field),
            _ => self.aggregated(place, field),
        }
        let kind = self.kinds.get(field).map_or("", String::as_str);
        let is_number = matches!(kind, "long" | "double" | "");
        let fits = match metric.op {
            Operation::Sum => is_number,
            Operation::Max | Operation::Min => is_number || kind == "date",
            _ => true,
        };
        self.say(
            fits,
            place,
            &format!("{field} is {kind}, of which there is no {:?}", metric.op),
        );
        if !metric.by.is_empty() {
            self.aggregated(place, &metric.by);
        }
    }

    fn view(&mut self, description: &Description) {
        let view = &description.view;
        self.aggregated(&view.id, &view.time_field);
        for format in &view.formats {
            let place = format!("format of {}", format.field);
            self.known(&place, &format.field);
            if format.kind != FormatKind::Link {
                continue;
            }
            self.known(&place, &format.query);
            let mut ids = description.dashboards.iter().map(|it| &it.id);
            let is_there = ids.any(|it| *it == format.dashboard);
            self.say(is_there, &place, "its link opens no dashboard");
            let is_safe = LINKABLE.contains(&format.field.as_str());
            self.say(
                is_safe,
                &place,
                "a client chooses its values, which could be more than a value in a query",
            );
        }
        for search in &view.searches {
            for column in search.columns.iter().chain(search.documents.keys()) {
                self.known(&search.id, column);
            }
        }
    }

    /// Nothing lies outside, on something else, or below a saved search, which OpenSearch Dashboards 2.11.0 draws over it.
    fn grid(&mut self, dashboard: &Dashboard) {
        let mut placed = vec![("controls", dashboard.controls_grid, false)];
        let panels = dashboard.panels.iter();
        placed.extend(panels.map(|it| (it.id.as_str(), it.grid, it.kind == PanelKind::Search)));
        for (at, (name, [x, y, w, h], _)) in placed.iter().enumerate() {
            let place = format!("{}/{name}", dashboard.id);
            self.say(
                x + w <= GRID_WIDTH && *w > 0 && *h > 0,
                &place,
                "it is outside of the grid",
            );
            for (other, [x2, y2, w2, h2], is_search) in &placed[at + 1..] {
                let beside = x + w <= *x2 || x2 + w2 <= *x || y + h <= *y2 || y2 + h2 <= *y;
                self.say(beside, &place, &format!("it lies on {other}"));
                self.say(name != other, &place, "this id is there twice");
                self.say(
                    !is_search || *y < y2 + h2,
                    &place,
                    "it is below a saved search",
                );
            }
            for (other, [x2, y2, w2, h2], is_search) in &placed[..at] {
                let below = *y >= y2 + h2 && *x < x2 + w2 && *x2 < x + w;
                self.say(
                    !is_search || !below,
                    &place,
                    &format!("it is below the saved search {other}"),
                );
            }
        }
    }

    /// Logs of long ago are at the time of their lines: whoever looks finds them by what the dashboard opens with, or by a
    /// link on it.
    fn time(&mut self, description: &Description, dashboard: &Dashboard) {
        let wide = "from:now-10y";
        let here = format!("#/view/{}?", dashboard.id);
        let mut texts = dashboard.panels.iter().map(|it| &it.markdown);
        let is_found = dashboard.from == "now-10y"
            || texts.any(|it| {
                it.split(&here)
                    .skip(1)
                    .any(|link| link.split(')').next().is_some_and(|it| it.contains(wide)))
            });
        self.say(
            is_found,
            &dashboard.id,
            "nothing on it leads to logs of long ago",
        );
        for text in dashboard.panels.iter().map(|it| &it.markdown) {
            for link in text.split("#/view/").skip(1) {
                let id = link.split(['?', ')']).next().unwrap_or_default();
                let is_there = description.dashboards.iter().any(|it| it.id == id);
                self.say(
                    is_there,
                    &dashboard.id,
                    &format!("a link leads to {id}, which is none"),
                );
            }
        }
    }

    fn panel(&mut self, description: &Description, place: &str, panel: &Panel) {
        for (field, value) in &panel.documents {
            self.aggregated(place, field);
            let is_plain = !value.contains(['"', '\\']);
            self.say(is_plain, place, "a value would end its quotes");
        }
        panel.metrics.iter().for_each(|it| self.metric(place, it));
        for bucket in &panel.buckets {
            let is_time = bucket.op == BucketKind::Time;
            match is_time {
                true => self.say(
                    bucket.field.is_empty(),
                    place,
                    "time is the view's own field",
                ),
                false => self.aggregated(place, &bucket.field),
            }
            let sized = is_time == (bucket.size == 0) && is_time == bucket.label.is_empty();
            self.say(
                sized,
                place,
                "values have a size and a label, times have none",
            );
        }
        self.shape(description, place, panel);
        self.meaning(place, panel);
        if panel.kind == PanelKind::Vega {
            self.vega(description, place, spec(&panel.spec));
        }
    }

    /// Each kind has what it needs, and nothing that it would not show.
    fn shape(&mut self, description: &Description, place: &str, panel: &Panel) {
        let times = panel
            .buckets
            .iter()
            .filter(|it| it.op == BucketKind::Time)
            .count();
        let first_is_time = panel
            .buckets
            .first()
            .is_some_and(|it| it.op == BucketKind::Time);
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
        self.say(
            fits,
            place,
            "it lacks something that its kind needs, or has something that its kind does not show",
        );
        let is_ordered = panel
            .metrics
            .first()
            .is_none_or(|it| it.op != Operation::Latest);
        self.say(
            is_ordered,
            place,
            "buckets cannot be in the order of the latest value",
        );
    }

    /// What would draw a wrong number.
    fn meaning(&mut self, place: &str, panel: &Panel) {
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
            let of_flood = field.strip_prefix("maxconn.flood.");
            let is_increase = field.starts_with("maxconn.flood.increase.");
            if let Some(name) = of_flood {
                // Events of a flood that go on have its id and its state, too.
                self.say(
                    of_alerts || name == "id",
                    place,
                    &format!("{field} is in events, too: look at alerts alone"),
                );
                let adds_up = metric.op != Operation::Sum || is_increase;
                self.say(
                    adds_up,
                    place,
                    &format!("{field} is a running total, which no sum fits"),
                );
                let is_total = !is_increase && metric.op != Operation::Cardinality;
                self.say(
                    !(over_time && is_total),
                    place,
                    &format!("{field} over time has gaps where no alert is"),
                );
                let is_within = !is_increase || metric.op != Operation::Sum || within_rule;
                self.say(
                    is_within,
                    place,
                    &format!(
                        "{field}: a refusal counts in each rule's flood; name the rule or the flood"
                    ),
                );
                let is_all = !(is_increase && of_ends);
                self.say(is_all, place, "ends alone leave out floods that go on");
            }
            if field.starts_with("maxconn.refusals.") {
                let is_once = is("event.action", "connection-limit-statistics")
                    && metric.op == Operation::Sum;
                self.say(
                    is_once,
                    place,
                    &format!("{field} is an increase of the statistics documents, to be summed"),
                );
            }
            if field == "maxconn.floods.open" {
                let is_gauge = metric.op == Operation::Max
                    && by("event.module")
                    && by("maxconn.limit.name")
                    && by("host.name");
                self.say(
                    is_gauge,
                    place,
                    "open floods are a gauge of each server, limit and host, and cannot be added",
                );
            }
            let counts_hints =
                by("maxconn.flood.cause.hint") && !by("maxconn.flood.id") && !of_ends;
            self.say(
                !counts_hints,
                place,
                "a hint may change: floods are counted by their ends",
            );
        }
        for bucket in &panel.buckets {
            let of_flood =
                bucket.field.starts_with("maxconn.flood.") && bucket.field != "maxconn.flood.id";
            self.say(
                of_alerts || !of_flood,
                place,
                &format!("{} is in events, too: look at alerts alone", bucket.field),
            );
        }
    }

    /// Its query goes to the store as it is: the dashboard's own is part of it, and every field is known.
    fn vega(&mut self, description: &Description, place: &str, spec: &str) {
        let spec: Value = serde_json::from_str(spec).unwrap_or_default();
        let url = &spec["data"]["url"];
        self.say(
            url["index"] == description.view.index.as_str(),
            place,
            "it looks elsewhere",
        );
        self.say(
            url.get("%context%").is_none(),
            place,
            "%context% cannot stand beside a query",
        );
        let query = &url["body"]["query"]["bool"];
        let has = |clause: &str, words: &str| query[clause].to_string().contains(words);
        let is_whole = has("must", "%dashboard_context-must_clause%")
            && has("filter", "%dashboard_context-filter_clause%")
            && has("must_not", "%dashboard_context-must_not_clause%")
            && query["filter"]
                .to_string()
                .contains("{\"@timestamp\":{\"%timefilter%\":true}}");
        self.say(
            is_whole,
            place,
            "the dashboard's query, filters or time are not part of its own",
        );
        let of_alerts = has("filter", "{\"event.kind\":\"alert\"}");
        self.say(
            of_alerts,
            place,
            "its floods are in events, too: look at alerts alone",
        );
        let text = serde_json::to_string(&url["body"]).unwrap_or_default();
        let names = text
            .split('"')
            .filter(|it| it.starts_with("maxconn.") || it.starts_with("event."));
        for name in names.map(str::to_string).collect::<Vec<_>>() {
            let inner = format!("{name}.");
            let is_known = self
                .kinds
                .keys()
                .any(|it| *it == name || it.starts_with(&inner));
            self.say(is_known, place, &format!("no template has {name}"));
        }
        for calculated in spec["transform"].as_array().into_iter().flatten() {
            let text = calculated["calculate"].as_str().unwrap_or_default();
            if let Some(field) = text.strip_prefix("datum._source.") {
                self.known(place, field);
            }
        }
    }
}
