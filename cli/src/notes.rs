//! What the figures that people read do not tell: notes below them, a line each.

use std::fmt::Write as _;

use maxconn_report::words::counted;

use crate::printable::printable;

/// Of records that could not be read: one, and many.
pub const MALFORMED: [&str; 2] = [
    "record is malformed or too long to be read; nothing was looked for in it.",
    "records are malformed or too long to be read; nothing was looked for in them.",
];
/// Of lines that were cut.
pub const CUT: [&str; 2] = [
    "line was longer than 1 MiB and was cut into pieces.",
    "lines were longer than 1 MiB and were cut into pieces.",
];
/// Of inputs without a line, behind the name of each.
pub const EMPTY: &str = "is empty.";
/// Of inputs that were named before.
pub const TWICE: &str = "is named twice, and its lines were counted twice.";

/// Notes, in their order.
#[derive(Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    /// Adds a sentence.
    pub fn add(&mut self, note: String) {
        self.0.push(note);
    }

    /// Adds what so many are, if there are any: one, or many.
    pub fn count(&mut self, count: u64, [one, many]: [&str; 2]) {
        if count > 0 {
            self.add(counted(count, one, many));
        }
    }

    /// Adds what each of some inputs is.
    pub fn of_each<'a>(&mut self, names: impl IntoIterator<Item = &'a String>, what: &str) {
        let names = names.into_iter().map(|name| printable(name));
        self.0.extend(names.map(|name| format!("{name} {what}")));
    }

    /// Writes them below what is there.
    pub fn write(&self, out: &mut String) {
        if !self.0.is_empty() {
            out.push('\n');
        }
        for note in &self.0 {
            let _ = writeln!(out, "Note: {note}");
        }
    }
}
