//! Decides what becomes of a line: it passes, is enriched, or is held back.

use alloc::vec::Vec;

use super::floods::{Call, Limit, Observed};
use super::recognise::{Input, Sight, event_id, holds_known, is_json, recall_ms, text};
use super::{
    Engine, Format, Kind, LINE_MAX_BYTES, OUTPUT_SOFT_LIMIT, Output, RECORD_MAX_BYTES, Source,
    Verdict, view,
};
use crate::detector::Again;
use crate::enrich::{Extras, enrich};
use crate::event::{Class, Event};
use crate::hash::{hex32, quick64};
use crate::line_cache::{CachedLine, Like};
use crate::record::{Plain, write_text_record};
use crate::redact::Redactor;
use crate::search;
use crate::sentence::Part::Number;
use crate::sentence::say;
use crate::text::clipped;
use maxconn_records::bytes::equal;

/// So much of an unrecognised record is shown, in bytes.
const SAMPLE_BYTES: usize = 1024;

/// What a host knows of a record beside its source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The host's own timestamp for it.
    pub time_ms: Option<i64>,
    /// The position of its line in its source.
    pub offset: Option<u64>,
    /// Something unique (topic, partition, offset), which makes `event.id`.
    pub position: Option<&'a [u8]>,
}

impl Engine {
    /// Counts lines that are the one before, which was held back, over again; returns their bytes. Dovecot's
    /// logs were like that before sessions had ids, and so are those whose times have no fractions.
    pub(super) fn repeat(&mut self, lines: &[u8], start: usize, end: usize) -> usize {
        let (Some(line), Some(rest)) = (lines.get(start..end), lines.get(end..)) else {
            return 0;
        };
        if !line.ends_with(b"\n") {
            return 0;
        }
        let next = rest.chunks_exact(line.len());
        let mut same = next.take_while(|next| equal(next, line)).peekable();
        if same.peek().is_none() {
            return 0;
        }
        let most = self.floods.repeatable(&self.config).times as usize;
        let times = same.take(most).count();
        if times > 0 {
            self.count_again(&Again {
                time_ms: self.floods.last_ms(),
                times: times as u32,
                record_bytes: line.len() as u64 - 1,
                session: None,
            });
            self.streams.go_on(self.statistics.records);
        }
        line.len() * times
    }

    /// One record that may carry an event. One that does not is left to the caller, uncounted. `None`, and
    /// nothing counted, if the output is full of what was due before it. If it is known to be like a remembered
    /// one, the same where it has to be read all the same.
    pub(super) fn line(
        &mut self,
        source: &Source,
        line: &[u8],
        place: Place<'_>,
        known: Option<Like>,
        out: &mut Output,
        limit: Limit,
    ) -> Option<Verdict> {
        let Place {
            time_ms,
            offset,
            position,
        } = place;
        let latest_ms = self.floods.believed_ms(&self.config);
        let input = Input {
            source,
            line,
            time_ms,
            offset,
            position,
            latest_ms,
        };
        if line.len() > RECORD_MAX_BYTES {
            // What is not read was never known.
            return known.is_none().then(|| self.unread());
        }
        let is_json = input.is_json();
        let like = known.or_else(|| self.line_cache.find(line, is_json));
        let recalled = like.and_then(|like| {
            let found_ms = recall_ms(&self.config, &mut self.line_cache, &input, like)?;
            Some((like, found_ms))
        });
        if known.is_some() && recalled.is_none() {
            return None;
        }
        if let Some((like, Some(time_ms))) = recalled
            && !out.want.views
            && !out.want.held_back
            && (limit == Limit::None || !out.is_full())
            && self.floods.is_again(&self.config, like, time_ms)
        {
            let session = self
                .line_cache
                .get(like)
                .and_then(|cached| cached.session(line));
            self.floods.clock.see(time_ms, self.floods.far_ms);
            self.statistics.last_is_untimed = false;
            self.count_again(&Again {
                time_ms,
                times: 1,
                record_bytes: line.len() as u64,
                session: session.map(quick64),
            });
            self.streams.note(line, self.statistics.records);
            if self.config.statistics_every_ms > 0 {
                self.statistics_if_due(self.floods.believed_ms(&self.config), out);
            }
            return Some(Verdict::Suppressed);
        }
        let like = recalled.map(|(like, _)| like);
        let mut sight = Sight::NOTHING;
        let cached = recalled.and_then(|(like, found_ms)| {
            let cached = self.line_cache.get(like)?;
            let (host, message) = (cached.host(), cached.message(line));
            sight.fill(&input, (found_ms, found_ms), host, message);
            Some(cached)
        });
        let read = match cached {
            Some(_) => None,
            None => match self.recogniser.record(&self.config, &input) {
                None => return Some(self.unread()),
                read => read,
            },
        };
        let mut event = match (&read, cached) {
            (Some(read), _) => self.recogniser.read(&self.config, &input, read, &mut sight),
            (None, Some(cached)) => cached.event(line),
            (None, None) => None,
        };
        // The record that it repeats, if it has no more than a word of it.
        let before = sight
            .repeats
            .filter(|repeats| event.is_none() && !repeats.is_whole)
            .and_then(|_| self.streams.last(self.statistics.records))
            .map(|line| Input { line, ..input });
        let found_before = before
            .as_ref()
            .and_then(|before| self.recogniser.record(&self.config, before));
        if let (Some(before), Some(found)) = (&before, &found_before) {
            event = self
                .recogniser
                .read_again(&self.config, before, found, &mut sight);
        }
        let Some(event) = &event else {
            let (is_known, may_name) = match &read {
                Some(read) => holds_known(read, line, is_json),
                None => (false, false),
            };
            let is_unknown = before.is_some()
                || sight
                    .repeats
                    .is_some_and(|repeats| repeats.is_whole && repeats.count.is_none());
            self.is_withheld = may_name && self.floods.redactor.is_some();
            if is_known || is_unknown {
                self.statistics.unrecognised += 1;
                if self.unrecognised.is_none() && self.floods.redactor.is_none() {
                    self.unrecognised = Some(clipped(&text(line), SAMPLE_BYTES));
                }
            }
            return Some(Verdict::Passed);
        };
        let context = &sight.context;
        let mut call = Call::new(&self.config, &mut self.statistics, &mut *out, limit);
        if sight.counts && !self.floods.move_to(&mut call, context, sight.is_timed) {
            return None;
        }
        let statistics = &mut *call.statistics;
        statistics.records += 1;
        statistics.untimed += u64::from(sight.is_untimed) * u64::from(event.count);
        statistics.last_is_untimed = sight.is_untimed;
        if event.class == Class::Refusal {
            statistics.count_events(event.limit, event.count);
        }
        let observed = match sight.counts {
            true => self.floods.observe(&mut call, event, context, like),
            false => {
                self.floods.pass_by();
                Observed::default()
            }
        };
        let every_ms = self.config.statistics_every_ms;
        if every_ms > 0 {
            let time_ms = if sight.counts {
                Some(context.time_ms)
            } else {
                latest_ms
            };
            self.periods
                .count(every_ms, time_ms, event, context, &observed);
        }
        let verdict = if observed.is_held_back {
            call.statistics.suppressed += 1;
            Verdict::Suppressed
        } else {
            call.statistics.passed += 1;
            Verdict::Enriched
        };
        if call.out.want.views {
            view::write(
                &self.config,
                self.floods.redactor.as_deref(),
                event,
                &sight,
                &observed,
                call.out,
            );
        }
        if call.out.want.enriched && (verdict == Verdict::Enriched || call.out.want.held_back) {
            let (plain, path) = match (&read, cached) {
                (Some(read), _) => (read.plain, read.path.as_deref()),
                (None, Some(cached)) => (cached.plain(), cached.path()),
                (None, None) => (None, None),
            };
            let id = observed.flood.map(|(_, id)| hex32(id));
            let document = Document {
                event,
                sight: &sight,
                plain,
                event_id: event_id(&input, read.as_ref(), path, context.host),
                flood: id.as_ref().and_then(|id| core::str::from_utf8(id).ok()),
                adds_timestamp: self.adds_timestamp,
                redactor: self.floods.redactor.as_deref(),
            };
            let start = call.out.bytes.len();
            let is_id_ours = document.write(&input, &mut self.scratch, &mut call.out.bytes);
            let kind = match is_id_ours {
                Some(true) if call.out.want.ids => Kind::Identified,
                _ => Kind::Enriched,
            };
            call.out.piece(kind, start);
        }
        let (time_ms, counts) = (context.time_ms, sight.counts);
        if observed.flood.is_some()
            && sight.repeats.is_none()
            && let Some(read) = &read
        {
            let cached = CachedLine::new(line, is_json, read, event, &sight.head);
            self.line_cache.insert(cached);
        }
        if counts {
            self.floods.tell_starts(&mut call, time_ms);
        }
        let records = self.statistics.records;
        match before {
            Some(_) => self.streams.go_on(records),
            None => self.streams.note(line, records),
        }
        if counts && every_ms > 0 {
            self.statistics_if_due(self.floods.believed_ms(&self.config), out);
        }
        Some(verdict)
    }

    /// Counts records that are like the last event and held back as that was: they say nothing new.
    #[inline(never)]
    fn count_again(&mut self, again: &Again) {
        self.floods.repeat(&self.config, again);
        self.statistics.repeat(again.times);
        if self.config.statistics_every_ms > 0 {
            self.periods.repeat(again);
        }
    }

    /// A record that may carry an event and cannot be read passes. Where names are hidden it is withheld: which are in
    /// it nobody knows.
    #[cold]
    fn unread(&mut self) -> Verdict {
        self.statistics.malformed += 1;
        self.is_withheld = self.floods.redactor.is_some();
        Verdict::Passed
    }

    /// One record that passes.
    #[inline]
    pub(super) fn count_passed(&mut self) {
        self.statistics.records += 1;
        self.statistics.passed += 1;
    }

    /// Passes lines without an event; returns where it stopped because the output is full.
    pub(super) fn pass_lines(
        &mut self,
        source: &Source,
        lines: &[u8],
        start: usize,
        end: usize,
        offset: Option<u64>,
        out: &mut Output,
    ) -> usize {
        if source.format == Format::Json || !out.want.records {
            let passed = lines.get(start..end).unwrap_or_default();
            let records = search::count_lines(passed) + u64::from(!passed.ends_with(b"\n"));
            self.statistics.records += records;
            self.statistics.passed += records;
            out.pass(start, end);
            return end;
        }
        let mut at = start;
        while at < end {
            let next = lines
                .get(at..end)
                .and_then(|rest| memchr::memchr(b'\n', rest))
                .map_or(end, |newline| at + newline + 1);
            self.pass_line(source, lines, (at, next), offset, out);
            at = next;
            if out.is_full() {
                break;
            }
        }
        at
    }

    /// Passes one line, newline included: JSON as it is, text as the record made from it.
    pub(super) fn pass_line(
        &mut self,
        source: &Source,
        lines: &[u8],
        (start, end): (usize, usize),
        offset: Option<u64>,
        out: &mut Output,
    ) {
        self.count_passed();
        let line = lines.get(start..end).unwrap_or_default();
        if line.len() > LINE_MAX_BYTES + 1 || is_json(source.format, line) {
            out.pass(start, end);
        } else if out.want.records {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let from = out.bytes.len();
            if line.len() > OUTPUT_SOFT_LIMIT {
                // Once, and not by doubling: there may be no room for both.
                out.bytes
                    .reserve_exact(ESCAPED_BYTES * line.len() + TEXT_RECORD_BYTES);
            }
            write_text_record(
                line,
                source.path.as_deref(),
                offset.map(|offset| offset + start as u64),
                &mut out.bytes,
            );
            out.bytes.push(b'\n');
            out.piece(Kind::Wrapped, from);
        }
    }
}

/// A record with an event, as it goes on.
pub(super) struct Document<'a> {
    pub event: &'a Event<'a>,
    pub sight: &'a Sight<'a>,
    pub plain: Option<Plain>,
    pub event_id: Option<u128>,
    /// The open flood that counts it, in hex.
    pub flood: Option<&'a str>,
    pub adds_timestamp: bool,
    pub redactor: Option<&'a Redactor>,
}

impl Document<'_> {
    /// Writes it as a line; whether its `event.id` is ours. `scratch` is room for what becomes of a text line.
    pub fn write(
        &self,
        input: &Input<'_>,
        scratch: &mut Vec<u8>,
        bytes: &mut Vec<u8>,
    ) -> Option<bool> {
        let (record, plain) = if input.is_json() {
            (input.line, self.plain)
        } else {
            scratch.clear();
            let path = input.source.path.as_deref();
            write_text_record(input.line, path, input.offset, scratch);
            let plain = Plain {
                closing: scratch.len().saturating_sub(1),
                has_members: true,
                has_timestamp: false,
            };
            (scratch.as_slice(), Some(plain))
        };
        let redactor = self.redactor;
        let extras = Extras {
            add_timestamp: self.adds_timestamp && self.sight.has_time,
            // The line is part of it, and with it the name.
            id: self
                .event_id
                .map(|id| redactor.map_or(id, |redactor| redactor.id(id))),
            flood: self.flood.map(|id| (id, "ongoing")),
            redactor,
            plain,
        };
        let is_id_ours = enrich(record, self.event, &self.sight.context, &extras, bytes);
        if is_id_ours.is_none() {
            // It could be read, so it can be spliced; should that ever not hold, it goes on as it is.
            bytes.extend_from_slice(record);
        }
        bytes.push(b'\n');
        is_id_ours
    }
}

/// As many bytes become of one in JSON, at most.
const ESCAPED_BYTES: usize = 6;
/// What a record made of a text line has beside its text: with less the memory would double for the last bytes.
const TEXT_RECORD_BYTES: usize = 1024;

/// Writes, if it is wanted, what goes on in the place of a record of `bytes` bytes that is withheld.
#[cold]
pub(super) fn withhold(bytes: usize, kind: Kind, is_wanted: bool, out: &mut Output) {
    if !is_wanted {
        return;
    }
    let from = out.bytes.len();
    withheld(bytes, &mut out.bytes);
    out.piece(kind, from);
}

/// The note in the place of a record of so many bytes.
pub(super) fn withheld(bytes: usize, out: &mut Vec<u8>) {
    let text = say(
        "maxconn: a record of %0 bytes is withheld: it cannot be read, and names are redacted",
        &[Number(bytes as u64)],
    );
    write_text_record(text.as_bytes(), None, None, out);
    out.push(b'\n');
}
