//! What the READMEs in `pipelines/` print: their commands as they stand there, and configurations in YAML of which
//! every key is known.

use saphyr::{LoadableYamlNode, Yaml};
use test_support::command::{Folder, Process};
use test_support::data::{self, FLOOD};
use test_support::refusal;
use test_support::store::Store;
use test_support::until;

/// A file of a pipeline.
pub fn read(pipeline: &str, file: &str) -> String {
    data::text(&format!("pipelines/{pipeline}/{file}"))
}

/// A real flood of Dovecot's own log, two lines at its end that come long after it, and how many refusals are in the flood.
/// Two, for time moves on the word of two.
pub fn flood() -> (Vec<String>, usize) {
    let log = data::text(FLOOD);
    let refusals = log.lines().filter(|line| line.contains(refusal::WORDS));
    let refusals = refusals.count();
    let mut lines: Vec<String> = log.lines().map(str::to_string).collect();
    let later = refusal::message("later", "192.0.2.9");
    lines.extend(["22:35:00", "22:35:01"].map(|time| format!("Nov 22 {time} {later}")));
    (lines, refusals)
}

/// Waits for the end of the flood among so many lines, and checks that all is there that should be, once: of the flood 29
/// events, alerts, and nothing else of what was held back.
pub fn check_flood(store: &Store, stream: &str, lines: usize, refusals: usize) {
    let of = |action: &str| store.of_action(&format!("connection-limit-{action}"));
    until("the flood's end", || !of("flood-end").is_empty());
    let counts = ["exceeded", "flood-start", "flood-end"].map(|action| of(action).len());
    assert_eq!(counts, [31, 1, 1]);
    assert_eq!(of("flood-end")[0]["maxconn"]["flood"]["count"], refusals);
    // What has no event is in the stream that the command names for it.
    assert_eq!(store.stored(stream), lines - refusals - 2);
}

/// A command that a README prints on a line of its own.
pub struct Command(Vec<String>);

impl Command {
    /// The first `maxconn run` in a README that has this in it.
    pub fn of(pipeline: &str, having: &str) -> Command {
        let readme = read(pipeline, "README.md");
        let mut lines = readme.lines();
        let line = lines.find(|line| line.starts_with("maxconn run ") && line.contains(having));
        let line = line.unwrap_or_else(|| panic!("{pipeline}/README.md prints none with {having}"));
        Command(line.split(' ').skip(1).map(str::to_string).collect())
    }

    /// What an option is given.
    pub fn option(&self, name: &str) -> &str {
        let at = self.0.iter().position(|word| word == name);
        let at = at.unwrap_or_else(|| panic!("there is no {name} in {:?}", self.0));
        &self.0[at + 1]
    }

    /// Starts it with ports that are free, another output, and files in a folder.
    pub fn start(&self, folder: &Folder, output: &str, more: &str) -> Process {
        let at = folder.to_str().unwrap();
        let mut words = self.0.clone();
        for index in 0..words.len() - 1 {
            words[index + 1] = match words[index].as_str() {
                "--input" => "http://127.0.0.1:0".to_string(),
                "--output" => output.to_string(),
                "--admin" => "127.0.0.1:0".to_string(),
                _ => words[index + 1].replace("/var/lib/maxconn", at),
            };
        }
        Process::at(folder, &format!("{} {more}", words.join(" ")))
    }
}

/// Everything in a YAML file as paths and plain values: `sinks.store.endpoints.0` and `http://…`.
pub fn settings(yaml: &str) -> Vec<(String, String)> {
    let documents = Yaml::load_from_str(yaml).unwrap();
    let mut all = Vec::new();
    collect(&documents[0], "", &mut all);
    all
}

fn collect(node: &Yaml<'_>, at: &str, all: &mut Vec<(String, String)>) {
    let below = |key: &str| match at {
        "" => key.to_string(),
        _ => format!("{at}.{key}"),
    };
    if let Some(mapping) = node.as_mapping() {
        for (key, value) in mapping {
            collect(value, &below(key.as_str().expect("a key is text")), all);
        }
    } else if let Some(list) = node.as_vec() {
        for (index, value) in list.iter().enumerate() {
            collect(value, &below(&index.to_string()), all);
        }
    } else {
        let text = node.as_str().map(str::to_string);
        let text = text.or_else(|| Some(node.as_integer()?.to_string()));
        let text = text.or_else(|| Some(node.as_floating_point()?.to_string()));
        let text = text.or_else(|| Some(node.as_bool()?.to_string()));
        let text = text.unwrap_or_else(|| panic!("{at}: no plain value"));
        all.push((at.to_string(), text));
    }
}

/// A setting, which must be there.
pub fn setting<'a>(settings: &'a [(String, String)], path: &str) -> &'a str {
    let found = settings.iter().find(|(it, _)| it == path);
    &found.unwrap_or_else(|| panic!("{path} is not set")).1
}
