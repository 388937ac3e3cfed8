//! Says what must hold, whatever fails: from what was sent and what the next hop has taken.

pub mod elsewhere;
mod marked;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use self::marked::comes_again;
pub use self::marked::knows;
use super::plan::Plan;
use super::stream::Known;
use super::world::World;
use crate::output::delivery::Digest;
use crate::selection::Selection;

/// A state that was written may have been taken so long before the next was due; then it waited for its thread, or for a full disk.
const STATE_LATE_MAX_MS: i64 = 500;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// It goes on as it is.
    Other,
    /// The next hop refuses it for good.
    Poison,
    /// A refusal of this key.
    Event(u64),
}

/// A line that was sent.
struct Line {
    batch: usize,
    record: Record,
    /// The requests that it was taken with.
    taken: Vec<usize>,
}

/// A batch.
struct Batch {
    lines: Range<usize>,
    /// What it is known by in a state.
    name: Digest,
    /// The state that the process goes on from has it marked as delivered; there were so many doubts then.
    delivered_before: Option<u64>,
    first_ms: i64,
    acked_ms: Option<i64>,
    acked_life: u32,
    /// Its place among all that happened.
    acked_at: u64,
    is_given_up: bool,
    /// It was acknowledged so often without its sender's hearing of it: it comes again as another one.
    doubts: u64,
}

/// What every alert has in it.
const ALERT: &str = "\"connection-limit-flood-";

/// A request that the next hop has taken.
pub struct Request {
    life: u32,
    /// When the process began to write it: its place among all that happened.
    asked: u64,
    /// What it was a part of was not cut, of which only the whole is written down.
    is_whole: bool,
    known: Known,
}

/// An alert that the next hop has taken.
struct Alert {
    state: String,
    suppressed: u64,
    at_ms: i64,
    taken: Vec<usize>,
}

/// A flood that was told.
#[derive(Default)]
struct Flood {
    /// Of the rule that holds events back.
    key: Option<u64>,
    alerts: BTreeMap<u64, Alert>,
    /// Its start was told, and a process that died had written no state since.
    is_lost: bool,
}

impl Flood {
    fn at(&self, state: &str) -> Option<&Alert> {
        self.alerts.values().find(|it| it.state == state)
    }
}

/// What is known.
#[derive(Default)]
pub struct Oracle {
    /// So old is the last state at the most.
    state_age_max_ms: i64,
    lines: Vec<Line>,
    batches: Vec<Batch>,
    requests: Vec<Request>,
    floods: BTreeMap<String, Flood>,
    /// Events that a dead process may have counted in vain.
    uncounted: BTreeMap<u64, u64>,
    /// Alerts that a state has promised, by flood and number.
    promised: BTreeSet<(String, u64)>,
    /// Alerts by their `event.id`: a store keeps the first of each.
    documents: BTreeMap<String, String>,
    /// The documents of a store.
    pub ids: BTreeSet<String>,
    /// What was told by `--alerts`.
    elsewhere: elsewhere::Elsewhere,
    /// When a process wrote its last state, by its number.
    written_ms: BTreeMap<u32, i64>,
    /// Up to when all is marked that a process knew, by its number.
    marked_ms: BTreeMap<u32, i64>,
}

impl Oracle {
    /// One that knows how often a state is written.
    pub fn new(plan: &Plan) -> Oracle {
        Oracle {
            state_age_max_ms: plan.state_interval.as_millis() as i64 + STATE_LATE_MAX_MS,
            ..Oracle::default()
        }
    }

    /// A batch of these lines is about to be sent; the number of its first line is the next.
    pub fn sent(&mut self, records: &[Record], name: Digest, first_ms: i64) -> usize {
        let batch = self.batches.len();
        let from = self.lines.len();
        self.lines.extend(records.iter().map(|record| Line {
            batch,
            record: *record,
            taken: Vec::new(),
        }));
        self.batches.push(Batch {
            lines: from..self.lines.len(),
            name,
            delivered_before: None,
            first_ms,
            acked_ms: None,
            acked_life: 0,
            acked_at: u64::MAX,
            is_given_up: false,
            doubts: 0,
        });
        batch
    }

    pub fn next_line(&self) -> usize {
        self.lines.len()
    }

    /// It was acknowledged, and its sender has not heard of it.
    pub fn doubt(&mut self, batch: usize) {
        self.batches[batch].doubts += 1;
    }

    pub fn give_up(&mut self, batch: usize) {
        self.batches[batch].is_given_up = true;
    }

    fn is_covered(&self, key: u64, batch: &Batch) -> bool {
        let mut floods = self.floods.values().filter(|it| it.key == Some(key));
        floods.any(|flood| {
            let ended_ms = flood.at("end").map_or(i64::MAX, |it| it.at_ms);
            flood.at("start").is_some() && ended_ms >= batch.first_ms
        })
    }
}

impl Request {
    /// A new one; answers its number.
    pub fn add(world: &mut World, asked: u64, known: &Known) -> usize {
        world.oracle.requests.push(Request {
            life: world.life,
            asked,
            is_whole: world.plan.poison_percent == 0,
            known: Arc::clone(known),
        });
        world.oracle.requests.len() - 1
    }
}

/// The next hop takes a document.
pub fn take_document(world: &mut World, document: &str, request: usize) {
    if document.contains(ALERT) {
        return take_alert(world, document, Some(request));
    }
    let Some(serial) = serial(document) else {
        return world.violate(format!("this was never sent: {document}"));
    };
    comes_again(world, serial);
    let oracle = &world.oracle;
    let (line, asked) = (&oracle.lines[serial], oracle.requests[request].asked);
    let batch = &oracle.batches[line.batch];
    let is_late = batch.acked_at < asked && !line.taken.is_empty();
    let again = oracle.repeated(&line.taken, world.life, asked);
    let again = again.or(oracle.was_marked(&line.taken));
    let again = again.or(is_late.then_some("after it was acknowledged to its sender"));
    let why = match world.plan.is_store {
        // What came before has the same id, and is not taken.
        true => (!line.taken.is_empty()).then_some("with another id"),
        false => again.filter(|_| batch.doubts == 0),
    };
    if let Some(why) = why {
        world.violate(format!("line {serial} comes again {why}"));
    }
    world.oracle.lines[serial].taken.push(request);
}

/// A store has a document with that id.
pub fn is_there(world: &mut World, document: &str) {
    if document.contains(ALERT) {
        take_alert(world, document, None);
    } else if let Some(serial) = serial(document) {
        comes_again(world, serial);
    }
}

impl Oracle {
    /// Why it is wrong that what was taken with these requests comes again, if it is.
    fn repeated(&self, taken: &[usize], life: u32, asked: u64) -> Option<&'static str> {
        taken.iter().find_map(|number| {
            let request = &self.requests[*number];
            let (known, known_ms) = *request.known.get()?;
            let written_ms = self.written_ms.get(&request.life).copied().unwrap_or(0);
            if request.life == life {
                // Said before that, it may be long on its way.
                (known < asked).then_some("though the process knew that it was taken")
            } else if request.is_whole && written_ms >= known_ms + self.state_age_max_ms {
                Some("though an earlier process knew that it was taken, and had written that down")
            } else {
                None
            }
        })
    }
}

fn take_alert(world: &mut World, document: &str, request: Option<usize>) {
    let now_ms = world.elapsed_ms();
    let alert: Value = match serde_json::from_str(document) {
        Ok(alert) => alert,
        Err(error) => return world.violate(format!("no JSON: {error}: {document}")),
    };
    let flood = &alert["maxconn"]["flood"];
    let id = flood["id"].as_str().unwrap_or("").to_string();
    let sequence = alert["event"]["sequence"].as_u64().unwrap_or(u64::MAX);
    let state = flood["state"].as_str().unwrap_or("").to_string();
    let suppressed = flood["suppressed"].as_u64().unwrap_or(0);
    world.note(&format!(
        "alert {state} of {} {id} #{sequence}: {} events, {suppressed} held back",
        alert["rule"]["name"], flood["count"]
    ));
    let life = world.life;
    let event_id = alert["event"]["id"].as_str().unwrap_or("").to_string();
    let known = world.oracle.documents.entry(event_id);
    let known = known.or_insert_with(|| document.to_string());
    if known != document {
        let why = format!("two alerts have one id: {known} {document}");
        return world.violate(why);
    }
    let oracle = &mut world.oracle;
    let known = oracle.floods.entry(id.clone()).or_default();
    if alert["rule"]["name"] == "userip" {
        let key = flood["key"].as_str().and_then(|it| it.split_once("user"));
        let digits = key.map(|it| {
            it.1.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        });
        known.key = digits.and_then(|it| it.parse().ok());
    }
    let seen = known.alerts.entry(sequence).or_insert(Alert {
        state: state.clone(),
        suppressed,
        at_ms: now_ms,
        taken: Vec::new(),
    });
    // A process that has forgotten the last alert makes another of the same number.
    if seen.state != state {
        seen.at_ms = now_ms;
    }
    (seen.state, seen.suppressed) = (state, suppressed);
    let Some(request) = request else { return };
    let before = seen.taken.clone();
    seen.taken.push(request);
    let asked = oracle.requests[request].asked;
    if let Some(why) = oracle.repeated(&before, life, asked) {
        world.violate(format!("alert {id} #{sequence} comes again {why}"));
    }
}

/// A sender has its answer.
pub fn acknowledged(world: &mut World, number: usize) {
    let now_ms = world.elapsed_ms();
    let dead = std::fs::read_to_string(world.disk.file("dead")).unwrap_or_default();
    let batch = &world.oracle.batches[number];
    let all = world.plan.selection != Selection::Changed;
    let missing = batch.lines.clone().find(|serial| {
        let line = &world.oracle.lines[*serial];
        let is_there = !line.taken.is_empty();
        match line.record {
            Record::Other => all && !is_there,
            Record::Poison => all && !dead.contains(&name(*serial)),
            Record::Event(key) => !is_there && !world.oracle.is_covered(key, batch),
        }
    });
    if let Some(serial) = missing {
        let record = world.oracle.lines[serial].record;
        world.violate(format!(
            "batch {number} is acknowledged, and its line {serial} ({record:?}) is not at the next hop"
        ));
    }
    let (life, acked_at) = (world.life, world.next_event());
    let batch = &mut world.oracle.batches[number];
    (batch.acked_ms, batch.acked_life) = (Some(now_ms), life);
    batch.acked_at = acked_at;
}

/// A process has ended by itself, and written down all that it knew.
pub fn stopped(world: &mut World) {
    world.oracle.written_ms.insert(world.life, i64::MAX);
}

/// A process has died without writing its state: what came after the last one may be counted in vain.
pub fn died(world: &mut World) {
    let since_ms = world.disk.synced_at_ms - world.oracle.state_age_max_ms;
    let died_ms = world.died_ms;
    let oracle = &mut world.oracle;
    oracle
        .written_ms
        .insert(world.life, world.disk.synced_at_ms);
    // Without room on the disk there may be none.
    if !world.is_power_cut && world.disk.full_at_ms < world.born_ms {
        oracle.marked_ms.insert(world.life, died_ms);
    }
    for batch in &oracle.batches {
        if batch.acked_ms.is_some_and(|it| it >= since_ms) {
            for line in &oracle.lines[batch.lines.clone()] {
                if let Record::Event(key) = line.record {
                    *oracle.uncounted.entry(key).or_default() += 1;
                }
            }
        }
    }
}

/// The flood that an alert is of, and its number there.
pub fn flood_of(alert: &[u8]) -> (String, u64) {
    let alert: Value = serde_json::from_slice(alert).unwrap_or_default();
    let id = alert["maxconn"]["flood"]["id"].as_str().unwrap_or("");
    let sequence = alert["event"]["sequence"].as_u64().unwrap_or(0);
    (id.to_string(), sequence)
}

/// What the next process will go on from: these floods are open, and these alerts wait.
pub fn goes_on_from(world: &mut World, open: &BTreeSet<String>, alerts: &str) {
    let died_ms = world.died_ms;
    let promised = alerts.lines().map(|it| flood_of(it.as_bytes()));
    world.oracle.promised.extend(promised);
    let (synced_ms, full_ms) = (world.disk.synced_at_ms, world.disk.full_at_ms);
    let age_max_ms = world.oracle.state_age_max_ms;
    let slack_ms = 200 + 8 * world.plan.late_max_ms as i64;
    let mut lost = Vec::new();
    for (id, flood) in &mut world.oracle.floods {
        let promised = (world.oracle.promised.range((id.clone(), 0)..)).any(|it| it.0 == *id);
        if flood.at("end").is_some() || open.contains(id) || promised || flood.is_lost {
            continue;
        }
        flood.is_lost = true;
        let told_ms = flood.alerts.values().map(|it| it.at_ms).min().unwrap_or(0);
        let was_written = synced_ms >= told_ms + age_max_ms;
        let is_old = died_ms - told_ms > slack_ms && full_ms < told_ms - 3000;
        if was_written || is_old {
            lost.push(format!(
                "flood {id} was told {} ms before the crash and is forgotten",
                died_ms - told_ms
            ));
        }
    }
    lost.into_iter().for_each(|it| world.violate(it));
}

/// All is quiet: what must be there by now.
pub fn finish(world: &mut World) {
    let mut wrong = Vec::new();
    let oracle = &world.oracle;
    for (id, sequence) in &oracle.promised {
        let flood = oracle.floods.get(id);
        if flood.is_none_or(|it| !it.alerts.contains_key(sequence)) {
            wrong.push(format!(
                "alert {id} #{sequence} was in a state and is not at the next hop"
            ));
        }
    }
    for (id, flood) in oracle.floods.iter().filter(|it| !it.1.is_lost) {
        let last = flood.alerts.last_key_value().map_or(0, |it| *it.0);
        if flood.alerts.len() as u64 != last + 1 {
            let there: Vec<_> = flood.alerts.keys().collect();
            wrong.push(format!("of flood {id} there are the alerts {there:?}"));
        }
        let (start, end) = (flood.alerts.get(&0), flood.alerts.get(&last));
        if start.is_none_or(|it| it.state != "start") || end.is_none_or(|it| it.state != "end") {
            wrong.push(format!("flood {id} lacks its start or its end"));
        }
    }
    let dead = std::fs::read_to_string(world.disk.file("dead")).unwrap_or_default();
    for line in dead.split_inclusive('\n') {
        if !line.ends_with('\n') || serde_json::from_str::<Value>(line).is_err() {
            wrong.push(format!("this is no dead letter: {line}"));
        }
    }
    for (serial, line) in oracle.lines.iter().enumerate() {
        let is_acked = oracle.batches[line.batch].acked_ms.is_some();
        let is_due =
            line.record == Record::Poison && world.plan.selection == Selection::All && is_acked;
        if is_due && !dead.contains(&name(serial)) {
            wrong.push(format!("line {serial} was set aside, and is there no more"));
        }
    }
    for key in 0..world.plan.keys {
        wrong.extend(total(oracle, key));
    }
    wrong.extend(elsewhere::missing(oracle));
    wrong.into_iter().for_each(|it| world.violate(it));
}

/// What is wrong with the total of a key, if something is.
fn total(oracle: &Oracle, key: u64) -> Option<String> {
    let (mut held, mut given_up, mut doubted) = (0_u64, 0, 0);
    for line in oracle
        .lines
        .iter()
        .filter(|it| it.record == Record::Event(key))
    {
        let batch = &oracle.batches[line.batch];
        doubted += batch.doubts;
        // Taken of a process that died, counted by one that went on from before: it may be held back there.
        let first = line
            .taken
            .first()
            .map_or(batch.acked_life, |it| oracle.requests[*it].life);
        doubted += u64::from(first < batch.acked_life);
        match (line.taken.is_empty(), batch.is_given_up) {
            (true, false) => held += 1,
            (true, true) => given_up += 1,
            (false, _) => {}
        }
    }
    let uncounted = oracle.uncounted.get(&key).copied().unwrap_or(0);
    let floods = oracle.floods.values().filter(|it| it.key == Some(key));
    let told: u64 = floods
        .filter_map(|it| it.at("end"))
        .map(|it| it.suppressed)
        .sum();
    let least = held.saturating_sub(uncounted);
    let most = held + given_up + doubted;
    (told < least || told > most).then(|| {
        format!("of key {key} {told} events are told as held back, which is not {least} to {most}")
    })
}

/// What a line is known by in everything that becomes of it.
pub fn name(serial: usize) -> String {
    format!("S{serial}Z")
}

fn serial(document: &str) -> Option<usize> {
    let mut rest = document;
    loop {
        let (_, after) = rest.split_once('S')?;
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && after[digits..].starts_with('Z') {
            return after[..digits].parse().ok();
        }
        rest = after;
    }
}
