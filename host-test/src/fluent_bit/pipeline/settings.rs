//! A configuration file as users have it. Only the plugins and keys that ours uses are known, so that one which hosts.md
//! warns of, or a misspelt one, is an error.

use std::collections::BTreeMap;

use regex_lite::Regex;
use saphyr::{LoadableYamlNode, Yaml};
use test_support::data::rows;

use crate::Error;

/// A plugin's keys. A list's values stand one a line.
pub type Settings = BTreeMap<String, String>;

/// The keys that each plugin may have here.
const PLUGINS: &str = "
    service            | flush log_level hot_reload storage.path storage.max_chunks_up storage.keep.rejected scheduler.base scheduler.cap
    input tail         | path tag key parser path_key offset_key db skip_long_lines buffer_max_size storage.type
    input systemd      | tag systemd_filter read_from_tail lowercase db storage.type
    input dummy        | tag dummy rate
    filter wasm        | match_regex wasm_path function_name event_format
    filter rewrite_tag | match match_regex rule emitter_name emitter_mem_buf_limit emitter_storage.type
    filter modify      | match match_regex remove
    filter lua         | match call code
    output http        | match host port uri format json_date_key retry_limit
    output stdout      | match match_regex format
    output es          | match match_regex host port index write_operation id_key generate_id time_key suppress_type_name retry_limit storage.total_limit_size
    output opensearch  | match match_regex host port index write_operation id_key generate_id time_key suppress_type_name retry_limit storage.total_limit_size
    parser             | format regex time_key time_format time_strict time_keep time_system_timezone";

/// All of a file.
pub struct Configuration {
    pub service: Settings,
    pub parsers: Vec<Settings>,
    pub inputs: Vec<Settings>,
    pub filters: Vec<Settings>,
    pub outputs: Vec<Settings>,
}

impl Configuration {
    /// Reads it.
    pub fn read(yaml: &str) -> Result<Configuration, Error> {
        let documents = Yaml::load_from_str(yaml)?;
        let root = documents.first().ok_or("the configuration is empty")?;
        let list = |node: Option<&Yaml<'_>>, kind: &str| -> Result<Vec<Settings>, Error> {
            let entries = node
                .and_then(Yaml::as_vec)
                .ok_or_else(|| format!("no list of {kind}s"))?;
            entries.iter().map(|entry| settings(entry, kind)).collect()
        };
        let service = root.as_mapping_get("service").ok_or("no service")?;
        let pipeline = root.as_mapping_get("pipeline").ok_or("no pipeline")?;
        Ok(Configuration {
            service: settings(service, "service")?,
            parsers: match root.as_mapping_get("parsers") {
                None => Vec::new(),
                parsers => list(parsers, "parser")?,
            },
            inputs: list(pipeline.as_mapping_get("inputs"), "input")?,
            filters: list(pipeline.as_mapping_get("filters"), "filter")?,
            outputs: list(pipeline.as_mapping_get("outputs"), "output")?,
        })
    }
}

/// A key's value, empty where it is missing.
pub fn text<'a>(settings: &'a Settings, key: &str) -> &'a str {
    settings.get(key).map_or("", String::as_str)
}

/// The tags that a filter or an output takes.
///
/// # Errors
/// It names none, or the expression is broken.
pub fn tags(settings: &Settings) -> Result<Regex, Error> {
    let regex = match (text(settings, "match"), text(settings, "match_regex")) {
        ("", "") => return Err(format!("{}: no match", text(settings, "name")).into()),
        ("", regex) => regex.to_string(),
        (tag, _) => {
            let parts: Vec<String> = tag.split('*').map(regex_lite::escape).collect();
            format!("^{}$", parts.join(".*"))
        }
    };
    Ok(Regex::new(&regex)?)
}

/// An entry's keys, each known to its plugin.
fn settings(entry: &Yaml<'_>, kind: &str) -> Result<Settings, Error> {
    let mapping = entry
        .as_mapping()
        .ok_or_else(|| format!("a {kind} is no mapping"))?;
    let mut settings = Settings::new();
    for (key, value) in mapping {
        let key = key.as_str().ok_or("a key is no text")?;
        let texts = match value.as_vec() {
            Some(values) => values.iter().map(plain).collect::<Option<Vec<_>>>(),
            None => plain(value).map(|text| vec![text]),
        };
        let texts = texts.ok_or_else(|| format!("{kind}: {key}: no plain value"))?;
        settings.insert(key.to_string(), texts.join("\n"));
    }
    let plugin = match kind {
        "parser" | "service" => kind.to_string(),
        _ => format!("{kind} {}", text(&settings, "name")),
    };
    let [_, known] = rows(PLUGINS)
        .find(|[name, _]| *name == plugin)
        .ok_or_else(|| format!("{plugin}: not known here"))?;
    let is_known = |key: &str| key == "name" || known.split_whitespace().any(|it| it == key);
    match settings.keys().find(|key| !is_known(key)) {
        Some(key) => Err(format!("{plugin}: {key}: not known here").into()),
        None => Ok(settings),
    }
}

fn plain(value: &Yaml<'_>) -> Option<String> {
    let text = value.as_str().map(str::to_string);
    let text = text.or_else(|| Some(value.as_integer()?.to_string()));
    text.or_else(|| Some(value.as_bool()?.to_string()))
}
