//! Everything real, one after the other: Dovecot, rsyslogd, maxconn, OpenSearch.

use std::collections::BTreeSet;
use std::fs;

use host_test::Error;
use serde_json::{Value, json};
use test_support::refusal::WORDS;

use super::site::Site;
use crate::dovecot::Server;
use crate::process::folder;
use crate::stores::OpenSearch;

const ATTEMPTS: usize = 1_500;
const STREAM: &str = "logs-dovecot.maxconn-default";
/// A flood that ends soon after its last event, in the time of the wall's clock.
const QUIET_SOON: &str = "[[rule]]\nname = \"userip\"\nwithin = \"10s\"\nquiet = \"20s\"\n";

/// A genuine flood: events, alerts and totals as the log has them, one document each.
pub fn check(store: &OpenSearch) -> Result<String, Error> {
    let mut site = Site::new("chain", "omprog.conf", store.port)?;
    let rules = site.folder.join("rules.toml");
    fs::write(&rules, QUIET_SOON)?;
    site.configuration = site.configuration.replace(
        "--confirm messages",
        &format!("--confirm messages --config {}", rules.display()),
    );
    // In the place of a time, which syslog tells beside the text; a space is what syslog puts before that.
    let server = Server::start(&folder("dovecot-chain")?, "log_timestamp = \" \"\n")?;
    let log = server.log.clone();
    site.inputs = format!(
        "module(load=\"imfile\")\n\
         input(type=\"imfile\" file=\"{}\" tag=\"dovecot:\" facility=\"mail\" severity=\"info\")\n",
        log.display()
    );
    let mut daemon = site.start()?;
    server.flood(ATTEMPTS)?;
    server.stop()?;
    let log = fs::read_to_string(log)?;
    let refusals = log.lines().filter(|line| line.contains(WORDS)).count();
    let end = json!({"term": {"event.action": "connection-limit-flood-end"}});
    daemon.until("the flood's end in the store", |_| {
        // Before the first document there is no stream.
        let ends = store.client.count(STREAM, &end).unwrap_or(0);
        Ok((ends > 0).then_some(()))
    })?;
    daemon.end_well()?;
    let documents = store.client.documents(STREAM, &json!({"match_all": {}}))?;
    let figures = compare(&documents, refusals)?;
    Ok(format!(
        "{refusals} refusals in {} lines of Dovecot; {figures}",
        log.lines().count()
    ))
}

fn compare(documents: &[Value], refusals: usize) -> Result<String, Error> {
    let id = |it: &Value| {
        // rsyslog's template has it as a key with a dot.
        let id = it["event.id"].as_str().or(it["event"]["id"].as_str());
        id.map(str::to_string)
    };
    let different: BTreeSet<_> = documents.iter().filter_map(id).collect();
    let is_event = |it: &&Value| it["event"]["action"] == "connection-limit-exceeded";
    let events = documents.iter().filter(is_event).count();
    let [starts, updates, ends] = ["start", "ongoing", "end"].map(|state| {
        documents
            .iter()
            .filter(|it| it["event"]["kind"] == "alert" && it["maxconn"]["flood"]["state"] == state)
            .collect::<Vec<_>>()
    });
    let ([start], [end]) = (starts.as_slice(), ends.as_slice()) else {
        return Err(format!("{} starts, {} ends", starts.len(), ends.len()).into());
    };
    if start["user"]["name"] != "flooder@example.org" || start["source"]["ip"] != "127.0.0.1" {
        return Err(format!("a flood of somebody else: {start}").into());
    }
    let figure = |name: &str| end["maxconn"]["flood"][name].as_u64().unwrap_or(0) as usize;
    let (count, passed, suppressed) = (figure("count"), figure("passed"), figure("suppressed"));
    let alerts = 2 + updates.len();
    let figures = format!(
        "the end counts {count}, {passed} passed and {suppressed} held back; {} documents: {events} events, {alerts} alerts",
        documents.len()
    );
    let fits = count == refusals
        && passed == events
        && passed + suppressed == refusals
        && documents.len() == events + alerts
        && different.len() == documents.len();
    if fits {
        Ok(format!("{figures}, each once"))
    } else {
        Err(format!(
            "{refusals} refusals, but {figures}, {} different",
            different.len()
        )
        .into())
    }
}
