//! `maxconn run` before a real OpenSearch while one thing after the other fails: nothing is missing, and
//! nothing is there twice.

pub mod planted;
pub mod sender;

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use host_test::Error;
use serde_json::{Value, json};

use self::planted::{Alerts, EVENTS, Load, RECORDS};
use self::sender::send;
use crate::maxconn::Run;
use crate::process::{folder, free_ports};
use crate::report::Report;
use crate::stores::OpenSearch;
use crate::stores::client::Client;

/// How long the store answers nothing.
const FROZEN: Duration = Duration::from_secs(20);
/// How often `maxconn` is killed.
const KILLS: usize = 3;
/// How many loads are sent, with a flood each.
const LOADS: usize = 4;
/// Who makes the flood meanwhile.
const KILLED: &str = "killed@example.org";
/// Larger than `http.max_content_length`, in bytes, even when it is compressed.
const LARGE_BYTES: usize = 3 << 20;

/// Everything that is needed, and what was sent.
struct Field<'a> {
    store: &'a mut OpenSearch,
    run: Run,
    port: u16,
    folder: PathBuf,
    loads: Vec<Load>,
}

/// Lets it all fail. The store is one with [`crate::LIMITS`], and has our templates.
pub fn check(store: &mut OpenSearch, report: &mut Report) {
    let mut field = match Field::start(store) {
        Ok(field) => field,
        Err(error) => return report.tell("faults: maxconn starts", Err(error)),
    };
    report.tell("faults: maxconn killed", field.killed());
    report.tell("faults: the store answers nothing", field.frozen());
    report.tell("faults: the store killed", field.store_killed());
    report.tell("faults: 413, 429, 400", field.limits());
    report.tell("faults: totals of floods", field.floods());
    report.tell("faults: the end", field.end());
}

impl<'a> Field<'a> {
    fn start(store: &'a mut OpenSearch) -> Result<Field<'a>, Error> {
        planted::put_template(&store.client)?;
        let folder = folder("faults")?;
        let [port, admin] = free_ports()?;
        let at = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let run = Run::start(
            vec![
                format!("--input=http://127.0.0.1:{port}"),
                format!("--output=elasticsearch+{}", store.client.url),
                format!("--events-stream={EVENTS}"),
                format!("--records-stream={RECORDS}"),
                format!("--state={}", at("state")),
                format!("--dead-letter={}", at("dead.ndjson")),
                // Short, so that senders are told to come again.
                "--request-timeout=4s".to_string(),
                "--state-interval=100ms".to_string(),
            ],
            admin,
            &folder.join("log"),
        )?;
        Ok(Field {
            store,
            run,
            port,
            folder,
            loads: Vec::new(),
        })
    }

    fn client(&self) -> &Client {
        &self.store.client
    }

    /// It is killed again and again while records come.
    fn killed(&mut self) -> Result<String, Error> {
        let load = Load::new(0..30_000, 100, KILLED);
        let run = &mut self.run;
        let progress = send(self.port, &load.batches, |progress| {
            for kill in 1..=KILLS {
                progress.wait_for(load.batches.len() * kill / (KILLS + 1))?;
                run.crash_and_restart()?;
            }
            Ok(())
        })?;
        let (refused, broken) = progress.failures();
        if broken == 0 {
            return Err("no sender noticed; send more".into());
        }
        let figures = load.check(self.client())?;
        let told = self
            .run
            .times_said("the last run did not end by itself: totals");
        if told != KILLS {
            return Err(format!("{told} times it said that totals may lack something").into());
        }
        self.loads.push(load);
        Ok(format!(
            "{figures}; {KILLS} times, {} posts sent again, each time it said that totals may lack something",
            refused + broken
        ))
    }

    /// The store takes connections and requests, and answers nothing.
    fn frozen(&mut self) -> Result<String, Error> {
        let load = Load::new(30_000..40_000, 100, "frozen@example.org");
        let store = &self.store;
        let progress = send(self.port, &load.batches, |progress| {
            progress.wait_for(load.batches.len() / 4)?;
            store.freeze()?;
            let before = progress.acknowledged();
            thread::sleep(FROZEN);
            let meanwhile = progress.acknowledged() - before;
            store.thaw()?;
            // What was on the way when it froze.
            if meanwhile > 8 {
                return Err(
                    format!("{meanwhile} batches were acknowledged that nobody took").into(),
                );
            }
            Ok(())
        })?;
        let figures = load.check(self.client())?;
        let (refused, broken) = progress.failures();
        let repeated = self.run.metric("maxconn_repeated_batches_total")?;
        if refused == 0 || repeated == 0 {
            return Err(format!("{figures}; but no sender was told to come again").into());
        }
        self.loads.push(load);
        Ok(format!(
            "{figures}; for {} s, {} posts sent again, {repeated} known again",
            FROZEN.as_secs(),
            refused + broken
        ))
    }

    /// The store is killed and comes back with what it has on the disk.
    fn store_killed(&mut self) -> Result<String, Error> {
        let load = Load::new(40_000..50_000, 100, "away@example.org");
        let store = &mut self.store;
        let progress = send(self.port, &load.batches, |progress| {
            progress.wait_for(load.batches.len() / 4)?;
            store.crash_and_restart()
        })?;
        let figures = load.check(self.client())?;
        let (refused, broken) = progress.failures();
        self.loads.push(load);
        Ok(format!("{figures}; {} posts sent again", refused + broken))
    }

    /// Batches that are too much for the store at once, with documents that it never takes.
    fn limits(&mut self) -> Result<String, Error> {
        let mut load = Load::new(50_000..62_000, 6_000, "large@example.org").padded(1_000);
        for serial in [50_000, 55_555, 61_999] {
            load.poison(serial);
        }
        if load.batches.iter().any(|batch| batch.len() < LARGE_BYTES) {
            return Err("the batches are too small for this".into());
        }
        // The connection can break before the answer is read.
        match self.client().ask("POST", "/_bulk", "x".repeat(LARGE_BYTES)) {
            Ok((413, _)) | Err(_) => {}
            Ok((status, _)) => return Err(format!("the store answers {status}, not 413").into()),
        }
        send(self.port, &load.batches, |_| Ok(()))?;
        let figures = load.check(self.client())?;
        let said = self.run.said("answers 429")?;
        if !said.contains("rejected_execution") {
            return Err(format!("another 429 than the one of memory: {said}").into());
        }
        let dead = fs::read_to_string(self.folder.join("dead.ndjson"))?;
        let mut serials = Vec::new();
        for line in dead.lines() {
            let letter: Value = serde_json::from_str(line)?;
            let reason = letter["reason"].as_str().unwrap_or_default();
            if !reason.contains("refuses it: 400 ") || !reason.contains("source.ip") {
                return Err(format!("a dead letter for another reason: {line}").into());
            }
            let document: Value =
                serde_json::from_str(letter["document"].as_str().unwrap_or_default())?;
            serials.push(document["serial"].as_u64().unwrap_or(0));
        }
        serials.sort_unstable();
        if !serials.iter().eq(&load.poisoned) {
            return Err(format!(
                "{:?} are poisoned, set aside are {serials:?}",
                load.poisoned
            )
            .into());
        }
        let megabytes = load.batches.iter().map(String::len).sum::<usize>() as f64 / 1e6;
        let count = load.batches.len();
        self.loads.push(load);
        Ok(format!(
            "{figures}; {megabytes:.0} MB in {count} batches, dead-lettered as expected: {}",
            serials.len()
        ))
    }

    /// What the alerts say of the floods that were in all this.
    fn floods(&mut self) -> Result<String, Error> {
        send(self.port, &[planted::later()], |_| Ok(()))?;
        if self.loads.len() != LOADS {
            return Err("what failed above was not all sent".into());
        }
        let mut figures = Vec::new();
        for load in &self.loads {
            let alerts = Alerts::of(self.client(), &load.flooder)?;
            let query = json!({"bool": {"filter": [
                {"term": {"user.name": load.flooder}}, {"term": {"event.kind": "event"}},
            ]}});
            let passed = self.client().count(EVENTS, &query)?;
            // Only where maxconn itself was killed a total may lack something.
            let may_lack = load.flooder == KILLED;
            let fits = if may_lack {
                alerts.count <= load.flood && alerts.count > load.flood / 2
            } else {
                alerts.count == load.flood && alerts.passed == passed
            };
            let told = format!("{} of {} ({})", alerts.count, load.flood, load.flooder);
            if alerts.floods != 1 || !fits {
                let floods = alerts.floods;
                return Err(format!("{floods} floods, {told}, {passed} of them stored").into());
            }
            figures.push(told);
        }
        Ok(format!(
            "one start and one end each, events {}",
            figures.join(", ")
        ))
    }

    fn end(self) -> Result<String, Error> {
        let retries = self.run.metric("maxconn_delivery_retries_total")?;
        let letters = self.run.metric("maxconn_dead_letters_total")?;
        self.run.stop()?;
        Ok(format!(
            "{retries} retries, {letters} dead letters, and it stops well"
        ))
    }
}
