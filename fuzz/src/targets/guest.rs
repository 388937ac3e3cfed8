//! The built-in guest under wasmtime against the core itself.

use std::sync::LazyLock;

use maxconn_core::engine;
use maxconn_host::{Instance, Kind, Limits, Plugin, Source};

use super::engine::Native;
use crate::script::{Script, Step};

static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| {
    let plugin = maxconn::builtin::plugin(Limits::default());
    plugin.unwrap_or_else(|error| panic!("{error}"))
});

type Pieces = Vec<(Kind, Vec<u8>)>;

pub fn run(data: &[u8]) {
    let script = Script::of(data);
    let mut native = Native::new(&script);
    let mut instance = instance(&script, &script.json);
    let mut json = script.json.as_str();
    for step in &script.steps {
        let (mut expected, mut found) = (Pieces::new(), Pieces::new());
        native.step(step, &mut |kind, piece| {
            expected.push((kind, piece.to_vec()))
        });
        if let Step::Reconfigure(other) = step {
            json = other;
        }
        if let Step::Restart = step {
            let snapshot = instance
                .snapshot()
                .unwrap_or_else(|error| panic!("{error}"));
            instance = self::instance(&script, json);
            let mut sink = |kind, piece: &[u8]| found.push((kind, piece.to_vec()));
            instance
                .restore(&snapshot, &mut sink)
                .unwrap_or_else(|error| panic!("{error}"));
        } else {
            take(&mut instance, step, &mut found);
        }
        // Only one of them has a memory to tell of.
        expected.retain(|(kind, _)| *kind != Kind::Statistics);
        found.retain(|(kind, _)| *kind != Kind::Statistics);
        assert!(
            expected == found,
            "the core says\n{}\nthe guest\n{}",
            shown(&expected),
            shown(&found)
        );
    }
    let snapshot = instance
        .snapshot()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(snapshot == native.engine.snapshot(), "the states differ");
    assert!(
        instance.memory_bytes() <= 64 << 20,
        "{} bytes",
        instance.memory_bytes()
    );
}

fn take(instance: &mut Instance, step: &Step, found: &mut Pieces) {
    let mut sink = |kind, piece: &[u8]| found.push((kind, piece.to_vec()));
    let result = match step {
        Step::Lines(lines, offset) => instance.push(lines, *offset, sink),
        Step::Record(record, time_ms, position) => instance
            .push_record(record, *time_ms, position, sink)
            .map(drop),
        Step::Tick(now_ms) => instance.tick(*now_ms, sink),
        Step::Statistics => instance.statistics(sink),
        Step::Finish(time_ms) => instance.finish(*time_ms, sink),
        Step::Shutdown => instance.shutdown(sink),
        Step::Reconfigure(json) => instance.configure(json.as_bytes(), &mut sink),
        Step::Restart => Ok(()),
    };
    result.unwrap_or_else(|error| panic!("{step:?}: {error}"));
}

fn instance(script: &Script, json: &str) -> Instance {
    let engine::Source {
        path,
        reference_ms,
        clock_ms,
        format,
        stream: _,
    } = script.source.clone();
    let source = Source {
        path,
        reference_time_ms: reference_ms,
        clock_time_ms: clock_ms,
        format,
    };
    let ready = PLUGIN.instantiate().and_then(|mut instance| {
        instance.configure(json.as_bytes(), |_, _| {})?;
        instance.source(0, &source)?;
        instance.want(script.want)?;
        Ok(instance)
    });
    ready.unwrap_or_else(|error| panic!("{error}"))
}

fn shown(pieces: &Pieces) -> String {
    let shown = pieces
        .iter()
        .map(|(kind, piece)| format!("{kind:?} {}", String::from_utf8_lossy(piece)));
    shown.collect::<Vec<String>>().join("\n")
}
