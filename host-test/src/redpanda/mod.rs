//! The Redpanda guest in models of its two hosts, and every case through both.

mod host;

pub use host::{Batches, Host, Model, Record, Written, framed};

use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Kind, Output, Source, Verdict};
use maxconn_core::record::write_text_record;
use serde_json::Value;
use wasmparser::Parser;

use crate::Error;
use crate::case::{Case, Step};
use crate::fluent_bit::bake_memory;
use crate::run::{self, same, without_memory};
use crate::wasm::{Module, Runtime};

/// What the broker gives a function, in pages of 64 KiB, where nobody says otherwise.
pub const BROKER_PAGES: u32 = 32;
/// What Connect gives a module.
pub const CONNECT_PAGES: u32 = 1_600;
/// The header of the guest's own records.
const HEADER: &[u8] = b"maxconn";

/// What a run of the program came to.
pub struct Outcome {
    /// The host's side, with all that came out.
    pub host: Host,
    /// Whether it ended as it should, when the host had no more records.
    pub result: Result<(), Error>,
    /// The memory that it took, in bytes.
    pub memory_bytes: usize,
    /// The fuel that it used.
    pub fuel: u64,
}

/// Runs the program over all records of a host that gives so much memory.
pub fn run(
    wasm: &[u8],
    runtime: Runtime,
    pages: u32,
    config: Option<&str>,
    host: Host,
) -> Result<Outcome, Error> {
    let mut module = Module::new(&limited(wasm, pages)?, runtime, host)?;
    if let Some(config) = config {
        bake_memory(module.memory_mut(), config)?;
    }
    let result = module.call("_start", &[]).map(drop);
    Ok(Outcome {
        result,
        memory_bytes: module.memory().len(),
        fuel: module.fuel(),
        host: std::mem::take(module.host()),
    })
}

/// The module with a limit to its memory. Hosts have other means, but it comes to the same: growing beyond fails.
pub(crate) fn limited(wasm: &[u8], pages: u32) -> Result<Vec<u8>, Error> {
    let mut limited = wasm.get(..8).ok_or("it is no module")?.to_vec();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        let mut content = wasm
            .get(range.start as usize..range.end as usize)
            .unwrap_or_default()
            .to_vec();
        if let wasmparser::Payload::MemorySection(memories) = payload {
            let mut initial = 0;
            for memory in memories {
                let memory = memory?;
                if memory.maximum.is_some() {
                    let problem = "the module declares a maximum of memory, which brokers refuse";
                    return Err(problem.into());
                }
                initial = memory.initial;
            }
            // One memory, with a maximum.
            content = vec![1, 1];
            push_leb(&mut content, initial);
            push_leb(&mut content, u64::from(pages));
        }
        limited.push(id);
        push_leb(&mut limited, content.len() as u64);
        limited.extend(content);
    }
    Ok(limited)
}

fn push_leb(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Every record as a shipper writes it into a topic, JSON where it has a path or an offset, with the line's time.
pub fn check_broker(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
    check(case, wasm, runtime, Model::Broker)
}

/// Every line as it is, without a time.
pub fn check_connect(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
    check(case, wasm, runtime, Model::Connect)
}

/// Whether the guest writes what the core says of the same records: each at its place, with its key and
/// headers, and alerts between them. Neither host has ticks or an end of input.
fn check(case: &Case, wasm: &[u8], runtime: Runtime, model: Model) -> Result<(), Error> {
    let mut lines: Vec<&str> = Vec::new();
    let runs = case.steps.iter().chain([&Step::Restart]);
    let mut offset = 0;
    for step in runs {
        match step {
            Step::Lines(more) => lines.extend(more.lines()),
            // The partition's leader moves: another instance goes on.
            Step::Restart => {
                check_lines(case, wasm, runtime, model, &lines, &mut offset)?;
                lines.clear();
            }
            Step::Tick(_) | Step::Finish(_) | Step::Statistics => {}
        }
    }
    Ok(())
}

fn check_lines(
    case: &Case,
    wasm: &[u8],
    runtime: Runtime,
    model: Model,
    lines: &[&str],
    offset: &mut u64,
) -> Result<(), Error> {
    let json = case.config.as_deref().unwrap_or("{}");
    let config = Config::parse(json.as_bytes(), defaults()).map_err(|error| error.to_string())?;
    let mut engine = Engine::new(config).map_err(|error| error.to_string())?;
    let (mut records, mut expected, mut now_ms) = (Vec::new(), Vec::new(), 1);
    for (number, line) in lines.iter().enumerate() {
        let at = case.has_offsets.then_some(*offset);
        *offset += line.len() as u64 + 1;
        let mut value = line.as_bytes().to_vec();
        let mut times = Vec::new();
        engine.line_times(&case.source, &value, &mut times);
        now_ms = times.first().copied().flatten().unwrap_or(now_ms).max(1);
        let is_shipped = case.source.path.is_some() && !line.starts_with('{');
        if model == Model::Broker && is_shipped {
            value.clear();
            let path = case.source.path.as_deref();
            write_text_record(line.as_bytes(), path, at, &mut value);
        }
        let record = Record {
            key: (number % 3 > 0).then(|| format!("key {number}").into_bytes()),
            value: Some(value),
            headers: vec![
                (b"origin".to_vec(), Some(vec![0, 255])),
                (b"nothing".to_vec(), None),
            ],
            time_ms: now_ms,
        };
        let time_ms = (model == Model::Broker).then_some(now_ms);
        expect(&mut engine, number, &record, time_ms, &mut expected)?;
        records.push(record);
    }
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let cut = run::Batches::seeded(case).cut(&text).into_iter();
    let mut records = records.into_iter();
    let batches: Vec<Vec<Record>> = cut
        .map(|batch| records.by_ref().take(batch.lines().count()).collect())
        .collect();
    let host = Host::new(model, &[], &[], Box::new(batches.into_iter()));
    let pages = match model {
        Model::Broker => BROKER_PAGES,
        Model::Connect => CONNECT_PAGES,
    };
    let outcome = self::run(wasm, runtime, pages, case.given_config(), host)?;
    outcome
        .result
        .map_err(|error| format!("{error}: {}", outcome.host.said))?;
    let actual: Vec<String> = outcome.host.written.iter().map(shown).collect();
    let expected: Vec<String> = expected.iter().map(shown).collect();
    same("written", &expected, &actual)
}

/// The guest's own defaults.
pub fn defaults() -> Config {
    Config {
        max_keys: 2_000,
        max_floods: 256,
        ..Config::default()
    }
}

/// What must come out of one record.
fn expect(
    engine: &mut Engine,
    after: usize,
    record: &Record,
    time_ms: Option<i64>,
    expected: &mut Vec<Written>,
) -> Result<(), Error> {
    let mut out = Output::default();
    let value = record.value.as_deref().unwrap_or_default();
    let verdict = engine.push(&Source::default(), value, time_ms, None, &mut out);
    let mut written = |record: Record| {
        let topic = None;
        expected.push(Written {
            after,
            topic,
            record,
        });
    };
    for (kind, text) in out.pieces(&[]) {
        let text = text.trim_ascii_end().to_vec();
        written(match kind {
            Kind::Enriched => Record {
                value: Some(text),
                ..record.clone()
            },
            Kind::Alert => {
                let document: Value = serde_json::from_slice(&text)?;
                let flood = &document["maxconn"]["flood"];
                let said = |name: &str| Some(flood[name].as_str()?.as_bytes().to_vec());
                own(said("key"), said("state"), text)
            }
            _ => own(None, Some(b"statistics".to_vec()), text),
        });
    }
    if verdict == Verdict::Passed {
        written(record.clone());
    }
    Ok(())
}

fn own(key: Option<Vec<u8>>, state: Option<Vec<u8>>, value: Vec<u8>) -> Record {
    Record {
        key,
        value: Some(value),
        headers: vec![(HEADER.to_vec(), state)],
        time_ms: 0,
    }
}

/// A line that shows a record, so that a difference can be read. Statistics tell of the memory, which differs.
fn shown(written: &Written) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let record = &written.record;
    let mut value = record.value.as_deref().map(text);
    if state(record) == Some(b"statistics") {
        value = value.map(|value| without_memory(&value));
    }
    let (after, topic) = (written.after, &written.topic);
    let (key, headers) = (record.key.as_deref().map(text), &record.headers);
    format!("after {after}, {topic:?}, {key:?}, {headers:?}: {value:?}")
}

/// What the guest's header says; `None` for a record that is none of its own.
pub fn state(record: &Record) -> Option<&[u8]> {
    let (_, value) = record.headers.iter().find(|(name, _)| name == HEADER)?;
    value.as_deref()
}
