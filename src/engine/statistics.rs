//! Counts, and writes the document that shows it (docs/contract.md §3.4).

use alloc::string::String;
use alloc::vec::Vec;

use super::{Engine, Kind, Output};
use crate::detector::Transition;
use crate::document::{close, number, open, text, time};
use crate::json::write::Writer;
use crate::text::clipped;
use maxconn_records::bytes::equal;
use maxconn_records::codec;

/// How many limits are counted by name; those of further patterns are counted as `other`.
const MAX_LIMITS: usize = 64;

/// Everything that was counted since the start, or since the snapshot that was restored began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Records that came in.
    pub records: u64,
    /// Records that went on, enriched or not.
    pub passed: u64,
    /// Records with events that were held back.
    pub suppressed: u64,
    /// Records that a host could not have taken back.
    pub rejected: u64,
    /// Records that look like JSON and are not; they pass.
    pub malformed: u64,
    /// Records that hold all that a known message says, or say that something unknown repeated, and are none that can be
    /// read; they pass.
    pub unrecognised: u64,
    /// Events by limit.
    pub events: Vec<(String, u64)>,
    /// The place of the last event's limit among them.
    last_limit: u32,
    /// Events that were older than the allowed lateness.
    pub late: u64,
    /// Events whose time could not be read. Those of a live input count at the time of their arrival, those of a file in no
    /// window.
    pub untimed: u64,
    /// Whether the last one was such.
    pub last_is_untimed: bool,
    /// Alerts made.
    pub alerts: Alerts,
    /// Floods that could not open because no alert of theirs would have found a place.
    pub floods_refused: u64,
}

/// Alerts by state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Starts.
    pub start: u64,
    /// Updates.
    pub ongoing: u64,
    /// Ends.
    pub end: u64,
    /// Updates that gave way at a limit.
    pub dropped: u64,
}

/// What the table says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Keys without an open flood, and with one.
    pub keys: u64,
    /// Open floods.
    pub floods: u64,
    /// Keys forgotten at the limit.
    pub evictions: u64,
    /// Alerts that wait for a slot.
    pub waiting: u64,
    /// The memory of the guest, which all of its engines share; 0 where there is no guest around the core.
    pub memory_bytes: u64,
}

/// The size of the module's memory; 0 outside of one.
fn memory_bytes() -> u64 {
    #[cfg(target_arch = "wasm32")]
    let pages = core::arch::wasm32::memory_size::<0>();
    #[cfg(not(target_arch = "wasm32"))]
    let pages = 0_usize;
    pages as u64 * 65_536
}

impl Engine {
    /// Writes the statistics document of docs/contract.md §3.4 as one [`Kind::Statistics`].
    pub fn statistics(&mut self, out: &mut Output) {
        let start = out.bytes.len();
        let (now_ms, levels) = (self.floods.newest_ms(), self.levels());
        let statistics = &self.statistics;
        let sample = self.unrecognised.as_deref();
        statistics.write(now_ms, levels, sample, &mut out.bytes);
        out.piece(Kind::Statistics, start);
    }

    /// The counters.
    pub fn counters(&self) -> &Statistics {
        &self.statistics
    }

    /// How full the table is.
    pub fn levels(&self) -> Levels {
        let table = &self.floods.table;
        Levels {
            keys: table.len() as u64,
            floods: table.floods() as u64,
            evictions: table.evictions(),
            waiting: self
                .floods
                .outbox
                .queue
                .as_ref()
                .map_or(0, |queue| queue.alerts() as u64),
            memory_bytes: memory_bytes(),
        }
    }

    /// Writes the statistics of servers, but for the period that goes on where there is one. `false` if there is no room.
    #[cold]
    #[inline(never)]
    pub(super) fn write_periods(
        &mut self,
        now_ms: Option<i64>,
        goes_on: bool,
        out: &mut Output,
    ) -> bool {
        let every_ms = self.config.statistics_every_ms;
        let most = match &self.floods.outbox.queue {
            Some(queue) => queue.room_for_statistics(),
            None if !goes_on && out.is_full() => 0,
            None => usize::MAX,
        };
        // Asked at every event until there is room.
        if most == 0 {
            return self.periods.is_empty() || goes_on;
        }
        // Where the last event was counted there may be another place for the next one like it.
        self.floods.look_again();
        for counted in self.periods.take(now_ms, every_ms, goes_on, most) {
            let open = self.floods.open_of(&counted.module, &counted.limit);
            if let Some(queue) = &mut self.floods.outbox.queue {
                let mut document = Vec::with_capacity(512);
                self.periods.write(&counted, every_ms, open, &mut document);
                document.pop();
                queue.push_statistics(document);
            } else {
                let start = out.bytes.len();
                self.periods.write(&counted, every_ms, open, &mut out.bytes);
                out.piece(Kind::Statistics, start);
            }
        }
        self.periods.is_empty() || goes_on
    }

    /// Writes what is due at a time: the statistics of servers for the periods that are over, and the plugin's own.
    pub(super) fn statistics_if_due(&mut self, now_ms: Option<i64>, out: &mut Output) {
        let every_ms = self.config.statistics_every_ms;
        let Some(now_ms) = now_ms.filter(|_| every_ms > 0) else {
            return;
        };
        if self.periods.is_due(now_ms, every_ms) {
            self.write_periods(Some(now_ms), true, out);
        }
        let next_ms = self
            .next_statistics_ms
            .get_or_insert(now_ms.saturating_add(every_ms));
        // Far ahead, it was set when the time was another.
        if !(1..=every_ms * 2).contains(&next_ms.saturating_sub(now_ms)) {
            *next_ms = now_ms.saturating_add(every_ms);
            self.statistics(out);
        }
    }
}

impl Statistics {
    /// Counts more records like the last one, one event each, all held back.
    pub(crate) fn repeat(&mut self, times: u32) {
        let times = u64::from(times);
        self.records += times;
        self.suppressed += times;
        self.untimed += times * u64::from(self.last_is_untimed);
        if let Some((_, count)) = self.events.get_mut(self.last_limit as usize) {
            *count += times;
        }
    }

    #[inline]
    pub(crate) fn count_events(&mut self, limit: &str, times: u32) {
        let name = if self.events.len() < MAX_LIMITS {
            limit
        } else {
            "other"
        };
        let known = self
            .events
            .iter()
            .position(|(known, _)| is_same(known, limit) || is_same(known, name));
        self.last_limit = known.unwrap_or(self.events.len()) as u32;
        match known.and_then(|at| self.events.get_mut(at)) {
            Some((_, count)) => *count += u64::from(times),
            None => self.events.push((clipped(name, 64), u64::from(times))),
        }
    }

    pub(crate) fn count_alert(&mut self, transition: Transition) {
        match transition {
            Transition::Start => self.alerts.start += 1,
            Transition::Ongoing => self.alerts.ongoing += 1,
            Transition::End(_) => self.alerts.end += 1,
        }
    }

    /// Writes the document as one line of JSON, newline included; `unrecognised` is one such record.
    pub fn write(
        &self,
        at_ms: Option<i64>,
        levels: Levels,
        unrecognised: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        let json = &mut Writer::new(out);
        json.begin_object();
        if let Some(at_ms) = at_ms {
            time(json, "@timestamp", at_ms);
        }
        open(json, "event");
        text(json, "kind", "metric");
        text(json, "module", "maxconn");
        text(json, "dataset", "maxconn.statistics");
        close(json);
        open(json, "maxconn");
        open(json, "statistics");
        number(json, "records", self.records);
        number(json, "passed", self.passed);
        number(json, "suppressed", self.suppressed);
        number(json, "rejected", self.rejected);
        number(json, "malformed", self.malformed);
        number(json, "unrecognised", self.unrecognised);
        if let Some(record) = unrecognised {
            text(json, "unrecognised_sample", record);
        }
        number(json, "late", self.late);
        number(json, "untimed", self.untimed);
        open(json, "events");
        for (limit, count) in &self.events {
            number(json, limit, *count);
        }
        close(json);
        open(json, "alerts");
        number(json, "start", self.alerts.start);
        number(json, "ongoing", self.alerts.ongoing);
        number(json, "end", self.alerts.end);
        number(json, "dropped", self.alerts.dropped);
        number(json, "waiting", levels.waiting);
        close(json);
        number(json, "keys", levels.keys);
        number(json, "floods", levels.floods);
        number(json, "floods_refused", self.floods_refused);
        number(json, "evictions", levels.evictions);
        if levels.memory_bytes > 0 {
            number(json, "memory_bytes", levels.memory_bytes);
        }
        close(json);
        close(json);
        close(json);
        out.push(b'\n');
    }
}

fn is_same(left: &str, right: &str) -> bool {
    equal(left.as_bytes(), right.as_bytes())
}

codec!(Statistics: records, passed, suppressed, rejected, malformed, unrecognised, events, last_limit, late, untimed, alerts, floods_refused);
codec!(Alerts: start, ongoing, end, dropped);
