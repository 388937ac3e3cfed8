//! Shows the table: to people in a terminal, and as a page of the documentation.

use std::fmt::Write as _;

use maxconn_core::recognisers::SILENT;

use super::Row;

/// How wide the terminal's table is at most, in characters.
pub(super) const WIDTH: usize = 100;

const NOTES: &str =
    "2.2+: since version 2.2; 13–17: by these versions, or seen with them; -: not known.";

/// Every limit in a line, below its server.
pub(super) fn table(rows: &[Row]) -> String {
    let mut out = String::new();
    line(
        &mut out,
        ["limit", "over", "class", "stage", "version", "rule"],
    );
    let mut server = "";
    for row in rows {
        if row.server != server {
            server = row.server;
            let _ = writeln!(out, "\n{server}");
        }
        let rules = match &*row.rules {
            [] => "-".to_string(),
            [rule] => rule.clone(),
            [rule, others @ ..] => format!("{rule} +{}", others.len()),
        };
        let versions = span(row);
        let stage = row.stage.unwrap_or("-");
        line(
            &mut out,
            [row.limit, row.scope, row.class, stage, &versions, &rules],
        );
    }
    out.push_str("\nSilent, and what to watch instead:\n");
    for silent in SILENT {
        wrapped(
            &mut out,
            2,
            &format!("{}, {}: {}.", silent.name, silent.limit, silent.what),
        );
        wrapped(&mut out, 4, &format!("Instead: {}.", silent.watch));
    }
    out.push('\n');
    wrapped(&mut out, 0, NOTES);
    wrapped(
        &mut out,
        0,
        "`maxconn servers NAME` shows a server's messages, and what to do.",
    );
    out
}

fn line(out: &mut String, [limit, scope, class, stage, versions, rule]: [&str; 6]) {
    let _ = writeln!(
        out,
        " {limit:<40} {scope:<8} {class:<7} {stage:<11} {versions:<11} {rule}"
    );
}

/// One server's limits, each with its messages and what to do.
pub(super) fn details(rows: &[Row]) -> String {
    let mut out = String::new();
    let mut next = rows.iter().skip(1);
    for row in rows {
        let stage = row
            .stage
            .map_or(String::new(), |stage| format!(", {stage}"));
        let _ = writeln!(
            out,
            "{} {}: {} over {}{stage}",
            row.server, row.limit, row.class, row.scope
        );
        match &*row.rules {
            [] => out.push_str("  counted by no rule\n"),
            rules => wrapped(&mut out, 2, &format!("counted by {}", rules.join(", "))),
        }
        for example in &row.examples {
            let _ = writeln!(out, "  {}:", shown(example.versions, "some version"));
            let _ = writeln!(out, "    {}", example.line);
        }
        // What several have in common is said once.
        let is_last = next.next().is_none_or(|next| next.advice != row.advice);
        if is_last && !row.advice.is_empty() {
            wrapped(&mut out, 2, &format!("What to do: {}", row.advice));
        }
        out.push('\n');
    }
    wrapped(&mut out, 0, NOTES);
    out
}

/// The page `docs/servers.md`.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "# What is recognised\n\n\
         `maxconn servers --format markdown` writes this page, `maxconn servers NAME` shows a server in a terminal, and \
         `maxconn servers --format json` gives the same to programs.\n\n\
         | column | says |\n|---|---|\n\
         | limit | the setting: `maxconn.limit.name` |\n\
         | over | what it is counted over: `maxconn.limit.scope` |\n\
         | class | `refusal`: a connection was refused; `summary`: the server's own count of what it refused; `state`: it \
         refuses from now on; `warning`: it will, or would |\n\
         | stage | how far the client had come; before authentication a name is a claim |\n\
         | version | `2.2+`: said since then; `13–17`: by these versions, or seen with them; - where that is not known |\n\
         | rules | the built-in rules that count it |\n",
    );
    let mut server = "";
    for (number, row) in rows.iter().enumerate() {
        if row.server != server {
            server = row.server;
            let _ = write!(
                out,
                "\n## {server}\n\n| limit | over | class | stage | version | rules |\n|---|---|---|---|---|---|\n"
            );
            let own = || {
                rows.iter()
                    .skip(number)
                    .take_while(|row| row.server == server)
            };
            for row in own() {
                let versions = row.examples.iter().map(|example| example.versions);
                let mut versions: Vec<&str> = versions.filter(|it| !it.is_empty()).collect();
                versions.dedup();
                let _ = writeln!(
                    out,
                    "| `{}` | {} | {} | {} | {} | {} |",
                    row.limit,
                    row.scope,
                    row.class,
                    row.stage.unwrap_or("-"),
                    shown(&versions.join(", "), "-"),
                    shown(&row.rules.join(", "), "-"),
                );
            }
            out.push_str("\n```\n");
            for example in own().flat_map(|row| &row.examples) {
                let _ = writeln!(out, "{}", example.line);
            }
            out.push_str("```\n");
        }
    }
    out.push_str(
        "\n## Silent\n\nThese write nothing when they refuse a connection.\n\n\
         | server | limit | what happens | what to watch |\n|---|---|---|---|\n",
    );
    for silent in SILENT {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            silent.name, silent.limit, silent.what, silent.watch
        );
    }
    out
}

fn shown<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    if text.is_empty() { otherwise } else { text }
}

/// From the first version to the last.
fn span(row: &Row) -> String {
    let mut versions = row.examples.iter().map(|example| example.versions);
    let first = versions.next().unwrap_or_default();
    let last = versions.next_back().unwrap_or(first);
    if first == last {
        return shown(first, "-").to_string();
    }
    let from = first.trim_end_matches('+').split('–').next();
    match (from.unwrap_or_default(), last.strip_suffix('+')) {
        ("", Some(_)) if !first.is_empty() => "all".to_string(),
        ("", _) => "-".to_string(),
        (from, Some(_)) => format!("{from}+"),
        (from, None) => format!("{from}–{}", last.rsplit('–').next().unwrap_or(last)),
    }
}

/// Appends a paragraph, each of its lines so far from the left and within the width.
fn wrapped(out: &mut String, indent: usize, text: &str) {
    let mut len = WIDTH;
    let mut is_first = true;
    for word in text.split(' ') {
        let word_len = word.chars().count();
        if len + 1 + word_len > WIDTH {
            out.push_str(if is_first { "" } else { "\n" });
            out.push_str(&" ".repeat(indent));
            len = indent + word_len;
        } else {
            out.push(' ');
            len += 1 + word_len;
        }
        is_first = false;
        out.push_str(word);
    }
    out.push('\n');
}
