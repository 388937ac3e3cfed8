//! Calls a guest: writes the input, makes the call, reads the output.

use std::time::{Duration, Instant};

use maxconn_core::json::scan::is_object;
use wasmtime::{Trap, WasmParams};

use super::abi::{Export, Exports};
use super::plugin::{one_line, told};
use super::segments::{Segments, slice};
use super::{Breach, Fault, HostError, Instance, Kind};

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
        export: fn(&Exports) -> &Export<P>,
        arguments: P,
        mut sink: impl FnMut(Kind, &[u8]),
    ) -> Result<(), HostError> {
        let name = export(&self.exports).name;
        loop {
            let answer = self.call(export, arguments)?;
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
                return Err(self.breach(name, Breach::SaysNothing));
            }
        }
    }

    pub(super) fn call<P: WasmParams>(
        &mut self,
        export: fn(&Exports) -> &Export<P>,
        arguments: P,
    ) -> Result<i32, HostError> {
        self.store.set_epoch_deadline(self.allowance.epochs());
        let started = self.allowance.is_watched().then(Instant::now);
        let Export { name, function } = export(&self.exports);
        let answer = function.call(&mut self.store, arguments);
        if let Some(started) = started {
            self.allowance.took(started.elapsed());
        }
        answer.map_err(|error| {
            let refused = self.store.data().refused();
            failure(name, self.limit, &error, refused).of(&self.plugin)
        })
    }

    /// Turns the answer of a call into a result; a refusal's reason is in the output.
    pub(super) fn done(&mut self, name: &'static str, answer: i32) -> Result<(), HostError> {
        match answer {
            0 => Ok(()),
            REFUSED => {
                let reason: serde_json::Value =
                    serde_json::from_slice(self.output(name)?.bytes).unwrap_or_default();
                let member = |key: &str| reason[key].as_str().map_or(String::new(), told);
                Err(HostError::Refused {
                    path: member("path"),
                    problem: member("problem"),
                    mend: member("mend"),
                })
            }
            other => Err(self.breach(name, Breach::Answer(other))),
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
        let address = self.call(|exports| &exports.output, ())?;
        let memory = self.memory.data(&self.store);
        let allowance = &mut self.allowance;
        // Both are not negative, and within the input buffer, which was checked when it was written.
        let pushed = self.input_address.wrapping_add(start as u32);
        let pushed = slice(memory, pushed, len as u32).unwrap_or(&[]);
        let broken = |breach| Fault::Breach(name, breach);
        let mut hand_on = || {
            for segment in Segments::read(memory, address as u32)
                .map_err(broken)?
                .iter(pushed)
            {
                let (kind, bytes) = segment.map_err(broken)?;
                if !allowance.says(bytes.len()) {
                    return Err(Fault::TooMuch(name));
                }
                if kind != Kind::Passed && allowance.is_watched() && !is_document(bytes) {
                    return Err(broken(Breach::NotADocument));
                }
                sink(kind, bytes);
            }
            Ok(())
        };
        hand_on().map_err(|fault| fault.of(&self.plugin))
    }

    pub(super) fn output(&mut self, name: &'static str) -> Result<Segments<'_>, HostError> {
        let address = self.call(|exports| &exports.output, ())?;
        Segments::read(self.memory.data(&self.store), address as u32)
            .map_err(|breach| Fault::Breach(name, breach).of(&self.plugin))
    }

    /// Writes the parts one after the other into the input buffer; answers their length.
    pub(super) fn write_input(&mut self, parts: &[&[u8]]) -> Result<i32, HostError> {
        let total: usize = parts.iter().map(|part| part.len()).sum();
        self.grant(total);
        let no_room = |bytes| Fault::Breach("maxconn_input", Breach::NoRoom(bytes));
        let Ok(len) = i32::try_from(total) else {
            return Err(no_room(total).of(&self.plugin));
        };
        if total > self.input_capacity {
            let capacity = total.next_power_of_two().max(INPUT_MIN_BYTES);
            let asked = i32::try_from(capacity).unwrap_or(len);
            let address = self.call(|exports| &exports.input, (asked,))? as u32;
            let memory = self.memory.data(&self.store);
            if address == 0 || slice(memory, address, capacity as u32).is_none() {
                return Err(no_room(capacity).of(&self.plugin));
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

    pub(super) fn breach(&self, name: &'static str, breach: Breach) -> HostError {
        Fault::Breach(name, breach).of(&self.plugin)
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
    name: &'static str,
    limit: Duration,
    error: &wasmtime::Error,
    refused: Option<&'static str>,
) -> Fault {
    match (error.downcast_ref::<Trap>(), refused) {
        (Some(Trap::Interrupt), _) => Fault::TooSlow(name, limit),
        (_, Some(what)) => Fault::Exhausted(name, what),
        (Some(trap), None) => Fault::Trapped(name, trap.to_string()),
        (None, None) => Fault::Trapped(name, one_line(error)),
    }
}
