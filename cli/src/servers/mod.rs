//! `maxconn servers` shows what is recognised: the limits of each server, its messages, and what counts them.

mod page;
pub(crate) mod template;

use clap::{Args, ValueEnum};
use maxconn_core::config::{Config, Rule};
use maxconn_core::recognisers::{Limit, SERVERS, SILENT, Server};
use serde::Serialize;
use serde_json::json;

/// Shows which servers' limits are recognised, and what to watch where servers are silent.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  maxconn servers
  maxconn servers postgresql
  maxconn servers --format json | jq -r '.[] | select(.scope == \"user\") | .server'")]
pub struct ServersArgs {
    /// One server, with its messages and what to do.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// How it is shown.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people.
    Text,
    /// An array for programs.
    Json,
    /// The page of the documentation.
    #[value(hide = true)]
    Markdown,
}

/// Why it is not shown.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not recognised; the servers are {known}", known = names())]
pub struct UnknownServer(String);

/// A limit, and the messages that speak of it.
#[derive(Debug, Serialize)]
struct Row {
    server: &'static str,
    limit: &'static str,
    scope: &'static str,
    class: &'static str,
    stage: Option<&'static str>,
    /// The rules that count it.
    rules: Vec<String>,
    advice: &'static str,
    examples: Vec<Example>,
}

/// A message.
#[derive(Debug, Serialize)]
struct Example {
    /// As [`maxconn_core::recognisers::Example`] has them.
    versions: &'static str,
    line: String,
}

impl ServersArgs {
    /// What the command prints: the rules are those of `config`.
    pub fn page(&self, config: &Config) -> Result<String, UnknownServer> {
        let is_asked =
            |server: &&&Server| self.name.as_deref().is_none_or(|name| server.name == name);
        let servers: Vec<&Server> = SERVERS.iter().filter(is_asked).copied().collect();
        if let (Some(name), []) = (&self.name, &*servers) {
            return Err(UnknownServer(name.clone()));
        }
        let rows = servers.iter().flat_map(|server| rows(server, config));
        let rows: Vec<Row> = rows.collect();
        Ok(match (self.format, &self.name) {
            (Format::Json, name) => json(&rows, name.is_none()),
            (Format::Markdown, _) => page::markdown(&rows),
            (Format::Text, None) => page::table(&rows),
            (Format::Text, Some(_)) => page::details(&rows),
        })
    }
}

fn json(rows: &[Row], is_all: bool) -> String {
    let silent = SILENT.iter().filter(|_| is_all).map(
        |it| json!({"server": it.name, "limit": it.limit, "silent": it.what, "watch": it.watch}),
    );
    let rows = rows.iter().map(|row| json!(row)).chain(silent);
    format!("{:#}\n", serde_json::Value::from_iter(rows))
}

fn names() -> String {
    SERVERS.map(|server| server.name).join(", ")
}

/// A row for each limit that messages of the server speak of, apart for each class and stage.
fn rows(server: &Server, config: &Config) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for (limit, versions, line) in server.shown.examples {
        let example = Example {
            versions,
            line: template::example(line),
        };
        let (class, stage) = (limit.class.name(), limit.stage.map(|stage| stage.name()));
        let same = rows
            .iter_mut()
            .find(|row| (row.limit, row.class, row.stage) == (limit.name, class, stage));
        match same {
            Some(row) => row.examples.push(example),
            None => rows.push(Row {
                server: server.name,
                limit: limit.name,
                scope: limit.scope.name(),
                class,
                stage,
                rules: rules(server, limit, config),
                advice: limit.advice,
                examples: vec![example],
            }),
        }
    }
    rows
}

/// The rules that count the limit's messages.
fn rules(server: &Server, limit: &Limit, config: &Config) -> Vec<String> {
    let counts = |rule: &&Rule| {
        rule.servers.contains(&server.name)
            && rule.scope.contains(&limit.scope)
            && rule.class.contains(&limit.class)
    };
    let rules = config.rules.iter().filter(counts);
    rules.map(|rule| rule.name.clone()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
