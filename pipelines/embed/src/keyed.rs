//! Answers keyed engines (Flink), which keep each key's state as bytes and have timers of their own.

use maxconn_core::engine::{KeyedEvent, KeyedInput, Observation, Output, Place, Step, StepError};
use maxconn_core::hash::hex32;

use crate::{BAD_CALL, Instance, NO_TIME, OK, described, known, ready, refuse, span};

/// What `maxconn_observe` answers when something else goes on in the record's place.
const GOES_ON: i32 = -2;

impl Instance {
    /// Recognises the record at the head of the input; answers under how many keys it counts, 0 for a record
    /// without an event. The output's bytes are: the event's time (i64), then for each key the number of
    /// its rule (one byte) and the key (32 hex digits), then the event.
    pub(crate) fn classify(&mut self, len: i32, time_ms: i64) -> i32 {
        self.out.clear();
        let (Some(record), Some(source)) = (
            span(&self.input, 0, len),
            described(&self.sources, self.current),
        ) else {
            return BAD_CALL;
        };
        let Some(engine) = ready(&mut self.engine) else {
            return BAD_CALL;
        };
        match engine.classify(source, record, known(time_ms)) {
            Some(event) => write_event(&mut self.out.bytes, &event),
            None => OK,
        }
    }

    /// Moves one key on: the input holds its state (empty at first) and then the event, if there is one.
    /// With `event_len` 0, `now_ms` is the time of the timer that fired; with -1 it is the end of input, and
    /// the key's flood ends. The output's bytes are: whether the event is held back (u32), the key's next timer
    /// (i64), the length of the state (u32), the state, and alerts to the end.
    pub(crate) fn step(&mut self, rule: i32, state_len: i32, event_len: i32, now_ms: i64) -> i32 {
        self.out.clear();
        let (Some(state), Some(event)) = (
            span(&self.input, 0, state_len),
            span(&self.input, state_len, event_len.max(0)),
        ) else {
            return BAD_CALL;
        };
        let (Some(engine), Ok(rule)) = (ready(&mut self.engine), u8::try_from(rule)) else {
            return BAD_CALL;
        };
        let input = match event_len {
            -1 => KeyedInput::End(now_ms),
            0 => KeyedInput::Timer(now_ms),
            _ => KeyedInput::Event(event),
        };
        match engine.step(rule, state, input) {
            Ok(step) => {
                let bytes = &mut self.out.bytes;
                bytes.extend_from_slice(&u32::from(step.is_held_back).to_le_bytes());
                bytes.extend_from_slice(&step.timer_ms.unwrap_or(NO_TIME).to_le_bytes());
                write_rest(bytes, &step);
                OK
            }
            Err(error) => refuse_step(&mut self.out, error),
        }
    }

    /// Says of each rule its stage (one byte), what tells it from others, and its windows from others (u64 each), the length of its name
    /// (u16) and the name; behind them what tells the redaction from others (u64). Answers how many rules there are.
    pub(crate) fn rules(&mut self) -> i32 {
        self.out.clear();
        let Some(engine) = ready(&mut self.engine) else {
            return BAD_CALL;
        };
        let rules = engine.keyed_rules();
        let bytes = &mut self.out.bytes;
        for rule in &rules {
            bytes.push(rule.stage);
            bytes.extend_from_slice(&rule.identity.to_le_bytes());
            bytes.extend_from_slice(&rule.window.to_le_bytes());
            bytes.extend_from_slice(&(rule.name.len() as u16).to_le_bytes());
            bytes.extend_from_slice(rule.name.as_bytes());
        }
        bytes.extend_from_slice(&engine.keyed_redaction().to_le_bytes());
        i32::try_from(rules.len()).unwrap_or(BAD_CALL)
    }

    /// As [`Instance::classify`], and counts the record; -2 if what is in the output's bytes goes on in its place.
    pub(crate) fn observe(
        &mut self,
        len: i32,
        time_ms: i64,
        offset: i64,
        position_len: i32,
    ) -> i32 {
        self.out.clear();
        let (Some(record), Some(position), Some(source)) = (
            span(&self.input, 0, len),
            span(&self.input, len, position_len),
            described(&self.sources, self.current),
        ) else {
            return BAD_CALL;
        };
        let Some(engine) = ready(&mut self.engine) else {
            return BAD_CALL;
        };
        match engine.observe(
            source,
            record,
            place(time_ms, offset, position),
            &mut self.out,
        ) {
            Observation::Passes => OK,
            Observation::GoesOn => GOES_ON,
            Observation::Counts(event) => write_event(&mut self.out.bytes, &event),
        }
    }

    /// Writes the document of an event that goes on: the input holds the record, its position, and the id of the flood
    /// that counts it.
    pub(crate) fn enrich(
        &mut self,
        len: i32,
        time_ms: i64,
        offset: i64,
        position_len: i32,
        flood_len: i32,
    ) -> i32 {
        self.out.clear();
        let (Some(record), Some(position), Some(flood), Some(source)) = (
            span(&self.input, 0, len),
            span(&self.input, len, position_len),
            span(&self.input, len.saturating_add(position_len), flood_len),
            described(&self.sources, self.current),
        ) else {
            return BAD_CALL;
        };
        // An id of ours is in hex; anything else is none.
        let is_hex = flood.len() == 32 && flood.iter().all(u8::is_ascii_hexdigit);
        let flood = core::str::from_utf8(flood).ok().filter(|_| is_hex);
        let Some(engine) = ready(&mut self.engine) else {
            return BAD_CALL;
        };
        let place = place(time_ms, offset, position);
        match engine.enrich(source, record, place, flood, &mut self.out) {
            Some(_) => OK,
            None => {
                let mend = "enrich records of which maxconn_observe said keys, with its time";
                refuse(&mut self.out, "record", "it carries no event", mend)
            }
        }
    }

    /// Moves one key on, as [`Instance::step`] does, by whatever happens to it. The output's bytes are: flags (u32: 1 the event is
    /// held back, 2 a flood is open that counts it), the key's next timer (i64), the flood (32 hex digits), the length of
    /// the state (u32), the state, and alerts to the end.
    pub(crate) fn drive_key(
        &mut self,
        what: i32,
        rule: i32,
        state_len: i32,
        input_len: i32,
        time_ms: i64,
    ) -> i32 {
        self.out.clear();
        let (Some(state), Some(bytes)) = (
            span(&self.input, 0, state_len),
            span(&self.input, state_len, input_len),
        ) else {
            return BAD_CALL;
        };
        let (Some(engine), Ok(rule)) = (ready(&mut self.engine), u8::try_from(rule)) else {
            return BAD_CALL;
        };
        let input = match what {
            0 => KeyedInput::LateEvent(bytes, time_ms),
            1 => KeyedInput::Timer(time_ms),
            2 => KeyedInput::End(time_ms),
            3 => KeyedInput::Silence(time_ms),
            4 | 6 => KeyedInput::Gone {
                rule: core::str::from_utf8(bytes).unwrap_or_default(),
                forgets_users: what == 6,
            },
            5 => KeyedInput::NewWindow,
            _ => return BAD_CALL,
        };
        match engine.step(rule, state, input) {
            Ok(step) => {
                let flags = u32::from(step.is_held_back) | u32::from(step.flood.is_some()) << 1;
                let bytes = &mut self.out.bytes;
                bytes.extend_from_slice(&flags.to_le_bytes());
                bytes.extend_from_slice(&step.timer_ms.unwrap_or(NO_TIME).to_le_bytes());
                bytes.extend_from_slice(&hex32(step.flood.unwrap_or(0)));
                write_rest(bytes, &step);
                OK
            }
            Err(error) => refuse_step(&mut self.out, error),
        }
    }
}

fn place(time_ms: i64, offset: i64, position: &[u8]) -> Place<'_> {
    Place {
        time_ms: known(time_ms),
        offset: u64::try_from(offset).ok(),
        position: (!position.is_empty()).then_some(position),
    }
}

/// An event's time, its keys and itself; how many keys there are.
fn write_event(bytes: &mut Vec<u8>, event: &KeyedEvent) -> i32 {
    bytes.extend_from_slice(&event.time_ms.to_le_bytes());
    for (rule, key) in &event.keys {
        bytes.push(*rule);
        bytes.extend_from_slice(key.as_bytes());
    }
    bytes.extend_from_slice(&event.event);
    i32::try_from(event.keys.len()).unwrap_or(BAD_CALL)
}

fn write_rest(bytes: &mut Vec<u8>, step: &Step) {
    bytes.extend_from_slice(&(step.state.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&step.state);
    bytes.extend_from_slice(&step.alerts);
}

fn refuse_step(out: &mut Output, error: StepError) -> i32 {
    let (problem, mend) = error.say();
    refuse(out, "step", &problem, mend)
}
