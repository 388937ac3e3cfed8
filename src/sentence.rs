//! Sentences for people, put together from parts: `format!` costs guests several times the code, and there are some
//! hundred of them.

use alloc::string::String;
use alloc::vec::Vec;

use crate::json::write::push_string;
use crate::text::{push_number, push_tenths, rounded};

/// How many characters of a value a sentence quotes: enough to find it, too few to flood a terminal.
const QUOTED_CHARS_MAX: usize = 48;

/// A part of a sentence.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// As it is.
    Text(&'a str),
    /// A whole number.
    Number(u64),
    /// A number, rounded to one decimal.
    Tenths(f64),
    /// Somebody's text, in quotes and cut to a length that fits a sentence. The quoting is JSON's: `{:?}` would
    /// bring Unicode tables into every guest.
    Quoted(&'a str),
}

/// The sentence.
#[inline(never)]
pub(crate) fn say(parts: &[Part<'_>]) -> String {
    let mut said = String::new();
    for part in parts {
        match *part {
            Part::Text(text) => said.push_str(text),
            Part::Number(number) => push_number(&mut said, number),
            Part::Tenths(value) => push_tenths(&mut said, rounded(value, 10)),
            Part::Quoted(text) => push_quoted(&mut said, text),
        }
    }
    said
}

fn push_quoted(out: &mut String, text: &str) {
    let cut = match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => &say(&[
            Part::Text(text.get(..end).unwrap_or_default()),
            Part::Text("…"),
        ]),
        None => text,
    };
    let mut quoted = Vec::new();
    push_string(&mut quoted, cut.as_bytes());
    out.push_str(core::str::from_utf8(&quoted).unwrap_or_default());
}
