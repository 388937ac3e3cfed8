//! A model of Bento's `wasm` processor, as of 1.10.0: one call a message, and room for what comes in is asked of the guest
//! while it waits for it.

use std::collections::BTreeMap;

use maxconn_core::engine::{Kind, Output, Source, Want};

use crate::case::{Case, Step};
use crate::fluent_bit::bake_memory;
use crate::redpanda::limited;
use crate::wasm::{Imports, Module, NoImports, Runtime, at, put, span};
use crate::{Error, native};

/// As much memory as wasm can have, in pages of 64 KiB: Bento sets no limit.
pub const ALL_PAGES: u32 = 65_536;

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// What is said beside it.
    pub metadata: BTreeMap<String, String>,
    /// Whether the host has flagged it as failed.
    pub is_failed: bool,
}

impl Message {
    /// A value of its metadata; empty if it has none.
    pub fn said(&self, key: &str) -> &str {
        self.metadata.get(key).map_or("", String::as_str)
    }
}

/// The host's side of an instance.
#[derive(Default)]
struct Host {
    message: Message,
    exit: Option<i64>,
}

impl Host {
    /// What a call of the guest's hands in.
    fn inbound(&self, name: &str, args: &[i64], memory: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(match name {
            "bento_wasm.v0_msg_as_bytes" => Some(self.message.bytes.clone()),
            "bento_wasm.v0_msg_get_meta" => {
                let key = text(memory, at(args, 0), at(args, 1))?;
                Some(self.message.said(&key).as_bytes().to_vec())
            }
            _ => None,
        })
    }
}

impl Imports for Host {
    fn call(&mut self, name: &str, args: &[i64], memory: &mut [u8]) -> Result<i64, Error> {
        if let Some(bytes) = self.inbound(name, args, memory)? {
            let address = args.last().map_or(0, |&address| address as u32);
            if put(memory, address as usize, &bytes).is_err() {
                self.message.is_failed = true;
                return Ok(0);
            }
            return Ok(((u64::from(address) << 32) | bytes.len() as u64) as i64);
        }
        match name {
            "bento_wasm.v0_msg_set_bytes" => {
                self.message.bytes = span(memory, at(args, 0), at(args, 1))?.to_vec();
            }
            "bento_wasm.v0_msg_set_meta" => {
                let key = text(memory, at(args, 0), at(args, 1))?;
                let value = text(memory, at(args, 2), at(args, 3))?;
                self.message.metadata.insert(key, value);
            }
            "wasi_snapshot_preview1.proc_exit" => {
                self.exit = args.first().copied();
                return Err("the program ended itself".into());
            }
            _ => return NoImports.call(name, args, memory),
        }
        Ok(0)
    }

    fn room(&self, name: &str, args: &[i64], memory: &[u8]) -> Option<usize> {
        let inbound = self.inbound(name, args, memory).ok()?;
        inbound.map(|bytes| bytes.len())
    }
}

fn text(memory: &[u8], start: usize, len: usize) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(span(memory, start, len)?).into_owned())
}

/// An instance of the processor.
pub struct Processor {
    module: Module<Host>,
}

impl Processor {
    /// A fresh instance with this configuration and so much memory.
    ///
    /// # Errors
    /// The module can't be loaded, has no room for the configuration, or refuses it: with what it ended.
    pub fn new(
        wasm: &[u8],
        runtime: Runtime,
        pages: u32,
        config: Option<&str>,
    ) -> Result<Processor, Error> {
        let wasm = match pages {
            ALL_PAGES => wasm.to_vec(),
            pages => limited(wasm, pages)?,
        };
        let mut module = Module::new(&wasm, runtime, Host::default())?;
        if let Some(config) = config {
            bake_memory(module.memory_mut(), config)?;
        }
        if let Err(trap) = module.call("_start", &[]) {
            return Err(match module.host().exit {
                Some(code) => format!("module closed with exit_code({code})").into(),
                None => trap,
            });
        }
        Ok(Processor { module })
    }

    /// What becomes of a message.
    pub fn process(&mut self, message: Message) -> Result<Message, Error> {
        self.module.host().message = message;
        self.module.call("process", &[])?;
        Ok(std::mem::take(&mut self.module.host().message))
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

/// Whether each message becomes what the core makes of its record where it counts nothing: no flood is named, and nothing is
/// held back. What the host knows of time is its clock.
pub fn check(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
    let mut processor = Processor::new(wasm, runtime, ALL_PAGES, case.given_config())?;
    let clock_ms = case.source.reference_ms;
    let source = Source {
        path: None,
        clock_ms,
        ..case.source.clone()
    };
    let mut engine = native::engine(case)?;
    let mut out = Output {
        want: Want {
            alerts: false,
            held_back: true,
            ..Want::default()
        },
        ..Output::default()
    };
    for step in &case.steps {
        let Step::Lines(lines) = step else { continue };
        for line in lines.lines() {
            out.clear();
            engine.push(&source, line.as_bytes(), None, None, &mut out);
            let mut pieces = out.pieces(&[]);
            let document = pieces.find(|(kind, _)| *kind == Kind::Enriched);
            let expected = match document {
                Some((_, document)) => without_flood(&String::from_utf8_lossy(document)),
                None => line.to_string(),
            };
            let mut message = Message {
                bytes: line.as_bytes().to_vec(),
                ..Message::default()
            };
            if let Some(clock_ms) = clock_ms {
                let clock = ("maxconn_clock_ms".to_string(), clock_ms.to_string());
                message.metadata.extend([clock]);
            }
            let actual = processor.process(message)?;
            let is_changed = actual.bytes != line.as_bytes();
            let kind = actual.said("maxconn");
            if is_changed != matches!(kind, "event" | "withheld") {
                return Err(format!("{line}: it is said to be {kind}").into());
            }
            let text = String::from_utf8_lossy(&actual.bytes);
            if text != expected {
                return Err(format!("\nexpected {expected}\nactual   {text}").into());
            }
        }
    }
    Ok(())
}

/// A document without what only whoever counts can say.
fn without_flood(document: &str) -> String {
    let document = document.trim_end();
    let Some((before, flood)) = document.split_once(r#","flood":{"id":"#) else {
        return document.to_string();
    };
    let behind = flood.split_once('}').map_or("", |(_, behind)| behind);
    before.to_string() + behind
}
