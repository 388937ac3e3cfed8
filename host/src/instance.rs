//! One running guest: its calls with types, and its output handed on piece by piece.

use std::time::Instant;

use maxconn_core::json::scan::is_object;
use wasmtime::{Memory, Store, Trap, TypedFunc, WasmParams, WasmResults};

use super::calls::Calls;
use super::limits::{Allowance, Limiter};
use super::output::{Output, slice};
use super::plugin::{one_line, told};
use super::{ABI_VERSION, Format, HostError, Kind, Plugin, Verdict, Want};

/// The number that stands for "no time" in the ABI.
const NO_TIME: i64 = i64::MIN;
/// The input buffer is made at least this large, so that it is rarely made again.
const INPUT_MIN_BYTES: usize = 128 * 1024;
/// What a call answers when it refuses; the output says why.
const REFUSED: i32 = 1;
/// What a call answers when there is more to say than fits at once.
const MORE: i32 = 2;

/// Where records come from, as the guest is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's path: `log.file.path` of its text lines.
    pub path: Option<String>,
    /// The time that the missing year of a timestamp is nearest to.
    pub reference_time_ms: Option<i64>,
    /// What the clock shows, for live sources: a record dated a day later or more takes its time.
    pub clock_time_ms: Option<i64>,
    /// How lines are read.
    pub format: Format,
}

/// A running guest. After an error other than [`HostError::Refused`] it is of no more use.
pub struct Instance {
    plugin: String,
    limit: std::time::Duration,
    allowance: Allowance,
    store: Store<Limiter>,
    memory: Memory,
    calls: Calls,
    input_address: u32,
    input_capacity: usize,
}

impl Instance {
    pub(super) fn new(plugin: &Plugin) -> Result<Instance, HostError> {
        let mut store = Store::new(&plugin.engine, Limiter::new(&plugin.limits));
        store.limiter(|limiter| limiter);
        let allowance = Allowance::new(plugin.is_foreign.then_some(plugin.limits));
        store.set_epoch_deadline(allowance.epochs());
        let failed = |call, error: &wasmtime::Error, refused| {
            failure(&plugin.name, call, plugin.limits.call, error, refused)
        };
        let instance = wasmtime::Instance::new(&mut store, &plugin.module, &[])
            .map_err(|error| failed("its start", &error, store.data().refused()))?;
        let memory =
            instance
                .get_memory(&mut store, "memory")
                .ok_or_else(|| HostError::Surface {
                    plugin: plugin.name.clone(),
                    problem: "it lacks the export memory".to_string(),
                })?;
        let calls =
            Calls::of(&instance, &mut store).map_err(|(name, error)| failed(name, &error, None))?;
        let mut instance = Instance {
            plugin: plugin.name.clone(),
            limit: plugin.limits.call,
            allowance,
            store,
            memory,
            calls,
            input_address: 0,
            input_capacity: 0,
        };
        let version = instance.call("maxconn_abi_version", |calls| &calls.abi_version, ())?;
        if version != ABI_VERSION {
            return Err(HostError::Version {
                plugin: instance.plugin,
                version,
            });
        }
        Ok(instance)
    }

    /// Puts a configuration (JSON) in force; floods that it ends go to `sink`.
    ///
    /// # Errors
    /// [`HostError::Refused`] says what is wrong with it; the one before stays in force then.
    pub fn configure(
        &mut self,
        json: &[u8],
        sink: impl FnMut(Kind, &[u8]),
    ) -> Result<(), HostError> {
        let len = self.write_input(&[json])?;
        self.drive("maxconn_configure", |calls| &calls.configure, len, sink)
    }

    /// Describes source `number` (0 to 1023), where the records that follow come from.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn source(&mut self, number: u16, source: &Source) -> Result<(), HostError> {
        let format = match source.format {
            Format::Auto => "auto",
            Format::Text => "text",
            Format::Json => "json",
        };
        let json = serde_json::json!({
            "path": source.path, "reference_time_ms": source.reference_time_ms,
            "clock_time_ms": source.clock_time_ms, "format": format,
        });
        let len = self.write_input(&[json.to_string().as_bytes()])?;
        self.drive(
            "maxconn_source",
            |calls| &calls.source,
            (i32::from(number), len),
            |_, _| {},
        )
    }

    /// Goes back to a source that was described before.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn select_source(&mut self, number: u16) -> Result<(), HostError> {
        self.grant(0);
        self.drive(
            "maxconn_source",
            |calls| &calls.source,
            (i32::from(number), 0),
            |_, _| {},
        )
    }

    /// Which output is written.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn want(&mut self, want: Want) -> Result<(), HostError> {
        let flags = i32::from(want.records)
            | i32::from(want.enriched) << 1
            | i32::from(want.alerts) << 2
            | i32::from(want.views) << 3
            | i32::from(want.held_back) << 4;
        let ids = i32::from(want.ids) << 5;
        self.grant(0);
        let mut answer = self.call("maxconn_want", |calls| &calls.want, flags | ids)?;
        if answer != 0 && ids != 0 {
            // A guest of before tells none apart; then no id counts as its own.
            self.grant(0);
            answer = self.call("maxconn_want", |calls| &calls.want, flags)?;
        }
        self.done("maxconn_want", answer)
    }

    /// Pushes whole lines; `offset` is where the first lies in its source. All output goes to `sink`.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn push(
        &mut self,
        lines: &[u8],
        offset: Option<u64>,
        mut sink: impl FnMut(Kind, &[u8]),
    ) -> Result<(), HostError> {
        const CALL: &str = "maxconn_push";
        let len = self.write_input(&[lines])?;
        let mut start = 0;
        while start < len {
            let offset =
                offset.and_then(|offset| i64::try_from(offset).ok()?.checked_add(i64::from(start)));
            let rest = len - start;
            let consumed = self.call(
                CALL,
                |calls| &calls.push,
                (start, rest, offset.unwrap_or(-1)),
            )?;
            let mut pieces = 0;
            self.drain(CALL, start, rest, |kind, bytes| {
                pieces += 1;
                sink(kind, bytes);
            })?;
            // A guest that takes nothing must at least have had something to say.
            if consumed < 0 || consumed > rest || (consumed == 0 && pieces == 0) {
                return Err(self.invalid(CALL, format!("answers {consumed} for {rest} bytes")));
            }
            start += consumed;
        }
        Ok(())
    }

    /// Pushes one record without a newline, with the host's own time and a unique position for it.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn push_record(
        &mut self,
        record: &[u8],
        time_ms: Option<i64>,
        position: &[u8],
        sink: impl FnMut(Kind, &[u8]),
    ) -> Result<Verdict, HostError> {
        const CALL: &str = "maxconn_push_record";
        let total = self.write_input(&[record, position])?;
        // Both fit, as their sum does.
        let (len, position_len) = (record.len() as i32, position.len() as i32);
        let arguments = (len, time_ms.unwrap_or(NO_TIME), position_len);
        let answer = self.call(CALL, |calls| &calls.push_record, arguments)?;
        let verdict = match answer {
            0 => Verdict::Passed,
            1 => Verdict::Enriched,
            2 => Verdict::Suppressed,
            other => return Err(self.invalid(CALL, format!("answers {other}"))),
        };
        self.drain(CALL, 0, total, sink)?;
        Ok(verdict)
    }

    /// Appends the time of every line to `times`, without taking the lines.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn line_times(
        &mut self,
        lines: &[u8],
        times: &mut Vec<Option<i64>>,
    ) -> Result<(), HostError> {
        const CALL: &str = "maxconn_line_times";
        let len = self.write_input(&[lines])?;
        let count = self.call(CALL, |calls| &calls.line_times, len)?;
        let (found, _) = self.output(CALL)?.bytes.as_chunks::<8>();
        // No line is shorter than its newline, but for a last one without.
        if found.len() > lines.len() + 1 || usize::try_from(count) != Ok(found.len()) {
            let found = found.len();
            return Err(self.invalid(CALL, format!("answers {count} and gives {found} times")));
        }
        times.extend(found.iter().map(|bytes| match i64::from_le_bytes(*bytes) {
            NO_TIME => None,
            time => Some(time),
        }));
        Ok(())
    }

    /// Says that time goes on though nothing arrives.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn tick(&mut self, now_ms: i64, sink: impl FnMut(Kind, &[u8])) -> Result<(), HostError> {
        self.grant(0);
        self.drive("maxconn_tick", |calls| &calls.tick, now_ms, sink)
    }

    /// The end of input, at the time of its last line (`None`: the newest event).
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn finish(
        &mut self,
        time_ms: Option<i64>,
        sink: impl FnMut(Kind, &[u8]),
    ) -> Result<(), HostError> {
        self.grant(0);
        self.drive(
            "maxconn_finish",
            |calls| &calls.finish,
            time_ms.unwrap_or(NO_TIME),
            sink,
        )
    }

    /// Ends every open flood, for a stop that keeps no state.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn shutdown(&mut self, sink: impl FnMut(Kind, &[u8])) -> Result<(), HostError> {
        self.grant(0);
        self.drive("maxconn_shutdown", |calls| &calls.shutdown, (), sink)
    }

    /// Writes a statistics document to `sink`.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn statistics(&mut self, sink: impl FnMut(Kind, &[u8])) -> Result<(), HostError> {
        self.grant(0);
        self.drive("maxconn_statistics", |calls| &calls.statistics, (), sink)
    }

    /// All state, open floods included.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn snapshot(&mut self) -> Result<Vec<u8>, HostError> {
        const CALL: &str = "maxconn_snapshot";
        self.grant(0);
        let answer = self.call(CALL, |calls| &calls.snapshot, ())?;
        self.done(CALL, answer)?;
        Ok(self.output(CALL)?.bytes.to_vec())
    }

    /// Goes on from a snapshot; floods that end by it go to `sink`.
    ///
    /// # Errors
    /// [`HostError::Refused`] where it is foreign or damaged; nothing has changed then.
    pub fn restore(
        &mut self,
        snapshot: &[u8],
        sink: impl FnMut(Kind, &[u8]),
    ) -> Result<(), HostError> {
        let len = self.write_input(&[snapshot])?;
        self.drive("maxconn_restore", |calls| &calls.restore, len, sink)
    }

    /// How large the guest's memory is.
    pub fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// Something new is asked of the guest, with so many bytes to read.
    fn grant(&mut self, input_bytes: usize) {
        self.allowance.grant(input_bytes);
        self.store.data_mut().forget_refused();
    }

    /// A call that is made again as long as the guest says that there is more.
    fn drive<P: WasmParams + Copy>(
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

    fn call<P: WasmParams, R: WasmResults>(
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
    fn done(&mut self, name: &'static str, answer: i32) -> Result<(), HostError> {
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
    fn drain(
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

    fn output(&mut self, name: &'static str) -> Result<Output<'_>, HostError> {
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
    fn write_input(&mut self, parts: &[&[u8]]) -> Result<i32, HostError> {
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

    fn invalid(&self, call: &'static str, problem: String) -> HostError {
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
fn failure(
    plugin: &str,
    call: &'static str,
    limit: std::time::Duration,
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
