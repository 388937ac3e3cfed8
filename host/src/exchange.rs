//! Calls a guest: writes the input, makes the call, reads the output.

use std::time::{Duration, Instant};

use maxconn_core::json::scan::is_object;
use wasmtime::{Trap, TypedFunc, WasmParams, WasmResults};

use super::calls::Calls;
use super::output::{Output, slice};
use super::plugin::{one_line, told};
use super::{HostError, Instance, Kind};

/// The input buffer is made at least this large, so that it is rarely made again.
const INPUT_MIN_BYTES: usize = 128 * 1024;
/// What a call answers when it refuses; the output says why.
const REFUSED: i32 = 1;
/// What a call answers when there is more to say than fits at once.
const MORE: i32 = 2;

impl Instance {
    /// Something new is asked of the guest, with so many bytes to read.
    pub(super) fn grant(&mut self, input_bytes: usize) {
        self.allowance.grant(input_bytes);
        self.store.data_mut().forget_refused();
    }

    /// A call that is made again as long as the guest says that there is more.
    pub(super) fn drive<P: WasmParams + Copy>(
        &mut self,
        name: &'static str,
        function: fn(&Calls) -> &TypedFunc<P, i32>,
        arguments: P,
        mut sink: impl FnMut(Kind, &[u8]),
    ) -> Result<(), HostError> {
        loop {
            let answer = self.call(name, function, arguments)?;
            if answer != MORE {
                self.done(name, answer)?;
                return self.drain(name, 0, 0, sink);
            }
            let mut pieces = 0;
            self.drain(name, 0, 0, |kind, bytes| {
                pieces += 1;
                sink(kind, bytes);
            })?;
            if pieces == 0 {
                return Err(self.invalid(name, "has more to say but says nothing".to_string()));
            }
        }
    }

    pub(super) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
        function: fn(&Calls) -> &TypedFunc<P, R>,
        arguments: P,
    ) -> Result<R, HostError> {
        self.store.set_epoch_deadline(self.allowance.epochs());
        let started = self.allowance.is_watched().then(Instant::now);
        let answer = function(&self.calls).call(&mut self.store, arguments);
        if let Some(started) = started {
            self.allowance.took(started.elapsed());
        }
        answer.map_err(|error| {
            let refused = self.store.data().refused();
            failure(&self.plugin, name, self.limit, &error, refused)
        })
    }

    /// Turns the answer of a call into a result; a refusal's reason is in the output.
    pub(super) fn done(&mut self, name: &'static str, answer: i32) -> Result<(), HostError> {
        match answer {
            0 => Ok(()),
            REFUSED => {
                let reason: serde_json::Value = serde_json::from_slice(self.output(name)?.bytes)
                    .unwrap_or(serde_json::Value::Null);
                let member = |key: &str| {
                    reason
                        .get(key)
                        .and_then(|value| value.as_str())
                        .map_or(String::new(), told)
                };
                Err(HostError::Refused {
                    path: member("path"),
                    problem: member("problem"),
                    mend: member("mend"),
                })
            }
            other => Err(self.invalid(name, format!("answers {other}"))),
        }
    }

    /// Hands every segment on; `len` bytes from `start` of the input are what was pushed.
    pub(super) fn drain(
        &mut self,
        name: &'static str,
        start: i32,
        len: i32,
        mut sink: impl FnMut(Kind, &[u8]),
    ) -> Result<(), HostError> {
        let (input, address) = (
            self.input_address,
            self.call("maxconn_output", |calls| &calls.output, ())?,
        );
        let memory = self.memory.data(&self.store);
        let allowance = &mut self.allowance;
        // Both are not negative, and within the input buffer, which was checked when it was written.
        let pushed = slice(memory, input.wrapping_add(start as u32), len as u32).unwrap_or(&[]);
        let mut says_too_much = false;
        let result = Output::read(memory, address as u32).and_then(|output| {
            output.segments(pushed).try_for_each(|segment| {
                let (kind, bytes) = segment?;
                if !allowance.says(bytes.len()) {
                    says_too_much = true;
                    return Err(String::new());
                }
                if kind != Kind::Passed && allowance.is_watched() && !is_document(bytes) {
                    return Err(
                        "gives a document that is no JSON object on a line of its own".to_string(),
                    );
                }
                sink(kind, bytes);
                Ok(())
            })
        });
        result.map_err(|problem| match says_too_much {
            true => HostError::TooMuch {
                plugin: self.plugin.clone(),
                call: name,
            },
            false => self.invalid(name, problem),
        })
    }

    pub(super) fn output(&mut self, name: &'static str) -> Result<Output<'_>, HostError> {
        let address = self.call("maxconn_output", |calls| &calls.output, ())?;
        let plugin = &self.plugin;
        Output::read(self.memory.data(&self.store), address as u32).map_err(|problem| {
            HostError::Invalid {
                plugin: plugin.clone(),
                call: name,
                problem,
            }
        })
    }

    /// Writes the parts one after the other into the input buffer; answers their length.
    pub(super) fn write_input(&mut self, parts: &[&[u8]]) -> Result<i32, HostError> {
        const CALL: &str = "maxconn_input";
        let total: usize = parts.iter().map(|part| part.len()).sum();
        self.grant(total);
        let Ok(len) = i32::try_from(total) else {
            return Err(self.invalid(CALL, format!("cannot take {total} bytes")));
        };
        if total > self.input_capacity {
            let capacity = total.next_power_of_two().max(INPUT_MIN_BYTES);
            let address = self.call(
                CALL,
                |calls| &calls.input,
                i32::try_from(capacity).unwrap_or(len),
            )? as u32;
            if address == 0
                || slice(self.memory.data(&self.store), address, capacity as u32).is_none()
            {
                return Err(self.invalid(CALL, format!("has no room for {capacity} bytes")));
            }
            (self.input_address, self.input_capacity) = (address, capacity);
        }
        let mut at = self.input_address as usize;
        let memory = self.memory.data_mut(&mut self.store);
        for part in parts {
            // In bounds: the whole buffer was when the guest gave its address, and memories never shrink.
            if let Some(place) = memory.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        }
        Ok(len)
    }

    pub(super) fn invalid(&self, call: &'static str, problem: String) -> HostError {
        HostError::Invalid {
            plugin: self.plugin.clone(),
            call,
            problem,
        }
    }
}

/// Whether a document is one line of JSON in UTF-8, which no control character is part of.
fn is_document(bytes: &[u8]) -> bool {
    bytes.strip_suffix(b"\n").is_some_and(|line| {
        !line.contains(&b'\n') && is_object(line) && std::str::from_utf8(line).is_ok()
    })
}

/// Why a call failed; `refused` is what the guest had wanted more of.
pub(super) fn failure(
    plugin: &str,
    call: &'static str,
    limit: Duration,
    error: &wasmtime::Error,
    refused: Option<&'static str>,
) -> HostError {
    let plugin = plugin.to_string();
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => HostError::TooSlow {
            plugin,
            call,
            limit,
        },
        _ if let Some(what) = refused => HostError::Exhausted { plugin, call, what },
        Some(trap) => HostError::Trapped {
            plugin,
            call,
            reason: trap.to_string(),
        },
        None => HostError::Trapped {
            plugin,
            call,
            reason: one_line(error),
        },
    }
}
