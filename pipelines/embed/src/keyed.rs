//! Answers keyed engines (Flink), which keep each key's state as bytes and have timers of their own.

use maxconn_core::engine::KeyedInput;

use crate::{BAD_CALL, Instance, NO_TIME, OK, described, known, ready, refuse, span};

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
        let Some(found) = engine.classify(source, record, known(time_ms)) else {
            return OK;
        };
        let bytes = &mut self.out.bytes;
        bytes.extend_from_slice(&found.time_ms.to_le_bytes());
        for (rule, key) in &found.keys {
            bytes.push(*rule);
            bytes.extend_from_slice(key.as_bytes());
        }
        bytes.extend_from_slice(&found.event);
        i32::try_from(found.keys.len()).unwrap_or(BAD_CALL)
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
                bytes.extend_from_slice(&(step.state.len() as u32).to_le_bytes());
                bytes.extend_from_slice(&step.state);
                bytes.extend_from_slice(&step.alerts);
                OK
            }
            Err(error) => {
                let (problem, mend) = error.say();
                refuse(&mut self.out, "step", &problem, mend)
            }
        }
    }
}
