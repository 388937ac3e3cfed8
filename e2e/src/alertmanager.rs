//! A real Alertmanager is told of floods by `maxconn run --alerts`: none is lost and none fires for ever, whoever of the two
//! dies in between.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use host_test::Error;
use serde_json::Value;
use test_support::http::Sink;
use test_support::refusal;

use crate::maxconn::Run;
use crate::process::{Running, folder, free_ports, guarded};
use crate::report::Report;
use crate::stores::client::Client;

/// So many floods begin at once.
const FLOODS: usize = 1000;
/// Three refusals are a flood; time alone ends none.
const CONFIG: &str = "max_floods = 2000\nallowed_lateness = \"0s\"\n[[rule]]\nname = \"userip\"\nthreshold = 3\nwithin = \"10s\"\n\
                      quiet = \"10m\"\nupdate_every = \"20s\"\n";
/// Each user's alerts are notified by themselves, at once.
const ROUTE: &str = "route:\n  receiver: hook\n  group_by: [alertname, user]\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1h\n\
                     receivers:\n  - name: hook\n    webhook_configs:\n      - url: URL\n        send_resolved: true\n";
/// The midnight that 2026 began with.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// Runs all of it.
pub fn check(report: &mut Report) {
    report.tell("Alertmanager: floods over restarts of both sides", told());
}

/// An Alertmanager, started anew as often as one likes. Each time it tells another receiver: killed it forgets whom it
/// had notified, and says nothing of an end of which it has not notified the beginning.
struct Alertmanager {
    hook: Sink,
    folder: PathBuf,
    client: Client,
    running: Running,
}

impl Alertmanager {
    fn start(folder: &Path, port: u16) -> Result<Alertmanager, Error> {
        let hook = Sink::start();
        configure(folder, &hook)?;
        let at = folder.display();
        let mut command = guarded("prometheus-alertmanager");
        command.args([
            format!("--config.file={at}/alertmanager.yml"),
            format!("--storage.path={at}/data"),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_string(),
        ]);
        let log = folder.join("alertmanager.log");
        let mut alertmanager = Alertmanager {
            running: Running::start("prometheus-alertmanager", command, &log)?,
            folder: folder.to_path_buf(),
            client: Client::new(format!("http://127.0.0.1:{port}"), None, None)?,
            hook,
        };
        alertmanager.until_ready()?;
        Ok(alertmanager)
    }

    fn crash_and_restart(&mut self) -> Result<(), Error> {
        self.hook = Sink::start();
        configure(&self.folder, &self.hook)?;
        self.running.crash_and_restart()?;
        self.until_ready()
    }

    /// Waits until maxconn's state has it that a user's alert fires.
    fn until_kept(&mut self, state: &str, user: &str) -> Result<(), Error> {
        let words = format!("\"user\":\"{user}\"}}");
        self.running.until("a state with the alert", |_| {
            let state = fs::read(state)?;
            Ok(String::from_utf8_lossy(&state)
                .contains(&words)
                .then_some(()))
        })
    }

    /// Waits until its receiver was told that so many users' alerts fire, or are resolved.
    fn until_notified(&mut self, status: &str, users: usize) -> Result<(), Error> {
        let hook = &self.hook;
        let what = format!("{users} users are notified of as {status}");
        self.running.until(&what, |_| {
            Ok((notified(hook, status)?.len() == users).then_some(()))
        })
    }

    fn until_ready(&mut self) -> Result<(), Error> {
        let client = &self.client;
        self.running.until("it is ready", |_| {
            Ok(matches!(client.ask("GET", "/-/ready", ""), Ok((200, _))).then_some(()))
        })
    }

    /// Waits until so many alerts fire, and answers them.
    fn until_fire(&mut self, count: usize) -> Result<Vec<Value>, Error> {
        let client = &self.client;
        self.running.until(&format!("{count} alerts fire"), |_| {
            let alerts = client.must("GET", "/api/v2/alerts?active=true", &Value::Null)?;
            let alerts = alerts.as_array().ok_or("no list came")?.clone();
            Ok((alerts.len() == count).then_some(alerts))
        })
    }
}

fn configure(folder: &Path, hook: &Sink) -> Result<(), Error> {
    let route = ROUTE.replace("URL", &format!("http://{}/", hook.address));
    Ok(fs::write(folder.join("alertmanager.yml"), route)?)
}

/// The users of whom a receiver was told this.
fn notified(hook: &Sink, status: &str) -> Result<BTreeSet<String>, Error> {
    let mut users = BTreeSet::new();
    let text = hook.lines().join("\n");
    for message in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        let message = message?;
        if message["status"] == status {
            let user = message["groupLabels"]["user"].as_str().unwrap_or_default();
            users.insert(user.to_string());
        }
    }
    Ok(users)
}

fn refusals(user: &str, seconds: std::ops::Range<i64>) -> String {
    let lines = seconds.map(|second| refusal::json(BEGIN_MS + second * 1000, user, "192.0.2.7"));
    lines.collect()
}

fn told() -> Result<String, Error> {
    let folder = folder("alertmanager")?;
    let [port, input, admin] = free_ports()?;
    let mut alertmanager = Alertmanager::start(&folder, port)?;
    let config = folder.join("maxconn.toml");
    fs::write(&config, CONFIG)?;
    let input = format!("http://127.0.0.1:{input}");
    let (config, state) = (config.to_string_lossy(), folder.join("state"));
    let (state, output) = (
        state.to_string_lossy(),
        format!("alertmanager+http://127.0.0.1:{port}"),
    );
    let arguments = [
        ["--config", &config],
        ["--input", &input],
        ["--output", "none"],
        ["--state", &state],
        ["--alerts", &output],
        ["--alerts-resend", "1s"],
    ];
    let log = folder.join("maxconn.log");
    let mut maxconn = Run::start(arguments.concat(), admin, &log)?;
    let post = |lines: &str| ureq::post(&input).send(lines).map(drop);

    // One flood, over a crash of each side.
    post(&refusals("bob", 0..5))?;
    let first = alertmanager.until_fire(1)?.remove(0);
    // A state is written soon after an alert; before that the flood would be told anew.
    alertmanager.until_kept(&state, "bob")?;
    maxconn.crash_and_restart()?;
    alertmanager.crash_and_restart()?;
    let again = alertmanager.until_fire(1)?.remove(0);
    if (&again["fingerprint"], &again["startsAt"]) != (&first["fingerprint"], &first["startsAt"]) {
        return Err(format!("after the crash it is another alert: {first} {again}").into());
    }
    alertmanager.until_notified("firing", 1)?;
    post(&refusals("bob", 5..60))?;
    post(&refusals("later", 1000..1002))?;
    alertmanager.until_fire(0)?;
    alertmanager.until_notified("resolved", 1)?;

    // Many at once; both crash while they fire.
    // In the order of their times, each user from an address of their own.
    let user = |it: usize| {
        (
            format!("user{it}"),
            format!("198.18.{}.{}", it / 250, it % 250 + 1),
        )
    };
    let refusal = |(number, second): (usize, i64)| {
        let (user, address) = user(number);
        refusal::json(BEGIN_MS + second * 1000, &user, &address)
    };
    let all = (2000..2003).flat_map(|second| (0..FLOODS).map(move |number| (number, second)));
    let batch: String = all.map(refusal).collect();
    post(&batch)?;
    alertmanager.until_fire(FLOODS)?;
    alertmanager.until_kept(&state, &user(FLOODS - 1).0)?;
    alertmanager.crash_and_restart()?;
    maxconn.crash_and_restart()?;
    alertmanager.until_fire(FLOODS)?;
    alertmanager.until_notified("firing", FLOODS)?;
    post(&refusals("later", 4000..4002))?;
    alertmanager.until_fire(0)?;
    alertmanager.until_notified("resolved", FLOODS)?;
    let said = fs::read_to_string(folder.join("maxconn.log"))?;
    if said.contains("dropped") || maxconn.metric("maxconn_open_floods")? != 0 {
        return Err(format!("something was dropped, or goes on: {said}").into());
    }
    maxconn.stop()?;
    Ok(format!(
        "{} floods fired and were resolved, each notified",
        FLOODS + 1
    ))
}
