//! Manual pages, in the language of `man`.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::topic::Topic;

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
    let mut roff = Vec::new();
    man.render(&mut roff).expect("memory takes all");
    let own = Page {
        path: format!("man1/{}", man.get_filename()),
        roff,
    };
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
    std::iter::once(own)
        .chain(shown.flat_map(of_command))
        .collect()
}

/// The page of a topic. Its text is laid out already.
pub fn of_topic(topic: &Topic) -> Page {
    let title = format!("maxconn-{}", topic.name);
    let (about, body) = topic.parts();
    let mut roff = Roff::new();
    roff.control("TH", [title.as_str(), "7"])
        .control("SH", ["NAME"])
        .text([roman(format!("{title} - {about}"))])
        .control("SH", ["DESCRIPTION"])
        .control("nf", []);
    for line in body.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    Page {
        path: format!("man7/{title}.7"),
        roff: roff.render().into_bytes(),
    }
}
