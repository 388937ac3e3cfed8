//! A real Alertmanager is told of floods by `maxconn run --alerts`: none is lost and none fires for ever, whoever of the two
//! dies in between.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host_test::Error;
use serde_json::Value;
use test_support::http::Sink;
use test_support::refusal;

use crate::maxconn::Run;
use crate::process::{Running, folder, free_ports, guarded};
use crate::report::Report;

/// Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
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
    port: u16,
    running: Running,
}

impl Alertmanager {
    fn start(folder: &Path, port: u16) -> Result<Alertmanager, Error> {
        let hook = Sink::start();
        let mut alertmanager = Alertmanager {
            running: launch(folder, port, &hook)?,
            folder: folder.to_path_buf(),
            port,
            hook,
        };
        alertmanager.until_ready()?;
        Ok(alertmanager)
    }

    fn crash_and_restart(&mut self) -> Result<(), Error> {
        self.running.kill()?;
        self.hook = Sink::start();
        self.running = launch(&self.folder, self.port, &self.hook)?;
        self.until_ready()
    }

    /// Waits until maxconn's state has it that a user's alert fires.
    fn until_kept(&mut self, state: &str, user: &str) -> Result<(), Error> {
        let words = format!("\"user\":\"{user}\"}}");
        self.running.until("a state with the alert", PATIENCE, |_| {
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
        self.running.until(&what, PATIENCE, |_| {
            Ok((notified(hook, status)?.len() == users).then_some(()))
        })
    }

    fn until_ready(&mut self) -> Result<(), Error> {
        let url = format!("http://127.0.0.1:{}/-/ready", self.port);
        let ready = |_: &Running| Ok(ureq::get(&url).call().ok().map(drop));
        self.running.until("it is ready", PATIENCE, ready)
    }

    /// Waits until so many alerts fire, and answers them.
    fn until_fire(&mut self, count: usize) -> Result<Vec<Value>, Error> {
        let url = format!("http://127.0.0.1:{}/api/v2/alerts?active=true", self.port);
        self.running
            .until(&format!("{count} alerts fire"), PATIENCE, |_| {
                let text = ureq::get(&url)
                    .call()?
                    .body_mut()
                    .with_config()
                    .limit(64 << 20)
                    .read_to_string()?;
                let alerts: Vec<Value> = serde_json::from_str(&text)?;
                Ok((alerts.len() == count).then_some(alerts))
            })
    }
}

fn launch(folder: &Path, port: u16, hook: &Sink) -> Result<Running, Error> {
    let route = ROUTE.replace("URL", &format!("http://{}/", hook.address));
    fs::write(folder.join("alertmanager.yml"), route)?;
    let mut command = guarded("prometheus-alertmanager");
    command
        .arg(format!(
            "--config.file={}",
            folder.join("alertmanager.yml").display()
        ))
        .arg(format!("--storage.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=");
    Running::start(
        "prometheus-alertmanager",
        &mut command,
        &folder.join("alertmanager.log"),
    )
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
    let arguments = arguments.concat().into_iter().map(str::to_string).collect();
    let mut maxconn = Run::start(arguments, admin, &folder.join("maxconn.log"))?;
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
