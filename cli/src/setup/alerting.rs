//! Sets up what tells people of a new flood: a rule of Kibana, or a monitor of OpenSearch. Whom they tell is the user's part, and
//! stays what it is.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::parts::{Features, MARK, digest, file};
use super::server::Server;
use super::{Fate, Options, SetupError};
use crate::address::HttpAddress;

/// Where OpenSearch has its monitors.
pub const MONITORS: &str = "/_plugins/_alerting/monitors";
/// The rule's id; Kibana takes none but of this form.
const RULE_ID: &str = "6d617863-6f6e-4e2d-9f6c-6f6f64730001";
/// The place in a monitor that keeps whatever words are in it, and can hold our digest.
const CONDITION: &str = "/triggers/0/query_level_trigger/condition/script/source";
/// The place of whom it tells.
const ACTIONS: &str = "/triggers/0/query_level_trigger/actions";

/// Where Kibana has the rule.
pub fn rule_path() -> String {
    format!("/api/alerting/rule/{RULE_ID}")
}

/// The rule, with its digest.
pub fn rule() -> Value {
    let mut rule: Value = file!("alerting-elasticsearch");
    let digest = digest(&rule);
    rule["tags"] = json!(["maxconn", format!("{MARK}{digest}")]);
    rule
}

/// The monitor, with its digest.
pub fn monitor() -> Value {
    let mut monitor: Value = file!("alerting-opensearch");
    let digest = digest(&monitor);
    if let Some(Value::String(condition)) = monitor.pointer_mut(CONDITION) {
        *condition += &format!(" /* {MARK}{digest} */");
    }
    monitor
}

fn digest_of_rule(rule: &Value) -> Option<&str> {
    let mut tags = rule["tags"].as_array()?.iter().filter_map(Value::as_str);
    tags.find_map(|it| it.strip_prefix(MARK))
}

fn digest_of_monitor(monitor: &Value) -> Option<&str> {
    let (_, digest) = monitor.pointer(CONDITION)?.as_str()?.rsplit_once(MARK)?;
    digest.strip_suffix(" */")
}

/// Puts the rule into Kibana.
///
/// # Errors
/// It is refused, or somebody else's is there.
pub async fn put_rule(
    server: &mut Server,
    address: &HttpAddress,
    options: &Options,
    say: &mut impl FnMut(&str),
) -> Result<(), SetupError> {
    let (path, mut rule) = (rule_path(), rule());
    let found = server.get(&path).await?;
    let theirs = found.as_ref().map(digest_of_rule);
    let fate = Fate::of(
        theirs,
        digest_of_rule(&rule).unwrap_or_default(),
        options.force,
    );
    say(&fate.line(&path));
    let method = match fate {
        Fate::LeftAlone => return Ok(()),
        Fate::Foreign => return Err(SetupError::Foreign(path, address.clone())),
        Fate::Created => Method::POST,
        Fate::Updated => Method::PUT,
    };
    if let (Some(found), Some(members)) = (found, rule.as_object_mut()) {
        // These cannot change, and whom it tells does not.
        members.retain(|key, _| !matches!(key.as_str(), "rule_type_id" | "consumer"));
        let mut actions = found["actions"].clone();
        for action in actions.as_array_mut().into_iter().flatten() {
            if let Some(action) = action.as_object_mut() {
                action.remove("connector_type_id");
            }
        }
        members.insert("actions".to_string(), actions);
    }
    let answer = server.ask(method, &path, Some(&rule)).await?;
    server.value(&answer)?;
    if fate == Fate::Created {
        say("              it tells nobody yet: give it an action in Kibana, under Rules");
    }
    Ok(())
}

/// Puts the monitor into OpenSearch.
///
/// # Errors
/// It is refused, or somebody else's is there.
pub async fn put_monitor(
    server: &mut Server,
    features: Features,
    address: &HttpAddress,
    options: &Options,
    say: &mut impl FnMut(&str),
) -> Result<(), SetupError> {
    if !features.has_monitors {
        say("  left out    monitor: this server lacks the plugin opensearch-alerting");
        return Ok(());
    }
    let mut monitor = monitor();
    let name = monitor["name"].as_str().unwrap_or_default().to_string();
    let found = find_monitor(server, &name).await?;
    let theirs = found.as_ref().map(|(_, it)| digest_of_monitor(it));
    let fate = Fate::of(
        theirs,
        digest_of_monitor(&monitor).unwrap_or_default(),
        options.force,
    );
    say(&fate.line(&format!("{MONITORS}: {name}")));
    let (method, path) = match (fate, found) {
        (Fate::LeftAlone, _) => return Ok(()),
        (Fate::Foreign, _) => return Err(SetupError::Foreign(name, address.clone())),
        (_, None) => (Method::POST, MONITORS.to_string()),
        (_, Some((id, found))) => {
            if let (Some(theirs), Some(ours)) =
                (found.pointer(ACTIONS), monitor.pointer_mut(ACTIONS))
            {
                *ours = theirs.clone();
            }
            (Method::PUT, format!("{MONITORS}/{id}"))
        }
    };
    let answer = server.ask(method, &path, Some(&monitor)).await?;
    server.value(&answer)?;
    if fate == Fate::Created {
        say("              it tells nobody yet: give its trigger an action");
    }
    Ok(())
}

/// The id and the content of the monitor of a name.
async fn find_monitor(
    server: &mut Server,
    name: &str,
) -> Result<Option<(String, Value)>, SetupError> {
    let path = format!("{MONITORS}/_search");
    let query = json!({"size": 10, "query": {"match_phrase": {"monitor.name": name}}});
    let answer = server.ask(Method::POST, &path, Some(&query)).await?;
    // Before the first monitor there is nothing to search.
    if answer.status == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let answer = server.value(&answer)?;
    let hits = answer["hits"]["hits"].as_array().into_iter().flatten();
    let mut monitors = hits.filter_map(|hit| {
        let source = hit["_source"].get("monitor").unwrap_or(&hit["_source"]);
        let is_it = source["name"] == name;
        is_it.then(|| Some((hit["_id"].as_str()?.to_string(), source.clone())))?
    });
    Ok(monitors.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_and_a_monitor_keep_their_digests() {
        let (rule, monitor) = (rule(), monitor());
        let digests = [digest_of_rule(&rule), digest_of_monitor(&monitor)];
        assert!(
            digests.iter().all(|it| it.is_some_and(|it| it.len() == 32)),
            "{digests:?}"
        );
        assert_eq!(digest_of_rule(&json!({"tags": ["mine"]})), None);
        assert_eq!(digest_of_monitor(&json!({"triggers": []})), None);
        assert!(monitor.pointer(ACTIONS).is_some());
    }
}
