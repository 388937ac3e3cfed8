//! Makes text from elsewhere fit for a terminal and a log.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

pub use maxconn_host::printable;

/// The same for sentences of several lines: their newlines stay.
pub fn printable_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// Standard output for documents, each a line of JSON; a terminal gets them with the control characters that JSON lets
/// stand in strings escaped.
pub fn stdout() -> Box<dyn Write + Send> {
    let out = io::stdout();
    match out.is_terminal() {
        true => Box::new(Terminal(out)),
        false => Box::new(out),
    }
}

struct Terminal<W>(W);

impl<W: Write> Write for Terminal<W> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.write_all(&printable_json(lines))?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Lines of JSON with DEL and U+0080 to U+009F as escapes; all other control characters JSON has as such already.
fn printable_json(lines: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(lines);
    let steers = |character: char| character.is_control() && character != '\n';
    if !text.contains(steers) {
        return Cow::Borrowed(lines);
    }
    let mut printable = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if steers(character) {
            // Writing to a String can't fail.
            let _ = write!(printable, "\\u{:04x}", u32::from(character));
        } else {
            printable.push(character);
        }
    }
    Cow::Owned(printable.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_elsewhere_cannot_steer_the_terminal() {
        let text = "a\x1b[2Jb\u{202e}c\u{9b}d\n";
        let steers_nothing = "a\\u{1b}[2Jb\\u{202e}c\\u{9b}d";
        assert_eq!(printable(text), format!("{steers_nothing}\\u{{a}}"));
        assert_eq!(printable_lines(text), format!("{steers_nothing}\n"));
    }
    #[test]
    fn a_document_cannot_steer_the_terminal_and_says_the_same() {
        let mut out = Terminal(Vec::new());
        let document = "{\"message\":\"a\u{9b}2J\u{7f}\u{e4}\"}\n";
        out.write_all(document.as_bytes()).unwrap();
        let written = String::from_utf8(out.0).unwrap();
        assert_eq!(written, "{\"message\":\"a\\u009b2J\\u007f\u{e4}\"}\n");
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&written), value(document));
    }
}
