//! The Bento guest: what Bento's `wasm` processor calls for each message. README.md says how to use it; `abi` has the
//! imports and the exports, this file what is done with a message.
//!
//! Bento makes instances as it needs them and throws them away, so nothing is counted here: a message with an event is
//! enriched, and metadata says what each one is. What one message says is forgotten with it.

mod abi;

use maxconn_core::config::ConfigError;
use maxconn_core::config::baked::{Region, Room};
use maxconn_core::engine::{Engine, Output, Place, RECORD_MAX_BYTES, Source};
use maxconn_core::record::is_one;

#[global_allocator]
static ALLOCATOR: rlsf::SmallGlobalTlsf = rlsf::SmallGlobalTlsf::new();

/// The configuration inside the module: its own defaults.
#[used]
static BAKED: Region = Region::of(&ROOM);
static ROOM: Room = Room::empty();

/// The buffers that are kept. A larger message gets its own, for itself only.
const KEPT_BYTES: usize = 64 * 1024;
/// What the decoded message and the enriched record may take beside a record, in its sizes: text becomes six times as
/// long in JSON at most.
const COPIES: usize = 16;
/// What is needed beside that.
const WORK_BYTES: usize = 64 * 1024;

/// Says what a message is: one of the words below. It is set for every message, so that no sender can have said it.
const KIND: &str = "maxconn";
/// An event, enriched.
const EVENT: &str = "event";
/// No event that we know.
const NONE: &str = "none";
/// As it came: it may carry an event and could not be read, or all of a known message is in it and it is none.
const UNREAD: &str = "unread";
/// The note in the place of a message that could not be read, where names are hidden.
const WITHHELD: &str = "withheld";
/// What the host's clock shows, in ms: metadata that the pipeline may set.
const CLOCK: &str = "maxconn_clock_ms";

/// All that an instance keeps.
pub(crate) struct Processor {
    engine: Engine,
    source: Source,
    out: Output,
}

impl Processor {
    #[cold]
    fn boot() -> Result<Processor, ConfigError> {
        Ok(Processor {
            engine: Engine::new(BAKED.config()?)?,
            source: Source::default(),
            out: Output::default(),
        })
    }

    /// Looks at the message that the host has next.
    fn process(&mut self) {
        let kind = match abi::message() {
            Ok(record) => {
                let kind = match self.engine.may_carry(&record) {
                    false => NONE,
                    true => self.look(&record),
                };
                abi::give_back(match record.capacity() {
                    ..=KEPT_BYTES => record,
                    _ => Vec::new(),
                });
                kind
            }
            Err(bytes) => self.leave(bytes),
        };
        abi::set_metadata(KIND, kind);
    }

    /// A record that may carry an event.
    #[inline(never)]
    fn look(&mut self, record: &[u8]) -> &'static str {
        let is_read = record.len() <= RECORD_MAX_BYTES && is_one(record);
        if !is_read || !has_room(record.len() * COPIES + WORK_BYTES) {
            return self.leave(record.len());
        }
        let clock = abi::metadata(CLOCK);
        let clock_ms = core::str::from_utf8(&clock)
            .ok()
            .and_then(|it| it.parse().ok());
        (self.source.clock_ms, self.source.reference_ms) = (clock_ms, clock_ms);
        let (source, place) = (&self.source, Place::default());
        let kind = match self
            .engine
            .enrich(source, record, place, None, &mut self.out)
        {
            Some(enriched) => {
                abi::set_metadata("maxconn_server", &enriched.module);
                abi::set_metadata("maxconn_limit", &enriched.limit);
                EVENT
            }
            None => {
                let unread = |engine: &Engine| {
                    let counters = engine.counters();
                    counters.malformed + counters.unrecognised
                };
                let before = unread(&self.engine);
                self.engine.observe(source, record, place, &mut self.out);
                match (self.out.bytes.is_empty(), unread(&self.engine) > before) {
                    (false, _) => WITHHELD,
                    (true, true) => UNREAD,
                    (true, false) => NONE,
                }
            }
        };
        self.send();
        kind
    }

    /// What cannot be looked at goes on as it came, unless names are hidden.
    #[cold]
    fn leave(&mut self, bytes: usize) -> &'static str {
        match self.engine.withhold(bytes, &mut self.out) {
            true => {
                self.send();
                WITHHELD
            }
            false => UNREAD,
        }
    }

    /// Gives the message what was written in its place, if anything was.
    fn send(&mut self) {
        let document = &self.out.bytes;
        if !document.is_empty() {
            abi::set_message(document.strip_suffix(b"\n").unwrap_or(document));
        }
        self.out.clear();
        self.out.bytes.shrink_to(KEPT_BYTES);
    }
}

/// Whether so many bytes could be had now.
#[inline(never)]
fn has_room(bytes: usize) -> bool {
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(bytes).is_ok()
}
