//! Gathers what the plugin says, and makes the report of it.

use maxconn_core::engine::Kind;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::correlation::{Beside, Together};
use crate::event::Event;
use crate::floods::{Floods, joined, time_ms};
use crate::given::{Known, Options};
use crate::load::{Load, LoadError};
use crate::names::{Names, add};
use crate::steady::{MANY_REFUSALS, Steady};
use crate::timeline::{Amount, SHOWN_MAX, STEP_MS, Timeline};
use crate::words::{counted, grouped};
use crate::written::{Flood, Input, Period, Points, TOP_MAX, VERSION, Written};
use crate::{disk, verdict, who, written};

/// The load has no more points than this.
const LOAD_POINTS_MAX: usize = 5_000;

/// A report that is being made. Push what the plugin says in its order, then [`Report::finish`].
#[derive(Clone, Debug)]
pub struct Report {
    options: Options,
    floods: Floods,
    starts: u64,
    /// The times of the first refusal and of the last.
    refused_ms: Option<(i64, i64)>,
    timeline: Timeline,
    /// What came at no time that could be read.
    untimed: Amount,
    names: Names,
    steady: Steady,
    /// Lines of events that went on, and their bytes.
    lines: (u64, u64),
    /// The plugin's own statistics, the last, as JSON.
    statistics: String,
    load: Option<Load>,
}

#[derive(Deserialize)]
struct Statistics<'a> {
    #[serde(rename = "@timestamp")]
    time: Option<String>,
    #[serde(default)]
    event: Group,
    #[serde(default)]
    host: Group,
    #[serde(borrow)]
    maxconn: Maxconn<'a>,
}

#[derive(Default, Deserialize)]
struct Group {
    #[serde(default)]
    name: String,
    #[serde(default)]
    module: String,
}

#[derive(Deserialize)]
struct Maxconn<'a> {
    #[serde(borrow)]
    statistics: Option<&'a RawValue>,
    refusals: Option<Amount>,
}

impl Report {
    /// Nothing yet.
    pub fn new(options: Options) -> Report {
        Report {
            floods: Floods::new(options.detail),
            starts: 0,
            refused_ms: None,
            timeline: Timeline::default(),
            untimed: Amount::default(),
            names: Names::default(),
            steady: Steady::new(options.trusted.clone()),
            lines: (0, 0),
            statistics: String::new(),
            load: None,
            options,
        }
    }

    /// Notes lines that the plugin said, of that kind.
    pub fn push(&mut self, kind: Kind, lines: &[u8]) {
        let lines = lines.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            match kind {
                Kind::Alert => self.alert(line),
                Kind::Statistics => self.statistics(line),
                Kind::Enriched | Kind::Identified => self.event(line),
                Kind::Passed | Kind::Wrapped | Kind::View => {}
            }
        }
    }

    /// How many floods began so far.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// Reads a load, to be set beside the refusals.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        self.load = Some(Load::read(bytes, &self.options.zone)?);
        Ok(())
    }

    fn alert(&mut self, line: &[u8]) {
        let Some(alert) = self.floods.alert(line, &self.options.zone) else {
            return;
        };
        let text = |pointer: &str| alert.pointer(pointer).and_then(Value::as_str);
        if text("/maxconn/flood/state") == Some("start") {
            self.starts += 1;
            self.steady.flood(&alert);
            return;
        }
        for time in ["/event/start", "/event/end"].map(|it| text(it).and_then(time_ms)) {
            widen(&mut self.refused_ms, time);
        }
        // What it held back went on nowhere: those that did are counted as events.
        let number = |name: &str| {
            let value = alert.pointer(&format!("/maxconn/flood/{name}"));
            value.and_then(Value::as_u64).unwrap_or(0)
        };
        // Before they are known users are claims, which events have by their name, too.
        let claimed = || match alert.pointer("/maxconn/flood/distinct/users") {
            Some(users) if *users == 1 => text("/related/user/0"),
            _ => None,
        };
        let user = text("/user/hash").or(text("/user/name")).or_else(claimed);
        self.names.add(
            user.unwrap_or_default(),
            text("/source/ip").unwrap_or_default(),
            text("/service/name").unwrap_or_default(),
            number("suppressed") + number("unlogged"),
        );
    }

    fn statistics(&mut self, line: &[u8]) {
        let Ok(document) = serde_json::from_slice::<Statistics<'_>>(line) else {
            return;
        };
        if let Some(statistics) = document.maxconn.statistics {
            self.statistics = statistics.get().to_string();
        }
        let Some(amount) = document.maxconn.refusals else {
            return;
        };
        match document.time.as_deref().and_then(time_ms) {
            Some(at_ms) => self.timeline.add(at_ms, &amount),
            None => self.untimed.add(&amount),
        }
        add(
            &mut self.names.servers,
            &document.event.module,
            amount.count,
        );
        add(&mut self.names.hosts, &document.host.name, amount.count);
    }

    fn event(&mut self, line: &[u8]) {
        let Some(event) = Event::read(line) else {
            return;
        };
        widen(&mut self.refused_ms, event.time_ms);
        let client = &event.client;
        self.names
            .add(&client.user, &client.ip, &client.service, event.times);
        if let Some(bytes) = event.line_bytes {
            self.lines = (self.lines.0 + 1, self.lines.1 + bytes);
        }
        self.steady.event(&event);
    }

    /// Makes the report.
    pub fn finish(mut self, known: Known) -> Written {
        let zone = self.options.zone.clone();
        let statistics: Value = serde_json::from_str(&self.statistics).unwrap_or_default();
        let number = |name: &str| statistics.get(name).and_then(Value::as_u64).unwrap_or(0);
        let mut total = self.timeline.total();
        total.add(&self.untimed);
        let line_bytes = self.line_bytes(&total);
        let bounds = self.timeline.bounds_ms();
        let spans = joined(&std::mem::take(&mut self.floods.spans), 0);
        let floods_end_ms = spans.last().map(|(_, end_ms)| *end_ms);
        let period = match known.period_ms {
            Some(lines) => Some(period(lines, bounds, floods_end_ms)),
            // Of lines without times the refusals are all that is known.
            None => self.refused_ms.or(bounds),
        };
        let load = self.load.take().map(|load| {
            let together = Together::of(
                &load,
                &Beside {
                    timeline: &self.timeline,
                    period_ms: period.unwrap_or_default(),
                    floods: &spans,
                    zone: &zone,
                },
            );
            load_points(load, together)
        });
        let refusal_bytes = total.log_bytes(line_bytes);
        let disk = self.options.disk_free_bytes.map(|free_bytes| {
            let flood_ms = match spans.as_slice() {
                [] => period.unwrap_or_default(),
                spans => (0, spans.iter().map(|(start, end)| end - start).sum()),
            };
            let end_ms = period.map_or(0, |(_, end_ms)| end_ms);
            disk::disk(free_bytes, refusal_bytes, flood_ms, end_ms, &zone)
        });
        let refusals = match total.count {
            0 => refusals_by_limit(&statistics),
            count => count,
        };
        let input = Input {
            files: known.files,
            lines: number("records"),
            bytes: known.bytes,
            disk_bytes: known.disk_bytes,
            refusals,
            refusal_bytes,
            first_refusal: self.refused_ms.map(|(first_ms, _)| first_ms),
            last_refusal: self.refused_ms.map(|(_, last_ms)| last_ms),
            passed: total.passed,
            suppressed: total.suppressed,
            suppressed_bytes: total.suppressed_bytes,
            untimed: number("untimed"),
            late: number("late"),
            unrecognised: number("unrecognised"),
            unrecognised_sample: statistics
                .get("unrecognised_sample")
                .and_then(Value::as_str)
                .map(str::to_string),
            malformed: number("malformed"),
            outside_lines: known.outside_lines,
            cut_lines: known.cut_lines,
            unread: known.unread.iter().map(|it| it.file.clone()).collect(),
            errors: known.unread,
            empty: known.empty,
            twice: known.twice,
            stopped: known.stopped,
        };
        let timeline = points(&self.timeline, period, bounds, line_bytes);
        let floods_count = self.floods.ends;
        let steady = self.steady_written(floods_count > 0);
        let (floods, floods_more) = self.floods.written(&zone);
        Written {
            version: VERSION,
            generator: self.options.generator,
            verdict: verdict::verdict(&input, &floods, floods_count, &steady, &zone),
            period: period.map(|(start, end)| Period {
                start,
                end,
                zone: zone.name().to_string(),
            }),
            input,
            timeline,
            floods_count,
            floods_more,
            floods,
            top: self.names.written(),
            steady,
            load,
            disk,
            statistics,
        }
    }

    /// How long a refusal's line is: as those that were held back, else as those that went on.
    fn line_bytes(&self, total: &Amount) -> f64 {
        match (total.suppressed, self.lines) {
            (0, (0, _)) => 0.0,
            (0, (lines, bytes)) => bytes as f64 / lines as f64,
            (suppressed, _) => total.suppressed_bytes as f64 / suppressed as f64 + 1.0,
        }
    }

    fn steady_written(&self, has_floods: bool) -> Vec<written::Steady> {
        let clients = self.steady.clients();
        let is_told = |count: u64| count >= MANY_REFUSALS || !has_floods;
        let told = clients
            .iter()
            .filter(|(_, all)| is_told(all.count))
            .take(TOP_MAX);
        let some = |text: &str| (!text.is_empty()).then(|| text.to_string());
        let written = told.map(|(client, all)| {
            let cause = self.steady.cause(client, all);
            let by = some(&client.service).unwrap_or_else(|| client.module.clone());
            let who = match (client.user.as_str(), client.ip.as_str()) {
                ("", "") => by.clone(),
                ("", ip) => ip.to_string(),
                (user, "") => who::short(user),
                (user, ip) => format!("{} from {ip}", who::short(user)),
            };
            let about = if all.excess == 0 { "" } else { "about " };
            let times = counted(all.count, "time", "times");
            let when = match all.facts.times_ms {
                Some((start, end)) => {
                    let zone = &self.options.zone;
                    let when = zone.from_until(zone.show_ms(start), zone.show_ms(end));
                    format!("{when}, never often enough at a time for a flood")
                }
                None => "none with a time that could be read".to_string(),
            };
            written::Steady {
                user: some(&client.user),
                ip: some(&client.ip),
                service: some(&client.service),
                server: client.module.clone(),
                limit: client.limit.clone(),
                count: all.count,
                excess: all.excess,
                start: all.facts.times_ms.map(|it| it.0),
                end: all.facts.times_ms.map(|it| it.1),
                hint: cause.hint.name().to_string(),
                evidence: cause.evidence,
                advice: cause.advice,
                sentence: format!(
                    "{who} was refused {about}{times} by {by} ({}), {when}.",
                    client.limit
                ),
            }
        });
        written.collect()
    }
}

/// Has a span reach to a time.
fn widen(span: &mut Option<(i64, i64)>, time_ms: Option<i64>) {
    if let Some(time_ms) = time_ms {
        let (first_ms, last_ms) = span.unwrap_or((time_ms, time_ms));
        *span = Some((first_ms.min(time_ms), last_ms.max(time_ms)));
    }
}

/// Where the plugin writes no documents of minutes.
fn refusals_by_limit(statistics: &Value) -> u64 {
    let limits = statistics.get("events").and_then(Value::as_object);
    let counts = limits.into_iter().flatten();
    counts.filter_map(|(_, count)| count.as_u64()).sum()
}

/// From when until when the logs tell: as their lines say; refusals may lie outside where one file's lines go astray.
fn period(
    (start, end): (i64, i64),
    refusals: Option<(i64, i64)>,
    floods_end_ms: Option<i64>,
) -> (i64, i64) {
    let Some((first, last)) = refusals else {
        return (start, end);
    };
    // Refusals are known to the minute alone.
    let start = if first + STEP_MS < start {
        first
    } else {
        start
    };
    // The last time of lines is one that two of them say; a flood may know a little more.
    let of_flood = floods_end_ms.filter(|it| (0..STEP_MS).contains(&(it - end)));
    let end = if last - STEP_MS > end {
        last
    } else {
        of_flood.unwrap_or(end)
    };
    (start, end)
}

/// The timeline from the first minute to the last, gaps included.
fn points(
    timeline: &Timeline,
    period: Option<(i64, i64)>,
    bounds: Option<(i64, i64)>,
    line_bytes: f64,
) -> Points {
    let Some((start_ms, end_ms)) = period.or(bounds) else {
        return Points::default();
    };
    let mut step_ms = timeline.step_ms();
    while (end_ms - start_ms) / step_ms >= SHOWN_MAX as i64 {
        step_ms *= 2;
    }
    let first = start_ms.div_euclid(step_ms);
    let len = usize::try_from(end_ms.div_euclid(step_ms) - first + 1).unwrap_or(1);
    let mut counts = vec![0_u64; len];
    let mut bytes = vec![0_u64; len];
    for (at_ms, amount) in timeline.steps() {
        let at = usize::try_from(at_ms.div_euclid(step_ms) - first).unwrap_or(usize::MAX);
        if let (Some(count), Some(bytes)) = (counts.get_mut(at), bytes.get_mut(at)) {
            *count += amount.count;
            *bytes += amount.log_bytes(line_bytes);
        }
    }
    Points {
        start: first * step_ms,
        step_s: step_ms / 1_000,
        counts,
        bytes: (line_bytes > 0.0).then_some(bytes),
    }
}

fn load_points(load: Load, together: Together) -> written::Load {
    let mut points = load.points;
    while points.len() > LOAD_POINTS_MAX {
        let pairs = points.chunks(2);
        points = pairs
            .filter_map(|pair| {
                let sum: f64 = pair.iter().map(|(_, value)| value).sum();
                Some((pair.first()?.0, sum / pair.len() as f64))
            })
            .collect();
    }
    let mut together = together;
    if load.left_out > 0 {
        let more = counted(
            load.left_out as u64,
            "further series is",
            "further series are",
        );
        together
            .sentences
            .push(format!("Taken is {}; {more} left out.", load.name));
    }
    let (times, values) = points
        .into_iter()
        .map(|(at, value)| (at, (value * 1e4).round() / 1e4))
        .unzip();
    written::Load {
        source: load.source,
        name: load.name,
        unit: load.unit,
        times,
        values,
        together,
    }
}

/// For sentences about several floods.
pub(crate) fn rest(floods: &[Flood], count: u64) -> Option<String> {
    let more = count.checked_sub(1).filter(|more| *more > 0)?;
    let of_told: u64 = floods.iter().skip(1).map(|flood| flood.count).sum();
    let floods = counted(more, "further flood", "further floods");
    Some(format!("; {floods} had {} more", grouped(of_told)))
}
