//! Keeps the summary up to date on a terminal while a log is followed.

use std::io::{self, IsTerminal};

use console::Term;
use maxconn_report::Report;

use super::{Options, known};
use crate::reading::Outcome;
use crate::summary::{self, Summary, Terminal};

/// The terminal, all of it.
pub struct Live<'a> {
    options: &'a Options,
    term: Term,
}

impl Live<'_> {
    /// Takes the terminal, if standard error is one and the summary is for people.
    pub fn start(options: &Options) -> Option<Live<'_>> {
        let is_shown =
            options.follows && options.summary == Summary::Text && io::stderr().is_terminal();
        is_shown.then(|| Live {
            options,
            term: Term::stderr(),
        })
    }

    /// Shows what is known so far: as much as fits, from its begin.
    pub fn draw(&self, report: &Report, outcome: &Outcome, disk_bytes: Option<u64>) {
        let written = report
            .clone()
            .finish(known(outcome, self.options, disk_bytes));
        let terminal = Terminal::of(&io::stderr(), &self.term, self.options.view.colour);
        let text = summary::write(&written, &self.options.view, terminal);
        let rows = usize::from(self.term.size().0).saturating_sub(2).max(1);
        let mut shown: String = text.split_inclusive('\n').take(rows).collect();
        shown += match text.lines().count().saturating_sub(rows) {
            0 => "Followed; Ctrl-C ends it.".to_string(),
            more => format!("… {more} more lines; Ctrl-C ends it and shows all."),
        }
        .as_str();
        // Nobody may be looking any more.
        let _ = self.term.clear_screen();
        let _ = self.term.write_str(&shown);
    }

    /// Gives the terminal back.
    pub fn finish(&self) {
        let _ = self.term.clear_screen();
    }
}
