//! The summary of `replay` and of `report` for people: what a tired one has to know, first things first.
//!
//! | module | what it writes |
//! |---|---|
//! | `head` | what was found, of which time and how much of the log |
//! | `chart` | refusals over time in a line |
//! | `flood` | a flood, or the same one again and again |
//! | `outside` | who was refused most, and who is refused outside of floods |
//! | `notes`, `unrecognised` | what the figures do not tell |
//! | `page` | lines that fit the terminal, and colours |

mod chart;
mod flood;
mod head;
mod notes;
mod outside;
mod page;
mod unrecognised;

use maxconn_report::Written;
use maxconn_report::entries::entries;
use maxconn_report::words::{counted, grouped};

use clap::Args;

use crate::config::Uncounted;
use crate::printable::printable;
use crate::zone::Zone;
use page::Page;

pub use page::{Colour, Terminal};

/// So many floods, and so many of each list of names, are told to people.
const TOP: usize = 10;

/// How the summary is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Summary {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for programs.
    Json,
    /// Not at all.
    None,
}

/// The options of what people are told.
#[derive(Debug, Args)]
pub struct ViewArgs {
    /// So many floods, and so many of each list of names, are told to people.
    #[arg(long, value_name = "N", default_value_t = TOP)]
    top: usize,
    /// Tell of all floods, and of each time that one came again.
    #[arg(long)]
    all: bool,
    /// Whether what people read has colours.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    color: Colour,
}

impl ViewArgs {
    /// What is shown. The zone and what no rule counts are known later.
    pub fn view(&self) -> View {
        View {
            top: self.top,
            all: self.all,
            colour: self.color,
            ..View::default()
        }
    }
}

/// What is shown to people.
#[derive(Clone, Debug)]
pub struct View {
    /// Patterns whose events no rule counts.
    pub uncounted: Vec<Uncounted>,
    /// Times are shown in it.
    pub zone: Zone,
    /// So many floods are told, and so many of each list of names.
    pub top: usize,
    /// All floods are told, and each time that one came again.
    pub all: bool,
    /// Whether the verdict in two sentences comes first.
    pub verdict: bool,
    /// Whether it has colours.
    pub colour: Colour,
}

impl Default for View {
    fn default() -> View {
        View {
            uncounted: Vec::new(),
            zone: Zone::default(),
            top: TOP,
            all: false,
            verdict: false,
            colour: Colour::Auto,
        }
    }
}

/// Writes the summary for a terminal.
pub fn write(written: &Written, view: &View, terminal: Terminal) -> String {
    let mut page = Page::new(terminal);
    if view.verdict {
        for sentence in &written.verdict {
            page.line("", &printable(sentence));
        }
        page.blank();
    }
    head::write(written, view, &mut page);
    let entries = entries(&written.floods);
    let told = if view.all { entries.len() } else { view.top };
    for (number, entry) in (1..).zip(entries.iter().take(told)) {
        flood::write(number, entry, view, &mut page);
    }
    let rest = entries.get(told.min(entries.len())..).unwrap_or_default();
    let floods: u64 = rest.iter().map(|it| it.floods.len() as u64).sum();
    if floods + written.floods_more > 0 {
        let refusals: u64 = rest.iter().map(|it| it.count()).sum();
        let more = counted(floods, "smaller flood", "smaller floods");
        let with = format!("And {more} with {} refusals in all", grouped(refusals));
        let unknown = match written.floods_more {
            0 => String::new(),
            more => format!(", and {} that are too many to be kept", grouped(more)),
        };
        page.blank();
        page.line(
            "",
            &format!("{with}{unknown}; --all and --summary json tell of each."),
        );
    }
    outside::write(written, view, &mut page);
    if let Some(load) = &written.load {
        page.blank();
        page.strong(&format!("Load ({})", printable(&load.name)));
        for sentence in load.together.sentences.iter().chain(&load.together.caveat) {
            page.line("   ", &printable(sentence));
        }
    }
    if let Some(disk) = &written.disk {
        page.blank();
        page.strong("Disk");
        page.line("   ", &disk.sentence);
    }
    notes::write(written, view, &mut page);
    page.out
}
