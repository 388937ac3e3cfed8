//! The report for browsers: the configuration is read, what the plugin says is pushed, the report comes out as JSON and as a
//! page. `examples/playground/report.js` is the other side; `abi` has the exports, this file what they do.
//!
//! Input is written where `report_input` says, output read where the two numbers (address, length) are to which
//! `report_output` points. Every call but `report_output` forgets the output of the call before.

mod abi;

use maxconn_config::{Excerpt, Written, every_minute};
use maxconn_core::config::{Config, ConfigError, Problem};
use maxconn_core::engine::Kind;
use maxconn_core::patterns;
use maxconn_report::written::Unread;
use maxconn_report::zone::Zone;
use maxconn_report::{Known, Options, Report, html};
use serde_json::{Value, json};

/// The input buffer, in bytes: more than a report has.
const INPUT_MAX_BYTES: usize = 64 * 1024 * 1024;
/// What a call answers when all went well.
const OK: i32 = 0;
/// What a call answers when it refuses what it was given; the output says why, as JSON.
const REFUSED: i32 = 1;
/// What a call answers when its arguments make no sense.
const BAD_CALL: i32 = -1;

/// All that the module keeps between two calls.
#[derive(Default)]
struct Instance {
    report: Option<Report>,
    input: Vec<u8>,
    output: Vec<u8>,
    descriptor: [u32; 2],
}

impl Instance {
    /// Makes room for `capacity` bytes of input.
    fn input(&mut self, capacity: i32) -> *const u8 {
        match usize::try_from(capacity) {
            Ok(capacity) if capacity <= INPUT_MAX_BYTES => {
                if capacity > self.input.len() {
                    self.input.resize(capacity, 0);
                }
                self.input.as_ptr()
            }
            _ => std::ptr::null(),
        }
    }

    fn output(&mut self) -> *const u32 {
        self.descriptor = [self.output.as_ptr() as u32, self.output.len() as u32];
        self.descriptor.as_ptr()
    }

    fn given(&self, len: i32) -> Option<&[u8]> {
        self.input.get(..usize::try_from(len).ok()?)
    }

    /// A text that was given.
    fn text(&self, len: i32) -> Option<&str> {
        std::str::from_utf8(self.given(len)?).ok()
    }

    fn say(&mut self, answer: i32, output: String) -> i32 {
        self.output = output.into_bytes();
        answer
    }

    /// Begins a report under a configuration in TOML, given as JSON: `{"toml": …}`. The output is that configuration as JSON, as it
    /// is (`plain`) and with what a report needs of the plugin (`report`). Where its time zone is a name, the refusal says it
    /// (`zone`), and the call is made again with the rule behind it: `{"toml": …, "rule": …}`.
    fn configure(&mut self, len: i32) -> i32 {
        let given: Option<Value> = self
            .given(len)
            .and_then(|it| serde_json::from_slice(it).ok());
        let text = |key| given.as_ref()?.get(key)?.as_str();
        let Some(toml) = text("toml") else {
            return BAD_CALL;
        };
        match configured(toml, text("rule")) {
            Ok((options, output)) => {
                self.report = Some(Report::new(options));
                self.say(OK, output.to_string())
            }
            Err((place, error)) => {
                let output = refusal(place.as_deref(), &error);
                self.say(REFUSED, output.to_string())
            }
        }
    }

    /// Takes a load; the output says why it was refused.
    fn load(&mut self, len: i32) -> i32 {
        let Some(report) = &mut self.report else {
            return BAD_CALL;
        };
        let bytes = usize::try_from(len)
            .ok()
            .and_then(|len| self.input.get(..len));
        match bytes.map(|bytes| report.load(bytes)) {
            Some(Ok(())) => OK,
            Some(Err(error)) => {
                self.say(REFUSED, json!({ "problem": error.to_string() }).to_string())
            }
            None => BAD_CALL,
        }
    }

    /// Takes lines that the plugin said: events 2, alerts 3, statistics 4.
    fn push(&mut self, kind: i32, len: i32) -> i32 {
        let kind = match kind {
            2 => Kind::Enriched,
            3 => Kind::Alert,
            4 => Kind::Statistics,
            _ => return BAD_CALL,
        };
        let bytes = usize::try_from(len)
            .ok()
            .and_then(|len| self.input.get(..len));
        match (&mut self.report, bytes) {
            (Some(report), Some(lines)) => report.push(kind, lines),
            _ => return BAD_CALL,
        }
        OK
    }

    /// How many floods began so far.
    fn floods(&self) -> i32 {
        let starts = self.report.as_ref().map_or(0, Report::starts);
        i32::try_from(starts).unwrap_or(i32::MAX)
    }

    /// Ends the report, with what is known of the input as JSON. The output is the report.
    fn finish(&mut self, len: i32) -> i32 {
        let known: Option<Value> = self
            .given(len)
            .and_then(|it| serde_json::from_slice(it).ok());
        let (Some(known), Some(report)) = (known, self.report.take()) else {
            return BAD_CALL;
        };
        let written = report.finish(known_of(&known));
        match serde_json::to_string(&written) {
            Ok(json) => self.say(OK, json),
            Err(_) => BAD_CALL,
        }
    }

    /// The page of a report that was given as JSON.
    fn page(&mut self, len: i32) -> i32 {
        match self.text(len).map(html::page) {
            Some(page) => self.say(OK, page),
            None => BAD_CALL,
        }
    }
}

type Wrong = (Option<Box<Excerpt>>, ConfigError);

fn configured(toml: &str, rule: Option<&str>) -> Result<(Options, Value), Wrong> {
    let written = Written::parse(toml).map_err(|(place, error)| (Some(place), error))?;
    let mut plain = written.json();
    let mut name = None;
    if let (Some(rule), Some(zone)) = (rule, plain.get_mut("timezone")) {
        name = Some(std::mem::replace(zone, Value::from(rule)));
    }
    let name = name.as_ref().and_then(Value::as_str);
    let wrong = |error: ConfigError| (written.excerpt(&error.path), error);
    let config = Config::parse(plain.to_string().as_bytes(), Config::default()).map_err(wrong)?;
    patterns::compile(&config.patterns).map_err(wrong)?;
    let zone = plain.get("timezone").and_then(Value::as_str);
    let options = Options {
        generator: concat!("maxconn ", env!("CARGO_PKG_VERSION")).to_string(),
        zone: zone
            .and_then(|it| Zone::of_rule(it, name))
            .unwrap_or_default(),
        trusted: config.trusted_networks.clone(),
        ..Options::default()
    };
    let mut report = plain.clone();
    every_minute(&mut report, &config);
    Ok((options, json!({ "plain": plain, "report": report })))
}

fn refusal(place: Option<&Excerpt>, error: &ConfigError) -> Value {
    let (problem, mend) = error.problem.say();
    let zone = match &error.problem {
        Problem::TimeZone(name) | Problem::TimeZoneName(name) => Some(name),
        _ => None,
    };
    json!({
        "line": place.map(|it| it.line),
        "column": place.map(|it| it.column),
        "shown": place.map(|it| &it.shown),
        "path": error.path,
        "problem": problem,
        "mend": mend,
        "zone": zone,
    })
}

fn known_of(known: &Value) -> Known {
    let texts = |name: &str| -> Vec<String> {
        let all = known.get(name).and_then(Value::as_array);
        let texts = all.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_string).collect()
    };
    // A name, and why it could not be read.
    let unread = texts("unread").into_iter().map(|it| {
        let (file, error) = it.split_once(": ").unwrap_or((&it, ""));
        let (file, error) = (file.to_string(), error.to_string());
        Unread { file, error }
    });
    Known {
        files: texts("files"),
        bytes: known.get("bytes").and_then(Value::as_u64).unwrap_or(0),
        unread: unread.collect(),
        empty: texts("empty"),
        stopped: known
            .get("stopped")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        ..Known::default()
    }
}
