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
    topic("addresses", include_str!("topics/addresses.txt")),
    topic("environment", include_str!("topics/environment.txt")),
    topic("exit-codes", include_str!("topics/exit-codes.txt")),
    topic("files", include_str!("topics/files.txt")),
    topic("time", include_str!("topics/time.txt")),
];

const fn topic(name: &'static str, text: &'static str) -> Topic {
    Topic { name, text }
}

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
