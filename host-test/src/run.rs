//! A case through a driver, and what differs.

use std::fs;

use fastrand::Rng;
use serde_json::Value;

use crate::case::Case;
use crate::drivers::{self, DRIVERS, Driver, Exclusion};
use crate::surface::surface;
use crate::wasm::Runtime;
use crate::{Error, native};

/// The kinds of pieces that tests look for, by the numbers of the embed ABI.
pub const WRAPPED: u32 = 1;
/// Enriched records.
pub const ENRICHED: u32 = 2;
/// Alerts.
pub const ALERT: u32 = 3;
/// Statistics.
pub const STATISTICS: u32 = 4;

/// One document that came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is, by the numbers of the embed ABI.
    pub kind: u32,
    /// The document, without its newline.
    pub text: String,
}

impl Piece {
    /// Adds a segment's lines.
    pub fn push_lines(kind: u32, text: &[u8], pieces: &mut Vec<Piece>) {
        let text = String::from_utf8_lossy(text);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        pieces.extend(text.split('\n').map(|line| Piece {
            kind,
            text: line.to_string(),
        }));
    }
}

/// How the lines of a step are cut into batches.
#[derive(Clone, Debug)]
pub enum Batches {
    /// All at once.
    Whole,
    /// Up to a few dozen lines, by chance.
    Random(Rng),
}

impl Batches {
    /// Random ones, the same for a case whenever it runs.
    pub fn seeded(case: &Case) -> Batches {
        let seed = |seed: u64, byte| seed.rotate_left(5) ^ u64::from(byte);
        Batches::Random(Rng::with_seed(case.name.bytes().fold(0, seed)))
    }

    /// Batches of whole lines.
    pub fn cut<'a>(&mut self, lines: &'a str) -> Vec<&'a str> {
        let Batches::Random(random) = self else {
            return vec![lines];
        };
        let (mut batches, mut rest) = (Vec::new(), lines);
        while !rest.is_empty() {
            let mut ends = rest.match_indices('\n');
            let end = ends.nth(random.usize(..40)).map(|(at, _)| at + 1);
            let (batch, after) = rest.split_at(end.unwrap_or(rest.len()));
            batches.push(batch);
            rest = after;
        }
        batches
    }
}

/// The modules under test: drivers, each with the module that it loads.
pub struct Guests {
    loaded: Vec<(&'static Driver, Vec<u8>)>,
    exclusions: Vec<Exclusion>,
}

impl Guests {
    /// Builds the guest of every driver.
    pub fn build(cases: &[Case]) -> Result<Guests, Error> {
        let load = |driver: &'static Driver| -> Result<_, Error> {
            Ok((driver, crate::guest(driver.guest)?))
        };
        Ok(Guests {
            loaded: DRIVERS.iter().map(load).collect::<Result<_, _>>()?,
            exclusions: drivers::exclusions(cases)?,
        })
    }

    /// A foreign build of one guest, alone, in every driver of its ABI.
    ///
    /// # Errors
    /// It is no WebAssembly module, none of the guests has its ABI, or the exclusions can't be read.
    pub fn plugin(wasm: &[u8], cases: &[Case]) -> Result<Guests, Error> {
        let surface = surface(wasm).map_err(|_| "this is no whole WebAssembly module")?;
        let loaded: Vec<_> = DRIVERS
            .iter()
            .filter(|driver| surface.lines().any(|line| line.starts_with(driver.mark)))
            .map(|driver| (driver, wasm.to_vec()))
            .collect();
        if loaded.is_empty() {
            let known = DRIVERS.map(|driver| format!("`{}` ({})", driver.mark, driver.guest));
            let mut known = known.to_vec();
            known.dedup();
            let known = known.join(", ");
            return Err(format!(
                "the module has the ABI of no guest; it should have one of {known}"
            )
            .into());
        }
        Ok(Guests {
            loaded,
            exclusions: drivers::exclusions(cases)?,
        })
    }
}

/// Runs one case everywhere; an error is the first difference.
pub fn case(case: &Case, guests: &Guests) -> Result<(), Error> {
    let pieces = native::run(case, &mut Batches::Whole)?;
    let actual = expectation(&pieces);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&case.expected, &actual)?;
    }
    let expected = fs::read_to_string(&case.expected)
        .map_err(|error| format!("{}: {error}; UPDATE=1 writes it", case.expected.display()))?;
    same("native", &lines(&expected), &lines(&actual))?;
    let random = native::run(case, &mut Batches::seeded(case))?;
    compare("native, batches", &pieces, &random)?;
    for (driver, wasm) in &guests.loaded {
        let is_excluded = drivers::excludes(&guests.exclusions, driver, case);
        for runtime in [Runtime::Wasmtime, Runtime::Wasmi] {
            let place = format!("{}, {}", driver.name, runtime.name());
            match ((driver.check)(case, wasm, runtime), is_excluded) {
                (Ok(()), true) => {
                    return Err(format!(
                        "{place}: excluded, but it passes; take it out of testdata/exclusions.toml"
                    )
                    .into());
                }
                (Err(difference), false) => return Err(format!("{place}: {difference}").into()),
                _ => {}
            }
        }
    }
    Ok(())
}

/// What the expectation's file holds: every document, or for large outputs how many of each kind, all that are
/// alerts, and a digest.
fn expectation(pieces: &[Piece]) -> String {
    const LARGE: usize = 200;
    if pieces.len() <= LARGE {
        let lines = pieces.iter().map(|piece| piece.text.clone() + "\n");
        return lines.collect();
    }
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut counts = [0_u64; 6];
    let mut text = String::new();
    for piece in pieces {
        if let Some(count) = counts.get_mut(piece.kind as usize) {
            *count += 1;
        }
        for byte in piece.text.bytes() {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if piece.kind == ALERT {
            text += &format!("{}\n", piece.text);
        }
    }
    let [passed, wrapped, enriched, alerts, statistics, _] = counts;
    text + &format!(
        "{{\"passed\":{passed},\"wrapped\":{wrapped},\"enriched\":{enriched},\"alerts\":{alerts},\"statistics\":{statistics},\"digest\":\"{digest:016x}\"}}\n"
    )
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// Both alike, but for the memory of the instance, of which statistics tell and which differs by design.
pub fn compare(driver: &str, expected: &[Piece], actual: &[Piece]) -> Result<(), Error> {
    let text = |piece: &Piece| match piece.kind {
        STATISTICS => without_memory(&piece.text),
        _ => piece.text.clone(),
    };
    let [expected, actual] =
        [expected, actual].map(|pieces| pieces.iter().map(text).collect::<Vec<String>>());
    same(driver, &expected, &actual)
}

pub(crate) fn without_memory(text: &str) -> String {
    fn strip(value: &mut Value) {
        if let Value::Object(members) = value {
            members.retain(|key, _| !key.starts_with("memory"));
            members.values_mut().for_each(strip);
        }
    }
    let mut value = serde_json::from_str(text).unwrap_or(Value::Null);
    strip(&mut value);
    value.to_string()
}

/// Both alike, line by line.
pub fn same<T: AsRef<str>>(driver: &str, expected: &[T], actual: &[T]) -> Result<(), Error> {
    for at in 0..expected.len().max(actual.len()) {
        let [expected, actual] =
            [expected, actual].map(|lines| lines.get(at).map_or("(nothing)", AsRef::as_ref));
        if expected != actual {
            return Err(format!(
                "{driver}: document {} differs\n  expected {expected}\n  actual   {actual}",
                at + 1
            )
            .into());
        }
    }
    Ok(())
}
