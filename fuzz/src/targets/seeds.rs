//! What inputs begin from: the cases of `testdata/`, and what is kept there of other kinds.

use std::fs;
use std::path::Path;

use host_test::case::{self, Case, Step, testdata};

use crate::script::HEAD_BYTES;

/// Each case's lines are cut to this, in bytes: the first of a flood are as good as all.
const CASE_MAX_BYTES: usize = 6 * 1024;

/// The records of every case.
fn cases() -> Vec<Vec<u8>> {
    let cases = case::all().unwrap_or_else(|error| panic!("the cases cannot be read: {error}"));
    let lines = |step: &Step| match step {
        Step::Lines(lines) => lines.clone(),
        _ => String::new(),
    };
    let records = |case: &Case| {
        let mut text = case
            .steps
            .iter()
            .map(lines)
            .collect::<String>()
            .into_bytes();
        let cut = text.get(..CASE_MAX_BYTES).unwrap_or(&text);
        let end = cut.iter().rposition(|byte| *byte == b'\n');
        text.truncate(end.map_or(cut.len(), |at| at + 1));
        text
    };
    cases.iter().map(records).collect()
}

/// Files of a folder of `testdata/`; none if there is no such folder.
pub fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = testdata().join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// A file of `testdata/`.
pub fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// A line each.
pub fn lines() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = cases()
        .iter()
        .flat_map(|text| text.split(|byte| *byte == b'\n').take(3))
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    all.extend(files("fuzz/lines"));
    all
}

/// A JSON record each.
pub fn records() -> Vec<Vec<u8>> {
    let mut all = lines();
    all.retain(|line| line.starts_with(b"{"));
    all.extend([
        br#""\u00e4\ud83d\ude00 \"\\\/\b\f\n\r\t""#.to_vec(),
        br#"{"a":nan, "b":[-inf,1e400],1:"x","t":"\x00"}"#.to_vec(),
        br#"{"a":{"b":[1,2.5e3,-0,true,false,null,"\u00e4\\\""]}}"#.to_vec(),
    ]);
    all
}

/// Scripts: each case's records behind heads of several kinds, and stories.
pub fn scripts() -> Vec<Vec<u8>> {
    let heads: [[u8; HEAD_BYTES]; 3] = [
        [0; HEAD_BYTES],
        std::array::from_fn(|at| [0, 0, 0, 0, 0, 192, 1, 1][at % 8]),
        std::array::from_fn(|at| (at as u8).wrapping_mul(37) & !1),
    ];
    let mut all = Vec::new();
    for (number, text) in cases().into_iter().enumerate() {
        let head = heads.get(number % heads.len()).map_or(&[][..], |head| head);
        all.push([head, &text].concat());
    }
    for seed in 0..24_u8 {
        let head: [u8; HEAD_BYTES] = std::array::from_fn(|at| {
            (at as u8 + 1).wrapping_mul(seed.wrapping_mul(2) + 1) | u8::from(at == 0)
        });
        let event = |at: u8| {
            [
                (at % 3) * 8 * (seed % 8),
                at % (1 + seed % 4),
                at % (1 + seed % 3),
            ]
        };
        all.push([&head[..], &(0..120).flat_map(event).collect::<Vec<u8>>()].concat());
    }
    all.extend(files("fuzz/scripts"));
    all
}
