//! Gathers floods from their alerts: how each went on, and the largest of them with all that their last alert says.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use maxconn_core::record::read_stamp;
use maxconn_core::time::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use crate::curve::Course;
use crate::given::Detail;
use crate::written::{Cause, Distinct, FLOODS_MAX, Flood, PLAIN_FLOODS_MAX, Points, Rate};
use crate::zone::Zone;
use crate::{run_now, who};

/// The curve of a flood has so many points …
const POINTS_MAX: usize = 2_000;
/// … and so many where that many floods are open already.
const FEW_POINTS: usize = 64;
const MANY_FLOODS: usize = 1_000;
/// No more floods are followed at once than these, which is what a guest can have open.
const OPEN_MAX: usize = 100_000;
/// So many floods are shown with all points, the largest.
const DETAILED: usize = 10;
/// The others have no more than this.
const SHOWN_POINTS: usize = 120;

/// Floods.
#[derive(Clone, Debug)]
pub struct Floods {
    detail: Detail,
    open: HashMap<String, Going>,
    told: BTreeMap<Rank, Flood>,
    /// How many ended.
    pub ends: u64,
    /// Spans of all that ended, overlapping ones joined, so that their number is bounded.
    pub spans: Vec<(i64, i64)>,
}

/// A flood that goes on.
#[derive(Clone, Debug)]
struct Going {
    count: u64,
    course: Course,
}

/// The greater is told first. Without curves those that were open at the end come first, then the larger; equals stay in the
/// order in which they ended.
type Rank = (bool, u64, Reverse<u64>);

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp", borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    maxconn: Maxconn<'a>,
}

#[derive(Deserialize)]
struct Maxconn<'a> {
    #[serde(borrow)]
    flood: State<'a>,
}

#[derive(Deserialize)]
struct State<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    count: u64,
}

/// More spans than these are joined where they are nearest.
const SPANS_MAX: usize = 10_000;

impl Floods {
    /// None yet.
    pub fn new(detail: Detail) -> Floods {
        Floods {
            detail,
            open: HashMap::new(),
            told: BTreeMap::new(),
            ends: 0,
            spans: Vec::new(),
        }
    }

    /// Takes an alert. Gives it, read, where it is a flood's first or last.
    pub fn alert(&mut self, alert: &[u8], zone: &Zone) -> Option<Value> {
        let document = serde_json::from_slice::<Document<'_>>(alert).ok()?;
        let at_ms = time_ms(&document.time)?;
        let State { id, state, count } = document.maxconn.flood;
        let is_end = state == "end";
        let is_known = self.open.contains_key(id.as_ref());
        if !is_known && self.open.len() < OPEN_MAX {
            let points = match (self.detail, self.open.len()) {
                (Detail::Curves, 0..MANY_FLOODS) => POINTS_MAX,
                _ => FEW_POINTS,
            };
            let course = Course::begin(at_ms, count, zone, points);
            self.open.insert(id.to_string(), Going { count, course });
        } else if let Some(going) = self.open.get_mut(id.as_ref()) {
            // The increase is told of, too; totals are right even where an alert was dropped.
            let more = count.saturating_sub(going.count);
            going.count = going.count.max(count);
            going.course.go_on(at_ms, more, is_end, zone);
        }
        if state == "ongoing" {
            return None;
        }
        let alert: Value = serde_json::from_slice(alert).ok()?;
        if is_end && let Some(Going { course, .. }) = self.open.remove(id.as_ref()) {
            self.span(&alert);
            let mut flood = flood(&alert, course, zone);
            let most = match self.detail {
                Detail::Curves => FLOODS_MAX,
                Detail::Plain => {
                    flood.curve = Points::default();
                    PLAIN_FLOODS_MAX
                }
            };
            let is_first = flood.is_open && self.detail == Detail::Plain;
            let rank = (is_first, flood.count, Reverse(self.ends));
            self.told.insert(rank, flood);
            self.ends += 1;
            if self.told.len() > most {
                self.told.pop_first();
            }
        }
        Some(alert)
    }

    fn span(&mut self, alert: &Value) {
        let at = |pointer: &str| {
            alert
                .pointer(pointer)
                .and_then(Value::as_str)
                .and_then(time_ms)
        };
        if let (Some(start_ms), Some(end_ms)) = (at("/event/start"), at("/event/end")) {
            self.spans.push((start_ms, end_ms));
        }
        if self.spans.len() > SPANS_MAX {
            self.spans = joined(&self.spans, 0);
            let mut pause_ms = 60_000;
            while self.spans.len() > SPANS_MAX / 2 {
                self.spans = joined(&self.spans, pause_ms);
                pause_ms *= 2;
            }
        }
    }

    /// Those that are told, the largest first, and how many are not.
    pub fn written(self, zone: &Zone) -> (Vec<Flood>, u64) {
        let more = self.ends - self.told.len() as u64;
        let mut floods: Vec<Flood> = self.told.into_values().rev().collect();
        for (number, flood) in floods.iter_mut().enumerate() {
            flood.sentence = who::sentence(flood, zone);
            flood.run_now = run_now::commands(flood);
            while number >= DETAILED && flood.curve.counts.len() > SHOWN_POINTS {
                flood.curve.halve();
            }
        }
        (floods, more)
    }
}

/// Spans of time in order, those that overlap or are no further apart than `pause_ms` as one.
pub fn joined(spans: &[(i64, i64)], pause_ms: i64) -> Vec<(i64, i64)> {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (start_ms, end_ms) in sorted {
        match joined.last_mut() {
            Some((_, last_ms)) if start_ms <= last_ms.saturating_add(pause_ms) => {
                *last_ms = end_ms.max(*last_ms);
            }
            _ => joined.push((start_ms, end_ms)),
        }
    }
    joined
}

pub(crate) fn time_ms(time: &str) -> Option<i64> {
    read_stamp(time.as_bytes(), &TimeZone::utc())
}

/// What a flood's last alert says of it.
fn flood(alert: &Value, course: Course, zone: &Zone) -> Flood {
    let at = |pointer: &str| alert.pointer(pointer);
    let text = |pointer: &str| at(pointer).and_then(Value::as_str).map(str::to_string);
    let number = |pointer: &str| at(pointer).and_then(Value::as_u64);
    let of_flood = |name: &str| number(&format!("/maxconn/flood/{name}")).unwrap_or(0);
    let decimal = |pointer: &str| at(pointer).and_then(Value::as_f64).unwrap_or(0.0);
    let time = |pointer: &str| text(pointer).as_deref().and_then(time_ms).unwrap_or(0);
    let estimated = at("/maxconn/flood/distinct/estimated").and_then(Value::as_array);
    let distinct = |field: &str, one: &[&str], related: &str| {
        let all = at(related).and_then(Value::as_array).into_iter().flatten();
        let mut names: Vec<String> = all
            .filter_map(|it| it.as_str().map(str::to_string))
            .collect();
        let count = of_flood(&format!("distinct/{field}"));
        let only = one.iter().find_map(|pointer| text(pointer));
        if let Some(only) = only {
            names = vec![only];
        }
        names.truncate(usize::try_from(count.max(1)).unwrap_or(usize::MAX));
        Distinct {
            count,
            is_estimate: estimated.is_some_and(|names| names.iter().any(|it| it == field)),
            names,
        }
    };
    let hint = text("/maxconn/flood/cause/hint").unwrap_or_default();
    let end_reason = text("/maxconn/flood/end_reason");
    let (start_ms, end_ms) = (time("/event/start"), time("/event/end"));
    Flood {
        id: text("/maxconn/flood/id").unwrap_or_default(),
        rule: text("/rule/name").unwrap_or_default(),
        server: text("/event/module").unwrap_or_default(),
        service: text("/service/name"),
        limit: text("/maxconn/limit/name").unwrap_or_default(),
        limit_value: number("/maxconn/limit/value"),
        scope: text("/maxconn/limit/scope").unwrap_or_default(),
        stage: text("/maxconn/limit/stage"),
        key: text("/maxconn/flood/key").unwrap_or_default(),
        host: text("/host/name"),
        users: distinct("users", &["/user/name", "/user/hash"], "/related/user"),
        ips: distinct("ips", &["/source/ip"], "/related/ip"),
        hosts: distinct("hosts", &["/host/name"], "/related/hosts"),
        start: start_ms,
        end: end_ms,
        duration_s: of_event_s(number("/event/duration")),
        count: of_flood("count"),
        passed: of_flood("passed"),
        suppressed: of_flood("suppressed"),
        suppressed_bytes: of_flood("suppressed_bytes"),
        unlogged: of_flood("unlogged"),
        rate: Rate {
            mean: decimal("/maxconn/flood/rate/mean"),
            peak: decimal("/maxconn/flood/rate/peak"),
        },
        severity: number("/event/severity").unwrap_or(0),
        is_open: end_reason.as_deref() == Some("end_of_input"),
        end_reason,
        sentence: String::new(),
        sample: text("/maxconn/flood/sample").unwrap_or_default(),
        cause: Cause {
            hint,
            evidence: text("/maxconn/flood/cause/evidence").unwrap_or_default(),
            advice: text("/maxconn/flood/cause/advice").unwrap_or_default(),
        },
        hours: course.hours,
        weekdays: course.weekdays,
        regularity: course.regularity(),
        rhythm: course.rhythm(start_ms, end_ms, zone),
        curve: Points {
            start: course.curve.start_ms,
            step_s: course.curve.step_ms / 1_000,
            counts: course.curve.counts,
            bytes: None,
        },
        run_now: Vec::new(),
    }
}

fn of_event_s(duration_ns: Option<u64>) -> f64 {
    duration_ns.unwrap_or(0) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_overlap_are_one() {
        let spans = [(50, 60), (0, 10), (5, 20), (21, 30)];
        assert_eq!(joined(&spans, 0), [(0, 20), (21, 30), (50, 60)]);
        assert_eq!(joined(&spans, 1), [(0, 30), (50, 60)]);
    }
}
