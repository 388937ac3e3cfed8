//! The floods that a summary tells of: those that were open at the end first, then by size, and no more than fit.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::Deserialize;

use super::Summary;

/// So many floods are told to people; the rest is counted.
const FLOODS_MAX: usize = 10;
/// Programs get as many alerts as fit into this, in bytes: some 10,000 floods.
const ALERTS_BYTES_MAX: usize = 32 << 20;

/// The `end` alerts of floods.
#[derive(Debug, Default)]
pub(super) struct Floods {
    told: BinaryHeap<Reverse<Flood>>,
    bytes: usize,
    /// How many floods ended.
    pub ends: u64,
    /// How many events are those that are not told.
    pub rest_events: u64,
}

/// A flood. The greater is told first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flood {
    /// Whether it went on at the end of the input.
    is_open: bool,
    /// How many events it had.
    pub count: u64,
    /// Equals stay in the order in which they ended.
    number: Reverse<u64>,
    /// Its last alert, as JSON.
    pub alert: Vec<u8>,
}

#[derive(Default, Deserialize)]
struct Document {
    maxconn: Maxconn,
}

#[derive(Default, Deserialize)]
struct Maxconn {
    flood: State,
}

#[derive(Default, Deserialize)]
struct State {
    #[serde(default)]
    count: u64,
    #[serde(default)]
    end_reason: String,
}

impl Floods {
    /// Takes the last alert of a flood.
    pub fn end(&mut self, alert: &[u8], form: Summary) {
        let document: Document = serde_json::from_slice(alert).unwrap_or_default();
        let State { count, end_reason } = document.maxconn.flood;
        self.told.push(Reverse(Flood {
            is_open: end_reason == "end_of_input",
            count,
            number: Reverse(self.ends),
            alert: alert.to_vec(),
        }));
        self.ends += 1;
        self.bytes += alert.len();
        while match form {
            Summary::Json => self.bytes > ALERTS_BYTES_MAX,
            Summary::Text | Summary::None => self.told.len() > FLOODS_MAX,
        } {
            let Some(Reverse(least)) = self.told.pop() else {
                return;
            };
            self.bytes -= least.alert.len();
            self.rest_events += least.count;
        }
    }

    /// Those that are told, the first first.
    pub fn told(&self) -> Vec<Flood> {
        let sorted = self.told.clone().into_sorted_vec();
        sorted.into_iter().map(|Reverse(flood)| flood).collect()
    }

    /// How many are not told.
    pub fn more(&self) -> u64 {
        self.ends - self.told.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn floods(form: Summary, all: &[(u64, &str)]) -> Floods {
        let mut floods = Floods::default();
        for (count, reason) in all {
            let alert = json!({"maxconn": {"flood": {"count": count, "end_reason": reason}}});
            floods.end(alert.to_string().as_bytes(), form);
        }
        floods
    }

    fn counts(floods: &Floods) -> Vec<u64> {
        floods.told().iter().map(|flood| flood.count).collect()
    }

    #[test]
    fn people_are_told_of_the_largest_and_the_rest_is_counted() {
        let counts_given = [5, 1, 7, 7, 3, 9, 2, 8, 6, 4, 10, 11];
        let all = counts_given.map(|count| (count, "quiet"));
        let told = floods(Summary::Text, &all);
        assert_eq!(counts(&told), [11, 10, 9, 8, 7, 7, 6, 5, 4, 3]);
        assert_eq!((told.ends, told.more(), told.rest_events), (12, 2, 3));
    }

    #[test]
    fn those_that_go_on_come_first() {
        let all = [
            (9, "quiet"),
            (2, "end_of_input"),
            (5, "evicted"),
            (3, "end_of_input"),
        ];
        assert_eq!(counts(&floods(Summary::Text, &all)), [3, 2, 9, 5]);
    }

    #[test]
    fn programs_get_all_that_fit() {
        let mut told = floods(Summary::Json, &[(1, "quiet"); 1_000]);
        assert_eq!((told.told().len(), told.more()), (1_000, 0));
        let alert = json!({"maxconn": {"flood": {"count": 7}}, "message": "x".repeat(1 << 20)});
        for _ in 0..40 {
            told.end(alert.to_string().as_bytes(), Summary::Json);
        }
        assert_eq!(counts(&told), [7; 31]);
        assert_eq!((told.more(), told.rest_events), (1_009, 1_000 + 9 * 7));
    }
}
