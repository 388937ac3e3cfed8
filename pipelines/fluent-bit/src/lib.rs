//! The Fluent Bit guest: the plugin behind `filter_wasm`'s JSON event format, one record in and at most
//! one document out. README.md says how to use it; `abi` has the exports, this file what they do.
//!
//! Fluent Bit parses every answer, and one that is not JSON can cost the whole process. So each record is
//! checked before it goes back, and every answer is ended by a NUL here.

mod abi;

use maxconn_core::config::baked::{Region, Room};
use maxconn_core::config::{Config, ConfigError};
use maxconn_core::engine::{Engine, Kind, Output, Source, Verdict, Want};
use maxconn_core::json::write::Writer;
use maxconn_fluent_bit_json::{is_safe_object, repair};

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// The configuration inside the module.
#[used]
static BAKED: Region = Region::of(&ROOM);
static ROOM: Room = Room::empty();

/// Records from this size on are enriched only if there is memory for it; smaller ones always find it, as
/// everything else in the module is bounded.
const LARGE_BYTES: usize = 64 * 1024;
/// What the decoded message, the enriched record and its growth may take beside a record, in its sizes.
const COPIES: usize = 3;

/// One of the two buffers that the host writes into.
struct Buffer {
    bytes: Vec<u8>,
    is_lent: bool,
}

impl Buffer {
    const fn new() -> Buffer {
        Buffer {
            bytes: Vec::new(),
            is_lent: false,
        }
    }

    /// Makes room for `size` bytes; `false` if the memory has none.
    fn grow(&mut self, size: usize) -> bool {
        if size <= self.bytes.len() {
            return true;
        }
        // Freed first, so that the new one may take its place; in powers of two, so that it happens rarely.
        self.bytes = Vec::new();
        let roomy = size.checked_next_power_of_two().unwrap_or(size).max(1024);
        for capacity in [roomy, size] {
            if self.bytes.try_reserve_exact(capacity).is_ok() {
                self.bytes.resize(capacity, 0);
                return true;
            }
        }
        false
    }

    fn is_at(&self, address: usize) -> bool {
        !self.bytes.is_empty() && self.bytes.as_ptr() as usize == address
    }
}

/// What is behind the filter once the configuration is read.
enum Plugin {
    /// Before the first record.
    Unread,
    Running(Box<Running>),
    /// The configuration is wrong, and the host did not ask at its start: records pass, and the first tick says why.
    Refused(Option<ConfigError>),
}

struct Running {
    engine: Engine,
    tick_tag: Vec<u8>,
    /// The latest statistics document, until it finds a slot.
    statistics: Option<Vec<u8>>,
}

/// All that the module keeps between two calls.
struct Filter {
    /// The tag's and the record's.
    buffers: [Buffer; 2],
    plugin: Plugin,
    source: Source,
    out: Output,
    /// A repaired record or an alert, while the host reads it.
    answer: Vec<u8>,
}

impl Filter {
    const fn new() -> Filter {
        Filter {
            buffers: [Buffer::new(), Buffer::new()],
            plugin: Plugin::Unread,
            source: Source {
                path: None,
                reference_ms: None,
                clock_ms: None,
                format: maxconn_core::engine::Format::Json,
                stream: 0,
            },
            out: Output {
                bytes: Vec::new(),
                segments: Vec::new(),
                want: Want {
                    records: false,
                    enriched: true,
                    alerts: true,
                    views: false,
                    held_back: false,
                    ids: false,
                },
            },
            answer: Vec::new(),
        }
    }

    /// Reads the configuration, before the first record if the host lets us; the sentence that says what is
    /// wrong with it.
    fn start(&mut self) -> Result<(), String> {
        self.plugin = boot();
        match &self.plugin {
            Plugin::Refused(Some(error)) => Err(format!(
                "maxconn: the configuration in this module is wrong: {error}\n"
            )),
            _ => Ok(()),
        }
    }

    /// The address of a buffer that is not lent and holds `size` bytes, else 0.
    fn lend(&mut self, size: usize) -> usize {
        let Some(buffer) = self.buffers.iter_mut().find(|buffer| !buffer.is_lent) else {
            return 0;
        };
        if !buffer.grow(size) {
            return 0;
        }
        buffer.is_lent = true;
        buffer.bytes.as_ptr() as usize
    }

    fn take_back(&mut self, address: usize) {
        if let Some(buffer) = self.buffers.iter_mut().find(|buffer| buffer.is_at(address)) {
            buffer.is_lent = false;
        }
    }

    /// One record; tag and record are address and length. Answers where a text lies that is ended by a NUL
    /// and stays until the next call; `None` drops the record.
    fn filter(
        &mut self,
        tag: (usize, usize),
        record: (usize, usize),
        time_ms: i64,
    ) -> Option<*const u8> {
        if matches!(self.plugin, Plugin::Unread) {
            self.plugin = boot();
        }
        let [first, second] = &mut self.buffers;
        // The buffers are lent in turn, so which is the record's may change, and the tag's is the other.
        let (tag_buffer, record_buffer) = if second.is_at(record.0) {
            (first, second)
        } else {
            (second, first)
        };
        let tag_text = if tag_buffer.is_at(tag.0) {
            tag_buffer.bytes.get(..tag.1)
        } else {
            None
        };
        let is_tick = match &self.plugin {
            Plugin::Running(running) => tag_text == Some(&running.tick_tag),
            _ => tag_text.is_some_and(|tag| tag == Config::default().tick_tag.as_bytes()),
        };
        if is_tick {
            return self.tick(time_ms);
        }
        // No address, or one that is none of ours: there was no memory for the record.
        let bytes = match record_buffer.is_at(record.0) {
            true => record_buffer.bytes.get_mut(..=record.1),
            false => None,
        };
        let Some((end, text)) = bytes.and_then(<[u8]>::split_last_mut) else {
            self.reject();
            return None;
        };
        *end = 0;
        let record: &[u8] = if is_safe_object(text) {
            text
        } else {
            self.answer.clear();
            let room = text.len().saturating_mul(2);
            if self.answer.try_reserve(room).is_err() || !repair(text, &mut self.answer) {
                self.reject();
                return None;
            }
            self.answer.push(0);
            self.answer.split_last().map_or(&[], |(_, record)| record)
        };
        let verdict = match &mut self.plugin {
            Plugin::Running(running) => {
                judge(running, &self.source, record, time_ms, &mut self.out)
            }
            _ => Verdict::Passed,
        };
        let address = record.as_ptr();
        match verdict {
            Verdict::Passed => Some(address),
            Verdict::Enriched => self.enriched(),
            Verdict::Suppressed => self.slot(),
        }
    }

    /// What was just enriched, in place: its newline becomes the NUL.
    fn enriched(&mut self) -> Option<*const u8> {
        self.keep_statistics();
        let piece = self
            .out
            .segments
            .iter()
            .find(|piece| piece.kind == Kind::Enriched)?;
        let start = piece.start as usize;
        let text = self
            .out
            .bytes
            .get_mut(start..start.checked_add(piece.len as usize)?)?;
        *text.last_mut()? = 0;
        Some(text.as_ptr())
    }

    /// The slot of a record that does not go on: the oldest document that waits takes it.
    fn slot(&mut self) -> Option<*const u8> {
        self.keep_statistics();
        let Plugin::Running(running) = &mut self.plugin else {
            return None;
        };
        self.answer = running
            .engine
            .take_alert()
            .or_else(|| running.statistics.take())?;
        self.answer.push(0);
        Some(self.answer.as_ptr())
    }

    fn tick(&mut self, time_ms: i64) -> Option<*const u8> {
        self.out.clear();
        // A tick is dated by the host's own clock.
        self.source.clock_ms = Some(time_ms);
        match &mut self.plugin {
            Plugin::Unread => None,
            Plugin::Running(running) => {
                running.engine.tick(time_ms, &mut self.out);
                self.slot()
            }
            Plugin::Refused(error) => {
                let error = error.take()?;
                self.answer.clear();
                write_refusal(&error, &mut self.answer);
                self.answer.push(0);
                Some(self.answer.as_ptr())
            }
        }
    }

    fn reject(&mut self) {
        if let Plugin::Running(running) = &mut self.plugin {
            running.engine.reject();
        }
    }

    /// Statistics wait for a slot of their own; newer ones take the place of older ones, for they count on.
    fn keep_statistics(&mut self) {
        let Plugin::Running(running) = &mut self.plugin else {
            return;
        };
        let Some(piece) = self
            .out
            .segments
            .iter()
            .rfind(|piece| piece.kind == Kind::Statistics)
        else {
            return;
        };
        let start = piece.start as usize;
        let document = start
            .checked_add(piece.len as usize)
            .and_then(|end| self.out.bytes.get(start..end));
        running.statistics = document.map(|document| document.trim_ascii_end().to_vec());
    }
}

/// Hands a safe record to the engine. One that is too large to be worked on in the memory that is left passes.
#[inline]
fn judge(
    running: &mut Running,
    source: &Source,
    record: &[u8],
    time_ms: i64,
    out: &mut Output,
) -> Verdict {
    out.clear();
    if record.len() >= LARGE_BYTES && !has_room(record.len().saturating_mul(COPIES)) {
        return Verdict::Passed;
    }
    running
        .engine
        .push(source, record, Some(time_ms), None, out)
}

/// Whether so many bytes could be had now.
#[cold]
fn has_room(bytes: usize) -> bool {
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(bytes).is_ok()
}

#[cold]
fn boot() -> Plugin {
    let engine = BAKED.config().and_then(|config| {
        let tick_tag = config.tick_tag.as_bytes().to_vec();
        Engine::new(config).map(|engine| (engine, tick_tag))
    });
    match engine {
        Ok((mut engine, tick_tag)) => {
            engine.queue_alerts();
            engine.set_add_timestamp(false);
            Plugin::Running(Box::new(Running {
                engine,
                tick_tag,
                statistics: None,
            }))
        }
        Err(error) => Plugin::Refused(Some(error)),
    }
}

/// The document that says why nothing is detected. Its kind is an alert's, so that it takes the way of the
/// alerts and is seen.
fn write_refusal(error: &ConfigError, out: &mut Vec<u8>) {
    let mut json = Writer::new(out);
    json.begin_object();
    json.key("message");
    json.string(&format!(
        "maxconn detects nothing, every record passes: the configuration in this module is wrong: {error}"
    ));
    json.key("event");
    json.begin_object();
    for (key, value) in [
        ("kind", "alert"),
        ("action", "configuration-refused"),
        ("outcome", "failure"),
    ] {
        json.key(key);
        json.string(value);
    }
    for (key, value) in [("category", "configuration"), ("type", "info")] {
        json.key(key);
        json.begin_array();
        json.string(value);
        json.end_array();
    }
    json.end_object();
    json.key("log");
    json.begin_object();
    json.key("level");
    json.string("error");
    json.end_object();
    json.key("error");
    json.begin_object();
    json.key("message");
    json.string(&error.problem.say().0);
    json.end_object();
    json.end_object();
}
