//! The Redpanda guest: the plugin behind the data-transform ABI, for the broker and for Redpanda
//! Connect. README.md says how to use it; `abi` has the imports and the export, `frame` the records'
//! framing, this file what is done with them.
//!
//! A record goes in and none, itself or its enriched form comes out; alerts are records of their own.
//! A broker gives 2 MiB of memory: everything here is bounded so that it fits, and what is larger than
//! [`KEPT_BYTES`] is looked at only where there is room.

mod abi;
mod frame;

use maxconn_core::config::baked::{Region, Room};
use maxconn_core::config::{Config, ConfigError};
use maxconn_core::engine::{Engine, Kind, OUTPUT_SOFT_LIMIT, Output, Source, Verdict, Want};
use maxconn_core::json::scan::Scanner;
use maxconn_core::json::string::decode;
use maxconn_core::json::write::push_uint;
use maxconn_core::record::is_one;

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// The configuration inside the module: its own defaults.
#[used]
/// The broker gives a module 2 MiB of memory.
static BAKED: Region = Region::with_limits(&ROOM, 2_000, 200);
static ROOM: Room = Room::empty();

/// The record buffer that is kept. A larger record gets one of its own, for itself only.
const KEPT_BYTES: usize = 16 * 1024;
/// What the decoded message, the enriched record and its frame may take beside a larger record, in its sizes.
const COPIES: usize = 4;
/// What an event may need: a page and a flood in the table, its message decoded, its frame, in bytes. So
/// much is always there, or the table gives way.
const EVENT_BYTES: usize = 160 * 1024;
/// The output's own: what the engine writes before it stops, and the longest alert.
const OUTPUT_BYTES: usize = OUTPUT_SOFT_LIMIT + 48 * 1024;
/// What a key, and a flood with names of usual length, cost in the table, and what is needed beside it, in bytes.
const KEY_BYTES: usize = 260;
const FLOOD_BYTES: usize = 1_300;
const WORK_BYTES: usize = OUTPUT_BYTES + EVENT_BYTES + 4 * KEPT_BYTES;

/// The topic for alerts, where it is not the first.
const ALERT_TOPIC: &[u8] = b"MAXCONN_ALERT_TOPIC=";
const OUTPUT_TOPIC: &[u8] = b"REDPANDA_OUTPUT_TOPIC_";
/// The header of our own records, which says what they are.
const HEADER: &str = "maxconn";

/// All that the program keeps between two records.
struct Transform {
    config: Config,
    /// Absent only while a large record has the table's memory.
    engine: Option<Engine>,
    source: Source,
    buffer: Vec<u8>,
    out: Output,
    /// One framed record.
    frame: Vec<u8>,
    /// Names the topic for alerts; empty if it is the first.
    alert_options: Vec<u8>,
}

/// Reads the configuration, then records until the host has no more.
fn run() {
    let mut transform = match Transform::boot(&abi::environment()) {
        Ok(transform) => transform,
        Err(problem) => abi::refuse(&["maxconn: ", &problem]),
    };
    while let Some(batch) = abi::next_batch() {
        for _ in 0..batch.records {
            transform.next(batch.largest);
        }
    }
}

impl Transform {
    #[cold]
    fn boot(environment: &[u8]) -> Result<Transform, String> {
        let config = BAKED.config().map_err(wrong)?;
        let engine = Engine::new(config.clone()).map_err(wrong)?;
        let alert_options = alert_options(environment)?;
        let (keys, floods) = (config.max_keys, config.max_floods);
        let needed = WORK_BYTES + keys * KEY_BYTES + floods * FLOOD_BYTES;
        if !has_room(needed) {
            return Err(too_little_memory(keys, floods, needed));
        }
        Ok(Transform {
            config,
            engine: Some(engine),
            source: Source::default(),
            buffer: vec![0; KEPT_BYTES],
            out: Output {
                want: Want {
                    records: false,
                    ..Want::default()
                },
                bytes: Vec::with_capacity(OUTPUT_BYTES),
                ..Output::default()
            },
            frame: Vec::new(),
            alert_options,
        })
    }

    /// Reads one record and writes what comes of it.
    fn next(&mut self, largest: usize) {
        // Taken and given back, so that the record is not borrowed from what works on it.
        let mut buffer = core::mem::take(&mut self.buffer);
        match abi::read(&mut buffer) {
            Ok(read) => {
                let record = buffer.get(..read.len).unwrap_or_default();
                self.transform(record, frame::value(record), read.time_ms);
            }
            Err(abi::ReadError::TooSmall) if largest > buffer.len() => self.next_large(largest),
            Err(error) => refuse_unread(&error, largest),
        }
        self.buffer = buffer;
    }

    /// As [`Transform::next`], for a record of up to `largest` bytes.
    #[cold]
    fn next_large(&mut self, largest: usize) {
        let mut buffer = Vec::new();
        if buffer.try_reserve_exact(largest).is_err() {
            self.forget("a large record");
            if buffer.try_reserve_exact(largest).is_err() {
                refuse_unread(&abi::ReadError::TooSmall, largest);
            }
        }
        buffer.resize(largest, 0);
        match abi::read(&mut buffer) {
            Ok(read) => {
                let record = buffer.get(..read.len).unwrap_or_default();
                let needed = record.len().saturating_mul(COPIES);
                let is_looked_at = has_room(needed.saturating_add(EVENT_BYTES));
                let value = frame::value(record).filter(|_| is_looked_at);
                self.transform(record, value, read.time_ms);
            }
            Err(error) => refuse_unread(&error, largest),
        }
        drop(buffer);
        self.out.bytes.shrink_to(OUTPUT_BYTES);
        self.frame = Vec::new();
        if self.engine.is_none() {
            self.start_anew();
        }
    }

    /// Frees the table's memory: every flood ends, and records pass until [`Transform::start_anew`].
    #[cold]
    fn forget(&mut self, cause: &str) {
        abi::say(&[
            "maxconn: the memory is too small for ",
            cause,
            "; open floods end (shutdown), and counting starts anew",
        ]);
        while let Some(engine) = &mut self.engine {
            let is_done = engine.shutdown(&mut self.out);
            self.send(&[], None);
            if is_done {
                self.engine = None;
            }
        }
        // They grew among what is free now, and would part it.
        self.frame = Vec::new();
        self.out.bytes = Vec::new();
        self.out.segments = Vec::new();
    }

    /// An empty table in the place of the one that was forgotten.
    #[cold]
    fn start_anew(&mut self) {
        self.out.bytes.reserve_exact(OUTPUT_BYTES);
        match Engine::new(self.config.clone()) {
            Ok(engine) => self.engine = Some(engine),
            Err(error) => abi::refuse(&["maxconn: ", &error.problem.say().0]),
        }
    }

    /// A record whose value, if it has one that is to be looked at, lies at `value`.
    #[inline]
    fn transform(&mut self, record: &[u8], value: Option<frame::Value>, time_ms: Option<i64>) {
        let text = value
            .as_ref()
            .and_then(|value| record.get(value.bytes.clone()))
            .filter(|text| is_one(text))
            .unwrap_or_default();
        while let Some(engine) = &mut self.engine {
            let verdict = engine.try_push(&self.source, text, time_ms, None, &mut self.out);
            if !self.out.segments.is_empty() {
                self.send(record, value.as_ref());
            }
            match verdict {
                // The output was full.
                None => {}
                Some(Verdict::Passed) => return write(record),
                Some(Verdict::Enriched | Verdict::Suppressed) => {
                    // Only events make the table grow.
                    if !has_room(EVENT_BYTES) {
                        self.forget("so many floods with names as long as theirs");
                        self.start_anew();
                    }
                    return;
                }
            }
        }
        write(record);
    }

    /// Writes what the engine had to say, in order.
    fn send(&mut self, record: &[u8], value: Option<&frame::Value>) {
        for segment in &self.out.segments {
            let start = segment.start as usize;
            let end = start.saturating_add(segment.len as usize);
            let text = self.out.bytes.get(start..end).unwrap_or_default();
            let document = text.strip_suffix(b"\n").unwrap_or(text);
            self.frame.clear();
            match (segment.kind, value) {
                (Kind::Enriched, Some(value)) => {
                    frame::replace(&mut self.frame, record, value, document);
                    // Only a topic that takes no records as large as this one has become refuses it.
                    if !abi::write(&self.frame) {
                        write(record);
                    }
                    continue;
                }
                (Kind::Alert, _) => {
                    let (state, key) = state_and_key(document).unwrap_or_default();
                    let (state, key) = (decode(state), decode(key));
                    let header = (HEADER, state.as_ref());
                    frame::push_record(&mut self.frame, Some(key.as_bytes()), document, header);
                }
                (Kind::Statistics, _) => {
                    frame::push_record(&mut self.frame, None, document, (HEADER, "statistics"));
                }
                _ => continue,
            }
            let is_elsewhere =
                !self.alert_options.is_empty() && abi::write_to(&self.alert_options, &self.frame);
            if !is_elsewhere {
                write(&self.frame);
            }
        }
        self.out.clear();
    }
}

/// Writes a record to the first topic. One that the host does not take must not be lost: the program ends,
/// and the host comes again with it.
#[inline]
fn write(record: &[u8]) {
    if !abi::write(record) {
        refuse_write(record.len());
    }
}

#[cold]
fn refuse_write(len: usize) -> ! {
    let bytes = digits(len);
    abi::refuse(&[
        "maxconn: the host does not take a record of ",
        &bytes,
        " bytes; look whether the output topic exists and takes records of that size",
    ])
}

#[cold]
fn refuse_unread(error: &abi::ReadError, largest: usize) -> ! {
    let bytes = digits(largest);
    match error {
        abi::ReadError::TooSmall => abi::refuse(&[
            "maxconn: there is no memory for a record of up to ",
            &bytes,
            " bytes; raise data_transforms_per_function_memory_limit (Redpanda) or max_memory_pages (Connect)",
        ]),
        abi::ReadError::Host(code) => {
            let code = digits(code.unsigned_abs() as usize);
            abi::refuse(&["maxconn: the host gave no record, but error -", &code])
        }
    }
}

fn too_little_memory(keys: usize, floods: usize, needed: usize) -> String {
    let (keys, floods, kib) = (digits(keys), digits(floods), digits(needed / 1024 + 1));
    [
        "max_keys = ",
        &keys,
        " and max_floods = ",
        &floods,
        " may need ",
        &kib,
        " KiB of memory, which the host does not give; lower them, or raise \
         data_transforms_per_function_memory_limit (Redpanda) or max_memory_pages (Connect)",
    ]
    .concat()
}

#[cold]
#[inline(never)]
fn wrong(error: ConfigError) -> String {
    let sentence = error.sentence();
    ["the configuration in this module is wrong: ", &sentence].concat()
}

/// The options that name the topic for alerts, which must be one of the transform's.
fn alert_options(environment: &[u8]) -> Result<Vec<u8>, String> {
    let variables = || environment.split(|&byte| byte == 0);
    let Some(topic) = variables().find_map(|variable| variable.strip_prefix(ALERT_TOPIC)) else {
        return Ok(Vec::new());
    };
    let mut outputs = String::new();
    for variable in variables() {
        // A digit follows: there are eight at most.
        let Some([_, b'=', output @ ..]) = variable.strip_prefix(OUTPUT_TOPIC) else {
            continue;
        };
        if output == topic {
            // The option 1 is the topic.
            let mut options = vec![1];
            frame::push_sized(&mut options, topic);
            return Ok(options);
        }
        outputs.push_str(&[" `", &decode(output), "`"].concat());
    }
    Err([
        "MAXCONN_ALERT_TOPIC is `",
        &decode(topic),
        "`, but the output topics are",
        &outputs,
        "; name one of them, or deploy with one more --output-topic",
    ]
    .concat())
}

/// `maxconn.flood.state` and `.key` of an alert, as JSON has them.
fn state_and_key(alert: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut scanner = Scanner::new(alert);
    for group in [&b"maxconn"[..], b"flood"] {
        let mut members = scanner.begin_object().ok()?;
        while scanner.next_key(&mut members).ok()?? != group {
            scanner.skip_value().ok()?;
        }
    }
    let mut members = scanner.begin_object().ok()?;
    let (mut state, mut flood_key) = (None, None);
    while let Some(key) = scanner.next_key(&mut members).ok()? {
        match key.as_ref() {
            b"state" => state = Some(scanner.string().ok()?.0),
            b"key" => flood_key = Some(scanner.string().ok()?.0),
            _ => {
                scanner.skip_value().ok()?;
            }
        }
    }
    Some((state?, flood_key?))
}

/// Whether so many bytes could be had now.
#[inline(never)]
fn has_room(bytes: usize) -> bool {
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(bytes).is_ok()
}

#[cold]
fn digits(number: usize) -> String {
    let mut text = Vec::new();
    push_uint(&mut text, number as u64);
    String::from_utf8(text).unwrap_or_default()
}
