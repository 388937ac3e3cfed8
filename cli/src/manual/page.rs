//! Manual pages, in the language of `man`.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::topic::{TOPICS, Topic};

/// A page.
pub struct Page {
    /// Where `man` looks for it, below its folder.
    pub path: String,
    /// What is in it.
    pub roff: Vec<u8>,
}

/// The pages of a command that has been built, and of those below it.
pub fn of_command(command: &Command) -> Vec<Page> {
    let man = Man::new(command.clone());
    let own = Page {
        path: format!("man1/{}", man.get_filename()),
        roff: sections(command, &man).expect("memory takes all"),
    };
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
    std::iter::once(own)
        .chain(shown.flat_map(of_command))
        .collect()
}

fn sections(command: &Command, man: &Man) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut more = Roff::new();
    if let Some(notes) = command.get_after_help() {
        more.control("SH", ["NOTES"]);
        for line in notes.to_string().lines() {
            match line {
                "" => more.control("PP", []),
                // An example is copied: nothing in it may be moved.
                _ if line.starts_with("  ") => as_it_is(&mut more, [line]),
                _ => more.text([roman(line)]),
            };
        }
    }
    let topics = TOPICS.iter().map(|it| format!("maxconn-{}(7)", it.name));
    more.control("SH", ["SEE ALSO"])
        .text([roman(topics.collect::<Vec<_>>().join(", "))]);
    page.extend_from_slice(more.render().as_bytes());
    Ok(page)
}

/// The page of a topic. Its text is laid out already, for the width of a small terminal: it begins at the margin.
pub fn of_topic(topic: &Topic) -> Page {
    let title = format!("maxconn-{}", topic.name);
    let (about, body) = topic.parts();
    let mut roff = Roff::new();
    roff.control("TH", [title.as_str(), "7"])
        .control("SH", ["NAME"])
        .text([roman(format!("{title} - {about}"))])
        .control("SH", ["DESCRIPTION"])
        .control("in", ["0"]);
    as_it_is(&mut roff, body.lines());
    Page {
        path: format!("man7/{title}.7"),
        roff: roff.render().into_bytes(),
    }
}

fn as_it_is<'r, 'l>(roff: &'r mut Roff, lines: impl IntoIterator<Item = &'l str>) -> &'r mut Roff {
    roff.control("nf", []);
    for line in lines {
        roff.text([roman(line)]);
    }
    roff.control("fi", [])
}
