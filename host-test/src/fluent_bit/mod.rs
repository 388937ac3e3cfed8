//! A model of Fluent Bit's wasm filter: JSON records one at a time, non-ASCII escaped, times beside them,
//! one answer each, every answer parsed.

pub mod pipeline;

use maxconn_core::engine::{Engine, Kind, Output, Verdict};
use maxconn_core::record::write_text_record;
use maxconn_host::bake::room_of;
use serde_json::Value;

use crate::Error;
use crate::case::{Case, Step};
use crate::native;
use crate::run::same;
use crate::wasm::{Arg, Imports, Module, NoImports, Runtime, at, fd_write, put, put_number, span};

const TICK_TAG: &[u8] = b"maxconn.tick";
/// What every alert begins with here.
pub const ALERT_ROUTE: &str = r#"{"maxconn_route":"alert","#;
/// What every event that goes on ends with.
const EVENT_ROUTE: &str = r#","maxconn_route":"event"}"#;

/// What the host offers: standard error, by WASI, and of C's library what the guest asks for.
#[derive(Default)]
struct Offered {
    said: Vec<u8>,
}

impl Imports for Offered {
    fn call(&mut self, name: &str, args: &[i64], memory: &mut [u8]) -> Result<i64, Error> {
        match name {
            "env.memchr" => {
                let (start, byte) = (at(args, 0), at(args, 1) as u8);
                let text = span(memory, start, at(args, 2))?;
                let found = text.iter().position(|other| *other == byte);
                return Ok(found.map_or(0, |found| (start + found) as i64));
            }
            "wasi_snapshot_preview1.fd_write" => {}
            _ => return NoImports.call(name, args, memory),
        }
        match fd_write(args, memory, usize::MAX)? {
            (2, bytes) => self.said.extend(bytes),
            (fd, _) => return Err(format!("it writes to file {fd}").into()),
        }
        Ok(0)
    }
}

/// Puts a configuration into the memory of an instance before it starts: the room is as in the file, and
/// the module need not be compiled anew.
pub(crate) fn bake_memory(memory: &mut [u8], config: &str) -> Result<(), Error> {
    let room = room_of(memory)? as usize;
    put_number(memory, room, config.len())?;
    put(memory, room + 4, config.as_bytes())
}

/// An instance of the filter.
pub struct Filter {
    module: Module<Offered>,
}

impl Filter {
    /// A fresh instance with this configuration, as the host starts it: the module imports WASI, so its
    /// `_initialize` runs.
    ///
    /// # Errors
    /// The module can't be loaded, has no room for the configuration, or refuses it: its own sentence.
    pub fn new(wasm: &[u8], runtime: Runtime, config: Option<&str>) -> Result<Filter, Error> {
        let mut filter = Filter::without_start(wasm, runtime, config)?;
        match filter.module.call("_initialize", &[]) {
            Ok(_) => Ok(filter),
            Err(trap) => match String::from_utf8_lossy(&filter.module.host().said).as_ref() {
                "" => Err(trap),
                said => Err(said.into()),
            },
        }
    }

    /// A fresh instance under a host that does not call `_initialize`.
    ///
    /// # Errors
    /// As for [`Filter::new`], but for the refusal.
    pub fn without_start(
        wasm: &[u8],
        runtime: Runtime,
        config: Option<&str>,
    ) -> Result<Filter, Error> {
        let mut module = Module::new(wasm, runtime, Offered::default())?;
        if let Some(config) = config {
            bake_memory(module.memory_mut(), config)?;
        }
        Ok(Filter { module })
    }

    fn lend(&mut self, bytes: &[u8]) -> Result<u32, Error> {
        let room = [Arg::I32(bytes.len() as u32 + 1)];
        let address = self.module.call("malloc", &room)? as u32;
        if address != 0 {
            self.module.write(address, &[bytes, &[0]].concat())?;
        }
        Ok(address)
    }

    /// One record; `None` if it is dropped.
    pub fn filter(
        &mut self,
        tag: &[u8],
        time_ms: i64,
        record: &[u8],
    ) -> Result<Option<String>, Error> {
        let answer = String::from_utf8(self.filter_bytes(tag, time_ms, record)?)?;
        Ok(Some(answer).filter(|answer| !answer.is_empty()))
    }

    /// One record of any bytes; the answer up to its NUL.
    pub fn filter_bytes(
        &mut self,
        tag: &[u8],
        time_ms: i64,
        record: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let second = time_ms.div_euclid(1_000) as u32;
        let nanosecond = time_ms.rem_euclid(1_000) as u32 * 1_000_000;
        let (tag_at, record_at) = (self.lend(tag)?, self.lend(record)?);
        let [tag_len, record_len] = [tag, record].map(|bytes| bytes.len() as u32);
        let args = [tag_at, tag_len, second, nanosecond, record_at, record_len].map(Arg::I32);
        let address = self.module.call("maxconn_filter", &args)? as u32 as usize;
        let rest = self.module.memory().get(address..);
        let rest = rest.ok_or("the answer lies outside the memory")?;
        let len = rest.iter().position(|&byte| byte == 0);
        let (answer, _) = rest.split_at(len.ok_or("the answer has no end")?);
        let answer = answer.to_vec();
        for address in [tag_at, record_at] {
            self.module.call("free", &[Arg::I32(address)])?;
        }
        Ok(answer)
    }

    /// Fuel used so far.
    pub fn fuel(&self) -> u64 {
        self.module.fuel()
    }
}

/// Whether the guest says what the core says of the same records: every record's own answer at its place, and
/// the same alerts in the same order, each in a slot.
pub fn check(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
    let mut filter = Filter::new(wasm, runtime, case.given_config())?;
    let mut engine = reference(case)?;
    let (mut out, mut offset, mut now_ms) = (Output::default(), 0_u64, 0);
    let (mut said, mut expected) = (Vec::new(), Vec::new());
    for step in &case.steps {
        match step {
            Step::Lines(lines) => {
                for line in lines.lines() {
                    let at = case.has_offsets.then_some(offset);
                    offset += line.len() as u64 + 1;
                    let line = line.as_bytes();
                    let Some((record, time_ms)) = record(case, &engine, line, at, now_ms) else {
                        continue;
                    };
                    now_ms = time_ms;
                    let (source, bytes) = (&case.source, record.as_bytes());
                    let verdict = engine.push(source, bytes, Some(time_ms), None, &mut out);
                    let own = take(&mut out, &mut expected);
                    let answer = filter.filter(b"mail", time_ms, bytes)?;
                    match (verdict, answer) {
                        (Verdict::Passed, Some(answer)) => {
                            same("a record without an event", &[record], &[answer])?
                        }
                        (Verdict::Enriched, Some(answer)) => {
                            let own = own.unwrap_or_default();
                            let own = own.strip_suffix('}').unwrap_or_default();
                            let routed = format!("{own}{EVENT_ROUTE}");
                            same("an enriched record", &[routed], &[answer])?;
                        }
                        (Verdict::Suppressed, answer) => said.extend(answer),
                        (verdict, None) => {
                            return Err(format!("{record}: dropped, but {verdict:?}").into());
                        }
                    }
                }
            }
            Step::Tick(at) => {
                engine.tick(*at, &mut out);
                take(&mut out, &mut expected);
                said.extend(filter.filter(TICK_TAG, *at, b"{}")?);
            }
            // A restart or a hot reload begins anew; alerts that waited are gone.
            Step::Restart => {
                drain(&mut filter, &mut engine, &mut said, &mut expected)?;
                filter = Filter::new(wasm, runtime, case.given_config())?;
                engine = reference(case)?;
            }
            // The host has no end of input and asks for nothing.
            Step::Finish(_) | Step::Statistics => {}
        }
    }
    drain(&mut filter, &mut engine, &mut said, &mut expected)?;
    said.retain(|text| text.contains("\"kind\":\"alert\""));
    let alerts = |text: &String| text.replacen(ALERT_ROUTE, "{", 1);
    let alerts: Vec<String> = said.iter().map(alerts).collect();
    same("alerts", &expected, &alerts)?;
    match said.iter().find(|text| !text.starts_with(ALERT_ROUTE)) {
        Some(text) => Err(format!("an alert has no route: {text}").into()),
        None => Ok(()),
    }
}

/// The core as the guest drives it.
fn reference(case: &Case) -> Result<Engine, Error> {
    let mut engine = native::engine(case)?;
    engine.set_add_timestamp(false);
    Ok(engine)
}

/// Empties the queue of alerts: ticks that come at once move no time.
fn drain(
    filter: &mut Filter,
    engine: &mut Engine,
    said: &mut Vec<String>,
    expected: &mut Vec<String>,
) -> Result<(), Error> {
    while let Some(answer) = filter.filter(TICK_TAG, 0, b"{}")? {
        said.push(answer);
    }
    let mut out = Output::default();
    engine.tick(0, &mut out);
    take(&mut out, expected);
    Ok(())
}

/// A line as the record that Fluent Bit would hand over, with its time; `None` if it can't hold it.
fn record(
    case: &Case,
    engine: &Engine,
    line: &[u8],
    offset: Option<u64>,
    now_ms: i64,
) -> Option<(String, i64)> {
    let mut times = Vec::new();
    engine.line_times(&case.source, line, &mut times);
    let time_ms = times.first().copied().flatten().unwrap_or(now_ms);
    let time_ms = time_ms.clamp(0, i64::from(u32::MAX) * 1_000);
    let mut json = line.to_vec();
    if !line.starts_with(b"{") {
        json.clear();
        write_text_record(line, case.source.path.as_deref(), offset, &mut json);
    }
    // What is no object is no record to Fluent Bit.
    let Ok(Value::Object(_)) = serde_json::from_slice::<Value>(&json) else {
        return None;
    };
    let json = String::from_utf8(json).ok()?;
    Some((pipeline::escaped(&json), time_ms))
}

/// Moves alerts to `alerts`; the enriched record, if there is one.
fn take(out: &mut Output, alerts: &mut Vec<String>) -> Option<String> {
    let mut own = None;
    for (kind, text) in out.pieces(&[]) {
        let text = String::from_utf8_lossy(text).trim_end().to_string();
        match kind {
            Kind::Enriched => own = Some(text),
            Kind::Alert => alerts.push(text),
            _ => {}
        }
    }
    out.clear();
    own
}
