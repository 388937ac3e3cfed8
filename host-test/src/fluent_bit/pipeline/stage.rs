//! The filters: the guest's, `rewrite_tag` and `modify`.

use regex_lite::Regex;
use serde_json::Value;

use super::settings::{Settings, tags, text};
use super::{Filter, Record, escaped};
use crate::Error;
use crate::wasm::Runtime;

/// A filter and the tags that it takes.
pub struct Stage {
    tags: Regex,
    work: Work,
}

enum Work {
    Wasm(Box<Filter>),
    RewriteTag(Vec<Rule>),
    Modify {
        remove: String,
    },
    /// A script, of which nothing is modelled.
    Lua,
}

/// `$key regex new_tag keep`
struct Rule {
    /// The names that lead to a value.
    path: Vec<String>,
    value: Regex,
    new_tag: String,
    /// Whether the record goes on, too.
    keep: bool,
}

impl Stage {
    /// A filter as it starts.
    ///
    /// # Errors
    /// It has what the model does not know, or would take its own records for ever.
    pub fn start(filter: &Settings, wasm: &[u8], runtime: Runtime) -> Result<Stage, Error> {
        let tags = tags(filter)?;
        let work = match text(filter, "name") {
            "wasm" => {
                let entry = (text(filter, "event_format"), text(filter, "function_name"));
                if entry != ("json", "maxconn_filter") {
                    return Err("the wasm filter needs event_format json and our function".into());
                }
                // A relative one is below whatever folder the process was started in.
                if !text(filter, "wasm_path").starts_with('/') {
                    return Err("wasm_path is not absolute".into());
                }
                Work::Wasm(Box::new(Filter::new(wasm, runtime, None)?))
            }
            "rewrite_tag" => {
                let rules = text(filter, "rule").lines().map(rule);
                let rules = rules.collect::<Result<Vec<_>, Error>>()?;
                if rules.iter().any(|rule| tags.is_match(&rule.new_tag)) {
                    return Err("rewrite_tag matches its own new tag: an endless loop".into());
                }
                Work::RewriteTag(rules)
            }
            "modify" => Work::Modify {
                remove: text(filter, "remove").to_string(),
            },
            _ => Work::Lua,
        };
        Ok(Stage { tags, work })
    }

    /// A record through the filter: what goes on, while what is emitted anew goes to `emitted`.
    pub fn pass(
        &mut self,
        mut record: Record,
        emitted: &mut Vec<Record>,
    ) -> Result<Option<Record>, Error> {
        if !self.tags.is_match(&record.tag) {
            return Ok(Some(record));
        }
        match &mut self.work {
            Work::Wasm(filter) => return filtered(filter, record),
            Work::RewriteTag(rules) => {
                let mut rules = rules.iter();
                let Some((tag, keep)) =
                    rules.find_map(|rule| Some((rule.tag(&record.body)?, rule.keep)))
                else {
                    return Ok(Some(record));
                };
                let kept = keep.then(|| record.clone());
                emitted.push(Record { tag, ..record });
                return Ok(kept);
            }
            Work::Lua => {}
            Work::Modify { remove } => {
                if let Value::Object(body) = &mut record.body {
                    body.remove(remove);
                }
            }
        }
        Ok(Some(record))
    }
}

impl Rule {
    /// The tag that a record gets, if it has such a value; only texts are looked at.
    fn tag(&self, body: &Value) -> Option<String> {
        let value = self.path.iter().try_fold(body, |it, name| it.get(name))?;
        let found = self.value.captures(value.as_str()?)?;
        let first = found.get(1).map_or("", |group| group.as_str());
        Some(self.new_tag.replace("$1", first))
    }
}

fn rule(rule: &str) -> Result<Rule, Error> {
    let unknown = || format!("rule: {rule}: not known here");
    let [key, value, tag, keep] = rule.split(' ').collect::<Vec<_>>()[..] else {
        return Err(unknown().into());
    };
    let mut names = key.strip_prefix('$').ok_or_else(unknown)?.split("['");
    let name = |name: &str| name.trim_end_matches("']").to_string();
    Ok(Rule {
        path: names.by_ref().map(name).collect(),
        value: Regex::new(value)?,
        new_tag: tag.to_string(),
        keep: keep.parse().map_err(|_| unknown())?,
    })
}

/// One record through the guest, as `filter_wasm` does it.
fn filtered(filter: &mut Filter, record: Record) -> Result<Option<Record>, Error> {
    let json = escaped(&record.body.to_string());
    let Some(answer) = filter.filter(record.tag.as_bytes(), record.time_ms, json.as_bytes())?
    else {
        return Ok(None);
    };
    // Broken JSON would end the process, and anything but an object would be lost.
    match serde_json::from_str(&answer) {
        Ok(body @ Value::Object(_)) => Ok(Some(Record { body, ..record })),
        _ => Err(format!("the answer is no object of JSON: {answer}").into()),
    }
}
