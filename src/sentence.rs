//! Fills in sentences for people from templates: `format!` costs guests several times the code, and there are some
//! hundred of them.

use alloc::string::String;
use alloc::vec::Vec;

use maxconn_records::bytes::split_at;

use crate::json::write::push_string;
use crate::text::{duration_text, push_number, push_tenths, rounded};

/// How many characters of a value a sentence quotes: enough to find it, too few to flood a terminal.
const QUOTED_CHARS_MAX: usize = 48;

/// What a place in a template is filled with.
#[derive(Clone, Copy)]
pub(crate) enum Part<'a> {
    /// As it is.
    Text(&'a str),
    /// A whole number.
    Number(u64),
    /// A number, rounded to one decimal.
    Tenths(f64),
    /// A length of time in ms, as configurations have it.
    Duration(i64),
    /// Words with commas between them.
    List(&'a [&'a str]),
    /// Somebody's text, in quotes and cut to a length that fits a sentence. The quoting is JSON's: `{:?}` would
    /// bring Unicode tables into every guest.
    Quoted(&'a str),
}

/// The template with `%0`, `%1` … replaced by the parts of these numbers.
#[inline(never)]
pub(crate) fn say(template: &str, parts: &[Part<'_>]) -> String {
    let mut said = String::new();
    let mut rest = template;
    while let Some((before, behind)) = split_at(rest, "%") {
        said.push_str(before);
        let digit = behind.bytes().next().unwrap_or(0).wrapping_sub(b'0');
        rest = match parts.get(usize::from(digit)) {
            Some(part) => {
                push(&mut said, *part);
                behind.get(1..).unwrap_or_default()
            }
            None => {
                said.push('%');
                behind
            }
        };
    }
    said.push_str(rest);
    said
}

fn push(said: &mut String, part: Part<'_>) {
    match part {
        Part::Text(text) => said.push_str(text),
        Part::Number(number) => push_number(said, number),
        Part::Tenths(value) => push_tenths(said, rounded(value, 10)),
        Part::Duration(ms) => said.push_str(&duration_text(ms)),
        Part::List(words) => {
            for (index, word) in words.iter().enumerate() {
                said.push_str(if index > 0 { ", " } else { "" });
                said.push_str(word);
            }
        }
        Part::Quoted(text) => {
            let end = text.char_indices().nth(QUOTED_CHARS_MAX);
            let cut = end.and_then(|(end, _)| text.get(..end)).unwrap_or(text);
            let mut quoted = Vec::new();
            push_string(&mut quoted, cut.as_bytes());
            if cut.len() < text.len() {
                quoted.pop();
                quoted.extend_from_slice("…\"".as_bytes());
            }
            said.push_str(core::str::from_utf8(&quoted).unwrap_or_default());
        }
    }
}
