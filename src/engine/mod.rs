//! Runs the whole plugin behind one type: records in, documents out.
//!
//! # How to drive it
//! Hand over records in the order they come ([`Engine::push_lines`], [`Engine::push`]), call
//! [`Engine::tick`] now and then if the host has a clock, and [`Engine::finish`] once at the end. After
//! each call read the [`Output`] and [`Output::clear`] it. Time moves with events, ticks and the end only.

mod clock;
mod deadlines;
mod floods;
mod keyed;
mod lines;
mod outbox;
mod output;
mod periods;
mod plan;
mod queue;
mod recognise;
mod snapshot;
mod statistics;
mod streams;
mod view;

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::{Config, ConfigError};
use crate::detector::EndReason;
use crate::line_cache::LineCache;
use floods::{Call, Floods, Limit};
use lines::withhold;
use periods::Periods;
use recognise::{Recogniser, is_json};
use streams::Streams;

pub use crate::line_cache::Like;
pub use clock::Times;
pub use keyed::{
    Enriched, Input as KeyedInput, KeyedEvent, KeyedRule, Observation, Step, StepError,
};
pub use lines::Place;
pub use output::{Kind, OUTPUT_SOFT_LIMIT, Output, Segment, Want};
pub use snapshot::RestoreError;
pub use statistics::{Levels, Statistics};

/// A record that is longer than this is not read, in bytes: what is made of one is many times as large, and is to
/// find its memory in every host. It passes as it is, counted as malformed.
pub const RECORD_MAX_BYTES: usize = 256 * 1024;
/// A text line that is longer than this is made no record of, in bytes: it passes as it is. Hosts cut lines here.
pub const LINE_MAX_BYTES: usize = 1 << 20;

/// The times of so many lines are told at once.
pub const LINE_TIMES_MAX: usize = 256 * 1024;

/// How the lines of a source are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A line that starts with `{` is a JSON record, any other is text.
    #[default]
    Auto,
    /// Every line is text.
    Text,
    /// Every line is a JSON record.
    Json,
}

/// Where records come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's path, as `log.file.path` has it.
    pub path: Option<String>,
    /// The missing year of a timestamp is the latest in which it is not later than this and a day: a file's modification time, a clock.
    pub reference_ms: Option<i64>,
    /// What the host's clock showed lately, if it has one: a record dated a day later than that, or more, takes its time.
    pub clock_ms: Option<i64>,
    /// How lines are read.
    pub format: Format,
    /// Which of the host's streams it is: what a record says of the one before it is about one of the same stream.
    pub stream: u32,
}

impl Source {
    /// Whether it is a file, which was written before, and no live input: what has no time in it did not happen now.
    fn is_file(&self) -> bool {
        self.reference_ms.is_some() && self.clock_ms.is_none()
    }
}

/// What happened to one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It carries no event and passes untouched.
    Passed,
    /// It carries an event and goes on, enriched.
    Enriched,
    /// It carries an event and is held back.
    Suppressed,
}

/// The plugin.
pub struct Engine {
    config: Config,
    recogniser: Recogniser,
    /// The last lines of floods.
    line_cache: LineCache,
    floods: Floods,
    statistics: Statistics,
    periods: Periods,
    streams: Streams,
    adds_timestamp: bool,
    next_statistics_ms: Option<i64>,
    /// A text line's record, before it is enriched.
    scratch: Vec<u8>,
    /// The record that was just found to carry no event is not to go on as it is.
    is_withheld: bool,
    /// The first record that was counted as unrecognised.
    unrecognised: Option<String>,
}

impl Engine {
    /// An engine with an empty table.
    ///
    /// # Errors
    /// A pattern's expression that regex-lite does not take, or patterns in a build without them.
    pub fn new(config: Config) -> Result<Engine, ConfigError> {
        let recogniser = Recogniser::new(&config)?;
        let floods = Floods::new(&config);
        Ok(Engine {
            config,
            recogniser,
            line_cache: LineCache::default(),
            floods,
            statistics: Statistics::default(),
            periods: Periods::default(),
            streams: Streams::default(),
            adds_timestamp: true,
            next_statistics_ms: None,
            scratch: Vec::new(),
            is_withheld: false,
            unrecognised: None,
        })
    }

    /// Puts another configuration in force. Floods whose rule is gone or has other key fields end
    /// (`reconfigured`); the rest goes on.
    ///
    /// # Errors
    /// As [`Engine::new`]; the old configuration stays in force then.
    pub fn reconfigure(&mut self, config: Config, out: &mut Output) -> Result<(), ConfigError> {
        let recogniser = Recogniser::new(&config)?;
        if config.statistics_every_ms != self.config.statistics_every_ms {
            self.write_periods(None, false, out);
        }
        let state = self.take_state();
        self.recogniser = recogniser;
        self.line_cache.clear();
        self.config = config;
        self.put_state(state, out);
        Ok(())
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Alerts are to be fetched with [`Engine::take_queued`] instead of appearing in the output: for
    /// hosts that can only answer one record with one record (Fluent Bit).
    pub fn queue_alerts(&mut self) {
        self.floods.outbox.queue.get_or_insert_default();
    }

    /// The oldest queued document, without a newline: an alert, or a server's statistics.
    pub fn take_queued(&mut self) -> Option<(Kind, Vec<u8>)> {
        self.floods.outbox.queue.as_mut()?.pop()
    }

    /// Whether enriched records get an `@timestamp` where they have none. They do unless this says no: for
    /// hosts whose outputs always add one of their own (Fluent Bit).
    pub fn set_add_timestamp(&mut self, adds_timestamp: bool) {
        self.adds_timestamp = adds_timestamp;
    }

    /// Counts a record that the host could not have taken back, and that does not go on.
    pub fn reject(&mut self) {
        self.statistics.records += 1;
        self.statistics.rejected += 1;
    }

    /// A batch of records, one a line, the last one's newline optional. `offset` is the position of
    /// `lines` in its source, where that is known.
    ///
    /// Returns how many bytes were consumed: whole lines, fewer than all if the output has grown past
    /// [`OUTPUT_SOFT_LIMIT`]. Call again with the rest (and the offset moved on) then.
    pub fn push_lines(
        &mut self,
        source: &Source,
        lines: &[u8],
        offset: Option<u64>,
        out: &mut Output,
    ) -> usize {
        self.streams.enter(source.stream, self.statistics.records);
        // Nothing before `done` needs to be looked at again.
        let mut done = 0;
        while done < lines.len() {
            let Some(hit) = self.recogniser.find(lines, done) else {
                return self.pass_lines(source, lines, done, lines.len(), offset, out);
            };
            let start = done
                + lines
                    .get(done..hit)
                    .and_then(|before| memchr::memrchr(b'\n', before))
                    .map_or(0, |at| at + 1);
            let end = lines
                .get(hit..)
                .and_then(|rest| memchr::memchr(b'\n', rest))
                .map_or(lines.len(), |at| hit + at);
            if done < start {
                done = self.pass_lines(source, lines, done, start, offset, out);
                if done < start {
                    return done;
                }
            }
            done = (end + 1).min(lines.len());
            let line = lines.get(start..end).unwrap_or_default();
            let position = offset.map(|offset| offset + start as u64);
            let place = Place {
                time_ms: None,
                offset: position,
                position: None,
            };
            let Some(verdict) = self.line(source, line, place, None, out, Limit::Soft) else {
                return start;
            };
            match verdict {
                Verdict::Passed if core::mem::take(&mut self.is_withheld) => {
                    self.count_passed();
                    withhold(line.len(), Kind::Wrapped, out.want.records, out);
                }
                Verdict::Passed => self.pass_line(source, lines, (start, done), offset, out),
                Verdict::Suppressed if !out.want.views && !out.want.held_back => {
                    done += self.repeat(lines, start, done);
                }
                Verdict::Suppressed | Verdict::Enriched => {}
            }
            if out.is_full() {
                return done;
            }
        }
        done
    }

    /// One record, as the host has it: a JSON object or a text line, without a newline at its end.
    /// `time_ms` is the host's own timestamp. `position` makes `event.id` where the host has something
    /// unique (topic, partition, offset). A record that passes is not written anywhere: the host has it.
    pub fn push(
        &mut self,
        source: &Source,
        record: &[u8],
        time_ms: Option<i64>,
        position: Option<&[u8]>,
        out: &mut Output,
    ) -> Verdict {
        self.push_within(source, record, (time_ms, position), out, Limit::None)
            .unwrap_or(Verdict::Passed)
    }

    /// Whether a record may carry an event; one that may not needs no more than to be counted with [`Engine::pass`]. For
    /// hosts that have to do with their records before they push them.
    #[inline]
    pub fn may_carry(&self, record: &[u8]) -> bool {
        self.recogniser.find(record, 0).is_some()
    }

    /// Counts a record that may not carry an event.
    #[inline]
    pub fn pass(&mut self, source: &Source) {
        self.streams.enter(source.stream, self.statistics.records);
        self.count_passed();
    }

    /// The record of before that this one is like, if it carries an event and differs in nothing but times and a session.
    /// Asked in the place of [`Engine::may_carry`], for it is less to look at.
    #[inline]
    pub fn known(&self, source: &Source, record: &[u8]) -> Option<Like> {
        if !self.line_cache.may_hold(record) {
            return None;
        }
        let is_json = is_json(source.format, record);
        self.line_cache.find(record, is_json)
    }

    /// As [`Engine::push`], of a record that is like one before. `None`, and nothing counted, if what differs is not as plain
    /// as it was there.
    pub fn push_known(
        &mut self,
        source: &Source,
        (record, known): (&[u8], Like),
        time_ms: Option<i64>,
        out: &mut Output,
    ) -> Option<Verdict> {
        self.streams.enter(source.stream, self.statistics.records);
        let place = Place {
            time_ms,
            offset: None,
            position: None,
        };
        self.line(source, record, place, Some(known), out, Limit::None)
    }

    /// As [`Engine::push`], for hosts with little memory: many floods may be over by the time of one record.
    /// `None`, and the record not counted, if the output is full of their alerts: read it and call again.
    pub fn try_push(
        &mut self,
        source: &Source,
        record: &[u8],
        time_ms: Option<i64>,
        position: Option<&[u8]>,
        out: &mut Output,
    ) -> Option<Verdict> {
        self.push_within(source, record, (time_ms, position), out, Limit::Soft)
    }

    #[inline]
    fn push_within(
        &mut self,
        source: &Source,
        record: &[u8],
        (time_ms, position): (Option<i64>, Option<&[u8]>),
        out: &mut Output,
        limit: Limit,
    ) -> Option<Verdict> {
        self.streams.enter(source.stream, self.statistics.records);
        if !self.may_carry(record) {
            self.count_passed();
            return Some(Verdict::Passed);
        }
        let place = Place {
            time_ms,
            offset: None,
            position,
        };
        let verdict = self.line(source, record, place, None, out, limit)?;
        if verdict != Verdict::Passed {
            return Some(verdict);
        }
        self.count_passed();
        if core::mem::take(&mut self.is_withheld) {
            withhold(record.len(), Kind::Enriched, out.want.enriched, out);
            return Some(Verdict::Enriched);
        }
        Some(verdict)
    }

    /// The times of lines, for merging several sources: the event time of each line that has one, else
    /// `None`; appended to `times`, those of the first [`LINE_TIMES_MAX`] lines.
    pub fn line_times(&self, source: &Source, lines: &[u8], times: &mut Vec<Option<i64>>) {
        let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
        times.extend(
            lines
                .split(|&byte| byte == b'\n')
                .take(LINE_TIMES_MAX)
                .map(|line| recognise::time(&self.config, source, line)),
        );
    }

    /// Says that time goes on although nothing arrives. `now_ms` is any clock that runs at the usual speed.
    ///
    /// `false` if the output is full and there is more to say: read it and call again.
    pub fn tick(&mut self, now_ms: i64, out: &mut Output) -> bool {
        let Some(latest_ms) = self.floods.believed_ms(&self.config) else {
            return true;
        };
        let base_ms = match self.floods.tick_base_ms {
            Some(base_ms) if base_ms <= now_ms => base_ms,
            // The first tick since the last event, or a clock that was set back.
            _ => *self.floods.tick_base_ms.insert(now_ms),
        };
        let elapsed_ms = now_ms.saturating_sub(base_ms);
        if !self.floods.tick(
            &mut Call::new(&self.config, &mut self.statistics, out, Limit::Soft),
            elapsed_ms,
        ) {
            return false;
        }
        self.statistics_if_due(Some(latest_ms.saturating_add(elapsed_ms)), out);
        true
    }

    /// The end of input: a tick to the time of the last line (or of the newest event, if that is later), then every
    /// flood that is still open ends (`end_of_input`). A host that knows more lines than events gives the greatest of their
    /// times, or the greatest but one where that is much earlier (docs/contract.md §4.9).
    ///
    /// `false` if the output is full and there is more to say: read it and call again.
    pub fn finish(&mut self, time_ms: Option<i64>, out: &mut Output) -> bool {
        let Some(end_ms) = time_ms.max(self.floods.believed_ms(&self.config)) else {
            return self.write_periods(None, false, out);
        };
        self.floods.finish(
            &mut Call::new(&self.config, &mut self.statistics, out, Limit::Soft),
            end_ms,
        ) && self.write_periods(Some(end_ms), false, out)
    }

    /// Ends every open flood (`shutdown`): for a stop without kept state.
    ///
    /// `false` if the output is full and there is more to say: read it and call again.
    pub fn shutdown(&mut self, out: &mut Output) -> bool {
        let Some(latest_ms) = self.floods.believed_ms(&self.config) else {
            return self.write_periods(None, false, out);
        };
        self.floods.end_all(
            &mut Call::new(&self.config, &mut self.statistics, out, Limit::Soft),
            EndReason::Shutdown,
            latest_ms,
        ) && self.write_periods(Some(latest_ms), false, out)
    }
}
