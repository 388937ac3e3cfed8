//! A host of the embed ABI, written from its README alone.

use maxconn_core::engine::{self, Format, KeyedInput};
use serde_json::json;

use crate::Error;
use crate::case::{Case, Step};
use crate::native;
use crate::run::{Batches, Piece, compare};
use crate::wasm::{Arg, Module, NoImports, Runtime};

const NO_TIME: i64 = i64::MIN;
/// The answer of a call that has more to say.
const MORE: i64 = 2;

/// An instance of the embed guest.
pub struct EmbedGuest {
    module: Module<NoImports>,
}

impl EmbedGuest {
    /// A fresh instance with this configuration.
    pub fn new(wasm: &[u8], runtime: Runtime, config: Option<&str>) -> Result<EmbedGuest, Error> {
        let mut guest = EmbedGuest {
            module: Module::new(wasm, runtime, NoImports)?,
        };
        if guest.call("maxconn_abi_version", &[])? != 1 {
            return Err("the module has another ABI version".into());
        }
        if let Some(config) = config {
            guest.input(config.as_bytes())?;
            guest.done("maxconn_configure", &[Arg::I32(config.len() as u32)])?;
        }
        Ok(guest)
    }

    /// Calls an export.
    pub fn call(&mut self, name: &str, args: &[Arg]) -> Result<i64, Error> {
        self.module.call(name, args)
    }

    /// Puts bytes into the input buffer.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let address = self.call("maxconn_input", &[Arg::I32(bytes.len() as u32)])?;
        self.module.write(address as u32, bytes)
    }

    /// A call that must answer "done".
    pub fn done(&mut self, name: &str, args: &[Arg]) -> Result<(), Error> {
        match self.call(name, args)? {
            0 => Ok(()),
            answer => {
                let bytes = self.bytes()?;
                let said = String::from_utf8_lossy(&bytes);
                Err(format!("{name} answered {answer}: {said}").into())
            }
        }
    }

    /// Pushes the input buffer's lines from `start`; how many bytes were consumed.
    pub fn push(&mut self, start: usize, len: usize, offset: i64) -> Result<usize, Error> {
        let [start, len] = [start, len].map(|number| Arg::I32(number as u32));
        let consumed = self.call("maxconn_push", &[start, len, Arg::I64(offset)])?;
        usize::try_from(consumed).map_err(|_| "maxconn_push refused its arguments".into())
    }

    /// The output's descriptor, as the README has it: where the segments are and how many, where the bytes are and how many.
    fn descriptor(&mut self) -> Result<[u32; 4], Error> {
        let address = self.call("maxconn_output", &[])? as u32;
        let numbers = self.module.numbers(address, 4)?;
        Ok(*numbers
            .first_chunk()
            .ok_or("the output has no descriptor")?)
    }

    /// The output's bytes.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        let [_, _, bytes, len] = self.descriptor()?;
        Ok(self.module.read(bytes, len)?.to_vec())
    }

    /// Moves the output to `pieces`.
    pub fn gather(&mut self, input: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Error> {
        let [at, count, bytes, len] = self.descriptor()?;
        if count == 0 {
            return Ok(());
        }
        let bytes = self.module.read(bytes, len)?;
        for &[kind, start, len] in self.module.numbers(at, count * 3)?.as_chunks().0 {
            let whole = if kind == 0 { input } else { bytes };
            let text = whole.get(start as usize..(start + len) as usize);
            let text = text.ok_or("a segment lies outside its bytes")?;
            Piece::push_lines(kind, text, pieces);
        }
        Ok(())
    }

    /// Gives it whole lines and takes all that it says of them; where they begin in their source, if that is known.
    pub fn push_all(
        &mut self,
        lines: &[u8],
        offset: Option<i64>,
        pieces: &mut Vec<Piece>,
    ) -> Result<(), Error> {
        self.input(lines)?;
        let mut done = 0;
        while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.map_or(-1, |offset| offset + done as i64);
            let consumed = self.push(done, rest.len(), at)?;
            self.gather(rest, pieces)?;
            if consumed == 0 {
                return Err("maxconn_push consumed nothing of a batch".into());
            }
            done += consumed;
        }
        Ok(())
    }

    /// Ends the input at its newest event, and takes all that it says of that.
    pub fn finish_all(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Error> {
        loop {
            let answer = self.call("maxconn_finish", &[Arg::I64(NO_TIME)])?;
            self.gather(&[], pieces)?;
            if answer != MORE {
                return Ok(());
            }
        }
    }

    /// Takes a source's description.
    pub fn source(&mut self, json: &str) -> Result<(), Error> {
        self.input(json.as_bytes())?;
        let args = [0, json.len() as u32].map(Arg::I32);
        self.done("maxconn_source", &args)
    }

    /// All state.
    pub fn snapshot(&mut self) -> Result<Vec<u8>, Error> {
        self.done("maxconn_snapshot", &[])?;
        self.bytes()
    }

    /// Goes on from a snapshot.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), Error> {
        self.input(snapshot)?;
        self.done("maxconn_restore", &[Arg::I32(snapshot.len() as u32)])
    }

    /// The event that a record carries, for [`EmbedGuest::step`].
    pub fn classify(&mut self, record: &[u8]) -> Result<Vec<u8>, Error> {
        self.input(record)?;
        let args = [Arg::I32(record.len() as u32), Arg::I64(NO_TIME)];
        let keys = self.call("maxconn_classify", &args)?;
        let before = 8 + usize::try_from(keys).map_err(|_| "maxconn_classify refused")? * 33;
        let bytes = self.bytes()?;
        let event = bytes.get(before..).filter(|_| keys > 0);
        Ok(event.ok_or("the record carries no event")?.to_vec())
    }

    /// Steps a key's state; the whole answer.
    pub fn step(
        &mut self,
        rule: u8,
        state: &[u8],
        input: KeyedInput<'_>,
    ) -> Result<Vec<u8>, Error> {
        let (event, len, now_ms) = match input {
            KeyedInput::Event(event) => (event, event.len() as u32, 0),
            KeyedInput::Timer(now_ms) => (&[][..], 0, now_ms),
            KeyedInput::End(now_ms) => (&[][..], u32::MAX, now_ms),
            _ => return Err("maxconn_step knows nothing of that; maxconn_drive does".into()),
        };
        self.input(&[state, event].concat())?;
        let [rule, state, len] = [u32::from(rule), state.len() as u32, len].map(Arg::I32);
        self.done("maxconn_step", &[rule, state, len, Arg::I64(now_ms)])?;
        self.bytes()
    }

    /// How large its memory is.
    pub fn memory_bytes(&self) -> usize {
        self.module.memory().len()
    }

    /// Fuel used so far.
    pub fn fuel(&self) -> u64 {
        self.module.fuel()
    }
}

/// What the guest answers where the core says this of a step.
pub fn answer(step: &engine::Step) -> Vec<u8> {
    let mut answer = u32::from(step.is_held_back).to_le_bytes().to_vec();
    answer.extend(step.timer_ms.unwrap_or(NO_TIME).to_le_bytes());
    answer.extend((step.state.len() as u32).to_le_bytes());
    answer.extend(&step.state);
    answer.extend(&step.alerts);
    answer
}

/// Whether the guest says what the core says, in whole and in random batches.
pub fn check(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
    let expected = native::run(case, &mut Batches::Whole)?;
    for mut batches in [Batches::Whole, Batches::seeded(case)] {
        let actual = run(case, wasm, runtime, &mut batches)?;
        compare(&format!("{batches:?}"), &expected, &actual)?;
    }
    Ok(())
}

/// Everything that comes out, in order.
pub fn run(
    case: &Case,
    wasm: &[u8],
    runtime: Runtime,
    batches: &mut Batches,
) -> Result<Vec<Piece>, Error> {
    let mut guest = start(case, wasm, runtime)?;
    let (mut pieces, mut offset) = (Vec::new(), 0);
    for step in &case.steps {
        match step {
            Step::Lines(lines) => {
                for batch in batches.cut(lines) {
                    let at = case.has_offsets.then_some(offset);
                    guest.push_all(batch.as_bytes(), at, &mut pieces)?;
                    offset += batch.len() as i64;
                }
                continue;
            }
            Step::Tick(at) => guest.done("maxconn_tick", &[Arg::I64(*at)])?,
            Step::Statistics => guest.done("maxconn_statistics", &[])?,
            Step::Finish(at) => guest.done("maxconn_finish", &[Arg::I64(at.unwrap_or(NO_TIME))])?,
            Step::Restart => {
                let snapshot = guest.snapshot()?;
                guest = start(case, wasm, runtime)?;
                guest.restore(&snapshot)?;
            }
        }
        guest.gather(&[], &mut pieces)?;
    }
    Ok(pieces)
}

/// A format's name, as every guest has it.
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Auto => "auto",
        Format::Text => "text",
        Format::Json => "json",
    }
}

/// An instance with a case's configuration and source.
pub fn start(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<EmbedGuest, Error> {
    let mut guest = EmbedGuest::new(wasm, runtime, case.given_config())?;
    let mut source = json!({"format": format_name(case.source.format)});
    if let Some(path) = &case.source.path {
        source["path"] = path.as_str().into();
    }
    if let Some(reference) = case.source.reference_ms {
        source["reference_time_ms"] = reference.into();
    }
    guest.source(&source.to_string())?;
    Ok(guest)
}
