//! A client of a store, for looking at what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use host_test::Error;
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// No answer is larger, in bytes.
const ANSWER_MAX_BYTES: u64 = 64 << 20;
/// As many documents are asked for at once.
const PAGE: usize = 5_000;

/// Asks one store.
pub struct Client {
    agent: Agent,
    /// Its address.
    pub url: String,
    authorization: Option<String>,
}

impl Client {
    /// A client of an address. With `authority` it trusts that one alone.
    pub fn new(
        url: String,
        authorization: Option<String>,
        authority: Option<&Path>,
    ) -> Result<Client, Error> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE));
        if let Some(path) = authority {
            let certificate = Certificate::from_pem(&fs::read(path)?)?;
            let roots = RootCerts::Specific(Arc::new(vec![certificate]));
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Client {
            agent: config.build().into(),
            url,
            authorization,
        })
    }

    /// Asks, and answers with the status and the document that came.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        body: impl Into<String>,
    ) -> Result<(u16, Value), Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/x-ndjson");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let body: String = body.into();
        let mut answer = if body.is_empty() {
            self.agent.run(request.body(())?)?
        } else {
            self.agent.run(request.body(body)?)?
        };
        let bytes = answer
            .body_mut()
            .with_config()
            .limit(ANSWER_MAX_BYTES)
            .read_to_vec()?;
        let document = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok((answer.status().as_u16(), document))
    }

    /// The same for what must work.
    ///
    /// # Errors
    /// No answer, or another one than `2xx`.
    pub fn must(&self, method: &str, path: &str, body: &Value) -> Result<Value, Error> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        match self.ask(method, path, body)? {
            (200..=299, answer) => Ok(answer),
            (status, answer) => Err(format!("{method} {path} answers {status}: {answer}").into()),
        }
    }

    /// How many documents of a data stream a query finds.
    ///
    /// # Errors
    /// The stream is not there, or the query is wrong.
    pub fn count(&self, stream: &str, query: &Value) -> Result<u64, Error> {
        self.must("POST", &format!("/{stream}/_refresh"), &Value::Null)?;
        let path = format!("/{stream}/_count");
        let answer = self.must("POST", &path, &json!({ "query": query }))?;
        answer["count"].as_u64().ok_or("no count came".into())
    }

    /// All documents of a data stream that a query finds.
    ///
    /// # Errors
    /// The stream is not there, or the query is wrong.
    pub fn documents(&self, stream: &str, query: &Value) -> Result<Vec<Value>, Error> {
        self.must("POST", &format!("/{stream}/_refresh"), &Value::Null)?;
        let path = format!("/{stream}/_search?scroll=1m");
        let first = json!({"query": query, "size": PAGE, "sort": "_doc"});
        let mut answer = self.must("POST", &path, &first)?;
        let mut all = Vec::new();
        loop {
            let page = answer["hits"]["hits"].as_array().ok_or("no hits came")?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page.iter().map(|hit| hit["_source"].clone()));
            let next = json!({"scroll": "1m", "scroll_id": answer["_scroll_id"]});
            answer = self.must("POST", "/_search/scroll", &next)?;
        }
    }

    /// Creates documents in a data stream, and answers why some were refused, by their place.
    ///
    /// # Errors
    /// The request as a whole was refused.
    pub fn create(
        &self,
        stream: &str,
        documents: &[String],
    ) -> Result<BTreeMap<usize, String>, Error> {
        let create = json!({"create": {"_index": stream}});
        let body: String = documents
            .iter()
            .map(|document| format!("{create}\n{document}\n"))
            .collect();
        let (status, answer) = self.ask("POST", "/_bulk", body)?;
        let items = answer["items"].as_array();
        let items = items
            .filter(|items| items.len() == documents.len())
            .ok_or_else(|| format!("_bulk answers {status}: {answer}"))?;
        let refused = items.iter().enumerate().filter_map(|(place, item)| {
            let status = item["create"]["status"].as_u64()?;
            (status != 201).then(|| (place, item["create"]["error"].to_string()))
        });
        Ok(refused.collect())
    }
}
