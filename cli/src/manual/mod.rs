//! What the command says of itself: help for commands and topics, manual pages, completions of shells.

mod page;
mod topic;

use std::fs;
use std::io::{self, Write as _};
use std::iter::once;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, Command};
use clap_complete::Shell;

use self::topic::TOPICS;

/// Shows the help of a command or of a topic: `maxconn help topics` lists these.
#[derive(Args, Clone, Debug)]
pub struct HelpArgs {
    /// A command, or a topic.
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

/// Prints what completes the command's words in a shell.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  maxconn completions bash > /usr/share/bash-completion/completions/maxconn
  maxconn completions zsh > /usr/local/share/zsh/site-functions/_maxconn
  maxconn completions fish > ~/.config/fish/completions/maxconn.fish")]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Writes the manual pages of all commands and topics.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  maxconn man /usr/local/share/man")]
pub struct ManArgs {
    /// Where to: the pages go into man1/ and man7/ there.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Why there is no help, or no page.
#[derive(Debug, thiserror::Error)]
pub enum ManualError {
    /// Nobody knows the word.
    #[error(
        "`{0}` is no command and no topic; `maxconn help` lists the commands, `maxconn help topics` the topics"
    )]
    Unknown(String),
    /// A page can't be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl HelpArgs {
    /// The help, in colours where `maxconn --help` has some.
    ///
    /// # Errors
    /// A word is no command and no topic.
    pub fn print(&self, root: Command) -> Result<(), ManualError> {
        let text = match self.words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["topics"] => topic::list(),
            [name] if let Some(topic) = TOPICS.iter().find(|it| it.name == name) => {
                topic.text.to_string()
            }
            // As the command itself does it.
            _ => {
                let words = self.words.iter().map(String::as_str);
                let words = once("maxconn").chain(words).chain(once("--help"));
                let told = root.try_get_matches_from(words).err();
                let told = told.filter(|it| it.kind() == ErrorKind::DisplayHelp);
                let told = told.ok_or_else(|| ManualError::Unknown(self.words.join(" ")))?;
                // Nobody is left to tell if it can't be read.
                let _ = told.print();
                return Ok(());
            }
        };
        let _ = io::stdout().write_all(text.as_bytes());
        Ok(())
    }
}

impl CompletionsArgs {
    /// The script, for the shell to read.
    pub fn script(&self, mut root: Command) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut root, "maxconn", &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}

impl ManArgs {
    /// Writes the pages.
    ///
    /// # Errors
    /// The folder or a file in it can't be written.
    pub fn write(&self, mut root: Command) -> Result<(), ManualError> {
        root.build();
        let mut pages = page::of_command(&root);
        pages.extend(TOPICS.iter().map(page::of_topic));
        for page in pages {
            let path = self.folder.join(page.path);
            write(&path, &page.roff).map_err(|error| ManualError::Write { path, error })?;
        }
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, content)
}
