//! Steps single keys for keyed engines (Flink): the engine keeps each key's state as bytes and calls again by its
//! own event-time timers. The same state machine as the table's, so both agree to the byte when nothing is late.
//!
//! # How to drive it
//! [`Engine::observe`] says under which keys a record counts. For each of them, in the order given, and with
//! the state kept under that key (empty at first): [`Engine::step`] with the event; keep the state it returns,
//! emit the alerts, set the key's one timer. When the timer fires: `step` with [`Input::Timer`]. A state that is
//! empty again need not be kept. The record goes on if no step held it back, as [`Engine::enrich`] writes it.

use alloc::string::String;
use alloc::vec::Vec;

mod observe;
mod rules;

pub use observe::{Enriched, Observation};
pub use rules::KeyedRule;

use super::Engine;
use super::snapshot::{STATE_FORMAT, tape_of};
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
    /// An event, as [`Engine::observe`] gave it, that came when the watermark was no later than its time.
    Event(&'a [u8]),
    /// An event that came so many ms behind the watermark: timers end its flood as much later.
    LateEvent(&'a [u8], i64),
    /// The time that the last step set the key's timer to, or any later one. A key without a flood is forgotten then.
    Timer(i64),
    /// The end of input at that time.
    End(i64),
    /// Nothing came for so many ms, whatever the time is: a flood whose `quiet` is as long, the lateness added, is over.
    Silence(i64),
    /// The rule is gone, or has another key: the flood ends. If its users are named in another form than documents have
    /// now, without them.
    Gone {
        /// The rule that was.
        rule: &'a str,
        /// Whether names are to be left out.
        forgets_users: bool,
    },
    /// The rule has another window: what is in the key's counts no longer, a flood goes on.
    NewWindow,
}

/// What a step says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The state to keep; empty if there is nothing to be kept.
    pub state: Vec<u8>,
    /// Whether the event is held back.
    pub is_held_back: bool,
    /// The open flood that counts the event.
    pub flood: Option<u128>,
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
    /// Moves one key on.
    ///
    /// # Errors
    /// See [`StepError`]; the state that was given is still good then.
    pub fn step(&self, rule: u8, state: &[u8], input: Input<'_>) -> Result<Step, StepError> {
        let mut key = read_state(state)?;
        let mut step = Step::default();
        let was_open = key.flood().is_some();
        if let Input::Gone {
            rule,
            forgets_users,
        } = input
        {
            if forgets_users {
                key.forget_users();
            }
            let at_ms = key.flood().map_or(0, |flood| flood.last_ms);
            let end = (Transition::End(EndReason::Reconfigured), at_ms);
            self.write(rule, &mut key, end, 0.0, &mut step);
            return Ok(step);
        }
        let number = rule;
        let rule = self
            .config
            .rules
            .get(usize::from(number))
            .ok_or(StepError::Rule(number))?;
        match input {
            Input::Event(bytes) => self.take(rule, &mut key, (bytes, 0), &mut step)?,
            Input::LateEvent(bytes, behind_ms) => {
                self.take(rule, &mut key, (bytes, behind_ms), &mut step)?;
            }
            Input::Timer(now_ms) => self.fire_due(rule, &mut key, now_ms, &mut step),
            Input::Silence(for_ms) => {
                let enough_ms = rule
                    .quiet_ms
                    .saturating_add(self.config.allowed_lateness_ms);
                if for_ms >= enough_ms {
                    self.fire(rule, &mut key, i64::MAX, &mut step);
                }
            }
            Input::End(now_ms) => {
                self.fire_due(rule, &mut key, now_ms, &mut step);
                let last_ms = key.flood().map_or(now_ms, |flood| flood.last_ms);
                let end = Transition::End(EndReason::EndOfInput);
                self.tell(rule, &mut key, end, now_ms.max(last_ms), &mut step);
            }
            Input::NewWindow => key.forget_window(),
            Input::Gone { .. } => {}
        }
        if let Input::End(_) = input {
            // What was open is told, and more input starts afresh.
            return Ok(step);
        }
        if let Input::Timer(_) = input
            && !was_open
        {
            // It was set to when the key may be forgotten.
            key = KeyState::default();
        }
        if key == KeyState::default() {
            return Ok(step);
        }
        let expiry_ms = key.expiry_ms(rule, self.config.allowed_lateness_ms);
        let expiry_ms = expiry_ms.map(|expiry_ms| match input {
            Input::LateEvent(_, behind_ms) => expiry_ms.saturating_add(behind_ms.max(0)),
            // What another clock's events left behind the flood that ended.
            Input::Timer(now_ms) => expiry_ms.max(now_ms.saturating_add(rule.within_ms)),
            _ => expiry_ms,
        });
        step.timer_ms = key.due_ms(rule, i64::MIN).or(expiry_ms);
        let mut tape = Tape::after(STATE_FORMAT.to_le_bytes().to_vec());
        key.pass(&mut tape);
        step.state = tape.into_written();
        Ok(step)
    }

    /// Counts an event that came so many ms behind the watermark.
    fn take(
        &self,
        rule: &Rule,
        key: &mut KeyState,
        (bytes, behind_ms): (&[u8], i64),
        step: &mut Step,
    ) -> Result<(), StepError> {
        let (event, context): (Event<'_>, Context<'_>) =
            read_all(Tape::of(bytes)).ok_or(StepError::Event)?;
        let up_to_ms = key.reach_ms(rule, context.time_ms, event.times());
        self.fire(rule, key, up_to_ms, step);
        let mut hasher = FieldHasher::default();
        hasher.hash(&event, &context, self.floods.needs_net);
        let sighting = Sighting {
            event: &event,
            context: &context,
            hashes: hasher.hashes(),
            redactor: self.floods.redactor.as_deref(),
        };
        let lateness_ms = self.config.allowed_lateness_ms;
        let is_counted = match event.class {
            Class::Summary => key.sum_up(rule, &sighting).is_some(),
            _ => {
                let applied = key.apply(rule, lateness_ms, &sighting);
                step.is_held_back = applied.is_held_back;
                if applied.is_crossing {
                    key.open(rule, lateness_ms, &sighting);
                    step.is_held_back = rule.policy != Policy::Pass;
                    self.tell(rule, key, Transition::Start, context.time_ms, step);
                }
                applied.is_counted || applied.is_crossing
            }
        };
        if is_counted {
            key.seen_at(context.time_ms.saturating_add(behind_ms.max(0)), 0);
            step.flood = key.flood().map(|flood| flood.id);
        }
        Ok(())
    }

    /// Fires what is due at a time that is not the key's own.
    fn fire_due(&self, rule: &Rule, key: &mut KeyState, now_ms: i64, step: &mut Step) {
        let own_ms = now_ms.saturating_sub(key.behind_ms(i64::MIN));
        self.fire(rule, key, own_ms, step);
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
        self.write(&rule.name, key, (transition, at_ms), rate, step);
        if let Transition::End(_) = transition {
            key.close();
        }
    }

    fn write(
        &self,
        rule: &str,
        key: &mut KeyState,
        transition: (Transition, i64),
        rate: f64,
        step: &mut Step,
    ) {
        if let Some(alert) = Alert::of(key, &self.config, rule, transition, rate) {
            alert.write(&mut step.alerts);
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
