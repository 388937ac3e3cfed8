//! The embed guest: the whole plugin behind a few numbers and one buffer, for any program that embeds
//! a wasm runtime. README.md is the reference of the ABI; `abi` has the exports, this file what they do.
//!
//! Every call but the reading of the output descriptor forgets the output of the call before.

mod abi;
mod keyed;

use maxconn_core::config::baked::{Region, Room};
use maxconn_core::config::{Config, ConfigError};
use maxconn_core::engine::{Engine, Format, Kind, Output, Segment, Source, Verdict, Want};
use maxconn_core::json::value::Value;
use maxconn_core::json::write::Writer;

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// The configuration inside the module: its own defaults.
#[used]
static BAKED: Region = Region::of(&ROOM);
static ROOM: Room = Room::empty();

/// The version of this ABI. It changes when a host that knows the old one would go wrong.
const ABI_VERSION: i32 = 1;
/// The largest input buffer, in bytes; a host that wants more is refused.
const INPUT_MAX_BYTES: usize = 8 * 1024 * 1024;
/// The input buffer grows by so much at a time.
const INPUT_STEP_BYTES: usize = 64 * 1024;
/// The largest configuration or description of a source, in bytes: what is made of it is many times as large.
const SETTINGS_MAX_BYTES: usize = 1024 * 1024;
/// How many sources can be known at once, so that numbers of the host's cannot eat the memory.
const SOURCES_MAX: usize = 1024;
/// What a call answers when all went well and there is nothing to count.
const OK: i32 = 0;
/// What a call answers when it refuses what it was given; the output says why, as JSON.
const REFUSED: i32 = 1;
/// What a call answers when there is more to say than fits: the host reads the output and calls again.
const MORE: i32 = 2;
/// What a call answers when its arguments make no sense: a length beyond the input buffer, say.
const BAD_CALL: i32 = -1;
/// The time that stands for "no time".
const NO_TIME: i64 = i64::MIN;

/// All that the module keeps between two calls.
struct Instance {
    /// Made by the first call that needs it, so that a configuration can come before. In a box, for its room would be
    /// in the module's file.
    engine: Option<Box<Engine>>,
    input: Vec<u8>,
    out: Output,
    sources: Vec<Source>,
    current: usize,
    times: Vec<Option<i64>>,
    /// What `maxconn_output` points to.
    descriptor: [u32; 4],
}

impl Instance {
    /// `const`, so that the module starts with it and needs no code to make it at the first call.
    const fn new() -> Instance {
        Instance {
            engine: None,
            input: Vec::new(),
            out: Output {
                bytes: Vec::new(),
                segments: Vec::new(),
                want: Want {
                    records: true,
                    enriched: true,
                    alerts: true,
                    views: false,
                    held_back: false,
                    ids: false,
                },
            },
            sources: Vec::new(),
            current: 0,
            times: Vec::new(),
            descriptor: [0; 4],
        }
    }

    /// Makes room for `capacity` bytes of input. What was there is lost when the buffer grows.
    fn input(&mut self, capacity: i32) -> *const u8 {
        let Ok(capacity) = usize::try_from(capacity) else {
            return std::ptr::null();
        };
        if capacity > INPUT_MAX_BYTES {
            return std::ptr::null();
        }
        if capacity > self.input.len() {
            // Freed first, so that the new one may take its place; and with room for batches that are a little larger.
            self.input = Vec::new();
            let roomy = capacity.next_multiple_of(INPUT_STEP_BYTES);
            if self.input.try_reserve_exact(roomy).is_err() {
                return std::ptr::null();
            }
            self.input.resize(roomy, 0);
        }
        self.input.as_ptr()
    }

    fn configure(&mut self, len: i32) -> i32 {
        self.out.clear();
        let Some(json) = span(&self.input, 0, len) else {
            return BAD_CALL;
        };
        if json.len() > SETTINGS_MAX_BYTES {
            return refuse(&mut self.out, "", TOO_LARGE, "leave something out");
        }
        let result = BAKED
            .config()
            .and_then(|defaults| Config::parse(json, defaults))
            .and_then(|config| match &mut self.engine {
                Some(engine) => engine.reconfigure(config, &mut self.out),
                // There is none to be dropped, and the code for it is 2 KB.
                None => Engine::new(config)
                    .map(|engine| core::mem::forget(self.engine.replace(Box::new(engine)))),
            });
        match result {
            Ok(()) => OK,
            Err(ConfigError { path, problem }) => {
                let (problem, mend) = problem.say();
                refuse(&mut self.out, &path, &problem, &mend)
            }
        }
    }

    /// Describes source `number` (if `len` is not 0) and makes it the current one.
    fn source(&mut self, number: i32, len: i32) -> i32 {
        self.out.clear();
        let (Some(json), Ok(number)) = (span(&self.input, 0, len), usize::try_from(number)) else {
            return BAD_CALL;
        };
        if number >= SOURCES_MAX {
            return BAD_CALL;
        }
        if json.len() > SETTINGS_MAX_BYTES {
            return refuse(&mut self.out, "", TOO_LARGE, SOURCE_MEND);
        }
        if !json.is_empty() {
            match parse_source(json) {
                Ok(mut source) => {
                    source.stream = number as u32;
                    if number >= self.sources.len() {
                        self.sources.resize(number + 1, Source::default());
                    }
                    if let Some(slot) = self.sources.get_mut(number) {
                        *slot = source;
                    }
                }
                Err((path, problem)) => return refuse(&mut self.out, path, problem, SOURCE_MEND),
            }
        }
        if number >= self.sources.len().max(1) {
            return BAD_CALL;
        }
        self.current = number;
        OK
    }

    fn want(&mut self, flags: i32) -> i32 {
        if !(0..64).contains(&flags) {
            return BAD_CALL;
        }
        let bit = |bit: i32| flags & bit != 0;
        self.out.want = Want {
            records: bit(1),
            enriched: bit(2),
            alerts: bit(4),
            views: bit(8),
            held_back: bit(16),
            ids: bit(32),
        };
        OK
    }

    /// Lines from `start` of the input buffer on; answers how many bytes were consumed.
    fn push(&mut self, start: i32, len: i32, offset: i64) -> i32 {
        self.out.clear();
        let (Some(lines), Some(source)) = (
            span(&self.input, start, len),
            described(&self.sources, self.current),
        ) else {
            return BAD_CALL;
        };
        let Some(engine) = ready(&mut self.engine) else {
            return BAD_CALL;
        };
        let consumed = engine.push_lines(source, lines, u64::try_from(offset).ok(), &mut self.out);
        i32::try_from(consumed).unwrap_or(BAD_CALL)
    }

    /// One record, with what the host knows about it; answers its verdict.
    fn push_record(&mut self, len: i32, time_ms: i64, position_len: i32) -> i32 {
        self.out.clear();
        let (Some(record), Some(position)) = (
            span(&self.input, 0, len),
            span(&self.input, len, position_len),
        ) else {
            return BAD_CALL;
        };
        let (Some(engine), Some(source)) = (
            ready(&mut self.engine),
            described(&self.sources, self.current),
        ) else {
            return BAD_CALL;
        };
        let position = (!position.is_empty()).then_some(position);
        match engine.push(source, record, known(time_ms), position, &mut self.out) {
            Verdict::Passed => 0,
            Verdict::Enriched => 1,
            Verdict::Suppressed => 2,
        }
    }

    /// The times of the lines of the input buffer, as 64-bit little-endian numbers; answers how many.
    fn line_times(&mut self, len: i32) -> i32 {
        self.out.clear();
        let (Some(lines), Some(source)) = (
            span(&self.input, 0, len),
            described(&self.sources, self.current),
        ) else {
            return BAD_CALL;
        };
        let Some(engine) = ready(&mut self.engine) else {
            return BAD_CALL;
        };
        self.times.clear();
        engine.line_times(source, lines, &mut self.times);
        for time in &self.times {
            self.out
                .bytes
                .extend_from_slice(&time.unwrap_or(NO_TIME).to_le_bytes());
        }
        i32::try_from(self.times.len()).unwrap_or(BAD_CALL)
    }

    /// One of the calls that have no input. What they tell may be more than fits at once.
    fn drive(&mut self, call: impl FnOnce(&mut Engine, &mut Output) -> bool) -> i32 {
        self.out.clear();
        let Some(engine) = ready(&mut self.engine) else {
            return BAD_CALL;
        };
        if call(engine, &mut self.out) {
            OK
        } else {
            MORE
        }
    }

    fn restore(&mut self, len: i32) -> i32 {
        self.out.clear();
        let Some(snapshot) = span(&self.input, 0, len) else {
            return BAD_CALL;
        };
        let Some(engine) = ready(&mut self.engine) else {
            return BAD_CALL;
        };
        match engine.restore(snapshot, &mut self.out) {
            Ok(()) => OK,
            Err(error) => {
                let (problem, mend) = error.say();
                refuse(&mut self.out, "snapshot", &problem, mend)
            }
        }
    }

    /// Where the output of the last call lies: segments and their number, bytes and their number.
    fn output(&mut self) -> *const u32 {
        let segments: &[Segment] = &self.out.segments;
        self.descriptor = [
            segments.as_ptr() as u32,
            segments.len() as u32,
            self.out.bytes.as_ptr() as u32,
            self.out.bytes.len() as u32,
        ];
        self.descriptor.as_ptr()
    }
}

/// The engine, made with the module's defaults if no configuration came before.
fn ready(slot: &mut Option<Box<Engine>>) -> Option<&mut Engine> {
    if slot.is_none() {
        *slot = BAKED.config().and_then(Engine::new).map(Box::new).ok();
    }
    slot.as_deref_mut()
}

/// The source of that number; number 0 is there without being described.
fn described(sources: &[Source], number: usize) -> Option<&Source> {
    static UNDESCRIBED: Source = Source {
        path: None,
        reference_ms: None,
        clock_ms: None,
        format: Format::Auto,
        stream: 0,
    };
    sources
        .get(number)
        .or_else(|| (number == 0).then_some(&UNDESCRIBED))
}

/// `len` bytes from `start` on, if the buffer has them.
fn span(input: &[u8], start: i32, len: i32) -> Option<&[u8]> {
    let start = usize::try_from(start).ok()?;
    input.get(start..start.checked_add(usize::try_from(len).ok()?)?)
}

/// The host's number for a time, `None` where it stands for "no time".
fn known(time_ms: i64) -> Option<i64> {
    (time_ms != NO_TIME).then_some(time_ms)
}

/// Leaves the reason of a refusal in the output, in place of whatever was there.
fn refuse(out: &mut Output, path: &str, problem: &str, mend: &str) -> i32 {
    out.clear();
    let mut json = Writer::new(&mut out.bytes);
    json.begin_object();
    for (key, value) in [("path", path), ("problem", problem), ("mend", mend)] {
        json.key(key);
        json.string(value);
    }
    json.end_object();
    REFUSED
}

const TOO_LARGE: &str = "it is larger than 1 MiB";
const SOURCE_MEND: &str = r#"write {"path":"/mail.log","reference_time_ms":1767225600000,"clock_time_ms":1767225600000,"format":"auto"}, each optional"#;

fn parse_source(json: &[u8]) -> Result<Source, (&'static str, &'static str)> {
    let Ok(Value::Table(members)) = Value::parse(json) else {
        return Err(("", "a source is a JSON object"));
    };
    let mut source = Source::default();
    for (key, value) in members {
        match (key.as_ref(), value) {
            (_, Value::Null) => {}
            ("path", Value::Text(path)) => source.path = Some(path.into_owned()),
            ("path", _) => return Err(("path", "it is not a string")),
            ("reference_time_ms", value) => match value.as_i64() {
                Some(time) => source.reference_ms = Some(time),
                None => return Err(("reference_time_ms", "it is not a whole number")),
            },
            ("clock_time_ms", value) => match value.as_i64() {
                Some(time) => source.clock_ms = Some(time),
                None => return Err(("clock_time_ms", "it is not a whole number")),
            },
            ("format", value) => {
                const NAMES: [(&str, Format); 3] = [
                    ("auto", Format::Auto),
                    ("text", Format::Text),
                    ("json", Format::Json),
                ];
                let known = NAMES.into_iter().find(
                    |(name, _)| matches!(&value, Value::Text(text) if text.as_ref() == *name),
                );
                match known {
                    Some((_, format)) => source.format = format,
                    None => return Err(("format", "it is not one of auto, text, json")),
                }
            }
            _ => return Err(("", "a member has an unknown name")),
        }
    }
    Ok(source)
}

// The ABI's numbers are those of the core; a change there must not go unnoticed here.
const _: () = assert!(size_of::<Segment>() == 12 && Kind::Identified as u32 == 6);
