//! The core itself, without any ABI.

use maxconn_core::config::Config;
use maxconn_core::engine::{Engine, Kind, Output};

use crate::Error;
use crate::case::{Case, Step};
use crate::run::{Batches, Piece};

/// The configuration of a case.
///
/// # Errors
/// It is wrong.
pub fn config(case: &Case) -> Result<Config, Error> {
    let json = case.config.as_deref().unwrap_or("{}");
    Config::parse(json.as_bytes(), Config::default()).map_err(|error| error.to_string().into())
}

/// Everything that comes out, in order.
///
/// # Errors
/// The configuration is wrong or a snapshot is refused.
pub fn run(case: &Case, batches: &mut Batches) -> Result<Vec<Piece>, Error> {
    let mut engine = Engine::new(config(case)?).map_err(|error| error.to_string())?;
    let (mut out, mut pieces) = (Output::default(), Vec::new());
    let mut offset = 0;
    for step in &case.steps {
        match step {
            Step::Lines(lines) => {
                for batch in batches.cut(lines) {
                    let mut done = 0;
                    while done < batch.len() {
                        let rest = batch.get(done..).unwrap_or_default().as_bytes();
                        let at = case.has_offsets.then_some(offset);
                        let consumed = engine.push_lines(&case.source, rest, at, &mut out);
                        gather(&mut out, rest, &mut pieces);
                        done += consumed;
                        offset += consumed as u64;
                    }
                }
            }
            Step::Tick(at) => {
                while !engine.tick(*at, &mut out) {
                    gather(&mut out, &[], &mut pieces);
                }
            }
            Step::Statistics => engine.statistics(&mut out),
            Step::Finish(at) => {
                while !engine.finish(*at, &mut out) {
                    gather(&mut out, &[], &mut pieces);
                }
            }
            Step::Restart => {
                let snapshot = engine.snapshot();
                engine = Engine::new(config(case)?).map_err(|error| error.to_string())?;
                engine
                    .restore(&snapshot, &mut out)
                    .map_err(|error| format!("restore: {error:?}"))?;
            }
        }
        gather(&mut out, &[], &mut pieces);
    }
    Ok(pieces)
}

/// Moves the output to `pieces`, a line each.
pub fn gather(out: &mut Output, input: &[u8], pieces: &mut Vec<Piece>) {
    for segment in &out.segments {
        let bytes = if segment.kind == Kind::Passed {
            input
        } else {
            out.bytes.as_slice()
        };
        let text = bytes
            .get(segment.start as usize..(segment.start + segment.len) as usize)
            .unwrap_or_default();
        Piece::push_lines(segment.kind as u32, text, pieces);
    }
    out.clear();
}
