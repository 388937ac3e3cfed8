//! Steps single keys for keyed engines (Flink): the engine keeps each key's state as bytes and calls again by its
//! own event-time timers. The same state machine as the table's, so both agree to the byte when nothing is late.
//!
//! # How to drive it
//! [`Engine::classify`] says under which keys a record counts. For each of them, in the order given, and with
//! the state kept under that key (empty at first): [`Engine::step`] with the event; keep the state it returns,
//! emit the alerts, set the key's one timer. When the timer fires: `step` with [`Input::Timer`]. The
//! record goes on if no step held it back.

use alloc::string::String;
use alloc::vec::Vec;

use super::recognise::{Input as RecordInput, Sight};
use super::snapshot::{STATE_FORMAT, tape_of};
use super::{Engine, RECORD_MAX_BYTES, Source};
use crate::alert::Alert;
use crate::config::{Policy, Rule};
use crate::detector::{EndReason, FieldHasher, KeyState, Sighting, Transition};
use crate::event::{Class, Context, Event};
use crate::hash::hex32;
use crate::sentence::Part::Number;
use crate::sentence::say;
use maxconn_records::codec::{Codec, Tape};

/// A recognised event, and the keys under which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedEvent {
    /// The rules that apply: their numbers, and the key as 32 hex digits.
    pub keys: Vec<(u8, String)>,
    /// The event, to be handed to [`Engine::step`].
    pub event: Vec<u8>,
    /// Its time.
    pub time_ms: i64,
    /// How many refusals it stands for.
    pub count: u32,
}

/// What a key is stepped with.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// An event, as [`Engine::classify`] gave it.
    Event(&'a [u8]),
    /// The time that the key's timer was set to, or any later one.
    Timer(i64),
    /// The end of input at that time.
    End(i64),
}

/// What a step says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The state to keep.
    pub state: Vec<u8>,
    /// Whether the event is held back.
    pub is_held_back: bool,
    /// Alerts, a line of JSON each.
    pub alerts: Vec<u8>,
    /// When to call again; `None`: no timer is needed.
    pub timer_ms: Option<i64>,
}

/// Why a step was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepError {
    /// There is no rule of that number.
    Rule(u8),
    /// The state is damaged or of another format.
    State,
    /// The event's bytes are not from this version's `classify`.
    Event,
}

impl core::fmt::Display for StepError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (problem, mend) = self.say();
        out.write_str(&problem)?;
        out.write_str("; ")?;
        out.write_str(mend)
    }
}

impl StepError {
    /// What is wrong, and how to mend it.
    pub fn say(&self) -> (String, &'static str) {
        match self {
            StepError::Rule(rule) => {
                let problem = say("there is no rule number %0", &[Number(u64::from(*rule))]);
                (problem, "classify and step with the same configuration")
            }
            StepError::State => (
                String::from("the key's state is damaged or of another format"),
                "start the key anew",
            ),
            StepError::Event => (
                String::from("the event is not from this version's classify"),
                "classify the record again",
            ),
        }
    }
}

impl core::error::Error for StepError {}

impl Engine {
    /// Recognises a record and says under which keys it counts; `None` for one without an event. Counts
    /// nothing and changes nothing.
    pub fn classify(
        &self,
        source: &Source,
        record: &[u8],
        time_ms: Option<i64>,
    ) -> Option<KeyedEvent> {
        if record.len() > RECORD_MAX_BYTES {
            return None;
        }
        self.recogniser.find(record, 0)?;
        let input = RecordInput {
            source,
            line: record,
            time_ms,
            offset: None,
            position: None,
            latest_ms: None,
        };
        let found = self.recogniser.record(&self.config, &input)?;
        let mut sight = Sight::NOTHING;
        let event = self
            .recogniser
            .read(&self.config, &input, &found, &mut sight)?;
        let mut hasher = FieldHasher::default();
        hasher.hash(&event, &sight.context, self.floods.needs_net);
        let keys = self.floods.keys_of(&self.config, &event, hasher.hashes());
        let (time_ms, count) = (sight.context.time_ms, event.count);
        let mut tape = Tape::after(Vec::new());
        let mut observed = (event, sight.context);
        observed.pass(&mut tape);
        Some(KeyedEvent {
            keys: keys
                .into_iter()
                .map(|(rule, hash)| (rule as u8, hex_text(hash)))
                .collect(),
            event: tape.into_written(),
            time_ms,
            count,
        })
    }

    /// Moves one key on.
    ///
    /// # Errors
    /// See [`StepError`]; the state that was given is still good then.
    pub fn step(&self, rule: u8, state: &[u8], input: Input<'_>) -> Result<Step, StepError> {
        let number = rule;
        let rule = self
            .config
            .rules
            .get(usize::from(number))
            .ok_or(StepError::Rule(number))?;
        let mut key = read_state(state)?;
        let mut step = Step::default();
        match input {
            Input::Timer(now_ms) => self.fire(rule, &mut key, now_ms, &mut step),
            Input::End(now_ms) => {
                self.fire(rule, &mut key, now_ms, &mut step);
                let last_ms = key.flood().map_or(now_ms, |flood| flood.last_ms);
                let end = Transition::End(EndReason::EndOfInput);
                self.tell(rule, &mut key, end, now_ms.max(last_ms), &mut step);
            }
            Input::Event(bytes) => {
                let (event, context): (Event<'_>, Context<'_>) =
                    read_all(Tape::of(bytes)).ok_or(StepError::Event)?;
                let up_to_ms = key.reach_ms(rule, context.time_ms, event.times());
                self.fire(rule, &mut key, up_to_ms, &mut step);
                let mut hasher = FieldHasher::default();
                hasher.hash(&event, &context, self.floods.needs_net);
                let redactor = self.floods.redactor.as_deref();
                let sighting = Sighting {
                    event: &event,
                    context: &context,
                    hashes: hasher.hashes(),
                    redactor,
                };
                let lateness_ms = self.config.allowed_lateness_ms;
                let applied = match event.class {
                    Class::Summary => {
                        key.sum_up(rule, &sighting);
                        None
                    }
                    _ => Some(key.apply(rule, lateness_ms, &sighting)),
                };
                step.is_held_back = applied.is_some_and(|applied| applied.is_held_back);
                if applied.is_some_and(|applied| applied.is_crossing) {
                    key.open(rule, lateness_ms, &sighting);
                    step.is_held_back = rule.policy != Policy::Pass;
                    self.tell(
                        rule,
                        &mut key,
                        Transition::Start,
                        context.time_ms,
                        &mut step,
                    );
                }
            }
        }
        step.timer_ms = key.deadline_ms(rule);
        let mut tape = Tape::after(STATE_FORMAT.to_le_bytes().to_vec());
        key.pass(&mut tape);
        step.state = tape.into_written();
        Ok(step)
    }

    fn fire(&self, rule: &Rule, key: &mut KeyState, up_to_ms: i64, step: &mut Step) {
        while let Some((transition, at_ms)) = key.step(rule, up_to_ms) {
            self.tell(rule, key, transition, at_ms, step);
        }
    }

    fn tell(
        &self,
        rule: &Rule,
        key: &mut KeyState,
        transition: Transition,
        at_ms: i64,
        step: &mut Step,
    ) {
        let rate = key.current_rate(rule, at_ms);
        let alert = Alert::of(key, &self.config, &rule.name, (transition, at_ms), rate);
        if let Some(alert) = alert {
            alert.write(&mut step.alerts);
        }
        if let Transition::End(_) = transition {
            key.close();
        }
    }
}

fn hex_text(hash: u128) -> String {
    String::from_utf8(hex32(hash).to_vec()).unwrap_or_default()
}

fn read_state(state: &[u8]) -> Result<KeyState, StepError> {
    if state.is_empty() {
        return Ok(KeyState::default());
    }
    let (format, rest) = state.split_first_chunk::<4>().ok_or(StepError::State)?;
    let tape = tape_of(u32::from_le_bytes(*format), rest).ok_or(StepError::State)?;
    read_all(tape).ok_or(StepError::State)
}

/// A value that a tape holds to its end.
fn read_all<'a, T: Codec<'a>>(mut tape: Tape<'a>) -> Option<T> {
    let mut value = T::blank();
    value.pass(&mut tape);
    tape.is_read_well().then_some(value)
}
