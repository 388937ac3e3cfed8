//! What stands for Kibana and OpenSearch Dashboards: it takes imports of saved objects as the real ones were seen to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::http::{Sink, reply};

/// Objects by their place (a space, or nothing), type and id.
pub type Objects = BTreeMap<(String, String, String), Value>;

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// OpenSearch Dashboards 2.11.0.
    OpenSearch,
    /// Kibana 8.19.
    Kibana,
}

/// One of them on loopback.
#[derive(Clone)]
pub struct Dashboards {
    sink: Sink,
    product: Product,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    objects: Objects,
    rules: BTreeMap<String, Value>,
}

/// What it is told to answer, and what it was asked.
impl Deref for Dashboards {
    type Target = Sink;

    fn deref(&self) -> &Sink {
        &self.sink
    }
}

impl Product {
    fn name(self) -> &'static str {
        match self {
            Product::OpenSearch => "OpenSearch Dashboards",
            Product::Kibana => "Kibana",
        }
    }

    /// The header that no change is made without.
    fn guard(self) -> &'static str {
        match self {
            Product::OpenSearch => "osd-xsrf",
            Product::Kibana => "kbn-xsrf",
        }
    }

    /// The newest version of a type's objects that it knows.
    fn version(self, kind: &str) -> Option<&'static str> {
        Some(match (self, kind) {
            (Product::OpenSearch, "index-pattern") => "7.6.0",
            (Product::OpenSearch, "visualization") => "7.10.0",
            (Product::OpenSearch, "search" | "dashboard") => "7.9.3",
            (Product::Kibana, "index-pattern" | "search") => "8.0.0",
            (Product::Kibana, "visualization") => "8.5.0",
            (Product::Kibana, "dashboard" | "lens") => "8.9.0",
            _ => return None,
        })
    }

    /// The attributes that a type has where others are refused.
    fn attributes(self, kind: &str) -> Option<&'static str> {
        match (self, kind) {
            (Product::OpenSearch, "dashboard") => Some(
                "title description hits version timeRestore timeFrom timeTo refreshInterval optionsJSON panelsJSON \
                 kibanaSavedObjectMeta",
            ),
            (Product::OpenSearch, "visualization") => Some(
                "title description version uiStateJSON visState savedSearchRefName kibanaSavedObjectMeta",
            ),
            (Product::OpenSearch, "search") => {
                Some("title description hits version columns sort kibanaSavedObjectMeta")
            }
            _ => None,
        }
    }
}

/// A part of a request's head: what comes behind a header's name.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn refusal(status: u16, message: &str) -> String {
    let body = json!({"statusCode": status, "error": "-", "message": message});
    reply(status, &body.to_string())
}

impl Dashboards {
    /// One that is ready, and asks nobody who it is.
    pub fn start(product: Product) -> Dashboards {
        let held: Arc<Mutex<Held>> = Arc::default();
        let kept = Arc::clone(&held);
        let sink = Sink::judging(move |head, body| {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.answer(product, head, body)
        });
        Dashboards {
            sink,
            product,
            held,
        }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is in it.
    pub fn objects(&self) -> Objects {
        self.lock().objects.clone()
    }

    /// Its rules by path.
    pub fn rules(&self) -> BTreeMap<String, Value> {
        self.lock().rules.clone()
    }

    /// Puts a rule there.
    pub fn put_rule(&self, path: &str, rule: Value) {
        self.lock().rules.insert(path.to_string(), rule);
    }

    /// Puts an object there, as somebody else would.
    pub fn put(&self, kind: &str, id: &str, attributes: Value) {
        let object = json!({"type": kind, "id": id, "attributes": attributes, "references": []});
        let place = (String::new(), kind.to_string(), id.to_string());
        self.lock().objects.insert(place, object);
    }

    /// Takes one away.
    pub fn remove(&self, kind: &str, id: &str) {
        let place = (String::new(), kind.to_string(), id.to_string());
        self.lock().objects.remove(&place).expect("it is there");
    }

    /// From now on it waits for its store.
    pub fn waits(&self) {
        let text = format!("{} server is not ready yet", self.product.name());
        let answer = reply(503, &text).replace("\r\n\r\n", "\r\nretry-after: 30\r\n\r\n");
        self.answers(move |_, _| answer.clone());
    }

    /// From now on it wants to know who asks.
    pub fn wants(&self, authorization: &'static str) {
        let judge = self.judge();
        self.answers(move |head, body| match header(head, "authorization") {
            Some(shown) if shown == authorization => judge(head, body),
            _ => refusal(401, "Unauthorized"),
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn answer(&mut self, product: Product, head: &str, body: &[u8]) -> String {
        let mut words = head.split(' ');
        let method = words.next().unwrap_or_default();
        let whole = words.next().unwrap_or_default();
        let (space, path) = match whole.strip_prefix("/s/").and_then(|it| it.split_once('/')) {
            Some((space, path)) if product == Product::Kibana => (space, format!("/{path}")),
            _ => ("", whole.to_string()),
        };
        if method != "GET" && header(head, product.guard()).is_none() {
            let message = format!("Request must contain the {} header.", product.guard());
            return refusal(400, &message);
        }
        if path == "/api/status" {
            return status(product);
        }
        if path == "/api/saved_objects/_bulk_get" {
            return self.bulk_get(space, body);
        }
        if let Some(query) = path.strip_prefix("/api/saved_objects/_import?") {
            return self.import(product, space, query, head, body);
        }
        if path.starts_with("/api/alerting/rule/") && product == Product::Kibana {
            return self.rule(method, &format!("{space}{path}"), body);
        }
        refusal(404, "Not Found")
    }

    fn bulk_get(&self, space: &str, body: &[u8]) -> String {
        let wanted: Vec<Value> = serde_json::from_slice(body).expect("a list");
        let text = |it: &Value| it.as_str().expect("a text").to_string();
        let found = wanted.iter().map(|it| {
            let (kind, id) = (text(&it["type"]), text(&it["id"]));
            let found = self.objects.get(&(space.to_string(), kind, id)).cloned();
            found.unwrap_or_else(|| {
                json!({"type": it["type"], "id": it["id"], "error": {"statusCode": 404, "error": "Not Found"}})
            })
        });
        let found: Vec<Value> = found.collect();
        reply(200, &json!({"saved_objects": found}).to_string())
    }

    fn rule(&mut self, method: &str, path: &str, body: &[u8]) -> String {
        let rule: Value = serde_json::from_slice(body).unwrap_or_default();
        let (status, answer) = match (method, self.rules.get(path).cloned()) {
            ("GET", Some(rule)) => (200, rule),
            ("GET" | "PUT", None) => return refusal(404, "Saved object [alert] not found"),
            (_, None) => (200, rule),
            ("POST", Some(_)) => return refusal(409, "version conflict"),
            (_, Some(mut found)) => {
                let actions = rule["actions"].as_array().into_iter().flatten();
                let fixed = ["rule_type_id", "consumer", "enabled"];
                let is_odd = actions
                    .clone()
                    .any(|it| it.get("connector_type_id").is_some());
                if is_odd || fixed.iter().any(|key| rule.get(*key).is_some()) {
                    return refusal(400, "definition for this key is missing");
                }
                for (key, value) in rule.as_object().expect("an object") {
                    found[key] = value.clone();
                }
                (200, found)
            }
        };
        self.rules.insert(path.to_string(), answer.clone());
        reply(status, &answer.to_string())
    }

    fn import(
        &mut self,
        product: Product,
        space: &str,
        query: &str,
        head: &str,
        body: &[u8],
    ) -> String {
        let overwrite = match query {
            "overwrite=true" => true,
            "overwrite=false" => false,
            _ => return refusal(400, "[request query]: definition for this key is missing"),
        };
        let text = match file(head, body) {
            Ok(text) => text,
            Err((status, message)) => return refusal(status, &message),
        };
        let mut objects: Vec<Value> = Vec::new();
        for line in text.lines().filter(|it| !it.trim().is_empty()) {
            match serde_json::from_str::<Value>(line) {
                Ok(summary) if summary["exportedCount"].is_number() => {}
                Ok(object) if !object["id"].is_string() => {
                    return refusal(500, "An internal server error occurred");
                }
                Ok(object) => objects.push(object),
                Err(error) => return refusal(400, &error.to_string()),
            }
        }
        let key = |it: &Value| {
            let text = |key: &str| it[key].as_str().unwrap_or_default().to_string();
            (space.to_string(), text("type"), text("id"))
        };
        let places: BTreeSet<_> = objects.iter().map(key).collect();
        if places.len() != objects.len() {
            return refusal(400, "Non-unique import objects detected");
        }
        for object in &objects {
            let kind = object["type"].as_str().unwrap_or_default();
            let version = object["migrationVersion"][kind].as_str();
            let version = version.or(object["typeMigrationVersion"].as_str());
            if let (Some(version), Some(known)) = (version, product.version(kind))
                && numbers(version) > numbers(known)
            {
                let message = format!(
                    "Document \"{}\" has property \"{kind}\" which belongs to a more recent version of {} [{version}]. \
                     The last known version is [{known}]",
                    object["id"],
                    product.name()
                );
                return refusal(422, &message);
            }
        }
        let (mut errors, mut nothing_is_stored) = (Vec::new(), false);
        let mut wrong = BTreeSet::new();
        for object in &objects {
            let kind = object["type"].as_str().unwrap_or_default();
            let missing = object["references"].as_array().into_iter().flatten();
            let missing: Vec<Value> = missing
                .filter(|it| matches!(it["type"].as_str(), Some("index-pattern" | "search")))
                .filter(|it| !places.contains(&key(it)) && !self.objects.contains_key(&key(it)))
                .map(|it| json!({"type": it["type"], "id": it["id"]}))
                .collect();
            let attributes = object["attributes"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            let strict = product.attributes(kind);
            let odd = attributes
                .keys()
                .find(|it| strict.is_some_and(|known| !known.split(' ').any(|known| known == *it)));
            let error = if product.version(kind).is_none() {
                json!({"type": "unsupported_type"})
            } else if !missing.is_empty() {
                nothing_is_stored = true;
                json!({"type": "missing_references", "references": missing})
            } else if !overwrite && self.objects.contains_key(&key(object)) {
                nothing_is_stored = true;
                json!({"type": "conflict"})
            } else if let Some(odd) = odd {
                let message = format!(
                    "mapping set to strict, dynamic introduction of [{odd}] within [{kind}] is not allowed"
                );
                json!({"type": "unknown", "message": message})
            } else {
                continue;
            };
            wrong.insert(key(object));
            errors.push(json!({"id": object["id"], "type": kind, "title": attributes.get("title"), "error": error}));
        }
        let done: Vec<&Value> = objects
            .iter()
            .filter(|it| !wrong.contains(&key(it)))
            .collect();
        // It lists them as done, whether they are or not.
        let results = done
            .iter()
            .map(|it| json!({"type": it["type"], "id": it["id"], "meta": {}}));
        let results: Vec<Value> = results.collect();
        let mut answer = json!({"successCount": done.len(), "success": errors.is_empty(), "successResults": results});
        if !nothing_is_stored {
            for object in done {
                self.objects.insert(key(object), object.clone());
            }
        }
        if !errors.is_empty() {
            answer["errors"] = json!(errors);
        }
        reply(200, &answer.to_string())
    }
}

fn status(product: Product) -> String {
    let (header, body) = match product {
        Product::OpenSearch => (
            "osd-name: here",
            json!({"name": "here", "version": {"number": "2.11.0"}, "status": {"overall": {"state": "green"}}}),
        ),
        Product::Kibana => (
            "kbn-name: here",
            json!({"status": {"overall": {"level": "available"}}}),
        ),
    };
    let head = format!("\r\n{header}\r\n\r\n");
    reply(200, &body.to_string()).replacen("\r\n\r\n", &head, 1)
}

fn numbers(version: &str) -> Vec<u32> {
    let numbers = version.split('.').map(|it| it.parse().unwrap_or(0));
    numbers.collect()
}

/// The one file of a form.
fn file(head: &str, body: &[u8]) -> Result<String, (u16, String)> {
    let form = header(head, "content-type").unwrap_or_default();
    let Some(boundary) = form.strip_prefix("multipart/form-data; boundary=") else {
        return Err((415, "Unsupported Media Type".to_string()));
    };
    let body = String::from_utf8_lossy(body);
    let begin = format!("--{boundary}\r\n");
    let end = format!("\r\n--{boundary}--\r\n");
    let part = body
        .strip_prefix(&begin)
        .and_then(|it| it.strip_suffix(&end));
    let (part_head, content) = part
        .and_then(|it| it.split_once("\r\n\r\n"))
        .ok_or((400, "Invalid multipart payload format".to_string()))?;
    let name = part_head
        .split_once("filename=\"")
        .and_then(|(_, it)| it.split('"').next());
    match name {
        Some(name) if name.ends_with(".ndjson") && part_head.contains("name=\"file\"") => {
            Ok(content.to_string())
        }
        Some(name) => {
            let extension = name.rsplit('.').next().unwrap_or_default();
            Err((400, format!("Invalid file extension .{extension}")))
        }
        None => Err((
            400,
            "[request body.file]: expected value of type [Stream] but got [string]".to_string(),
        )),
    }
}
