//! Counts what becomes of the alerts that outputs of their own get.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

type Labels = Vec<(&'static str, String)>;

/// The counters of all these outputs; clones share them.
#[derive(Clone, Default)]
pub struct Meters {
    taken: Family<Labels, Counter>,
    retries: Family<Labels, Counter>,
    drops: Family<Labels, Counter>,
    dead_letters: Family<Labels, Counter>,
    up: Family<Labels, Gauge>,
    waiting: Family<Labels, Gauge>,
    firing: Family<Labels, Gauge>,
}

impl Meters {
    /// All at nought, shown in a registry.
    #[rustfmt::skip]
    pub fn register(registry: &mut Registry) -> Meters {
        let all = Meters::default();
        for (name, help, counter) in [
            ("alert_deliveries", "Alerts that an --alerts output has taken", &all.taken),
            ("alert_retries", "Tries to deliver alerts to an --alerts output that failed and are made again", &all.retries),
            ("alert_drops", "Alerts that an --alerts output is not told: too many waited (reason=limit), or it refused them and there is \
                no file for dead letters (refused)", &all.drops),
            ("alert_dead_letters", "Alerts that an --alerts output refused for good, set aside", &all.dead_letters),
        ] {
            registry.register(name, help, counter.clone());
        }
        for (name, help, gauge) in [
            ("alert_output_up", "Whether the last try to deliver alerts to an --alerts output succeeded", &all.up),
            ("alerts_waiting", "Alerts that an --alerts output has not taken yet", &all.waiting),
            ("alerts_firing", "Alerts that fire at an Alertmanager as far as it was told", &all.firing),
        ] {
            registry.register(name, help, gauge.clone());
        }
        all
    }

    /// Those of one output.
    pub fn of(&self, output: &str) -> Meter {
        let meter = Meter {
            all: self.clone(),
            output: output.to_string(),
        };
        meter.up(true);
        meter.waiting(0);
        meter
    }
}

/// The counters of one output.
#[derive(Clone)]
pub struct Meter {
    all: Meters,
    output: String,
}

impl Meter {
    /// For tests, which nobody watches.
    #[cfg(test)]
    pub fn none() -> Meter {
        Meters::default().of("test")
    }

    /// For tests: how many were dropped for a reason.
    #[cfg(test)]
    pub fn drops(&self, reason: &str) -> u64 {
        let mut labels = self.labels();
        labels.push(("reason", reason.to_string()));
        self.all.drops.get_or_create(&labels).get()
    }

    fn labels(&self) -> Labels {
        vec![("output", self.output.clone())]
    }

    fn dropped(&self, reason: &str, count: u64) {
        let mut labels = self.labels();
        labels.push(("reason", reason.to_string()));
        self.all.drops.get_or_create(&labels).inc_by(count);
    }

    /// So many had to go, because too many waited.
    pub fn dropped_at_limit(&self, count: u64) {
        self.dropped("limit", count);
    }

    /// One was refused for good, and there is no place for it.
    pub fn refused(&self) {
        self.dropped("refused", 1);
    }

    /// One was refused for good, and set aside.
    pub fn set_aside(&self) {
        self.all.dead_letters.get_or_create(&self.labels()).inc();
    }

    /// One was taken.
    pub fn taken(&self) {
        self.all.taken.get_or_create(&self.labels()).inc();
    }

    /// A try failed.
    pub fn failed(&self) {
        self.all.retries.get_or_create(&self.labels()).inc();
        self.up(false);
    }

    /// The last try succeeded, or not.
    pub fn up(&self, is_up: bool) {
        let gauge = self.all.up.get_or_create_owned(&self.labels());
        gauge.set(i64::from(is_up));
    }

    /// So many wait.
    pub fn waiting(&self, count: usize) {
        set(&self.all.waiting, &self.labels(), count);
    }

    /// So many fire.
    pub fn firing(&self, count: usize) {
        set(&self.all.firing, &self.labels(), count);
    }
}

fn set(family: &Family<Labels, Gauge>, labels: &Labels, count: usize) {
    let gauge = family.get_or_create_owned(labels);
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}
