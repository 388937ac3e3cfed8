//! `bento-run.yaml`: Bento's `http` processor before `maxconn run --output reply`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use host_test::Error;
use host_test::case::stamp;
use serde_json::Value;
use test_support::{data, refusal};

use super::{documents, lines, post, printed, same, start, until_posts};
use crate::faults::sender;
use crate::maxconn::{self, Run};
use crate::process::{Running, folder, free_ports};
use crate::report::Report;

const FILE: &str = "bento-run.yaml";
/// Posts of the test with crashes, records without an event in each, and events.
const POSTS: usize = 60;
const PLAIN: usize = 180;
const REFUSED: usize = 20;
/// 2026-01-11T12:00:00Z.
const START_MS: i64 = 1_768_132_800_000;
/// So many post at once, and are without an answer when Bento is killed.
const SENDERS: usize = sender::SENDERS;

/// Runs everything.
pub fn check(report: &mut Report) {
    report.tell("Bento before maxconn run: documents", answered());
    report.tell("Bento before maxconn run: a JSON array", array());
    report.tell("Bento before maxconn run: crashes", crashes());
}

/// Both programs.
struct Site {
    folder: PathBuf,
    port: u16,
    maxconn: Run,
    bento: Running,
}

impl Site {
    fn start(name: &str, change: impl FnOnce(String) -> String) -> Result<Site, Error> {
        let folder = folder(name)?;
        let [own, port, input, admin] = free_ports()?;
        let config = change(printed(FILE, [own, port, input], &folder)?);
        let state = folder.join("state").to_string_lossy().into_owned();
        let url = format!("http://127.0.0.1:{input}");
        // As the README has it.
        let arguments = ["--input", &url, "--output", "reply", "--state", &state];
        let maxconn = Run::start(arguments, admin, &folder.join("maxconn.log"))?;
        let bento = start(&folder, &config, port)?;
        Ok(Site {
            folder,
            port,
            maxconn,
            bento,
        })
    }

    fn written(&self, file: &str) -> Result<Vec<String>, Error> {
        lines(&self.folder.join(file))
    }

    /// Ends Bento as a power cut would, and starts it again.
    fn crash_bento(&mut self) -> Result<(), Error> {
        self.bento.crash_and_restart()?;
        until_posts(&mut self.bento, self.port)
    }
}

/// A real flood and what ends it, in posts of 500 lines: alerts, events and other records are those of `maxconn replay`.
fn answered() -> Result<String, Error> {
    let site = Site::start("bento-run", |config| config)?;
    let mut text = data::text(data::FLOOD);
    let later = refusal::message("later", "192.0.2.9");
    for time in ["22:35:00", "22:35:01"] {
        text += &format!("Nov 22 {time} {later}\n");
    }
    let log = site.folder.join("mail.log");
    fs::write(&log, &text)?;
    for batch in text.lines().collect::<Vec<_>>().chunks(500) {
        post(site.port, (batch.join("\n") + "\n").as_bytes())?;
    }
    let both = |only: &str| {
        let written = site.written(&format!("{only}.ndjson"))?;
        same(only, replayed(&log, only)?, documents(written)?)
    };
    let (alerts, events) = (both("alerts")?, both("events")?);
    let others = documents(site.written("others.ndjson")?)?;
    let words = refusal::WORDS;
    let plain = text.lines().filter(|line| !line.contains(words));
    let plain = plain.map(|line| serde_json::json!({"message": line}));
    let others = same("other records", plain.collect(), others)?;
    Ok(format!(
        "{} lines: {alerts} alerts, {events} events, {others} other records",
        text.lines().count()
    ))
}

/// What `maxconn replay` makes of a log.
fn replayed(log: &Path, only: &str) -> Result<Vec<Value>, Error> {
    let log = log.to_string_lossy();
    let only = format!("--only={only}");
    let output = maxconn::output(&["replay", &only, "--summary=none", "--timezone=UTC", &log])?;
    documents(output.lines())
}

/// Messages that are JSON, a post each, as the README says: a batch of them is an array both ways.
fn array() -> Result<String, Error> {
    let site = Site::start("bento-array", |config| {
        config
            .replace("format: lines", "format: json_array")
            .replace("application/x-ndjson", "application/json")
    })?;
    let record = |n: i64| refusal::json(START_MS + n * 1_000, "alice", "203.0.113.7");
    let records: Vec<String> = (0..40).map(|n| record(n).trim_end().to_string()).collect();
    sender::send(site.port, &records, |_| Ok(()))?;
    let [alerts, events, others] =
        ["alerts.ndjson", "events.ndjson", "others.ndjson"].map(|it| site.written(it));
    let told = (alerts?.len(), events?.len(), others?.len());
    match told {
        (1, 29, 0) => Ok("40 refusals: 1 alert, 29 events".to_string()),
        _ => Err(format!("alerts, events and other records are {told:?}").into()),
    }
}

/// Each program is killed twice while posts come: nothing is missing. After a crash of maxconn nothing comes twice; after one of
/// Bento what it had written and not answered.
fn crashes() -> Result<String, Error> {
    const KILLS: usize = 2;
    let mut site = Site::start("bento-crashes", |config| config)?;
    let port = site.port;
    let refused = |n: usize| refusal::line(&stamp(START_MS + n as i64), "alice", "203.0.113.7");
    let batch = |post: usize| {
        let plain = (post * PLAIN..(post + 1) * PLAIN).map(|n| format!("a record {n}\n"));
        let events = (post * REFUSED..(post + 1) * REFUSED).map(refused);
        plain.chain(events).collect::<String>()
    };
    let batches: Vec<String> = (0..POSTS).map(batch).collect();
    let (first, second) = batches.split_at(POSTS / 2);
    let progress = sender::send(port, first, |progress| {
        for kill in 1..=KILLS {
            progress.wait_for(kill * 8)?;
            site.maxconn.crash_and_restart()?;
        }
        Ok(())
    })?;
    let after_maxconn = repeated(&site.written("others.ndjson")?, POSTS / 2)?;
    if after_maxconn > 0 {
        return Err(format!("{after_maxconn} records came twice after crashes of maxconn").into());
    }
    let refusals = progress.failures().0;
    sender::send(port, second, |progress| {
        for kill in 1..=KILLS {
            progress.wait_for(kill * 8)?;
            site.crash_bento()?;
        }
        Ok(())
    })?;
    let twice = repeated(&site.written("others.ndjson")?, POSTS)?;
    if twice > KILLS * SENDERS * PLAIN {
        return Err(format!("{twice} records came twice: more than were without an answer").into());
    }
    let alerts = documents(site.written("alerts.ndjson")?)?;
    let starts = alerts
        .iter()
        .filter(|it| it["event"]["action"] == "connection-limit-flood-start");
    if starts.count() == 0 {
        return Err("no flood started".into());
    }
    Ok(format!(
        "{} records and {} refusals, none missing; {refusals} posts were answered 502; twice came none after crashes of \
         maxconn, {twice} records after those of Bento",
        POSTS * PLAIN,
        POSTS * REFUSED,
    ))
}

/// How many records came more than once, of those of so many posts, of which none may be missing.
fn repeated(others: &[String], posts: usize) -> Result<usize, Error> {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for document in documents(others)? {
        let text = document["message"].as_str().unwrap_or_default();
        let number = text
            .strip_prefix("a record ")
            .and_then(|it| it.parse().ok());
        *counts
            .entry(number.ok_or("a record is none of ours")?)
            .or_default() += 1;
    }
    match posts * PLAIN - counts.len() {
        0 => Ok(others.len() - counts.len()),
        missing => Err(format!("{missing} records are missing").into()),
    }
}
