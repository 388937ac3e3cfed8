//! The core itself, without any ABI.

use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Output, Source};

use crate::Error;
use crate::case::{Case, Step};
use crate::run::{Batches, Piece};

/// The configuration of a case.
pub fn config(case: &Case) -> Result<Config, Error> {
    let json = case.config.as_deref().unwrap_or("{}");
    Config::parse(json.as_bytes(), Config::default()).map_err(|error| error.to_string().into())
}

/// An engine with the configuration of a case.
pub fn engine(case: &Case) -> Result<Engine, Error> {
    Ok(Engine::new(config(case)?).map_err(|error| error.to_string())?)
}

/// Pushes lines until all are taken; what comes out goes to `pieces`.
pub fn push_all(
    engine: &mut Engine,
    source: &Source,
    lines: &[u8],
    offset: Option<u64>,
    pieces: &mut Vec<Piece>,
) {
    let (mut out, mut done) = (Output::default(), 0);
    while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
        let at = offset.map(|offset| offset + done as u64);
        done += engine.push_lines(source, rest, at, &mut out);
        gather(&mut out, rest, pieces);
    }
}

/// Calls until there is no more to say; what comes out goes to `pieces`.
pub fn drain(mut call: impl FnMut(&mut Output) -> bool, pieces: &mut Vec<Piece>) {
    let (mut out, mut is_done) = (Output::default(), false);
    while !is_done {
        is_done = call(&mut out);
        gather(&mut out, &[], pieces);
    }
}

/// Everything that comes out, in order.
pub fn run(case: &Case, batches: &mut Batches) -> Result<Vec<Piece>, Error> {
    let mut engine = engine(case)?;
    let (mut pieces, mut offset) = (Vec::new(), 0);
    for step in &case.steps {
        match step {
            Step::Lines(lines) => {
                for batch in batches.cut(lines) {
                    let (source, at) = (&case.source, case.has_offsets.then_some(offset));
                    push_all(&mut engine, source, batch.as_bytes(), at, &mut pieces);
                    offset += batch.len() as u64;
                }
            }
            Step::Tick(at) => drain(|out| engine.tick(*at, out), &mut pieces),
            Step::Finish(at) => drain(|out| engine.finish(*at, out), &mut pieces),
            Step::Statistics => {
                let mut out = Output::default();
                engine.statistics(&mut out);
                gather(&mut out, &[], &mut pieces);
            }
            Step::Restart => {
                let (snapshot, mut out) = (engine.snapshot(), Output::default());
                engine = self::engine(case)?;
                let restored = engine.restore(&snapshot, &mut out);
                restored.map_err(|error| format!("restore: {error:?}"))?;
                gather(&mut out, &[], &mut pieces);
            }
        }
    }
    Ok(pieces)
}

/// Moves the output to `pieces`, a line each.
pub fn gather(out: &mut Output, input: &[u8], pieces: &mut Vec<Piece>) {
    for (kind, text) in out.pieces(input) {
        Piece::push_lines(kind as u32, text, pieces);
    }
    out.clear();
}
