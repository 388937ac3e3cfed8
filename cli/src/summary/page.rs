//! Lines that fit a terminal, and its colours.

use std::io::IsTerminal;

use clap::ValueEnum;
use console::Term;
use textwrap::{Options, wrap};

/// A terminal that is narrower gets lines that are longer than it: nobody can read words broken to pieces.
const WIDTH_MIN: usize = 30;
/// Longer lines are hard to read, however wide the terminal.
const WIDTH_MAX: usize = 120;

/// Whether what people read has colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal that has some, unless NO_COLOR says otherwise.
    #[default]
    Auto,
    /// Yes.
    Always,
    /// No.
    Never,
}

/// What the summary is written to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// How wide lines may be; `None`: as long as they are.
    pub width: Option<usize>,
    /// Whether it shows colours.
    pub has_colours: bool,
}

impl Terminal {
    /// What `stream` is, which `term` stands for.
    pub fn of(stream: &impl IsTerminal, term: &Term, colour: Colour) -> Terminal {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let is_terminal = stream.is_terminal();
        let size = is_terminal.then(|| term.size_checked()).flatten();
        // Where somebody says how wide it is, as tests and `script` do.
        let columns = variable("COLUMNS").and_then(|columns| columns.parse().ok());
        let columns = columns.or(size.map(|(_, columns)| usize::from(columns)));
        Terminal {
            width: columns
                .filter(|columns| *columns > 0)
                .map(|columns| columns.clamp(WIDTH_MIN, WIDTH_MAX)),
            has_colours: match colour {
                Colour::Always => true,
                Colour::Never => false,
                Colour::Auto => {
                    is_terminal
                        && variable("NO_COLOR").is_none()
                        && variable("TERM").is_none_or(|term| term != "dumb")
                }
            },
        }
    }
}

/// Stands between a number and its unit while lines are broken.
const JOINT: char = '\u{a0}';
const UNITS: [&str; 11] = [
    "s", "min", "h", "d", "%", "B", "kB", "MB", "GB", "TB", "UTC",
];

/// A text in which a number and its unit are one word.
fn with_units(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut ends_in_digit = false;
    for (number, word) in text.split(' ').enumerate() {
        let unit = word.trim_end_matches([')', ',', ';', '.', ':']);
        let is_unit = ends_in_digit && UNITS.contains(&unit);
        if number > 0 {
            out.push(if is_unit { JOINT } else { ' ' });
        }
        out.push_str(word);
        ends_in_digit = word.ends_with(|it: char| it.is_ascii_digit());
    }
    out
}

/// How a text is to be seen.
#[derive(Clone, Copy)]
pub(super) enum Paint {
    Strong,
    Alarm,
    Dim,
}

/// What is written so far.
pub(super) struct Page {
    terminal: Terminal,
    pub out: String,
}

impl Page {
    pub fn new(terminal: Terminal) -> Page {
        Page {
            terminal,
            out: String::new(),
        }
    }

    /// How wide lines may be where they have to have an end.
    pub fn width(&self) -> usize {
        self.terminal.width.unwrap_or(80)
    }

    /// A text with what makes a terminal show it like that.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Strong => "1",
            Paint::Alarm => "1;31",
            Paint::Dim => "2",
        };
        match self.terminal.has_colours {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }

    pub fn blank(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    pub fn strong(&mut self, text: &str) {
        let text = self.paint(Paint::Strong, text);
        self.line("", &text);
    }

    /// A paragraph behind an indent.
    pub fn line(&mut self, indent: &str, text: &str) {
        self.hanging(indent, indent, text);
    }

    /// A paragraph: its first line begins like this, the others like that.
    pub fn hanging(&mut self, first: &str, others: &str, text: &str) {
        let width = self.terminal.width.unwrap_or(usize::MAX);
        let options = Options::new(width)
            .initial_indent(first)
            .subsequent_indent(others)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        for line in wrap(&with_units(text), options) {
            self.out.push_str(&line.trim_end().replace(JOINT, " "));
            self.out.push('\n');
        }
    }

    /// A line as it is, for what is copied from the terminal.
    pub fn whole(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}
