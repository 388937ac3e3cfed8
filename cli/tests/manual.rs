//! What the command says of itself.

use std::path::Path;
use std::process::{Command, Output};
use std::{fs, str};

use test_support::command::{Folder, program};
use test_support::contains;

fn maxconn(arguments: &[&str]) -> Output {
    let output = Command::new(program()).args(arguments).output();
    output.expect("the command starts")
}

fn said(arguments: &[&str]) -> String {
    let output = maxconn(arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_knows_commands_and_topics() {
    assert_eq!(said(&["help"]), said(&["--help"]));
    assert_eq!(said(&["help", "replay"]), said(&["replay", "--help"]));
    let bake = ["config", "bake"];
    assert_eq!(
        said(&[&["help"][..], &bake].concat()),
        said(&[&bake[..], &["--help"]].concat())
    );
    let topics = said(&["help", "topics"]);
    let mut count = 0;
    for line in topics.lines().skip(1) {
        let name = line.split_whitespace().next().unwrap();
        assert!(said(&["help", name]).lines().count() > 5, "{name}");
        count += 1;
    }
    assert_eq!(count, 5, "{topics}");
}

#[test]
fn help_for_what_nobody_knows_says_where_to_look() {
    for words in [&["repaly"][..], &["config", "toast"], &["topics", "time"]] {
        let output = maxconn(&[&["help"][..], words].concat());
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let said = str::from_utf8(&output.stderr).unwrap();
        assert!(said.contains(&words.join(" ")), "{said}");
        assert!(said.contains("maxconn help topics"), "{said}");
    }
}

#[test]
fn what_topics_say_is_what_options_take() {
    let run = said(&["run", "--help"]);
    for option in said(&["help", "addresses"])
        .split_whitespace()
        .map(|word| word.trim_matches(['(', ')', ',', ';', '\'']))
        .filter(|word| word.starts_with("--"))
    {
        assert!(run.contains(option), "{option}");
    }
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/run.md")).unwrap();
    for variable in said(&["help", "environment"])
        .split([' ', ',', '\n'])
        .filter_map(|word| word.strip_prefix("MAXCONN_"))
    {
        assert!(page.contains(&format!("`_{variable}`")) || variable == "STATE");
    }
}

#[test]
fn every_command_and_topic_has_a_page() {
    let folder = Folder::new();
    said(&["man", folder.join("man").to_str().unwrap()]);
    let names = |section: &str| {
        let entries = fs::read_dir(folder.join("man").join(section)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let commands = names("man1");
    for name in ["maxconn.1", "maxconn-replay.1", "maxconn-config-bake.1"] {
        assert!(commands.contains(&name.to_string()), "{commands:?}");
    }
    assert_eq!(names("man7").len(), 5);
    let run = folder.read("man/man1/maxconn-run.1");
    let run = str::from_utf8(&run).unwrap();
    contains(run, &["maxconn\\-run", "\\-\\-alerts", "maxconn\\-time(7)"]);
    // Examples are copied: a page must not fill their lines.
    contains(run, &[".nf\n  maxconn run \\-\\-input"]);
    let time = folder.read("man/man7/maxconn-time.7");
    assert!(str::from_utf8(&time).unwrap().contains("RFC 3339"));
    let output = maxconn(&["man", "/dev/null"]);
    assert_eq!(output.status.code(), Some(1));
    let said = str::from_utf8(&output.stderr).unwrap();
    assert!(said.contains("/dev/null/man1/maxconn.1"), "{said}");
}

#[test]
fn shells_get_their_completions() {
    for (shell, words) in [
        ("bash", "complete -F _maxconn"),
        ("zsh", "#compdef maxconn"),
        ("fish", "complete -c maxconn"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = said(&["completions", shell]);
        assert!(script.contains(words), "{shell}");
        assert!(script.contains("replay"), "{shell}");
    }
    if Path::new("/bin/bash").exists() {
        // As somebody who presses the key behind `maxconn rep`.
        let script = format!(
            "{}\nCOMP_WORDS=(maxconn rep); COMP_CWORD=1; _maxconn maxconn rep maxconn; echo \"${{COMPREPLY[*]}}\"",
            said(&["completions", "bash"])
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(str::from_utf8(&output.stdout).unwrap(), "replay report\n");
    }
}
