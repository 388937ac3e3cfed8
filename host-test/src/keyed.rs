//! A keyed engine in miniature, written from the README of the embed ABI: states and timers in a map, time on the word of two
//! records.

use std::collections::BTreeMap;

use maxconn_core::engine::{self, KeyedInput};

use crate::case::{Case, Step};
use crate::embed::{self, EmbedGuest};
use crate::run::{self, ALERT, Batches, ENRICHED, Piece, WRAPPED};
use crate::wasm::{Arg, Runtime};
use crate::{Error, native};

const NO_TIME: i64 = i64::MIN;

impl EmbedGuest {
    /// What the guest answers of a record, and the output.
    pub fn observe(&mut self, record: &[u8], offset: i64) -> Result<(i64, Vec<u8>), Error> {
        self.input(record)?;
        let args = [
            Arg::I32(record.len() as u32),
            Arg::I64(NO_TIME),
            Arg::I64(offset),
            Arg::I32(0),
        ];
        let answer = self.call("maxconn_observe", &args)?;
        Ok((answer as i32 as i64, self.bytes()?))
    }

    /// The document of a record whose event goes on.
    pub fn enrich(
        &mut self,
        record: &[u8],
        time_ms: i64,
        offset: i64,
        flood: Option<&str>,
    ) -> Result<Vec<u8>, Error> {
        let flood = flood.unwrap_or("").as_bytes();
        self.input(&[record, flood].concat())?;
        let [len, flood_len] = [record, flood].map(|bytes| Arg::I32(bytes.len() as u32));
        let args = [
            len,
            Arg::I64(time_ms),
            Arg::I64(offset),
            Arg::I32(0),
            flood_len,
        ];
        self.done("maxconn_enrich", &args)?;
        self.bytes()
    }

    /// Moves a key on.
    pub fn drive(
        &mut self,
        rule: u8,
        state: &[u8],
        input: KeyedInput<'_>,
    ) -> Result<engine::Step, Error> {
        let (number, input, time_ms) = match input {
            KeyedInput::Event(event) => (0, event, 0),
            KeyedInput::LateEvent(event, behind_ms) => (0, event, behind_ms),
            KeyedInput::Timer(at_ms) => (1, &[][..], at_ms),
            KeyedInput::End(at_ms) => (2, &[][..], at_ms),
            KeyedInput::Silence(for_ms) => (3, &[][..], for_ms),
            KeyedInput::NewWindow => (5, &[][..], NO_TIME),
            KeyedInput::Gone {
                rule,
                forgets_users,
            } => (if forgets_users { 6 } else { 4 }, rule.as_bytes(), NO_TIME),
        };
        self.input(&[state, input].concat())?;
        let [state_len, input_len] = [state, input].map(|bytes| Arg::I32(bytes.len() as u32));
        let args = [
            Arg::I32(number),
            Arg::I32(u32::from(rule)),
            state_len,
            input_len,
            Arg::I64(time_ms),
        ];
        self.done("maxconn_drive", &args)?;
        let bytes = self.bytes()?;
        let cut = || "the answer of maxconn_drive is cut";
        let (flags, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let (timer, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (flood, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
        let (len, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let len = u32::from_le_bytes(*len) as usize;
        let (state, alerts) = rest.split_at_checked(len).ok_or_else(cut)?;
        let (flags, timer_ms) = (u32::from_le_bytes(*flags), i64::from_le_bytes(*timer));
        let flood = match flags & 2 {
            0 => None,
            _ => Some(u128::from_str_radix(std::str::from_utf8(flood)?, 16)?),
        };
        Ok(engine::Step {
            is_held_back: flags & 1 != 0,
            flood,
            timer_ms: (timer_ms != NO_TIME).then_some(timer_ms),
            state: state.to_vec(),
            alerts: alerts.to_vec(),
        })
    }
}

/// What is kept of a key.
#[derive(Clone, Debug, Default)]
struct Key {
    rule: u8,
    state: Vec<u8>,
    timer_ms: Option<i64>,
}

struct Keyed {
    guest: EmbedGuest,
    keys: BTreeMap<String, Key>,
    lateness_ms: i64,
    largest_quiet_ms: i64,
    newest_ms: Option<i64>,
    confirmed_ms: Option<i64>,
    tick_base_ms: Option<i64>,
    pieces: Vec<Piece>,
}

/// Whether the keyed calls say what the core says: the same enriched records and alerts, in any order.
pub fn check(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
    let mut expected = native::run(case, &mut Batches::Whole)?;
    for piece in &mut expected {
        // What goes on in a record's place is one kind here.
        if piece.kind == WRAPPED && piece.text.contains("is withheld") {
            piece.kind = ENRICHED;
        }
    }
    expected.retain(|piece| piece.kind == ENRICHED || piece.kind == ALERT);
    let mut actual = run(case, wasm, runtime)?;
    for pieces in [&mut expected, &mut actual] {
        pieces.sort_by(|left, right| (left.kind, &left.text).cmp(&(right.kind, &right.text)));
    }
    run::compare("keyed calls", &expected, &actual)
}

fn run(case: &Case, wasm: &[u8], runtime: Runtime) -> Result<Vec<Piece>, Error> {
    let config = native::config(case)?;
    let mut keyed = Keyed {
        guest: embed::start(case, wasm, runtime)?,
        keys: BTreeMap::new(),
        lateness_ms: config.allowed_lateness_ms,
        largest_quiet_ms: config
            .rules
            .iter()
            .map(|rule| rule.quiet_ms)
            .max()
            .unwrap_or(0),
        newest_ms: None,
        confirmed_ms: None,
        tick_base_ms: None,
        pieces: Vec::new(),
    };
    let mut offset = 0;
    for step in &case.steps {
        match step {
            Step::Lines(lines) => {
                for line in lines.split_inclusive('\n') {
                    let at = if case.has_offsets { offset } else { -1 };
                    let line = line.strip_suffix('\n').unwrap_or(line);
                    keyed.observe(line.as_bytes(), at)?;
                    offset += line.len() as i64 + 1;
                }
            }
            Step::Tick(at) => keyed.tick(*at)?,
            Step::Finish(at) => keyed.finish(*at)?,
            Step::Statistics => {}
            Step::Restart => keyed.guest = embed::start(case, wasm, runtime)?,
        }
    }
    Ok(keyed.pieces)
}

impl Keyed {
    fn watermark_ms(&self) -> i64 {
        self.confirmed_ms
            .map_or(NO_TIME, |time_ms| time_ms - self.lateness_ms)
    }

    fn observe(&mut self, record: &[u8], offset: i64) -> Result<(), Error> {
        let (answer, bytes) = self.guest.observe(record, offset)?;
        if answer == -2 {
            Piece::push_lines(ENRICHED, &bytes, &mut self.pieces);
        }
        let Ok(count @ 1..) = usize::try_from(answer) else {
            return Ok(());
        };
        let (time, rest) = bytes.split_first_chunk().ok_or("an event has no time")?;
        let time_ms = i64::from_le_bytes(*time);
        let (keys, event) = rest
            .split_at_checked(count * 33)
            .ok_or("keys are missing")?;
        self.tick_base_ms = None;
        match self.newest_ms {
            Some(newest_ms) if time_ms < newest_ms => {
                self.confirmed_ms = self.confirmed_ms.max(Some(time_ms));
            }
            Some(newest_ms) if time_ms == newest_ms => {}
            newest_ms => (self.confirmed_ms, self.newest_ms) = (newest_ms, Some(time_ms)),
        }
        let watermark_ms = self.watermark_ms();
        self.fire(watermark_ms)?;
        let behind_ms = watermark_ms.saturating_sub(time_ms).max(0);
        let (mut is_held_back, mut flood) = (false, None);
        for key in keys.as_chunks::<33>().0 {
            let [rule, name @ ..] = key;
            let name = String::from_utf8(name.to_vec())?;
            self.keys.entry(name.clone()).or_default().rule = *rule;
            let step = self.drive(&name, KeyedInput::LateEvent(event, behind_ms))?;
            is_held_back |= step.is_held_back;
            flood = flood.or(step.flood);
        }
        if !is_held_back {
            let flood = flood.map(|flood| format!("{flood:032x}"));
            let document = self
                .guest
                .enrich(record, time_ms, offset, flood.as_deref())?;
            Piece::push_lines(ENRICHED, &document, &mut self.pieces);
        }
        Ok(())
    }

    fn fire(&mut self, up_to_ms: i64) -> Result<(), Error> {
        loop {
            let armed = self
                .keys
                .iter()
                .filter_map(|(name, key)| Some((key.timer_ms?, name)));
            let Some((_, name)) = armed.min().filter(|(timer_ms, _)| *timer_ms <= up_to_ms) else {
                return Ok(());
            };
            self.drive(&name.clone(), KeyedInput::Timer(up_to_ms))?;
        }
    }

    fn tick(&mut self, now_ms: i64) -> Result<(), Error> {
        let elapsed_ms = now_ms - *self.tick_base_ms.get_or_insert(now_ms);
        let watermark_ms = self.watermark_ms();
        self.fire(watermark_ms.saturating_add(elapsed_ms))?;
        if elapsed_ms >= self.largest_quiet_ms + self.lateness_ms {
            self.drive_all(KeyedInput::Silence(elapsed_ms))?;
        }
        Ok(())
    }

    fn finish(&mut self, time_ms: Option<i64>) -> Result<(), Error> {
        let believed_ms = match (self.newest_ms, self.confirmed_ms) {
            (Some(newest_ms), Some(confirmed_ms))
                if newest_ms - confirmed_ms > self.lateness_ms =>
            {
                Some(confirmed_ms)
            }
            (newest_ms, _) => newest_ms,
        };
        match time_ms.max(believed_ms) {
            Some(end_ms) => self.drive_all(KeyedInput::End(end_ms)),
            None => Ok(()),
        }
    }

    fn drive_all(&mut self, what: KeyedInput<'_>) -> Result<(), Error> {
        for name in self.keys.keys().cloned().collect::<Vec<_>>() {
            self.drive(&name, what)?;
        }
        Ok(())
    }

    fn drive(&mut self, name: &str, what: KeyedInput<'_>) -> Result<engine::Step, Error> {
        let key = self.keys.get_mut(name).ok_or("no such key")?;
        let driven = self.guest.drive(key.rule, &key.state, what)?;
        if !driven.alerts.is_empty() {
            Piece::push_lines(ALERT, &driven.alerts, &mut self.pieces);
        }
        if driven.state.is_empty() {
            self.keys.remove(name);
        } else {
            key.state.clone_from(&driven.state);
            key.timer_ms = driven.timer_ms;
        }
        Ok(driven)
    }
}
