//! The files of `testdata/`, and of the rest of the repository; tables in the text of a test.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A real flood: 7,500 refusals among 7,514 lines of Dovecot's own log.
pub const FLOOD: &str = "testdata/dovecot/14_flood_servicecount0.log.gz";

/// A place in the repository.
pub fn path(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).join(name)
}

/// A file of the repository, decompressed if its name ends in `.gz`.
pub fn read(name: &str) -> Vec<u8> {
    let bytes = fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut plain = Vec::new();
    let decompressed = flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain);
    decompressed.unwrap_or_else(|error| panic!("{name}: {error}"));
    plain
}

/// The same as text.
pub fn text(name: &str) -> String {
    String::from_utf8(read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Holds a text against a file of `testdata/golden/`, which `UPDATE=1` writes.
#[track_caller]
pub fn is_golden(name: &str, actual: &str) {
    is_the_file(&format!("testdata/golden/{name}"), actual);
}

/// Holds a text against a file of the repository, which `UPDATE=1` writes.
#[track_caller]
pub fn is_the_file(name: &str, actual: &str) {
    let path = path(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, actual).expect("a file can be written");
    }
    let agreed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(agreed, actual, "{name}; UPDATE=1 writes it");
}

/// The rows of a table: a line each, with bars between the cells. What begins with `#` is a comment.
pub fn rows<const CELLS: usize>(table: &str) -> impl Iterator<Item = [&str; CELLS]> {
    let rows = table.lines().filter(|row| {
        let row = row.trim_start();
        !row.is_empty() && !row.starts_with('#')
    });
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let cells = cells.try_into();
        cells.unwrap_or_else(|_| panic!("{CELLS} cells are wanted: {row}"))
    })
}
