//! Counts refusals by period, server, limit and host, and writes a document of each (docs/contract.md §3.4): the curve of a
//! flood whose records are held back.
//!
//! A document tells what was counted since the one before, so that a sum of them is exact however late an event is: one for
//! a period that was written adds another document of that period.

use alloc::string::String;
use alloc::vec::Vec;

use super::floods::Observed;
use crate::detector::Again;
use crate::document::{close, group, number, open, text, time};
use crate::event::{Class, Context, Event};
use crate::hash::Hash;
use crate::json::write::Writer;
use crate::recognisers::dataset;
use crate::tally::Tally;
use crate::text::clip;
use maxconn_records::bytes::equal;
use maxconn_records::codec;

/// So many documents are written at once …
pub(super) const DOCUMENTS_MAX: usize = 100;
/// … of which so many name a server, a limit and a host. All further ones of a period are one, and those of all further
/// periods are counted in the last of them.
const NAMED_MAX: usize = 90;
/// A host's name is kept up to so many bytes.
const HOST_MAX_BYTES: usize = 255;
/// A limit's, and a server's.
const NAME_MAX_BYTES: usize = 64;
const HASH_PERIOD: u8 = 21;

/// What was counted and is not written yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Periods {
    counted: Vec<Counted>,
    /// The place of the last event's among them.
    last: u32,
    /// The period that was going on when documents were last written, or looked for.
    current_ms: Option<i64>,
    /// When documents were last written; it only grows, so that no two of a period have the same id.
    written_ms: i64,
}

/// What was counted of one server, limit and host in a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// `None` where no time was known at all.
    start_ms: Option<i64>,
    /// The server; empty for all others.
    pub module: String,
    pub limit: String,
    host: Option<String>,
    tally: Tally,
}

impl Counted {
    fn is_of(&self, start_ms: Option<i64>, module: &str, limit: &str, host: Option<&str>) -> bool {
        let is_host = match (&self.host, host) {
            (Some(mine), Some(host)) => equal(mine.as_bytes(), host.as_bytes()),
            (None, None) => true,
            _ => false,
        };
        self.start_ms == start_ms
            && is_host
            && equal(self.limit.as_bytes(), limit.as_bytes())
            && equal(self.module.as_bytes(), module.as_bytes())
    }
}

impl Periods {
    /// Counts the refusals that an event tells of, at its time if that is known.
    #[inline(never)]
    pub fn count(
        &mut self,
        every_ms: i64,
        time_ms: Option<i64>,
        event: &Event<'_>,
        context: &Context<'_>,
        observed: &Observed,
    ) {
        if event.class != Class::Refusal && observed.unlogged == 0 {
            return;
        }
        let start_ms = time_ms.map(|time_ms| period_of(time_ms, every_ms));
        let host = context.host.map(|host| clip(host, HOST_MAX_BYTES));
        let [module, limit] = [event.module, event.limit].map(|name| clip(name, NAME_MAX_BYTES));
        let last = self.counted.get(self.last as usize);
        if !last.is_some_and(|last| last.is_of(start_ms, module, limit, host)) {
            self.last = self.place(start_ms, module, limit, host) as u32;
        }
        let Some(Counted { tally, .. }) = self.counted.get_mut(self.last as usize) else {
            return;
        };
        match event.class {
            Class::Refusal => tally.count(
                observed.is_held_back,
                u64::from(event.count),
                context.record_bytes,
            ),
            _ => tally.count_unlogged(observed.unlogged),
        }
    }

    #[inline(never)]
    fn place(
        &mut self,
        start_ms: Option<i64>,
        module: &str,
        limit: &str,
        host: Option<&str>,
    ) -> usize {
        let find = |counted: &[Counted], module: &str, limit: &str, host: Option<&str>| {
            let mut counted = counted.iter();
            counted.position(|it| it.is_of(start_ms, module, limit, host))
        };
        if let Some(at) = find(&self.counted, module, limit, host) {
            return at;
        }
        let (module, limit, host) = if self.counted.len() < NAMED_MAX {
            (module, limit, host)
        } else if let Some(at) = find(&self.counted, "", "other", None) {
            return at;
        } else if self.counted.len() < DOCUMENTS_MAX {
            ("", "other", None)
        } else {
            return self.counted.len() - 1;
        };
        self.counted.push(Counted {
            start_ms,
            module: String::from(module),
            limit: String::from(limit),
            host: host.map(String::from),
            tally: Tally::default(),
        });
        self.counted.len() - 1
    }

    /// Counts more records like the last one, all held back.
    pub fn repeat(&mut self, again: &Again) {
        if let Some(last) = self.counted.get_mut(self.last as usize) {
            let times = u64::from(again.times);
            last.tally
                .count(true, times, times.saturating_mul(again.record_bytes));
        }
    }

    /// Whether a period has begun at a time, and one before it is to be written.
    #[inline]
    pub fn is_due(&mut self, now_ms: i64, every_ms: i64) -> bool {
        let now = Some(period_of(now_ms, every_ms));
        self.current_ms != now && {
            let is_due = self.counted.iter().any(|it| it.start_ms != now);
            if !is_due {
                self.current_ms = now;
            }
            is_due
        }
    }

    /// Whether nothing waits to be written.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty()
    }

    /// Takes out what was counted, up to so many of them, to be written; but for the period of `now_ms` if that goes on.
    pub fn take(
        &mut self,
        now_ms: Option<i64>,
        every_ms: i64,
        goes_on: bool,
        most: usize,
    ) -> Vec<Counted> {
        let current_ms = now_ms
            .filter(|_| goes_on)
            .map(|now_ms| period_of(now_ms, every_ms));
        self.written_ms = self.written_ms.saturating_add(1).max(now_ms.unwrap_or(0));
        self.last = u32::MAX;
        let mut taken = Vec::new();
        for counted in core::mem::take(&mut self.counted) {
            let is_kept = taken.len() >= most || goes_on && counted.start_ms == current_ms;
            match is_kept {
                true => self.counted.push(counted),
                false => taken.push(counted),
            }
        }
        if taken.len() < most {
            self.current_ms = current_ms;
        }
        taken
    }

    /// Writes the document as one line of JSON, newline included; `floods` of that server and limit are open.
    pub fn write(&self, counted: &Counted, every_ms: i64, floods: u64, out: &mut Vec<u8>) {
        let is_other = counted.module.is_empty();
        let (module, dataset) = match is_other {
            true => ("maxconn", "maxconn.statistics"),
            false => (counted.module.as_str(), dataset(&counted.module)),
        };
        let json = &mut Writer::new(out);
        json.begin_object();
        if let Some(start_ms) = counted.start_ms {
            time(json, "@timestamp", start_ms);
        }
        open(json, "event");
        text(json, "kind", "metric");
        text(json, "action", "connection-limit-statistics");
        text(json, "module", module);
        text(json, "dataset", dataset);
        if let Some(start_ms) = counted.start_ms {
            time(json, "start", start_ms);
            time(json, "end", start_ms.saturating_add(every_ms));
            json.key("duration");
            json.int(every_ms.saturating_mul(1_000_000));
        }
        let id = Hash::new(HASH_PERIOD)
            .number(counted.start_ms.unwrap_or(i64::MIN) as u64)
            .number(every_ms as u64)
            .part(module.as_bytes())
            .part(counted.limit.as_bytes())
            .part(counted.host.as_deref().unwrap_or("").as_bytes())
            .number(self.written_ms as u64)
            .number(counted.tally.count)
            .number(counted.tally.suppressed);
        json.key("id");
        json.hex(id.finish());
        close(json);
        if let Some(host) = &counted.host {
            group(json, "host", "name", host);
        }
        if !is_other {
            group(json, "service", "type", module);
        }
        open(json, "maxconn");
        group(json, "limit", "name", &counted.limit);
        open(json, "refusals");
        counted.tally.write(json);
        close(json);
        if !is_other {
            open(json, "floods");
            number(json, "open", floods);
            close(json);
        }
        close(json);
        close(json);
        out.push(b'\n');
    }
}

/// The start of the period that a time lies in; periods are aligned to the epoch.
#[inline(never)]
pub(super) fn period_of(time_ms: i64, every_ms: i64) -> i64 {
    time_ms.saturating_sub(time_ms.rem_euclid(every_ms.max(1)))
}

codec!(Counted: start_ms, module, limit, host, tally);
codec!(Periods: counted, last, current_ms, written_ms);
