//! A real rsyslogd with the files of `pipelines/rsyslog`, in which only paths and ports are others.

mod chain;
mod site;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;

use host_test::Error;
use serde_json::Value;
use test_support::refusal::message;
use test_support::store::Store;

pub use self::chain::check as chain;
use self::site::{Site, pipeline};
use crate::process::{Running, guarded, run};
use crate::report::Report;
use crate::{framings, maxconn};

/// Records of which each goes on by itself.
const SINGLE: usize = 3_000;
/// When the flood has long been over: a refusal then, of somebody else, ends it.
const LATER: [&str; 2] = ["22:30:00", "22:30:01"];

/// All of it.
pub fn check(report: &mut Report) {
    report.tell("rsyslog: omprog, restarted", omprog());
    report.tell("rsyslog: omprog, killed", killed());
    report.tell("rsyslog: omfwd", omfwd());
    report.tell("rsyslog: $RepeatedMsgReduction", repeated());
}

/// A flood comes through a program that rsyslog waits for, and rsyslog is restarted in the midst of it.
fn omprog() -> Result<String, Error> {
    let run = Run::new("omprog", "omprog.conf")?;
    let (lines, refusals) = flood()?;
    let (first, second) = lines.split_at(lines.len() / 2);
    let mut daemon = run.start()?;
    run.send(first)?;
    daemon.until("the first half", |_| {
        Ok((run.records() == Some(first.len())).then_some(()))
    })?;
    daemon.end_well()?;
    let mut daemon = run.start()?;
    run.send(second)?;
    let figures = run.totals(&mut daemon, refusals)?;
    daemon.end_well()?;
    Ok(figures)
}

/// The program is killed three times while records come that all go on.
fn killed() -> Result<String, Error> {
    let run = Run::new("killed", "omprog.conf")?;
    let mut daemon = run.start()?;
    let lines = singles();
    for (index, part) in lines.chunks(SINGLE / 4).enumerate() {
        run.send(part)?;
        // Some of the part are in the store then, the rest is anywhere. rsyslog starts a dead program with the
        // next record only, so the last part finds it alive.
        run.stored(&mut daemon, index * SINGLE / 4 + 1)?;
        if index < 3 {
            kill_program(&mut daemon)?;
        }
    }
    run.stored(&mut daemon, SINGLE)?;
    daemon.end_well()?;
    let documents: Vec<Value> = run.sink.documents().into_values().collect();
    let stored = documents.len();
    let messages = documents.iter().map(|it| it["message"].as_str());
    let different = messages.collect::<BTreeSet<_>>().len();
    if different == SINGLE && stored == SINGLE {
        Ok(format!(
            "{SINGLE} sent, 3 kills, {stored} stored, missing 0, duplicated 0"
        ))
    } else {
        Err(format!("{SINGLE} sent, {stored} stored, {different} of them different").into())
    }
}

/// A flood comes by TCP to a service that is started as the README says.
fn omfwd() -> Result<String, Error> {
    let run = Run::new("omfwd", "omfwd.conf")?;
    let readme = fs::read_to_string(pipeline("README.md"))?;
    let mut commands = readme.lines();
    let command = commands.find(|line| line.starts_with("maxconn run --input tcp://"));
    let command = run
        .site
        .adapted(command.ok_or("the README starts no maxconn for omfwd.conf")?);
    let mut service = guarded(maxconn::path());
    service.args(command.split_whitespace().skip(1));
    let log = run.site.folder.join("service.log");
    let service = Running::start("maxconn", service, &log)?;
    let (lines, refusals) = flood()?;
    let mut daemon = run.start()?;
    run.send(&lines)?;
    let figures = run.totals(&mut daemon, refusals)?;
    daemon.end_well()?;
    service.end_well()?;
    Ok(figures)
}

/// The same lines one after the other become "message repeated": their file has the flood's total all the same.
fn repeated() -> Result<String, Error> {
    let mut site = Site::new("repeated", "omprog.conf", 0)?;
    let log = site.folder.join("repeated.log");
    site.configuration = format!(
        "$RepeatedMsgReduction on\n*.* {};RSYSLOG_FileFormat\n",
        log.display()
    );
    let (lines, refusals) = flood()?;
    // A session's name makes every line another one.
    let same = |line: &String| match line.split_once(", session=") {
        Some((same, _)) => format!("{same}\n"),
        None => line.clone(),
    };
    let lines: Vec<String> = lines.iter().map(same).collect();
    let mut daemon = site.start()?;
    let [port, ..] = site.ports;
    TcpStream::connect(("127.0.0.1", port))?.write_all(lines.concat().as_bytes())?;
    let last = lines.last().and_then(|line| line.split_once("user=<"));
    let (_, last) = last.ok_or("the flood has no last line")?;
    daemon.until("the last line", |_| {
        let text = fs::read_to_string(&log).unwrap_or_default();
        Ok(text.contains(last.trim_end()).then_some(()))
    })?;
    daemon.end_well()?;
    let written = fs::read_to_string(&log)?.lines().count();
    let held = framings::held(&log, refusals)?;
    Ok(format!("{held}, in {written} lines"))
}

/// A line of syslog; its time is told in full, so that it is the same on every day.
fn line(time: &str, text: &str) -> String {
    format!("<22>2026-11-22T{time}+00:00 mail dovecot: {text}\n")
}

/// A real flood as Dovecot would have given it to syslog, with the line that ends it, and how many refusals are
/// in it.
fn flood() -> Result<(Vec<String>, u64), Error> {
    let (logged, refusals) = framings::flood()?;
    let lines = logged.iter().map(|(time, text)| line(time, text));
    // Time moves on the word of two.
    let later = LATER.map(|time| refusal(time, 1));
    Ok((lines.chain(later).collect(), refusals))
}

fn refusal(time: &str, number: usize) -> String {
    let address = format!("10.9.{}.{}", number / 250, number % 250 + 1);
    let message = message(&format!("user{number}"), &address);
    line(time, &format!("{message}, session=<serial{number}>"))
}

/// Refusals, each of another user at another address.
fn singles() -> Vec<String> {
    let time = |number: usize| format!("21:{:02}:{:02}", number / 60 % 60, number % 60);
    (0..SINGLE)
        .map(|number| refusal(&time(number), number))
        .collect()
}

/// A sink in the place of a store, and what comes before it.
struct Run {
    site: Site,
    sink: Store,
}

impl Run {
    fn new(name: &str, file: &str) -> Result<Run, Error> {
        let sink = Store::start();
        let site = Site::new(name, file, sink.address.port())?;
        Ok(Run { site, sink })
    }

    fn start(&self) -> Result<Running, Error> {
        self.site.start()
    }

    fn send(&self, lines: &[String]) -> Result<(), Error> {
        let [port, ..] = self.site.ports;
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        Ok(stream.write_all(lines.concat().as_bytes())?)
    }

    /// Waits for so many documents.
    fn stored(&self, daemon: &mut Running, count: usize) -> Result<(), Error> {
        daemon.until("documents in the store", |_| {
            Ok((self.sink.documents().len() >= count).then_some(()))
        })
    }

    /// How many records maxconn has taken; nothing while it does not run.
    fn records(&self) -> Option<usize> {
        let [.., admin] = self.site.ports;
        let answer = ureq::get(format!("http://127.0.0.1:{admin}/metrics")).call();
        let text = answer.ok()?.body_mut().read_to_string().ok()?;
        let figure = |line: &str| line.strip_prefix("maxconn_records_total ")?.parse().ok();
        text.lines().find_map(figure)
    }

    /// Waits for the flood's end, and holds everything against what was counted.
    fn totals(&self, daemon: &mut Running, refusals: u64) -> Result<String, Error> {
        let of = |action: &str| self.sink.of_action(action);
        let end = daemon.until("the flood's end", |_| {
            Ok(of("connection-limit-flood-end").pop())
        })?;
        let starts = of("connection-limit-flood-start").len();
        let events = of("connection-limit-exceeded").len() as u64;
        let figure = |name: &str| end["maxconn"]["flood"][name].as_u64().unwrap_or(0);
        let (count, suppressed) = (figure("count"), figure("suppressed"));
        // The two that came later are events of their own.
        if (starts, count, events + suppressed) != (1, refusals, refusals + 2) {
            return Err(format!(
                "{refusals} refusals, but {starts} starts, an end with {count}, {events} events and {suppressed} held back"
            )
            .into());
        }
        // rsyslog makes the file when it has something to write.
        let rest = fs::read_to_string(self.site.folder.join("rest.log"));
        if rest.is_ok_and(|rest| rest.contains("dovecot")) {
            return Err("records went on to the next rules, although the file stops them".into());
        }
        Ok(format!(
            "end with {count} of {refusals} refusals, {suppressed} held back, {} documents",
            self.sink.documents().len()
        ))
    }
}

/// Ends the program that rsyslogd has started as a power cut would.
fn kill_program(daemon: &mut Running) -> Result<(), Error> {
    daemon.until("its program", |daemon| {
        for task in fs::read_dir(format!("/proc/{}/task", daemon.id()))? {
            // A thread may end while it is looked at.
            let children = fs::read_to_string(task?.path().join("children"));
            if let Some(child) = children.unwrap_or_default().split_whitespace().next() {
                return run(Command::new("kill").args(["-s", "KILL", child])).map(Some);
            }
        }
        Ok(None)
    })?;
    Ok(())
}
