//! A model of a whole Fluent Bit: a configuration file as users have it, its inputs, the chain of filters, and
//! what each output gets.
//!
//! It is nearly as long as the guest: that is one filter of a chain, and this is the chain. What it models: lines parsed or left as they are, chunks of one tag, ticks between chunks, records dropped by
//! an empty answer, every answer parsed, `rewrite_tag` emitting records that pass the filters again under their
//! new tag, and a hot reload, which begins every filter anew.

mod settings;
mod stage;
pub mod store;

use std::collections::BTreeMap;

use maxconn_core::time::{TimeZone, parse_rfc3339};
use regex_lite::Regex;
use serde_json::{Map, Value};

use self::settings::{Configuration, tags};
pub use self::settings::{Settings, text};
use self::stage::Stage;
use super::Filter;
use crate::Error;
use crate::case::stamp;
use crate::wasm::Runtime;

/// How many lines a chunk has at most: some number that no file is a multiple of.
const CHUNK_LINES: usize = 97;

/// A record on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its tag.
    pub tag: String,
    /// Its time.
    pub time_ms: i64,
    /// What it holds.
    pub body: Value,
}

/// The model.
pub struct Pipeline {
    /// The service's keys.
    pub service: Settings,
    parsers: BTreeMap<String, Settings>,
    /// Every input's keys.
    pub inputs: Vec<Settings>,
    filters: Vec<Settings>,
    /// Every output's keys, `name` among them.
    pub outputs: Vec<Settings>,
    /// The tags of each.
    takers: Vec<Regex>,
    stages: Vec<Stage>,
    /// What each output got, by its number.
    pub delivered: Vec<Vec<Record>>,
}

impl Pipeline {
    /// Reads a configuration and starts.
    ///
    /// # Errors
    /// The configuration has something that the model does not know, or the module is refused.
    pub fn start(yaml: &str, wasm: &[u8], runtime: Runtime) -> Result<Pipeline, Error> {
        let read = Configuration::read(yaml)?;
        let parsers = read.parsers.into_iter();
        let mut started = Pipeline {
            service: read.service,
            parsers: parsers
                .map(|parser| (text(&parser, "name").to_string(), parser))
                .collect(),
            inputs: read.inputs,
            filters: read.filters,
            delivered: vec![Vec::new(); read.outputs.len()],
            takers: read.outputs.iter().map(tags).collect::<Result<_, _>>()?,
            outputs: read.outputs,
            stages: Vec::new(),
        };
        started.reload(wasm, runtime)?;
        Ok(started)
    }

    /// A hot reload: every filter begins anew, and what was delivered stays so.
    ///
    /// # Errors
    /// As for [`Pipeline::start`].
    pub fn reload(&mut self, wasm: &[u8], runtime: Runtime) -> Result<(), Error> {
        self.stages.clear();
        for filter in &self.filters {
            self.stages.push(Stage::start(filter, wasm, runtime)?);
        }
        Ok(())
    }

    /// A file that the `tail` input of this path finds, read at `now_ms`: chunks, and a tick after each.
    ///
    /// # Errors
    /// No input reads the path, or the guest answers what Fluent Bit can't take.
    pub fn tail(&mut self, path: &str, content: &[u8], now_ms: i64) -> Result<(), Error> {
        let mut inputs = self.inputs.iter();
        let input = inputs.find(|input| text(input, "path") == path);
        let input = input.ok_or_else(|| format!("no input reads {path}"))?;
        let parser = self.parsers.get(text(input, "parser"));
        let parser = parser.ok_or("the input's parser is missing")?;
        let regex = Regex::new(text(parser, "regex"))?;
        let (mut offset, mut records) = (0, Vec::new());
        for line in content.split_inclusive(|&byte| byte == b'\n') {
            let start = offset;
            offset += line.len();
            let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
            let (mut body, time_ms) = parsed(input, (&regex, parser), &line, now_ms);
            body.insert(text(input, "path_key").to_string(), path.into());
            body.insert(text(input, "offset_key").to_string(), start.into());
            let tag = text(input, "tag").to_string();
            records.push(Record {
                tag,
                time_ms,
                body: Value::Object(body),
            });
        }
        for chunk in records.chunks(CHUNK_LINES) {
            self.chunk(chunk.to_vec())?;
            self.tick(now_ms)?;
        }
        Ok(())
    }

    /// What the `dummy` input makes of a moment.
    ///
    /// # Errors
    /// There is no such input, or the guest answers what Fluent Bit can't take.
    pub fn tick(&mut self, now_ms: i64) -> Result<(), Error> {
        let mut inputs = self.inputs.iter();
        let input = inputs.find(|input| text(input, "name") == "dummy");
        let input = input.ok_or("no dummy input ticks")?;
        let record = Record {
            tag: text(input, "tag").to_string(),
            time_ms: now_ms,
            body: serde_json::from_str(text(input, "dummy"))?,
        };
        self.chunk(vec![record])
    }

    /// A record as another input, say `forward`, makes it.
    pub fn take(&mut self, tag: &str, body: Value, time_ms: i64) -> Result<(), Error> {
        let tag = tag.to_string();
        self.chunk(vec![Record { tag, time_ms, body }])
    }

    /// What outputs of this name got of records with this tag.
    pub fn got(&self, name: &str, tag: &str) -> Vec<&Record> {
        let outputs = self.outputs.iter().zip(&self.delivered);
        outputs
            .filter(|(output, _)| text(output, "name") == name)
            .flat_map(|(_, records)| records)
            .filter(|record| record.tag == tag)
            .collect()
    }

    /// Records of one tag through the filters; what `rewrite_tag` emits goes through them again afterwards.
    fn chunk(&mut self, records: Vec<Record>) -> Result<(), Error> {
        let (mut waiting, mut emitted) = (records, Vec::new());
        while !waiting.is_empty() {
            for stage in &mut self.stages {
                let mut kept = Vec::new();
                for record in waiting {
                    kept.extend(stage.pass(record, &mut emitted)?);
                }
                waiting = kept;
            }
            for record in waiting {
                for (taker, delivered) in self.takers.iter().zip(&mut self.delivered) {
                    if taker.is_match(&record.tag) {
                        delivered.push(record.clone());
                    }
                }
            }
            waiting = std::mem::take(&mut emitted);
        }
        Ok(())
    }
}

/// Fluent Bit writes whatever is not ASCII as `\uXXXX`.
pub fn escaped(json: &str) -> String {
    let mut text = String::new();
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(ascii) if ascii.is_ascii() => text.push(char::from(ascii)),
            _ => text += &format!("\\u{unit:04x}"),
        }
    }
    text
}

/// A line through a parser; as it is, under the input's key (`log` by default) and with the time of reading, where that
/// does not match.
fn parsed(
    input: &Settings,
    (regex, parser): (&Regex, &Settings),
    line: &str,
    now_ms: i64,
) -> (Map<String, Value>, i64) {
    let mut body = Map::new();
    let Some(found) = regex.captures(line) else {
        let key = input.get("key").map_or("log", String::as_str);
        body.insert(key.to_string(), line.into());
        return (body, now_ms);
    };
    let mut time_ms = now_ms;
    for name in regex.capture_names().flatten() {
        let value = found.name(name).map_or("", |value| value.as_str());
        if name == text(parser, "time_key") {
            time_ms = time(text(parser, "time_format"), value, now_ms).unwrap_or(now_ms);
        } else {
            body.insert(name.to_string(), value.into());
        }
    }
    (body, time_ms)
}

/// A time in one of the two formats that the parsers use; the year that is missing is that of `now_ms`.
fn time(format: &str, value: &str, now_ms: i64) -> Option<i64> {
    let utc = TimeZone::utc();
    if format == "%Y-%m-%dT%H:%M:%S.%L%z" {
        return parse_rfc3339(value.as_bytes(), &utc);
    }
    let (month, rest) = value.split_at_checked(3)?;
    let month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(month)? / 3 + 1;
    let (day, clock) = rest.trim_start().split_once(' ')?;
    let now = stamp(now_ms);
    let (year, day) = (now.get(..4)?, day.parse::<u32>().ok()?);
    let time = format!("{year}-{month:02}-{day:02}T{clock}Z");
    parse_rfc3339(time.as_bytes(), &utc)
}
