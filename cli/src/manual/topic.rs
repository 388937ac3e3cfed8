//! What is told beside the help of commands.

use std::fmt::Write as _;

/// A topic.
pub struct Topic {
    /// As people ask for it.
    pub name: &'static str,
    /// The first line says what it is about.
    pub text: &'static str,
}

impl Topic {
    /// What it is about, and the text itself, whose lines fit into 80 columns.
    pub fn parts(&self) -> (&'static str, &'static str) {
        let (about, body) = self.text.split_once('\n').unwrap_or((self.text, ""));
        (about, body.trim_start_matches('\n'))
    }
}

/// All of them.
pub const TOPICS: [Topic; 5] = [
    Topic {
        name: "addresses",
        text: include_str!("topics/addresses.txt"),
    },
    Topic {
        name: "environment",
        text: include_str!("topics/environment.txt"),
    },
    Topic {
        name: "exit-codes",
        text: include_str!("topics/exit-codes.txt"),
    },
    Topic {
        name: "files",
        text: include_str!("topics/files.txt"),
    },
    Topic {
        name: "time",
        text: include_str!("topics/time.txt"),
    },
];

/// Their names, and what each is about.
pub fn list() -> String {
    let mut list = "Topics, each shown by `maxconn help TOPIC`:\n".to_string();
    for topic in &TOPICS {
        let _ = writeln!(list, "  {:<12} {}", topic.name, topic.parts().0);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_fit_into_a_small_terminal() {
        for line in TOPICS.iter().flat_map(|it| it.text.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(list().lines().all(|line| line.len() <= 80), "{}", list());
    }
}
