//! The engine: everything that can happen to it, and a restart that must not be noticed.

use maxconn_core::engine::{Engine, Kind, Output, Verdict};
use maxconn_core::hash::hash128;

use crate::document::Seen;
use crate::script::{Script, Step, read};

/// No batch is called for again more often than this.
const CALLS_MAX: usize = 100_000;

/// A script's engine, and what it says.
pub struct Native {
    pub engine: Engine,
    out: Output,
    script: Script,
}

impl Native {
    pub fn new(script: &Script) -> Native {
        let engine = Engine::new(script.config.clone());
        Native {
            engine: engine.unwrap_or_else(|error| panic!("{error}: {}", script.json)),
            out: Output {
                want: script.want,
                ..Output::default()
            },
            script: script.clone(),
        }
    }

    /// Takes a step; every piece of output goes to `sink`. Answers how many records it gave and, of those, how
    /// many their host keeps.
    pub fn step(&mut self, step: &Step, sink: &mut impl FnMut(Kind, &[u8])) -> (u64, u64) {
        let (engine, out) = (&mut self.engine, &mut self.out);
        match step {
            Step::Lines(lines, offset) => {
                let mut done = 0;
                for _ in 0..CALLS_MAX {
                    if done >= lines.len() {
                        break;
                    }
                    let rest = lines.get(done..).unwrap_or_default();
                    let offset = offset.map(|offset| offset + done as u64);
                    let consumed = engine.push_lines(&self.script.source, rest, offset, out);
                    assert!(
                        consumed > 0 || !out.segments.is_empty(),
                        "nothing was consumed or said"
                    );
                    drain(out, rest, sink);
                    done += consumed;
                }
                assert_eq!(done, lines.len(), "lines are left");
                let newlines = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
                let unended = !lines.is_empty() && !lines.ends_with(b"\n");
                return (newlines + u64::from(unended), 0);
            }
            Step::Record(record, time_ms, position) => {
                let verdict =
                    engine.push(&self.script.source, record, *time_ms, Some(position), out);
                drain(out, &[], sink);
                return (1, u64::from(verdict == Verdict::Passed));
            }
            Step::Tick(now_ms) => finish(|out| engine.tick(*now_ms, out), out, sink),
            Step::Statistics => engine.statistics(out),
            Step::Finish(time_ms) => finish(|out| engine.finish(*time_ms, out), out, sink),
            Step::Shutdown => finish(|out| engine.shutdown(out), out, sink),
            Step::Reconfigure(json) => {
                let result = engine.reconfigure(read(json), out);
                result.unwrap_or_else(|error| panic!("{error}: {json}"));
                self.script.config = read(json);
            }
            Step::Restart => {
                let snapshot = engine.snapshot();
                let fresh = Engine::new(self.script.config.clone());
                *engine = fresh.unwrap_or_else(|error| panic!("{error}"));
                let restored = engine.restore(&snapshot, out);
                restored.unwrap_or_else(|error| panic!("its own snapshot is refused: {error}"));
            }
        }
        drain(&mut self.out, &[], sink);
        (0, 0)
    }
}

fn finish(
    mut call: impl FnMut(&mut Output) -> bool,
    out: &mut Output,
    sink: &mut impl FnMut(Kind, &[u8]),
) {
    for _ in 0..CALLS_MAX {
        if call(out) {
            return;
        }
        assert!(
            !out.segments.is_empty(),
            "there is more to say, and nothing is said"
        );
        drain(out, &[], sink);
    }
    panic!("a call does not end");
}

fn drain(out: &mut Output, input: &[u8], sink: &mut impl FnMut(Kind, &[u8])) {
    for (kind, piece) in out.pieces(input) {
        assert!(!piece.is_empty(), "a segment lies within its bytes");
        sink(kind, piece);
    }
    out.clear();
}

pub fn run(data: &[u8]) {
    let script = Script::of(data);
    let mut native = Native::new(&script);
    let mut seen = Seen::default();
    for step in &script.steps {
        let (given, kept) = native.step(step, &mut |kind, piece| seen.take(kind, piece));
        seen.given += given;
        seen.passed += kept;
        let levels = native.engine.levels();
        let config = native.engine.config();
        assert!(levels.floods <= config.max_floods as u64, "{levels:?}");
        let most = (config.max_keys + config.max_floods) as u64;
        assert!(levels.keys <= most, "{levels:?}");
    }
    seen.check(native.engine.counters(), script.want);
}

/// Two engines: one goes on, one begins anew from the other's snapshot before every step.
pub fn restore(data: &[u8]) {
    let script = Script::of(data);
    let (mut steady, mut moved) = (Native::new(&script), Native::new(&script));
    for step in &script.steps {
        if matches!(step, Step::Restart) {
            continue;
        }
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        steady.step(step, &mut |kind, piece| {
            expected.push((kind, piece.to_vec()))
        });
        moved.step(&Step::Restart, &mut |kind, _| {
            panic!("a restart says {kind:?}")
        });
        moved.step(step, &mut |kind, piece| found.push((kind, piece.to_vec())));
        let shown = |all: &[(Kind, Vec<u8>)]| {
            let shown = all
                .iter()
                .map(|(kind, piece)| format!("{kind:?} {}", String::from_utf8_lossy(piece)));
            shown.collect::<String>()
        };
        assert!(
            expected == found,
            "{}\nbecame by a restart\n{}",
            shown(&expected),
            shown(&found)
        );
    }
    let snapshot = steady.engine.snapshot();
    assert!(
        snapshot == moved.engine.snapshot(),
        "the states differ after restarts"
    );
    damaged(&script, snapshot, data);
}

/// A snapshot with other bytes in it and a checksum that holds: by chance or by somebody's will.
fn damaged(script: &Script, mut snapshot: Vec<u8>, data: &[u8]) {
    const CHECKSUM: u8 = 40;
    const HEAD_BYTES: usize = 16;
    let mut native = Native::new(script);
    let mut out = Output::default();
    let _ = native.engine.restore(data, &mut out);
    for &[high, low, byte] in data.as_chunks::<3>().0.iter().rev().take(4) {
        let at = usize::from(u16::from_le_bytes([low, high])) % snapshot.len().max(1);
        if let Some(place) = snapshot.get_mut(at) {
            *place = byte;
        }
    }
    let checksum = hash128(CHECKSUM, snapshot.get(HEAD_BYTES..).unwrap_or_default()) as u64;
    if let Some(place) = snapshot.get_mut(8..HEAD_BYTES) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    out.clear();
    if native.engine.restore(&snapshot, &mut out).is_ok() {
        // What it then counts is its own; that it goes on is what matters.
        for step in script.steps.iter().take(8) {
            native.step(step, &mut |_, _| {});
        }
        native.engine.snapshot();
    }
}
