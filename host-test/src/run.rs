//! A case through a driver, and what differs.

use std::fs;

use serde_json::Value;

use crate::case::Case;
use crate::fluent_bit;
use crate::wasm::Runtime;
use crate::{Error, embed, native};

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
    /// Up to a few dozen lines, by a generator of random numbers in this state.
    Random(u64),
}

impl Batches {
    /// Batches of whole lines.
    pub fn cut<'a>(&mut self, lines: &'a str) -> Vec<&'a str> {
        let Batches::Random(state) = self else {
            return vec![lines];
        };
        let mut batches = Vec::new();
        let mut rest = lines;
        while !rest.is_empty() {
            // xorshift64: all that is needed is that it never changes.
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            let lines = (*state % 40) as usize;
            let end = rest
                .match_indices('\n')
                .nth(lines)
                .map_or(rest.len(), |(at, _)| at + 1);
            let (batch, after) = rest.split_at(end);
            batches.push(batch);
            rest = after;
        }
        batches
    }
}

/// The modules under test.
pub struct Guests {
    /// The embed guest.
    pub embed: Vec<u8>,
    /// The Fluent Bit guest; `None` where a foreign build of the other is tested.
    pub fluent_bit: Option<Vec<u8>>,
}

impl Guests {
    /// Builds both.
    ///
    /// # Errors
    /// One does not build.
    pub fn build() -> Result<Guests, Error> {
        let build = |name| -> Result<Vec<u8>, Error> {
            Ok(fs::read(guest_build::try_build(
                name,
                guest_build::Features::default(),
            )?)?)
        };
        Ok(Guests {
            embed: build("embed")?,
            fluent_bit: Some(build("fluent-bit")?),
        })
    }
}

/// Runs one case everywhere; an error is the first difference.
///
/// # Errors
/// What differs, where, and what was expected.
pub fn case(case: &Case, guests: &Guests) -> Result<(), Error> {
    let pieces = native::run(case, &mut Batches::Whole)?;
    let actual = expectation(&pieces);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&case.expected, &actual)?;
    }
    let expected = fs::read_to_string(&case.expected)
        .map_err(|error| format!("{}: {error}; UPDATE=1 writes it", case.expected.display()))?;
    same("native", &lines(&expected), &lines(&actual))?;
    let seed = case
        .name
        .bytes()
        .fold(0x9e37_79b9_7f4a_7c15_u64, |seed, byte| {
            seed.rotate_left(5) ^ u64::from(byte)
        });
    let random = native::run(case, &mut Batches::Random(seed))?;
    compare("native, batches", &pieces, &random)?;
    for runtime in [Runtime::Wasmtime, Runtime::Wasmi] {
        let name = runtime.name();
        let whole = embed::run(case, &guests.embed, runtime, &mut Batches::Whole)?;
        compare(&format!("embed, {name}"), &pieces, &whole)?;
        let random = embed::run(case, &guests.embed, runtime, &mut Batches::Random(seed))?;
        compare(&format!("embed, {name}, batches"), &pieces, &random)?;
        if let Some(module) = &guests.fluent_bit {
            fluent_bit::check(case, module, runtime)
                .map_err(|error| format!("fluent-bit, {name}: {error}"))?;
        }
    }
    Ok(())
}

/// What the expectation's file holds: every document, or for large outputs how many of each kind, all that are
/// alerts, and a digest.
fn expectation(pieces: &[Piece]) -> String {
    const LARGE: usize = 200;
    if pieces.len() <= LARGE {
        return pieces
            .iter()
            .map(|piece| piece.text.clone() + "\n")
            .collect();
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
        if piece.kind == 3 {
            text += &piece.text;
            text.push('\n');
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

/// Statistics tell of the memory of the instance, which differs by design.
fn compare(driver: &str, expected: &[Piece], actual: &[Piece]) -> Result<(), Error> {
    let texts = |pieces: &[Piece]| -> Vec<String> {
        pieces
            .iter()
            .map(|piece| {
                if piece.kind == 4 {
                    without_memory(&piece.text)
                } else {
                    piece.text.clone()
                }
            })
            .collect()
    };
    let (expected, actual) = (texts(expected), texts(actual));
    same(driver, &expected, &actual)
}

fn without_memory(text: &str) -> String {
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
///
/// # Errors
/// The first line that differs.
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
