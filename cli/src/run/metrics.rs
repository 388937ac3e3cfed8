//! Counts what happens while it runs, and shows it to Prometheus.

use std::collections::BTreeMap;
use std::fmt::{Error, Write as _};
use std::sync::{Arc, Mutex};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Metric, Registry, Unit};
use serde_json::Value;

use crate::alerts::meter::Meters;
use crate::lock::lock;
use crate::output::meter::Meter;

/// All counters; clones share them.
#[derive(Clone)]
pub struct Metrics {
    /// Bytes of lines that were handed to the guest.
    pub input_bytes: Counter,
    /// Requests that were refused.
    pub refused: Counter,
    /// Connections that said nothing and were ended, to make room or for good.
    pub idle_connections: Counter,
    /// Connections that the system did not give us.
    pub accept_failures: Counter,
    /// Batches that came again and were not counted again.
    pub repeated: Counter,
    /// Lines that were too long and came in as pieces.
    pub cut_lines: Counter,
    /// Guests that failed and were replaced.
    pub guest_restarts: Counter,
    /// Bytes of lines that no guest took; they went on as they came.
    pub bypassed_bytes: Counter,
    /// Records that look like JSON and are not.
    pub malformed: Counter,
    /// Configurations that could not be put in force.
    pub reloads_failed: Counter,
    /// States that could not be written.
    pub state_failures: Counter,
    /// What becomes of deliveries.
    pub output: Meter,
    /// What becomes of alerts that go elsewhere.
    pub alerts: Meters,
    /// Connections that are open.
    pub connections: Gauge,
    /// The state could be written the last time: 1, or not: 0.
    pub state_up: Gauge,
    guest: Arc<Mutex<Figures>>,
    registry: Arc<Registry>,
}

/// What the guest says of itself.
#[derive(Debug, Default)]
struct Figures {
    statistics: Value,
    /// What guests had counted that were replaced by ones that have counted less, by the member or both members.
    before: BTreeMap<String, u64>,
    malformed: u64,
    memory_bytes: usize,
}

impl Figures {
    /// Takes the guest's newest figures. Counters never go back, whatever a guest in the place of another says.
    fn take(&mut self, new: Value) {
        let names = counters(&self.statistics);
        let is_afresh = |name: &String| count(&new, name) < count(&self.statistics, name);
        if names.iter().any(is_afresh) {
            for name in names {
                let old = count(&self.statistics, &name);
                *self.before.entry(name).or_insert(0) += old;
            }
        }
        self.statistics = new;
    }

    /// A counter of all guests so far.
    fn total(&self, name: &str) -> u64 {
        count(&self.statistics, name) + self.before.get(name).copied().unwrap_or(0)
    }
}

/// A counter by its member, or `member/member` for one of a family.
fn count(statistics: &Value, name: &str) -> u64 {
    let (family, label) = name.split_once('/').unwrap_or((name, ""));
    let member = statistics.get(family);
    let member = match label {
        "" => member,
        label => member.and_then(|it| it.get(label)),
    };
    member.and_then(Value::as_u64).unwrap_or(0)
}

/// The names of all counters that are there.
fn counters(statistics: &Value) -> Vec<String> {
    let plain = COUNTERS.iter().map(|(member, ..)| (*member).to_string());
    let families = FAMILIES.iter().flat_map(|(family, ..)| {
        let members = statistics.get(family).and_then(Value::as_object);
        let labels = members.into_iter().flat_map(|it| it.keys());
        labels
            // A level among counters.
            .filter(|label| *label != "waiting")
            .map(move |label| format!("{family}/{label}"))
    });
    plain.chain(families).collect()
}

impl Metrics {
    /// All at nought.
    #[rustfmt::skip]
    pub fn new() -> Metrics {
        let (mut registry, output) = (Registry::with_prefix("maxconn"), Meter::new());
        let all = &mut registry;
        all.register("delivery_retries", "Deliveries that failed and were made again", output.retries.clone());
        all.register("dead_letters", "Documents that the next hop refused for good", output.dead_letters.clone());
        all.register(
            "document_conflicts",
            "Documents whose id the store had already: they were sent and nothing was heard of it (known=retry), their batch \
             had come before (repeat), or this process knows of neither (nothing)",
            output.conflicts.clone(),
        );
        all.register_with_unit("output", "Bytes that the next hop has taken", Unit::Bytes, output.bytes.clone());
        all.register("output_up", "Whether the last delivery succeeded", output.up.clone());
        let help = "How long a delivery took, tries included";
        all.register_with_unit("delivery_duration", help, Unit::Seconds, output.duration.clone());
        let alerts = Meters::register(all);
        let build = Family::<[(&str, &str); 1], Gauge>::default();
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
        all.register("build_info", "The version that runs; always 1", build);
        let guest = Arc::<Mutex<Figures>>::default();
        all.register_collector(Box::new(GuestCollector(Arc::clone(&guest))));
        let metrics = Metrics {
            input_bytes: bytes(all, "input", "Bytes of lines that were handed to the guest"),
            bypassed_bytes: bytes(
                all,
                "bypassed",
                "Bytes of lines that no guest took: they went on as they came, or were withheld where names are redacted",
            ),
            refused: metric(all, "refused_requests", "Requests that were refused"),
            idle_connections: metric(
                all,
                "idle_connections",
                "Connections that said nothing and were ended, to make room for others or after an hour",
            ),
            accept_failures: metric(
                all,
                "accept_failures",
                "Connections that the system did not give, as for want of file descriptors",
            ),
            repeated: metric(all, "repeated_batches", "Batches that came again and were not counted again"),
            malformed: metric(all, "malformed_records", "Records that look like JSON and are not; they go on as text"),
            cut_lines: metric(all, "cut_lines", "Lines that were too long and came in as pieces"),
            guest_restarts: metric(all, "guest_restarts", "Guests that failed and were replaced"),
            reloads_failed: metric(all, "reload_failures", "Configurations that could not be put in force"),
            state_failures: metric(all, "state_write_failures", "States that could not be written"),
            connections: metric(all, "connections", "Connections that are open at all addresses together"),
            state_up: metric(all, "state_up", "Whether the state could be written the last time"),
            output,
            alerts,
            guest,
            registry: Arc::new(registry),
        };
        metrics.state_up.set(1);
        metrics
    }

    /// Takes what the guest says of itself: its statistics document and the size of its memory. It is believed in
    /// what it says of malformed records only where nobody else reads them.
    pub fn guest(&self, document: &[u8], memory_bytes: usize, tells_malformed: bool) {
        let document: Value = serde_json::from_slice(document).unwrap_or_default();
        let mut figures = lock(&self.guest);
        let new = document.pointer("/maxconn/statistics");
        figures.take(new.cloned().unwrap_or_default());
        figures.memory_bytes = memory_bytes;
        let malformed = figures.statistics["malformed"].as_u64().unwrap_or(0);
        if tells_malformed {
            // A new guest in the place of one that failed may have counted less.
            self.malformed
                .inc_by(malformed.saturating_sub(figures.malformed));
        }
        figures.malformed = malformed;
    }

    /// Everything in the text format of OpenMetrics, which Prometheus reads.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if text::encode(&mut out, &self.registry).is_err() {
            // Writing to a string does not fail.
            let _ = out.write_str("# EOF\n");
        }
        out
    }
}

fn metric<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn bytes(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register_with_unit(name, help, Unit::Bytes, counter.clone());
    counter
}

/// Shows the guest's own figures.
#[derive(Debug)]
struct GuestCollector(Arc<Mutex<Figures>>);

/// The guest's counters: the member of its statistics, the metric, what it is.
#[rustfmt::skip]
const COUNTERS: [(&str, &str, &str); 7] = [
    ("records", "records", "Records that came in"),
    ("passed", "passed_records", "Records that went on, enriched or not"),
    ("suppressed", "suppressed_events", "Events that were held back"),
    ("late", "late_events", "Events older than the allowed lateness"),
    ("unrecognised", "unrecognised_records", "Records that say all that a known message says and are none that can be read"),
    ("untimed", "untimed_events", "Events whose time could not be read; they count at their arrival"),
    ("evictions", "evicted_keys", "Keys forgotten at the limit"),
];

/// The guest's levels, in the same way.
const LEVELS: [(&str, &str, &str); 2] = [
    ("keys", "keys", "Keys that are watched"),
    ("floods", "open_floods", "Floods that go on"),
];

/// The guest's counters by a label: the member, the metric, the label, what it is.
const FAMILIES: [(&str, &str, &str, &str); 2] = [
    ("events", "events", "limit", "Recognised events"),
    ("alerts", "alerts", "state", "Alerts"),
];

impl Collector for GuestCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let figures = lock(&self.0);
        let number = |name: &str| count(&figures.statistics, name);
        for (member, name, help) in COUNTERS {
            let metric = ConstCounter::new(figures.total(member));
            let encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode(encoder)?;
        }
        let levels = LEVELS.map(|(member, name, help)| (number(member), name, help, None));
        let memory = (
            figures.memory_bytes as u64,
            "guest_memory",
            "The memory of the guest",
            Some(&Unit::Bytes),
        );
        for (level, name, help, unit) in levels.into_iter().chain([memory]) {
            let level = i64::try_from(level).unwrap_or(i64::MAX);
            let encoder = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            ConstGauge::new(level).encode(encoder)?;
        }
        for (member, name, label, help) in FAMILIES {
            let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            let prefix = format!("{member}/");
            let mut names: Vec<String> = counters(&figures.statistics);
            names.extend(figures.before.keys().cloned());
            names.retain(|name| name.starts_with(&prefix));
            names.sort_unstable();
            names.dedup();
            for name in names {
                let labels = [(label, name.strip_prefix(&prefix).unwrap_or(""))];
                let metric = ConstCounter::new(figures.total(&name));
                metric.encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_in_the_documentation() {
        let page = include_str!("../../../docs/run.md");
        let text = Metrics::new().text();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let names: Vec<&str> = types.filter_map(|it| it.split(' ').next()).collect();
        assert!(names.len() > 25, "{names:?}");
        for name in names {
            assert!(page.contains(name), "{name}");
            let help = format!("# HELP {name} ");
            assert!(text.lines().any(|line| line.starts_with(&help)), "{name}");
            for unit in ["bytes", "seconds"].map(|unit| format!("_{unit}")) {
                let has_unit = text.contains(&format!("# UNIT {name} {}", &unit[1..]));
                assert_eq!(name.ends_with(&unit), has_unit, "{name}");
            }
        }
    }

    #[test]
    fn rules_and_dashboard_name_no_metric_that_is_not_there() {
        let text = Metrics::new().text();
        let families: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        for page in [
            include_str!("../../../pipelines/prometheus/maxconn.rules.yml"),
            include_str!("../../../pipelines/grafana/maxconn-run.json"),
        ] {
            let is_of_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
            let names = page.split(|it| !is_of_name(it));
            let mut seen = 0;
            for name in names.filter(|it| it.starts_with("maxconn_")) {
                let family = ["_total", "_bucket"]
                    .iter()
                    .find_map(|it| name.strip_suffix(it));
                assert!(families.contains(&family.unwrap_or(name)), "{name}");
                seen += 1;
            }
            assert!(seen > 10, "{seen}");
        }
    }

    #[test]
    fn counters_do_not_go_back_with_a_guest_that_starts_afresh() {
        let metrics = Metrics::new();
        for (records, starts, expected) in [
            (3, 1, (3, 1)),
            (5, 2, (5, 2)),
            (1, 0, (6, 2)),
            (4, 1, (9, 3)),
        ] {
            let document = format!(
                "{{\"maxconn\":{{\"statistics\":{{\"records\":{records},\"alerts\":{{\"start\":{starts}}}}}}}}}"
            );
            metrics.guest(document.as_bytes(), 0, false);
            let (records, starts) = expected;
            for line in [
                format!("maxconn_records_total {records}"),
                format!("maxconn_alerts_total{{state=\"start\"}} {starts}"),
            ] {
                assert!(metrics.text().lines().any(|it| it == line), "{line}");
            }
        }
    }

    #[test]
    fn names_and_units_are_as_prometheus_wants_them() {
        let metrics = Metrics::new();
        metrics.input_bytes.inc_by(7);
        metrics.guest(
            br#"{"maxconn":{"statistics":{"records":3,"floods":2,"malformed":5,
                "events":{"a\"b":4},"alerts":{"start":1,"waiting":9}}}}"#,
            65536,
            true,
        );
        let text = metrics.text();
        for line in [
            "maxconn_input_bytes_total 7",
            "maxconn_records_total 3",
            "maxconn_malformed_records_total 5",
            "maxconn_open_floods 2",
            "maxconn_guest_memory_bytes 65536",
            "maxconn_events_total{limit=\"a\\\"b\"} 4",
            "maxconn_alerts_total{state=\"start\"} 1",
            "maxconn_output_up 1",
            concat!(
                "maxconn_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "# TYPE maxconn_delivery_duration_seconds histogram",
        ] {
            assert!(
                text.lines().any(|it| it == line),
                "{line} is not in\n{text}"
            );
        }
        assert!(!text.contains("waiting") && text.ends_with("# EOF\n"));
    }
}
