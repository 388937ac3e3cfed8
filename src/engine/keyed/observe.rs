//! Reads a record for a keyed engine: under which keys its event counts, and what goes on in its place.

use alloc::string::String;
use alloc::vec::Vec;

use super::{KeyedEvent, hex_text};
use crate::detector::FieldHasher;
use crate::engine::lines::{Document, Place, withheld};
use crate::engine::recognise::{Input, Sight, event_id, holds_known};
use crate::engine::{Engine, Output, RECORD_MAX_BYTES, Source};
use crate::event::Class;
use crate::text::clipped;
use maxconn_records::codec::{Codec, Tape};

/// What a keyed engine does with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observation {
    /// It carries no event and goes on as it is.
    Passes,
    /// It carries an event that counts under keys: [`Engine::step`] says for each whether it is held back.
    Counts(KeyedEvent),
    /// This goes on in its place: an event that no rule counts, enriched, or the note of a record that is withheld.
    GoesOn,
}

/// What the document of an event is about, whatever its record says of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enriched {
    /// The server, or the name of the pattern: `event.module`.
    pub module: String,
    /// The limit: `maxconn.limit.name`.
    pub limit: String,
}

/// What a look at a record found.
enum Found {
    Nothing,
    /// It may carry an event and cannot be read.
    Unread,
    /// It is no event: whether it says all that a known message says, and whether it may name a user as a refusal does.
    Unknown {
        is_known: bool,
        may_name: bool,
    },
    Event(KeyedEvent, Told),
    /// An event whose document was asked for, and no more.
    Written(Enriched),
}

/// What is counted of an event beside its keys.
struct Told {
    limit: String,
    is_refusal: bool,
    is_untimed: bool,
}

/// Whether the document of an event is written, and behind what.
enum Writing<'a> {
    Nothing,
    /// If no rule counts it.
    Uncounted(&'a mut Vec<u8>),
    /// In any case; with the open flood that counts it, in hex.
    Always(&'a mut Vec<u8>, Option<&'a str>),
}

impl Engine {
    /// Recognises a record and says under which keys it counts; `None` for one without an event, and for one that counts
    /// nowhere. Counts nothing and changes nothing.
    pub fn classify(
        &self,
        source: &Source,
        record: &[u8],
        time_ms: Option<i64>,
    ) -> Option<KeyedEvent> {
        let place = Place {
            time_ms,
            ..Place::default()
        };
        match self.look(&input(source, record, place), Writing::Nothing) {
            Found::Event(event, _) if !event.keys.is_empty() => Some(event),
            _ => None,
        }
    }

    /// As [`Engine::classify`], and counts the record in the statistics: for a host that asks once for each. What goes on
    /// in the place of the record is in the output's bytes.
    pub fn observe(
        &mut self,
        source: &Source,
        record: &[u8],
        place: Place<'_>,
        out: &mut Output,
    ) -> Observation {
        self.statistics.records += 1;
        let input = input(source, record, place);
        let found = self.look(&input, Writing::Uncounted(&mut out.bytes));
        let may_name = match found {
            Found::Event(event, told) => {
                self.statistics.untimed += u64::from(told.is_untimed) * u64::from(event.count);
                if told.is_refusal {
                    self.statistics.count_events(&told.limit, event.count);
                }
                return match event.keys.is_empty() {
                    true => Observation::GoesOn,
                    false => Observation::Counts(event),
                };
            }
            Found::Nothing | Found::Written(_) => false,
            Found::Unread => {
                self.statistics.malformed += 1;
                true
            }
            Found::Unknown { is_known, may_name } => {
                self.statistics.unrecognised += u64::from(is_known);
                may_name
            }
        };
        match may_name && self.withhold(record.len(), out) {
            true => Observation::GoesOn,
            false => Observation::Passes,
        }
    }

    /// Writes what goes on, where names are hidden, in the place of a record of so many bytes that cannot be read; `false`, and
    /// nothing written, where they are not.
    pub fn withhold(&self, bytes: usize, out: &mut Output) -> bool {
        let redacts = self.floods.redactor.is_some();
        if redacts {
            withheld(bytes, &mut out.bytes);
        }
        redacts
    }

    /// Writes the document of an event that goes on, as a line of JSON; `flood` is the open flood that counts it, in hex.
    /// Called with the time that [`Engine::observe`] gave and the same of everything else, or by a host that counts nothing.
    /// Counts nothing; `None`, and nothing written, if the record carries no event.
    pub fn enrich(
        &self,
        source: &Source,
        record: &[u8],
        place: Place<'_>,
        flood: Option<&str>,
        out: &mut Output,
    ) -> Option<Enriched> {
        let input = input(source, record, place);
        match self.look(&input, Writing::Always(&mut out.bytes, flood)) {
            Found::Written(enriched) => Some(enriched),
            _ => None,
        }
    }

    #[inline(never)]
    fn look(&self, input: &Input<'_>, writing: Writing<'_>) -> Found {
        let record = input.line;
        if self.recogniser.find(record, 0).is_none() {
            return Found::Nothing;
        }
        if record.len() > RECORD_MAX_BYTES {
            return Found::Unread;
        }
        let Some(read) = self.recogniser.record(&self.config, input) else {
            return Found::Unread;
        };
        let mut sight = Sight::NOTHING;
        let Some(event) = self.recogniser.read(&self.config, input, &read, &mut sight) else {
            // What repeats the record before is none either: which that was is not known here.
            let (is_known, may_name) = holds_known(&read, record, input.is_json());
            let is_known = is_known || sight.repeats.is_some();
            return Found::Unknown { is_known, may_name };
        };
        let is_asked_for = matches!(writing, Writing::Always(..));
        let mut keys = Vec::new();
        // One that nothing dates did not happen now, and what the time is here nobody knows.
        if sight.has_time && !is_asked_for {
            let mut hasher = FieldHasher::default();
            hasher.hash(&event, &sight.context, self.floods.needs_net);
            let own = self.floods.keys_of(&self.config, &event, hasher.hashes());
            keys.extend(
                own.into_iter()
                    .map(|(rule, hash)| (rule as u8, hex_text(hash))),
            );
        }
        let written = match writing {
            Writing::Always(bytes, flood) => Some((bytes, flood)),
            Writing::Uncounted(bytes) if keys.is_empty() => Some((bytes, None)),
            Writing::Nothing | Writing::Uncounted(_) => None,
        };
        if let Some((bytes, flood)) = written {
            let path = read.path.as_deref();
            let document = Document {
                event: &event,
                sight: &sight,
                plain: read.plain,
                event_id: event_id(input, Some(&read), path, sight.context.host),
                flood,
                adds_timestamp: self.adds_timestamp,
                redactor: self.floods.redactor.as_deref(),
            };
            document.write(input, &mut Vec::new(), bytes);
        }
        let limit = clipped(event.limit, event.limit.len());
        if is_asked_for {
            let module = clipped(event.module, event.module.len());
            return Found::Written(Enriched { module, limit });
        }
        let told = Told {
            limit,
            is_refusal: event.class == Class::Refusal,
            is_untimed: sight.is_untimed,
        };
        let (time_ms, count) = (sight.context.time_ms, event.count);
        let mut tape = Tape::after(Vec::new());
        let mut observed = (event, sight.context);
        observed.pass(&mut tape);
        let event = KeyedEvent {
            keys,
            event: tape.into_written(),
            time_ms,
            count,
        };
        Found::Event(event, told)
    }
}

fn input<'a>(source: &'a Source, record: &'a [u8], place: Place<'a>) -> Input<'a> {
    Input {
        source,
        line: record,
        time_ms: place.time_ms,
        offset: place.offset,
        position: place.position,
        latest_ms: None,
    }
}
