//! `make e2e`: real servers against the plugin.
//!
//! | module | what it does |
//! |---|---|
//! | [`guests`] | a real Dovecot makes a genuine flood while others use it normally; its log, unchanged, goes through the command and through every guest, and totals must be what counting lines gives |
//! | [`framings`] | a real flood through journald's and BusyBox's own programs: every form in which they write it has the same total |
//! | [`documents`] | templates and documents in real stores |
//! | [`dashboards`] | every panel's search in real stores |
//! | [`faults`] | `maxconn run` before a real store while one thing after the other fails |
//! | [`wrong_key`] | the same with keys that the store refuses |
//! | [`bento`] | a real Bento with the files of `pipelines/bento`: every log of the test data through its `wasm` processor, and its `http` processor before `maxconn run` while both are killed |
//! | [`package`] | Debian's package is installed, upgraded with an open flood, purged |
//! | [`posting`] | curl, Python and Node before `maxconn run --output reply` |
//! | [`prometheus`] | a real Prometheus scrapes `maxconn run`; `promtool` judges the rules and the figures |
//! | [`rsyslog`] | a real rsyslogd with the files of `pipelines/rsyslog`, before what stands for a store, and between a real Dovecot and a real store |
//! | [`alertmanager`] | a real Alertmanager is told of floods over restarts of both sides |
//! | [`servers`] | eight other servers are driven into their limits: events and alerts are what their clients met |
//! | [`units`] | systemd judges the units that users copy |
//! | [`dovecot`], [`maxconn`], [`mod@stores`], [`process`] | the programs |
#![forbid(unsafe_code)]

mod alertmanager;
mod bento;
mod dashboards;
mod documents;
mod dovecot;
mod faults;
mod framings;
mod guests;
mod maxconn;
mod package;
mod posting;
mod process;
mod prometheus;
mod report;
mod rsyslog;
mod servers;
mod stores;
mod units;
mod wrong_key;

use std::fs;
use std::process::ExitCode;

use host_test::Error;

use crate::report::Report;
use crate::stores::{Elasticsearch, Kit, OpenSearch};

/// So small that `maxconn run` meets them: then a store answers 429 and 413.
const LIMITS: [&str; 2] = [
    "indexing_pressure.memory.limit=300kb",
    "http.max_content_length=1mb",
];

/// Checks something, and tells how it went.
type Part = fn(&mut Report);

fn main() -> ExitCode {
    let mut report = Report::default();
    let parts: [(&str, Part); 11] = [
        ("guests", guests::check),
        ("framings", framings::check),
        ("rsyslog", rsyslog::check),
        ("posting", posting::check),
        ("alertmanager", alertmanager::check),
        ("bento", bento::check),
        ("prometheus", prometheus::check),
        ("units", units::check),
        ("package", package::check),
        ("servers", servers::check),
        ("stores", stores),
    ];
    // For whoever works on one of them: `cargo run --release -p e2e -- PART`.
    let only = std::env::args().nth(1);
    for (name, check) in parts {
        if only.as_ref().is_none_or(|only| only == name) {
            check(&mut report);
        }
    }
    report.end()
}

fn stores(report: &mut Report) {
    match Kit::fetch() {
        Ok(kit) => {
            opensearch(&kit, report);
            elasticsearch(&kit, report);
        }
        Err(error) => report.tell("stores", Err(error)),
    }
}

fn opensearch(kit: &Kit, report: &mut Report) {
    let start = || OpenSearch::start(kit, &process::folder("opensearch")?, &LIMITS);
    let mut store = match start() {
        Ok(store) => store,
        Err(error) => return report.tell("OpenSearch starts", Err(error)),
    };
    let client = &store.client;
    let mut tell = |name: &str, result| report.tell(&format!("OpenSearch: {name}"), result);
    tell("maxconn setup", documents::setup(&client.url, &[]));
    tell("documents of all cases", documents::held(client));
    tell("logs of before, twice", documents::replayed(client));
    let drawn = dashboards::check(client, "opensearch-dashboards");
    tell("dashboards", drawn);
    let taken_over = documents::taken_over(client, &[]);
    tell("setup after an earlier version", taken_over);
    let chain = rsyslog::chain(&store);
    report.tell("Dovecot to rsyslog to maxconn to OpenSearch", chain);
    faults::check(&mut store, report);
}

fn elasticsearch(kit: &Kit, report: &mut Report) {
    let start = || Elasticsearch::start(kit, &process::folder("elasticsearch")?);
    let store = match start() {
        Ok(store) => store,
        Err(error) => return report.tell("Elasticsearch starts", Err(error)),
    };
    let client = &store.client;
    let mut tell = |name: &str, result| report.tell(&format!("Elasticsearch: {name}"), result);
    let setup = secure_setup(&store, None, |more| documents::setup(&client.url, more));
    tell("maxconn setup", setup);
    tell("documents of all cases", documents::held(client));
    tell("dashboards", dashboards::check(client, "kibana"));
    let streams = Some(("logs-*.maxconn-*", &["manage"][..]));
    let taken_over = |more: &[&str]| documents::taken_over(client, more);
    let taken_over = secure_setup(&store, streams, taken_over);
    tell("setup after an earlier version", taken_over);
    tell("wrong keys", wrong_key::check(&store));
}

/// By TLS, and with no more privileges than `maxconn setup --help` asks for.
fn secure_setup(
    store: &Elasticsearch,
    streams: Option<(&str, &[&str])>,
    check: impl FnOnce(&[&str]) -> Result<String, Error>,
) -> Result<String, Error> {
    let folder = process::folder("setup")?;
    let key = folder.join("key");
    let privileges = ["manage_index_templates", "manage_ilm", "monitor"];
    fs::write(&key, store.api_key(&privileges, streams)?)?;
    let [key, authority] = [&key, &store.authority].map(|path| path.to_string_lossy());
    check(&["--api-key", &key, "--ca", &authority])
}
