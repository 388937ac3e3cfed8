//! Finds the line of the TOML that a path such as `rule[1].quiet` is about, and shows it as compilers do.

use std::ops::Range;

use maxconn_core::config::{KEYS, PATTERN_KEYS, RULE_KEYS};
use toml_edit::{Item, TableLike, Value};

/// Longer lines are cut.
const LINE_CHARS_MAX: usize = 120;

/// A step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// What a step leads to.
#[derive(Clone, Copy)]
enum Node<'a> {
    Table(&'a dyn TableLike),
    Item(&'a Item),
    Value(&'a Value),
}

/// Where `path` is in the document: the value; of a key that is not known the key itself; of one that is
/// missing what it is missing from.
pub(super) fn find(document: &dyn TableLike, path: &str) -> Option<Range<usize>> {
    let mut node = Node::Table(document);
    let mut found = None;
    for step in steps(path) {
        let (next, span) = match (node, &step) {
            (_, Step::Key(key)) => {
                let Some((key, item)) = table_of(node).and_then(|t| t.get_key_value(key)) else {
                    break;
                };
                let known = [&KEYS[..], &RULE_KEYS, &PATTERN_KEYS, &["field", "at_least"]];
                let is_known = known.iter().any(|keys| keys.contains(&key.get()));
                let span = if is_known { item.span() } else { key.span() };
                (Node::Item(item), span.or(key.span()))
            }
            (Node::Item(Item::ArrayOfTables(tables)), Step::Index(index)) => {
                let Some(table) = tables.get(*index) else {
                    break;
                };
                (Node::Table(table), table.span())
            }
            (
                Node::Item(Item::Value(Value::Array(values))) | Node::Value(Value::Array(values)),
                Step::Index(index),
            ) => {
                let Some(value) = values.get(*index) else {
                    break;
                };
                (Node::Value(value), value.span())
            }
            _ => break,
        };
        node = next;
        found = span.or(found);
    }
    found
}

fn table_of(node: Node<'_>) -> Option<&dyn TableLike> {
    match node {
        Node::Table(table) => Some(table),
        Node::Item(item) => item.as_table_like(),
        Node::Value(value) => value.as_inline_table().map(|table| table as &dyn TableLike),
    }
}

/// `rule[1]."odd key"` in its steps; what can't be read ends them.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = if let Some(inner) = rest.strip_prefix('[') {
            let Some((index, after)) = inner.split_once(']') else {
                break;
            };
            let Ok(index) = index.parse() else { break };
            (Step::Index(index), after)
        } else if rest.starts_with('"') {
            let mut values = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let Some(Ok(key)) = values.next() else { break };
            (
                Step::Key(key),
                rest.get(values.byte_offset()..).unwrap_or_default(),
            )
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, after) = rest.split_at(end);
            (Step::Key(key.to_string()), after)
        };
        steps.push(step);
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps
}

/// The error with its line:
///
/// ```text
/// maxconn.toml:7:9: rule[0].quiet: `quiet` (10s) is shorter than `within` (1m)
///   |
/// 7 | quiet = "10s"
///   |         ^^^^^
/// help: set `quiet` to 1m or longer
/// ```
pub(super) fn shown(
    name: &str,
    text: &str,
    span: Range<usize>,
    problem: &str,
    mend: &str,
) -> String {
    let start = floor_boundary(text, span.start);
    let before = text.get(..start).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(line_start..).unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    let number = before.matches('\n').count() + 1;
    let column = text
        .get(line_start..start)
        .unwrap_or_default()
        .chars()
        .count()
        + 1;

    let marked = text
        .get(start..floor_boundary(text, span.end))
        .unwrap_or_default();
    let marked = marked
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        .max(1);
    let visible: String = line
        .chars()
        .take(LINE_CHARS_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut shown = format!("{name}:{number}:{column}: {problem}\n");
    // A secret is not shown, were it only to those who look over a shoulder.
    if !line.contains("redact_key") {
        let width = number.to_string().len();
        shown.push_str(&format!("{:width$} |\n{number} | {visible}\n", ""));
        if column <= LINE_CHARS_MAX {
            let marked = marked.min(LINE_CHARS_MAX + 1 - column);
            let indent = column - 1;
            shown.push_str(&format!(
                "{:width$} | {:indent$}{}\n",
                "",
                "",
                "^".repeat(marked)
            ));
        }
    }
    shown.push_str("help: ");
    shown.push_str(mend);
    shown
}

/// The character boundary at or before `at`.
fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_steps() {
        let key = |key: &str| Step::Key(key.to_string());
        assert_eq!(
            steps("rule[1].quiet"),
            [key("rule"), Step::Index(1), key("quiet")]
        );
        assert_eq!(
            steps("\"a.b\\\"c\".d[0]"),
            [key("a.b\"c"), key("d"), Step::Index(0)]
        );
        assert_eq!(steps(""), []);
        assert_eq!(steps("rule[x"), [key("rule")]);
    }
}
