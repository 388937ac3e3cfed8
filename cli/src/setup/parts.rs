//! The parts that are put into a server: the files of `pipelines/elasticsearch`, with better types where the server has them.

use std::fmt;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What a server is found to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Elasticsearch; OpenSearch otherwise.
    pub is_elasticsearch: bool,
    /// The field type `match_only_text`: text without what scoring needs, half the size.
    pub has_match_only_text: bool,
    /// Index lifecycle: ILM in Elasticsearch, ISM in OpenSearch.
    pub has_lifecycle: bool,
    /// Monitors, which look for alerts: OpenSearch's; those of Elasticsearch are Kibana's.
    pub has_monitors: bool,
}

impl Features {
    /// A usual Elasticsearch.
    pub const ELASTICSEARCH: Features = Features {
        is_elasticsearch: true,
        has_match_only_text: true,
        has_lifecycle: true,
        has_monitors: false,
    };
    /// A usual OpenSearch.
    pub const OPENSEARCH: Features = Features {
        is_elasticsearch: false,
        has_monitors: true,
        ..Features::ELASTICSEARCH
    };
}

impl fmt::Display for Features {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = if self.is_elasticsearch {
            "Elasticsearch"
        } else {
            "OpenSearch"
        };
        let has = |has: bool| if has { "with" } else { "without" };
        write!(
            out,
            "{product}, {} match_only_text, {} index lifecycle",
            has(self.has_match_only_text),
            has(self.has_lifecycle)
        )
    }
}

/// What a part is, as far as the APIs differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A component template.
    Component,
    /// An index template.
    Index,
    /// A lifecycle policy of Elasticsearch.
    Ilm,
    /// A state management policy of OpenSearch.
    Ism,
}

/// One thing to be put there.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Where, after the server's address.
    pub path: String,
    /// What.
    pub body: Value,
}

/// The name of the index template.
pub const TEMPLATE: &str = "logs-maxconn";
/// The index template that an earlier version put there, for the one stream that it had.
pub const EARLIER: &str = "/_index_template/logs-dovecot.maxconn";

impl Part {
    /// What indices made by it carry, so that those of other mappings are told apart; one of the parts has it.
    pub fn mappings_digest(&self) -> Option<&str> {
        self.body
            .pointer("/template/mappings/_meta/maxconn")?
            .as_str()
    }

    /// An index template that gives way to this one, for the earlier one's place: two of the same priority are refused.
    pub fn giving_way(&self) -> Value {
        let mut body = self.body.clone();
        body["index_patterns"] = json!(["logs-dovecot.maxconn-*"]);
        body["priority"] = json!(299);
        self.kind.with_digest(body, "replaced")
    }
}

/// How our digest begins where there is only a text to hold it.
pub(super) const MARK: &str = "maxconn digest ";

impl PartKind {
    /// The digest in what the server has; `None` if it is not ours.
    pub fn digest_in(self, found: &Value) -> Option<&str> {
        match self {
            PartKind::Component => {
                found.pointer("/component_templates/0/component_template/_meta/digest")
            }
            PartKind::Index => found.pointer("/index_templates/0/index_template/_meta/digest"),
            // By the policy's name.
            PartKind::Ilm => found
                .as_object()?
                .values()
                .next()?
                .pointer("/policy/_meta/digest"),
            PartKind::Ism => {
                let text = found.pointer("/policy/description")?.as_str()?;
                return text.rsplit_once(MARK).map(|(_, digest)| digest);
            }
        }?
        .as_str()
    }

    /// A body with our digest in it.
    pub fn with_digest(self, mut body: Value, digest: &str) -> Value {
        let meta = json!({"managed_by": "maxconn", "digest": digest});
        let holder = match self {
            PartKind::Component | PartKind::Index => Some(&mut body),
            PartKind::Ilm => body.get_mut("policy"),
            PartKind::Ism => {
                if let Some(Value::String(text)) = body.pointer_mut("/policy/description") {
                    *text += &format!("; {MARK}{digest}");
                }
                None
            }
        };
        if let Some(Value::Object(members)) = holder {
            members.insert("_meta".to_string(), meta);
        }
        body
    }

    /// What the request needs, so that only what was found is replaced.
    pub fn condition(self, found: &Value) -> String {
        let number = |key: &str| found.get(key).and_then(Value::as_u64).unwrap_or_default();
        match self {
            PartKind::Ism => format!(
                "?if_seq_no={}&if_primary_term={}",
                number("_seq_no"),
                number("_primary_term")
            ),
            _ => String::new(),
        }
    }
}

macro_rules! file {
    ($name:literal) => {
        serde_json::from_str(include_str!(concat!(
            "../../../pipelines/elasticsearch/",
            $name,
            ".json"
        )))
        .unwrap_or_default()
    };
}
pub(super) use file;

/// A digest of what a part is made from: keys are in order, as `serde_json` keeps them.
pub fn digest(body: &Value) -> String {
    let digest = Sha256::digest(json!([1, body]).to_string());
    HEXLOWER.encode(&digest[..16])
}

/// The fields of our component templates, as their files have them.
pub fn mappings() -> [Value; 2] {
    let files: [Value; 2] = [
        file!("component-template-ecs"),
        file!("component-template-maxconn"),
    ];
    files.map(|mut file| file["template"]["mappings"]["properties"].take())
}

/// Everything for a server, in the order in which it is put.
pub fn all(features: Features) -> Vec<Part> {
    let part = |kind, path: &str, body: Value| Part {
        kind,
        path: path.to_string(),
        body,
    };
    let mut ecs: Value = file!("component-template-ecs");
    let mut fields: Value = file!("component-template-maxconn");
    let mut index: Value = file!("index-template");
    if features.has_match_only_text
        && let Some(message) = ecs.pointer_mut("/template/mappings/properties/message")
    {
        *message = json!({"type": "match_only_text"});
    }
    // Every index that is made by these carries it: so an older one is known by it.
    let of_mappings = digest(&json!([ecs, fields]));
    fields["template"]["mappings"]["_meta"] = json!({"maxconn": of_mappings});
    let lifecycle = match (features.has_lifecycle, features.is_elasticsearch) {
        (true, true) => {
            index["template"] = json!({"settings": {"index.lifecycle.name": "maxconn"}});
            let policy = file!("ilm-policy");
            Some(part(PartKind::Ilm, "/_ilm/policy/maxconn", policy))
        }
        // The policy itself names the streams that it is for.
        (true, false) => {
            let path = "/_plugins/_ism/policies/maxconn";
            Some(part(PartKind::Ism, path, file!("ism-policy")))
        }
        (false, _) => None,
    };
    let templates = [
        (PartKind::Component, "/_component_template/maxconn-ecs", ecs),
        (
            PartKind::Component,
            "/_component_template/maxconn-fields",
            fields,
        ),
        (PartKind::Index, "/_index_template/logs-maxconn", index),
    ];
    let templates = templates.map(|(kind, path, body)| part(kind, path, body));
    lifecycle.into_iter().chain(templates).collect()
}

#[cfg(test)]
mod tests {
    use test_support::lacks;

    use super::*;

    #[test]
    fn files_are_json_and_every_part_keeps_its_digest() {
        for features in [Features::ELASTICSEARCH, Features::OPENSEARCH] {
            for part in all(features) {
                assert!(part.body.is_object(), "{}", part.path);
                let sent = part.kind.with_digest(part.body.clone(), "abc");
                let found = match part.kind {
                    PartKind::Component => {
                        json!({"component_templates": [{"component_template": sent}]})
                    }
                    PartKind::Index => json!({"index_templates": [{"index_template": sent}]}),
                    PartKind::Ilm => json!({"maxconn": sent}),
                    PartKind::Ism => sent,
                };
                assert_eq!(part.kind.digest_in(&found), Some("abc"), "{}", part.path);
            }
        }
    }

    #[test]
    fn where_a_type_is_missing_one_that_is_everywhere_takes_its_place() {
        let least = Features {
            has_match_only_text: false,
            has_lifecycle: false,
            ..Features::ELASTICSEARCH
        };
        let parts = all(least);
        let text = format!("{parts:?}");
        lacks(&text, &["match_only_text", "lifecycle.name"]);
        assert_eq!(parts.len(), all(Features::OPENSEARCH).len() - 1);
    }
}
