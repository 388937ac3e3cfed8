//! Posts alerts one by one to whatever takes JSON or text: chats, pagers, scripts. A template says what a body is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue};
use hyper::{HeaderMap, Method};
use minijinja::{Environment, UndefinedBehavior};
use serde::de::IgnoredAny;
use serde_json::Value;
use thiserror::Error;

use super::alert::{Alert, field};
use super::outcome::Outcome;
use super::post::Post;

/// In an address's path this stands for the alert's id, which is the same when it is sent again.
const ID: &str = "{id}";
/// What the template is tried with when the process starts: an alert with all that alerts have.
const EXAMPLE: &str = include_str!("example.json");

/// What is wrong with a file. All name it.
#[derive(Debug, Error)]
pub enum WebhookError {
    #[error("cannot read {path}: {1}; name a file that can be read", path = .0.display())]
    Unreadable(PathBuf, io::Error),
    #[error("the template {path} cannot be used: {1:#}", path = .0.display())]
    Template(PathBuf, minijinja::Error),
    #[error(
        "the template {path} does not give JSON: {1}; write {{{{ message }}}} without quotation marks around it, or name a file \
         that does not end in .json",
        path = .0.display()
    )]
    NotJson(PathBuf, serde_json::Error),
    #[error("line {1} of {path} is no header; write it like X-Key: value", path = .0.display())]
    Header(PathBuf, usize),
}

/// Makes bodies of alerts.
pub struct Template {
    environment: Environment<'static>,
    name: String,
}

impl Template {
    /// Reads a template. By one whose name ends in `.json` all that is put in is JSON: texts with their quotation marks.
    pub fn read(path: &Path) -> Result<Template, WebhookError> {
        let text = fs::read_to_string(path);
        let text = text.map_err(|error| WebhookError::Unreadable(path.to_path_buf(), error))?;
        let wrong = |error| WebhookError::Template(path.to_path_buf(), error);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut environment = Environment::new();
        // What an alert does not say is nothing, and so is what is in it.
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment
            .add_template_owned(name.to_string(), text)
            .map_err(wrong)?;
        let template = Template {
            environment,
            name: name.to_string(),
        };
        let example: Value = serde_json::from_str(EXAMPLE).unwrap_or_default();
        let body = template.render(&example).map_err(wrong)?;
        if template.is_json() {
            let read: Result<IgnoredAny, _> = serde_json::from_str(&body);
            read.map_err(|error| WebhookError::NotJson(path.to_path_buf(), error))?;
        }
        Ok(template)
    }

    fn is_json(&self) -> bool {
        self.name.ends_with(".json")
    }

    fn render(&self, document: &Value) -> Result<String, minijinja::Error> {
        self.environment
            .get_template(&self.name)?
            .render(context(document))
    }
}

/// A document as templates know it.
fn context(document: &Value) -> minijinja::Value {
    match document {
        Value::Null => ().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(list) => list.iter().map(context).collect(),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, it)| (name.as_str(), context(it)));
            minijinja::Value::from_pairs(members)
        }
    }
}

/// Reads headers, one a line; what they say is not shown.
pub fn read_headers(path: &Path) -> Result<HeaderMap, WebhookError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| WebhookError::Unreadable(path.to_path_buf(), error))?;
    let mut headers = HeaderMap::new();
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let (name, mut value) =
            header(line).ok_or_else(|| WebhookError::Header(path.to_path_buf(), number))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    let name: Result<HeaderName, InvalidHeaderName> = name.trim().parse();
    let value: Result<HeaderValue, InvalidHeaderValue> = value.trim().parse();
    Some((name.ok()?, value.ok()?))
}

/// Something that takes alerts one by one.
pub struct Webhook {
    /// The way to it.
    pub post: Post,
    /// How it wants them.
    pub method: Method,
    /// What makes bodies of alerts; else the alert itself is sent.
    pub template: Option<Template>,
}

impl Webhook {
    /// Posts an alert.
    pub async fn send(&mut self, alert: &Alert) -> Outcome {
        let document = alert.document();
        let (body, kind) = match &self.template {
            None => (alert.line.clone(), "application/json"),
            Some(template) => match template.render(&document) {
                Ok(body) if template.is_json() => (Bytes::from(body), "application/json"),
                Ok(body) => (Bytes::from(body), "text/plain; charset=utf-8"),
                Err(error) => return Outcome::Refused(format!("the template fails: {error:#}")),
            },
        };
        let mut id = field(&document, "ID");
        // A guest from a file may say anything.
        id.retain(|it| it.is_ascii_alphanumeric());
        let path = self.post.client.address().path().replace(ID, &id);
        self.post.send(&self.method, &path, kind, body).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use test_support::command::Folder;
    use test_support::{contains, lacks};

    #[test]
    fn no_name_breaks_out_of_a_body() {
        let folder = Folder::new();
        let path = folder.write("chat.json", r#"{"text": {{ message }}, "by": {{ ("<" ~ user.name ~ ">")|upper }}, "n": {{ maxconn.flood.count }}}"#);
        let template = Template::read(&path).unwrap();
        for name in [
            "bob",
            "\",\"x\":\"",
            "{{ message }}",
            "</script>\u{2028}\n\0\u{1b}",
            "\u{202e}\\",
        ] {
            let document = json!({"message": name, "user": {"name": name}, "maxconn": {"flood": {"count": 3}}});
            let body: Value = serde_json::from_str(&template.render(&document).unwrap()).unwrap();
            let by = format!("<{}>", name.to_uppercase());
            assert_eq!(body, json!({"text": name, "by": by, "n": 3}));
        }
    }

    #[test]
    fn templates_and_headers_that_are_wrong_are_refused_at_the_start() {
        let folder = Folder::new();
        let quoted = "{\"text\": \"{{ message }}\"}";
        for (name, text, words) in [
            ("a.json", quoted, "without quotation marks"),
            ("b.json", "{\"text\": {{ message }", "cannot be used"),
            ("c.txt", "{{ message|nothing }}", "cannot be used"),
        ] {
            let path = folder.write(name, text);
            let sentence = Template::read(&path).err().unwrap().to_string();
            contains(&sentence, &[words, name]);
        }
        let path = folder.write("headers", "X-One: s3cret\n\nX Two: b\n");
        let sentence = read_headers(&path).unwrap_err().to_string();
        contains(&sentence, &["line 3"]);
        lacks(&sentence, &["s3cret"]);
        let path = folder.write("headers", "X-One: s3cret\nX-Two:b\n");
        let headers = read_headers(&path).unwrap();
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["x-two"], "b");
        assert!(!format!("{headers:?}").contains("s3cret"));
    }

    #[test]
    fn what_an_alert_does_not_say_is_nothing() {
        let folder = Folder::new();
        let text = "{{ user.name.more }}{% if not user %}nobody{% endif %}";
        let path = folder.write("chat.txt", text);
        let template = Template::read(&path).unwrap();
        assert_eq!(template.render(&json!({"message": "x"})).unwrap(), "nobody");
    }
}
