//! A model of a whole Fluent Bit: a configuration file as users have it, its inputs, the chain of filters, and
//! what each output gets. It knows only the plugins and keys that our configuration uses, so that one which
//! hosts.md warns of, or a misspelt one, is an error.
//!
//! It is nearly as long as the guest: that is one filter of a chain, and this is the chain. What it models: lines parsed or left as they are, chunks of one tag, ticks between chunks, records dropped by
//! an empty answer, every answer parsed, `rewrite_tag` emitting records that pass the filters again under their
//! new tag, and a hot reload, which begins every filter anew.

use std::collections::BTreeMap;

use maxconn_core::time::{TimeZone, parse_rfc3339};
use regex_lite::Regex;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Map, Value};

use super::Filter;
use crate::Error;
use crate::wasm::Runtime;

/// How many lines a chunk has at most: some number that no file is a multiple of.
const CHUNK_LINES: usize = 97;

/// The keys that each plugin may have here.
const PLUGINS: [(&str, &str); 8] = [
    ("input tail", "path tag parser path_key offset_key db"),
    ("input dummy", "tag dummy rate"),
    (
        "filter wasm",
        "match_regex wasm_path function_name event_format",
    ),
    ("filter rewrite_tag", "match_regex rule emitter_name"),
    ("output stdout", "match format"),
    ("output es", STORE),
    ("output opensearch", STORE),
    ("parser", "format regex time_key time_format"),
];
const STORE: &str = "match host port index write_operation id_key generate_id time_key suppress_type_name retry_limit";

/// A plugin's keys.
pub type Settings = BTreeMap<String, String>;

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

enum Stage {
    Wasm {
        tags: Regex,
        filter: Box<Filter>,
    },
    RewriteTag {
        tags: Regex,
        value: Regex,
        new_tag: String,
    },
}

impl Stage {
    /// A record through the filter: what goes on, while what is emitted anew goes to `emitted`.
    fn pass(&mut self, record: Record, emitted: &mut Vec<Record>) -> Result<Option<Record>, Error> {
        match self {
            Stage::Wasm { tags, filter } if tags.is_match(&record.tag) => filtered(filter, record),
            Stage::RewriteTag {
                tags,
                value,
                new_tag,
            } if tags.is_match(&record.tag) => {
                let kind = record.body.pointer("/event/kind").and_then(Value::as_str);
                if !kind.is_some_and(|kind| value.is_match(kind)) {
                    return Ok(Some(record));
                }
                let tag = new_tag.clone();
                emitted.push(Record { tag, ..record });
                Ok(None)
            }
            _ => Ok(Some(record)),
        }
    }
}

/// The model.
pub struct Pipeline {
    parsers: BTreeMap<String, Settings>,
    inputs: Vec<Settings>,
    filters: Vec<Settings>,
    /// Every output's keys, `name` among them.
    pub outputs: Vec<Settings>,
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
        let documents = Yaml::load_from_str(yaml)?;
        let root = documents.first().ok_or("the configuration is empty")?;
        let list = |node: Option<&Yaml<'_>>, kind: &str| -> Result<Vec<Settings>, Error> {
            let entries = node
                .and_then(Yaml::as_vec)
                .ok_or_else(|| format!("no list of {kind}s"))?;
            entries.iter().map(|entry| settings(entry, kind)).collect()
        };
        let pipeline = root.as_mapping_get("pipeline").ok_or("no pipeline")?;
        let parsers = list(root.as_mapping_get("parsers"), "parser")?;
        let outputs = list(pipeline.as_mapping_get("outputs"), "output")?;
        let mut started = Pipeline {
            parsers: parsers
                .into_iter()
                .map(|parser| (text(&parser, "name").to_string(), parser))
                .collect(),
            inputs: list(pipeline.as_mapping_get("inputs"), "input")?,
            filters: list(pipeline.as_mapping_get("filters"), "filter")?,
            delivered: vec![Vec::new(); outputs.len()],
            outputs,
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
            self.stages.push(stage(filter, wasm, runtime)?);
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
            let (mut body, time_ms) = parsed(&regex, parser, &line, now_ms);
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

    /// What outputs of this name and `match` got.
    pub fn got(&self, name: &str, tag: &str) -> Vec<&Record> {
        let outputs = self.outputs.iter().zip(&self.delivered);
        outputs
            .filter(|(output, _)| text(output, "name") == name && text(output, "match") == tag)
            .flat_map(|(_, records)| records)
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
                for (output, delivered) in self.outputs.iter().zip(&mut self.delivered) {
                    if text(output, "match") == record.tag {
                        delivered.push(record.clone());
                    }
                }
            }
            waiting = std::mem::take(&mut emitted);
        }
        Ok(())
    }
}

/// A filter as it starts.
fn stage(filter: &Settings, wasm: &[u8], runtime: Runtime) -> Result<Stage, Error> {
    let tags = Regex::new(text(filter, "match_regex"))?;
    if text(filter, "name") == "wasm" {
        let entry = (text(filter, "event_format"), text(filter, "function_name"));
        if entry != ("json", "maxconn_filter") {
            return Err("the wasm filter needs event_format json and our function".into());
        }
        let filter = Box::new(Filter::new(wasm, runtime, None)?);
        return Ok(Stage::Wasm { tags, filter });
    }
    let rule = text(filter, "rule");
    let ["$event['kind']", value, tag, "false"] = rule.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("rule: {rule}: not known here").into());
    };
    if tags.is_match(tag) {
        return Err("rewrite_tag matches its own new tag: an endless loop".into());
    }
    Ok(Stage::RewriteTag {
        tags,
        value: Regex::new(value)?,
        new_tag: tag.to_string(),
    })
}

/// One record through the guest, as `filter_wasm` does it.
fn filtered(filter: &mut Filter, record: Record) -> Result<Option<Record>, Error> {
    let json = escaped(&record.body.to_string());
    let Some(answer) = filter.filter(record.tag.as_bytes(), record.time_ms, json.as_bytes())?
    else {
        return Ok(None);
    };
    // Broken JSON would end the process, and anything but an object would be lost.
    match serde_json::from_str(&answer) {
        Ok(body @ Value::Object(_)) => Ok(Some(Record { body, ..record })),
        _ => Err(format!("the answer is no object of JSON: {answer}").into()),
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

/// A line through a parser; as it is, under `log` and with the time of reading, where that does not match.
fn parsed(regex: &Regex, parser: &Settings, line: &str, now_ms: i64) -> (Map<String, Value>, i64) {
    let mut body = Map::new();
    let Some(found) = regex.captures(line) else {
        body.insert("log".to_string(), line.into());
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
    let mut now = Vec::new();
    maxconn_core::time::write_rfc3339_ms(now_ms, &mut now);
    let year = String::from_utf8(now.get(..4)?.to_vec()).ok()?;
    let day: u32 = day.parse().ok()?;
    let time = format!("{year}-{month:02}-{day:02}T{clock}Z");
    parse_rfc3339(time.as_bytes(), &utc)
}

/// A key's value, empty where it is missing.
pub fn text<'a>(settings: &'a Settings, key: &str) -> &'a str {
    settings.get(key).map_or("", String::as_str)
}

/// An entry's keys, each known to its plugin.
fn settings(entry: &Yaml<'_>, kind: &str) -> Result<Settings, Error> {
    let mapping = entry
        .as_mapping()
        .ok_or_else(|| format!("a {kind} is no mapping"))?;
    let mut settings = Settings::new();
    for (key, value) in mapping {
        let key = key.as_str().ok_or("a key is no text")?;
        let text = value.as_str().map(str::to_string);
        let text = text.or_else(|| Some(value.as_integer()?.to_string()));
        let text = text.or_else(|| Some(value.as_bool()?.to_string()));
        let text = text.ok_or_else(|| format!("{kind}: {key}: no plain value"))?;
        settings.insert(key.to_string(), text);
    }
    let plugin = match kind {
        "parser" => kind.to_string(),
        _ => format!("{kind} {}", text(&settings, "name")),
    };
    let (_, known) = PLUGINS
        .iter()
        .find(|(name, _)| *name == plugin)
        .ok_or_else(|| format!("{plugin}: not known here"))?;
    let is_known = |key: &str| key == "name" || known.split(' ').any(|it| it == key);
    match settings.keys().find(|key| !is_known(key)) {
        Some(key) => Err(format!("{plugin}: {key}: not known here").into()),
        None => Ok(settings),
    }
}
