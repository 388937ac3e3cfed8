//! What the READMEs in `pipelines/` print: their commands as they stand there, and configurations in YAML of which
//! every key is known.

use std::fs;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Yaml};

use crate::process::{Process, folder};

/// What a refusal has in it.
const REFUSAL: &str = "Maximum number of connections from user+IP exceeded";

/// A file of a pipeline.
pub fn read(pipeline: &str, file: &str) -> String {
    let path = root().join("pipelines").join(pipeline).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap().to_path_buf()
}

/// A real flood of Dovecot's own log, two lines at its end that come long after it, and how many refusals are in the flood.
/// Two, for time moves on the word of two.
pub fn flood() -> (Vec<String>, u64) {
    let path = root().join("testdata/dovecot/14_flood_servicecount0.log.gz");
    let log = flate2::read::GzDecoder::new(fs::File::open(path).unwrap());
    let log = std::io::read_to_string(log).unwrap();
    let refusals = log.lines().filter(|line| line.contains(REFUSAL)).count();
    let mut lines: Vec<String> = log.lines().map(str::to_string).collect();
    lines.extend(["22:35:00", "22:35:01"].map(|time| format!(
        "Nov 22 {time} imap-login: Info: {REFUSAL} (mail_max_userip_connections=10): user=<later>, method=PLAIN, \
         rip=192.0.2.9, lip=192.0.2.1"
    )));
    (lines, refusals as u64)
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

    /// Starts it with ports that are free, another output, and files in a folder of the test's own.
    pub fn start(&self, test: &str, output: &str, more: &[&str]) -> Process {
        let folder = folder(test);
        let folder = folder.to_str().unwrap();
        let mut words = self.0.clone();
        for index in 0..words.len() - 1 {
            let value = match words[index].as_str() {
                "--input" => "http://127.0.0.1:0".to_string(),
                "--output" => output.to_string(),
                "--admin" => "127.0.0.1:0".to_string(),
                _ => words[index + 1].replace("/var/lib/maxconn", folder),
            };
            words[index + 1] = value;
        }
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        Process::start(&[&words, more].concat())
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
        let text = text.or_else(|| node.as_integer().map(|it| it.to_string()));
        let text = text.or_else(|| node.as_floating_point().map(|it| it.to_string()));
        let text = text.or_else(|| node.as_bool().map(|it| it.to_string()));
        all.push((
            at.to_string(),
            text.unwrap_or_else(|| panic!("{at}: no plain value")),
        ));
    }
}

/// A setting, which must be there.
pub fn setting<'a>(settings: &'a [(String, String)], path: &str) -> &'a str {
    let found = settings.iter().find(|(it, _)| it == path);
    &found.unwrap_or_else(|| panic!("{path} is not set")).1
}
