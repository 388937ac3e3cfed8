//! The dashboards in front of a real store: every panel's search, as the products make it of the saved objects, on what floods
//! of real logs have left there. Each has data, and each total is that of the log.

mod many;
mod search;
mod totals;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use host_test::Error;
use serde_json::{Value, json};
use test_support::data;
use test_support::refusal::WORDS;

use self::search::{Context, Search, leaves, of, parsed, value};
use crate::maxconn;
use crate::process::folder;
use crate::stores::client::Client;

/// All the time that a link to a flood opens.
const ALWAYS: (&str, &str) = ("now-10y", "now+1y");
/// Long ago, and for good.
const LONG_AGO: &str = "2025-01-01T00:00:00Z";

/// Logs that are made, as a shipper would have them: the cause, lines, the first one's time. Each is found by another rule.
const MADE: [(&str, &str, &str); 3] = [
    ("retry-storm", "9000", "2026-02-01T00:00:00Z"),
    ("many-addresses", "3000", "2026-02-02T00:00:00Z"),
    ("shared-address", "3000", "2026-02-03T00:00:00Z"),
];
/// Real logs, their servers, and what a line has that is a refusal.
const REAL: [(&str, &str, &[&str]); 2] = [
    (data::FLOOD, "dovecot", &[WORDS]),
    (
        "testdata/servers/nginx/nginx1.26-error.log.gz",
        "nginx",
        &["[error]", "limiting connections by zone"],
    ),
];

/// Documents of ours, and what the log says that they are about.
struct Filled {
    namespace: &'static str,
    documents: Vec<Value>,
    /// Refusals by server: lines that were counted.
    lines: BTreeMap<String, u64>,
}

/// Everything of the kind.
///
/// # Errors
/// A panel has no data or a wrong total, or a search is refused.
pub fn check(client: &Client, product: &str) -> Result<String, Error> {
    let objects = objects(product)?;
    let filled = fill(client, "drawn", &MADE, &REAL)?;
    let panels = drawn(client, &objects, &filled)?;
    totals::check(client, &objects, &filled)?;
    one_flood(client, &objects, &filled)?;
    nothing(client, &objects)?;
    long_ago(client, &objects)?;
    let slowest = many::check(client, &objects)?;
    let refusals: u64 = filled.lines.values().sum();
    Ok(format!(
        "{panels} searches of {} objects have data; {refusals} refusals of {} servers in every total, whatever the interval; \
         none and those of long ago are no error; of 10,000 floods the slowest takes {slowest} ms",
        objects.len(),
        filled.lines.len()
    ))
}

/// The saved objects that `maxconn setup` imports.
fn objects(product: &str) -> Result<Vec<Value>, Error> {
    let printed: Value = serde_json::from_str(&maxconn::output(&["setup", "--print"])?)?;
    let parts = printed[product].as_object().ok_or("no such product")?;
    let import = parts.values().find_map(Value::as_array);
    Ok(import.ok_or("nothing is imported")?.clone())
}

/// Replays logs into the store.
fn fill(
    client: &Client,
    namespace: &'static str,
    made: &[(&str, &str, &str)],
    real: &[(&str, &str, &[&str])],
) -> Result<Filled, Error> {
    let folder = folder(&format!("dashboards-{namespace}"))?;
    let config = folder.join("maxconn.toml");
    fs::write(&config, "statistics_every = \"1m\"\n")?;
    let path = |it: &Path| it.to_string_lossy().into_owned();
    let (mut lines, mut logs) = (BTreeMap::<String, u64>::new(), Vec::new());
    let mut count = |server: &str, text: &str, words: &[&str]| {
        let is_one = |line: &&str| words.iter().all(|it| line.contains(it));
        *lines.entry(server.to_string()).or_default() += text.lines().filter(is_one).count() as u64;
    };
    for (cause, lines, start) in made {
        let log = folder.join(format!("{cause}.ndjson"));
        let what = [
            "generate", "--format", "json", "--cause", cause, "--lines", lines,
        ];
        let file = path(&log);
        maxconn::output(&[&what[..], &["--start", start, "--output", &file]].concat())?;
        count("dovecot", &fs::read_to_string(&log)?, &[WORDS]);
        logs.push(file);
    }
    for (log, server, words) in real {
        count(server, &data::text(log), words);
        logs.push(path(&data::path(log)));
    }
    let config = path(&config);
    let mut replay = vec![
        "replay",
        "--config",
        &config,
        "--timezone",
        "UTC",
        "--only",
        "changed",
    ];
    replay.extend(logs.iter().map(String::as_str));
    let documents = maxconn::documents(&replay)?;
    // Into the store by hand, so that it need not be one that the command can reach.
    let mut streams = BTreeMap::<String, Vec<String>>::new();
    for document in &documents {
        let module = document["event"]["module"].as_str().unwrap_or("maxconn");
        let stream = format!("logs-{module}.maxconn-{namespace}");
        streams
            .entry(stream)
            .or_default()
            .push(document.to_string());
    }
    for (stream, documents) in streams {
        put(client, &stream, &documents)?;
    }
    Ok(Filled {
        namespace,
        documents,
        lines,
    })
}

/// Creates documents, some at a time; each must be taken.
fn put(client: &Client, stream: &str, documents: &[String]) -> Result<(), Error> {
    for batch in documents.chunks(100) {
        if let Some(reason) = client.create(stream, batch)?.into_values().next() {
            return Err(format!("{stream} refuses a document: {reason}").into());
        }
    }
    client.must("POST", &format!("/{stream}/_refresh"), &Value::Null)?;
    Ok(())
}

fn ask(client: &Client, namespace: &str, search: &Search) -> Result<Value, Error> {
    let path = format!("/logs-*.maxconn-{namespace}/_search");
    let answer = client.must("POST", &path, &search.body);
    answer.map_err(|error| format!("{}: {error}", search.title).into())
}

fn always(interval: &str) -> Context<'_> {
    let (from, to) = ALWAYS;
    Context {
        from,
        to,
        interval,
        query: None,
    }
}

impl Filled {
    /// The documents of an action.
    fn of_action(&self, action: &str) -> impl Iterator<Item = &Value> {
        let documents = self.documents.iter();
        documents.filter(move |it| it["event"]["action"] == action)
    }

    /// The last word on each flood.
    fn ends(&self) -> impl Iterator<Item = &Value> {
        self.of_action("connection-limit-flood-end")
    }
}

/// What is at a name with dots.
fn at<'a>(document: &'a Value, field: &str) -> &'a Value {
    field.split('.').fold(document, |within, key| &within[key])
}

/// Every panel has data in all that it shows.
fn drawn(client: &Client, objects: &[Value], filled: &Filled) -> Result<usize, Error> {
    let mut panels = 0;
    for object in objects {
        let Some(search) = of(object, &always("1d"))? else {
            continue;
        };
        let answer = ask(client, filled.namespace, &search)?;
        let empty =
            |what: &str| -> Error { format!("{}: no data for {what}", search.title).into() };
        if answer["hits"]["total"]["value"].as_u64().unwrap_or(0) == 0 {
            return Err(empty("its query"));
        }
        let hits = answer["hits"]["hits"].as_array().ok_or("no hits came")?;
        for column in &search.columns {
            if hits.iter().all(|it| at(&it["_source"], column).is_null()) {
                return Err(empty(column));
            }
        }
        let leaves = leaves(&answer, &search);
        for metric in &search.metrics {
            let is_there = |bucket: &Value| match metric.kind.as_str() {
                "count" => bucket["doc_count"].as_u64().unwrap_or(0) > 0,
                "top_hits" => {
                    let hits = bucket[&metric.id]["hits"]["hits"]
                        .as_array()
                        .into_iter()
                        .flatten();
                    hits.into_iter()
                        .any(|it| !at(&it["_source"], &metric.field).is_null())
                }
                _ => !bucket[&metric.id]["value"].is_null(),
            };
            if !leaves.iter().any(|(_, bucket)| is_there(bucket)) {
                return Err(empty(&format!("{} of {}", metric.kind, metric.field)));
            }
        }
        // What one can filter by.
        for (name, list) in answer["aggregations"].as_object().into_iter().flatten() {
            let is_list = search.buckets.is_empty() && list["buckets"].is_array();
            if is_list && list["buckets"].as_array().is_some_and(Vec::is_empty) {
                return Err(empty(name));
            }
        }
        panels += 1;
    }
    Ok(panels)
}

/// The dashboards that links open, with the query that these bring along.
fn one_flood(client: &Client, objects: &[Value], filled: &Filled) -> Result<(), Error> {
    let end = filled
        .ends()
        .max_by_key(|it| at(it, "maxconn.flood.count").as_u64());
    let end = end.ok_or("no flood has ended")?;
    let [id, address] =
        ["maxconn.flood.id", "source.ip"].map(|it| at(end, it).as_str().unwrap_or_default());
    let alerts = filled
        .documents
        .iter()
        .filter(|it| it["event"]["kind"] == "alert");
    let of_flood = alerts.filter(|it| at(it, "maxconn.flood.id") == id).count() as u64;
    let (mut curves, mut looked_at) = (0, 0);
    for object in objects.iter().filter(|it| it["type"] == "visualization") {
        let name = object["id"].as_str().unwrap_or_default();
        let query = if name.starts_with("maxconn-flood-") {
            json!({"match_phrase": {"maxconn.flood.id": id}})
        } else if name.starts_with("maxconn-address-") {
            json!({"match_phrase": {"related.ip": address}})
        } else {
            continue;
        };
        let context = Context {
            query: Some(query),
            ..always("1d")
        };
        let Some(search) = of(object, &context)? else {
            continue;
        };
        let answer = ask(client, filled.namespace, &search)?;
        let total = answer["hits"]["total"]["value"].as_u64().unwrap_or(0);
        if total == 0 {
            return Err(format!("{}: no data for {id} from {address}", search.title).into());
        }
        looked_at += 1;
        let hits = answer["hits"]["hits"].as_array().ok_or("no hits came")?;
        if hits.is_empty() {
            continue;
        }
        // A curve: a point for each alert, the last of which is the end.
        curves += 1;
        let last = hits
            .iter()
            .filter_map(|it| at(&it["_source"], "maxconn.flood.count").as_u64())
            .max();
        if total != of_flood || last != at(end, "maxconn.flood.count").as_u64() {
            return Err(format!(
                "{}: {total} points up to {last:?}, {of_flood} alerts",
                search.title
            )
            .into());
        }
    }
    match (curves, looked_at) {
        (2, 6..) => Ok(()),
        other => Err(format!("{other:?} curves and panels of one flood were looked at").into()),
    }
}

/// Without any document, and where there is none in the chosen time.
fn nothing(client: &Client, objects: &[Value]) -> Result<(), Error> {
    let no_time = Context {
        from: "1990-01-01",
        to: "1991-01-01",
        ..always("1d")
    };
    for (namespace, context) in [("nothing", always("1d")), ("drawn", no_time)] {
        for object in objects {
            let Some(search) = of(object, &context)? else {
                continue;
            };
            let answer = ask(client, namespace, &search)?;
            if answer["hits"]["total"]["value"] != 0 {
                return Err(format!("{}: something is found in nothing", search.title).into());
            }
        }
    }
    Ok(())
}

/// Logs of long ago: what the overview opens with shows none, one of the links on it all, and what a flood's link opens, too.
fn long_ago(client: &Client, objects: &[Value]) -> Result<(), Error> {
    let filled = fill(client, "longago", &[("retry-storm", "3000", LONG_AGO)], &[])?;
    let by = |kind: &str, id: &str| {
        let found = objects
            .iter()
            .find(|it| it["type"] == kind && it["id"] == id);
        found.ok_or_else(|| format!("no {kind}/{id}"))
    };
    let overview = by("dashboard", "maxconn-overview")?;
    let refusals = by("visualization", "maxconn-overview-refusals")?;
    let guide = parsed(&by("visualization", "maxconn-overview-guide")?["attributes"]["visState"])?;
    let text = guide["params"]["markdown"].as_str().unwrap_or_default();
    let formats = parsed(&by("index-pattern", "maxconn-logs")?["attributes"]["fieldFormatMap"])?;
    let link = formats["maxconn.flood.id"]["params"]["urlTemplate"]
        .as_str()
        .unwrap_or_default();
    let count = |from: &str, to: &str| {
        let to = to.replace("%2B", "+");
        let context = Context {
            from,
            to: &to,
            ..always("1d")
        };
        let search = of(refusals, &context)?.ok_or("it asks nothing")?;
        let answer = ask(client, filled.namespace, &search)?;
        Ok::<_, Error>(
            leaves(&answer, &search)
                .iter()
                .map(|(_, it)| value(it, &search.metrics[0]) as u64)
                .sum::<u64>(),
        )
    };
    let [from, to] =
        ["timeFrom", "timeTo"].map(|key| overview["attributes"][key].as_str().unwrap_or_default());
    let mut found = Vec::new();
    for link in text
        .split("(from:")
        .skip(1)
        .chain(link.split("(from:").skip(1))
    {
        let times = link.split(')').next().and_then(|it| it.split_once(",to:"));
        let (from, to) = times.ok_or("a link has no time")?;
        found.push(count(from, to)?);
    }
    let all = filled.lines["dovecot"];
    let (of_link, of_guide) = found.split_last().ok_or("no links")?;
    if count(from, to)? != 0 || *of_link != all || !of_guide.contains(&all) {
        return Err(format!("{all} refusals of long ago, and links find {found:?}").into());
    }
    Ok(())
}
