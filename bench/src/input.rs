//! What is measured with: batches of JSON records as a shipper sends them, made from a seed.

use maxconn::generate::{Amount, Cause, Format, Generator, Spec, Wording};

/// The bytes of a batch, about: what a host hands over at once.
const BATCH_BYTES: usize = 128 * 1024;

/// The workloads' headings.
pub const NORMAL: &str = "1 % events";
/// The flood, held back.
pub const SUPPRESSED: &str = "all events, suppressed";
/// The flood, passed on.
pub const ENRICHED: &str = "all events, enriched";

/// What happens to the events of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They go on, with fields added.
    Enriched,
    /// They are held back.
    Suppressed,
}

/// Records, and what is to be done with them.
pub struct Workload {
    /// Its heading.
    pub name: &'static str,
    /// How many records there are.
    pub records: usize,
    /// How many of them are events.
    pub events: usize,
    /// What happens to those.
    pub treatment: Events,
    /// The configuration that makes maxconn do so.
    pub config: &'static str,
    /// Whole lines, a batch each.
    pub batches: Vec<Vec<u8>>,
}

impl Workload {
    /// A normal mail log: one record in a hundred is an event, of too many users to be a flood.
    pub fn normal(records: usize) -> Workload {
        Workload::new(NORMAL, records, Cause::Normal, Events::Enriched, "{}")
    }

    /// The flood, held back: the default policy.
    pub fn suppressed(records: usize) -> Workload {
        let treatment = Events::Suppressed;
        Workload::new(SUPPRESSED, records, Cause::RetryStorm, treatment, "{}")
    }

    /// The flood, passed on with fields added.
    pub fn enriched(records: usize) -> Workload {
        let (cause, config) = (
            Cause::RetryStorm,
            r#"{"rule":[{"name":"userip","policy":"pass"}]}"#,
        );
        Workload::new(ENRICHED, records, cause, Events::Enriched, config)
    }

    fn new(
        name: &'static str,
        records: usize,
        cause: Cause,
        treatment: Events,
        config: &'static str,
    ) -> Workload {
        let mut generator = Generator::new(&Spec {
            amount: Amount::Lines(records as u64),
            format: Format::Json,
            users: 20_000,
            // The wording of most servers, and of the incident.
            wording: Wording::V2_0,
            session: false,
            ..Spec::of(cause)
        });
        let mut batches = Vec::new();
        let (mut batch, mut events, mut start) = (Vec::new(), 0, 0);
        while generator.next_line(&mut batch) {
            let line = batch.get(start..).unwrap_or_default();
            events += usize::from(contains(line, crate::peers::NEEDLE.as_bytes()));
            start = batch.len();
            if start >= BATCH_BYTES {
                batches.push(std::mem::take(&mut batch));
                start = 0;
            }
        }
        batches.push(batch);
        Workload {
            name,
            records,
            events,
            treatment,
            config,
            batches,
        }
    }

    /// The bytes of all records.
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }
}

fn contains(line: &[u8], needle: &[u8]) -> bool {
    line.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_json_and_about_one_in_a_hundred_is_an_event() {
        let workload = Workload::normal(20_000);
        let all = workload.batches.concat();
        let lines = crate::peers::lines(&all);
        let records = lines.map(serde_json::from_slice::<serde_json::Value>);
        assert_eq!(records.filter(Result::is_ok).count(), workload.records);
        let events = workload.events;
        assert!((150..250).contains(&events), "{events} events");
    }

    #[test]
    fn a_flood_is_events_throughout() {
        let workload = Workload::suppressed(5_000);
        assert_eq!(workload.events, workload.records);
    }
}
