//! The documentation against the repository: links lead somewhere, commands are there, every key is described.

use std::fs;
use std::path::{Path, PathBuf};

use maxconn_core::config::{KEYS, PATTERN_KEYS, RULE_KEYS};

/// Where pages are; other folders hold what was built.
const FOLDERS: [&str; 12] = [
    ".",
    "docs",
    "src",
    "records",
    "host",
    "cli",
    "pipelines",
    "examples",
    "testdata",
    "host-test",
    "e2e",
    "fuzz",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn gather(folder: &Path, is_deep: bool, pages: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && is_deep && name != "node_modules" && name != "target" {
            gather(&path, true, pages);
        } else if path.extension().is_some_and(|it| it == "md") {
            pages.push(path);
        }
    }
}

fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for folder in FOLDERS {
        gather(&root().join(folder), folder != ".", &mut pages);
    }
    assert!(pages.len() > 15, "{pages:?}");
    pages
}

/// The lines of a page that are prose, and those within its fences.
fn lines(page: &Path) -> (Vec<String>, Vec<String>) {
    let (mut prose, mut code, mut is_fenced) = (Vec::new(), Vec::new(), false);
    for line in fs::read_to_string(page).expect("a page").lines() {
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            code.push(line.to_string());
        } else {
            prose.push(line.to_string());
        }
    }
    (prose, code)
}

/// What GitHub names a heading by.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for page in pages() {
        let folder = page.parent().expect("a folder");
        for line in lines(&page).0 {
            for link in line.split("](").skip(1) {
                let link = link.split(')').next().unwrap_or_default();
                if link.contains("://") {
                    continue;
                }
                count += 1;
                let (path, place) = link.split_once('#').unwrap_or((link, ""));
                let target = if path.is_empty() {
                    page.clone()
                } else {
                    folder.join(path)
                };
                assert!(target.exists(), "{}: {link}", page.display());
                if !place.is_empty() {
                    let mut headings = lines(&target)
                        .0
                        .into_iter()
                        .filter(|it| it.starts_with('#'));
                    assert!(
                        headings.any(|it| anchor(&it) == place),
                        "{}: {link}",
                        page.display()
                    );
                }
            }
        }
    }
    assert!(count > 60, "{count} links");
}

/// What is between backticks.
fn spans(prose: &[String]) -> impl Iterator<Item = &str> {
    prose
        .iter()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn paths_of_the_map_are_there() {
    let mut count = 0;
    let map = lines(&root().join("ARCHITECTURE.md")).0;
    for path in spans(&map).filter(|it| it.contains('/') && !it.contains(['*', ' '])) {
        let first = path.split('/').next().unwrap_or_default();
        // Others are places within a folder that is named beside them, or stand for many.
        if root().join(first).is_dir() && !path.contains("NAME") {
            count += 1;
            assert!(root().join(path).exists(), "{path}");
        }
    }
    assert!(count > 40, "{count} paths");
}

#[test]
fn commands_are_there() {
    let makefile = fs::read_to_string(root().join("Makefile")).expect("a Makefile");
    let mut count = 0;
    for page in pages() {
        let (prose, code) = lines(&page);
        let commands = spans(&prose).chain(code.iter().map(String::as_str));
        for command in commands.filter_map(|command| command.strip_prefix("make ")) {
            count += 1;
            let target = command.split_whitespace().next().unwrap_or_default();
            let rule = format!("\n{target}:");
            assert!(
                makefile.contains(&rule),
                "{}: make {command}",
                page.display()
            );
        }
    }
    assert!(count > 20, "{count} commands");
}

#[test]
fn every_key_of_the_configuration_is_described() {
    let page = fs::read_to_string(root().join("docs/configuration.md")).expect("a page");
    let (whole, rest) = page.split_once("\n## `[[rule]]`").expect("the rules' part");
    let (rules, patterns) = rest
        .split_once("\n## `[[pattern]]`")
        .expect("the patterns' part");
    for (part, keys) in [
        (whole, &KEYS[..]),
        (rules, &RULE_KEYS),
        (patterns, &PATTERN_KEYS),
    ] {
        for key in keys {
            assert!(part.contains(&format!("\n| `{key}` |")), "no row for {key}");
        }
    }
}
