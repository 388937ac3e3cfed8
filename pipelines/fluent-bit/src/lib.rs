//! The Fluent Bit guest: the plugin behind `filter_wasm`'s JSON event format, one record in and at most
//! one document out. README.md says how to use it; `abi` has the exports, this file what they do.
//!
//! Fluent Bit parses every answer, and one that is not JSON can cost the whole process. So each record is
//! checked before it goes back, and every answer is ended by a NUL here.

mod abi;
mod buffers;

use std::ptr::NonNull;

use maxconn_core::config::baked::{Region, Room};
use maxconn_core::config::{Config, ConfigError};
use maxconn_core::engine::{Engine, Kind, Like, Output, Source, Verdict, Want};
use maxconn_core::json::write::Writer;
use maxconn_fluent_bit_json::{ROUTE, may_go_back, mend};

use abi::find_quote;
use buffers::{Buffer, Lease, place, split};

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

    /// Begins. What was there before needs no end: that is once nothing, and the code to end an engine is 2 KB.
    fn boot(&mut self) {
        core::mem::forget(core::mem::replace(&mut self.plugin, boot()));
    }

    /// Reads the configuration, before the first record if the host lets us; the sentence that says what is
    /// wrong with it.
    fn start(&mut self) -> Result<(), String> {
        // Without it no record could be checked: a host that has none shall not start.
        if find_quote(b"\"") != Some(0) {
            return Err("maxconn: this host's memchr is not C's\n".to_string());
        }
        self.boot();
        match &self.plugin {
            Plugin::Refused(Some(error)) => Err(format!(
                "maxconn: the configuration in this module is wrong: {error}\n"
            )),
            _ => Ok(()),
        }
    }

    /// The address of a buffer that is not lent and is made to hold `size` bytes, else 0.
    #[cold]
    #[inline(never)]
    fn lend(&mut self, leases: &[Lease; 2], size: usize) -> usize {
        let [first, second] = &mut self.buffers;
        let (buffer, lease) = match leases {
            [lease, _] if lease.room.get() > 0 => (first, lease),
            [_, lease] if lease.room.get() > 0 => (second, lease),
            _ => return 0,
        };
        buffer.grow(size);
        lease.size.set(buffer.bytes.len());
        lease.address.set(buffer.bytes.as_ptr() as usize);
        lease.take_back();
        lease.lend(size).unwrap_or(0)
    }

    /// One record; tag and record are address and length, the time is in s and ns. Answers where a text lies that is ended by a NUL
    /// and stays until the next call; `None` drops the record.
    fn filter(
        &mut self,
        tag: (usize, usize),
        record: (usize, usize),
        time: (u32, u32),
    ) -> Option<NonNull<u8>> {
        let mut known = None;
        let (tag_buffer, text) = split(&self.buffers, record);
        // Nearly every record ends here, so what comes before it is as little as can be.
        if let (Plugin::Running(running), Some(text)) = (&mut self.plugin, text)
            && (tag.1 != running.tick_tag.len() || !tag_buffer.holds(tag, &running.tick_tag))
        {
            known = running.engine.known(&self.source, text);
            if known.is_none() && !running.engine.may_carry(text) && may_go_back(text, find_quote) {
                running.engine.pass(&self.source);
                return place(text);
            }
        }
        self.look_closely(tag, record, time, known)
    }

    /// Whatever else it is.
    #[inline(never)]
    fn look_closely(
        &mut self,
        tag: (usize, usize),
        record: (usize, usize),
        time: (u32, u32),
        known: Option<Like>,
    ) -> Option<NonNull<u8>> {
        let time_ms = i64::from(time.0) * 1_000 + i64::from(time.1 / 1_000_000);
        let (tag_buffer, text) = split(&self.buffers, record);
        let (mut running, is_tick) = match &mut self.plugin {
            Plugin::Unread => {
                self.boot();
                return self.filter(tag, record, time);
            }
            Plugin::Running(running) => {
                let is_tick = tag_buffer.holds(tag, &running.tick_tag);
                (Some(running), is_tick)
            }
            Plugin::Refused(_) => {
                let tick_tag = Config::default().tick_tag;
                (None, tag_buffer.holds(tag, tick_tag.as_bytes()))
            }
        };
        if is_tick {
            return self.tick(time_ms);
        }
        // No address, or one that is none of ours: there was no memory for the record.
        let Some(text) = text else {
            self.reject();
            return None;
        };
        self.out.clear();
        // Nothing need go back of an event that is held back, and one that is known but for its times was checked before.
        let mut verdict = None;
        if let (Some(known), Some(running)) = (known, &mut running) {
            let (engine, out) = (&mut running.engine, &mut self.out);
            verdict = engine.push_known(&self.source, (text, known), Some(time_ms), out);
        }
        let mut address = place(text);
        if verdict.is_none() {
            let Some(record) = checked(text, &mut self.answer) else {
                self.reject();
                return None;
            };
            address = place(record);
            if let Some(running) = running {
                verdict = judge(running, &self.source, record, time_ms, &mut self.out);
            }
        }
        match verdict {
            Some(Verdict::Passed) | None => address,
            Some(Verdict::Enriched) => self.enriched(),
            Some(Verdict::Suppressed) => self.slot(),
        }
    }

    /// What was just enriched.
    fn enriched(&mut self) -> Option<NonNull<u8>> {
        self.keep_statistics();
        let piece = self
            .out
            .segments
            .iter()
            .find(|piece| piece.kind == Kind::Enriched)?;
        let (start, len) = (piece.start as usize, piece.len as usize);
        let end = start.checked_add(len)?;
        // Statistics may stand behind it; else it need not be copied.
        let (out, start) = if end == self.out.bytes.len() {
            (&mut self.out.bytes, start)
        } else {
            self.answer.clear();
            self.answer
                .extend_from_slice(self.out.bytes.get(start..end)?);
            (&mut self.answer, 0)
        };
        // The route takes the place of the closing brace and what is behind it: a newline at least.
        let closing = out.iter().rposition(|byte| *byte == b'}')?;
        out.truncate(closing);
        out.extend_from_slice(EVENT_ROUTE);
        place(out.get(start..)?)
    }

    /// The slot of a record that does not go on: the oldest document that waits takes it.
    fn slot(&mut self) -> Option<NonNull<u8>> {
        self.keep_statistics();
        let Plugin::Running(running) = &mut self.plugin else {
            return None;
        };
        let (route, document) = match running.engine.take_queued() {
            Some((Kind::Statistics, document)) => (TO_STATISTICS, document),
            Some((_, alert)) => (TO_ALERTS, alert),
            None => (TO_STATISTICS, running.statistics.take()?),
        };
        answer(&mut self.answer, route, &document)
    }

    fn tick(&mut self, time_ms: i64) -> Option<NonNull<u8>> {
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
                place(&self.answer)
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

/// A record as it may go back; `answer` holds it where that is in another form. `None` if there is none.
#[inline]
fn checked<'a>(text: &'a [u8], answer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    if may_go_back(text, find_quote) {
        return Some(text);
    }
    answer.clear();
    let room = text.len().saturating_mul(2);
    if answer.try_reserve(room).is_err() || !mend(text, answer) {
        return None;
    }
    answer.push(0);
    answer.split_last().map(|(_, record)| record)
}

/// Hands a record that may go back to the engine. One that is too large to be worked on in the memory that is left passes.
fn judge(
    running: &mut Running,
    source: &Source,
    record: &[u8],
    time_ms: i64,
    out: &mut Output,
) -> Option<Verdict> {
    if record.len() >= LARGE_BYTES && !has_room(record.len().saturating_mul(COPIES)) {
        return None;
    }
    let engine = &mut running.engine;
    Some(engine.push(source, record, Some(time_ms), None, out))
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

/// Where documents of ours are to go: the values of [`ROUTE`].
const TO_ALERTS: &str = "alert";
const TO_STATISTICS: &str = "statistics";
/// How events end, with [`ROUTE`] as their last member.
const EVENT_ROUTE: &[u8] = b",\"maxconn_route\":\"event\"}\0";

/// An object, which has members, with its route as the first key.
fn answer(out: &mut Vec<u8>, route: &str, object: &[u8]) -> Option<NonNull<u8>> {
    out.clear();
    out.reserve(object.len() + ROUTE.len() + route.len() + 8);
    for part in ["{\"", ROUTE, "\":\"", route, "\","] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(object.get(1..)?);
    out.push(0);
    place(out)
}

/// Begins a document of ours with what it is routed by, which no record that goes back has.
fn begin_routed<'a>(route: &str, out: &'a mut Vec<u8>) -> Writer<'a> {
    let mut json = Writer::new(out);
    json.begin_object();
    json.plain_key(ROUTE);
    json.string(route);
    json
}

/// The document that says why nothing is detected. It takes the way of the alerts, so that it is seen.
fn write_refusal(error: &ConfigError, out: &mut Vec<u8>) {
    let mut json = begin_routed(TO_ALERTS, out);
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
