//! Finds the line of the TOML that a path such as `rule[1].quiet` is about, and shows it as compilers do.

use std::ops::Range;

use maxconn_core::config::{KEYS, PATTERN_KEYS, RULE_KEYS};
use toml_edit::Item;

/// Longer lines are cut.
const LINE_CHARS_MAX: usize = 120;

/// A step of a path.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Where `path` is in the document: the value; of a key that is not known the key itself; of one that is
/// missing what it is missing from.
pub(super) fn find(document: &Item, path: &str) -> Option<Range<usize>> {
    let known = [&KEYS[..], &RULE_KEYS, &PATTERN_KEYS, &["field", "at_least"]].concat();
    let (mut item, mut found) = (document, None);
    for step in steps(path) {
        let next = match step {
            Step::Key(name) => {
                let entry = item.as_table_like().and_then(|it| it.get_key_value(&name));
                entry.map(|(key, next)| {
                    let span = next.span().filter(|_| known.contains(&key.get()));
                    (next, span.or(key.span()))
                })
            }
            Step::Index(index) => item.get(index).map(|next| (next, next.span())),
        };
        let Some((next, span)) = next else { break };
        (item, found) = (next, span.or(found));
    }
    found
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

/// The line that an error is about, as compilers show it:
///
/// ```text
///   |
/// 7 | quiet = "10s"
///   |         ^^^^^
/// ```
#[derive(Debug)]
pub struct Excerpt {
    /// Its number, from 1.
    pub line: usize,
    /// The character where it is wrong, from 1.
    pub column: usize,
    /// As above; empty where the line holds a secret.
    pub shown: String,
}

impl Excerpt {
    pub(super) fn of(text: &str, span: Range<usize>) -> Box<Excerpt> {
        let start = text.floor_char_boundary(span.start);
        let end = text.floor_char_boundary(span.end).max(start);
        let (before, marked) = (&text[..start], &text[start..end]);
        let indent = before.rsplit('\n').next().unwrap_or_default();
        let whole = &text[start - indent.len()..];
        let whole = whole.lines().next().unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let indent = indent.chars().count();
        let mut shown = String::new();
        // A secret is not shown, were it only to those who look over a shoulder.
        if !whole.contains("redact_key") {
            let width = line.to_string().len();
            let plain = |it: char| if it.is_control() { ' ' } else { it };
            let visible: String = whole.chars().take(LINE_CHARS_MAX).map(plain).collect();
            shown = format!("{:width$} |\n{line} | {visible}\n", "");
            if indent < LINE_CHARS_MAX {
                let marked = marked.lines().next().unwrap_or_default().chars().count();
                let carets = "^".repeat(marked.clamp(1, LINE_CHARS_MAX - indent));
                shown += &format!("{:width$} | {:indent$}{carets}\n", "", "");
            }
        }
        let column = indent + 1;
        Box::new(Excerpt {
            line,
            column,
            shown,
        })
    }
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
