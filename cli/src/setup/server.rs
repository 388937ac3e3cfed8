//! Asks a server, and puts things into it; of a store, what it is and what it has.

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use serde_json::Value;

use super::parts::Features;
use super::{Options, Place, SetupError};
use crate::address::HttpAddress;
use crate::http::Body;
use crate::http::client::{Answer, Client, ClientError};
use crate::http::tls;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// As much of an answer is read, in bytes: a cluster of many nodes tells of all their modules.
const ANSWER_MAX_BYTES: usize = 16 << 20;
/// As much of a refusal is repeated, in characters.
const REASON_MAX: usize = 300;

/// An index.
#[derive(Debug)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// What its mappings are known by, if they are ours.
    pub mappings: Option<String>,
}

impl Index {
    /// The data stream that it is of, and how many came before it there: `.ds-STREAM-2026.01.31-000001`, in OpenSearch and
    /// older ones without a date.
    pub fn stream(&self) -> Option<(&str, u64)> {
        let (stream, generation) = self.name.strip_prefix(".ds-")?.rsplit_once('-')?;
        let is_date = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let stream = match stream.rsplit_once('-') {
            Some((stream, date)) if date.len() == "2026.01.31".len() && is_date(date) => stream,
            _ => stream,
        };
        Some((stream, generation.parse().ok()?))
    }
}

/// A server. What is asked of it fails where it can't be reached, and what is read of its answer where it says no.
pub struct Server {
    client: Client,
    place: Place,
    /// What people know it by.
    pub name: String,
    /// What comes before every path.
    pub prefix: String,
    /// What goes with every request.
    pub headers: Vec<(&'static str, HeaderValue)>,
}

impl Server {
    /// A server at an address; nothing is asked yet.
    ///
    /// # Errors
    /// A file with a secret or a certificate can't be used.
    pub fn connect(
        place: Place,
        address: &HttpAddress,
        options: &Options,
    ) -> Result<Server, SetupError> {
        let tls = tls::connector_for(address, options.ca.as_deref())?;
        let address = address.clone();
        Ok(Server {
            place,
            name: address.to_string(),
            prefix: address.path().trim_end_matches('/').to_string(),
            headers: Vec::new(),
            client: Client::new(address, options.key.clone(), tls, PATIENCE)?,
        })
    }

    /// What the server is and has. `GET /` is not asked: some have none.
    ///
    /// # Errors
    /// It can't be reached, or does not tell.
    pub async fn features(&mut self) -> Result<Features, SetupError> {
        let path = "/_nodes/_all/plugins?filter_path=nodes.*.version,nodes.*.build_flavor,\
                    nodes.*.modules.name,nodes.*.plugins.name";
        let answer = self.ask(Method::GET, path, None).await?;
        let nodes = self.value(&answer)?;
        let nodes: Vec<&Value> = nodes["nodes"]
            .as_object()
            .into_iter()
            .flat_map(|nodes| nodes.values())
            .collect();
        let Some(version) = nodes.first().and_then(|node| node["version"].as_str()) else {
            return Err(SetupError::NoNodes(self.name.clone()));
        };
        // OpenSearch began anew at 1 and names no flavour of its build.
        let major: u32 = version
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            .unwrap_or(0);
        let is_elasticsearch =
            major >= 7 || nodes.iter().any(|node| node["build_flavor"].is_string());
        // A node that lacks a type refuses what another took. Where modules are loaded from a class path, they go by
        // the names of their classes.
        let all_have = |names: &[&str]| {
            nodes.iter().all(|node| {
                let lists = [&node["modules"], &node["plugins"]];
                lists
                    .into_iter()
                    .filter_map(Value::as_array)
                    .flatten()
                    .filter_map(|entry| entry["name"].as_str())
                    .any(|known| {
                        names
                            .iter()
                            .any(|name| known == *name || known.ends_with(name))
                    })
            })
        };
        Ok(Features {
            is_elasticsearch,
            has_match_only_text: all_have(&["mapper-extras", ".MapperExtrasModulePlugin"]),
            has_lifecycle: match is_elasticsearch {
                true => all_have(&["x-pack-ilm"]),
                false => all_have(&["opensearch-index-management"]),
            },
            has_monitors: !is_elasticsearch && all_have(&["opensearch-alerting"]),
        })
    }

    /// What is at a path; `None` if there is nothing.
    pub async fn get(&mut self, path: &str) -> Result<Option<Value>, SetupError> {
        let answer = self.ask(Method::GET, path, None).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => self.value(&answer).map(Some),
        }
    }

    /// The indices of a pattern, those of data streams included; `None` if the server does not tell.
    pub async fn indices(&mut self, pattern: &str) -> Result<Option<Vec<Index>>, SetupError> {
        let path = format!(
            "/_cluster/state/metadata/{pattern}?filter_path=metadata.indices.*.state,\
             metadata.indices.*.mappings._doc._meta.maxconn"
        );
        let answer = self.ask(Method::GET, &path, None).await?;
        Ok(self.value(&answer).ok().map(|state| {
            let indices = state["metadata"]["indices"].as_object();
            let indices = indices.into_iter().flatten().map(|(name, index)| Index {
                name: name.clone(),
                mappings: text(index, "/mappings/_doc/_meta/maxconn"),
            });
            indices.collect()
        }))
    }

    /// The name of the index template that a data stream is of; `None` if the server does not tell.
    pub async fn template_of(&mut self, stream: &str) -> Result<Option<String>, SetupError> {
        let path = format!("/_data_stream/{stream}?filter_path=data_streams.template");
        let answer = self.ask(Method::GET, &path, None).await?;
        let told = self.value(&answer).ok();
        Ok(told.and_then(|told| text(&told, "/data_streams/0/template")))
    }

    /// Puts something at a path.
    pub async fn put(&mut self, path: &str, body: &Value) -> Result<(), SetupError> {
        self.must(Method::PUT, path, Some(body)).await
    }

    /// Removes what is at a path.
    pub async fn delete(&mut self, path: &str) -> Result<(), SetupError> {
        self.must(Method::DELETE, path, None).await
    }

    /// Has something done.
    pub async fn post(&mut self, path: &str) -> Result<(), SetupError> {
        self.must(Method::POST, path, None).await
    }

    async fn must(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(), SetupError> {
        let answer = self.ask(method, path, body).await?;
        self.value(&answer).map(|_| ())
    }

    /// What it answers to a request with JSON.
    pub async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, SetupError> {
        let body = body.map_or(String::new(), Value::to_string);
        self.send(method, path, "application/json", body).await
    }

    /// What it answers to a request.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: String,
    ) -> Result<Answer, SetupError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.prefix))
            .header(CONTENT_TYPE, content_type);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = Body::from(body);
        let answer = self.client.request(request, &body, ANSWER_MAX_BYTES).await;
        answer.map_err(|error| SetupError::Unreachable(self.place, error))
    }

    /// The answer's body, or its refusal.
    ///
    /// # Errors
    /// It says no.
    pub fn value(&self, answer: &Answer) -> Result<Value, SetupError> {
        let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status.is_success() && value.is_object() {
            return Ok(value);
        }
        // The store has the first or the last, its dashboards the second, beside the words of the status.
        let reason = value.pointer("/error/reason");
        let reason = reason.or_else(|| value.get("message"));
        let reason = reason.or_else(|| value.get("error"));
        let reason = reason.and_then(Value::as_str).unwrap_or("no reason given");
        Err(SetupError::Refused(
            self.place,
            self.name.clone(),
            answer.status,
            shown(reason),
        ))
    }
}

/// What a server says, fit to be repeated.
pub fn shown(text: &str) -> String {
    let plain = text.chars().filter(|it| !it.is_control());
    plain.take(REASON_MAX).collect()
}

fn text(value: &Value, pointer: &str) -> Option<String> {
    Some(value.pointer(pointer)?.as_str()?.to_string())
}

/// What can be done where a server answers with this.
pub fn mend(place: Place, status: StatusCode) -> &'static str {
    match (status, place) {
        (StatusCode::UNAUTHORIZED, _) => {
            "; name a file with the right secret by --api-key or --basic"
        }
        (StatusCode::FORBIDDEN, Place::Store) => {
            "; the key needs manage_index_templates, manage_ilm and monitor, and manage for logs-*.maxconn-*"
        }
        (StatusCode::FORBIDDEN, Place::Dashboards) => {
            "; the user needs to manage saved objects in that space or tenant, and rules for --alerting"
        }
        (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, Place::Store) => {
            "; name the address of Elasticsearch or OpenSearch itself, this does not look like one"
        }
        (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, Place::Dashboards) => {
            "; name an address of Kibana or OpenSearch Dashboards, with its base path if it has one"
        }
        (StatusCode::UNPROCESSABLE_ENTITY, Place::Dashboards) => {
            "; it is too old for these dashboards: they need OpenSearch Dashboards 1.0 or Kibana 8.8"
        }
        (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => {
            "; it is not ready, try again later"
        }
        (status, _) if status.is_redirection() => "; it has moved, name its new address",
        _ => "; its own log may say more",
    }
}

/// What to do about a server that does not answer, if that is not said yet.
pub fn unreachable(place: Place, error: &ClientError) -> String {
    match error {
        ClientError::Tls(..) => String::new(),
        _ => format!("; start the server, or name another address by {place}"),
    }
}
