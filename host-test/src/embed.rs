//! A host of the embed ABI, written from its README alone.

use maxconn_core::engine::{self, Format, KeyedInput};

use crate::Error;
use crate::case::{Case, Step};
use crate::native;
use crate::run::{Batches, Piece, compare};
use crate::wasm::{Arg, Module, NoImports, Runtime};

const NO_TIME: i64 = i64::MIN;
/// The answer of a call that has more to say.
const MORE: i64 = 2;

/// An instance of the embed guest.
pub struct Guest {
    module: Module<NoImports>,
}

impl Guest {
    /// A fresh instance with this configuration.
    ///
    /// # Errors
    /// The module can't be loaded, or refuses the configuration.
    pub fn new(wasm: &[u8], runtime: Runtime, config: Option<&str>) -> Result<Guest, Error> {
        let mut guest = Guest {
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

    fn call(&mut self, name: &str, args: &[Arg]) -> Result<i64, Error> {
        self.module.call(name, args)
    }

    /// Puts bytes into the input buffer.
    ///
    /// # Errors
    /// The guest has no room for them.
    pub fn input(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let address = self.call("maxconn_input", &[Arg::I32(bytes.len() as u32)])?;
        self.module.write(address as u32, bytes)
    }

    /// A call that must answer "done".
    ///
    /// # Errors
    /// It refused; its reason.
    pub fn done(&mut self, name: &str, args: &[Arg]) -> Result<(), Error> {
        match self.call(name, args)? {
            0 => Ok(()),
            answer => Err(format!(
                "{name} answered {answer}: {}",
                String::from_utf8_lossy(&self.bytes()?)
            )
            .into()),
        }
    }

    /// Pushes the input buffer's lines from `start`; how many bytes were consumed.
    ///
    /// # Errors
    /// The guest refused.
    pub fn push(&mut self, start: usize, len: usize, offset: i64) -> Result<usize, Error> {
        let consumed = self.call(
            "maxconn_push",
            &[
                Arg::I32(start as u32),
                Arg::I32(len as u32),
                Arg::I64(offset),
            ],
        )?;
        usize::try_from(consumed).map_err(|_| "maxconn_push refused its arguments".into())
    }

    /// The output's bytes.
    ///
    /// # Errors
    /// The guest names memory that it has not.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Error> {
        let address = self.call("maxconn_output", &[])? as u32;
        match self.module.numbers(address, 4)?[..] {
            [_, _, bytes, len] => Ok(self.module.read(bytes, len)?.to_vec()),
            _ => Err("the output has no descriptor".into()),
        }
    }

    /// Moves the output to `pieces`.
    ///
    /// # Errors
    /// The guest names memory that it has not.
    pub fn gather(&mut self, input: &[u8], pieces: &mut Vec<Piece>) -> Result<(), Error> {
        let bytes = self.bytes()?;
        let address = self.call("maxconn_output", &[])? as u32;
        let descriptor = self.module.numbers(address, 4)?;
        let (at, count) = (
            descriptor.first().copied().unwrap_or(0),
            descriptor.get(1).copied().unwrap_or(0),
        );
        if count == 0 {
            return Ok(());
        }
        for segment in self.module.numbers(at, count * 3)?.chunks_exact(3) {
            let &[kind, start, len] = segment else {
                continue;
            };
            let whole = if kind == 0 { input } else { &bytes };
            let text = whole
                .get(start as usize..(start + len) as usize)
                .ok_or("a segment lies outside its bytes")?;
            Piece::push_lines(kind, text, pieces);
        }
        Ok(())
    }

    /// Ends the input at its newest event; whether there is more to say.
    ///
    /// # Errors
    /// The guest trapped.
    pub fn finish(&mut self) -> Result<bool, Error> {
        Ok(self.call("maxconn_finish", &[Arg::I64(NO_TIME)])? == MORE)
    }

    /// All state.
    ///
    /// # Errors
    /// The guest trapped.
    pub fn snapshot(&mut self) -> Result<Vec<u8>, Error> {
        self.done("maxconn_snapshot", &[])?;
        self.bytes()
    }

    /// Goes on from a snapshot.
    ///
    /// # Errors
    /// The guest refused it.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), Error> {
        self.input(snapshot)?;
        self.done("maxconn_restore", &[Arg::I32(snapshot.len() as u32)])
    }

    /// The event that a record carries, for [`Guest::step`].
    ///
    /// # Errors
    /// It carries none.
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
    ///
    /// # Errors
    /// The guest refused.
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
///
/// # Errors
/// The first difference.
pub fn check(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
    let expected = native::run(case, &mut Batches::Whole)?;
    for mut batches in [Batches::Whole, Batches::seeded(case)] {
        let actual = run(case, wasm, runtime, &mut batches)?;
        compare(&format!("{batches:?}"), &expected, &actual)?;
    }
    Ok(())
}

/// Everything that comes out, in order.
///
/// # Errors
/// The guest trapped or refused.
pub fn run(
    case: &Case,
    wasm: &[u8],
    runtime: Runtime,
    batches: &mut Batches,
) -> Result<Vec<Piece>, Error> {
    let mut guest = start(case, wasm, runtime)?;
    let mut pieces = Vec::new();
    let mut offset = 0;
    for step in &case.steps {
        match step {
            Step::Lines(lines) => {
                for batch in batches.cut(lines) {
                    guest.input(batch.as_bytes())?;
                    let mut done = 0;
                    while done < batch.len() {
                        let at = if case.has_offsets { offset } else { -1 };
                        let consumed = guest.push(done, batch.len() - done, at)?;
                        guest.gather(
                            batch.as_bytes().get(done..).unwrap_or_default(),
                            &mut pieces,
                        )?;
                        if consumed == 0 {
                            return Err("maxconn_push consumed nothing of a batch".into());
                        }
                        done += consumed;
                        offset += consumed as i64;
                    }
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

fn start(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<Guest, Error> {
    let mut guest = Guest::new(wasm, runtime, case.given_config())?;
    let mut source = serde_json::Map::new();
    if let Some(path) = &case.source.path {
        source.insert("path".into(), path.as_str().into());
    }
    if let Some(reference) = case.source.reference_ms {
        source.insert("reference_time_ms".into(), reference.into());
    }
    source.insert("format".into(), format_name(case.source.format).into());
    let source = serde_json::Value::Object(source).to_string();
    guest.input(source.as_bytes())?;
    guest.done(
        "maxconn_source",
        &[Arg::I32(0), Arg::I32(source.len() as u32)],
    )?;
    Ok(guest)
}
