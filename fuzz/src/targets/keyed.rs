//! The calls for keyed engines: a host that keeps each key's state and timer, and one that mixes them up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use host_test::embed::{self, EmbedGuest};
use host_test::wasm::Runtime;
use maxconn_core::engine::{Engine, KeyedEvent, KeyedInput, Source, Step as Answer};
use serde_json::Value;

use super::linear::EMBED;
use crate::document::{Seen, is_object};
use crate::script::{Script, Step};

/// Bytes of a key's state: 49 slots each of two windows, and a flood with ten names of each kind.
const STATE_MAX_BYTES: usize = 16 * 1024;
/// One step ends a flood, after telling once that it went on, and starts another.
const ALERTS_MAX: usize = 3;
/// So many timers of each key fire in the end.
const TIMERS_MAX: usize = 8;
/// An alert names ten of each kind and a sample, escaped.
const ALERT_MAX_BYTES: usize = 128 * 1024;

thread_local! {
    /// The configuration and the guest that has it: a new instance for each input would be all that is done.
    static GUEST: RefCell<Option<(String, EmbedGuest)>> = const { RefCell::new(None) };
}

/// What a host keeps of a key, and what was said of it.
#[derive(Default)]
struct Key {
    state: Vec<u8>,
    timer_ms: Option<i64>,
    given: u64,
    held_back: u64,
    counted: u64,
    suppressed: u64,
}

pub fn run(data: &[u8]) {
    let script = Script::of(data);
    let engine = Engine::new(script.config.clone());
    let engine = engine.unwrap_or_else(|error| panic!("{error}: {}", script.json));
    let mut keys: BTreeMap<(u8, String), Key> = BTreeMap::new();
    let mut last = None;
    for step in &script.steps {
        match step {
            Step::Lines(lines, _) => {
                for line in lines.split(|byte| *byte == b'\n') {
                    observe(&engine, &script.source, line, None, &mut keys, &mut last);
                }
            }
            Step::Record(record, time_ms, _) => {
                observe(
                    &engine,
                    &script.source,
                    record,
                    *time_ms,
                    &mut keys,
                    &mut last,
                );
            }
            Step::Tick(now_ms) => {
                for ((rule, _), key) in &mut keys {
                    if key.timer_ms.is_some_and(|timer_ms| timer_ms <= *now_ms) {
                        key.fire(&engine, *rule, *now_ms);
                    }
                }
            }
            Step::Finish(time_ms) => end(&engine, time_ms.unwrap_or(0), &mut keys),
            Step::Statistics | Step::Restart | Step::Reconfigure(_) | Step::Shutdown => {}
        }
    }
    let states: Vec<Vec<u8>> = keys.values().map(|key| key.state.clone()).collect();
    for ((rule, _), key) in &mut keys {
        for _ in 0..TIMERS_MAX {
            let Some(timer_ms) = key.timer_ms else { break };
            key.fire(&engine, *rule, timer_ms);
        }
    }
    end(&engine, i64::MAX, &mut keys);
    with_guest(&script.json, |guest| {
        mixed_up(&engine, guest, &states, last.as_ref(), data)
    });
}

/// Steps the keys under which a record counts.
fn observe(
    engine: &Engine,
    source: &Source,
    record: &[u8],
    time_ms: Option<i64>,
    keys: &mut BTreeMap<(u8, String), Key>,
    last: &mut Option<KeyedEvent>,
) {
    let Some(found) = engine.classify(source, record, time_ms) else {
        return;
    };
    for (rule, name) in &found.keys {
        assert!(
            name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{name:?} is no key"
        );
        let key = keys.entry((*rule, name.clone())).or_default();
        let refusals = u64::from(found.count);
        key.given += refusals;
        let is_held_back = key.step(engine, *rule, KeyedInput::Event(&found.event));
        key.held_back += if is_held_back { refusals } else { 0 };
    }
    *last = Some(found);
}

/// Ends every flood: what was held back is what the alerts say was.
fn end(engine: &Engine, now_ms: i64, keys: &mut BTreeMap<(u8, String), Key>) {
    for ((rule, _), key) in keys {
        key.step(engine, *rule, KeyedInput::End(now_ms));
        assert_eq!(key.timer_ms, None, "a timer is set behind the end");
        assert_eq!(
            key.suppressed, key.held_back,
            "held back and not accounted for"
        );
        assert!(
            key.counted <= key.given,
            "{} refusals were counted of {}",
            key.counted,
            key.given
        );
    }
}

impl Key {
    /// Fires the key's timer, which is set later then or not at all.
    fn fire(&mut self, engine: &Engine, rule: u8, now_ms: i64) {
        self.step(engine, rule, KeyedInput::Timer(now_ms));
        let is_later = self.timer_ms.is_none_or(|timer_ms| timer_ms > now_ms);
        assert!(
            is_later,
            "a timer fires at {now_ms} and is set for {:?}",
            self.timer_ms
        );
    }

    /// Steps the key as an honest host does; whether the event is held back.
    fn step(&mut self, engine: &Engine, rule: u8, input: KeyedInput<'_>) -> bool {
        let answer = engine.step(rule, &self.state, input);
        let answer = answer.unwrap_or_else(|error| panic!("its own bytes are refused: {error}"));
        bounded(&answer);
        let mut seen = Seen::default();
        for alert in answer.alerts.split_inclusive(|byte| *byte == b'\n') {
            seen.take(maxconn_core::engine::Kind::Alert, alert);
            let alert: Value = serde_json::from_slice(alert).unwrap_or_default();
            let flood = &alert["maxconn"]["flood"];
            if flood["state"] == "end" {
                self.counted += flood["count"].as_u64().unwrap_or(0);
                self.suppressed += flood["suppressed"].as_u64().unwrap_or(0);
            }
        }
        self.state = answer.state;
        self.timer_ms = answer.timer_ms;
        answer.is_held_back
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    // Built before the clock of any input runs.
    LazyLock::force(&EMBED);
    super::seeds::scripts()
}

fn bounded(answer: &Answer) {
    assert!(
        answer.state.len() <= STATE_MAX_BYTES,
        "{} bytes of state",
        answer.state.len()
    );
    let mut alerts = answer.alerts.split_inclusive(|byte| *byte == b'\n');
    assert!(alerts.clone().count() <= ALERTS_MAX, "too many alerts");
    assert!(
        alerts.all(|alert| is_object(alert)
            && alert.ends_with(b"\n")
            && alert.len() <= ALERT_MAX_BYTES),
        "{}",
        String::from_utf8_lossy(&answer.alerts)
    );
}

/// Whatever happens to a key, the guest says what the core says.
fn drives_alike(engine: &Engine, guest: &mut EmbedGuest, (rule, state, event): (u8, &[u8], &[u8])) {
    for input in [
        KeyedInput::LateEvent(event, 90_000),
        KeyedInput::Silence(i64::MAX),
        KeyedInput::NewWindow,
        KeyedInput::Gone {
            rule: "gone",
            forgets_users: true,
        },
    ] {
        let (inside, outside) = (
            guest.drive(rule, state, input),
            engine.step(rule, state, input),
        );
        if let Ok(answer) = &outside {
            bounded(answer);
        }
        assert_eq!(inside.ok(), outside.ok(), "{input:?}");
    }
}

/// States and events that are damaged, of somebody else's making, or of another key.
fn mixed_up(
    engine: &Engine,
    guest: &mut EmbedGuest,
    states: &[Vec<u8>],
    last: Option<&KeyedEvent>,
    data: &[u8],
) {
    let event = last.map(|last| last.event.clone()).unwrap_or_default();
    let longest = states.iter().max_by_key(|state| state.len());
    let longest = longest.cloned().unwrap_or_default();
    let (damaged_state, damaged_event) = (damaged(&longest, data), damaged(&event, data));
    let rules = engine.config().rules.len() as u8;
    for (rule, state, event) in [
        (0, &longest[..], &damaged_event[..]),
        (1, &damaged_state, &event),
        (0, &damaged_state, &damaged_event),
        (2, &longest, &event),
        (3, data, &event),
        (0, &longest, data),
        (rules, &longest, &event),
    ] {
        let rule = rule.min(rules);
        let time_ms = last.map_or(0, |last| last.time_ms);
        let mut state = state.to_vec();
        for input in [
            KeyedInput::Event(event),
            KeyedInput::Timer(time_ms),
            KeyedInput::Event(event),
            KeyedInput::Timer(i64::MAX),
            KeyedInput::End(time_ms),
        ] {
            // The guest takes no bytes for a timer.
            if matches!(input, KeyedInput::Event(b"")) {
                continue;
            }
            let inside = guest.step(rule, &state, input);
            drives_alike(engine, guest, (rule, &state, event));
            match engine.step(rule, &state, input) {
                Ok(answer) => {
                    assert_eq!(inside.ok(), Some(embed::answer(&answer)), "{input:?}");
                    assert!(answer.alerts.len() <= ALERTS_MAX * ALERT_MAX_BYTES);
                    assert!(
                        answer
                            .alerts
                            .split_inclusive(|byte| *byte == b'\n')
                            .all(is_object)
                    );
                    state = answer.state;
                }
                Err(error) => {
                    let refusal = inside.err().map(|refusal| refusal.to_string());
                    let refusal = refusal.unwrap_or_else(|| panic!("the guest takes it: {error}"));
                    let (problem, mend) = error.say();
                    assert!(
                        refusal.contains(&problem) && refusal.contains(mend),
                        "{refusal}"
                    );
                }
            }
        }
    }
}

/// The same with up to four other bytes in it.
fn damaged(bytes: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &[low, high, byte] in data.as_chunks::<3>().0.iter().rev().take(4) {
        let at = usize::from(u16::from_le_bytes([low, high])) % bytes.len().max(1);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
    }
    bytes
}

/// A guest with this configuration.
fn with_guest(json: &str, call: impl FnOnce(&mut EmbedGuest)) {
    GUEST.with_borrow_mut(|kept| {
        let guest = match kept.take() {
            Some((config, guest)) if config == json => guest,
            _ => EmbedGuest::new(&EMBED, Runtime::Wasmtime, Some(json))
                .unwrap_or_else(|error| panic!("{error}: {json}")),
        };
        let (_, guest) = kept.insert((json.to_string(), guest));
        call(guest);
    });
}
