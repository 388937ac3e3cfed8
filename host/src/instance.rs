//! Drives one running guest: calls with types, and output handed on piece by piece.

use std::time::Duration;

use wasmtime::{Memory, Store};

use super::abi::Exports;
use super::exchange::failure;
use super::limits::{Allowance, Limiter};
use super::{ABI_VERSION, Breach, Fault, Format, HostError, Kind, Plugin, Verdict, Want};

/// The number that stands for "no time" in the ABI.
const NO_TIME: i64 = i64::MIN;

/// Where records come from, as the guest is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's path: `log.file.path` of its text lines.
    pub path: Option<String>,
    /// The missing year of a timestamp is the latest in which it is not later than this and a day.
    pub reference_time_ms: Option<i64>,
    /// What the clock shows, for live sources: a record dated a day later or more takes its time.
    pub clock_time_ms: Option<i64>,
    /// How lines are read.
    pub format: Format,
}

/// A running guest. Any call of it may fail ([`HostError`]); after another error than [`HostError::Refused`] it is of no
/// more use.
pub struct Instance {
    pub(super) plugin: String,
    pub(super) limit: Duration,
    pub(super) allowance: Allowance,
    pub(super) store: Store<Limiter>,
    pub(super) memory: Memory,
    pub(super) exports: Exports,
    pub(super) input_address: u32,
    pub(super) input_capacity: usize,
}

impl Instance {
    pub(super) fn new(plugin: &Plugin) -> Result<Instance, HostError> {
        let mut store = Store::new(&plugin.engine, Limiter::new(&plugin.limits));
        store.limiter(|limiter| limiter);
        let allowance = Allowance::new(plugin.is_foreign.then_some(plugin.limits));
        store.set_epoch_deadline(allowance.epochs());
        let failed = |name, error: &wasmtime::Error, refused| {
            failure(name, plugin.limits.call, error, refused).of(&plugin.name)
        };
        let instance = wasmtime::Instance::new(&mut store, &plugin.module, &[])
            .map_err(|error| failed("its start", &error, store.data().refused()))?;
        let exports = Exports::of(&instance, &mut store)
            .map_err(|(name, error)| failed(name, &error, None))?;
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| {
            Fault::Surface("it lacks the export memory".to_string()).of(&plugin.name)
        })?;
        let mut instance = Instance {
            plugin: plugin.name.clone(),
            limit: plugin.limits.call,
            allowance,
            store,
            memory,
            exports,
            input_address: 0,
            input_capacity: 0,
        };
        let version = instance.call(|exports| &exports.abi_version, ())?;
        if version != ABI_VERSION {
            return Err(Fault::Version(version).of(&plugin.name));
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
        self.drive(|exports| &exports.configure, (len,), sink)
    }

    /// Describes source `number` (0 to 1023), where the records that follow come from.
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
            |exports| &exports.source,
            (i32::from(number), len),
            |_, _| {},
        )
    }

    /// Goes back to a source that was described before.
    pub fn select_source(&mut self, number: u16) -> Result<(), HostError> {
        self.grant(0);
        self.drive(|exports| &exports.source, (i32::from(number), 0), |_, _| {})
    }

    /// Which output is written.
    pub fn want(&mut self, want: Want) -> Result<(), HostError> {
        let flags = i32::from(want.records)
            | i32::from(want.enriched) << 1
            | i32::from(want.alerts) << 2
            | i32::from(want.views) << 3
            | i32::from(want.held_back) << 4;
        let ids = i32::from(want.ids) << 5;
        self.grant(0);
        let mut answer = self.call(|exports| &exports.want, (flags | ids,))?;
        if answer != 0 && ids != 0 {
            // A guest of before tells none apart; then no id counts as its own.
            self.grant(0);
            answer = self.call(|exports| &exports.want, (flags,))?;
        }
        self.done("maxconn_want", answer)
    }

    /// Pushes whole lines; `offset` is where the first lies in its source. All output goes to `sink`.
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
            let consumed =
                self.call(|exports| &exports.push, (start, rest, offset.unwrap_or(-1)))?;
            let mut pieces = 0;
            self.drain(CALL, start, rest, |kind, bytes| {
                pieces += 1;
                sink(kind, bytes);
            })?;
            // A guest that takes nothing must at least have had something to say.
            if consumed < 0 || consumed > rest || (consumed == 0 && pieces == 0) {
                return Err(self.breach(CALL, Breach::Taken(consumed, rest)));
            }
            start += consumed;
        }
        Ok(())
    }

    /// Pushes one record without a newline, with the host's own time and a unique position for it.
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
        let answer = self.call(|exports| &exports.push_record, arguments)?;
        let verdict = match answer {
            0 => Verdict::Passed,
            1 => Verdict::Enriched,
            2 => Verdict::Suppressed,
            other => return Err(self.breach(CALL, Breach::Answer(other))),
        };
        self.drain(CALL, 0, total, sink)?;
        Ok(verdict)
    }

    /// Appends the time of every line to `times`, without taking the lines.
    pub fn line_times(
        &mut self,
        lines: &[u8],
        times: &mut Vec<Option<i64>>,
    ) -> Result<(), HostError> {
        const CALL: &str = "maxconn_line_times";
        let len = self.write_input(&[lines])?;
        let count = self.call(|exports| &exports.line_times, (len,))?;
        let (found, _) = self.output(CALL)?.bytes.as_chunks::<8>();
        // No line is shorter than its newline, but for a last one without.
        if found.len() > lines.len() + 1 || usize::try_from(count) != Ok(found.len()) {
            let times = found.len();
            return Err(self.breach(CALL, Breach::Times(count, times)));
        }
        times.extend(found.iter().map(|bytes| match i64::from_le_bytes(*bytes) {
            NO_TIME => None,
            time => Some(time),
        }));
        Ok(())
    }

    /// Says that time goes on though nothing arrives.
    pub fn tick(&mut self, now_ms: i64, sink: impl FnMut(Kind, &[u8])) -> Result<(), HostError> {
        self.grant(0);
        self.drive(|exports| &exports.tick, (now_ms,), sink)
    }

    /// The end of input, at the time of its last line (`None`: the newest event).
    pub fn finish(
        &mut self,
        time_ms: Option<i64>,
        sink: impl FnMut(Kind, &[u8]),
    ) -> Result<(), HostError> {
        self.grant(0);
        self.drive(
            |exports| &exports.finish,
            (time_ms.unwrap_or(NO_TIME),),
            sink,
        )
    }

    /// Ends every open flood, for a stop that keeps no state.
    pub fn shutdown(&mut self, sink: impl FnMut(Kind, &[u8])) -> Result<(), HostError> {
        self.grant(0);
        self.drive(|exports| &exports.shutdown, (), sink)
    }

    /// Writes a statistics document to `sink`.
    pub fn statistics(&mut self, sink: impl FnMut(Kind, &[u8])) -> Result<(), HostError> {
        self.grant(0);
        self.drive(|exports| &exports.statistics, (), sink)
    }

    /// All state, open floods included.
    pub fn snapshot(&mut self) -> Result<Vec<u8>, HostError> {
        const CALL: &str = "maxconn_snapshot";
        self.grant(0);
        let answer = self.call(|exports| &exports.snapshot, ())?;
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
        self.drive(|exports| &exports.restore, (len,), sink)
    }

    /// How large the guest's memory is.
    pub fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }
}
