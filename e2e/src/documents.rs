//! The templates in a real store: put there twice, and every document of every case held against them.

use std::collections::BTreeMap;

use host_test::case::{self, Case};
use host_test::run::{Batches, Piece};
use host_test::{Error, native};
use maxconn_core::engine::Kind;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use test_support::data::{self, FLOOD};

use crate::maxconn;
use crate::stores::client::Client;

/// Where the documents go.
const STREAM: &str = "logs-dovecot.maxconn-cases";
/// As many are sent at once.
const BATCH: usize = 100;

/// What a record brings can stand in a store's way, and we leave it as it came.
const SCALAR: &str = "object mapping for";
/// JSON allows a key to come twice; the stores do not.
const TWICE: &str = "Duplicate ";
/// What wraps a search's hits is the store's own.
const METADATA: &str = "Field [_index] is a metadata field";
/// Cases of documents that no store can take, each as often as it has one, and why. Everything else must be taken.
const REFUSED: [(&str, &str); 15] = [
    ("ecs-scalar-skipped", SCALAR),
    ("json-docker", SCALAR),
    ("json-duplicate-keys", TWICE),
    ("json-keys-of-stores", SCALAR),
    ("json-keys-of-stores", SCALAR),
    ("json-keys-of-stores", SCALAR),
    ("json-keys-of-stores", METADATA),
    ("json-other-keys", SCALAR),
    ("json-parsed-apart", SCALAR),
    ("json-parsed-apart", SCALAR),
    ("json-parsed-apart", SCALAR),
    ("servers-framings", SCALAR),
    ("servers-framings", SCALAR),
    ("servers-framings", SCALAR),
    ("servers-redacted", SCALAR),
];

/// `maxconn setup`, twice: the second time everything is as it should be.
pub fn setup(url: &str, more: &[&str]) -> Result<String, Error> {
    let arguments = [&["setup", "--elasticsearch", url], more].concat();
    let first = maxconn::output(&arguments)?;
    let second = maxconn::output(&arguments)?;
    fn parts(text: &str) -> impl Iterator<Item = &str> {
        text.lines().filter(|line| line.starts_with("  "))
    }
    let is = |text: &str, word: &str| {
        let lines = parts(text).map(str::trim);
        lines
            .filter(|line| line.split("  ").next() == Some(word))
            .count()
    };
    let left_out = is(&first, "left out");
    let total = parts(&first).count() - left_out;
    if total < 3 || is(&first, "created") != total {
        return Err(format!("the first setup does not create everything: {first}").into());
    }
    if is(&second, "left alone") != total || is(&second, "left out") != left_out {
        return Err(format!("the second setup changes something: {second}").into());
    }
    let server = first.lines().next().unwrap_or_default();
    let product = server.rsplit(": ").next().unwrap_or_default();
    Ok(format!("{product}; {total} parts created, then left alone"))
}

/// Every document of ours in every case, in a real store.
pub fn held(client: &Client) -> Result<String, Error> {
    let (mut sent, mut refused) = (0, Vec::new());
    for case in case::all()? {
        let documents = documents(&case)?;
        for batch in documents.chunks(BATCH) {
            sent += batch.len();
            let reasons = client.create(STREAM, batch)?.into_values();
            refused.extend(reasons.map(|reason| (case.name.clone(), reason)));
        }
    }
    let is_listed = |((case, reason), (listed, why)): (&(String, String), &(&str, &str))| {
        case == listed && reason.contains(why)
    };
    if refused.len() != REFUSED.len() || !refused.iter().zip(&REFUSED).all(is_listed) {
        return Err(format!("{REFUSED:?} were to be refused, but {refused:#?} are").into());
    }
    let refused = refused.len();
    let stored = client.count(STREAM, &json!({"match_all": {}}))?;
    if stored != (sent - refused) as u64 {
        return Err(format!("{sent} sent, {refused} refused, {stored} stored").into());
    }
    strict(client)?;
    typed(client)?;
    Ok(format!(
        "{sent} documents: {stored} stored, {refused} refused for what their records bring, as listed; an unknown maxconn.* refused"
    ))
}

/// Real logs of several servers.
const LOGS: [&str; 4] = [
    FLOOD,
    "testdata/servers/nginx/nginx1.26-error.log.gz",
    "testdata/servers/php-fpm/php-fpm8.4-dynamic.log.gz",
    "testdata/servers/postgresql/pg17-debian-prefix.log.gz",
];

/// Real logs by `maxconn replay` into data streams, twice: everything is there once, in the stream of its server.
pub fn replayed(client: &Client) -> Result<String, Error> {
    const RECORDS: &str = "logs-mail-replayed";
    let logs = LOGS.map(|log| data::path(log).to_string_lossy().into_owned());
    let mut replay = vec!["replay"];
    replay.extend(logs.iter().map(String::as_str));
    let changed = maxconn::output(&[&replay[..], &["--only", "changed"]].concat())?;
    let all = maxconn::output(&replay)?;
    let mut expected = BTreeMap::<String, u64>::new();
    for line in changed.lines() {
        let document: Value = serde_json::from_str(line)?;
        let module = document["event"]["module"].as_str().unwrap_or("maxconn");
        let stream = format!("logs-{module}.maxconn-replayed");
        *expected.entry(stream).or_default() += 1;
    }
    if expected.len() != LOGS.len() {
        return Err(format!("each log is of another server, but there are {expected:?}").into());
    }
    let ours = changed.lines().count() as u64;
    expected.insert("logs-*.maxconn-replayed".to_string(), ours);
    expected.insert(RECORDS.to_string(), all.lines().count() as u64 - ours);
    let output = format!("elasticsearch+{}", client.url);
    replay.extend([
        "--output",
        &output,
        "--records-stream",
        RECORDS,
        "--namespace",
        "replayed",
    ]);
    for _ in 0..2 {
        maxconn::output(&replay)?;
        for (stream, count) in &expected {
            let stored = client.count(stream, &json!({"match_all": {}}))?;
            if stored != *count {
                return Err(format!("{count} to be stored in {stream}, but {stored} are").into());
            }
        }
    }
    Ok(format!("each once: {expected:?}"))
}

/// What an earlier version put under its name for Dovecot's streams alone, and a stream in an index without the fields of
/// today: `maxconn setup` takes it over, once.
pub fn taken_over(client: &Client, more: &[&str]) -> Result<String, Error> {
    const STREAM: &str = "logs-dovecot.maxconn-earlier";
    const EARLIER: &str = "/_index_template/logs-dovecot.maxconn";
    let template = |pattern: &str, priority: u32| {
        json!({
            "index_patterns": [pattern], "priority": priority, "data_stream": {},
            "composed_of": ["maxconn-ecs", "maxconn-fields"], "_meta": {"digest": "earlier"},
        })
    };
    let name = json!({"properties": {"name": {"type": "keyword"}}});
    let fields = json!({"maxconn": {"dynamic": "strict", "properties": {"limit": name}}});
    let fields =
        json!({"template": {"mappings": {"properties": fields}}, "_meta": {"digest": "earlier"}});
    for (path, body) in [
        ("/_component_template/maxconn-fields", fields),
        (
            "/_index_template/logs-maxconn",
            template("logs-*.maxconn-*", 250),
        ),
        (EARLIER, template("logs-dovecot.maxconn-*", 300)),
    ] {
        client.must("PUT", path, &body)?;
    }
    let create = |limit: Value| {
        let document = json!({"@timestamp": "2026-01-01T00:00:00Z", "maxconn": {"limit": limit}});
        Ok::<_, Error>(client.create(STREAM, &[document.to_string()])?.is_empty())
    };
    let of_today = json!({"stage": "after-auth"});
    if !create(json!({"name": "x"}))? || create(of_today.clone())? {
        return Err("the earlier stream takes none or both".into());
    }
    let setup = [&["setup", "--elasticsearch", client.url.as_str()], more].concat();
    let said = maxconn::output(&setup)?;
    let removed = format!("  removed     {EARLIER}\n");
    let renewed = format!("  new index   {STREAM}\n");
    if !said.contains(&removed)
        || said.matches("new index").count() != 1
        || !said.contains(&renewed)
    {
        return Err(format!("it is not taken over: {said}").into());
    }
    let again = maxconn::output(&setup)?;
    if ["removed", "new index", "updated", "created"]
        .iter()
        .any(|word| again.contains(word))
    {
        return Err(format!("the second setup changes something: {again}").into());
    }
    if client.ask("GET", EARLIER, "")?.0 != 404 || !create(of_today)? {
        return Err(
            "the earlier template is still there, or its stream takes no field of today".into(),
        );
    }
    match client.count("logs-*.maxconn-earlier", &json!({"match_all": {}}))? {
        2 => Ok(
            "the template is replaced, the stream goes on in a new index and keeps what it had"
                .to_string(),
        ),
        count => Err(format!("{count} documents are found in place of 2").into()),
    }
}

/// The documents of ours that come out of a case, as a store is given them.
fn documents(case: &Case) -> Result<Vec<String>, Error> {
    let ours = [Kind::Enriched, Kind::Alert, Kind::Statistics].map(|kind| kind as u32);
    let mut pieces = native::run(case, &mut Batches::Whole)?;
    pieces.retain(|piece| ours.contains(&piece.kind));
    pieces.into_iter().map(timed).collect()
}

/// With a time: data streams want one, and `maxconn run` adds that of the arrival.
fn timed(piece: Piece) -> Result<String, Error> {
    // Numbers that we have no type for are left unread.
    let document: BTreeMap<String, IgnoredAny> = serde_json::from_str(&piece.text)?;
    Ok(match document.contains_key("@timestamp") {
        true => piece.text,
        // The text itself goes there, not what was read of it: numbers stay as they came.
        false => {
            let time = "{\"@timestamp\":\"2026-01-01T00:00:00Z\",";
            piece.text.replacen('{', time, 1)
        }
    })
}

/// A field of ours that no template knows is refused: otherwise all the above would show nothing.
fn strict(client: &Client) -> Result<(), Error> {
    let document = json!({"@timestamp": "2026-01-01T00:00:00Z", "maxconn": {"surprise": 1}});
    let refused = client.create(STREAM, &[document.to_string()])?;
    match refused.get(&0) {
        Some(reason) if reason.contains("strict_dynamic_mapping_exception") => Ok(()),
        other => Err(format!("an unknown field under maxconn was not refused: {other:?}").into()),
    }
}

/// Fields are what their names promise: an address can be found by its network, a rate by a range.
fn typed(client: &Client) -> Result<(), Error> {
    for query in [
        json!({"term": {"source.ip": "2001:db8::/32"}}),
        json!({"term": {"source.ip": "192.0.2.0/24"}}),
        json!({"range": {"maxconn.flood.rate.mean": {"gt": 0.5}}}),
        json!({"range": {"maxconn.flood.count": {"gte": 30}}}),
        json!({"range": {"event.start": {"gte": "2020-01-01T00:00:00Z"}}}),
        json!({"term": {"event.action": "connection-limit-flood-start"}}),
        json!({"match": {"message": "connections"}}),
        json!({"term": {"tls.established": true}}),
    ] {
        if client.count(STREAM, &query)? == 0 {
            return Err(format!("nothing is found by {query}").into());
        }
    }
    Ok(())
}
