//! The JavaScript guest: the plugin as a class for Node and browsers, few calls that each move a whole batch.
//! `package/maxconn.js` makes the friendly API of it; `abi` has what JavaScript sees, this file what it does.
//!
//! Every call but the reading of the output forgets the output of the call before.

mod abi;

use maxconn_core::config::baked::{Region, Room};
use maxconn_core::config::{Config, ConfigError};
use maxconn_core::engine::{Engine, Format, Output, Source, Want};
use maxconn_core::json::write::Writer;

/// The configuration inside the module.
#[used]
static BAKED: Region = Region::of(&ROOM);
static ROOM: Room = Room::empty();

/// What is behind one `Detector`.
struct Plugin {
    engine: Engine,
    source: Source,
    out: Output,
}

impl Plugin {
    /// With what the configuration says (JSON, or nothing) and the module's own for what it does not say.
    fn new(config: &str) -> Result<Plugin, String> {
        let engine = read(config).and_then(Engine::new).map_err(refusal)?;
        Ok(Plugin {
            engine,
            source: Source::default(),
            out: Output::default(),
        })
    }

    fn configure(&mut self, config: &str) -> Result<(), String> {
        self.out.clear();
        let config = read(config).map_err(refusal)?;
        self.engine
            .reconfigure(config, &mut self.out)
            .map_err(refusal)
    }

    fn source(&mut self, path: Option<String>, format: u8) {
        self.source = Source {
            path,
            reference_ms: self.source.reference_ms,
            clock_ms: self.source.clock_ms,
            format: match format {
                1 => Format::Text,
                2 => Format::Json,
                _ => Format::Auto,
            },
            stream: 0,
        };
    }

    fn want(&mut self, flags: u8) {
        let bit = |bit: u8| flags & bit != 0;
        self.out.want = Want {
            records: bit(1),
            enriched: bit(2),
            alerts: bit(4),
            views: false,
            held_back: false,
            ids: false,
        };
    }

    fn push(&mut self, lines: &[u8], offset: Option<f64>) -> usize {
        self.out.clear();
        let offset = offset.map(|offset| offset as u64);
        self.engine
            .push_lines(&self.source, lines, offset, &mut self.out)
    }

    fn statistics(&mut self) {
        self.out.clear();
        self.engine.statistics(&mut self.out);
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), String> {
        self.out.clear();
        self.engine
            .restore(snapshot, &mut self.out)
            .map_err(|error| {
                let (problem, mend) = error.say();
                sentence("snapshot", &problem, mend)
            })
    }

    /// Kind, start and length of each segment, one after the other.
    fn segments(&self) -> Vec<u32> {
        let segments = self.out.segments.iter();
        segments
            .flat_map(|segment| [segment.kind as u32, segment.start, segment.len])
            .collect()
    }
}

fn read(config: &str) -> Result<Config, ConfigError> {
    let defaults = BAKED.config()?;
    if config.is_empty() {
        return Ok(defaults);
    }
    Config::parse(config.as_bytes(), defaults)
}

fn refusal(error: ConfigError) -> String {
    let (problem, mend) = error.problem.say();
    sentence(&error.path, &problem, &mend)
}

/// What is wrong, where, and how to mend it, as JSON: JavaScript makes an `Error` of it.
fn sentence(path: &str, problem: &str, mend: &str) -> String {
    let mut text = Vec::new();
    let mut json = Writer::new(&mut text);
    json.begin_object();
    for (key, value) in [("path", path), ("problem", problem), ("mend", mend)] {
        json.key(key);
        json.string(value);
    }
    json.end_object();
    String::from_utf8(text).unwrap_or_default()
}

/// JavaScript's numbers are floating: what lies beyond the range of times becomes its end.
fn milliseconds(time: f64) -> i64 {
    time as i64
}
